"""Exercises of notebook 04, the bound."""

import math

import numpy as np

from . import Exercise, Mistake, of

register = of("04")

register(Exercise(
    "telescoped", (2, 9),
    hints=(
        "Write the first two factors and the last one out. Which density stands above and below?",
        "The factor at t has the density at t - 1 on top. So the lower one of t is the upper one of t + 1.",
        "What has no partner: the top of the first factor, and the bottom of the last.",
    ),
    mistakes={
        "the top taken at the first t": Mistake((3, 9), "Look at the factor t = 3: what is on top?"),
        "the bottom taken one step early": Mistake((2, 8), "Look at the factor t = 9: what is below?"),
        "the ends shifted by one": Mistake((3, 10), "Write the factors t = 3 and t = 9 out."),
        "the fraction upside down": Mistake((9, 2), "Which of the two is on top in every factor?"),
        "the product taken from t = 2": Mistake((1, 9), "At which t does this product begin?"),
    },
))


def bits_per_dim(nats, shape):
    return nats / (math.prod(shape) * math.log(2))


register(Exercise(
    "bits_per_dim", bits_per_dim,
    inputs=lambda rng: (rng.uniform(50, 400), (3, int(rng.integers(8, 16)), int(rng.integers(17, 33)))),
    hints=(
        "How many nats are a bit? A fair coin has one bit, and -log(1/2) nats.",
        "Each number of the image is a dimension: channels times height times width of them.",
    ),
    mistakes={
        "nats per dimension": Mistake(
            lambda nats, shape: nats / math.prod(shape), "You have divided. In which unit is it now?"),
        "times log 2": Mistake(
            lambda nats, shape: nats / math.prod(shape) * math.log(2), "Is a nat more than a bit, or less?"),
        "bits an image": Mistake(
            lambda nats, shape: nats / math.log(2), "It asks for bits per dimension."),
        "per pixel, the channels forgotten": Mistake(
            lambda nats, shape: nats / (math.prod(shape[1:]) * math.log(2)),
            "A dimension is one number, not one pixel."),
        "the logarithm to base 10": Mistake(
            lambda nats, shape: nats / (math.prod(shape) * math.log10(2)), "A nat belongs to which base?"),
    },
))


def kl_term(t, x0, beta, c, s):
    alpha_bar = np.cumprod(1 - beta)
    rest, rest_prev = 1 - alpha_bar[t], 1 - alpha_bar[t - 1]
    var = beta[t] * rest_prev / rest                                    # of q(x_{t-1} | x_t, x_0)
    w0 = np.sqrt(alpha_bar[t - 1]) * beta[t] / rest
    wt = np.sqrt(1 - beta[t]) * rest_prev / rest
    off = (w0 + (wt - c) * np.sqrt(alpha_bar[t])) * x0                  # mean over x_t of the two means' gap
    return (var / s - 1 - np.log(var / s) + (off**2 + (wt - c) ** 2 * rest) / s) / 2


def _step(rng):
    beta = np.array([0.0, *rng.permutation(np.linspace(0.05, 0.4, 9))])
    return int(rng.integers(3, 9)), rng.uniform(1, 2), beta, rng.uniform(0.4, 0.7), rng.uniform(0.5, 0.9)


def _term(var=None, spread=1, start=1, model=lambda s: s, reverse=False, half=0.5, log=1):
    """The term with one part replaced."""
    def wrong(t, x0, beta, c, s):
        alpha_bar = np.cumprod(1 - beta)
        rest, rest_prev, s = 1 - alpha_bar[t], 1 - alpha_bar[t - 1], model(s)
        tilde = beta[t] * rest_prev / rest
        own = tilde if var is None else var(beta[t], tilde)
        w0, wt = np.sqrt(alpha_bar[t - 1]) * beta[t] / rest, np.sqrt(1 - beta[t]) * rest_prev / rest
        off = (w0 * start + (wt - c) * np.sqrt(alpha_bar[t])) * x0
        square = off**2 + spread * (wt - c) ** 2 * rest
        if reverse:
            return half * (s / own - 1 - np.log(s / own) + square / own)
        return half * (own / s - 1 - log * np.log(own / s) + square / s)
    return wrong


register(Exercise(
    "kl_term", kl_term, inputs=_step,
    hints=(
        "First the KL for a fixed x_t: two bells, the posterior's mean and variance against c x_t and s.",
        "Both means are linear in x_t, so their gap is too: a number times x_0 plus a number times x_t.",
        "Then average the squared gap over x_t given x_0: the square of its mean, plus its variance.",
    ),
    mistakes={
        "x_t put at its mean": Mistake(
            _term(spread=0), "A square's mean isn't the mean's square. What does x_t's spread add?"),
        "the KL the wrong way round": Mistake(
            _term(reverse=True), "q stands first: it is q that the average is over. Whose variance divides?"),
        "beta_t for the posterior's variance": Mistake(
            _term(var=lambda beta, tilde: beta), "Which law is q(x_{t-1} | x_t, x_0)? Look at its variance."),
        "s taken as a standard deviation": Mistake(
            _term(model=lambda s: s**2), "s is p's variance already."),
        "x_0 left out of the posterior's mean": Mistake(
            _term(start=0), "The posterior's mean has two parts. Which one is missing?"),
        "the factor 1/2 forgotten": Mistake(
            _term(half=1.0), "Check it where you know it: the KL of two bells one standard deviation apart."),
        "the logarithm with the other sign": Mistake(
            _term(log=-1), "Two equal laws have KL 0, and any other variance must give more."),
    },
))


def _cdf(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def level_masses(mean, var, levels):
    half, std, masses = 1 / (levels - 1), math.sqrt(var), []
    for k in range(levels):
        x0 = -1 + 2 * k / (levels - 1)
        low = 0 if k == 0 else _cdf((x0 - half - mean) / std)           # the outer bins are open
        high = 1 if k == levels - 1 else _cdf((x0 + half - mean) / std)
        masses.append(high - low)
    return masses


def _masses(half=lambda levels: 1 / (levels - 1), ends=(0, 1), std=math.sqrt, density=False):
    def wrong(mean, var, levels):
        masses = []
        for k in range(levels):
            x0, h, s = -1 + 2 * k / (levels - 1), half(levels), std(var)
            low, high = _cdf((x0 - h - mean) / s), _cdf((x0 + h - mean) / s)
            low, high = ends[0] if ends and k == 0 else low, ends[1] if ends and k == levels - 1 else high
            bell = math.exp(-(x0 - mean) ** 2 / (2 * var)) / math.sqrt(2 * math.pi * var)
            masses.append(2 * h * bell if density else high - low)
        return masses
    return wrong


def _decoder(rng):
    return rng.uniform(-0.9, 0.9), rng.uniform(0.1, 0.3), int(rng.integers(5, 10))


register(Exercise(
    "level_masses", level_masses, inputs=_decoder,
    hints=(
        "Levels stand 2/(levels - 1) apart. A bin reaches half of that to either side.",
        "The mass of an interval is the difference of two values of the normal distribution function; "
        "`math.erf` gives it.",
        "Nothing may be lost: the lowest bin reaches down to -infinity, the highest up to infinity.",
    ),
    mistakes={
        "the outer bins are closed": Mistake(
            _masses(ends=None), "Add the masses of all levels. Is anything missing?"),
        "bins twice as wide": Mistake(
            _masses(half=lambda levels: 2 / (levels - 1)), "Where does one bin end and the next begin?"),
        "levels counted as bins from -1 to 1": Mistake(
            _masses(half=lambda levels: 1 / levels), "The first is at -1, the last at 1. How far apart?"),
        "256 levels whatever is asked": Mistake(
            _masses(half=lambda levels: 1 / 255), "How many levels have these data?"),
        "the variance divides, not its root": Mistake(
            _masses(std=lambda var: var), "How many standard deviations from the mean is the edge?"),
        "density times width": Mistake(
            _masses(density=True), "Close for narrow bins. What does a bin up to infinity weigh?"),
    },
))

_LOOK_AT = {
    "A": "the ratio of the two is p(x_0), which is no surprise to Bayes.",
    "B": "it multiplies and divides by the same density.",
    "C": "a KL compares two laws of the same variables. Over which variables is p(x_0:T) a law?",
    "D": "the KL draws x_t from q(x_t | x_{t-1}) while x_{t+1} is held fixed. Who else knows about x_{t+1}?",
    "E": "are the same three variables drawn from their joint law on both sides?",
    "F": "put t = 1 in. What is the law of x_0 once x_0 is known?",
}


def _letters(answer):
    wrong = sorted({c for c in str(answer).upper() if c in _LOOK_AT} ^ set("CDF"))
    return not wrong or f"Look at {wrong[0]} again: {_LOOK_AT[wrong[0]]}"


register(Exercise(
    "failing_lines", "CDF", accepts=_letters,
    hints=(
        "For A to C: count variables. What does each density integrate to 1 over?",
        "For D and E: draw the variables one after the other. Do both sides draw them the same way?",
        "For F: look at the first term of the sum. Then look for the term that has no parameters.",
    ),
    mistakes={
        "the KL with the joint passes": Mistake("DF", f"Look at C again: {_LOOK_AT['C']}"),
        "the split with the neighbours' law passes": Mistake("CF", f"Look at D again: {_LOOK_AT['D']}"),
        "the sum from t = 1 passes": Mistake("CD", f"Look at F again: {_LOOK_AT['F']}"),
        "the neighbours drawn together are refused": Mistake("CDEF", f"Look at E again: {_LOOK_AT['E']}"),
    },
))
