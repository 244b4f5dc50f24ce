"""Images that stay in their file: a step reads the rows it asks for, so a set may exceed the memory."""
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_lite.data import DATASETS, Labels, scale


class Mapped:
    """Images [n, c, h, w] in a .npy file, mapped into memory: `mapped[rows]` reads float32 in [-1, 1].

    The file holds uint8 (0 becomes -1 and 255 becomes 1), or float32 in [-1, 1], checked as they are read.
    Raises OSError if the file is no whole .npy, ValueError if it holds no images.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        array = mapped(path)
        if (array.ndim != 4 or array.dtype not in (np.uint8, np.float32) or array.size == 0
                or not array.flags.c_contiguous):
            raise ValueError(f"{path} must hold uint8 or float32 [n, c, h, w], row after row, "
                             f"got {array.dtype} {list(array.shape)}")
        self.array = np.asarray(array)
        self.shape, self.ndim = torch.Size(array.shape), 4

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Int[Tensor, " b"]) -> Float[Tensor, "b c h w"]:
        images = torch.from_numpy(self.array[rows.numpy()])             # a copy of these rows alone
        if images.dtype == torch.uint8:
            return scale(images, 256)
        wrong = ~(images.abs() <= 1 + 1e-6).flatten(1).all(1)           # NaN is wrong, too
        if wrong.any():
            i = int(wrong.nonzero()[0])
            low, high = images[i].aminmax()
            raise ValueError(f"{self.path} must lie in [-1, 1], got {low:g} to {high:g} in example {rows[i]}"
                             "; from 0 to 255 keep it as uint8")
        return images


def mapped(path: Path) -> np.memmap:
    try:
        return np.lib.format.open_memmap(path, mode="r")                # never a pickle
    except (ValueError, EOFError) as error:
        raise OSError(f"{path} is cut short, or is no .npy file of numbers: {error}") from error


def train_set(name: str, labels: bool) -> tuple[Tensor | Mapped, Labels | None]:
    """The train split of a set in DATASETS; or `some/name.npy`, mapped, with the labels beside it in
    `some/name.labels.npy`; or a folder with `train.npy` in it. Labels are None unless asked for."""
    if name in DATASETS:
        return DATASETS[name]("train", labels=True) if labels else (DATASETS[name]("train"), None)
    path = Path(name) / "train.npy" if Path(name).is_dir() else Path(name)
    images, beside = Mapped(path), path.with_suffix(".labels.npy")
    if not labels:
        return images, None
    if not beside.exists():
        raise ValueError(f"labels of {path} are expected in {beside}, and there is no such file")
    label = np.asarray(mapped(beside))
    if label.shape != (len(images),) or label.dtype.kind not in "iu":
        raise ValueError(f"{beside} must hold {len(images)} whole numbers, one for each image, "
                         f"got {label.dtype} {list(label.shape)}")
    return images, torch.from_numpy(label.astype(np.int64))


def check_name(name: str) -> None:
    """Raises ValueError if there is no such data set, before anything is downloaded."""
    if name not in DATASETS and not (name.endswith(".npy") or Path(name).is_dir()):
        raise ValueError(f"data must be one of {', '.join(DATASETS)}, or a .npy file, or a folder with "
                         f"train.npy in it, got {name!r}")
