"""Exercises of notebook 12: a witness, a chain that settles, a bad line, four pairs."""

from . import Exercise, Mistake, of

register = of("12")


def _exposes(answer):
    """Do these betas, at t = 3, part alpha_t from alpha_bar_t, and each time from its neighbours?"""
    try:
        betas = [float(b) for b in answer]
    except (TypeError, ValueError):
        return f"Expected three betas such as (0.1, 0.2, 0.3), got {answer!r}."
    if len(betas) != 3 or not all(0 < b < 1 for b in betas):
        return f"Expected three numbers in (0, 1), got {answer!r}."
    if len(set(betas)) < 3:
        return "Two of your betas are equal: an index shift between these two can't be seen."
    return True


register(Exercise(
    "witness_betas", (0.1, 0.2, 0.3), accepts=_exposes,
    hints=("At t = 1 alpha_bar_1 is alpha_1. From which t on do all symbols differ?",
           "If beta_2 = beta_3, who reads beta_2 where beta_3 belongs goes unseen."),
    mistakes={"a constant schedule": Mistake((0.1, 0.1, 0.1), "Equal betas hide every index shift.")},
))


def settles(beta):
    return beta                                                         # V = (1 - beta) V + beta^2


register(Exercise(
    "settles", settles, inputs=lambda rng: (float(rng.uniform(0.02, 0.6)),),
    hints=("The variance after a step: (1 - beta) times the old one, plus the noise's.",
           "Noise multiplied by beta has variance beta squared. Set V = (1 - beta) V + beta^2."),
    mistakes={
        "the right kernel's answer": Mistake(lambda beta: 1.0, "So it is with sqrt(beta). Here beta stands."),
        "the variance of one step's noise": Mistake(lambda beta: beta**2, "A step adds that; what is kept?"),
        "a standard deviation": Mistake(lambda beta: beta**0.5, "Asked was the variance."),
    },
))

register(Exercise(
    "bad_line", 3,
    hints=("Put numbers in: t >= 3, all betas different. Which two neighbours differ first?",
           "Multiply alpha (1 - abar_prev) out. What is alpha abar_prev?"),
    mistakes={
        "the line after": Mistake(4, "Line 4 follows from line 3. Compare line 3 with line 2."),
        "the line before": Mistake(2, "Line 2 equals line 1: put numbers in. Go on."),
        "the start": Mistake(1, "Line 1 is the posterior's mean with x_0 inserted. It holds."),
    },
))


register(Exercise(
    "same_pairs", "ABD",
    hints=("A witness refutes at once: t >= 3, betas all different. Which pairs survive it?",
           "For those that survive, let sympy.simplify the difference, with abar = alpha * abar_prev."),
    mistakes={
        "C taken for true": Mistake("ABCD", "C holds at t = 1 only. Put in t = 3."),
        "B refused": Mistake("AD", "Put numbers into B: the two sides agree. Then simplify."),
        "D refused": Mistake("AB", "Put numbers into D: the two sides agree. Then pull the root apart."),
        "A refused": Mistake("BD", "Put numbers into A: the two sides agree: the gap to beta_t."),
    },
))
