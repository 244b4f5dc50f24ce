"""What was proved is what runs: each formula that the package implements, lambdified from the registry and
compared with `ddpm_lite` at float64 for every t; and a Monte Carlo bound that shares no code with either."""

import numpy as np
import pytest
import sympy as sp
import torch
from conftest import uneven

import ddpm_lite as dl
from ddpm_lite.loss import bound_term
from ddpm_lite.prediction import TARGETS, p_step, scales
from ddpm_lite.process import Normal
from ddpm_lite.verified import entry

SCHEDULES = {"linear": dl.linear(T=1000), "cosine": dl.cosine(T=400), "uneven": uneven()}
X0, XT, EPS, Z = (torch.tensor([v], dtype=torch.float64) for v in (0.7, -1.3, 0.4, -0.6))


@pytest.fixture(params=SCHEDULES)
def sched(request):
    return SCHEDULES[request.param]


def worth(id, slot, sched, *, t=None, prev=None, **more):
    """The value of a statement's slot for every t (or the t given), float64 [t]."""
    t = torch.arange(1, sched.T + 1) if t is None else t
    prev = t - 1 if prev is None else prev
    table = {
        "alpha_t": sched.alpha[t],
        "beta_t": sched.beta[t],
        "alpha_bar_t": sched.alpha_bar[t],
        "alpha_bar_prev": sched.alpha_bar[prev],
        "alpha_bar_s": sched.alpha_bar[prev],
        "alpha_ts": sched.alpha_bar[t] / sched.alpha_bar[prev],
        "x_0": X0,
        "x_t": XT,
        "eps": EPS,
        "z": Z,
        **more,
    }
    expr = getattr(entry(id).statement, slot)
    names = sorted(s.name for s in expr.free_symbols)
    value = sp.lambdify(
        [sp.Symbol(n) for n in names], expr.subs({s: sp.Symbol(s.name) for s in expr.free_symbols}), "numpy"
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.broadcast_to(value(*(np.asarray(table[name], np.float64) for name in names)), (len(t),))


def each(sched, function):
    """function(t) for every t, float64 [t]."""
    return np.array([float(function(t)) for t in range(1, sched.T + 1)])


def agree(proved, package):
    np.testing.assert_allclose(package, proved, rtol=1e-12, atol=1e-12)


def test_forward_process(sched):
    agree(
        worth("forward-step", "mean", sched, x_prev=X0), each(sched, lambda t: dl.q_step(sched, X0, t).mean)
    )
    agree(worth("forward-step", "var", sched), each(sched, lambda t: dl.q_step(sched, X0, t).var))
    agree(worth("closed-form", "mean", sched), each(sched, lambda t: dl.q_xt(sched, X0, t).mean))
    agree(worth("closed-form", "var", sched), each(sched, lambda t: dl.q_xt(sched, X0, t).var))
    agree(worth("closed-form-sample", "rhs", sched), each(sched, lambda t: dl.q_xt(sched, X0, t).sample(EPS)))
    agree(worth("alpha", "rhs", sched), sched.alpha[1:])
    agree(worth("snr", "rhs0", sched), sched.snr[1:])
    last = torch.tensor([sched.T])
    agree(
        worth("terminal-kl", "rhs", sched, t=last, alpha_bar_T=sched.alpha_bar[last]),
        dl.kl(dl.q_xt(sched, X0, sched.T), Normal(torch.tensor(0.0), torch.tensor(1.0))).numpy(),
    )


def test_schedules():
    t, T = torch.arange(1, 1001), 1000
    one = entry("linear-schedule").statement.rhs
    beta = sp.Function("beta", positive=True)
    names = sp.Symbol("t"), sp.Symbol("T"), sp.Symbol("first"), sp.Symbol("last")
    plain = {s: sp.Symbol(s.name) for s in one.free_symbols}
    expr = one.subs({beta(1): names[2]}).replace(beta, lambda _: names[3]).subs(plain)
    agree(sp.lambdify(names, expr, "numpy")(t.numpy(), T, 1e-4, 0.02), dl.linear(T=1000).beta[1:])
    sched = dl.cosine(T=1000)
    f = entry("cosine-schedule").statement.f
    f = sp.lambdify(
        [sp.Symbol(n) for n in "tTs"], f.subs({s: sp.Symbol(s.name) for s in f.free_symbols}), "numpy"
    )
    uncut = sched.beta[1:] < 0.999
    agree((f(t.numpy(), T, 0.008) / f(0, T, 0.008))[uncut], sched.alpha_bar[1:][uncut])
    beta_t = worth("beta-from-alpha-bar", "rhs", sched)
    agree(beta_t[uncut], sched.beta[1:][uncut])


def test_posterior(sched):
    agree(worth("posterior-mean", "rhs", sched), each(sched, lambda t: dl.q_posterior(sched, X0, XT, t).mean))
    agree(
        worth("posterior-variance", "rhs", sched), each(sched, lambda t: dl.q_posterior(sched, X0, XT, t).var)
    )
    t = torch.arange(3, sched.T + 1)
    prev = t // 3
    law = [dl.q_posterior(sched, X0, XT, int(a), int(b)) for a, b in zip(t, prev, strict=True)]
    for slot, got in (("mean", [float(p.mean) for p in law]), ("var", [float(p.var) for p in law])):
        agree(
            worth(
                "posterior-strided",
                slot,
                sched,
                t=t,
                prev=prev,
            ),
            np.array(got),
        )


def test_predictions(sched):
    agree(worth("invert-x0", "rhs", sched), each(sched, lambda t: dl.predict(sched, "eps", EPS, XT, t).x0))
    agree(worth("invert-eps", "rhs", sched), each(sched, lambda t: dl.predict(sched, "x0", X0, XT, t).eps))
    agree(
        worth("v-target", "rhs", sched),
        each(sched, lambda t: TARGETS["v"].make(X0, EPS, *scales(sched, t, X0))),
    )
    agree(worth("mu-eps", "rhs", sched), each(sched, lambda t: p_step(sched, EPS, XT, t)[0].mean))
    agree(
        worth("sigma-choices", "point", sched)[1:],
        each(sched, lambda t: p_step(sched, EPS, XT, t)[0].var)[1:],
    )
    agree(
        worth("sigma-choices", "unit", sched),
        each(sched, lambda t: p_step(sched, EPS, XT, t, variance="beta")[0].var),
    )


def one_step(sampler, sched, t, **more):
    """x after one step from x_t = XT, with a network that says EPS."""
    times = [t, t - 1, 0] if t > 1 else [1, 0]
    return next(sampler(lambda x, t: EPS.expand_as(x), sched, XT[None], times, **more)).x


def test_sampling_steps(sched):
    def noise(x):
        return Z.expand_as(x)

    ours = each(sched, lambda t: one_step(dl.ancestral, sched, t, variance="beta", noise=noise))
    sigma = sched.beta[1:].sqrt() * (torch.arange(1, sched.T + 1) > 1)
    agree(worth("ancestral-step", "rhs", sched, eps_hat=EPS, sigma_t=sigma), ours)
    for eta in (0.0, 0.4, 1.0):
        ours = each(sched, lambda t, eta=eta: one_step(dl.ddim, sched, t, eta=eta, noise=noise))
        x0_hat = torch.stack([dl.predict(sched, "eps", EPS, XT, t).x0 for t in range(1, sched.T + 1)])[:, 0]
        sigma = np.sqrt(worth("ddim-step", "rhs1", sched, eta=np.float64(eta)))
        agree(worth("ddim-step", "rhs0", sched, eps_hat=EPS, x0_hat=x0_hat, sigma_t=sigma), ours)


def test_divergences_and_weights(sched):
    p, q = (Normal(*torch.tensor(law, dtype=torch.float64)) for law in ((0.3, 0.49), (-0.2, 1.44)))
    once = torch.tensor([1])
    agree(
        worth("kl-gaussians", "rhs", sched, t=once, mu=0.3, sigma=p.var.sqrt(), nu=-0.2, tau=q.var.sqrt()),
        dl.kl(p, q).reshape(1).numpy(),
    )
    hat = torch.tensor([[0.9]], dtype=torch.float64)
    later = torch.arange(2, sched.T + 1)
    for variance, ids in {"beta": ["loss-weight-beta"], "beta_tilde": ["loss-weight-tilde"]}.items():
        term = np.array(
            [
                float(bound_term(lambda x, t: hat, sched, X0[None], int(t), EPS[None], variance=variance))
                for t in later
            ]
        )
        sigma2 = {
            "beta": sched.beta[later],
            "beta_tilde": sched.beta[later] * (1 - sched.alpha_bar[later - 1]) / (1 - sched.alpha_bar[later]),
        }
        sigma = sigma2[variance].sqrt()
        constant = worth(
            "kl-mean-mse",
            "rhs1",
            sched,
            t=later,
            sigma_t=sigma,
            d=np.float64(1),
            beta_tilde_t=sigma2["beta_tilde"],
        )
        whole = worth("loss-weight", "rhs", sched, t=later, sigma_t=sigma, eps_hat=hat[0]) + constant
        np.testing.assert_allclose(term, whole, rtol=1e-9, atol=1e-12)  # a difference of means, squared
        for id in ids:
            short = worth(id, "rhs", sched, t=later) * float((EPS - hat[0]) ** 2) + constant
            np.testing.assert_allclose(term, short, rtol=1e-9, atol=1e-12)


def test_exact_gaussian_network(sched):
    net = dl.exact.gaussian(sched, 0.0, 2.25)
    ours = each(sched, lambda t: net(XT[None], torch.tensor([t])))
    agree(worth("bayes-eps-gaussian", "rhs", sched, V=np.float64(2.25)), ours)
    floor = worth("loss-floor", "rhs", sched, V=np.float64(2.25))
    t = 3
    x0 = 1.5 * torch.randn(200_000, 1, dtype=torch.float64)
    loss = dl.simple_loss(net, sched, x0, torch.full((len(x0),), t), torch.randn_like(x0))
    assert abs(float(loss.mean()) - floor[t - 1]) < 5 * float(loss.std()) / len(x0) ** 0.5


def test_the_bound_by_monte_carlo_without_our_code():
    """E_q[log q(x_1:T | x_0) - log p(x_T) - sum over t >= 2 of log p(x_{t-1} | x_t)], by the kernel alone."""
    beta = np.array([0.0, 0.1, 0.25, 0.15, 0.4])
    sched, V, start = dl.Schedule.from_beta(torch.tensor(beta[1:])), 0.7, 0.8
    rng, T, n = np.random.default_rng(0), len(beta) - 1, 400_000

    def log_normal(x, mean, var):
        return -((x - mean) ** 2) / (2 * var) - np.log(2 * np.pi * var) / 2

    bars = np.cumprod(1 - beta)
    x = [np.full(n, start)]
    total = np.zeros(n)
    for t in range(1, T + 1):
        x.append(np.sqrt(1 - beta[t]) * x[-1] + np.sqrt(beta[t]) * rng.standard_normal(n))
        total += log_normal(x[t], np.sqrt(1 - beta[t]) * x[t - 1], beta[t])
    total -= log_normal(x[T], 0, 1)
    for t in range(2, T + 1):
        eps_hat = np.sqrt(1 - bars[t]) / (bars[t] * V + 1 - bars[t]) * x[t]
        mean = (x[t] - beta[t] / np.sqrt(1 - bars[t]) * eps_hat) / np.sqrt(1 - beta[t])
        total -= log_normal(x[t - 1], mean, beta[t])
    x0 = torch.full((n, 1), start, dtype=torch.float64)
    ours = dl.elbo(dl.exact.gaussian(sched, 0.0, V), sched, x0, variance="beta")
    ours = ours.prior + ours.diffusion
    noise = (total.var() / n + float(ours.var()) / n) ** 0.5
    assert noise < 0.01 and abs(total.mean() - float(ours.mean())) < 5 * noise


def count(layer):
    return sum(p.numel() for p in layer.parameters())


def test_the_parameter_counts_are_those_of_the_layers():
    a, b, k, w = (sp.Symbol(name, real=True) for name in "abkw")
    conv, linear, norm = (getattr(entry("layer-parameters").statement, f"rhs{i}") for i in range(3))
    whole = entry("network-parameters").statement.rhs
    with torch.device("meta"):
        for at in ({a: 2, b: 3, k: 3}, {a: 16, b: 8, k: 5}):
            assert conv.subs(at) == count(torch.nn.Conv2d(at[a], at[b], at[k]))
            assert linear.subs(at) == count(torch.nn.Linear(at[a], at[b]))
            assert norm.subs(at) == count(torch.nn.GroupNorm(1, at[a]))
        for width in (8, 24, 64):
            assert whole.subs({w: width}) == count(dl.UNet(dl.UNetConfig(width=width)))
