"""Samplers: DDPM's algorithm 2 (`ancestral`), DDIM, and DPM-Solver++(2M) with and without noise, each a
generator of states.

The caller owns the loop: bars, pictures, stopping early, and `net.eval()`.
"""

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_lite.prediction import Net, Prediction, call, p_step, predict, split
from ddpm_lite.schedule import Schedule, at

Steps = int | Sequence[int] | None
Noise = Callable[[Tensor], Tensor]


class State(NamedTuple):
    """Where a sampler stands: the time t, x at that time, and the estimate x0 that led there."""

    t: int
    x: Float[Tensor, "b ..."]
    x0: Float[Tensor, "b ..."]


def times(T: int, steps: Steps = None) -> list[int]:
    """The falling times of a walk: `steps` even strides from T to 0 (None: T of them), or the given times."""
    if steps is None:
        return list(range(T, -1, -1))
    if isinstance(steps, int):
        if not 1 <= steps <= T:
            raise ValueError(f"steps must lie in [1, {T}], got {steps}")
        return [(2 * T * i + steps) // (2 * steps) for i in range(steps, -1, -1)]
    if not isinstance(steps, Iterable):
        raise ValueError(f"steps must be a whole number or a falling sequence of times, got {steps!r}")
    ts = [t.__index__() if hasattr(t, "__index__") else t for t in steps]               # NumPy's ints, too
    whole = all(isinstance(t, int) for t in ts)
    if len(ts) < 2 or not whole or ts[0] > T or ts[-1] != 0 or any(t <= prev for t, prev in pairwise(ts)):
        raise ValueError(f"times must be whole numbers that fall from at most {T} to 0, got {ts}")
    return ts


def ancestral(
    net: Net, sched: Schedule, x: Float[Tensor, "b *dims"], steps: Steps = None, *, target: str = "eps",
    clip: float | None = None, variance: str = "beta_tilde", noise: Noise = torch.randn_like,
) -> Iterator[State]:
    """Algorithm 2 from x = x_T: draw x_prev from p(x_prev | x_t); no noise at the last step."""

    def step(x: Tensor, t: int, prev: int) -> State:
        p, hat = p_step(sched, call(net, x, t), x, t, prev, target=target, variance=variance, clip=clip)
        return State(prev, p.sample(noise(x)) if prev > 0 else p.mean, hat.x0)

    return _walk(net, sched, x, steps, step)


def ddim(
    net: Net, sched: Schedule, x: Float[Tensor, "b *dims"], steps: Steps = 50, eta: float = 0.0, *,
    target: str = "eps", clip: float | None = None, noise: Noise = torch.randn_like,
) -> Iterator[State]:
    """DDIM (Song et al. 2021, eq. 12): eta = 0 is deterministic, eta = 1 is `ancestral` with beta_tilde."""
    _check_eta(eta)

    def step(x: Tensor, t: int, prev: int) -> State:
        hat = predict(sched, target, call(net, x, t), x, t, clip)
        return State(prev, _step(sched, x, t, prev, hat, eta, noise), hat.x0)

    return _walk(net, sched, x, steps, step)


def dpm_solver(
    net: Net, sched: Schedule, x: Float[Tensor, "b *dims"], steps: Steps = 20, eta: float = 0.0, *,
    target: str = "eps", clip: float | None = None, noise: Noise = torch.randn_like,
) -> Iterator[State]:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): a step of DDIM to where x0_hat is going, by its last
    change over lambda = log(a/b). Second order, one call a step; eta = 1 is their SDE-DPM-Solver++(2M).
    """
    _check_eta(eta)
    last_x0, last_h = x, math.inf                                       # of the step before; none yet

    def step(x: Tensor, t: int, prev: int) -> State:
        nonlocal last_x0, last_h
        x0 = predict(sched, target, call(net, x, t), x, t, clip).x0
        (a, b, lam), (*_, lam_prev) = _half_log_snr(sched, t), _half_log_snr(sched, prev)
        h = lam_prev - lam                                              # infinite at the last step, prev = 0
        second_order = math.isfinite(h) and math.isfinite(last_h)       # not at the first and the last step
        ahead = x0 + (x0 - last_x0) * (h / (2 * last_h)) if second_order else x0
        last_x0, last_h = x0, h
        return State(prev, _step(sched, x, t, prev, Prediction(ahead, (x - a * ahead) / b), eta, noise), x0)

    return _walk(net, sched, x, steps, step)


def _step(
    sched: Schedule, x: Tensor, t: int, prev: int, hat: Prediction, eta: float, noise: Noise
) -> Float[Tensor, "b *dims"]:
    """DDIM's eq. (12) from t to prev: noise of variance sigma^2, and as much less of eps_hat."""
    alpha_bar, alpha_bar_prev = float(sched.alpha_bar[t]), float(sched.alpha_bar[prev])
    beta_tilde = (1 - alpha_bar / alpha_bar_prev) * (1 - alpha_bar_prev) / (1 - alpha_bar)
    var = eta**2 * beta_tilde                                           # DDIM's sigma^2, eq. (16)
    mean = alpha_bar_prev**0.5 * hat.x0 + (1 - alpha_bar_prev - var) ** 0.5 * hat.eps
    return mean + var**0.5 * noise(x) if var > 0 else mean


Sampler = Callable[..., Iterator[State]]
SAMPLERS: dict[str, Sampler] = {
    "ancestral": ancestral, "ddim": ddim, "dpm_solver": dpm_solver, "dpm_sde": partial(dpm_solver, eta=1.0)}


def _check_eta(eta: float) -> None:
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta}")


def last(states: Iterable[State]) -> State:
    """Runs a sampler to its end and returns the last state."""
    tail = deque(states, maxlen=1)
    if not tail:
        raise ValueError("the sampler has no state left: it was run to its end before")
    return tail[0]


def seeded_noise(seed: int) -> Noise:
    """A `noise=` that draws on the CPU and so repeats on every device."""
    generator = torch.Generator().manual_seed(seed)

    def noise(x: Tensor) -> Tensor:
        drawn = torch.randn(x.shape, generator=generator)
        return drawn.pin_memory().to(x, non_blocking=True) if x.is_cuda else drawn.to(x)

    return noise


def guide(net: Callable[..., Tensor], label: Tensor | int, strength: float) -> Net:
    """(1 + w) net(x, t, label) - w net(x, t, None), classifier-free guidance (Ho, Salimans 2022, eq. 6)."""

    def guided(x: Tensor, t: Tensor) -> Tensor:
        out = net(x, t, label)
        if strength != 0:
            (said, variance), (plain, _) = split(out, x), split(net(x, t, None), x)
            out = (1 + strength) * said - strength * plain
            out = out if variance is None else torch.cat([out, variance], dim=1)        # as it was
        return out

    guided.training = getattr(net, "training", False)                   # type: ignore[attr-defined]
    return guided


def _half_log_snr(sched: Schedule, t: int) -> tuple[float, float, float]:
    alpha_bar = float(at(sched.alpha_bar, t))
    a, b = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    return a, b, math.log(a / b) if a > 0 and b > 0 else math.inf if b == 0 else -math.inf


def _walk(
    net: Net, sched: Schedule, x: Tensor, steps: Steps, step: Callable[[Tensor, int, int], State]
) -> Iterator[State]:
    ts = times(sched.T, steps)
    if len(x) == 0 or not x.is_floating_point():
        raise ValueError(f"x must be a float tensor [b, ...] with b >= 1, got {x.dtype} {list(x.shape)}")
    if getattr(net, "training", False):
        warnings.warn("the network is in training mode; call net.eval() before sampling", stacklevel=3)

    def states(x: Tensor) -> Iterator[State]:
        for t, prev in pairwise(ts):
            with torch.no_grad():                                       # the caller's mode stays its own
                state = step(x, t, prev)
            x = state.x
            yield state

    return states(x)
