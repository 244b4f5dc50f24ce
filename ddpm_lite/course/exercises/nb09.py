"""Exercises of notebook 09: a step of algorithm 2, DDIM, strides, and three broken grids."""

import numpy as np

from . import Exercise, Mistake, of

register = of("09")


def sampling_step(xt, eps_hat, z, t, beta, alpha_bar):
    mean = (xt - beta[t] / (1 - alpha_bar[t]) ** 0.5 * eps_hat) / (1 - beta[t]) ** 0.5        # eq. (11)
    return mean + beta[t] ** 0.5 * z if t > 1 else mean


def _step(rng):
    beta = np.array([0.0, *rng.permutation(np.linspace(0.02, 0.3, 10))])
    t = int(rng.choice([1, 4, 7, 10], p=[0.25] * 4))
    return *rng.normal(size=(3, 2, 6)), t, beta, np.cumprod(1 - beta)


def _like(x0_root="alpha", noise="root", denominator="bar", last=False, shift=0):
    """The step with one slip."""

    def step(xt, eps_hat, z, t, beta, alpha_bar):
        s = max(t - shift, 1) if shift else t
        under = {"bar": 1 - alpha_bar[s], "alpha": beta[s], "none": (1 - alpha_bar[s]) ** 2}[denominator]
        shrink = {"alpha": 1 - beta[s], "bar": alpha_bar[s]}[x0_root]
        mean = (xt - beta[s] / under**0.5 * eps_hat) / shrink**0.5
        scale = {"root": beta[s] ** 0.5, "variance": beta[s]}[noise]
        return mean + scale * z if t > 1 or last else mean

    return step


register(Exercise(
    "sampling_step", sampling_step, inputs=_step,
    hints=("The mean is printed in the section on algorithm 2; alpha_t is 1 - beta[t].",
           "The noise z has variance 1; which factor gives it the variance beta_t?",
           "At t = 1 the walk ends: return the mean."),
    mistakes={
        "noise at t = 1": Mistake(_like(last=True), "You add noise at t = 1; nothing takes it out."),
        "beta for its root": Mistake(_like(noise="variance"),
                                     "Your noise is scaled by its variance; what scales a draw?"),
        "alpha for alpha_bar": Mistake(_like(denominator="alpha"),
                                       "In the noise's denominator: one step's variance, or all?"),
        "no root in the denominator": Mistake(_like(denominator="none"),
                                              "Compare the denominator of the noise with the printed mean."),
        "alpha_bar for alpha": Mistake(_like(x0_root="bar"),
                                       "The mean is divided by what one step shrinks, not by what all t do."),
        "wrong time": Mistake(_like(shift=1), "You read the tables at t - 1; they start at t = 0."),
    },
))


def ddim_step(xt, eps_hat, z, alpha_bar, alpha_bar_prev, eta):
    x0_hat = (xt - (1 - alpha_bar) ** 0.5 * eps_hat) / alpha_bar**0.5
    var = eta**2 * (1 - alpha_bar / alpha_bar_prev) * (1 - alpha_bar_prev) / (1 - alpha_bar)
    return alpha_bar_prev**0.5 * x0_hat + (1 - alpha_bar_prev - var) ** 0.5 * eps_hat + var**0.5 * z


def _ddim(rng):
    prev = rng.uniform(0.4, 0.8)
    return *rng.normal(size=(3, 2, 6)), prev * rng.uniform(0.4, 0.8), prev, rng.uniform(0.3, 0.8)


def _ddim_like(power=2, direction="right", last="prev"):
    def step(xt, eps_hat, z, alpha_bar, alpha_bar_prev, eta):
        x0_hat = (xt - (1 - alpha_bar) ** 0.5 * eps_hat) / alpha_bar**0.5
        beta_tilde = (1 - alpha_bar / alpha_bar_prev) * (1 - alpha_bar_prev) / (1 - alpha_bar)
        var = eta**power * beta_tilde
        rest = {"right": 1 - alpha_bar_prev - var, "all": 1 - alpha_bar_prev,
                "now": max(1 - alpha_bar_prev - eta**2 * (1 - alpha_bar), 0)}[direction]
        keep = {"prev": alpha_bar_prev, "now": alpha_bar}[last]
        return keep**0.5 * x0_hat + rest**0.5 * eps_hat + var**0.5 * z

    return step


register(Exercise(
    "ddim_step", ddim_step, inputs=_ddim,
    hints=("First x0_hat from x_t and eps_hat; then the three parts of DDIM's formula.",
           "beta_t between any two times is 1 - alpha_bar / alpha_bar_prev.",
           "The direction's variance is what is left of 1 - alpha_bar_prev after sigma^2."),
    mistakes={
        "eta outside the square": Mistake(
            _ddim_like(power=1), "Your variance is eta beta_tilde: right at eta = 0 and 1 only."),
        "direction without sigma": Mistake(
            _ddim_like(direction="all"), "Old and fresh noise together must have 1 - alpha_bar_prev."),
        "direction with another variance": Mistake(
            _ddim_like(direction="now"), "The direction loses sigma^2, not eta^2 (1 - alpha_bar)."),
        "the last alpha_bar": Mistake(
            _ddim_like(last="now"), "At which time must x0_hat be weighed after the step?"),
    },
))


def strides(T, steps):
    return [int(T * i / steps + 0.5) for i in range(steps, -1, -1)]


register(Exercise(
    "strides", strides, inputs=lambda rng: (int(rng.integers(30, 60)), int(rng.integers(4, 12))),
    hints=("The i-th of the even strides stands at T i / steps.", "Walk i from steps down to 0."),
    mistakes={
        "rising": Mistake(lambda T, steps: strides(T, steps)[::-1], "A walk back starts at T: yours rises."),
        "ends at 1": Mistake(lambda T, steps: [max(t, 1) for t in strides(T, steps)],
                             "The walk must end in clean data, at 0."),
        "one too few": Mistake(lambda T, steps: strides(T, steps)[:-1],
                               "For `steps` steps you need one more time than steps: the walk must reach 0."),
        "whole strides": Mistake(lambda T, steps: [T // steps * i for i in range(steps, -1, -1)],
                                 "You rounded the stride, and so the walk misses T. Round the times."),
    },
))

register(Exercise(
    "broken_grids", ["no noise", "noise at the last step", "variance for standard deviation"],
    hints=("Which row has grains all over finished digits?",
           "Without noise, samples lose their spread: they get smooth and alike. With too little, less so."),
    mistakes={
        "the first two swapped": Mistake(
            ["noise at the last step", "no noise", "variance for standard deviation"],
            "Grains all over a finished digit: when were they added?"),
        "too little and none swapped": Mistake(
            ["variance for standard deviation", "noise at the last step", "no noise"],
            "A variance below 1 is less than its root, but not 0: which of the rows is the smoothest?"),
    },
))
