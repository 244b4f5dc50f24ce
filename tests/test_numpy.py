"""The paper's results derived again in NumPy, by other routes than the package takes; float64.

One Gaussian chain x_0 .. x_T is written down as its joint law; conditioning, quadrature and a complex step do
the rest. No closed form of the paper stands here.
"""

import numpy as np
import pytest
import torch
from conftest import uneven
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss

import ddpm_lite as dl
from ddpm_lite.prediction import scales

SCHED = uneven()
T, BETA = SCHED.T, SCHED.beta.numpy()
PAIRS = [(s, t) for t in range(1, T + 1) for s in range(t)]
X0, XT = 0.7, -1.3


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def joint(first_var):
    """Mean per unit of E[x_0] and covariance of (x_0 .. x_T), from the precision matrix of the chain:
    each factor N(x_t; c x_{t-1}, beta_t) adds the square of (-c, 1) over beta_t."""
    precision = np.zeros((T + 1, T + 1))
    precision[0, 0] = 1 / first_var
    for t in range(1, T + 1):
        row = np.zeros(T + 1)
        row[t - 1], row[t] = -np.sqrt(1 - BETA[t]), 1
        precision += np.outer(row, row) / BETA[t]
    covariance = np.linalg.inv(precision)
    return covariance[:, 0] / first_var, covariance


def given_x0():
    """The same given x_0: mean per unit of x_0 and covariance, x_0 a point."""
    mean, covariance = joint(1.0)
    covariance -= np.outer(covariance[:, 0], covariance[0])
    covariance[0] = covariance[:, 0] = 0                                # up to rounding it was
    return mean, covariance


MEAN, COV = given_x0()


def posterior(s, t, x0, xt):
    """x_s given x_t and x_0: the regression of one on the other."""
    gain = COV[s, t] / COV[t, t]
    return MEAN[s] * x0 + gain * (xt - MEAN[t] * x0), COV[s, s] - gain * COV[t, s]


def close(ours, expected, error=1e-10):
    np.testing.assert_allclose(np.asarray(ours, np.float64).squeeze(), expected, rtol=error, atol=error)


def test_one_step():
    """x_t given x_{t-1}: the regression in the joint law of data of variance 0.3."""
    _, covariance = joint(0.3)
    for t in range(1, T + 1):
        gain, law = covariance[t, t - 1] / covariance[t - 1, t - 1], dl.q_step(SCHED, tensor(X0), t)
        close(law.mean, gain * X0)
        close(law.var, covariance[t, t] - gain * covariance[t - 1, t])


def test_marginals():
    for t in range(T + 1):
        law = dl.q_xt(SCHED, tensor(X0), t)
        close(law.mean, MEAN[t] * X0)
        close(law.var, COV[t, t])


@pytest.mark.parametrize(("s", "t"), PAIRS)
def test_posteriors(s, t):
    law = dl.q_posterior(SCHED, tensor(X0), tensor(XT), t, s)
    mean, var = posterior(s, t, X0, XT)
    close(law.mean, mean)
    close(law.var, var)


def test_posteriors_of_a_thousand_times():
    """The product of two Gaussians: precisions add, means are weighted by them."""
    sched = dl.linear()
    m, v = 1.0, 0.0                                                     # of x_{t-1} given x_0, step by step
    for t, beta in enumerate(sched.beta.tolist()[1:], 1):
        law = dl.q_posterior(sched, tensor(X0), tensor(XT), t)
        if t > 1:
            now, seen = 1 / v, (1 - beta) / beta                        # precisions: the past's, and x_t's
            close(law.var, 1 / (now + seen), 1e-9)
            close(law.mean, (now * m * X0 + seen * XT / np.sqrt(1 - beta)) / (now + seen), 1e-9)
        m, v = m * np.sqrt(1 - beta), (1 - beta) * v + beta
    close(dl.q_xt(sched, tensor(X0), 1000).var, v)


def test_the_best_network_is_a_regression():
    mu, var = 0.4, 0.3
    mean, covariance = joint(var)
    for t in range(1, T + 1):
        best = mu + covariance[0, t] / covariance[t, t] * (XT - mean[t] * mu)           # E[x_0 | x_t]
        eps = (XT - mean[t] * best) / np.sqrt(COV[t, t])
        close(dl.exact.gaussian(SCHED, mu, var)(tensor(XT)[None], torch.tensor([t])), eps)


def test_v_is_the_velocity_on_the_circle():
    """x = cos(phi) x0 + sin(phi) eps, differentiated by a complex step."""
    h, eps = 1e-30, 0.4
    for t in range(1, T + 1):
        phi = np.arctan2(np.sqrt(COV[t, t]), MEAN[t]) + 1j * h
        v = (np.cos(phi) * X0 + np.sin(phi) * eps).imag / h
        close(dl.TARGETS["v"].make(tensor(X0), tensor(eps), *scales(SCHED, t, tensor(X0))), v)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim_keeps_the_marginals(eta):
    """N(m_s x0 + k (x_t - m_t x0), eta^2 posterior variance), with the k >= 0 that leaves Var(x_s | x_0)."""
    x0, net = 0.2, (lambda x, t: torch.full_like(x, 0.2))
    for s, t in PAIRS:
        added = eta**2 * posterior(s, t, 0, 0)[1]
        k = np.sqrt((COV[s, s] - added) / COV[t, t])
        expected = MEAN[s] * x0 + k * (XT - MEAN[t] * x0)
        for z in (0.0, 1.5):
            walk = dl.ddim(net, SCHED, tensor(XT)[None], [t, s, 0] if s else [t, 0], eta, target="x0",
                           noise=lambda x, z=z: torch.full_like(x, z))
            close(next(walk).x, expected + np.sqrt(added) * z, 1e-9)


def test_dpm_solver_integrates_the_flow():
    """x_t = b_t/b_s x_s + b_t times the integral of e^lambda x0_hat over lambda from s to t, with x0_hat held
    at its straight line's value in the middle; by Gauss and Legendre."""
    times, x, last = [12, 8, 3, 1], XT, None
    nodes, weights = leggauss(20)
    std = np.sqrt(np.diag(COV))
    lam = [np.inf, *(np.log(MEAN[1:] / std[1:]))]
    walk = dl.dpm_solver(lambda x, t: 0.9 * torch.sin(x), SCHED, tensor(XT)[None], [*times, 0], target="x0")
    for (s, t), state in zip(zip(times, times[1:], strict=False), walk, strict=False):
        x0, half = 0.9 * np.sin(x), (lam[t] - lam[s]) / 2
        line = x0 if last is None else x0 + half * (x0 - last[1]) / (lam[s] - last[0])
        integral = half * np.sum(weights * np.exp(lam[s] + half * (1 + nodes))) * line
        x, last = std[t] / std[s] * x + std[t] * integral, (lam[s], x0)
        close(state.x, x)
    assert state.t == 1


# The bound, term by term, from densities alone

GRID = np.linspace(-8, 8, 16001)
STEP = GRID[1] - GRID[0]
Z, W = hermegauss(40)
W = W / W.sum()


def log_normal(x, mean, var):
    return -((x - mean) ** 2) / (2 * var) - np.log(2 * np.pi * var) / 2


def x0_hat(x):
    return 0.6 * np.sin(x)


def net(x, t):
    return 0.6 * torch.sin(x)


def ours(t, variance):
    """E[L_{t-1}] over x_t, by Gauss and Hermite over eps."""
    x0 = torch.full((len(Z), 1), 0.75, dtype=torch.float64)
    eps = torch.from_numpy(Z)[:, None]
    return W @ dl.bound_term(net, SCHED, x0, t, eps, "x0", variance=variance, levels=17).numpy()


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("t", range(2, T + 1))
def test_a_term_of_the_bound_is_its_integral(t, variance):
    """Over x_{t-1} of q log(q / p), where q comes from Bayes' rule on a grid; 1e-8."""
    total = 0.0
    for z, w in zip(Z, W, strict=True):
        xt = MEAN[t] * 0.75 + np.sqrt(COV[t, t]) * z
        log_q = log_normal(GRID, MEAN[t - 1] * 0.75, COV[t - 1, t - 1])
        log_q = log_q + log_normal(xt, np.sqrt(1 - BETA[t]) * GRID, BETA[t])
        log_q -= np.log(np.exp(log_q - log_q.max()).sum() * STEP) + log_q.max()
        mean, tilde = posterior(t - 1, t, x0_hat(xt), xt)
        log_p = log_normal(GRID, mean, {"beta": BETA[t], "beta_tilde": tilde}[variance])
        total += w * np.sum(np.exp(log_q) * (log_q - log_p)) * STEP
    close(ours(t, variance), total, 1e-8)


def test_the_last_term_is_the_mass_of_a_grey_level():
    """0.75 is the level 14 of 16: p(x_0 | x_1) between 0.6875 and 0.8125, by Gauss and Legendre; 1e-8."""
    nodes, weights = leggauss(60)
    points, total = 0.75 + nodes / 16, 0.0
    for z, w in zip(Z, W, strict=True):
        x1 = MEAN[1] * 0.75 + np.sqrt(COV[1, 1]) * z
        density = np.exp(log_normal(points, x0_hat(x1), BETA[1]))
        total -= w * np.log(weights @ density / 16)
    close(ours(1, "beta"), total, 1e-8)


def test_the_prior_term_and_the_sum():
    """20,000 draws of the whole bound against the sum of its integrals, within five standard errors."""
    log_q = log_normal(GRID, MEAN[T] * 0.75, COV[T, T])
    prior = np.sum(np.exp(log_q) * (log_q - log_normal(GRID, 0, 1))) * STEP
    x0 = torch.full((20_000, 1), 0.75, dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    cost = dl.elbo(net, SCHED, x0, "x0", variance="beta", levels=17, generator=g)
    close(cost.prior, prior, 1e-9)
    expected = prior + sum(ours(t, "beta") for t in range(1, T + 1))
    assert abs(float(cost.total.mean()) - expected) < 5 * float(cost.total.std()) / len(x0) ** 0.5
