import math

import pytest
import torch
from conftest import uneven
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

import ddpm_lite as dl
from ddpm_lite.loss import log_likelihood

DOUBLE = {"dtype": torch.float64}


def test_simple_loss_by_hand():
    """A network that returns its input: the error is known in x0 and eps."""
    sched, x0, eps, t = uneven(), torch.randn(3, 2, 2), torch.randn(3, 2, 2), torch.tensor([3, 7, 12])
    loss = dl.simple_loss(lambda x, t: x, sched, x0, t, eps)
    for i, ti in enumerate(t.tolist()):
        alpha_bar = float(sched.alpha_bar[ti])
        error = alpha_bar**0.5 * x0[i] + (1 - alpha_bar) ** 0.5 * eps[i] - eps[i]
        assert_close(loss[i], (error**2).sum() / 4)


def test_the_network_gets_x_t_and_int64_times():
    seen = []
    dl.simple_loss(lambda x, t: seen.append((x, t)) or x, uneven(), torch.randn(3, 2), 4, torch.randn(3, 2))
    assert seen[0][1].tolist() == [4, 4, 4] and seen[0][1].dtype == torch.int64


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_a_bound_term_is_the_kl_of_two_normals(variance):
    """Against torch.distributions, with the posterior's numbers from eq. (7) typed out; float64, 1e-12."""
    sched, t = uneven(), 7
    x0, eps = torch.randn(5, 3, **DOUBLE), torch.randn(5, 3, **DOUBLE)

    def net(x, t):
        return 0.3 * x

    a, beta = sched.alpha[t], sched.beta[t]
    now, before = sched.alpha_bar[t], sched.alpha_bar[t - 1]
    xt = now.sqrt() * x0 + (1 - now).sqrt() * eps
    beta_tilde = (1 - before) / (1 - now) * beta
    mean = before.sqrt() * beta / (1 - now) * x0 + a.sqrt() * (1 - before) / (1 - now) * xt
    q = Normal(mean, beta_tilde.sqrt())
    p_var = {"beta": beta, "beta_tilde": beta_tilde}[variance]
    p = Normal((xt - beta / (1 - now).sqrt() * 0.3 * xt) / a.sqrt(), p_var.sqrt())
    term = dl.bound_term(net, sched, x0, t, eps, variance=variance)
    assert_close(term, kl_divergence(q, p).sum(1), rtol=0, atol=1e-12)


def test_each_time_of_a_batch_gets_its_own_term():
    sched, x0, eps = uneven(), torch.randn(3, 2).clamp(-1, 1), torch.randn(3, 2)
    t = torch.tensor([1, 2, 9])
    together = dl.bound_term(lambda x, t: x, sched, x0, t, eps)
    for i in range(3):
        alone = dl.bound_term(lambda x, t: x, sched, x0[i : i + 1], int(t[i]), eps[i : i + 1])
        assert_close(together[i : i + 1], alone)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_discretised_decoder_is_a_distribution(levels):
    """The masses of all grey levels add up to 1, also where the mean lies far off; float64, 1e-12."""
    grid = torch.linspace(-1, 1, levels, **DOUBLE)[None]
    for mean, var in [(0.1, 0.01), (0.97, 1e-4), (-3.0, 0.02), (0.0, 4.0)]:
        p = dl.Normal(torch.full_like(grid, mean), torch.tensor(var, **DOUBLE))
        log = log_likelihood(p, grid, levels)
        assert log.isfinite().all()
        assert_close(log.exp().sum(), torch.tensor(1.0, **DOUBLE), rtol=0, atol=1e-12)


def test_the_bound_is_tight_on_gaussian_data():
    """Grey values from a discretised N(0, 0.3^2) and the exact network: -log p is known, and the bound lies
    above it by under 2% with variance beta, by more with beta_tilde (float64, Monte Carlo error about 1%)."""
    sched, levels = dl.linear(), 256
    x0 = (0.3 * torch.randn(4000, 1, **DOUBLE)).clamp(-1, 1)
    x0 = ((x0 + 1) / 2 * (levels - 1)).round() / (levels - 1) * 2 - 1
    nll = -log_likelihood(dl.Normal(torch.zeros_like(x0), torch.tensor(0.09, **DOUBLE)), x0, levels).mean()
    net, generator = dl.exact.gaussian(sched, 0.0, 0.09), torch.Generator().manual_seed(0)
    bound = {v: dl.elbo(net, sched, x0, variance=v, draws=100, generator=generator).total
             for v in ("beta", "beta_tilde")}
    assert bound["beta"].shape == (4000,)
    assert 0.99 * nll < bound["beta"].mean() < 1.02 * nll < bound["beta_tilde"].mean()


def test_the_prior_term_is_the_kl_to_noise():
    sched, x0 = uneven(), torch.randn(3, 4, **DOUBLE)
    last = sched.alpha_bar[-1]
    expected = kl_divergence(Normal(last.sqrt() * x0, (1 - last).sqrt()), Normal(0.0, 1.0)).sum(1)
    assert_close(dl.elbo(lambda x, t: x, sched, x0).prior, expected, rtol=0, atol=1e-12)


def test_every_time_is_drawn_once_by_default_and_each_stratum_once_by_draws():
    sched, seen = uneven(), []

    def net(x, t):
        seen.append(t)
        return x

    dl.elbo(net, sched, torch.zeros(6, 2))
    assert torch.stack(seen).T.tolist() == [[1, *range(2, 13)]] * 6
    seen.clear()
    dl.elbo(net, sched, torch.zeros(500, 2), draws=3)
    strata = torch.stack(seen[1:])
    for i in range(3):                                                  # 11 times in three parts of 3 2/3
        part = {t for t in range(2, 13) if (t - 1) * 3 / 11 > i and (t - 2) * 3 / 11 < i + 1}
        assert set(strata[i].tolist()) == part


def test_bits_per_dimension():
    assert_close(dl.bits(torch.tensor(64 * math.log(2)), 64), torch.tensor(1.0))


def test_the_bound_of_a_clipped_model():
    """With clip the bound is that of a network whose x0 is cut to [-1, 1] itself; float64, 1e-12."""
    sched, x0 = uneven(), torch.randn(5, 3, **DOUBLE).clamp(-1, 1)

    def cut(x, t):
        return dl.predict(sched, "eps", 3 * x, x, t, clip=1.0).x0

    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    clipped = dl.elbo(lambda x, t: 3 * x, sched, x0, clip=1.0, generator=seeds[0])
    assert_close(clipped.total, dl.elbo(cut, sched, x0, "x0", generator=seeds[1]).total, rtol=0, atol=1e-12)


@pytest.mark.parametrize("v", [-60.0, 60.0])
def test_a_wild_variance_spoils_no_gradient(v):
    """The decoder's branch, unused for t >= 2, overflows here: neither loss nor gradient may notice."""
    x0, eps = torch.randn(8, 1, 3).clamp(-1, 1), torch.randn(8, 1, 3)
    learned = torch.full((8, 1, 3), v, requires_grad=True)
    loss = dl.hybrid_loss(lambda x, t: torch.cat([eps, learned], 1), dl.cosine(10), x0, 2, eps)
    loss.sum().backward()
    assert loss.isfinite().all() and learned.grad.isfinite().all()


def test_the_hybrid_loss_moves_the_mean_by_l_simple_alone():
    sched, t = uneven(), torch.tensor([1, 3, 7, 12])
    x0, eps = torch.randn(4, 2, 3).clamp(-1, 1), torch.randn(4, 2, 3)
    half = torch.randn(4, 2, 3, requires_grad=True)
    variance = torch.zeros(4, 2, 3, requires_grad=True)
    dl.hybrid_loss(lambda x, t: torch.cat([half, variance], 1), sched, x0, t, eps).sum().backward()
    simple = torch.autograd.grad(dl.simple_loss(lambda x, t: half, sched, x0, t, eps).sum(), half)[0]
    assert_close(half.grad, simple, rtol=0, atol=0)
    assert (variance.grad.abs() > 0).all()


def test_the_hybrid_loss_learns_the_true_reverse_variance():
    """For N(0, V) data and the exact mean it is beta_t V_{t-1} / V_t: its loss beats both neighbours'."""
    sched, V, t, n = uneven(), 0.5, 7, 100_000
    before, now = (sched.alpha_bar[s] * V + 1 - sched.alpha_bar[s] for s in (t - 1, t))
    beta = sched.beta[t]
    beta_tilde = beta * (1 - sched.alpha_bar[t - 1]) / (1 - sched.alpha_bar[t])
    share = (torch.log(beta * before / now) - beta_tilde.log()) / (beta.log() - beta_tilde.log())
    best = float(2 * share - 1)
    x0, eps = V**0.5 * torch.randn(n, 1, **DOUBLE), torch.randn(n, 1, **DOUBLE)
    exact = dl.exact.gaussian(sched, 0.0, V)

    def loss(v):
        def net(x, t):
            return torch.cat([exact(x, t), torch.full_like(x, v)], 1)

        return dl.hybrid_loss(net, sched, x0, t, eps).mean()

    assert -1 < best < 1
    assert loss(best) < min(loss(best - 0.3), loss(best + 0.3))


@pytest.mark.parametrize(("call", "says"), [
    (lambda s, x: dl.simple_loss(lambda x, t: x, s, x[:0], 3, x[:0]), "b >= 1"),
    (lambda s, x: dl.simple_loss(lambda x, t: x, s, x, 3, x[:1]), r"got \[2, 4\], \[1, 4\]"),
    (lambda s, x: dl.simple_loss(lambda x, t: x, s, x, 0, x), "t must be at least 1"),
    (lambda s, x: dl.simple_loss(lambda x, t: x, s, x, 3, x, target="score"), "target must be one of"),
    (lambda s, x: dl.hybrid_loss(lambda x, t: x, s, x, 3, x), "twice the channels"),
    (lambda s, x: dl.elbo(lambda x, t: x, s, x, draws=0), r"draws must lie in \[1, 11\], got 0"),
    (lambda s, x: dl.elbo(lambda x, t: x, s, x, levels=1), "levels must be at least 2"),
])
def test_bad_input_gets_one_clear_line(as_user, call, says):
    with pytest.raises(ValueError, match=says):
        call(uneven(), torch.zeros(2, 4))
