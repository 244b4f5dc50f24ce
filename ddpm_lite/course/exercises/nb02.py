"""Exercises of notebook 02, the forward process."""

import numpy as np

from . import Exercise, Mistake, of

register = of("02")


def q_sample(x0, t, eps, beta):
    a_bar = (1 - beta).cumprod(0)[t].view(-1, *[1] * (x0.ndim - 1))     # product over s up to t, eq. (4)
    return a_bar**0.5 * x0 + (1 - a_bar) ** 0.5 * eps


def _inputs(rng):
    import torch

    beta = torch.tensor([0.0, *rng.permutation(rng.uniform(0.01, 0.3, 12))], dtype=torch.float32)
    x0 = torch.tensor(rng.uniform(-1, 1, (4, 1, 8, 8)), dtype=torch.float32)
    eps = torch.tensor(rng.standard_normal((4, 1, 8, 8)), dtype=torch.float32)
    return x0, torch.tensor(rng.integers(3, 12, 4)), eps, beta


def _mix(x0, eps, signal, noise):
    """signal and noise: the two variances, [b]."""
    shape = (-1, *[1] * (x0.ndim - 1))
    return signal.view(shape) ** 0.5 * x0 + noise.view(shape) ** 0.5 * eps


def _share(beta, t):
    return (1 - beta).cumprod(0)[t]


register(Exercise(
    "q_sample", q_sample, inputs=_inputs,
    hints=(
        "You need one number per image: how much of the signal's variance is left after t steps.",
        "Its name is alpha_bar_t, a product over the steps up to t. `cumprod` gives all of them at once.",
        "Reshape it to [b, 1, 1, 1], so that it multiplies whole images. The two variances add up to 1.",
    ),
    mistakes={
        "the variance stands where a standard deviation belongs": Mistake(
            lambda x, t, e, beta: _mix(x, e, _share(beta, t), (1 - _share(beta, t)) ** 2),
            "Noise of variance v is a standard normal times which power of v?"),
        "the signal is scaled by alpha_bar itself": Mistake(
            lambda x, t, e, beta: _mix(x, e, _share(beta, t) ** 2, 1 - _share(beta, t)),
            "A factor on x_0 enters its variance squared. Which factor leaves the share alpha_bar_t?"),
        "alpha_t in place of alpha_bar_t": Mistake(
            lambda x, t, e, beta: _mix(x, e, 1 - beta[t], beta[t]), "That is one step. And t steps?"),
        "the product runs to T": Mistake(
            lambda x, t, e, beta: _mix(x, e, _share(beta, t * 0 - 1), 1 - _share(beta, t * 0 - 1)),
            "Each image in the batch has its own t. Where does its product end?"),
        "the product ends one step early": Mistake(
            lambda x, t, e, beta: _mix(x, e, _share(beta, t - 1), 1 - _share(beta, t - 1)),
            "beta[0] is 0 and belongs to t = 0. Which entry of the table is step t?"),
        "beta_t for its square root, as in a single step": Mistake(
            lambda x, t, e, beta: _mix(x, e, 1 - beta[t], beta[t] ** 2), "Count the steps; then the roots."),
        "the images are moved to [0, 1]": Mistake(
            lambda x, t, e, beta: q_sample((x + 1) / 2, t, e, beta), "They come in [-1, 1]. Leave them so."),
    },
))


def jump(s, t, beta):
    left = np.prod(1 - beta[s + 1:t + 1])                               # alpha_bar_t / alpha_bar_s
    return left**0.5, 1 - left


def _two_times(rng):
    s = int(rng.integers(3, 7))
    return s, s + int(rng.integers(2, 6)), np.array([0.0, *rng.permutation(rng.uniform(0.01, 0.3, 12))])


def _from(start, stop):
    """The answer of someone who multiplies the steps start(s) .. stop(t) - 1."""
    return lambda s, t, beta: jump(start(s) - 1, stop(t) - 1, beta)


register(Exercise(
    "jump", jump, inputs=_two_times,
    hints=(
        "Pretend that x_s is the clean picture. Which steps does it still have to go through?",
        "The shares of those steps are multiplied: s + 1, s + 2, up to t.",
        "The product is also a quotient of two entries of alpha_bar. Factor squared plus variance is 1.",
    ),
    mistakes={
        "the jump starts at 0": Mistake(
            _from(lambda s: 1, lambda t: t + 1), "x_s has s steps behind it already. Which ones are left?"),
        "step s is counted again": Mistake(
            _from(lambda s: s, lambda t: t + 1), "Which is the first step that starts from x_s?"),
        "the last step is missing": Mistake(
            _from(lambda s: s + 1, lambda t: t), "A Python slice stops before its end."),
        "the difference of the two noise levels": Mistake(
            lambda s, t, beta: (jump(s, t, beta)[0], np.prod(1 - beta[:s + 1]) - np.prod(1 - beta[:t + 1])),
            "The noise that x_s holds already shrinks on the way. Is factor squared plus variance 1?"),
        "the standard deviation stands where the variance was asked for": Mistake(
            lambda s, t, beta: (jump(s, t, beta)[0], jump(s, t, beta)[1] ** 0.5), "Give the variance."),
        "the factor lacks its root": Mistake(
            lambda s, t, beta: (jump(s, t, beta)[0] ** 2, jump(s, t, beta)[1]), "Is variance 1 kept at 1?"),
    },
))

register(Exercise(
    "left", 1 / 3,
    hints=(
        "Write 1 - beta_t as one fraction and factor its numerator.",
        "It is t (t + 3) over (t + 1) (t + 2). Write the product out for T = 4 and cancel.",
        "The t / (t + 1) leave 1 / (T + 1); the (t + 3) / (t + 2) leave (T + 3) / 3. Now let T grow.",
    ),
    mistakes={
        "nothing is left": Mistake(0.0, "Is their sum infinite? Shares are multiplied, not taken off."),
        "the limit of 1/(t + 1)^2": Mistake(0.5, "That was the text's example. These betas are larger."),
    },
))


def design(T, decibels):
    alpha_bar = 1 / (1 + 10 ** (-decibels / 10))              # from SNR = alpha_bar / (1 - alpha_bar)
    return np.full(T, 1 - alpha_bar ** (1 / T))               # T equal steps


def _ends(beta):
    return 10 * np.log10(np.prod(1 - beta) / (1 - np.prod(1 - beta)))   # decibels of SNR_T


def _fits(answer):
    """True if the reader's design ends where asked for three tasks, or what is off."""
    for T, decibels in ((10, -20.0), (40, -3.0), (200, -35.0)):
        beta = np.asarray(answer(T, decibels), dtype=float)
        if beta.shape != (T,):
            return f"It gives the shape {list(beta.shape)}, expected beta_1 .. beta_T, that is [{T}]."
        if not np.all((beta > 0) & (beta < 1)):
            return f"A beta lies outside (0, 1): they run from {beta.min():.3g} to {beta.max():.3g}."
        if np.any(np.diff(beta) < -1e-12):
            return f"beta falls after step {int(np.argmax(np.diff(beta) < -1e-12)) + 1}."
        end = _ends(beta)
        for what, wrong in _SLIPS.items():
            if abs(end - wrong.wrong(T, decibels)) < 0.01 < abs(end - decibels):
                return f"It looks like this: {what}. {wrong.hint}"
        if abs(end - decibels) >= 0.01:
            return f"For T = {T} and {decibels:g} dB it ends at {end:.2f} dB."
    return True


_SLIPS = {                                                              # where each lets the schedule end
    "alpha_bar_T was set to the SNR itself": Mistake(
        lambda T, decibels: _ends(np.array([1 - min(10 ** (decibels / 10), 1 - 1e-9)])),
        "SNR is alpha_bar / (1 - alpha_bar). Solve for alpha_bar."),
    "decibels of an amplitude, 20 times the logarithm": Mistake(
        lambda T, decibels: decibels / 2, "SNR is a ratio of variances, of powers: 10 times the logarithm."),
    "the sign of the decibels": Mistake(
        lambda T, decibels: -decibels, "Below 0 dB there is more noise than signal."),
    "T factors (1 - x/T) taken for 1 - x": Mistake(
        lambda T, decibels: _ends(np.full(T, 1 / (1 + 10 ** (decibels / 10)) / T)),
        "Shares are multiplied: T equal steps of share a leave a to the power T."),
}


register(Exercise(
    "design", design, accepts=_fits,
    inputs=lambda rng: (int(rng.integers(20, 60)), -float(rng.integers(5, 40))),
    hints=(
        "First the end: which alpha_bar_T has this SNR in decibels?",
        "Then the way there. The simplest schedule takes T equal steps: which share must each leave?",
        "alpha_bar_T is that share to the power T. (For a rising beta: scale one until it ends right.)",
    ),
    mistakes={what: Mistake(lambda T, db, end=slip.wrong: design(T, end(T, db)), slip.hint)
              for what, slip in _SLIPS.items()},
))

RECIPES = {
    "a": lambda x, beta, rng: (1 - beta) ** 0.5 * x + beta * rng.standard_normal(x.shape),
    "b": lambda x, beta, rng: x + beta**0.5 * rng.standard_normal(x.shape),
    "c": lambda x, beta, rng: (1 - beta) ** 0.5 * x + beta * rng.uniform(size=x.shape),
    "d": lambda x, beta, rng: (1 - beta) * x + beta**0.5 * rng.standard_normal(x.shape),
}


def broken_chains():
    """Three broken programs: mean and variance after 1000 linear steps from numbers that are -1 or 1."""
    results, rng = {}, np.random.default_rng(0)
    for name, recipe in zip("PQR", "cda", strict=True):
        x = rng.choice([-1.0, 1.0], 10_000)
        for beta in np.linspace(1e-4, 0.02, 1000):
            x = RECIPES[recipe](x, beta, rng)
        results[name] = x.mean(), x.var()
    return results


register(Exercise(
    "culprits", "cda",
    hints=(
        "Ask where each recipe comes to rest: which mean and which variance does one step leave as they are?",
        "For the variance: b^2 V + (variance of the noise) = V, with b the recipe's factor on x.",
        "Noise that is never negative pulls the mean away from 0. For the other two solve for V.",
    ),
    mistakes={
        "Q and R exchanged": Mistake("cad", "Which is weaker, sqrt(beta) or beta times normal noise?"),
        "Q taken for b": Mistake("cba", "Without a factor below 1 the variance only grows. Did it?"),
    },
))
