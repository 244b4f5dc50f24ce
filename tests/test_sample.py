import math

import pytest
import torch
from conftest import uneven
from torch.testing import assert_close

import ddpm_lite as dl

DOUBLE = {"dtype": torch.float64}
MEAN, VAR = 0.4, 0.25                                                   # the data's law


def _exact(sched):
    return dl.exact.gaussian(sched, MEAN, VAR)


def _true_end(sched, x, t):
    """Where the probability flow takes x_t for Gaussian data: to the same number of standard deviations."""
    alpha_bar = sched.alpha_bar[t]
    return MEAN + (VAR / (alpha_bar * VAR + 1 - alpha_bar)).sqrt() * (x - alpha_bar.sqrt() * MEAN)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_ancestral_sampling_has_the_moments_of_its_recursion(variance):
    """For Gaussian data each step is affine: the samples' mean and variance are known (1e5 draws, 1%)."""
    sched = uneven()
    mean, var = torch.zeros((), **DOUBLE), torch.ones((), **DOUBLE)
    for t in range(sched.T, 0, -1):
        now, before, beta = sched.alpha_bar[t], sched.alpha_bar[t - 1], sched.beta[t]
        x0_gain = now.sqrt() * VAR / (now * VAR + 1 - now)              # of E[x0 | x_t] in x_t
        on_x0, on_xt = before.sqrt() * beta / (1 - now), (1 - beta).sqrt() * (1 - before) / (1 - now)
        gain = on_x0 * x0_gain + on_xt
        mean = gain * mean + on_x0 * (1 - x0_gain * now.sqrt()) * MEAN
        added = {"beta": beta, "beta_tilde": beta * (1 - before) / (1 - now)}[variance] if t > 1 else 0
        var = gain**2 * var + added
    x = dl.last(dl.ancestral(_exact(sched), sched, torch.randn(100_000, 1, **DOUBLE), variance=variance)).x
    assert_close(x.mean(), mean, rtol=0, atol=0.01)
    assert_close(x.var(), var, rtol=0.02, atol=0)


@pytest.mark.parametrize("steps", [None, 4, [11, 7, 2, 1, 0]])
@pytest.mark.parametrize("clip", [None, 0.3])
def test_ddim_with_eta_1_is_ancestral(steps, clip):
    sched, x = uneven(), torch.randn(6, 3, **DOUBLE)
    both = [dl.ancestral(_exact(sched), sched, x, steps, clip=clip, noise=dl.seeded_noise(1)),
            dl.ddim(_exact(sched), sched, x, steps or sched.T, 1.0, clip=clip, noise=dl.seeded_noise(1))]
    for one, other in zip(*both, strict=True):
        assert one.t == other.t
        assert_close(one.x, other.x, rtol=0, atol=1e-12)
        assert_close(one.x0, other.x0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.7, 1.0])
def test_every_member_of_ddims_family_keeps_the_marginals(eta):
    """The right noise and x0 in hand: x_prev has variance 1 - alpha_bar_prev whatever eta (2e5 draws, 1%)."""
    sched, n = uneven(), 200_000
    x0, eps = torch.full((n, 1), 0.8, **DOUBLE), torch.randn(n, 1, **DOUBLE)
    walk = dl.ddim(lambda x, t: eps, sched, dl.q_xt(sched, x0, 9).sample(eps), [9, 5, 0], eta)
    state, law = next(walk), dl.q_xt(sched, x0, 5)
    assert_close(state.x.mean(), law.mean[0, 0], rtol=0, atol=0.01)
    assert_close(state.x.var(), law.var, rtol=0.01, atol=0)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.7, 1.0])
def test_ddims_noise_is_eta_times_the_posteriors(eta):
    """Two walks that differ by noise 1 against 0 part by sigma = eta sqrt(beta_tilde); float64, 1e-12."""
    sched, x = uneven(), torch.randn(3, 2, **DOUBLE)
    with_noise, without = (next(dl.ddim(_exact(sched), sched, x, [9, 5, 0], eta, noise=noise))
                           for noise in (torch.ones_like, torch.zeros_like))
    beta_tilde = dl.q_posterior(sched, x, x, 9, 5).var
    assert_close(with_noise.x - without.x, (eta * beta_tilde.sqrt()).expand_as(x), rtol=0, atol=1e-12)


def test_solvers_have_their_order():
    """Error at time 100 against the exact flow: half the step, half of it for DDIM, a quarter for 2M."""
    sched, x = dl.linear(), torch.randn(64, 1, **DOUBLE)

    def error(sampler, n):
        steps = [*range(1000, 99, -900 // n), 0]
        state = [s for s in sampler(_exact(sched), sched, x, steps) if s.t == 100][0]
        alpha_bar = sched.alpha_bar[100]
        here = alpha_bar.sqrt() * MEAN + (alpha_bar * VAR + 1 - alpha_bar).sqrt() * (
            (_true_end(sched, x, 1000) - MEAN) / VAR**0.5)
        return float((state.x - here).abs().mean())

    assert 0.8 < math.log2(error(dl.ddim, 50) / error(dl.ddim, 100)) < 1.2
    assert 1.7 < math.log2(error(dl.dpm_solver, 50) / error(dl.dpm_solver, 100)) < 2.5
    assert error(dl.dpm_solver, 50) < 0.1 * error(dl.ddim, 50)


def test_dpm_solver_is_the_papers_update():
    """Three steps typed out from the paper's algorithm 2; float64, 1e-12."""
    sched, x, ts = uneven(), torch.randn(5, 2, **DOUBLE), [12, 8, 3, 0]
    a, b = sched.alpha_bar.sqrt(), (1 - sched.alpha_bar).sqrt()
    lam = (a / b).log()
    net, D, y = _exact(sched), [], x
    for i, (s, t) in enumerate(zip(ts, ts[1:], strict=False)):
        D.append((y - b[s] * net(y, s)) / a[s])
        if t == 0:
            y = D[-1]
            continue
        h = lam[t] - lam[s]
        if i == 0:
            y = b[t] / b[s] * y - a[t] * (torch.exp(-h) - 1) * D[-1]
        else:
            r = (lam[s] - lam[ts[i - 1]]) / h
            ahead = (1 + 1 / (2 * r)) * D[-1] - 1 / (2 * r) * D[-2]
            y = b[t] / b[s] * y - a[t] * (torch.exp(-h) - 1) * ahead
    assert_close(dl.last(dl.dpm_solver(net, sched, x, ts)).x, y, rtol=0, atol=1e-12)


def test_dpm_solver_with_noise_is_the_papers_update():
    """SDE-DPM-Solver++(2M): first a step of algorithm 2, then one that looks back; float64, 1e-12."""
    sched, x, ts = uneven(), torch.randn(5, 2, **DOUBLE), [12, 8, 3, 0]
    a, b = sched.alpha_bar.sqrt(), (1 - sched.alpha_bar).sqrt()
    lam = (a / b).log()
    net, noise = _exact(sched), dl.seeded_noise(1)
    first, second, third = dl.dpm_solver(net, sched, x, ts, eta=1.0, noise=dl.seeded_noise(1))
    y = next(dl.ancestral(net, sched, x, ts, noise=noise)).x
    assert_close(first.x, y, rtol=0, atol=1e-12)
    D = [(v - b[t] * net(v, t)) / a[t] for v, t in ((x, 12), (y, 8))]
    h, h_old = lam[3] - lam[8], lam[8] - lam[12]
    ahead = D[1] + (D[1] - D[0]) * h / (2 * h_old)
    y = (b[3] / b[8] * torch.exp(-h) * y + a[3] * (1 - torch.exp(-2 * h)) * ahead
         + b[3] * (1 - torch.exp(-2 * h)).sqrt() * noise(y))
    assert_close(second.x, y, rtol=0, atol=1e-12)
    assert_close(third.x, (y - b[3] * net(y, 3)) / a[3], rtol=0, atol=1e-12)


def test_the_look_back_keeps_more_of_the_spread():
    """Gaussian data, exact network: 20 noisy steps miss the variance by a third of what algorithm 2 does."""
    sched = dl.cosine(T=1000)
    x = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def error(sampler):
        samples = dl.last(sampler(_exact(sched), sched, x, 20, noise=dl.seeded_noise(1))).x
        return abs(float(samples.var()) / VAR - 1)

    assert error(dl.SAMPLERS["dpm_sde"]) < error(dl.ancestral) / 3


@pytest.mark.parametrize("sampler", dl.SAMPLERS.values())
@pytest.mark.parametrize("target", dl.TARGETS)
def test_every_target_walks_the_same_way(sampler, target):
    """An exact network that speaks eps, x0 or v draws the same samples; float64, 1e-10."""
    from ddpm_lite.prediction import scales

    sched, x = uneven(), torch.randn(4, 2, **DOUBLE)
    exact = _exact(sched)

    def net(x, t):
        eps = exact(x, t)
        a, b = scales(sched, t, x)
        return dl.TARGETS[target].make((x - b * eps) / a, eps, a, b)

    walk = dl.last(sampler(net, sched, x, 6, target=target, noise=dl.seeded_noise(0)))
    assert_close(walk.x, dl.last(sampler(exact, sched, x, 6, noise=dl.seeded_noise(0))).x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sampler", dl.SAMPLERS.values())
def test_no_noise_at_the_last_step(sampler):
    sched = uneven()
    state = dl.last(sampler(_exact(sched), sched, torch.randn(4, 2, **DOUBLE), 5))
    assert state.t == 0
    assert_close(state.x, state.x0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampler", dl.SAMPLERS.values())
def test_states_come_one_by_one_without_gradients_and_leave_the_mode_alone(sampler):
    sched, calls = uneven(), []
    weight = torch.ones(1, requires_grad=True)
    walk = sampler(lambda x, t: calls.append(int(t[0])) or weight * x, sched, torch.randn(2, 2), [9, 4, 0])
    assert calls == []
    state = next(walk)
    assert calls == [9] and state.t == 4 and not state.x.requires_grad and torch.is_grad_enabled()
    assert [s.t for s in walk] == [0] and calls == [9, 4]


def test_times():
    assert dl.times(4) == [4, 3, 2, 1, 0]
    assert dl.times(1000, 4) == [1000, 750, 500, 250, 0]
    assert dl.times(1000, [901, 1, 0]) == [901, 1, 0]
    for steps in range(1, 61):
        ts = dl.times(60, steps)
        assert len(ts) == steps + 1 and ts[0] == 60 and ts[-1] == 0 and ts == sorted(set(ts), reverse=True)


def test_seeded_noise_repeats():
    x = torch.zeros(3, 2)
    noise, again = dl.seeded_noise(5), dl.seeded_noise(5)
    first, second = noise(x), noise(x)
    assert torch.equal(again(x), first) and not torch.equal(first, second)


def test_guidance_reaches_beyond_the_label():
    def net(x, t, label):
        return torch.full_like(x, 1.0 if label is None else 3.0)

    x, t = torch.zeros(2, 1), torch.tensor([3, 3])
    for strength, says in [(0, 3.0), (2, 3 + 2 * (3 - 1)), (-1, 1.0)]:
        assert (dl.guide(net, 7, strength)(x, t) == says).all()


def test_guidance_leaves_a_learned_variance_alone():
    def net(x, t, label):
        return torch.cat([torch.full_like(x, 1.0 if label is None else 3.0), torch.full_like(x, 0.5)], 1)

    out = dl.guide(net, 7, 2)(torch.zeros(2, 1, 4), torch.tensor([3, 3]))
    assert (out[:, 0] == 7).all() and (out[:, 1] == 0.5).all()


def test_a_network_left_in_training_mode_is_reported():
    net = torch.nn.Dropout(0.5)
    net.forward = lambda x, t, label=None: x                            # type: ignore[method-assign]
    for called in (net, dl.guide(net, 1, 2.0)):
        with pytest.warns(UserWarning, match=r"call net.eval\(\)"):
            dl.ddim(called, uneven(), torch.randn(2, 2), 3)


@pytest.mark.parametrize(("call", "says"), [
    (lambda s, x: dl.ancestral(lambda x, t: x, s, x, 13), r"steps must lie in \[1, 12\], got 13"),
    (lambda s, x: dl.ddim(lambda x, t: x, s, x, 0), r"steps must lie in \[1, 12\], got 0"),
    (lambda s, x: dl.ddim(lambda x, t: x, s, x, 5, eta=2), r"eta must lie in \[0, 1\], got 2"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, [1, 5, 0]), r"from at most 12 to 0, got \[1, 5, 0\]"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, [5, 5, 0]), "fall from"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, 5, eta=1.5), "eta must lie in"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, [5, 3]), "fall from"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, [13, 0]), "fall from"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, [5, -1, 0]), "fall from"),
    (lambda s, x: dl.dpm_solver(lambda x, t: x, s, x, [5.5, 0]), "fall from"),
    (lambda s, x: dl.ddim(lambda x, t: x, s, x, 10.0), "a whole number or a falling sequence"),
    (lambda s, x: dl.ancestral(lambda x, t: x, s, x[:0]), "b >= 1"),
    (lambda s, x: dl.ancestral(lambda x, t: x, s, x.long()), "float tensor"),
    (lambda s, x: dl.last(iter([])), "no state left"),
])
def test_bad_input_gets_one_clear_line_at_once(as_user, call, says):
    with pytest.raises(ValueError, match=says):
        call(uneven(), torch.zeros(2, 4))
