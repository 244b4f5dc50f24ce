"""Exercises of notebook 08: stratified times, the moving average, and a loop with three faults."""

import math

import numpy as np

from . import Exercise, Mistake, of

register = of("08")


def stratified_times(u, T):
    return 1 + ((np.arange(len(u)) + u) * T / len(u)).astype(int)


register(Exercise(
    "stratified_times", stratified_times,
    inputs=lambda rng: (rng.uniform(size=8), int(rng.integers(100, 1000))),
    hints=("Part i of b equal parts of the unit interval is [i / b, (i + 1) / b).",
           "(i + u_i) / b lies in part i. How do you get from [0, 1) to the whole numbers 1..T?"),
    mistakes={
        "times from 0": Mistake(lambda u, T: stratified_times(u, T) - 1,
                                "Your times start at 0, where nothing is noisy."),
        "no strata": Mistake(lambda u, T: 1 + (u * T).astype(int),
                             "Your times are uniform, but nothing keeps them apart."),
        "no chance": Mistake(lambda u, T: 1 + (np.arange(len(u)) * T / len(u)).astype(int),
                             "The same times in every batch: few are ever seen."),
    },
))


def ema_update(average, weights, decay, n):
    d = min(decay, (1 + n) / (10 + n))
    return d * average + (1 - d) * weights


register(Exercise(
    "ema_update", ema_update,
    inputs=lambda rng: (*rng.normal(size=(2, 5)), 0.995, int(rng.choice([0, 3, 40]))),
    hints=("First the decay d_n of this update, then the mean of old average and weights.",
           "A young average has a small d_n, so it follows the weights closely."),
    mistakes={
        "no warm-up": Mistake(lambda average, weights, decay, n: decay * average + (1 - decay) * weights,
                              "The decay doesn't warm up: a young average would be mostly random start."),
        "swapped": Mistake(lambda average, weights, decay, n: ema_update(weights, average, decay, n),
                           "Average and weights have each other's share: which of them should move slowly?"),
    },
))

register(Exercise(
    "faults", [1, 2, 8],
    accepts=lambda answer: sorted(answer) in ([1, 2, 7], [1, 2, 8]),    # zero_grad may go beside either
    hints=("Where do the data lie?", "What should be fresh in each step, and isn't?",
           "What do gradients do in PyTorch if nobody clears them?"),
    mistakes={
        "the times are blamed": Mistake([1, 2, 5], "Line 5 is right: times from 1 to T, drawn anew. What "
                                                   "becomes of the gradients from step to step?"),
        "the data are spared": Mistake([2, 5, 8], "Look at line 1: in which range do the data lie?"),
        "the noise is spared": Mistake([1, 5, 8], "Look at line 2: how often is the noise drawn?"),
    },
))

OLD = math.ceil(math.log(0.01) / math.log(0.999))

register(Exercise(
    "old_enough", OLD,
    hints=("After n steps the share of the start is 0.999 to the power n.", "Take logarithms; round up."),
    mistakes={
        "rounded down": Mistake(OLD - 1, "One step too early: the share is still a little over 1%."),
        "one over 1 - d": Mistake(1000, "1 / (1 - d) steps leave a share of 1/e, more than a third."),
        "the logarithm of ten": Mistake(math.ceil(math.log(0.1) / math.log(0.999)),
                                        "That is where the share is 10%."),
    },
))
