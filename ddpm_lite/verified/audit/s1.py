"""S1: lecture slides on diffusion-based models, first half: the forward process (S1.1 to S1.60)."""

from __future__ import annotations

from ..statements import Chain, Equation, GaussianLaw, label
from . import as_printed, correct, up_to, wrong
from .checks import lines, same, spread_of_means

up_to("S1.1", "elbo-bound", "The bound is a VAE's with $z = x_{1:T}$ and an encoder without parameters. "
      "“Autoregressive” holds for the times only: one network makes all pixels of $x_{t-1}$ at once.",
      corrected="A hierarchical VAE: its encoder is fixed, its decoder a Markov chain from $x_T$ to $x_0$.")
correct("S1.2", "forward-step", r"Mean $\sqrt{1-\beta_t}\,x_{t-1}$, covariance $\beta_t I$.")
correct("S1.3", "forward-chain", "Definitions.")
up_to("S1.4", "linear-schedule", r"Times run from 1: the first is $\beta_1$. And 0 and 1 must be left "
      r"out: $\beta_t = 0$ is no step, $\beta_t = 1$ wipes the picture out at once and leaves "
      r"$1/\sqrt{\alpha_t}$ without a value. “Large” is 0.02 in DDPM.",
      corrected=r"$0 < \beta_1 < \dots < \beta_T < 1$")
correct("S1.5", "forward-chain")
up_to("S1.6", "example-shared", r"With $\beta_t = c/T$, for one, $\bar\alpha_T$ tends to $e^{-c}$, and "
      "this share of the picture stays, however large $T$ is.",
      printed=as_printed("example-shared", limit="0"), false=True,
      corrected=r"The limit is $\mathcal N(0, I)$ if and only if $\sum_t\beta_t$ diverges.")
up_to("S1.7", "closed-form", "The formula is right, its title isn't: ancestral sampling draws each "
      "variable given its parent, one after the other. This is one draw from the law of $x_t$ given $x_0$.")
up_to("S1.8", "closed-form", "A law of the fixed forward process, hence $q$; $p$ is the learned model.",
      printed=GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0", by="p"))
correct("S1.9", "alpha-bar-product", "A definition; the hat is the bar of later slides.")
correct("S1.10", "alpha", "A definition.")
correct("S1.11", "what not knowing x_0 adds to the reverse step's width, vanishing with the step", "The "
        "reverse step is a mixture of bells, one for each $x_0$. At a given noise level their centres "
        r"move apart like $\beta_t$, their width is like $\sqrt{\beta_t}$: small steps leave nearly one "
        "bell, as the model assumes.",
        check=spread_of_means,
        printed=Equation(label(r"\frac{w_0^2}{\tilde\beta_t}"),
                         "alpha_bar_prev*beta_t/((1 - alpha_bar_t)*(1 - alpha_bar_prev))"))
up_to("S1.12", "total-variance", r"And only then. Given $x_0$ it is $1-\bar\alpha_t$ (same slide), which "
      r"grows with every step; and the step's own $\beta_t$ changes too.",
      printed=as_printed("total-variance", rhs="Var(x_0)"), false=True,
      corrected="The variance of $x_t$ over all data stays 1 if that of the data is 1.")
wrong("S1.13", "reverse-law", "Both change at every step of the forward process given $x_0$, and of the "
      "exact reverse process, which leads back to the data without any collapse: here they are for "
      "Gaussian data.",
      corrected="The exact reverse step changes mean and variance at every $t$.")
correct("S1.14", "unit-variance-factor", "An assumption. Only the variance 1 is used: the data needn't be "
        "normal.")
up_to("S1.15 S1.24", "forward-sample", r"With $\alpha$ as a name for the factor $\sqrt{1-\beta_1}$. "
      r"Elsewhere on the slides $\alpha_t$ is $1-\beta_t$; read so, the formula is false, and the "
      "variance falls below 1.",
      printed=as_printed("forward-sample", rhs="alpha_t*x_prev + sqrt(beta_t)*eps_t"), false=True)
correct("S1.16 S1.19", "noise-moments", "An assumption: noise of variance 1, as the data have (S1.14).")
correct("S1.17 S1.18 S1.20", "step-variance", r"$x_0$ and $\varepsilon_1$ are independent, as the slide "
        "says.")
correct("S1.21", "unit-variance-factor", "The condition from which the factor follows.")
up_to("S1.22", "the root, with the same slides' alpha_t = 1 - beta_t", "Right for the factor (the "
      r"positive root); but $\alpha_1$ is $1-\beta_1$ on the same slides (S1.10), and then the factor is "
      r"$\sqrt{\alpha_1}$.",
      printed=Equation("alpha_t", "sqrt(1 - beta_t)"),
      right=Equation("sqrt(alpha_t)", "sqrt(1 - beta_t)"),
      check=same, false=True)
correct("S1.23", "forward-sample")
correct("S1.25", "variance-map", "Since the data have variance 1 (S1.14); else it only tends to 1.")
up_to("S1.26", "forward-sample", r"Up to the noise's index: $x_1$ was made with $\varepsilon_1$ (S1.15), "
      r"here with $\varepsilon_0$. Any name will do for noise that is independent of $x_{t-1}$; this one "
      "looks as if it belonged to it.")
correct("S1.27", "forward-step")
correct("S1.28", "forward-step", "Whether $T = 200$ steps end in noise, the betas decide.")
correct("S1.29 S1.30", "closed-form",
        printed=GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0"))
correct("S1.31", "reparametrisation", r"For $\sigma > 0$, with $\varepsilon = (z - \mu)/\sigma$.")
correct("S1.32 S1.33 S1.34", "forward-sample", r"The noise of step $t$ is called $\varepsilon_{t-1}$ here.")
correct("S1.35 S1.36", "two-steps", "One step put into the next; still two noises.",
        printed=as_printed("two-steps", rhs="sqrt(alpha_t)*(sqrt(alpha_prev)*x_prev2"
                                            " + sqrt(1 - alpha_prev)*eps_prev) + sqrt(1 - alpha_t)*eps_t"))
correct("S1.37", "merge-two-steps", r"$\bar\varepsilon_{t-2}$ names the two noises together: $\mathcal "
        "N(0, I)$ as they are independent of each other, and not independent of them.")
correct("S1.38", "closed-form-sample", "The same again and again, down to $x_0$ (induction).")
correct("S1.39", "closed-form-sample")
up_to("S1.40", "sum-of-gaussians", r"To make one noise of two, the $\varepsilon$ must be independent of "
      "each other and of $x_0$, which isn't said; the merged ones (bars) are not independent of those "
      "they are made of.",
      corrected=r"$\varepsilon_0, \dots, \varepsilon_{t-1}$ independent, each $\mathcal N(0, I)$")
correct("S1.41 S1.42", "merge-two-steps", "For independent noises.")
correct("S1.43 S1.44", "gaussian-scaling", "A multiple of a standard normal number has the factor's "
        "square as variance.")
up_to("S1.45", "variance-of-sum", "Only for independent $X$ and $Y$, which isn't said: with correlation "
      r"$\rho$ the variance is another, and with $Y = X$ times a random sign the sum isn't even normal "
      "(`sum-not-gaussian`).",
      printed=as_printed("variance-of-sum", rhs="sigma**2 + tau**2"), false=True)
correct("S1.46", "gaussian-sum", "This $X$ and this $Y$ are independent.")
correct("S1.47", "merged-variance")
correct("S1.48", "merge-two-steps")
correct("S1.49", "the variance of two steps, line by line",
        check=lines,
        printed=Chain("alpha_t*(1 - alpha_prev) + (1 - alpha_t)", 
                      "alpha_t - alpha_t*alpha_prev + 1 - alpha_t", "1 - alpha_t*alpha_prev"))
correct("S1.50", "closed-form-sample", "By induction.")
up_to("S1.51", "closed-form-sample", "What it doesn't need is any picture in between; noise it does.",
      corrected=r"$x_t$ depends on $x_0$, $\bar\alpha_t$ and one noise $\varepsilon$ alone.")
correct("S1.52", "closed-form-sample")
up_to("S1.53", "invert-eps", "The formula gives the total noise in $x_t$, elsewhere called "
      r"$\varepsilon$. The noise that step $t$ added is another one ($\varepsilon_{t-1}$ in S1.26); they "
      "are the same at $t = 1$ only.")
wrong("S1.54", "alpha-bar-product", r"Two slips: step $t$ itself is included, and $\alpha_s$ is no scale "
      r"of noise (that is $\beta_s$) but the share of the signal's variance that step $s$ keeps.",
      printed=as_printed("alpha-bar-product", rhs="Prod(alpha(s), s, 1, t - 1)"),
      corrected=r"$\bar\alpha_t = \alpha_1 \cdots \alpha_t$: what $t$ steps keep of the signal's "
                "variance, step $t$ included.")
correct("S1.55", "noise-moments")
correct("S1.56", "linear-schedule", "A definition.")
up_to("S1.57", "cosine-schedule", r"No definition until it is said what is a cosine: $\bar\alpha_t$ is "
      "(squared, shifted, scaled to 1 at $t = 0$), and the betas follow from it.")
correct("S1.58", "alpha", "A definition.")
correct("S1.59", "alpha-bar-product", "A definition.")
correct("S1.60", "alpha-bar-product", "A product of given numbers; no picture enters.")
