"""From what the network says to p(x_prev | x_t): targets eps, x0 and v, and the choice of variance
(DDPM, section 3.2; v: Salimans and Ho 2022; learned variance: Nichol and Dhariwal 2021)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ddpm_lite.process import Normal, before, check_time, q_posterior
from ddpm_lite.schedule import Schedule, Time, at, fit

Net = Callable[[Float[Tensor, "b ..."], Int[Tensor, " b"]], Float[Tensor, "b ..."]]
Formula = Callable[..., Tensor]
V = TypeVar("V")


class Prediction(NamedTuple):
    """A pair that recombines: x_t = a x0 + b eps."""

    x0: Float[Tensor, "b ..."]
    eps: Float[Tensor, "b ..."]


class Target(NamedTuple):
    """What a network is trained to say, and how x0 and eps are read from it, where x_t = a x0 + b eps."""

    make: Formula                                                       # (x0, eps, a, b)
    x0: Formula                                                         # (out, xt, a, b)
    eps: Formula                                                        # (out, xt, a, b)


TARGETS = {
    "eps": Target(
        lambda x0, eps, a, b: eps, lambda out, xt, a, b: (xt - b * out) / a, lambda out, xt, a, b: out),
    "x0": Target(
        lambda x0, eps, a, b: x0, lambda out, xt, a, b: out, lambda out, xt, a, b: (xt - a * out) / b),
    "v": Target(
        lambda x0, eps, a, b: a * eps - b * x0,
        lambda out, xt, a, b: a * xt - b * out, lambda out, xt, a, b: b * xt + a * out),
}


def choose(kind: str, table: Mapping[str, V], name: str) -> V:
    """table[name], or a ValueError that lists the names."""
    if name not in table:
        raise ValueError(f"{kind} must be one of {', '.join(table)}, got {name!r}")
    return table[name]


def scales(sched: Schedule, t: Time, like: Float[Tensor, "b *dims"]) -> tuple[Tensor, Tensor]:
    """a = sqrt(alpha_bar_t) and b = sqrt(1 - alpha_bar_t), shaped to multiply `like`."""
    alpha_bar = at(sched.alpha_bar, check_time(t))
    return fit(alpha_bar.sqrt(), like), fit((1 - alpha_bar).sqrt(), like)


def call(net: Net, x: Float[Tensor, "b *dims"], t: Time) -> Float[Tensor, "b ..."]:
    """net(x, t) with t as the network wants it: int64 [b] on x's device."""
    if isinstance(t, int):
        return net(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device))
    return net(x, t.to(x.device, non_blocking=x.is_cuda))


def split(out: Float[Tensor, "b ..."], xt: Float[Tensor, "b *dims"]) -> tuple[Tensor, Tensor | None]:
    """The network's two halves, target and variance; the second is None if it has learned no variance."""
    if out.shape == xt.shape:
        return out, None
    if out.ndim < 2 or out.shape != (xt.shape[0], 2 * xt.shape[1], *xt.shape[2:]):
        raise ValueError(f"the network must return {[*xt.shape]}, or twice the channels, got {[*out.shape]}")
    half, variance = out.chunk(2, dim=1)
    return half, variance


def predict(
    sched: Schedule, target: str, out: Float[Tensor, "b ..."], xt: Float[Tensor, "b *dims"], t: Time,
    clip: float | None = None,
) -> Prediction:
    """x0 and eps as read from the network's `out` for x_t; x0 within [-clip, clip], and eps derived again."""
    kind, (out, _) = choose("target", TARGETS, target), split(out, xt)
    if target == "eps" and not bool((at(sched.alpha_bar, t) > 0).all()):
        raise ValueError("alpha_bar is 0: x_t holds no signal, and eps can't tell x0; use target 'v' or 'x0'")
    a, b = scales(sched, t, xt)
    x0 = kind.x0(out, xt, a, b)
    if clip is None:
        return Prediction(x0, kind.eps(out, xt, a, b))
    if not clip > 0:
        raise ValueError(f"clip must be positive or None, got {clip}")
    x0 = x0.clamp(-clip, clip)
    return Prediction(x0, (xt - a * x0) / b)


def _beta(sched: Schedule, t: Time, prev: Time) -> Float64[Tensor, "*b"]:
    return 1 - at(sched.alpha_bar, t) / at(sched.alpha_bar, prev)       # beta_t, if prev = t - 1


def _beta_tilde(sched: Schedule, t: Time, prev: Time) -> Float64[Tensor, "*b"]:
    """Eq. (7); where it is 0 (prev = 0) the value at t = 2 instead, since a density needs a width."""
    ratio = (1 - at(sched.alpha_bar, prev)) / (1 - at(sched.alpha_bar, t))
    second = min(2, sched.T)
    floor = sched.beta[second] * (1 - sched.alpha_bar[second - 1]) / (1 - sched.alpha_bar[second])
    var = _beta(sched, t, prev) * ratio
    return torch.where(var > 0, var, floor if floor > 0 else sched.beta[1])


VARIANCES: dict[str, Formula | None] = {"beta_tilde": _beta_tilde, "beta": _beta, "learned": None}


def p_step(
    sched: Schedule, out: Float[Tensor, "b ..."], xt: Float[Tensor, "b *dims"], t: Time,
    prev: Time | None = None, *, target: str = "eps", variance: str = "beta_tilde", clip: float | None = None,
) -> tuple[Normal, Prediction]:
    """p(x_prev | x_t): the posterior at the predicted x0 with the chosen variance, and the prediction.

    Variances: "beta_tilde" (optimal for a point), "beta" (optimal for N(0, I) data), or "learned", between
    the two: log var = v log beta + (1 - v) log beta_tilde (Nichol and Dhariwal, eq. 15).
    """
    formula, prev = choose("variance", VARIANCES, variance), before(t, prev)
    hat = predict(sched, target, out, xt, t, clip)
    mean = q_posterior(sched, hat.x0, xt, t, prev).mean
    if formula:
        return Normal(mean, fit(formula(sched, t, prev), xt)), hat
    learned = split(out, xt)[1]
    if learned is None:
        raise ValueError("variance 'learned' needs a network that returns twice the channels")
    low, high = (fit(f(sched, t, prev).log(), xt) for f in (_beta_tilde, _beta))
    v = (learned + 1) / 2
    return Normal(mean, (v * high + (1 - v) * low).exp()), hat
