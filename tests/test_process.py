import math

import pytest
import torch
from conftest import uneven
from torch.testing import assert_close

import ddpm_lite as dl

DOUBLE = {"dtype": torch.float64}


def test_a_chain_of_steps_is_the_closed_form():
    """Mean and variance pushed through q_step by hand, against q_xt; float64, 1e-12."""
    sched, x0 = uneven(), torch.randn(4, 3, **DOUBLE)
    mean, var = x0, torch.zeros(())
    for t in range(1, sched.T + 1):
        step = dl.q_step(sched, mean, t)
        mean, var = step.mean, (1 - sched.beta[t]) * var + step.var
        closed = dl.q_xt(sched, x0, t)
        assert_close(mean, closed.mean, rtol=0, atol=1e-12)
        assert_close(torch.as_tensor(var), closed.var, rtol=0, atol=1e-12)


def test_the_posterior_is_bayes_rule_on_a_grid():
    """q(x_prev|x_0) q(x_t|x_prev) normalised by quadrature, for prev = t - 1 and strided; float64, 1e-9."""
    sched, x0, xt = uneven(), torch.tensor([[0.7]], **DOUBLE), torch.tensor([[-0.4]], **DOUBLE)
    grid = torch.linspace(-9, 9, 40001, **DOUBLE)
    for t, prev in [(3, 2), (7, 6), (12, 11), (9, 4), (12, 1)]:
        prior = dl.q_xt(sched, x0, prev)
        mean, var = grid, torch.zeros(())
        for s in range(prev + 1, t + 1):                                # step by step: q_xt plays no part
            mean, var = (1 - sched.beta[s]).sqrt() * mean, (1 - sched.beta[s]) * var + sched.beta[s]
        log = -((xt - mean) ** 2) / (2 * var) - (grid - prior.mean) ** 2 / (2 * prior.var)
        weight = log.flatten().softmax(0)
        by_grid_mean = (weight * grid).sum()
        by_grid_var = (weight * (grid - by_grid_mean) ** 2).sum()
        posterior = dl.q_posterior(sched, x0, xt, t, prev if prev != t - 1 else None)
        assert_close(posterior.mean.squeeze(), by_grid_mean, rtol=0, atol=1e-9)
        assert_close(posterior.var.squeeze(), by_grid_var, rtol=0, atol=1e-9)


def test_the_posterior_ends_at_the_data():
    sched, x0, x1 = uneven(), torch.randn(5, 2, **DOUBLE), torch.randn(5, 2, **DOUBLE)
    posterior = dl.q_posterior(sched, x0, x1, 1)
    assert posterior.var == 0
    assert_close(posterior.mean, x0, rtol=0, atol=1e-15)
    far = dl.q_posterior(sched, x0, x1, sched.T, prev=0)
    assert far.var == 0
    assert_close(far.mean, x0, rtol=0, atol=1e-15)


def test_its_variance_lies_under_both_bounds_by_the_exact_gaps():
    sched, zero = uneven(), torch.zeros(1, 1, **DOUBLE)
    for t in range(1, sched.T + 1):
        before, now = sched.alpha_bar[t - 1], sched.alpha_bar[t]
        var = dl.q_posterior(sched, zero, zero, t).var
        assert_close(sched.beta[t] - var, sched.beta[t] ** 2 * before / (1 - now), rtol=0, atol=1e-14)
        assert_close(1 - before - var, sched.alpha[t] * (1 - before) ** 2 / (1 - now), rtol=0, atol=1e-14)


def test_an_int_and_a_tensor_of_times_agree():
    sched, x0, xt = uneven(), torch.randn(3, 2, 2), torch.randn(3, 2, 2)
    t = torch.tensor([3, 8, 12])
    batched = [dl.q_step(sched, x0, t), dl.q_xt(sched, x0, t), dl.q_posterior(sched, x0, xt, t, t - 2)]
    for i, one in enumerate(t.tolist()):
        posterior = dl.q_posterior(sched, x0, xt, one, one - 2)
        alone = [dl.q_step(sched, x0, one), dl.q_xt(sched, x0, one), posterior]
        for many, single in zip(batched, alone, strict=True):
            assert_close(many.mean[i], single.mean[i], rtol=0, atol=0)
            assert_close(many.var[i].squeeze(), single.var, rtol=0, atol=0)


def test_sample_uses_the_standard_deviation():
    law = dl.Normal(torch.tensor([1.0]), torch.tensor([4.0]))
    assert law.sample(torch.tensor([3.0])) == 7.0


def test_kl_is_the_integral():
    """Against quadrature of p log(p/q), float64, 1e-10; and 0 only for equal laws."""
    x = torch.linspace(-30, 30, 60001, **DOUBLE)
    for (m1, v1), (m2, v2) in [((0.3, 0.5), (-0.2, 2.0)), ((0, 1), (0, 1)), ((1, 3), (1, 0.7))]:
        logs = [-((x - m) ** 2) / (2 * v) - 0.5 * math.log(2 * math.pi * v) for m, v in ((m1, v1), (m2, v2))]
        integral = torch.trapezoid(logs[0].exp() * (logs[0] - logs[1]), x)
        p, q = (dl.Normal(*torch.tensor(law, **DOUBLE)) for law in ((m1, v1), (m2, v2)))
        assert_close(dl.kl(p, q), integral, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("call", "says"), [
    (lambda s, x: dl.q_step(s, x, 0), "t must be at least 1"),
    (lambda s, x: dl.q_posterior(s, x, x, 0), "t must be at least 1"),
    (lambda s, x: dl.q_posterior(s, x, x, torch.tensor([0, 3])), "t must be at least 1"),
    (lambda s, x: dl.q_posterior(s, x, x, 5, prev=5), r"prev must lie in \[0, t\)"),
    (lambda s, x: dl.q_posterior(s, x, x, torch.tensor([5, 6]), torch.tensor([4, 6])), "prev = "),
    (lambda s, x: dl.q_posterior(s, x, x, 5, prev=-1), r"prev must lie in \[0, t\), got prev = -1"),
    (lambda s, x: dl.q_xt(s, x, 13), r"t must lie in \[0, 12\], got 13"),
    (lambda s, x: dl.q_xt(s, x, torch.tensor([1.0, 2.0])), "int64 tensor"),
])
def test_bad_times_get_one_clear_line(as_user, call, says):
    with pytest.raises(ValueError, match=says):
        call(uneven(), torch.zeros(2, 3))
