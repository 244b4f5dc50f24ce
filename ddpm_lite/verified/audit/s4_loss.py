"""S4, equations (77) to (107): from the KL divergence to the error of the noise, and the sampler."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..formula import FUNCTIONS
from ..kernel import S, kl, moments, path
from ..statements import Equation, label
from . import correct, not_checkable, up_to, wrong
from .s4_posterior import CENTRE, MEAN, posterior_mean

FUNCTIONS.setdefault("norm", (sp.Abs, lambda x: rf"\left\lVert {x} \right\rVert_2"))


@cache
def clean(eps: str) -> sp.Expr:
    """x_0 as x_t and a noise tell it."""
    mean, var = moments(path()["x_t"])
    return (S("x_t") - sp.sqrt(var) * S(eps)) / sp.diff(mean, S("x_0"))


@cache
def told_by(eps: str) -> sp.Expr:
    """The posterior's mean with that x_0."""
    return posterior_mean().subs(S("x_0"), clean(eps))


def divergence(s):
    """One pixel; the k pixels' divergences add."""
    yield "the KL of two Gaussians of one variance, by its moments", s.rhs - kl(
        (S("mu_tilde_t"), S("sigma_t") ** 2), (S("mu_hat"), S("sigma_t") ** 2))


def trace(s):
    for k in (1, 2, 3):
        full = sp.Matrix(k, k, lambda i, j: sp.Rational(1, 1 + i + j))
        truth = (full.inv() * full).trace()
        yield f"the trace for a full covariance matrix, k = {k}", s.rhs.subs(S("k"), k) - truth


def mean_error(s):
    """x_0, where the line still has it, is what x_t and the noise tell."""
    truth = (told_by("eps") - S("mu_hat")) ** 2 / (2 * S("sigma_t") ** 2)
    yield "the posterior's mean with x_0 told by x_t and the noise, less the model's", \
        s.rhs.subs(S("x_0"), clean("eps")) - truth


def noise_error(s):
    truth = (told_by("eps") - told_by("eps_hat")) ** 2 / (2 * S("sigma_t") ** 2)
    yield "two means told by their noises: the KL of DDPM eq. (8)", s.rhs - truth


def guessed(s):
    """A mean told by a guess of the picture."""
    here = s.rhs.subs(S("x0_hat"), S("x_0"))
    yield "with a perfect guess it is the posterior's mean", here - posterior_mean()


def guessed_alone(s):
    yield from guessed(s)
    yield "x_0 itself, which the sampler doesn't know, is not in it", sp.diff(s.rhs, S("x_0"))


def square(inside: str, norm: str = "norm2"):
    """A printed line 1/(2 sigma^2) || inside ||^2."""
    return Equation(label("L_{t-1} - C_t"), f"1/(2*sigma_t**2)*{norm}({inside})")


def under(inside: str, **how: str):
    return square(f"{inside} - mu_hat", **how)


KL, TARGET = "the KL of two Gaussians", "the squared error of the mean"
NOISES = "the squared error of the noise"
TREATED = "Per pixel; the argmin is taken at one $t$, $x_t$ and $x_0$."
BETWEEN = "(mu_hat - mu_tilde_t)*{}*(mu_hat - mu_tilde_t)"

correct("S4.e77", "kl-gaussians-d", "The second argument's covariance is the one inverted, and on top in "
      "the logarithm.")
up_to("S4.i20", "kl-mean-mse", r"What (79) puts in both places is the posterior's variance $\tilde\beta_t$. "
      r"The forward step's own, $\beta_t$, is DDPM's other choice; it adds a constant to the KL and leaves "
      "its argmin alone.",
      corrected=r"$\sigma_t^2 = \tilde\beta_t$ matches the posterior, $\sigma_t^2 = \beta_t$ the forward "
      "step.")
correct("S4.e78", "bound-term", "The problem as posed: one term of the bound. Whether it is all: S4.i38.")
up_to("S4.e79", "kl-equal-variance", r"From here on the model's mean is written $\tilde\mu_\theta$, which "
      r"(2) calls $\mu_\theta$; and $\Sigma_t$ must be the posterior's own covariance $\tilde\beta_t I$.")
correct("S4.e80", KL, TREATED, check=divergence, printed=Equation(label("L_{t-1}"), "1/2*(log(1) - k"
        " + k*(sigma_t**2/sigma_t**2) + " + BETWEEN.format("(1/sigma_t**2)") + ")"))
correct("S4.e81", "the trace of the inverse times the matrix", check=trace,
        printed=Equation(label(r"\operatorname{tr}(\Sigma_t^{-1}\Sigma_t)"), "k"))
correct("S4.e82 S4.e83", KL, TREATED, check=divergence,
        printed=Equation(label("L_{t-1}"), f"1/2*({BETWEEN.format('(1/sigma_t**2)')})"))
correct("S4.e84", KL, TREATED, check=divergence,
        printed=Equation(label("L_{t-1}"), f"1/(2*sigma_t**2)*({BETWEEN.format('1')})"))
up_to("S4.e85", "kl-equal-variance", "Nothing is thrown away: $v^\\top I v$ is the squared norm of $v$ as it "
      r"stands, since the covariance is $\sigma_t^2 I$. Dropping off-diagonal parts of another covariance "
      "would change the KL.",
      corrected=r"$v^\top I\,v = \lVert v \rVert^2$, the squared L2 norm.")
correct("S4.e86 S4.e87 S4.e103", KL, TREATED, check=divergence, printed=square("mu_tilde_t - mu_hat"))
wrong("S4.i21", "the mean that minimises (86)", "The mean to match is that of the posterior "
      r"$q(x_{t-1} \mid x_t, x_0)$. The forward process runs the other way: its mean at $t$ is "
      r"$\sqrt{\alpha_t}\,x_{t-1}$.", check=guessed,
      printed=Equation(label(r"\arg\min_{\mu_\theta} L_{t-1}"), "sqrt(alpha_t)*x_prev"),
      right=Equation(label(r"\arg\min_{\mu_\theta} L_{t-1}"), CENTRE))
correct("S4.i22", "closed-form-sample", r"One noise under two names, $\varepsilon_0$ and $\varepsilon$.")
correct("S4.i23", "invert-x0")
correct("S4.i24", "the mean of the posterior", check=guessed, printed=Equation(label(r"\tilde\mu_t"), MEAN))

NOISY = "(x_t - sqrt(1 - alpha_bar_t)*eps)"
REST = "sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t"
ROOTS = "sqrt(alpha_t)*(1 - alpha_bar_t)"
X, E = f"beta_t*x_t/({ROOTS})", f"beta_t*sqrt(1 - alpha_bar_t)*eps/({ROOTS})"
up_to("S4.e88", TARGET, r"The sign of equality drops the $\arg\min_\theta$: on its left stands a parameter, "
      "on its right a number. As expressions under the argmin, (87) and the lines to (101) are equal.",
      check=mean_error, printed=under(MEAN), corrected=r"$\arg\min_\theta$ in front of (88) to (101).")
LINES = {
    "S4.e89": f"sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*(1/sqrt(alpha_bar_t))*{NOISY} + {REST}",
    "S4.e91": f"beta_t/(1 - alpha_bar_t)*(1/sqrt(alpha_t))*{NOISY} + {REST}",
    "S4.e92": f"(beta_t*(1/sqrt(alpha_t))*{NOISY} + sqrt(alpha_t)*(1 - alpha_bar_prev)*x_t)"
              "/(1 - alpha_bar_t)",
    "S4.e93": f"beta_t*{NOISY}/({ROOTS}) + sqrt(alpha_t)*(1 - alpha_bar_prev)*x_t/(1 - alpha_bar_t)",
    "S4.e95": f"{X} - {E} + alpha_t*(1 - alpha_bar_prev)*x_t/({ROOTS})",
    "S4.e96": f"x_t*((beta_t + alpha_t - alpha_t*alpha_bar_prev)/({ROOTS})) - {E}",
    "S4.e98": f"x_t*((1 - alpha_bar_t)/({ROOTS})) - {E}",
    "S4.e99": f"x_t*(1/sqrt(alpha_t)) - {E}",
    "S4.e100": "x_t*(1/sqrt(alpha_t)) - beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t))*eps",
    "S4.e101": "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps)",
}
E94 = f"{X} - {E} + sqrt(alpha_t)*(1 - alpha_bar_prev)*x_t/(1 - alpha_bar_t)"
correct("S4.e90", "alpha-bar-product", "A definition.")
for _name, _inside in LINES.items():
    if _name == "S4.e95":
        wrong("S4.e94", TARGET, "The square of the norm is lost in this line; (93) and (95) have it.",
              check=mean_error, printed=under(E94, norm="norm"), right=under(E94))
    if _name == "S4.e98":
        correct("S4.e97", "alpha-bar-recursion", "Its number is printed below (102).")
    correct(_name, TARGET, check=mean_error, printed=under(_inside))

up_to("S4.i25", "mu-eps", r"The tilde in $\sqrt{1-\tilde\alpha_t}$ is a bar: no $\tilde\alpha$ is defined, "
      "and (101) has the bar.")
up_to("S4.i26", "conditional-mean", r"Given $x_t$ the noise is still random, so no network can output this "
      r"target. The least squares put $\mathbb E[\varepsilon \mid x_t]$ in the place of $\varepsilon$.",
      corrected=r"$\frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,"
                r"\mathbb E[\varepsilon \mid x_t]\right)$")
correct("S4.i27", "model-mean", r"The target stands in DDPM's (10); (11) has the network's "
      r"$\varepsilon_\theta$ in it.")
wrong("S4.e102", "ancestral-step", r"The sampler doesn't know the noise $\varepsilon$ that made $x_t$: the "
      r"network's $\varepsilon_\theta(x_t, t)$ belongs here, as the document's own last formula has it.",
      printed=Equation("x_prev", "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps) + sigma_t*z"))
up_to("S4.i28", "last-step-no-noise", r"For $t \ge 2$: at the last step DDPM's algorithm 2 has $z = 0$.",
      corrected=r"$z \sim \mathcal N(0, I)$ if $t > 1$, else $z = 0$.")
correct("S4.i29", "mean-difference", "Both means told by their noise: only the noises differ.")
for _name, _form in (
    ("S4.e104", "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps)"
                " - 1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat)"),
    ("S4.e105", "-(beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t))*eps)"
                " + beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t))*eps_hat"),
):
    correct(_name, NOISES, TREATED + (" A bracket is left over." if _name == "S4.e105" else ""),
            check=noise_error, printed=square(_form))
E107 = Equation(label("L_{t-1} - C_t"), "1/(2*sigma_t**2)*(beta_t**2/(alpha_t*(1 - alpha_bar_t)))"
                                              "*norm2(eps_hat - eps)")
wrong("S4.e106", NOISES, "A factor leaves a squared norm squared; (107) has it so. At one $t$ the argmin "
      "doesn't see a positive factor, but the value and the weight between the times are wrong.",
      check=noise_error, printed=Equation(label("L_{t-1} - C_t"),
      "1/(2*sigma_t**2)*(beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t)))*norm2(eps_hat - eps)"), right=E107)
correct("S4.e107", NOISES, TREATED, check=noise_error, printed=E107)
up_to("S4.i37", "loss-weight", r"DDPM's (12) is the average of this expression over $x_0$ and $\varepsilon$, "
      "and no argmin; the weight is the same.",
      corrected=r"$\mathbb E_{x_0, \varepsilon}\left[\frac{\beta_t^2}{2\sigma_t^2\alpha_t(1-\bar\alpha_t)}"
                r"\lVert\varepsilon - \varepsilon_\theta(x_t, t)\rVert^2\right]$")
correct("S4.i30", "loss-weight", r"With $\mu_\theta$ written through $\varepsilon(x_t, t)$, number for "
      "number.")
not_checkable("S4.i31", r"An experience, no theorem. DDPM (section 4.2) reports it of $L_{\text{simple}}$, "
              r"(107) without its weight; with the weight the two targets came out about equal there.")
wrong("S4.i38", "elbo-split", r"(78) is one term at one $t$. The bound is the sum over $t$, on average over "
      r"$x_0$ and $x_t$, with $L_0$ and $L_T$; and $L_{\text{simple}}$, which DDPM trains with, drops the "
      "weights.")
correct("S4.i32", "model-mean")
wrong("S4.i33", "the posterior's mean at a guess of the picture", r"The root must hold $\bar\alpha_{t-1}$: "
      r"$\bar\alpha_t - 1$ is negative and its root imaginary. And $x_0$ must be the network's guess.",
      check=guessed_alone,
      printed=Equation(label(r"\mu_\theta"), CENTRE.replace("sqrt(alpha_bar_prev)", "sqrt(alpha_bar_t - 1)")),
      right=Equation(label(r"\mu_\theta"), CENTRE.replace("x_0", "x0_hat")))
up_to("S4.i34", "error-eps-x0", "The two means are the same number when the guesses fit together, "
      r"$x_t = \sqrt{\bar\alpha_t}\,\hat x_0 + \sqrt{1-\bar\alpha_t}\,\hat\varepsilon$. The unweighted "
      "losses aren't: the squared error of the noise is that of the picture times the signal-to-noise ratio.")
up_to("S4.i35", "ancestral-step", r"For $t \ge 2$; the last step is taken without $z$.", printed=Equation(
    "x_prev", "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat) + sigma_t*z"),
      corrected=r"the same with $z = 0$ at $t = 1$.")
