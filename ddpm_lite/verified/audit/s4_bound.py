"""S4, equations (1) to (36): the model, the bound on its likelihood, and two ways to split the bound."""

from __future__ import annotations

import sympy as sp

from ..kernel import S, expectation, kl, moments, noise, path, step
from ..registry import entry
from ..statements import Equation, GaussianLaw, Inequality, label
from . import correct, up_to, wrong


def bound(s):
    """Any form of the bound: T = 3 in exact numbers, and every T by induction."""
    check = entry("elbo-split-forward").check
    assert check is not None
    yield from check(s)


def last_step(s):
    """The times T-1, T are called t-1, t here."""
    divergence = kl(moments(step(S("x_prev"), S("alpha_t"), noise("t"))), (sp.Integer(0), sp.Integer(1)))
    truth = expectation(divergence.subs(S("x_prev"), path()["x_prev"]), noise("before"))
    yield "the KL of one step from pure noise, averaged over where the step starts", s.rhs - truth


STEP, BACK = "p_theta(x_prev, x_t)", "q(x_prev, x_t, x_0)"
FIRST, PRIOR = "p_theta(x_0, x_1)", "p_theta(x_T)"
ALL_BACK, ALL_FORTH = f"Prod({STEP}, t, 1, T)", "Prod(q(x_t, x_prev), t, 1, T)"
LATER = f"Prod({STEP}, t, 2, T)"
RATIO = "ln(p_theta(x_0T)/q(x_1T, x_0))"
ELBO = f"E_path({RATIO})"
ONTO = "ln(p_theta(x_t, x_next)/q(x_t, x_prev))"
LAST = "q(x_T, x_Tprev)"
TEN = f"{ELBO} + E_path(ln(q(x_1T, x_0)/p_theta(x_1T, x_0)))"


def evidence(text: str):
    """A printed line for log p(x_0)."""
    return Equation("ln(p_theta(x_0))", text)


def elbo(text: str):
    """A printed line for the bound."""
    return Equation(ELBO, text)


up_to("S4.i0", "terminal-kl", r"For every finite $T$ a share $\sqrt{\bar\alpha_T} > 0$ of the picture is "
      "left: the KL to pure noise is small, never 0. It vanishes in the limit only.",
      corrected=r"until nearly nothing of the original is left ($\bar\alpha_T \approx 0$).")
correct("S4.e1", "forward-step", "A definition; the line that every proof of the course starts from.")
wrong("S4.i1", "forward-step", r"The mean is $\sqrt{1-\beta_t}\,x_{t-1}$: the root is only the factor in "
      r"front. (The variance is $\beta_t I$.)",
      printed=GaussianLaw("x_t", "sqrt(1 - beta_t)", "beta_t", given="x_prev"))
correct("S4.i2", "alpha-bar-product", "Definitions.")
correct("S4.i3", "elbo-bayes-step", r"In its first step: once $x_{t-1}$ is known, $x_0$ adds nothing. "
        "Without $x_{t-1}$, $x_t$ does depend on all earlier times.")
correct("S4.i4", "reverse-chain", "A definition.")
correct("S4.e2", "reverse-chain", r"A definition. The sum sign stands for $\Sigma_\theta$.")
up_to("S4.i5", "elbo-gap", "The likelihood is the aim; what is maximised is the bound, smaller by a KL.",
      corrected=r"Training maximises a lower bound on $\mathbb E[\log p_\theta(x_0)]$.")
wrong("S4.i6", "elbo-optimum", r"The gap depends on $\theta$ too, so the best bound and the best likelihood "
      r"are different models in general, as for Gaussian data. And the signs differ: the bound is raised, "
      r"$-\log p_\theta(x_0)$ lowered.",
      corrected=r"The bound stands in for $\log p_\theta(x_0)$; their optima differ in general.")
correct("S4.e3", "elbo-bound-cost", printed=Inequality("E(-ln(p_theta(x_0)))", f"E(E_path(-{RATIO}))"))
wrong("S4.i7", "elbo-gap", r"The KL from $q(x_{1:T} \mid x_0)$ to the model's posterior "
      r"$p_\theta(x_{1:T} \mid x_0)$, as (10) has it. With the joint $p_\theta(x_{0:T})$ the sum would be 0, "
      r"not $\log p_\theta(x_0)$.",
      printed=evidence(f"{ELBO} + KL(q(x_1T, x_0), p_theta(x_0T))"))
correct("S4.e4 S4.e5 S4.e6", "elbo-gap", printed=evidence("E_path(ln(p_theta(x_0)))"),
        reason=r"$q$ integrates to 1, and $\log p_\theta(x_0)$ is a constant for it.")
wrong("S4.e7a", "elbo-gap", r"Numerator and denominator are the same, so the line is $\log 1 = 0$. The "
      "second line numbered (7) has the posterior in the denominator, as it must.",
      printed=evidence("E_path(ln(p_theta(x_0T)/p_theta(x_0T)))"), corrected="$" + evidence(
          "E_path(ln(p_theta(x_0T)/p_theta(x_1T, x_0)))").latex + "$")
correct("S4.e7b S4.e8", "elbo-gap", "Bayes for the model; then the same factor above and below.",
        printed=evidence("E_path(ln(p_theta(x_0T)*q(x_1T, x_0)/(p_theta(x_1T, x_0)*q(x_1T, x_0))))"))
correct("S4.e9", "elbo-gap", printed=evidence(TEN))
correct("S4.e10", "elbo-gap", printed=evidence(f"{ELBO} + KL(q(x_1T, x_0), p_theta(x_1T, x_0))"))
up_to("S4.e11", "elbo-bound", r"The inequality holds; the reason must be KL $\ge 0$. It is 0, and the bound "
      "exact, when $q$ is the model's own posterior.", corrected=r"$\mathrm{KL} \ge 0$",
      printed=Inequality("ln(p_theta(x_0))", ELBO, r"\ge"))
correct("S4.e12", "elbo", r"Two ways to write the joint density $p_\theta(x_{0:T})$.")
correct("S4.e13", "elbo-bound")

ANY = "the bound, for every T"
for _name, _text in {
    "S4.e14 S4.e24": f"E_path(ln({PRIOR}*{ALL_BACK}/{ALL_FORTH}))",
    "S4.e15": f"E_path(ln({PRIOR}*{FIRST}*{LATER}/({LAST}*Prod(q(x_t, x_prev), t, 1, T - 1))))",
    "S4.e16": f"E_path(ln({PRIOR}*{FIRST}*Prod(p_theta(x_t, x_next), t, 1, T - 1)"
              f"/({LAST}*Prod(q(x_t, x_prev), t, 1, T - 1))))",
    "S4.e17": f"E_path(ln({PRIOR}*{FIRST}/{LAST}))"
              " + E_path(ln(Prod(p_theta(x_t, x_next)/q(x_t, x_prev), t, 1, T - 1)))",
    "S4.e18": f"E_path(ln({FIRST})) + E_path(ln({PRIOR}/{LAST})) + E_path(Sum({ONTO}, t, 1, T - 1))",
}.items():
    correct(_name, ANY, check=bound, printed=elbo(_text))
TRIPLE = (f"Mean(q(x_1, x_0), ln({FIRST})) + Mean(joint(x_Tprev, x_T), ln({PRIOR}/{LAST}))"
          f" + Sum(Mean(joint(x_t, x_next, x_prev), {ONTO}), t, 1, T - 1)")
up_to("S4.e19", ANY, r"The comma in $q(x_{T-1,x_T} \mid x_0)$ has slipped into the index: the law of the "
      "pair is meant.",
      check=bound, printed=elbo(TRIPLE), corrected=r"$q(x_{T-1}, x_T \mid x_0)$")
ENDS = f"Mean(q(x_1, x_0), ln({FIRST})) - Mean(q(x_Tprev, x_0), KL({LAST}, {PRIOR}))"


def kls(law: str):
    """The split with a KL under the law of the two neighbours."""
    return f"{ENDS} - Sum(Mean(joint(x_next, x_prev), KL({law}, p_theta(x_t, x_next))), t, 1, T - 1)"


wrong("S4.e20", ANY, r"The inner laws must be conditional: $q(x_T \mid x_{T-1})$ and $q(x_t \mid x_{t-1}, "
      r"x_{t+1})$. With the laws of $x_T$ and $x_t$ alone (here given $x_0$) the neighbours are drawn as if "
      "independent, and the value is another.", check=bound, right=elbo(TRIPLE),
      printed=elbo(f"Mean(q(x_1, x_0), ln({FIRST}))"
                   f" + Mean(q(x_Tprev, x_0), Mean(q(x_T, x_0), ln({PRIOR}/{LAST})))"
                   f" + Sum(Mean(joint(x_next, x_prev), Mean(q(x_t, x_0), {ONTO})), t, 1, T - 1)"))
wrong("S4.e21", ANY, r"A KL needs two laws: the model's is missing in $KL(q(x_t \mid x_{t+1}))$, and $X_T$ "
      r"stands for $x_T$. Read kindly, with $p_\theta(x_t \mid x_{t+1})$ added, the sum still isn't the "
      "bound.",
      check=bound, right=elbo(TRIPLE), printed=elbo(kls("q(x_t, x_next, x_0)")))
wrong("S4.e22", "elbo-split-forward", r"Given $x_{t-1}$ and $x_{t+1}$, over which the mean is taken, $x_t$ "
      r"has the law $q(x_t \mid x_{t-1}, x_{t+1})$; the KL draws it from $q(x_t \mid x_{t-1})$, as if it had "
      "nothing to do with $x_{t+1}$ (how far off: elbo-split-forward-gap). The step is also in Luo's "
      "tutorial, the document's [2].",
      printed=elbo(kls("q(x_t, x_prev)")))
correct("S4.i8", "elbo-split-forward", r"On average over $x_1$.")
wrong("S4.i9", "forward-step", r"The last step is $q(x_T \mid x_{T-1})$. $q(x_{T-1} \mid x_0)$ is the law of "
      "all steps before it, over which the term is averaged.",
      corrected=r"$q(x_T \mid x_{T-1})$ is the last step.")
up_to("S4.i10", "the second term, averaged", r"It is a KL of two Gaussians for every $T$, and needs no "
      r"training because it holds no $\theta$. A large $T$ doesn't make it small, as it does $L_T$: it tends "
      r"to $-\frac12\log\beta_T$ per pixel.", check=last_step,
      right=Equation(label(r"\mathbb E_{q(x_{t-1} \mid x_0)}\left[\mathrm{KL}\left(q(x_t \mid x_{t-1})\,\|\,"
                           r"\mathcal N(0, 1)\right)\right]"),
                     "1/2*(alpha_bar_t*(x_0**2 - 1) - log(beta_t))"))
up_to("S4.i11", "elbo-bayes-step", r"By the Markov property the two are the same density, and rewriting "
      r"alone changes nothing. What differs is the next step: Bayes turns it round into $q(x_{t-1} \mid "
      "x_t, x_0)$.",
      corrected=r"$q(x_t \mid x_{t-1}, x_0) = q(x_t \mid x_{t-1})$, then Bayes given $x_0$.")
up_to("S4.i12", "elbo-split-forward", r"The pair is $x_{t-1}$ and $x_{t+1}$, with $x_t$ three; the split of "
      r"(36) needs only $x_t$ once its KL is worked out. “Unstable” means more variance of the estimate, "
      "not a wrong value.",
      corrected=r"each term averages over $x_{t-1}$, $x_t$ and $x_{t+1}$.")
correct("S4.e23", "elbo-bayes-step", r"For $t \ge 2$.")

TURNED, END = f"ln({STEP}/{BACK})", "q(x_T, x_0)"
HEAD = f"ln({PRIOR}*{FIRST}/q(x_1, x_0))"
for _name, _text in {
    "S4.e25 S4.e26": f"E_path(ln({PRIOR}*{FIRST}*{LATER}/(q(x_1, x_0)*Prod(q(x_t, x_prev), t, 2, T))))",
    "S4.e27": f"E_path({HEAD} + ln(Prod({STEP}/q(x_t, x_prev, x_0), t, 2, T)))",
    "S4.e28": f"E_path({HEAD} + ln(Prod({STEP}/({BACK}*q(x_t, x_0)/q(x_prev, x_0)), t, 2, T)))",
    "S4.e29": f"E_path({HEAD} + ln(Prod({STEP}*q(x_prev, x_0)/({BACK}*q(x_t, x_0)), t, 2, T)))",
    "S4.e30": f"E_path({HEAD} + ln(q(x_1, x_0)/{END}) + Sum({TURNED}, t, 2, T))",
    "S4.e31": f"E_path(ln({PRIOR}*{FIRST}/q(x_1, x_0)*(q(x_1, x_0)/{END})) + Sum({TURNED}, t, 2, T))",
    "S4.e32": f"E_path(ln({PRIOR}*{FIRST}/{END}) + Sum({TURNED}, t, 2, T))",
    "S4.e33": f"E_path(ln({FIRST}) + ln({PRIOR}/{END}) + Sum({TURNED}, t, 2, T))",
    "S4.e34": f"E_path(ln({FIRST})) + E_path(ln({PRIOR}/{END})) + Sum(E_path({TURNED}), t, 2, T)",
    "S4.e35": f"Mean(q(x_1, x_0), ln({FIRST})) + Mean({END}, ln({PRIOR}/{END}))"
              f" + Sum(Mean(joint(x_t, x_prev), {TURNED}), t, 2, T)",
}.items():
    correct(_name, ANY, "Printed twice." if "e26" in _name else "", check=bound, printed=elbo(_text))
E36 = (f"-KL({END}, {PRIOR}) - Sum(Mean(q(x_t, x_0), KL({BACK}, {STEP})), t, 2, {{}})"
       f" + Mean(q(x_1, x_0), ln({FIRST}))")
up_to("S4.e36", ANY, r"The sum ends at $T$; an $l$ is nowhere defined.", check=bound, false=True,
      printed=elbo(E36.format("l")), right=elbo(E36.format("T")))
up_to("S4.i13", "elbo-split", r"The formula is, with $T$ for $l$; the labels aren't: under the braces $L_T$ "
      r"and $L_0$ have the sign of the bound, while $L_{t-1}$ has DDPM's and names the whole sum instead of "
      "one term.")
up_to("S4.i14", "prior-term", r"$L_T$ needs no training because it holds no $\theta$ (the $\beta_t$ are "
      r"fixed), not because its laws are Gaussian. That $L_0$ is as in (22) holds.",
      corrected=r"$L_T$ is a constant, since the schedule is fixed.")
up_to("S4.i15", "elbo-split", r"What is compared is the forward step turned round, $q(x_{t-1} \mid x_t, "
      r"x_0)$, not the step $q(x_t \mid x_{t-1})$; and for $t = 2, \dots, T$, since $t = 1$ is $L_0$.",
      corrected=r"$\mathrm{KL}\left(q(x_{t-1} \mid x_t, x_0)\,\|\,p_\theta(x_{t-1} \mid x_t)\right)$, $t = "
      r"2, \dots, T$.")
