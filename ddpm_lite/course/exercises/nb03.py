"""Exercises of notebook 03, the posterior."""

import numpy as np

from . import Exercise, Mistake, of

register = of("03")


def product_of_bells(mean_1, var_1, mean_2, var_2):
    precision = 1 / var_1 + 1 / var_2                                   # precisions add
    return (mean_1 / var_1 + mean_2 / var_2) / precision, 1 / precision


def _two_bells(rng):
    return rng.uniform(-2, 0), rng.uniform(0.1, 0.5), rng.uniform(1, 3), rng.uniform(0.8, 2)


register(Exercise(
    "product_of_bells", product_of_bells, inputs=_two_bells,
    hints=(
        "Multiplying bells adds their exponents. Write both squares out and collect powers of x.",
        "The coefficient of x^2 is one over the new variance; complete the square for the mean.",
        "So precisions (one over variance) add. The mean averages the means, weighted by precision.",
    ),
    mistakes={
        "the law of a sum of two variables": Mistake(
            lambda m, v, n, w: (m + n, v + w), "Multiply the densities. Is the product wider or narrower?"),
        "the means have equal weight": Mistake(
            lambda m, v, n, w: ((m + n) / 2, v * w / (v + w)), "Which clue do you trust more, the sharper?"),
        "each mean is weighted by its own variance": Mistake(
            lambda m, v, n, w: ((m * v + n * w) / (v + w), v * w / (v + w)),
            "A wide bell says little. Should it get the larger weight?"),
    },
))


def posterior_mean_var(x0, xt, t, beta):
    alpha_bar = np.cumprod(1 - beta)
    rest, rest_prev = 1 - alpha_bar[t], 1 - alpha_bar[t - 1]
    w0 = np.sqrt(alpha_bar[t - 1]) * beta[t] / rest                     # eq. (7)
    wt = np.sqrt(1 - beta[t]) * rest_prev / rest
    return w0 * x0 + wt * xt, beta[t] * rest_prev / rest


def _batch(rng):
    beta = np.array([0.0, *rng.permutation(np.linspace(0.03, 0.4, 12))])
    return rng.uniform(1, 2, 5), rng.uniform(-2, -1, 5), rng.integers(3, 12, 5), beta


def _slip(factor=None, prev=1, table=np.cumprod, swap=False, var=lambda tilde, beta_t: tilde):
    """The posterior with one part replaced."""
    def wrong(x0, xt, t, beta):
        alpha_bar = table(1 - beta)
        rest, rest_prev = 1 - alpha_bar[t], 1 - alpha_bar[t - prev]
        w0 = np.sqrt(alpha_bar[t - prev]) * beta[t] / rest
        wt = (np.sqrt(1 - beta[t]) if factor is None else factor(alpha_bar, beta, t)) * rest_prev / rest
        mean = wt * x0 + w0 * xt if swap else w0 * x0 + wt * xt
        return mean, var(beta[t] * rest_prev / rest, beta[t])
    return wrong


register(Exercise(
    "posterior_mean_var", posterior_mean_var, inputs=_batch,
    hints=(
        "You need alpha_bar at t and at t - 1, and beta at t. Entry 0 of `np.cumprod(1 - beta)` is 1.",
        "The variance is beta_t, times what was noise at t - 1, over what is noise at t.",
        "On x_0: the root of alpha_bar at t - 1, times beta_t. On x_t: the root of the single step's alpha, "
        "times the noise at t - 1. Both over the noise at t.",
    ),
    mistakes={
        "sqrt(alpha_bar_t) for sqrt(alpha_t) on x_t": Mistake(
            _slip(factor=lambda alpha_bar, beta, t: np.sqrt(alpha_bar[t])),
            "x_t is one step away from x_{t-1}. Which factor does one step have?"),
        "alpha_t without its root on x_t": Mistake(
            _slip(factor=lambda alpha_bar, beta, t: 1 - beta[t]), "Which factor does the step have?"),
        "alpha for alpha_bar": Mistake(
            _slip(table=lambda alpha: alpha), "How much noise is in x_t given x_0: one step's, or t steps'?"),
        "t for t - 1": Mistake(
            _slip(prev=0), "The prior is x_{t-1} given x_0. At which time do you read alpha_bar for it?"),
        "t - 2 for t - 1": Mistake(
            _slip(prev=2), "beta[0] = 0 belongs to t = 0, so alpha_bar[t - 1] needs no shift."),
        "standard deviation for variance": Mistake(
            _slip(var=lambda tilde, beta_t: tilde**0.5), "Give the variance."),
        "beta_t for the posterior's variance": Mistake(
            _slip(var=lambda tilde, beta_t: beta_t), "That is the step's noise. Knowing x_0 must help."),
        "the two weights are exchanged": Mistake(_slip(swap=True), "At t = 1 all weight must lie on x_0."),
    },
))


def variance_gap(alpha, abar_prev, V):
    beta, abar = 1 - alpha, alpha * abar_prev
    return abar_prev * beta**2 * V / ((1 - abar) * (abar * V + 1 - abar))     # w_0^2 Var(x_0 | x_t)


def _symbols(rng=None):
    import sympy as sp

    return sp.symbols("alpha_t abar_{t-1} V", positive=True)


def _is_gap(answer):
    """True for the gap written as a product; else what is off."""
    import sympy as sp

    got = answer(*_symbols())
    if got is None or sp.simplify(got - variance_gap(*_symbols())) != 0:
        return "It isn't the gap: put in alpha = 1/2, abar_prev = 1/2, V = 1 and compare by hand."
    if isinstance(got, sp.Add):
        return "It is the gap, but as a sum or difference. One product shows its sign: try `sp.factor`."
    return True


register(Exercise(
    "variance_gap", variance_gap, inputs=_symbols, accepts=_is_gap,
    hints=(
        "Put both variances over one denominator, (1 - abar_t) V_t, or use the law of total variance.",
        "The law says: the gap is w_0^2 times Var(x_0 | x_t).",
        "For Gaussian data Var(x_0 | x_t) = V (1 - abar_t) / V_t. Put w_0 in and cancel.",
    ),
    mistakes={
        "the sign is turned around": Mistake(
            lambda a, p, V: -variance_gap(a, p, V), "Which of the two is larger? Try V = 1."),
        "the gap to beta_t": Mistake(
            lambda a, p, V: (1 - a) ** 2 * p * (V - 1) / (a * p * V + 1 - a * p),
            "At V = 0 the gap to beta_tilde must vanish. Does yours?"),
        "Var(x_0) in place of Var(x_0 | x_t)": Mistake(
            lambda a, p, V: (1 - a) ** 2 * p * V / (1 - a * p) ** 2,
            "Does your gap stay finite as V grows? Seeing x_t tells something about x_0."),
    },
))


def stride(t, s, beta):
    alpha_bar = np.cumprod(1 - beta)
    alpha, rest, rest_s = alpha_bar[t] / alpha_bar[s], 1 - alpha_bar[t], 1 - alpha_bar[s]
    return alpha_bar[s] ** 0.5 * (1 - alpha) / rest, alpha**0.5 * rest_s / rest, (1 - alpha) * rest_s / rest


def _leap(steps, noise=None):
    """The stride of someone whose leap is made of `steps`, with `noise` from the betas of the right steps."""
    def wrong(t, s, beta):
        alpha_bar, alpha = np.cumprod(1 - beta), np.prod(1 - beta[steps(t, s)])
        rest, rest_s = 1 - alpha_bar[t], 1 - alpha_bar[s]
        added = noise(beta[s + 1:t + 1]) if noise else 1 - alpha
        return alpha_bar[s] ** 0.5 * added / rest, alpha**0.5 * rest_s / rest, added * rest_s / rest
    return wrong


def _two_times(rng):
    s = int(rng.integers(3, 7))
    return s + int(rng.integers(2, 6)), s, np.array([0.0, *rng.permutation(np.linspace(0.03, 0.4, 12))])


register(Exercise(
    "stride", stride, inputs=_two_times,
    hints=(
        "Pretend that the leap from s to t is one step. Which alpha, and which noise, does it have?",
        "Its alpha is the product of the alphas of steps s + 1 to t: a quotient of two alpha_bars.",
        "Put that alpha for alpha_t, one minus it for beta_t, and alpha_bar_s for alpha_bar_{t-1}.",
    ),
    mistakes={
        "the single step's alpha_t and beta_t": Mistake(
            _leap(lambda t, s: slice(t, t + 1)), "The leap goes through t - s steps. What do they add?"),
        "the single step's beta_t as the leap's noise": Mistake(
            _leap(lambda t, s: slice(s + 1, t + 1), lambda betas: betas[-1]),
            "The factor is the leap's. Is the noise?"),
        "the betas of the leap are added": Mistake(
            _leap(lambda t, s: slice(s + 1, t + 1), np.sum),
            "Noise that came in early shrinks on the way. Factor squared plus noise is 1."),
        "the standard deviation stands where the variance was asked for": Mistake(
            lambda t, s, beta: (*stride(t, s, beta)[:2], stride(t, s, beta)[2] ** 0.5), "Give the variance."),
    },
))

_LOOK_AT = {
    "A": "put eps in and collect x_t; you need abar_t = alpha_t abar_{t-1}.",
    "B": "how much noise is in x_t, given x_0: one step's, or t steps'?",
    "C": "compute what stands under the root; it is one of the two exact gaps of this notebook.",
    "D": "it differs from C by what stands under the root. Is that difference 0?",
}


def _letters(answer):
    wrong = sorted({c for c in str(answer).upper() if c in _LOOK_AT} ^ set("AC"))
    return not wrong or f"Look at {wrong[0]} again: {_LOOK_AT[wrong[0]]}"


register(Exercise(
    "right_means", "AC", accepts=_letters,
    hints=(
        "Put eps into each form, so that only x_0 and x_t are left. Compare with w_0 and w_t.",
        "Or take betas 0.1, 0.2, 0.3, t = 3, x_0 = 2, x_3 = 1: all four beside the mean from the grid.",
    ),
    mistakes={
        "one step's noise for the noise of t steps": Mistake("ABC", f"Look at B again: {_LOOK_AT['B']}"),
        "the noiseless step of DDIM": Mistake("ACD", f"Look at D again: {_LOOK_AT['D']}"),
    },
))
