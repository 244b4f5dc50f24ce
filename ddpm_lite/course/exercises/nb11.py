"""Exercises of notebook 11: guidance, Heun's step, a schedule without signal at its end, two translations."""

import numpy as np

from . import Exercise, Mistake, of

register = of("11")

register(Exercise(
    "guided_variance", 1 / 64,
    hints=("The formula for the guided spread needs V_y, its share of V, and w.",
           "V_y/V is 1/4, and it is raised to the power w. What stands before it?"),
    mistakes={
        "the tilted density's": Mistake(0.1, "That is what one expects, and what the samples don't have."),
        "no guidance": Mistake(0.25, "That is the class itself. What does the strength do to it?"),
        "one power too few": Mistake(1 / 16, "The share V_y/V comes on top of V_y itself."),
        "a standard deviation": Mistake(0.125, "The variance is asked for, not its root."),
        "with noise": Mistake(341 / 5120, "That is where algorithm 2 ends. The walk here has no noise."),
        "the scale for the strength": Mistake(1 / 256, "w is the strength; others' scale is 1 + w."),
    },
))


def guided_eps(eps_y, eps_none, guidance_scale):
    return eps_none + guidance_scale * (eps_y - eps_none)


register(Exercise(
    "guided_eps", guided_eps,
    inputs=lambda rng: (*rng.normal(size=(2, 3, 4)), float(rng.uniform(1.5, 8))),
    hints=("At guidance_scale 1 the answer is eps_y alone, at 0 it is eps_none alone.",
           "Write it as a push away from eps_none, in the direction of eps_y.",
           "Our strength w is guidance_scale - 1; put that into the first form of the equation."),
    mistakes={
        "our w for their scale": Mistake(
            lambda y, none, s: (1 + s) * y - s * none,
            "At guidance_scale 1 there must be no guidance. What does yours give there?"),
        "the two answers swapped": Mistake(
            lambda y, none, s: y + s * (none - y), "At guidance_scale 1 yours ignores the order."),
        "pushed the wrong way": Mistake(
            lambda y, none, s: none - s * (y - none), "Which way do you push: to the class or away from it?"),
        "1 - w": Mistake(
            lambda y, none, s: (2 - s) * y + (s - 1) * none,
            "The more strength, the less of the class in yours: look at the sign of w."),
        "nothing taken off": Mistake(lambda y, none, s: s * y, "Yours gets longer. What is taken off it?"),
        "an average": Mistake(
            lambda y, none, s: (s * y + none) / (s + 1),
            "An average lies between the two answers. Guidance goes beyond."),
    },
))


def heun_step(net, y, r, r_prev):
    slope = net(y, r)
    ahead = y + (r_prev - r) * slope                                    # Euler's step
    return y + (r_prev - r) * (slope + net(ahead, r_prev)) / 2


def _flow(rng):
    c, d = rng.uniform(0.5, 1.5, 2)
    r_prev = rng.uniform(0.3, 1.5)

    def net(y, r):
        return np.sin(c * y) / (d + r)

    return net, rng.normal(size=(3, 4)), r_prev + rng.uniform(0.5, 1.5), r_prev


def _heun_like(place="ahead", at="prev", share=0.5, sign=1):
    def step(net, y, r, r_prev):
        slope = net(y, r)
        ahead = y + sign * (r_prev - r) * slope
        second = net(ahead if place == "ahead" else y, r_prev if at == "prev" else r)
        return y + sign * (r_prev - r) * share * (slope + second)

    return step


register(Exercise(
    "heun_step", heun_step, inputs=_flow,
    hints=("First take Euler's step, as the notebook does it. It is only a trial.",
           "Ask the network again where the trial ended: at its y, and at its r.",
           "Then go from the old y with the mean of both slopes."),
    mistakes={
        "Euler's step": Mistake(lambda net, y, r, r_prev: y + (r_prev - r) * net(y, r),
                                "That is DDIM. Heun's step looks at the slope at the end of it, too."),
        "the second slope at the old y": Mistake(
            _heun_like(place="here"), "The second slope is the one where the trial step ended."),
        "the second slope at the old r": Mistake(
            _heun_like(at="here"), "The trial ended at another noise level than it began: tell the network."),
        "two steps for one": Mistake(
            _heun_like(share=1.0), "Two slopes count for one step, from the old y: yours goes twice as far."),
        "the second slope alone": Mistake(
            lambda net, y, r, r_prev: y + (r_prev - r) * net(y + (r_prev - r) * net(y, r), r_prev),
            "You use the end's slope alone; that is no better than the start's alone."),
        "the wrong way": Mistake(_heun_like(sign=-1), "r falls on the way back: what is r_prev - r?"),
    },
))


def zero_terminal(beta):
    root = np.cumprod(1 - beta) ** 0.5
    alpha_bar = (root[0] * (root - root[-1]) / (root[0] - root[-1])) ** 2
    return 1 - alpha_bar / np.append(1.0, alpha_bar[:-1])


def _mended(root=0.5, scale=True, square=2.0, betas=True):
    def mend(beta):
        kept = np.cumprod(1 - beta) ** root
        kept = (kept - kept[-1]) * (kept[0] / (kept[0] - kept[-1]) if scale else 1.0)
        alpha_bar = kept**square
        return 1 - alpha_bar / np.append(1.0, alpha_bar[:-1]) if betas else alpha_bar

    return mend


register(Exercise(
    "zero_terminal", zero_terminal, inputs=lambda rng: (rng.permutation(np.linspace(0.02, 0.25, 9)),),
    hints=("From beta to alpha_bar by a product, then its root, then shift and scale the root.",
           "Square it to have alpha_bar again.",
           "beta_t is 1 - alpha_bar_t / alpha_bar_(t-1); the first beta stays as it was, the last is 1."),
    mistakes={
        "the root forgotten": Mistake(
            _mended(root=1.0, square=1.0), "You moved alpha_bar. What does the formula move?"),
        "shifted, not scaled": Mistake(_mended(scale=False), "Your first beta has changed: see what scales."),
        "alpha_bar returned": Mistake(_mended(betas=False), "The new betas are wanted; yours fall to 0."),
        "only the last beta set": Mistake(
            lambda beta: np.append(beta[:-1], 1.0),
            "That does end without signal, but in one leap. The mending moves all times a little."),
    },
))


def from_edm(x_edm, t, betas):
    alpha_bar = np.cumprod(1 - betas)[t - 1]
    return alpha_bar**0.5 * x_edm, ((1 - alpha_bar) / alpha_bar) ** 0.5


def _edm(rng):
    return rng.normal(size=(2, 5)), int(rng.integers(3, 8)), rng.permutation(np.linspace(0.02, 0.3, 9))


def _edm_like(shift=1, table="bar", shrink=0.5, power=0.5, over=True):
    def translate(x_edm, t, betas):
        kept = {"bar": np.cumprod(1 - betas), "alpha": 1 - betas}[table][t - shift]
        return kept**shrink * x_edm, ((1 - kept) / (kept if over else 1)) ** power

    return translate


register(Exercise(
    "from_edm", from_edm, inputs=_edm,
    hints=("First alpha_bar_t: a product of how many factors, and where in the list is beta_1?",
           "EDM's x is x_t over the signal's weight; its sigma is noise over signal.",
           "The signal's weight is a root, and sigma is a ratio of two roots."),
    mistakes={
        "the time one off": Mistake(_edm_like(shift=0), "Their list starts at beta_1: where is beta_t?"),
        "one step's alpha for alpha_bar": Mistake(
            _edm_like(table="alpha"), "How much signal is left after all t steps, not after one?"),
        "sigma squared": Mistake(_edm_like(power=1.0), "Yours is a variance; EDM adds sigma times eps."),
        "x not shrunk": Mistake(_edm_like(shrink=0.0), "EDM leaves the signal as it is. What does ours do?"),
        "x grown": Mistake(_edm_like(shrink=-0.5), "EDM's x is the larger one. Which way do you go?"),
        "sigma upside down": Mistake(_edm_like(power=-0.5), "Yours falls as the noise grows."),
        "the weight of eps for sigma": Mistake(
            _edm_like(over=False), "sqrt(1 - alpha_bar) is the noise in x_t; how much is it per signal?"),
    },
))


def lipman_pair(x0, eps, s):
    s = s[:, None]
    return s * x0 + (1 - s) * eps, x0 - eps


def _flow_like(swap=False, target="data", power=1.0):
    def pair(x0, eps, s):
        s = (1 - s if swap else s)[:, None]
        x = s**power * x0 + (1 - s) ** power * eps
        return x, {"data": x0 - eps, "noise": eps - x0, "rest": x0 - x, "from": eps - x}[target]

    return pair


register(Exercise(
    "lipman_pair", lipman_pair,
    inputs=lambda rng: (*rng.normal(size=(2, 4, 3)), rng.uniform(0.1, 0.4, size=4)),
    hints=("Their s is 1 - u: put it into the path.", "The target is the path's slope as s grows.",
           "s has one entry per row: s[:, None] multiplies rows."),
    mistakes={
        "our direction": Mistake(_flow_like(swap=True, target="noise"),
                                 "At s = 0 there must be noise, and data at s = 1. Yours is our own pair."),
        "the target's sign": Mistake(_flow_like(target="noise"), "As s grows, where does the point go?"),
        "the path turned alone": Mistake(_flow_like(swap=True), "Your target fits their time; your path?"),
        "the way that is left": Mistake(
            _flow_like(target="rest"), "x0 - x_s is the way that is left; in how much time is it gone?"),
        "eps - x_s": Mistake(_flow_like(target="from"), "That points back to the noise, and shrinks there."),
        "DDPM's weights": Mistake(_flow_like(power=0.5), "On a straight line the weights have no roots."),
    },
))
