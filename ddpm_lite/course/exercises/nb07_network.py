"""Exercises of notebook 07 on the whole network: its parameters, its attention, how far it sees."""

from itertools import pairwise

import numpy as np

from . import Exercise, Mistake, of

register = of("07")


def row_parameters(widths, emb):
    return sum(_block(a, b, emb) for a, b in pairwise(widths))


def _block(c_in, c_out, emb):
    first = 2 * c_in + (9 * c_in + 1) * c_out                           # norm and convolution
    time = (emb + 1) * c_out
    second = 2 * c_out + (9 * c_out + 1) * c_out
    skip = 0 if c_in == c_out else (c_in + 1) * c_out                   # 1 x 1, where the width changes
    return first + time + second + skip


def _widths(rng):                                                       # one width stays, two change
    a, b, c = (int(8 * k) for k in rng.choice(np.arange(2, 10), 3, replace=False))
    return [a, b, b, c], 4 * a + 8


def _off(by):
    """The right number of each block, plus a slip."""
    return lambda widths, emb: sum(_block(a, b, emb) + by(a, b, emb) for a, b in pairwise(widths))


register(Exercise(
    "row_parameters", row_parameters, inputs=_widths, rtol=0,
    hints=(
        "List the layers: norm, convolution, linear, norm, convolution, and at times a 1 x 1 convolution.",
        "A 3 x 3 convolution from a to b channels has 9ab weights and b biases, a norm 2 numbers a channel.",
        "The linear layer goes from emb to c_out. The 1 x 1 convolution is there if c_in and c_out differ.",
    ),
    mistakes={
        "no biases": Mistake(
            _off(lambda a, b, e: -(3 + (a != b)) * b),
            "Convolutions and the linear layer have a bias per output channel."),
        "no norms": Mistake(
            _off(lambda a, b, e: -2 * (a + b)), "A GroupNorm learns a scale and a shift for each channel."),
        "one number per channel in the norms": Mistake(
            _off(lambda a, b, e: -(a + b)), "A GroupNorm learns a scale and a shift."),
        "the 1 x 1 convolution is always counted": Mistake(
            _off(lambda a, b, e: (a + 1) * b * (a == b)), "When the width stays, the skip is the identity."),
        "the 1 x 1 convolution is never counted": Mistake(
            _off(lambda a, b, e: -(a + 1) * b * (a != b)),
            "How can x be added to something of another width?"),
        "the time is left out": Mistake(
            _off(lambda a, b, e: -(e + 1) * b), "The embedding passes a linear layer in each block."),
        "the kernels have 3 weights": Mistake(
            _off(lambda a, b, e: -6 * (a + b) * b), "A kernel is 3 pixels wide and 3 high."),
        "both norms have c_out channels": Mistake(
            _off(lambda a, b, e: 2 * (b - a)), "The first norm sees what comes in."),
        "both convolutions start from c_in": Mistake(
            _off(lambda a, b, e: 9 * (a - b) * b), "What does the second convolution see?"),
        "the first block only": Mistake(
            lambda widths, emb: _block(widths[0], widths[1], emb),
            "Each neighbouring pair of widths is a block."),
        "each width counted as a block of its own": Mistake(
            lambda widths, emb: sum(_block(a, a, emb) for a in widths),
            "A block goes from one width to the next."),
    },
))


def _softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1])                              # [n, n]
    return _softmax(scores, axis=1) @ v


def _pixels(rng):
    n, d = int(rng.integers(5, 8)), int(rng.choice([3, 4, 9]))
    return tuple(rng.normal(0, 1, (n, d)) for _ in range(3))


def _look(score=lambda q, k: q @ k.T / np.sqrt(q.shape[1]), axis=1):
    return lambda q, k, v: _softmax(score(q, k), axis) @ v


register(Exercise(
    "attention", attention, inputs=_pixels,
    hints=(
        "Three steps: scores, softmax, weighted sum of the values.",
        "scores[i, j] says how well query i fits key j: the product of q and the transposed k, then scaled.",
        "Each query's weights sum to 1, so the softmax runs along the keys. Then multiply by v.",
    ),
    mistakes={
        "no scale": Mistake(_look(lambda q, k: q @ k.T), "How does the variance of a score grow with d?"),
        "divided by d": Mistake(
            _look(lambda q, k: q @ k.T / q.shape[1]),
            "d is the variance of a score. What is its standard deviation?"),
        "multiplied by sqrt(d)": Mistake(
            _look(lambda q, k: q @ k.T * np.sqrt(q.shape[1])), "Should the scores grow or shrink?"),
        "scaled by the number of pixels": Mistake(
            _look(lambda q, k: q @ k.T / np.sqrt(len(q))),
            "A score is a sum over d products. n plays no part in it."),
        "softmax over the queries": Mistake(
            _look(axis=0), "Do the weights of one query sum to 1? Look at the axis."),
        "keys and queries swapped": Mistake(
            _look(lambda q, k: k @ q.T / np.sqrt(q.shape[1])), "Row i belongs to query i."),
        "no softmax": Mistake(
            lambda q, k, v: q @ k.T / np.sqrt(q.shape[1]) @ v, "Weights are positive and sum to 1."),
        "softmax of the result": Mistake(
            lambda q, k, v: _softmax(q @ k.T / np.sqrt(q.shape[1]) @ v, 1),
            "Softmax the scores, not the result."),
    },
))


def receptive_field(layers):
    r, stride = 1, 1
    for kernel, step in layers:
        r += (kernel - 1) * stride                                      # the strides before this layer
        stride *= step
    return r


def _layers(rng):
    kernels, strides = rng.permutation([3, 5, 1, 3, 7]), rng.permutation([2, 1, 3, 1, 2])
    return (list(zip(kernels.tolist(), strides.tolist(), strict=True)),)


def _including_own(layers):
    r, stride = 1, 1
    for kernel, step in layers:
        stride *= step
        r += (kernel - 1) * stride
    return r


def _adding(layers):
    before = [max(1, sum(step for _, step in layers[:i])) for i in range(len(layers))]
    return 1 + sum((kernel - 1) * stride for (kernel, _), stride in zip(layers, before, strict=True))


def _backwards(layers):
    return receptive_field(layers[::-1])


register(Exercise(
    "receptive_field", receptive_field, inputs=_layers, rtol=0,
    hints=(
        "Without any layer one pixel sees one pixel.",
        "A kernel of width k adds k - 1 steps, each as wide as the strides before it, multiplied together.",
        "Keep two numbers: the field so far and the product of the strides so far. Which is updated first?",
    ),
    mistakes={
        "strides are ignored": Mistake(
            lambda layers: 1 + sum(k - 1 for k, _ in layers),
            "After a stride of 2 neighbours are 2 pixels apart."),
        "a layer's own stride is counted for itself": Mistake(
            _including_own, "A first layer with kernel 3 and stride 2 sees 3 pixels, not 5."),
        "the layers are read backwards": Mistake(
            _backwards, "The list runs from the input to the output."),
        "the pixel itself is left out": Mistake(
            lambda layers: receptive_field(layers) - 1, "What does a 1 x 1 convolution see?"),
        "k in place of k - 1": Mistake(
            lambda layers: receptive_field([(k + 1, s) for k, s in layers]),
            "What does a 1 x 1 convolution add?"),
        "strides are added, not multiplied": Mistake(
            _adding, "Two strides of 2 shrink the picture by 4, as 2 + 2 does. Now try strides 3 and 2."),
        "the field of the last layer alone": Mistake(lambda layers: layers[-1][0],
        "Walk through all layers."),
    },
))
