"""What the parts of `benchmarks/gpu.py` share: a row, the networks, a batch of pictures, a clock."""
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn

import ddpm_lite as dl
from ddpm_lite.train import TrainConfig, Trainer

# The paper's network has 35.7 M parameters; these are our nearest at its depth (docs/scale.md).
PAPER = dl.UNetConfig(channels=3, width=160, levels=(1, 2, 2, 2), blocks=2, dropout=0.1)
TINY = dl.UNetConfig(channels=3, width=8, levels=(1, 2), blocks=1, heads=2, dropout=0.1)


DEADLINE = 480.0                                 # seconds; what would start later is left out


class LeftOut(Exception):
    """A part that can't run here, and why; no failure."""


class Row(NamedTuple):
    """One number; with a limit it's a check, and fails above the limit or if it's no number."""

    what: str
    value: float | str                                                  # words only tell
    unit: str = ""
    limit: float | None = None

    @property
    def ok(self) -> bool:
        if isinstance(self.value, str):
            return True
        return math.isfinite(self.value) and (self.limit is None or self.value <= self.limit)

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return f"{self.what:58s} {self.value}"
        said = "" if self.limit is None else f"(at most {self.limit:g}) {'ok' if self.ok else 'FAILED'}"
        return f"{self.what:58s} {self.value:12.5g} {self.unit:12s} {said}".rstrip()


class Bench(NamedTuple):
    device: torch.device
    small: bool
    start: float                                                        # time.perf_counter() at the beginning
    known: dict[str, float]                                             # what later parts compare with

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def config(self) -> dl.UNetConfig:
        return TINY if self.small else PAPER

    def in_time(self) -> None:
        if time.perf_counter() - self.start > DEADLINE:
            raise LeftOut(f"the call had already taken {DEADLINE:.0f} s")

    def sync(self) -> None:
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], repeats: int = 5) -> float:
        """The median of `repeats` runs of `work`, after two to warm up."""
        took = []
        warm, repeats = (0, 1) if self.small else (2, repeats)
        for _ in range(warm + repeats):
            self.sync()
            start = time.perf_counter()
            work()
            self.sync()
            took.append(time.perf_counter() - start)
        return median(took[warm:])


def pictures(n: int) -> Tensor:
    """[n, 3, 32, 32] in [-1, 1]: coloured gradients and noise, the same ones everywhere."""
    g = torch.Generator().manual_seed(1)
    ramp = torch.linspace(-1, 1, 32)
    tilt, shift = torch.randn(2, n, 3, 1, 1, generator=g)
    smooth = tilt * ramp[:, None] + shift * ramp + 0.2 * torch.randn(n, 3, 32, 32, generator=g)
    return smooth.clamp(-1, 1)


def network(config: dl.UNetConfig) -> dl.UNet:
    """A network of fixed random weights, none of them 0: each layer shows in the output."""
    torch.manual_seed(0)
    net = dl.UNet(config)
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(0, 0.05)
    return net


def train(bench: Bench, net: nn.Module, batch: int, device: str | None = None, labels: int = 0,
          **config) -> Trainer:
    """The trainer as `ddpm-lite train` makes it, for pictures of 32 x 32 colours and DDPM's schedule."""
    said = {"steps": 10**6, "batch": batch, "rate": 2e-4, "warmup": 0, "ema": 0.9999,
            "device": device or bench.device.type} | config
    data = pictures(64 if bench.small else 4096)
    label = torch.arange(len(data)) % labels if labels else None
    return Trainer(net, dl.linear(1000), data, TrainConfig(**said), label)


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Whether matrix products and convolutions may round float32 to 10 bits; then as it was before."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
