"""Networks that need no training: the Bayes-optimal eps of a Gaussian, of a mixture and of a finite data set.

The best eps_hat is a conditional mean, E[eps | x_t] = (x_t - a E[x_0 | x_t]) / b = -b grad log q(x_t), with
a = sqrt(alpha_bar_t), b = sqrt(1 - alpha_bar_t) (Tweedie; Efron 2011).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_lite.prediction import Net, scales
from ddpm_lite.schedule import Schedule, Time

Value = float | Float[Tensor, "..."]


def check_like(x: Tensor, data: Tensor) -> None:
    if x.shape[1:] != data.shape[1:]:
        raise ValueError(f"x must be [b, ...] of examples {list(data.shape[1:])}, got {list(x.shape)}")


def gaussian(sched: Schedule, mean: Value, var: Value) -> Net:
    """eps_hat for data N(mean, var), each element by itself; mean and var broadcast over one example."""
    mean, var = (torch.as_tensor(v, dtype=torch.float64, device="cpu") for v in (mean, var))
    if not bool((var >= 0).all()):
        raise ValueError(f"var must be at least 0, got {var}")

    def net(x: Tensor, t: Time) -> Tensor:
        a, b = scales(sched, t, x)
        mean_x, var_x = (v.to(x.dtype).to(x.device) for v in (mean, var))
        return b * (x - a * mean_x) / (a**2 * var_x + b**2)

    return net


def mixture(
    sched: Schedule, weights: Float[Tensor, " k"], means: Float[Tensor, "k *dims"], vars: Float[Tensor, " k"],
) -> Net:
    """eps_hat for data from a mixture of round Gaussians N(means[i], vars[i] I); weights are normalised."""
    weights, means, vars = torch.as_tensor(weights), torch.as_tensor(means), torch.as_tensor(vars)
    if not len(weights) == len(means) == len(vars) or not bool((weights > 0).all() & (vars >= 0).all()):
        raise ValueError("weights must be positive, vars at least 0, and as many as means, "
                         f"got {weights}, {vars} and {len(means)} means")
    if means.ndim < 2:
        raise ValueError(f"means must be [k, ...], one row a component, got {list(means.shape)}")
    flat = means.flatten(1)

    def net(x: Tensor, t: Time) -> Tensor:
        check_like(x, means)
        a, b = (c.reshape(-1, 1) for c in scales(sched, t, x))
        width = a**2 * vars.to(x) + b**2                                # [b, k], variance of x_t
        offset = x.flatten(1)[:, None] - a[..., None] * flat.to(x)      # [b, k, d]
        logit = weights.to(x).log() - offset.square().sum(-1) / (2 * width) - flat.shape[1] / 2 * width.log()
        score = -(logit.softmax(-1) / width)[..., None] * offset        # [b, k, d]
        return (-b * score.sum(1)).reshape(x.shape)

    return net


def empirical(sched: Schedule, data: Float[Tensor, "n *dims"], block: int = 16384) -> Net:
    """eps_hat for data drawn from the finite set `data`: it remembers all of it, and generates only it.

    The mean of the set, weighted by q(x_t | x_0), is summed block by block: memory stays bounded.
    """
    if len(data) == 0 or data.ndim < 2 or block < 1:
        raise ValueError(f"data must be [n, ...], n >= 1, and block >= 1, got {list(data.shape)}, {block}")

    def net(x: Tensor, t: Time) -> Tensor:
        check_like(x, data)
        a, b = (c.reshape(-1, 1) for c in scales(sched, t, x))
        a, xt = a.clamp(min=1e-6), x.flatten(1)
        total = torch.full_like(xt[:, :1], -torch.inf)                  # log of the weights' sum so far
        x0_hat = torch.zeros_like(xt)
        for part in data.flatten(1).split(block):
            part = part.to(x)
            gap = a * torch.cdist(xt / a, part, compute_mode="donot_use_mm_for_euclid_dist")     # [b, block]
            logit = -gap.square() / (2 * b**2)
            here = logit.logsumexp(1, keepdim=True)
            both = torch.logaddexp(total, here)
            x0_hat = x0_hat * (total - both).exp() + (logit - both).exp() @ part
            total = both
        return ((xt - a * x0_hat) / b).reshape(x.shape)

    return net
