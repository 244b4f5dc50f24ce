"""Exercises of notebook 07 on a block: the time embedding, the residual block."""

import numpy as np

from . import Exercise, Mistake, of

register = of("07")


def time_embedding(t, dim):
    w = 10_000.0 ** (-2 * np.arange(dim // 2) / dim)                    # falling: a fast pair first
    angle = t[:, None] * w                                              # [b, dim/2]
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def _times(rng):
    return rng.integers(3, 1000, 5), int(rng.choice([8, 12, 16]))


def _clock(w=lambda i, dim: 10_000.0 ** (-2 * i / dim), join=lambda s, c: np.concatenate([s, c], axis=1)):
    """The embedding with other frequencies or another order."""
    def wrong(t, dim):
        angle = t[:, None] * w(np.arange(dim // 2), dim)
        return join(np.sin(angle), np.cos(angle))
    return wrong


register(Exercise(
    "time_embedding", time_embedding, inputs=_times,
    hints=(
        "Build the frequencies first: one array of dim/2 numbers, the first is 1.",
        "t has shape [b] and the frequencies [dim/2]. With t[:, None] their product has shape [b, dim/2].",
        "Join the sines and the cosines of the angles along axis 1, sines first.",
    ),
    mistakes={
        "the base is 1000": Mistake(
            _clock(lambda i, dim: 1000.0 ** (-2 * i / dim)), "How slow is the slowest hand meant to be?"),
        "the base is 100000": Mistake(
            _clock(lambda i, dim: 1e5 ** (-2 * i / dim)), "Count the zeros of the base."),
        "the exponent lacks the factor 2": Mistake(
            _clock(lambda i, dim: 10_000.0 ** (-i / dim)),
            "i stops at dim/2 - 1. Your slowest frequency is about 1/100: how large is the one in the text?"),
        "the last frequency is exactly 1/10000": Mistake(
            _clock(lambda i, dim: 10_000.0 ** (-i / (dim // 2 - 1))),
            "Some libraries do it so (they divide by dim/2 - 1). Look at the exponent in the text."),
        "the frequencies rise": Mistake(
            _clock(lambda i, dim: 10_000.0 ** (2 * i / dim)), "Look at the sign of the exponent."),
        "cosines before sines": Mistake(
            _clock(join=lambda s, c: np.concatenate([c, s], axis=1)), "Look at the order of the two halves."),
        "sines and cosines alternate": Mistake(
            _clock(join=lambda s, c: np.stack([s, c], axis=2).reshape(len(s), -1)),
            "The Transformer's paper does it so. Here the sines come first, then all the cosines."),
        "times run along the columns": Mistake(
            lambda t, dim: time_embedding(t, dim).T, "One row for each time: expected shape [b, dim]."),
        "dim sines and dim cosines": Mistake(
            lambda t, dim: time_embedding(t, 2 * dim), "dim numbers in all, half of them sines."),
        "only sines": Mistake(
            lambda t, dim: np.sin(t[:, None] * 10_000.0 ** (-2 * np.arange(dim // 2) / dim)),
            "A sine alone has the same value at two angles of each turn. What tells them apart?"),
    },
))


def _norm(x):
    return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)


def _silu(x):
    return x / (1 + np.exp(-x))


def res_block(x, time, w1, w2):
    h = _silu(_norm(x)) @ w1
    h = h + time                                                        # between the two halves
    return x + _silu(_norm(h)) @ w2


def _features(rng):
    return rng.normal(1, 2, (4, 6)), rng.normal(0, 1, 6), rng.normal(0, 1, (6, 6)), rng.normal(0, 1, (6, 6))


register(Exercise(
    "res_block", res_block, inputs=_features,
    hints=(
        "Each half is the same three things in the same order: norm, silu, multiply by its matrix.",
        "First half with w1, then add time, then the second half with w2. Keep the x you were given.",
        "The last line adds the untouched x to what the second half returns.",
    ),
    mistakes={
        "no skip": Mistake(
            lambda x, time, w1, w2: res_block(x, time, w1, w2) - x,
            "With w2 = 0 your block returns 0. What should it return?"),
        "the norm comes after the matrix": Mistake(
            lambda x, time, w1, w2: x + _silu(_norm((_silu(_norm(x @ w1)) + time) @ w2)),
            "With w2 = 0 a norm after it divides 0 by 0. Norm first, matrix last."),
        "the norm comes after the matrix, in the first half": Mistake(
            lambda x, time, w1, w2: x + _silu(_norm(_norm(_silu(x) @ w1) + time)) @ w2,
            "Look at the order within the first half: norm, silu, matrix."),
        "norm and silu swapped": Mistake(
            lambda x, time, w1, w2: x + _norm(_silu(_norm(_silu(x)) @ w1 + time)) @ w2,
            "The norm prepares the values for silu, so it comes first."),
        "the skip carries the normed x": Mistake(
            lambda x, time, w1, w2: res_block(x, time, w1, w2) - x + _norm(x),
            "The skip should carry x untouched, so that its size isn't lost."),
        "the time is added at the end": Mistake(
            lambda x, time, w1, w2: x + _silu(_norm(_silu(_norm(x)) @ w1)) @ w2 + time,
            "There the second half can't react to it. Look where the text adds it."),
        "the time is added before the first half": Mistake(
            lambda x, time, w1, w2: x + _silu(_norm(_silu(_norm(x + time)) @ w1)) @ w2,
            "Look where the text adds it: between the halves."),
        "the time is left out": Mistake(
            lambda x, time, w1, w2: res_block(x, 0 * time, w1, w2), "One argument isn't used yet."),
        "one half only": Mistake(
            lambda x, time, w1, w2: x + _silu(_norm(x)) @ w1 + time, "w2 isn't used yet."),
        "no silu": Mistake(
            lambda x, time, w1, w2: x + _norm(_norm(x) @ w1 + time) @ w2,
            "Without it the block is a chain of matrices and norms. silu follows each norm."),
    },
))
