"""The losses: L_simple, eq. (14), the variational bound in its three parts, eqs. (5) and (13), and the hybrid
of both that learns a variance (Nichol and Dhariwal, eq. 16)."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.special import log_ndtr

from ddpm_lite.prediction import TARGETS, Net, call, choose, p_step, scales, split
from ddpm_lite.process import STANDARD, Normal, kl, q_posterior, q_xt
from ddpm_lite.schedule import Schedule, Time


class Elbo(NamedTuple):
    """The bound's three costs, nats per example: -log p(x_0) <= prior + diffusion + reconstruction."""

    prior: Float[Tensor, " b"]                                          # L_T, no parameters in it
    diffusion: Float[Tensor, " b"]                                      # L_1 + ... + L_{T-1}
    reconstruction: Float[Tensor, " b"]                                 # L_0

    @property
    def total(self) -> Float[Tensor, " b"]:
        """Minus the ELBO."""
        return self.prior + self.diffusion + self.reconstruction


def bits(nats: Float[Tensor, "..."], dims: int) -> Float[Tensor, "..."]:
    """Nats per example as bits per dimension."""
    return nats / (dims * math.log(2))


def simple_loss(
    net: Net, sched: Schedule, x0: Float[Tensor, "b *dims"], t: Time, eps: Float[Tensor, "b *dims"],
    target: str = "eps",
) -> Float[Tensor, " b"]:
    """L_simple, eq. (14): the squared error of the target at x_t, a mean over the elements."""
    xt = _noised(sched, x0, t, eps)
    return _squared_error(split(call(net, xt, t), xt)[0], sched, x0, t, eps, target)


def hybrid_loss(
    net: Net, sched: Schedule, x0: Float[Tensor, "b *dims"], t: Time, eps: Float[Tensor, "b *dims"],
    target: str = "eps", weight: float = 1e-3, levels: int = 256,
) -> Float[Tensor, " b"]:
    """L_simple + weight L_vlb per element; the bound trains the variance alone, its mean is held fixed."""
    xt = _noised(sched, x0, t, eps)
    out = call(net, xt, t)
    half, variance = split(out, xt)
    if variance is None:
        raise ValueError("hybrid_loss needs a network that returns twice the channels")
    frozen = torch.cat([half.detach(), variance], dim=1)
    term = _term(frozen, sched, x0, xt, t, target, "learned", None, levels) / x0[0].numel()
    return _squared_error(half, sched, x0, t, eps, target) + weight * sched.T * term


def bound_term(
    net: Net, sched: Schedule, x0: Float[Tensor, "b *dims"], t: Time, eps: Float[Tensor, "b *dims"],
    target: str = "eps", *, variance: str = "beta_tilde", clip: float | None = None, levels: int = 256,
) -> Float[Tensor, " b"]:
    """L_{t-1} of eq. (5), nats per example: a KL for t >= 2, and L_0, eq. (13), for t = 1."""
    xt = _noised(sched, x0, t, eps)
    return _term(call(net, xt, t), sched, x0, xt, t, target, variance, clip, levels)


@torch.no_grad()
def elbo(
    net: Net, sched: Schedule, x0: Float[Tensor, "b *dims"], target: str = "eps", *,
    variance: str = "beta_tilde", clip: float | None = None, levels: int = 256, draws: int | None = None,
    generator: torch.Generator | None = None,
) -> Elbo:
    """The bound of eq. (5), nats per example, by one draw of x_t for each t.

    It bounds the likelihood of the model that is sampled with the same `variance` and `clip`.
    x0 lies on a grid of `levels` grey values from -1 to 1. With fewer `draws` than T - 1, one from each
    equal part of 2..T, the estimate stays unbiased.
    """
    later = sched.T - 1                                                 # how many KL terms there are
    draws = later if draws is None else draws
    if not min(1, later) <= draws <= later:
        raise ValueError(f"draws must lie in [1, {later}], got {draws}")

    def noise() -> Tensor:
        return torch.randn(x0.shape, generator=generator).to(x0)

    def term(t: Time) -> Tensor:
        return bound_term(net, sched, x0, t, noise(), target, variance=variance, clip=clip, levels=levels)

    reconstruction, diffusion = term(1), x0.new_zeros(len(x0))
    for i in range(draws):
        u = torch.rand(len(x0), generator=generator).double()
        t = 2 + ((i + u) * later / draws).long().clamp(max=later - 1)
        diffusion += term(t) * later / draws
    prior = kl(q_xt(sched, x0, sched.T), Normal(*(c.to(x0) for c in STANDARD)))
    return Elbo(prior.reshape(len(x0), -1).sum(1), diffusion, reconstruction)


def _noised(sched: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    if len(x0) == 0 or x0.shape != eps.shape:
        raise ValueError(f"x0 and eps must share a shape [b, ...], b >= 1, got {[*x0.shape]}, {[*eps.shape]}")
    return q_xt(sched, x0, t).sample(eps)


def _squared_error(
    half: Tensor, sched: Schedule, x0: Tensor, t: Time, eps: Tensor, target: str
) -> Float[Tensor, " b"]:
    wanted = choose("target", TARGETS, target).make(x0, eps, *scales(sched, t, x0))
    return (half - wanted).square().reshape(len(x0), -1).mean(1)


def _term(
    out: Tensor, sched: Schedule, x0: Tensor, xt: Tensor, t: Time, target: str, variance: str,
    clip: float | None, levels: int,
) -> Float[Tensor, " b"]:
    p, _ = p_step(sched, out, xt, t, target=target, variance=variance, clip=clip)
    q = q_posterior(sched, x0, xt, t)
    first = (torch.as_tensor(t) == 1).to(x0.device, non_blocking=x0.is_cuda)
    first = first.reshape(-1, *[1] * (x0.ndim - 1))
    # Where a branch isn't used it must be finite all the same, or its gradient spoils the other's.
    divergence = kl(Normal(q.mean, q.var.where(~first, 1)), p)          # at t = 1 q is a point
    decoder = log_likelihood(Normal(p.mean, p.var.where(first, 1)), x0, levels)
    return torch.where(first, -decoder, divergence).reshape(len(x0), -1).sum(1)


def log_likelihood(p: Normal, x0: Float[Tensor, "b *dims"], levels: int = 256) -> Float[Tensor, "b *dims"]:
    """log of the mass that p gives to x0's grey level, eq. (13); the end levels reach to infinity."""
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    half, std = 1 / (levels - 1), p.var.sqrt()
    low = torch.where(x0 <= -1 + half, -math.inf, (x0 - half - p.mean) / std)
    high = torch.where(x0 >= 1 - half, math.inf, (x0 + half - p.mean) / std)
    right = low + high > 0                                              # mirrored: a left tail keeps digits
    low, high = torch.where(right, -high, low), torch.where(right, -low, high)
    return log_ndtr(high) + torch.log1p(-torch.exp(log_ndtr(low) - log_ndtr(high)))
