"""What a training step sees. All that is random in step k is a function of (seed, k), drawn on the CPU.

So a resumed run is bitwise the run that never stopped, and the number of processes changes no draw.
"""
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddpm_lite.mapped import Mapped

STEP, EPOCH, DROPOUT, NOISE = 1, 2, 3, 4         # what a stream of random numbers is for
BLOCK = 128                                      # examples whose noise comes from one stream


class Draw(NamedTuple):
    """Which examples, at which times, with which noise, and which labels are hidden."""

    examples: Int[Tensor, " b"]
    t: Int[Tensor, " b"]
    eps: Float[Tensor, "b *dims"]
    hidden: Bool[Tensor, " b"]


def mixed(seed: int, purpose: int, *k: int) -> int:
    """A seed of 32 bits, all that torch keeps of one on the CPU; neighbours get unrelated ones."""
    return int(np.random.SeedSequence((seed, purpose, *k)).generate_state(1)[0])


def generator(seed: int, purpose: int, *k: int) -> torch.Generator:
    return torch.Generator().manual_seed(mixed(seed, purpose, *k))


def stratified(batch: int, T: int, g: torch.Generator) -> Int[Tensor, " b"]:
    """One t in 1..T from each of `batch` equal parts: uniform over the batch, and a less noisy loss."""
    u = torch.rand(batch, generator=g, dtype=torch.float64)
    return 1 + ((torch.arange(batch) + u) * T / batch).long().clamp(max=T - 1)


@lru_cache(maxsize=2)
def shuffled(seed: int, epoch: int, n: int) -> Int[Tensor, " n"]:
    return torch.randperm(n, generator=generator(seed, EPOCH, epoch))


def order(seed: int, k: int, batch: int, n: int) -> Int[Tensor, " b"]:
    """Which examples step k sees: the k-th `batch` of one shuffled epoch after another."""
    start, stop = k * batch, (k + 1) * batch
    return torch.cat([shuffled(seed, epoch, n)[max(0, start - epoch * n) : stop - epoch * n]
                      for epoch in range(start // n, (stop - 1) // n + 1)])


def draw(
    seed: int, k: int, batch: int, n: int, dims: Sequence[int], T: int, hide: float, part: slice
) -> Draw:
    """The `part` of step k's global batch: `n` examples of shape `dims`, times 1..T, labels hidden or not.

    The noise comes in blocks, each with a stream of its own: a process draws those of its part, and the
    first, however many processes share a batch.
    """
    g = generator(seed, STEP, k)
    start, stop, _ = part.indices(batch)
    t = stratified(batch, T, g)
    first = torch.randn(min(BLOCK, batch), *dims, generator=g)
    hidden = torch.rand(batch, generator=g) < hide
    blocks = range(start // BLOCK, -(-stop // BLOCK))
    eps = torch.cat([torch.randn(min(BLOCK, batch - j * BLOCK), *dims, generator=generator(seed, NOISE, k, j))
                     if j else first for j in blocks])
    skip = start - blocks.start * BLOCK
    return Draw(order(seed, k, batch, n)[part], t[part], eps[skip : skip + stop - start], hidden[part])


@contextmanager
def dropout_stream(seed: int | None, device: torch.device) -> Iterator[None]:
    """torch's own stream seeded for dropout (None: there is none); then the caller's goes on."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        (torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed)(seed)
        yield


def check_data(data: Tensor | Mapped, labels: Tensor | None, classes: int) -> None:
    """Raises ValueError for data that no training can use; warns of images in [0, 1].

    Of a file some rows are read, all over it: it checks each row itself when it comes.
    """
    n = len(data)
    if isinstance(data, Mapped):
        data = data[torch.linspace(0, n - 1, min(n, 256)).long()]
    if data.ndim < 2 or data.numel() == 0 or not data.is_floating_point():
        raise ValueError(f"data must be floats [n, ...] with n >= 1, got {data.dtype} {list(data.shape)}")
    if not (finite := data.flatten(1).isfinite().all(1)).all():
        raise ValueError(f"data must be finite, got NaN or infinity in example {int((~finite).nonzero()[0])}")
    low, high = (float(v) for v in data.aminmax())
    span = f"{low:g} to {high:g}"
    if data.ndim == 4 and max(-low, high) > 1 + 1e-6:
        raise ValueError(f"images must lie in [-1, 1], got {span}; from 0 to 255 use data / 127.5 - 1")
    if data.ndim == 4 and low >= 0:
        warnings.warn(f"images should fill [-1, 1], got {span}; from 0 to 1 use 2 * data - 1", stacklevel=3)
    if labels is None:
        return
    if (labels.shape != (n,) or labels.is_floating_point()
            or not 0 <= int(labels.min()) <= int(labels.max()) < classes):
        raise ValueError(f"labels must be {n} whole numbers in [0, {classes}), as the network has "
                         f"{classes} classes, got {labels.dtype} {list(labels.shape)} "
                         f"from {labels.min()} to {labels.max()}")
