import pytest
import torch
from conftest import uneven
from torch.testing import assert_close

import ddpm_lite as dl

DOUBLE = {"dtype": torch.float64}
GRID = torch.linspace(-12, 12, 48001, **DOUBLE)


def _by_quadrature(sched, log_density, x, t):
    """E[eps | x_t] in one dimension, by summing over x_0: no Tweedie, no closed form."""
    a, b = sched.alpha_bar[t].sqrt(), (1 - sched.alpha_bar[t]).sqrt()
    eps = (x - a * GRID) / b                                            # [b, grid]
    weight = (log_density - eps**2 / 2).softmax(-1)
    return (weight * eps).sum(-1, keepdim=True)


@pytest.mark.parametrize("t", [1, 4, 12])
def test_gaussian(t):
    sched, x = uneven(), torch.linspace(-3, 3, 7, **DOUBLE)[:, None]
    exact = dl.exact.gaussian(sched, 0.4, 0.3)(x, torch.full((7,), t))
    assert_close(exact, _by_quadrature(sched, -((GRID - 0.4) ** 2) / 0.6, x, t), rtol=0, atol=1e-8)


@pytest.mark.parametrize("t", [1, 4, 12])
def test_mixture(t):
    sched, x = uneven(), torch.linspace(-3, 3, 7, **DOUBLE)[:, None]
    weights, means, vars = (torch.tensor(v, **DOUBLE) for v in ([1.0, 3.0], [[-1.5], [0.8]], [0.2, 0.05]))
    logs = [(w / v.sqrt()).log() - (GRID - m) ** 2 / (2 * v)
            for w, m, v in zip(weights, means, vars, strict=True)]
    exact = dl.exact.mixture(sched, weights, means, vars)(x, torch.full((7,), t))
    assert_close(exact, _by_quadrature(sched, torch.logaddexp(*logs), x, t), rtol=0, atol=1e-8)


def test_a_mixture_of_one_is_a_gaussian_and_of_points_is_the_data_set():
    sched, x, t = uneven(), torch.randn(5, 1, 2, 2, **DOUBLE), torch.tensor([1, 3, 5, 9, 12])
    mean = torch.randn(1, 1, 2, 2, **DOUBLE)
    one = dl.exact.mixture(sched, torch.ones(1, **DOUBLE), mean, torch.full((1,), 0.3, **DOUBLE))
    assert_close(one(x, t), dl.exact.gaussian(sched, mean[0], 0.3)(x, t), rtol=0, atol=1e-12)
    data = torch.randn(20, 1, 2, 2, **DOUBLE)
    points = dl.exact.mixture(sched, torch.ones(20, **DOUBLE), data, torch.zeros(20, **DOUBLE))
    assert_close(dl.exact.empirical(sched, data)(x, t), points(x, t), rtol=0, atol=1e-10)


@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_blocks_change_nothing(block):
    sched, x, t = uneven(), torch.randn(4, 3, **DOUBLE), torch.tensor([1, 4, 8, 12])
    data = torch.randn(20, 3, **DOUBLE)
    whole = dl.exact.empirical(sched, data)(x, t)
    assert_close(dl.exact.empirical(sched, data, block)(x, t), whole, rtol=0, atol=1e-12)


def test_far_from_all_data_nothing_overflows():
    """At t = 1 and 200 standard deviations off, the weights underflow unless their logs are summed."""
    sched, data = dl.linear(), torch.tensor([[-1.0], [1.0]])
    eps = dl.exact.empirical(sched, data)(torch.tensor([[3.0]]), torch.tensor([1]))
    b = (1 - sched.alpha_bar[1]).sqrt()
    assert_close(eps, ((3 - sched.alpha_bar[1].sqrt()) / b).float().reshape(1, 1), rtol=1e-5, atol=0)


def test_the_memorisers_samples_are_training_examples():
    sched, data = dl.linear(200), torch.randn(30, 2)
    x = dl.last(dl.ddim(dl.exact.empirical(sched, data), sched, torch.randn(50, 2), 200)).x
    assert torch.cdist(x, data).min(1).values.max() < 1e-3


def test_the_loss_of_the_best_network_is_the_floor():
    """alpha_bar V / (alpha_bar V + 1 - alpha_bar) for Gaussian data, and no affine network beats it (1%)."""
    sched, V, n = uneven(), 0.3, 200_000
    x0, eps = V**0.5 * torch.randn(n, 1, **DOUBLE), torch.randn(n, 1, **DOUBLE)
    net = dl.exact.gaussian(sched, 0.0, V)
    for t in (1, 5, 12):
        alpha_bar = sched.alpha_bar[t]
        loss = dl.simple_loss(net, sched, x0, t, eps).mean()
        assert_close(loss, alpha_bar * V / (alpha_bar * V + 1 - alpha_bar), rtol=0.01, atol=0)
        for scale in (0.9, 1.1):
            worse = dl.simple_loss(lambda x, t, s=scale: s * net(x, t), sched, x0, t, eps).mean()
            assert worse > loss


@pytest.mark.parametrize(("call", "says"), [
    (lambda s: dl.exact.gaussian(s, 0.0, -1.0), "var must be at least 0"),
    (lambda s: dl.exact.mixture(s, torch.ones(2), torch.zeros(3, 1), torch.ones(2)), "as many as means"),
    (lambda s: dl.exact.mixture(s, -torch.ones(2), torch.zeros(2, 1), torch.ones(2)), "must be positive"),
    (lambda s: dl.exact.empirical(s, torch.zeros(0, 2)), r"data must be \[n, ...\], n >= 1"),
    (lambda s: dl.exact.mixture(s, torch.ones(2), torch.zeros(2), torch.ones(2)), "one row a component"),
    (lambda s: dl.exact.empirical(s, torch.zeros(3, 1))(torch.zeros(2, 2), 3), r"\[1\], got \[2, 2\]"),
])
def test_bad_input_gets_one_clear_line(as_user, call, says):
    with pytest.raises(ValueError, match=says):
        call(uneven())
