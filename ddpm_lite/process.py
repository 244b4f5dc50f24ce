"""The forward process: one step q(x_t | x_{t-1}), many at once q(x_t | x_0), and back with x_0 in hand,
q(x_{t-1} | x_t, x_0) (DDPM, section 2)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_lite.schedule import Schedule, Time, at, fit


class Normal(NamedTuple):
    """N(mean, var I); var broadcasts against mean."""

    mean: Float[Tensor, "..."]
    var: Float[Tensor, "..."]

    def sample(self, eps: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """mean + sqrt(var) eps, with eps drawn from N(0, I) by the caller."""
        return self.mean + self.var.sqrt() * eps


def q_step(sched: Schedule, x_prev: Float[Tensor, "b *dims"], t: Time) -> Normal:
    """q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I), eq. (2), for t in 1..T."""
    beta = at(sched.beta, check_time(t))
    return Normal(fit((1 - beta).sqrt(), x_prev) * x_prev, fit(beta, x_prev))


def q_xt(sched: Schedule, x0: Float[Tensor, "b *dims"], t: Time) -> Normal:
    """q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I), eq. (4), for t in 0..T."""
    alpha_bar = at(sched.alpha_bar, t)
    return Normal(fit(alpha_bar.sqrt(), x0) * x0, fit(1 - alpha_bar, x0))


def q_posterior(
    sched: Schedule, x0: Float[Tensor, "b *dims"], xt: Float[Tensor, "b *dims"], t: Time,
    prev: Time | None = None,
) -> Normal:
    """q(x_prev | x_t, x_0), eqs. (6) and (7), for any prev < t; by default prev = t - 1."""
    alpha_bar, alpha_bar_prev = at(sched.alpha_bar, check_time(t)), at(sched.alpha_bar, before(t, prev))
    alpha = alpha_bar / alpha_bar_prev                                  # alpha_t, if prev = t - 1
    on_x0 = alpha_bar_prev.sqrt() * (1 - alpha) / (1 - alpha_bar)
    on_xt = alpha.sqrt() * (1 - alpha_bar_prev) / (1 - alpha_bar)
    var = (1 - alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar)          # eq. (7), exactly 0 at prev = 0
    return Normal(fit(on_x0, x0) * x0 + fit(on_xt, xt) * xt, fit(var, xt))


def check_time(t: Time) -> Time:
    """t itself; ValueError for a t below 1, where there is no step to take (a table would say 0)."""
    if (t if isinstance(t, int) else int(t.min()) if isinstance(t, Tensor) and t.numel() else 1) < 1:
        raise ValueError(f"t must be at least 1 (0 is clean data), got {t}")
    return t


def before(t: Time, prev: Time | None = None) -> Time:
    """prev, by default t - 1; ValueError unless prev < t."""
    if prev is None:
        return t - 1
    wrong = torch.as_tensor((prev >= t) | (prev < 0))
    if bool(wrong.any()):
        raise ValueError(f"prev must lie in [0, t), got prev = {prev} and t = {t}")
    return prev


def kl(p: Normal, q: Normal) -> Float[Tensor, "..."]:
    """KL(p || q) of two normal laws, nats per element: infinite where p is a point (var 0) and q isn't."""
    ratio = p.var / q.var
    return 0.5 * (ratio - 1 - ratio.log() + (p.mean - q.mean).square() / q.var)


STANDARD = Normal(torch.zeros(()), torch.ones(()))                      # p(x_T)
