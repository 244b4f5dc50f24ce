"""How a network is trained: the options of `Trainer`, and of `ddpm-lite train`, with their limits."""
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_lite import dist
from ddpm_lite.loss import hybrid_loss, simple_loss
from ddpm_lite.prediction import TARGETS, choose

LOSSES: dict[str, Callable[..., Tensor]] = {"simple": simple_loss, "hybrid": hybrid_loss}
PRECISIONS = {"auto": None, "bf16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Give `steps`, `seconds` or both: whichever is spent first ends the training."""

    steps: int | None = None  # Budget in optimizer steps, counted from the very start of the run.
    seconds: float | None = None  # Budget in seconds of wall clock; those before a resume count.
    batch: int = 64  # Examples per step, over all processes together.
    accumulate: int = 1  # Parts in which a process takes its share of the batch: the more, the less memory.
    rate: float = 3e-3  # Learning rate of AdamW after the warm-up; it then stays constant.
    warmup: int = 50  # Steps over which the learning rate rises from 0.
    ema: float = 0.995  # Decay of the weights' moving average per step, in [0, 1).
    clip: float = 1.0  # Largest norm of the gradient; a longer one is shortened to it.
    target: str = "eps"  # What the network says: eps, x0 or v.
    loss: str = "simple"  # The loss: simple (L_simple), or hybrid, which learns the variance too.
    label_drop: float = 0.1  # Share of the labels hidden in training; guidance needs some.
    log_every: int = 10  # Steps between two reports; only then does the CPU wait for the device.
    seed: int = 0  # Seed of everything random, a whole number in [0, 2^32).
    device: str = "auto"  # Where to compute: auto (CUDA, else MPS, else CPU), cpu, cuda or mps.
    precision: str = "auto"  # Numbers inside the network: bf16, float32, or auto (bf16 on CUDA alone).
    compile: bool = False  # Compile the network: minutes at the start, faster steps on a GPU.
    data: str = ""  # Name of the data set, kept with the run for evaluation.

    def __post_init__(self) -> None:
        for name, choices in (("target", TARGETS), ("loss", LOSSES), ("precision", PRECISIONS)):
            choose(name, choices, getattr(self, name))
        for name, ok, expected in (
            ("steps", self.steps is None or self.steps >= 1, "at least 1"),
            ("seconds", self.seconds is None or self.seconds > 0, "more than 0"),
            ("batch", self.batch >= 1, "at least 1"),
            ("accumulate", self.accumulate >= 1, "at least 1"),
            ("rate", 0 < self.rate < math.inf, "more than 0"),
            ("warmup", self.warmup >= 0, "at least 0"),
            ("ema", 0 <= self.ema < 1, "in [0, 1)"),
            ("clip", self.clip > 0, "more than 0"),
            ("label_drop", 0 <= self.label_drop <= 1, "in [0, 1]"),
            ("log_every", self.log_every >= 1, "at least 1"),
            ("seed", 0 <= self.seed < 2**32, "in [0, 2^32)"),
        ):
            if not ok:
                raise ValueError(f"{name} must be {expected}, got {getattr(self, name)}")

    def check_budget(self) -> None:
        """Raises ValueError if there is no budget, or less than one example per process and part."""
        if self.steps is None and self.seconds is None:
            raise ValueError("training needs a budget: give steps, seconds or both, got neither")
        if self.batch < dist.world():
            raise ValueError(f"batch must be at least 1 per process, {dist.world()}, got {self.batch}")
        if self.batch < dist.world() * self.accumulate:
            raise ValueError(f"accumulate must leave each part an example: at most "
                             f"{self.batch // dist.world()} parts of a batch of {self.batch} over "
                             f"{dist.world()} processes, got {self.accumulate}")
