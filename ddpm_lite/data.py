"""Images as float32 in [-1, 1] (DDPM, 3.3): bundled digits, MNIST, CIFAR-10; and points in the plane."""
import gzip
import math
import re
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ddpm_lite import bundled
from ddpm_lite.download import fetch

Split = Literal["train", "test"]
Images = Float[Tensor, "n c h w"]
Labels = Int[Tensor, " n"]
Points = Float[Tensor, "n 2"]
LEVELS = {"digits": 17, "mnist": 256, "fashion_mnist": 256, "cifar10": 256}     # grey levels, for the bound


def scale(pixels: Any, levels: int) -> Images:
    """Whole numbers 0 .. levels - 1 -> float32 from -1 to 1, evenly spaced."""
    return torch.as_tensor(pixels).float().mul_(2 / (levels - 1)).sub_(1)


@overload
def digits(split: str = "train", labels: Literal[False] = False) -> Images: ...
@overload
def digits(split: str = "train", *, labels: Literal[True]) -> tuple[Images, Labels]: ...
def digits(split: str = "train", labels: bool = False) -> Images | tuple[Images, Labels]:
    """1,797 handwritten digits of 8 x 8 in 17 grey levels (Alpaydin and Kaynak 1998): 1,297 to train on and
    500 to test, the same ones always, ten classes in both as in the whole."""
    check(split)
    pixels, label = bundled.digits()
    order = np.random.RandomState(0).permutation(len(label))            # a stream that NumPy keeps for ever
    order = order[np.argsort(label[order], kind="stable")]              # shuffled, class by class
    test = np.sort(order[np.arange(500) * len(label) // 500])           # evenly spaced, so stratified
    chosen = test if split == "test" else np.setdiff1d(order, test)
    images = scale(pixels[chosen, None], LEVELS["digits"])
    return (images, torch.from_numpy(label[chosen]).long()) if labels else images


def mnist(split: str = "train", labels: bool = False, *,
          name: str = "mnist") -> Images | tuple[Images, Labels]:
    """60,000 or 10,000 images of 28 x 28 (LeCun et al. 1998; "fashion_mnist": Xiao et al. 2017)."""
    check(split)
    stem = "train" if split == "train" else "t10k"
    images = scale(read_idx(fetch(name, f"{stem}-images-idx3-ubyte.gz"))[:, None], 256)
    if not labels:
        return images
    return images, read_idx(fetch(name, f"{stem}-labels-idx1-ubyte.gz")).long()


def cifar10(split: str = "train", labels: bool = False) -> Images | tuple[Images, Labels]:
    """50,000 or 10,000 colour photographs of 32 x 32 (Krizhevsky 2009)."""
    check(split)
    rows = read_cifar(fetch("cifar10", "cifar-10-binary.tar.gz"), split)
    images = scale(rows[:, 1:].reshape(-1, 3, 32, 32), 256)
    return (images, rows[:, 0].long()) if labels else images


DATASETS: dict[str, Callable[..., Any]] = {      # name -> loader(split, labels=False)
    "digits": digits,
    "mnist": mnist,
    "fashion_mnist": partial(mnist, name="fashion_mnist"),
    "cifar10": cifar10,
}


def check(split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")


def read_idx(path: Path) -> UInt8[Tensor, "n *dims"]:
    """A gzipped IDX file of bytes: 0, 0, 8, number of dimensions, each size in four bytes, then the data."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error
    sizes = np.frombuffer(data, ">u4", offset=4, count=data[3]).tolist() if data[:3] == b"\0\0\x08" else []
    start = 4 + 4 * len(sizes)
    if not sizes or len(data) - start != math.prod(sizes):
        raise ValueError(f"{path} is not a whole IDX file of bytes: its header says {sizes}, "
                         f"and {len(data) - start} bytes follow")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).reshape(sizes)


def read_cifar(path: Path, split: str) -> UInt8[Tensor, "n 3073"]:
    """Rows of CIFAR-10's binary version: the label, then 32 x 32 of red, of green, of blue."""
    wanted = re.compile(r".*/data_batch_[1-5]\.bin" if split == "train" else r".*/test_batch\.bin")
    batches = {}
    try:
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                if wanted.fullmatch(member.name) and (file := tar.extractfile(member)):
                    batches[member.name] = file.read()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole tar.gz file: {error}") from error
    data = bytearray(b"".join(batches[name] for name in sorted(batches)))
    if not data or len(data) % 3073:
        raise ValueError(f"{path} should hold rows of 3073 bytes for {split!r}, got {len(data)} bytes")
    return torch.frombuffer(data, dtype=torch.uint8).reshape(-1, 3073)


def toy(name: str, n: int, seed: int = 0) -> Points:
    """n points of a distribution in the plane, of mean near 0 and variance near 1; see TOYS for the names."""
    if name not in TOYS:
        raise ValueError(f"unknown toy {name!r}, expected one of {', '.join(TOYS)}")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    return TOYS[name](n, torch.Generator().manual_seed(seed))


def eight_gaussians(n: int, rng: torch.Generator) -> Points:
    angle = torch.randint(8, (n,), generator=rng) * (math.tau / 8)
    return math.sqrt(2) * circle(angle) + 0.1 * torch.randn(n, 2, generator=rng)


def moons(n: int, rng: torch.Generator) -> Points:
    angle, upper = math.pi * torch.rand(n, generator=rng), torch.randint(2, (n,), generator=rng)
    points = (circle(angle) - torch.tensor([0.5, 0.25])) * (2 * upper - 1)[:, None]     # one turned by half
    return points * torch.tensor([1.15, 2.0]) + 0.1 * torch.randn(n, 2, generator=rng)


def spiral(n: int, rng: torch.Generator) -> Points:
    turn = torch.rand(n, generator=rng).sqrt()                          # even along the line
    points = 2 * turn[:, None] * circle(3 * math.pi * turn) + torch.tensor([0.1, -0.4])
    return points + 0.05 * torch.randn(n, 2, generator=rng)


def checkerboard(n: int, rng: torch.Generator) -> Points:
    column, row = torch.randint(4, (n,), generator=rng), torch.randint(2, (n,), generator=rng)
    corner = torch.stack([column, 2 * row + column % 2], 1)             # eight of the 4 x 4 squares
    return (corner + torch.rand(n, 2, generator=rng) - 2) * 0.87


def circle(angle: Float[Tensor, " n"]) -> Points:
    return torch.stack([angle.cos(), angle.sin()], 1)


TOYS = {"eight_gaussians": eight_gaussians, "moons": moons, "spiral": spiral, "checkerboard": checkerboard}
