import pytest
import torch
from conftest import uneven
from torch.testing import assert_close

import ddpm_lite as dl
from ddpm_lite.prediction import scales

DOUBLE = {"dtype": torch.float64}


def _noised(t):
    sched, x0, eps = uneven(), torch.randn(3, 2, 4, **DOUBLE), torch.randn(3, 2, 4, **DOUBLE)
    return sched, x0, eps, dl.q_xt(sched, x0, t).sample(eps)


@pytest.mark.parametrize("target", dl.TARGETS)
def test_each_target_round_trips(target):
    t = torch.tensor([1, 5, 12])
    sched, x0, eps, xt = _noised(t)
    out = dl.TARGETS[target].make(x0, eps, *scales(sched, t, x0))
    hat = dl.predict(sched, target, out, xt, t)
    assert_close(hat.x0, x0, rtol=0, atol=1e-12)
    assert_close(hat.eps, eps, rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", dl.TARGETS)
def test_a_clipped_pair_still_recombines(target):
    sched, x0, _, xt = _noised(7)
    hat = dl.predict(sched, target, torch.randn_like(x0), xt, 7, clip=0.5)
    a, b = scales(sched, 7, xt)
    assert hat.x0.abs().max() <= 0.5
    assert_close(a * hat.x0 + b * hat.eps, xt, rtol=0, atol=1e-14)


def test_algorithm_2s_mean_is_the_posterior_mean_at_x0_hat():
    """Eq. (11) beside eq. (7): one and the same while nothing is clipped, parted by a clip."""
    sched, _, eps, xt = _noised(7)
    alpha, beta, alpha_bar = sched.alpha[7], sched.beta[7], sched.alpha_bar[7]
    by_eps = (xt - beta / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt()
    p, _ = dl.p_step(sched, eps, xt, 7)
    assert_close(p.mean, by_eps, rtol=0, atol=1e-12)
    clipped, _ = dl.p_step(sched, eps, xt, 7, clip=0.3)
    assert (clipped.mean - by_eps).abs().max() > 0.01


def test_variances():
    sched, x0, eps, xt = _noised(7)
    var = {v: dl.p_step(sched, eps, xt, 7, variance=v)[0].var for v in ("beta", "beta_tilde")}
    assert_close(var["beta"], sched.beta[7])
    assert_close(var["beta_tilde"], dl.q_posterior(sched, x0, xt, 7).var)
    says = [torch.cat([eps, torch.full_like(eps, v)], 1) for v in (1.0, -1.0, 0.0)]
    high, low, half = (dl.p_step(sched, out, xt, 7, variance="learned")[0].var for out in says)
    assert_close(high, var["beta"].expand_as(high))
    assert_close(low, var["beta_tilde"].expand_as(low))
    assert_close(half, (high * low).sqrt())                             # between, on a log scale
    strided = dl.p_step(sched, says[0], xt, 7, 3, variance="learned")[0].var
    assert_close(strided, (1 - sched.alpha_bar[7] / sched.alpha_bar[3]).expand_as(strided))


def test_the_last_steps_variance_is_that_of_t_2():
    sched, _, eps, xt = _noised(1)
    var = dl.p_step(sched, eps, xt, 1)[0].var
    zero = torch.zeros_like(xt)
    assert_close(var, dl.q_posterior(sched, zero, zero, 2).var)


def test_tables_survive_a_half_precision_network():
    """bf16 images at t = 1, where alpha_bar_1 = 0.9999 would round to 1: eps comes back all the same."""
    sched, eps = dl.linear(), torch.randn(4, 2, dtype=torch.bfloat16)
    xt = dl.q_xt(sched, torch.zeros_like(eps), 1).sample(eps)
    hat = dl.predict(sched, "x0", torch.zeros_like(eps), xt, 1)
    assert_close(hat.eps, eps, rtol=0.02, atol=0.02)


def test_zero_terminal_snr_needs_another_target():
    beta = torch.tensor([0, 0.3, 1], **DOUBLE)
    sched = dl.Schedule(beta, torch.cumprod(1 - beta, 0))
    xt = torch.randn(2, 3, **DOUBLE)
    with pytest.raises(ValueError, match="use target 'v' or 'x0'"):
        dl.predict(sched, "eps", xt, xt, 2)
    assert_close(dl.predict(sched, "v", -xt, xt, 2).x0, xt)             # v = -x0 where all is noise


@pytest.mark.parametrize(("call", "says"), [
    (lambda s, x: dl.predict(s, "noise", x, x, 3), "target must be one of eps, x0, v, got 'noise'"),
    (lambda s, x: dl.predict(s, "eps", x[:, :1], x, 3), r"must return \[2, 4\], or .*, got \[2, 1\]"),
    (lambda s, x: dl.predict(s, "eps", x, x, 3, clip=-1.0), "clip must be positive"),
    (lambda s, x: dl.predict(s, "eps", x, x, 0), "t must be at least 1"),
    (lambda s, x: dl.p_step(s, x, x, 3, variance="fixed"), "must be one of beta_tilde, beta, learned"),
    (lambda s, x: dl.p_step(s, x, x, 3, variance="learned"), "needs a network that returns twice"),
])
def test_bad_input_gets_one_clear_line(as_user, call, says):
    with pytest.raises(ValueError, match=says):
        call(uneven(), torch.zeros(2, 4))
