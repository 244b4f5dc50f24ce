"""Algorithm 1 of DDPM: a generator of optimizer steps on L_simple or the hybrid loss."""
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ddpm_lite import dist
from ddpm_lite.batches import DROPOUT, check_data, draw, dropout_stream, mixed, order
from ddpm_lite.config import LOSSES, PRECISIONS, TrainConfig
from ddpm_lite.data import LEVELS
from ddpm_lite.dist import pick_device
from ddpm_lite.ema import Average
from ddpm_lite.mapped import Mapped
from ddpm_lite.schedule import Schedule


class Step(NamedTuple):
    """A report: steps done, mean loss since the last report, seconds spent, the next learning rate."""

    step: int
    loss: float
    seconds: float
    rate: float


class Trainer:
    """Trains `net` on `data` [n, ...] (images in [-1, 1]) and, if given, its `labels` [n].

    Data are a tensor, which moves to the device, or `Mapped`: a file of which each step reads its examples.

    `ema` is the averaged network, in eval mode, ready to sample from at any moment.
    """

    def __init__(self, net: nn.Module, sched: Schedule, data: Tensor | Mapped, config: TrainConfig,
                 labels: Tensor | None = None) -> None:
        config.check_budget()
        self.classes: int = getattr(getattr(net, "config", None), "classes", 0)
        check_data(data, labels, self.classes)
        self.config, self.sched, self.device = config, sched, pick_device(config.device)
        self.format = torch.channels_last if data.ndim == 4 else torch.preserve_format
        self.net = net.to(self.device, torch.float32)
        net.to(memory_format=self.format)                               # type: ignore[call-overload]
        self.data = data.to(self.device, torch.float32) if isinstance(data, Tensor) else data
        self.labels = None if labels is None else labels.to(self.device, torch.int64)
        self.loss = LOSSES[config.loss]
        if config.loss == "hybrid":                                     # L_0 is of the data's own grey levels
            self.loss = partial(self.loss, levels=LEVELS.get(config.data, 256))
        self.dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in net.modules())
        self.average = Average(net, config.ema)
        self.ema = self.average.module
        auto = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.bf16 = (PRECISIONS[config.precision] or auto) == torch.bfloat16
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
        parts = []
        for i in range(self.config.accumulate):
            with dist.alone(self.call, i + 1 < self.config.accumulate):
                parts.append(self._part(i))
                (parts[-1] * dist.world()).backward()                   # processes average their gradients
        loss = torch.stack(parts).detach().sum()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        self.bad = torch.maximum(self.bad, (~torch.isfinite(loss + norm)).float())
        self.optimizer.found_inf = self.bad                             # type: ignore[attr-defined]  # 1: no update
        self.optimizer.param_groups[0]["lr"] = self.rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.net)
        self.step += 1
        return torch.stack([loss, norm])

    def _part(self, i: int) -> Float[Tensor, ""]:
        """What part i of this process's share adds to the mean loss over the batch."""
        c, n, dims = self.config, len(self.data), self.data.shape[1:]
        rows, t, eps, hidden = draw(c.seed, self.step, c.batch, n, dims, self.sched.T, c.label_drop,
                                    dist.share(c.batch, i, c.accumulate))       # t stays on the CPU
        index = self._send(rows)
        x0 = self.data[index] if isinstance(self.data, Tensor) else self._send(self.data[rows])
        label = () if self.labels is None else (self.labels[index].where(~self._send(hidden), self.classes),)

        def net(x: Tensor, t: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext():
                return self.call(x, t, *label).float()

        k = (self.step * dist.world() + dist.rank()) * c.accumulate + i
        with dropout_stream(mixed(c.seed, DROPOUT, k) if self.dropout else None, self.device):
            losses = self.loss(net, self.sched, x0.contiguous(memory_format=self.format), t,
                               self._send(eps), c.target)
        return losses.sum() / c.batch

    def _send(self, x: Tensor) -> Tensor:
        cuda = self.device.type == "cuda"                               # only there copies may overlap safely
        return x.pin_memory().to(self.device, non_blocking=True) if cuda else x.to(self.device)

    def _mean(self, reports: Float[Tensor, "k 2"]) -> float:
        """The mean loss of the last k steps; here alone the CPU waits for the device."""
        losses, norms = dist.total(reports[:, 0].contiguous()).tolist(), reports[:, 1].tolist()
        for i, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
            if not math.isfinite(loss + norm):
                self.step += i - len(losses)                            # the last good step
                seen = self.data[order(self.config.seed, self.step, self.config.batch, len(self.data))]
                why = ("the data hold NaN or infinity" if not seen.isfinite().all() else
                       "the weights hold NaN or infinity"
                       if not all(p.isfinite().all() for p in self.net.parameters()) else
                       f"data and weights are finite, so numbers overflowed: try a rate below {self.rate:g}")
                raise FloatingPointError(f"training stopped at step {self.step + 1}: loss {loss:g}, "
                                         f"norm of the gradient {norm:g}; {why}")
        return sum(losses) / len(losses)
