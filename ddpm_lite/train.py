"""Algorithm 1 of DDPM: a generator of optimizer steps on L_simple or the hybrid loss."""
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ddpm_lite import dist
from ddpm_lite.batches import DROPOUT, check_data, draw, dropout_stream, mixed
from ddpm_lite.data import LEVELS
from ddpm_lite.dist import pick_device
from ddpm_lite.ema import ema
from ddpm_lite.loss import hybrid_loss, simple_loss
from ddpm_lite.prediction import TARGETS, choose
from ddpm_lite.schedule import Schedule

LOSSES: dict[str, Callable[..., Tensor]] = {"simple": simple_loss, "hybrid": hybrid_loss}


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Give `steps`, `seconds` or both: whichever is spent first ends the training."""

    steps: int | None = None  # Budget in optimizer steps, counted from the very start of the run.
    seconds: float | None = None  # Budget in seconds of wall clock; those before a resume count.
    batch: int = 128  # Examples per step, over all processes together.
    rate: float = 2e-3  # Learning rate of AdamW after the warm-up; it then stays constant.
    warmup: int = 50  # Steps over which the learning rate rises from 0.
    ema: float = 0.995  # Decay of the weights' moving average per step, in [0, 1).
    clip: float = 1.0  # Largest norm of the gradient; a longer one is shortened to it.
    target: str = "eps"  # What the network says: eps, x0 or v.
    loss: str = "simple"  # The loss: simple (L_simple), or hybrid, which learns the variance too.
    label_drop: float = 0.1  # Share of the labels hidden in training; guidance needs some.
    log_every: int = 10  # Steps between two reports; only then does the CPU wait for the device.
    seed: int = 0  # Seed of everything random, a whole number in [0, 2^32).
    device: str = "auto"  # Where to compute: auto (CUDA, else MPS, else CPU), cpu, cuda or mps.
    compile: bool = False  # Compile the network: minutes at the start, faster steps on a GPU.
    data: str = ""  # Name of the data set, kept with the run for evaluation.

    def __post_init__(self) -> None:
        choose("target", TARGETS, self.target), choose("loss", LOSSES, self.loss)
        for name, ok, expected in (
            ("steps", self.steps is None or self.steps >= 1, "at least 1"),
            ("seconds", self.seconds is None or self.seconds > 0, "more than 0"),
            ("batch", self.batch >= 1, "at least 1"),
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
        """Raises ValueError if there is no budget, or less than one example per step and process."""
        if self.steps is None and self.seconds is None:
            raise ValueError("training needs a budget: give steps, seconds or both, got neither")
        if self.batch < dist.world():
            raise ValueError(f"batch must be at least 1 per process, {dist.world()}, got {self.batch}")


class Step(NamedTuple):
    """A report: steps done, mean loss since the last report, seconds spent, the next learning rate."""

    step: int
    loss: float
    seconds: float
    rate: float


class Trainer:
    """Trains `net` on `data` [n, ...] (images in [-1, 1]) and, if given, its `labels` [n].

    `ema` is the averaged network, in eval mode, ready to sample from at any moment.
    """

    def __init__(self, net: nn.Module, sched: Schedule, data: Tensor, config: TrainConfig,
                 labels: Tensor | None = None) -> None:
        config.check_budget()
        self.classes: int = getattr(getattr(net, "config", None), "classes", 0)
        check_data(data, labels, self.classes)
        self.config, self.sched, self.device = config, sched, pick_device(config.device)
        self.format = torch.channels_last if data.ndim == 4 else torch.preserve_format
        self.net = net.to(self.device, torch.float32)
        net.to(memory_format=self.format)                               # type: ignore[call-overload]
        self.data = data.to(self.device, torch.float32)
        self.labels = None if labels is None else labels.to(self.device, torch.int64)
        self.loss = LOSSES[config.loss]
        if config.loss == "hybrid":                                     # L_0 is of the data's own grey levels
            self.loss = partial(self.loss, levels=LEVELS.get(config.data, 256))
        self.dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in net.modules())
        self.average = ema(net, config.ema)
        self.ema = self.average.module
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")                  # TF32
        self.call = dist.wrap(net)                                      # the same weights
        if config.compile:
            self.call.compile()
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, fused=True)
        for p in net.parameters():                                      # as AdamW's first step makes them
            self.optimizer.state[p] = {"step": torch.zeros((), device=p.device),
                                       "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        self.bad = torch.zeros((), device=self.device)                  # 1 from the first non-finite step on
        self.step, self.seconds, self.asked = 0, 0.0, False

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.config.rate * min(1.0, (self.step + 1) / max(1, self.config.warmup))

    @property
    def done(self) -> bool:
        steps, seconds = self.config.steps, self.config.seconds
        return steps is not None and self.step >= steps or seconds is not None and self.seconds >= seconds

    def stop(self) -> None:
        """Ends `run` after the step in hand; for a signal handler or a button."""
        self.asked = True

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the next step depends on, by name; copy into one to restore it."""
        net = {f"net.{name}": v for name, v in self.net.state_dict().items()}
        average = {f"ema.{name}": v for name, v in self.average.state_dict().items()}
        state = {f"optimizer.{name}.{key}": v for name, p in self.net.named_parameters()
                 for key, v in self.optimizer.state[p].items()}
        return net | average | state

    def run(self) -> Iterator[Step]:
        """Trains until the budget is spent; yields every `log_every` steps and at the end.

        Raises FloatingPointError at the first loss that isn't finite; the weights stay those before it.
        """
        start, ended, reports = time.perf_counter() - self.seconds, self.done, []
        self.bad.zero_()
        self.net.train()
        while not ended:
            reports.append(self._advance())
            report, stop = self.step % self.config.log_every == 0, 0.0
            if report or dist.world() == 1:                             # processes must agree on the time
                self.seconds, stop = dist.most([time.perf_counter() - start, self.asked], self.device)
            ended = self.done or stop > 0
            if ended:
                self.asked = False
            if report or ended:
                loss, reports = self._mean(torch.stack(reports)), []
                yield Step(self.step, loss, self.seconds, self.rate)

    def _advance(self) -> Float[Tensor, "2"]:
        """One step of algorithm 1; its loss and the gradient's norm, still on the device."""
        c, n, dims, rank, world = self.config, len(self.data), self.data.shape[1:], dist.rank(), dist.world()
        seen, t, eps, hidden = draw(c.seed, self.step, c.batch, n, dims, self.sched.T, c.label_drop,
                                     dist.share(c.batch))               # t stays on the CPU, as the tables do
        index = self._send(seen)
        x0 = self.data[index].contiguous(memory_format=self.format)
        label = () if self.labels is None else (self.labels[index].where(~self._send(hidden), self.classes),)

        def net(x: Tensor, t: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                return self.call(x, t, *label).float()

        stream = mixed(c.seed, DROPOUT, self.step * world + rank) if self.dropout else None
        with dropout_stream(stream, self.device):
            losses = self.loss(net, self.sched, x0, t, self._send(eps), c.target)
        loss = losses.sum() / c.batch                                   # my part of the mean over the batch
        (loss * world).backward()                                       # processes average their gradients
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), c.clip)
        self.bad = torch.maximum(self.bad, (~torch.isfinite(loss.detach() + norm)).float())
        self.optimizer.found_inf = self.bad                             # type: ignore[attr-defined]  # 1: no update
        self.optimizer.param_groups[0]["lr"] = self.rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.net)
        self.step += 1
        return torch.stack([loss.detach(), norm])

    def _send(self, x: Tensor) -> Tensor:
        cuda = self.device.type == "cuda"                               # only there copies may overlap safely
        return x.pin_memory().to(self.device, non_blocking=True) if cuda else x.to(self.device)

    def _mean(self, reports: Float[Tensor, "k 2"]) -> float:
        """The mean loss of the last k steps; here alone the CPU waits for the device."""
        losses, norms = dist.total(reports[:, 0].contiguous()).tolist(), reports[:, 1].tolist()
        for i, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
            if not math.isfinite(loss + norm):
                self.step += i - len(losses)                            # the last good step
                why = ("the data hold NaN or infinity" if not self.data.isfinite().all() else
                       "the weights hold NaN or infinity"
                       if not all(p.isfinite().all() for p in self.net.parameters()) else
                       f"data and weights are finite, so numbers overflowed: try a rate below {self.rate:g}")
                raise FloatingPointError(f"training stopped at step {self.step + 1}: loss {loss:g}, "
                                         f"norm of the gradient {norm:g}; {why}")
        return sum(losses) / len(losses)
