"""Exercises of notebook 06: two perfect networks, the weights of a memoriser, a walk and its weight."""

import numpy as np

from . import Exercise, Mistake, of

register = of("06")


def gaussian_denoiser(xt, t, alpha_bar, mu, V):
    a2, b2 = alpha_bar[t], 1 - alpha_bar[t]
    return b2**0.5 * (xt - a2**0.5 * mu) / (a2 * V + b2)


def _bell(rng):
    alpha_bar = np.cumprod(np.r_[1, 1 - rng.uniform(0.05, 0.3, size=9)])
    t, mu, V = int(rng.integers(3, 9)), float(rng.normal()), float(rng.uniform(0.2, 3))
    return rng.normal(size=6), t, alpha_bar, mu, V


register(Exercise(
    "gaussian_denoiser", gaussian_denoiser, inputs=_bell,
    hints=("The noise and x_t are jointly Gaussian: the best guess is a line in x_t.",
           "At x_t = sqrt(alpha_bar_t) mu, its mean, the guess is 0. The slope is Cov(eps, x_t) / Var(x_t).",
           "Var(x_t) has two parts: the data's variance, shrunk by alpha_bar_t, and the noise's."),
    mistakes={
        "the mean is forgotten": Mistake(
            lambda xt, t, ab, mu, V: (1 - ab[t]) ** 0.5 * xt / (ab[t] * V + 1 - ab[t]),
            "For data far from 0, x_t is far from 0 too, without any noise."),
        "mu isn't shrunk": Mistake(
            lambda xt, t, ab, mu, V: (1 - ab[t]) ** 0.5 * (xt - mu) / (ab[t] * V + 1 - ab[t]),
            "What is the mean of x_t? The forward process shrinks the data."),
        "alpha_bar for its root": Mistake(
            lambda xt, t, ab, mu, V: (1 - ab[t]) ** 0.5 * (xt - ab[t] * mu) / (ab[t] * V + 1 - ab[t]),
            "alpha_bar_t is the factor of the variance. Which factor does the mean get?"),
        "a variance for a standard deviation": Mistake(
            lambda xt, t, ab, mu, V: (1 - ab[t]) * (xt - ab[t] ** 0.5 * mu) / (ab[t] * V + 1 - ab[t]),
            "The factor of the noise in x_t is a standard deviation. So is its covariance with x_t."),
        "the guess of x_0": Mistake(
            lambda xt, t, ab, mu, V:
            mu + ab[t] ** 0.5 * V * (xt - ab[t] ** 0.5 * mu) / (ab[t] * V + 1 - ab[t]),
            "This is the mean of x_0. Asked for is the mean of the noise."),
        "all is taken for noise": Mistake(
            lambda xt, t, ab, mu, V: (xt - ab[t] ** 0.5 * mu) / (1 - ab[t]) ** 0.5,
            "You lay the whole gap to the mean on the noise. Part of it is the data's own spread."),
        "the score": Mistake(
            lambda xt, t, ab, mu, V: -(xt - ab[t] ** 0.5 * mu) / (ab[t] * V + 1 - ab[t]),
            "This is the score, the slope of log q(x_t). Which multiple of it is asked for?"),
        "the time before": Mistake(lambda xt, t, ab, mu, V: gaussian_denoiser(xt, t - 1, ab, mu, V),
                                   "The table starts at t = 0: alpha_bar[t] belongs to t."),
        "alpha for alpha_bar": Mistake(
            lambda xt, t, ab, mu, V: gaussian_denoiser(xt, 1, [1, ab[t] / ab[t - 1]], mu, V),
            "You use one step's alpha. x_t has come t steps from the data."),
    },
))


def two_points(xt, alpha_bar_t):
    return np.tanh(alpha_bar_t**0.5 * xt / (1 - alpha_bar_t))


def _seen(rng):
    return rng.normal(size=6), float(rng.uniform(0.1, 0.9))


register(Exercise(
    "two_points", two_points, inputs=_seen,
    hints=("The guess is r - (1 - r), where r is the probability that x_0 was +1.",
           "The odds r/(1 - r) are a ratio of two bells. What is left of the squares in the exponent?",
           "(e^u - e^-u) / (e^u + e^-u) has a name."),
    mistakes={
        "the nearer point": Mistake(lambda xt, ab: np.sign(xt),
                                    "You choose the likelier point. The best guess is a mean of both."),
        "x_t scaled back": Mistake(lambda xt, ab: xt / ab**0.5,
                                   "Your guess leaves [-1, 1]: no mean of -1 and +1 does."),
        "a standard deviation for a variance": Mistake(
            lambda xt, ab: np.tanh(ab**0.5 * xt / (1 - ab) ** 0.5),
            "In the exponent of a bell, what divides the square?"),
        "alpha_bar for its root": Mistake(lambda xt, ab: np.tanh(ab * xt / (1 - ab)),
                                          "Where do the two bells of x_t stand?"),
        "the bells stand at -1 and +1": Mistake(lambda xt, ab: np.tanh(xt / (1 - ab)),
                                                "The forward process shrinks the two points."),
        "the guess of the noise": Mistake(
            lambda xt, ab: (xt - ab**0.5 * two_points(xt, ab)) / (1 - ab) ** 0.5,
            "This is the noise that your guess of x_0 leaves. Asked for is that guess."),
        "the probability of +1": Mistake(
            lambda xt, ab: 1 / (1 + np.exp(-2 * ab**0.5 * xt / (1 - ab))),
            "This is r, how likely +1 is. What is the mean of x_0, then?"),
    },
))


def old_noise(alpha_bar_prev, sigma):
    return (1 - alpha_bar_prev - sigma**2) ** 0.5


register(Exercise(
    "old_noise", old_noise,
    inputs=lambda rng: (float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.1, 0.6))),
    hints=("Given x_0, x_{t-1} must have the variance 1 - alpha_bar_{t-1}.",
           "The two noises are independent, so their variances add."),
    mistakes={
        "nothing makes room": Mistake(lambda ab, s: (1 - ab) ** 0.5,
                                      "With the fresh noise on top, the variance is too large."),
        "sigma isn't squared": Mistake(lambda ab, s: (1 - ab - s) ** 0.5,
                                       "sigma is a standard deviation; variances add."),
        "standard deviations added": Mistake(lambda ab, s: (1 - ab) ** 0.5 - s,
                                             "Standard deviations of independent noises don't add."),
        "the variance itself": Mistake(lambda ab, s: 1 - ab - s**2,
                                       "This is the variance of c times the old noise. Asked for is c."),
    },
))


PIXELS = 3


def example_weights(xt, examples, alpha_bar_t):
    log = -((xt - alpha_bar_t**0.5 * examples) ** 2).sum(axis=1) / (2 * (1 - alpha_bar_t))
    r = np.exp(log - log.max())
    return r / r.sum()


def _set(rng):
    return rng.normal(size=PIXELS), rng.normal(size=(5, PIXELS)), float(rng.uniform(0.2, 0.7))


def _share(power):
    """Weights whose exponent is changed by `power(alpha_bar)`."""
    def weights(xt, examples, ab):
        r = np.exp(-((xt - ab**0.5 * examples) ** 2).sum(axis=1) * power(ab))
        return r / r.sum()
    return weights


register(Exercise(
    "example_weights", example_weights, inputs=_set,
    hints=("How likely is x_t, if x_0 was example i? It is a bell.",
           "Its squared distance is a sum over the d pixels; the factor before the bell is the same for all.",
           "Divide by the sum at the end."),
    mistakes={
        "they don't add up": Mistake(
            lambda xt, ex, ab: np.exp(-((xt - ab**0.5 * ex) ** 2).sum(axis=1) / (2 * (1 - ab))),
            "Print their sum: the weights of all examples must make 1."),
        "the examples aren't shrunk": Mistake(
            lambda xt, ex, ab: example_weights(xt, ex / ab**0.5, ab),
            "x_t isn't noise around the example, but around the example made smaller."),
        "x_t is scaled back, its noise isn't": Mistake(
            _share(lambda ab: 0.5 / (1 - ab) / ab),
            "You compare x_t / sqrt(alpha_bar_t) with the examples: which variance has the noise in it?"),
        "alpha_bar for its root": Mistake(lambda xt, ex, ab: example_weights(xt, ab**0.5 * ex, ab),
                                          "alpha_bar_t is a variance's factor. By what are pictures shrunk?"),
        "no half": Mistake(_share(lambda ab: 1 / (1 - ab)),
                           "Write out a bell's density: by what is the square divided?"),
        "a standard deviation for a variance": Mistake(
            _share(lambda ab: 0.5 / (1 - ab) ** 0.5),
            "In a bell's exponent the square is divided by a variance."),
        "a mean over the pixels": Mistake(
            _share(lambda ab: 0.5 / (1 - ab) / PIXELS),
            "The pixels' noises are independent: densities multiply, so exponents add up."),
    },
))


def largest_step(sigma, excess):
    return 4 * sigma**2 * excess / (1 + excess)


register(Exercise(
    "largest_step", largest_step,
    inputs=lambda rng: (float(rng.uniform(0.5, 2)), float(rng.uniform(0.1, 0.6))),
    hints=("The formula of the section says how large the variance is for a step h.",
           "Set it equal to (1 + excess) times the target's variance, and solve for h."),
    mistakes={
        "to first order only": Mistake(lambda sigma, excess: 4 * sigma**2 * excess,
                                       "Near, for a small excess. Solve the equation without rounding."),
        "sigma isn't squared": Mistake(lambda sigma, excess: 4 * sigma * excess / (1 + excess),
                                       "Twice as wide a bell: by how much may the step grow?"),
        "the standard deviation's excess": Mistake(
            lambda sigma, excess: 4 * sigma**2 * (1 - (1 + excess) ** -2),
            "You let the standard deviation be too large by the excess. Asked is the variance."),
        "the limit of all steps": Mistake(lambda sigma, excess: 4 * sigma**2,
                                          "At this step the variance has no bound any more."),
    },
))


def log_normaliser(log_weights):
    top = np.max(log_weights)                                           # e^-2000 would be 0
    return top + np.log(np.mean(np.exp(log_weights - top)))


register(Exercise(
    "log_normaliser", log_normaliser, inputs=lambda rng: (rng.normal(size=8) * 2 - 2000,), rtol=1e-6,
    hints=("Which mean is right, that of the weights or that of their logarithms?",
           "Exponentials, mean, logarithm: in this order.",
           "e^-2000 is 0 for a computer. Take the largest logarithm out first, and put it back at the end."),
    mistakes={
        "the mean of the logarithms": Mistake(
            np.mean, "This is the bound: by Jensen it lies below the truth."),
        "the weights became 0": Mistake(
            lambda log_w: -np.inf, "For a computer e^-2000 is 0. Which factor can all weights do without?"),
        "a sum for the mean": Mistake(lambda log_w: log_normaliser(log_w) + np.log(len(log_w)),
                                      "It grows with the number of walks. What does a mean divide by?"),
        "the largest isn't put back": Mistake(lambda log_w: log_normaliser(log_w - np.max(log_w)),
                                              "You divided all weights by the largest one: undo it."),
        "the largest weight alone": Mistake(np.max, "All walks count, each with its weight."),
    },
))
