"""Exercises of notebook 05, the epsilon loss."""

import numpy as np

from . import Exercise, Mistake, of

register = of("05")


def eps_loss(net, x0, t, eps, alpha_bar):
    a = alpha_bar[t].view(-1, 1, 1, 1)
    xt = a**0.5 * x0 + (1 - a) ** 0.5 * eps                             # eq. (4)
    return (eps - net(xt, t)).square().flatten(1).mean(1)               # eq. (14), one number per example


def _inputs(rng):
    """Four examples of four pixels: a mean over the wrong axis has the right shape."""
    import torch

    alpha_bar = torch.tensor(np.cumprod([1.0, *(1 - rng.permutation(rng.uniform(0.05, 0.3, 9)))]))
    x0 = torch.tensor(rng.uniform(-1, 1, (4, 1, 2, 2)))
    eps = torch.tensor(rng.standard_normal((4, 1, 2, 2)))
    t = torch.tensor(rng.permutation(np.arange(3, 10))[:4])
    return (lambda x, t: torch.sin(2 * x) + 0.1 * t.view(-1, 1, 1, 1)), x0, t, eps, alpha_bar


def _error(net, x0, t, eps, alpha_bar, signal=0.5, noise=0.5, target=None, see=None, back=0):
    """eps - net(x_t, t), with the powers of alpha_bar and 1 - alpha_bar as given."""
    a = alpha_bar[t - back].view(-1, 1, 1, 1)
    xt = a**signal * x0 + (1 - a) ** noise * eps if see is None else see
    return (eps if target is None else target) - net(xt, t)


def _mean(error):
    return error.square().flatten(1).mean(1)


register(Exercise(
    "eps_loss", eps_loss, inputs=_inputs,
    hints=(
        "Three lines: make x_t, ask the network, compare.",
        "x_t is made with the same eps that is then compared. Shape alpha_bar[t] to [b, 1, 1, 1].",
        "Square the difference, flatten all after the batch axis, and take the mean over what you flattened.",
    ),
    mistakes={
        "the noise comes from another draw": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, target=eps.roll(1, 0))),
            "The network is asked for the noise that is in its own x_t. Whose noise do you compare with?"),
        "t is counted from 0": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, back=1)),
            "alpha_bar[0] = 1 belongs to clean data. Which entry of the table is time t?"),
        "the mean runs over the wrong axis": Mistake(
            lambda net, x0, t, eps, a: _error(net, x0, t, eps, a).square().flatten(1).mean(0),
            "You average over the batch, and should have one number per example. Mean over which axes?"),
        "one mean over everything": Mistake(
            lambda net, x0, t, eps, a: _error(net, x0, t, eps, a).square().mean(),
            "The caller wants one number per example, [b]. Which axis must stay?"),
        "a sum in place of the mean": Mistake(
            lambda net, x0, t, eps, a: _error(net, x0, t, eps, a).square().flatten(1).sum(1),
            "Your loss grows with the size of the image. What was asked for?"),
        "the square roots are forgotten": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, signal=1, noise=1)),
            "alpha_bar and 1 - alpha_bar are shares of the variance. What multiplies x_0 and eps?"),
        "the square root is missing on the noise": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, noise=1)),
            "The noise in x_t must have variance 1 - alpha_bar_t. Which factor gives that?"),
        "the square root is missing on the signal": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, signal=1)),
            "The signal keeps the share alpha_bar_t of its variance. Which factor gives that?"),
        "the network is shown the clean picture": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, see=x0)),
            "What does the network get to see in algorithm 1?"),
        "the network is asked for the clean picture": Mistake(
            lambda net, x0, t, eps, a: _mean(_error(net, x0, t, eps, a, target=x0)),
            "That is the loss of another target. What does this network guess?"),
        "the absolute error in place of the squared one": Mistake(
            lambda net, x0, t, eps, a: _error(net, x0, t, eps, a).abs().flatten(1).mean(1),
            "The KL divergence of two Gaussians gave a certain power of the error. Which?"),
    },
))


def v_weight(snr_prev, snr):
    return (snr_prev - snr) / 2 / (1 + snr)                             # x_0's weight over the rate


def _snrs(rng):
    snr = rng.uniform(0.1, 5, 6)
    return snr + rng.uniform(0.5, 3, 6), snr


register(Exercise(
    "v_weight", v_weight, inputs=_snrs,
    hints=(
        "Start from the weight on the error of x_0; the section on targets proves it.",
        "How much larger is the squared error of v? Weight times error must stay the same.",
        "Divide the weight on x_0 by the factor by which the error grows.",
    ),
    mistakes={
        "that is the weight on x_0": Mistake(
            lambda p, s: (p - s) / 2, "Now pay in v: its squared error is larger. By how much?"),
        "that is the weight on eps": Mistake(
            lambda p, s: (p / s - 1) / 2, "The rate of exchange for v isn't the one for eps. Look at both."),
        "multiplied where you should divide": Mistake(
            lambda p, s: (p - s) / 2 * (1 + s),
            "Weight times error must stay the same. If the error is larger, what must the weight be?"),
        "the half is missing": Mistake(
            lambda p, s: (p - s) / (1 + s), "Where does the KL divergence have its factor 1/2?"),
        "the exchange is made at t - 1": Mistake(
            lambda p, s: (p - s) / 2 / (1 + p), "Given x_t, which SNR is the rate of exchange?"),
        "the sign is turned round": Mistake(
            lambda p, s: (s - p) / 2 / (1 + s), "A weight is positive. Which of the two SNRs is larger?"),
    },
))


def _perfect(target):
    """The best network for numbers from N(0.4, 0.25), linear schedule, T = 1000, saying eps, x0 or v."""
    alpha_bar = np.cumprod(np.concatenate([[1.0], 1 - np.linspace(1e-4, 0.02, 1000)]))

    def net(x, t):
        a, b = np.sqrt(alpha_bar[t]), np.sqrt(1 - alpha_bar[t])
        eps = b * (x - a * 0.4) / (a**2 * 0.25 + b**2)
        x0 = (x - b * eps) / a
        return {"eps": eps, "x0": x0, "v": a * eps - b * x0}[target]

    return net


_ANSWER = ["v", "eps", "x0"]
mystery = dict(zip("ABC", map(_perfect, _ANSWER), strict=True))

register(Exercise(
    "mystery_targets", _ANSWER,
    hints=(
        "At t = 1000 the input is all noise. One of the three targets can simply be read off it.",
        "The other two can only say something about the data's mean there. Write down v for alpha_bar = 0.",
        "At alpha_bar = 0, v is minus x_0. The data has a positive mean: look at the signs. Check at t = 1.",
    ),
    mistakes={
        "x0 and v are swapped": Mistake(
            ["x0", "eps", "v"], "You found the noise. For the others: which sign has v at t = 1000?"),
        "eps and v are swapped": Mistake(
            ["eps", "v", "x0"], "At t = 1000, x_t is the noise. Which network gives its input back?"),
        "eps and x0 are swapped": Mistake(
            ["v", "x0", "eps"], "At t = 1000, which target can be read off x_t, and which can't?"),
        "none is in its place": Mistake(
            ["eps", "x0", "v"], "Start at t = 1000. What does a network say there that is asked for noise?"),
        "none of the three is in its place": Mistake(
            ["x0", "v", "eps"], "Start at t = 1000. What does a network say there that is asked for noise?"),
    },
))


def v_floor(alpha_bar, V):
    return V / (alpha_bar * V + 1 - alpha_bar)                          # eps's floor over alpha_bar


def _levels(rng):
    return rng.uniform(0.1, 0.9, 6), rng.uniform(0.2, 4, 6)


register(Exercise(
    "v_floor", v_floor, inputs=_levels,
    hints=(
        "Given x_t, an error in eps is an error in v. How are the two squares related?",
        "Both are multiples of the squared error of x_0: SNR for eps, 1 + SNR for v. What is their ratio?",
        "SNR / (1 + SNR) = alpha_bar. So the floor for eps is alpha_bar times the one you want.",
    ),
    mistakes={
        "that is the floor for eps": Mistake(
            lambda a, V: a * V / (a * V + 1 - a), "Now the target is v. How much larger is its error?"),
        "that is the floor for x_0": Mistake(
            lambda a, V: V * (1 - a) / (a * V + 1 - a), "Now the target is v. How much larger is its error?"),
        "multiplied by alpha_bar where you should divide": Mistake(
            lambda a, V: a * a * V / (a * V + 1 - a), "Which squared error is larger, that of eps or of v?"),
        "that is the variance of v, the loss of a network that always says 0": Mistake(
            lambda a, V: a + (1 - a) * V, "x_t tells something about v, unless V = 1. Subtract it."),
        "signal and noise are swapped": Mistake(
            lambda a, V: V / ((1 - a) * V + a), "How much of x_t's variance is data, how much noise?"),
    },
))


register(Exercise(
    "shared_c", 1267 / 1685, rtol=1e-3,
    hints=(
        "The error of x_0 at time t is the error of eps divided by SNR_t.",
        "So minimise l_2(c) / SNR_2 + l_3(c) / SNR_3, with l_t(c) = 1 - 2 c sqrt(1 - alpha_bar_t) + c^2.",
        "The minimum of such a sum is the weighted mean of 3/5 and 4/5. The weights are 1/SNR_t.",
    ),
    mistakes={
        "that is the answer of the simple loss on eps": Mistake(
            7 / 10, "Both times weigh the same there. What is the rate from eps to x_0 at each t?"),
        "that is the bound's answer": Mistake(
            299 / 475, "Here no weight from the bound enters: the plain errors of x_0 are added."),
        "multiplied by the SNR where you should divide": Mistake(
            1092 / 1685, "The squared error of eps is SNR times that of x_0. Which way round?"),
        "that is c for t = 2 alone": Mistake(3 / 5, "One number must serve both times."),
        "that is c for t = 3 alone": Mistake(4 / 5, "One number must serve both times."),
    },
))
