"""Exercises of notebook 10: two measures to build, one to predict, generators to unmask, flaws to find."""

import numpy as np

from . import Exercise, Mistake, of

register = of("10")


def frechet_diagonal(mean_a, var_a, mean_b, var_b):
    return ((mean_a - mean_b) ** 2).sum() + ((var_a**0.5 - var_b**0.5) ** 2).sum()


def _bells(rng):
    means, variances = rng.normal(size=(2, 6)), rng.uniform(0.2, 3, size=(2, 6))
    return means[0], variances[0], means[1], variances[1]


register(Exercise(
    "frechet_diagonal", frechet_diagonal, inputs=_bells,
    hints=("Without correlations each direction is a pair of bells by itself.",
           "For one direction the formula of the first section holds; the cost adds up over the directions.",
           "It speaks of spreads (standard deviations), and you are given variances."),
    mistakes={
        "variances for spreads": Mistake(
            lambda ma, va, mb, vb: ((ma - mb) ** 2).sum() + ((va - vb) ** 2).sum(),
            "You compare variances. What does the formula for two bells compare?"),
        "the difference of the variances": Mistake(
            lambda ma, va, mb, vb: ((ma - mb) ** 2).sum() + abs(va - vb).sum(),
            "A difference of squares isn't the square of the difference."),
        "a mean over the directions": Mistake(
            lambda ma, va, mb, vb: frechet_diagonal(ma, va, mb, vb) / len(ma),
            "A squared length is a sum over the directions; you divide by their number."),
        "the root of it": Mistake(
            lambda ma, va, mb, vb: frechet_diagonal(ma, va, mb, vb) ** 0.5,
            "As is usual, the squared distance is wanted here."),
        "means alone": Mistake(lambda ma, va, mb, vb: ((ma - mb) ** 2).sum(),
                               "Two bells of one centre can still differ: yours would call them equal."),
        "spreads of the sum": Mistake(
            lambda ma, va, mb, vb: ((ma - mb) ** 2).sum() + (va + vb).sum(),
            "That is the cost when x and y are paired at random. Which pairing is the cheapest?"),
    },
))


def coverage_share(to_made, to_real, k):
    radius = np.sort(to_real, axis=1)[:, k]                             # [:, 0] is the point itself
    return (to_made.min(axis=1) <= radius).mean()


def _points(rng):
    real, made = rng.normal(size=(60, 2)), rng.normal(size=(40, 2)) * 0.7 + 0.3
    gaps = [np.linalg.norm(real[:, None] - other[None], axis=2) for other in (made, real)]
    return *gaps, int(rng.integers(2, 5))


def _precision(to_made, to_real, k):
    radius = np.sort(to_real, axis=1)[:, k]
    return (to_made <= radius[:, None]).any(axis=0).mean()


register(Exercise(
    "coverage_share", coverage_share, inputs=_points,
    hints=("Row i holds the distances from the i-th real point. First find its radius.",
           "The smallest number in a row of to_real is 0: the point itself. Count from the next one.",
           "A real point is covered if its nearest made point is no farther than the radius."),
    mistakes={
        "itself as a neighbour": Mistake(
            lambda to_made, to_real, k: (to_made.min(1) <= np.sort(to_real, 1)[:, k - 1]).mean(),
            "Your first neighbour is the point itself, at distance 0."),
        "the share of made points": Mistake(
            _precision, "You count made points that lie near a real one. Which points must be counted, so "
                        "that a missing kind is seen?"),
        "one radius for all": Mistake(
            lambda to_made, to_real, k: (to_made.min(1) <= np.sort(to_real, 1)[:, k].mean()).mean(),
            "Each real point has its own radius: small where the data are dense."),
        "all made points inside": Mistake(
            lambda to_made, to_real, k: (to_made <= np.sort(to_real, 1)[:, k, None]).mean(),
            "One made point inside the radius is enough; you average over all pairs."),
        "the radius from the made points": Mistake(
            lambda to_made, to_real, k: (to_made.min(1) <= np.sort(to_made, 1)[:, k]).mean(),
            "The radius comes from the real points alone, or everything is covered always."),
    },
))

register(Exercise(
    "mean_gap", 0.2,
    hints=("The printed formula holds for each direction; both sets have the same size here.",
           "How does 1/n + 1/m change when both n and m are four times as large?"),
    mistakes={
        "a root too many": Mistake(0.4, "The distance is squared: a mean's spread falls as the root of n, "
                                        "its square falls faster."),
        "nothing changes": Mistake(0.8, "Means of larger sets lie nearer together: see the formula."),
        "one set alone grows": Mistake(0.5, "Both sets are larger now, the samples and the held-out digits."),
        "squared twice": Mistake(0.05, "0.8 is a squared distance already."),
    },
))

SUSPECTS = ["too smooth", "copies", "kinds are missing", "as good as real"]


def _swapped(i, j):
    answer = list(SUSPECTS)
    answer[i], answer[j] = answer[j], answer[i]
    return answer


register(Exercise(
    "suspects", SUSPECTS,
    hints=("Which row stands out in its distance, its coverage and its samples of each kind?",
           "Real, unseen digits have 1 in the column of neighbours. Who is too near to the training digits?",
           "An average of several digits lies near to all of them; a copy lies on one."),
    mistakes={
        "copies taken for good ones": Mistake(
            _swapped(1, 3), "Look at the last columns: what do real, unseen digits have there?"),
        "smooth taken for copies": Mistake(
            _swapped(0, 1), "Both lie too near to the training digits. Which of the two lie right on them?"),
        "smooth and missing swapped": Mistake(
            _swapped(0, 2), "Without some kinds each picture is still a real one: see the neighbours."),
        "missing taken for good": Mistake(
            _swapped(2, 3), "Compare their coverage, and the samples per kind."),
    },
))

FLAWS = ["train split as reference", "best draw against mean draw", "different numbers of samples"]

register(Exercise(
    "comparisons", FLAWS,
    hints=("Go through the columns: what differs between two rows, apart from the name?",
           "If nothing differs: does what they share favour one of them?"),
    mistakes={
        "the first is let off": Mistake(
            ["different steps of the sampler", *FLAWS[1:]],
            "Both walked as they do best. What are their samples compared with, and who has seen it?"),
        "the last two swapped": Mistake(
            [FLAWS[0], FLAWS[2], FLAWS[1]], "Read the columns of the second report and of the third again."),
        "the weights are blamed": Mistake(
            [FLAWS[0], "averaged weights for one only", FLAWS[2]],
            "In the second report both have the same weights. How was one number made out of ten?"),
        "the features are blamed": Mistake(
            [*FLAWS[:2], "features trained on the test split"],
            "The third report's features are everybody's. Compare the columns."),
    },
))
