"""Exercises of notebook 00: the first half-time of a digit, a translation, the jump to any t and back."""

import numpy as np

from . import Exercise, Mistake, of

register = of("00")


def _alpha_bar() -> np.ndarray:
    return np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))                # entry 0 stands for t = 1


HALF = int((_alpha_bar() < 0.5).argmax()) + 1

register(Exercise(
    "half_gone", HALF,
    hints=("The digit's share of the variance at time t is sched.alpha_bar[t].",
           "You look for the first True in a table that is False at first: argmax finds it.",
           "The table sched.alpha_bar has its entry for t = 0 at index 0, so the index is the time."),
    mistakes={
        "an index less one": Mistake(HALF - 1, "One step early: is your first entry for t = 0 or t = 1?"),
        "half of the steps": Mistake(500, "Half of the steps isn't half of the digit: see alpha_bar[500]."),
        "the root's half": Mistake(int((np.sqrt(_alpha_bar()) < 0.5).argmax()) + 1,
                                   "You looked at the factor of x_0, the root of alpha_bar; a share of the "
                                   "variance is its square."),
    },
))


def beta_from_ddim(alpha_before, alpha):
    return 1 - alpha / alpha_before


def _two_alphas(rng):
    before = rng.uniform(0.3, 0.9)
    return before, before * rng.uniform(0.5, 0.95)


register(Exercise(
    "beta_from_ddim", beta_from_ddim, inputs=_two_alphas,
    hints=("DDIM's alpha_t is our alpha_bar_t: the product of all factors up to t.",
           "Two products that differ in one factor: what do you do to get that factor?",
           "The factor is our alpha_t, and beta_t is what it lacks to 1."),
    mistakes={
        "DDIM's alpha for ours": Mistake(lambda alpha_before, alpha: 1 - alpha,
                                         "You took DDIM's alpha_t for ours; it is the product of all factors "
                                         "up to t. Look at the row of alpha_bar in the table."),
        "the quotient upside down": Mistake(lambda alpha_before, alpha: 1 - alpha_before / alpha,
                                            "Your beta is negative: which of the two products is larger?"),
        "alpha for beta": Mistake(lambda alpha_before, alpha: alpha / alpha_before,
                                  "That is our alpha_t, what a step keeps; beta_t is what it adds."),
    },
))


def jump_to(x0, eps, alpha_bar):
    return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps


register(Exercise(
    "jump_to", jump_to,
    inputs=lambda rng: (rng.normal(size=(4, 8)), rng.normal(size=(4, 8)), rng.uniform(0.2, 0.8)),
    hints=("The shares alpha_bar and 1 - alpha_bar are shares of the variance.",
           "A number that multiplies a random variable multiplies its variance by the number squared."),
    mistakes={
        "no roots": Mistake(lambda x0, eps, alpha_bar: alpha_bar * x0 + (1 - alpha_bar) * eps,
                            "Your factors are shares of the variance; a picture takes their root."),
        "variance for standard deviation": Mistake(lambda x0, eps, alpha_bar: alpha_bar**0.5 * x0
                                                   + (1 - alpha_bar) * eps,
                                                   "The noise is multiplied by its variance."),
        "swapped": Mistake(lambda x0, eps, alpha_bar: (1 - alpha_bar) ** 0.5 * x0 + alpha_bar**0.5 * eps,
                           "Picture and noise have each other's factor: which share is alpha_bar?"),
    },
))


def guess_picture(x_t, eps_hat, alpha_bar):
    return (x_t - (1 - alpha_bar) ** 0.5 * eps_hat) / alpha_bar**0.5


register(Exercise(
    "guess_picture", guess_picture,
    inputs=lambda rng: (rng.normal(size=(4, 8)), rng.normal(size=(4, 8)), rng.uniform(0.2, 0.8)),
    hints=("Write down the jump, with eps_hat in the place of the noise.",
           "Solve it for the picture: what was added is taken away, what was shrunk is stretched.",
           "Take away first, then divide: both in the opposite order of the jump."),
    mistakes={
        "not stretched": Mistake(lambda x, eps, share: x - (1 - share) ** 0.5 * eps,
                                 "The noise is gone, but the jump shrank the picture too."),
        "stretched first": Mistake(lambda x, eps, share: x / share**0.5 - (1 - share) ** 0.5 * eps,
                                   "You stretch x_t, noise and all, and then take away noise that isn't "
                                   "stretched: which came last in the jump?"),
        "added again": Mistake(lambda x, eps, share: (x + (1 - share) ** 0.5 * eps) / share**0.5,
                               "Now there is twice the noise: look at its sign."),
        "divided by the share": Mistake(lambda x, eps, share: (x - (1 - share) ** 0.5 * eps) / share,
                                        "alpha_bar is the picture's share of the variance; what shrank the "
                                        "picture?"),
        "no root at the noise": Mistake(lambda x, eps, share: (x - (1 - share) * eps) / share**0.5,
                                        "The noise's factor was a standard deviation; yours is a variance."),
    },
))
