"""S2: Bishop and Bishop, Deep Learning, chapter 20, slides by nonlineark (2025).

Their alpha_t is the cumulative product: alpha_bar_t of DDPM and of this course.
"""

from __future__ import annotations

from ..statements import GaussianLaw
from . import as_printed, correct, up_to

correct("S2.1", "forward-sample")
correct("S2.2", "forward-step")
correct("S2.3", "forward-step", r"The variance of what is added, $\sqrt{\beta_1}\,\varepsilon_1$; "
        r"$\varepsilon_1$ itself has variance 1. That $\beta_1$ is positive is said one slide later.")
correct("S2.4", "forward-sample", r"$\varepsilon_t$ is the noise of this one step.")
correct("S2.5", "forward-step")
correct("S2.6", "linear-schedule", "A choice, with the ends 0 and 1 rightly left out.")
up_to("S2.7", "step-noise-correlation", "True with a new name for the noise. One slide earlier "
      r"$\varepsilon_t$ was the noise of step $t$; here it is the total since $x$, and the two have only "
      "this correlation.",
      printed=as_printed("step-noise-correlation", rhs="1"), false=True,
      corrected=r"$z_t = \sqrt{\alpha_t}\,x + \sqrt{1-\alpha_t}\,\varepsilon$, with $\alpha_t$ the "
                r"cumulative product and $\varepsilon$ in place of $\varepsilon_t$.")
correct("S2.8", "closed-form", r"$\alpha_t$ is the cumulative product here, our $\bar\alpha_t$.",
        printed=GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0"))
correct("S2.9", "alpha-bar-product", r"A definition; DDPM writes $\bar\alpha_t$ for it, and $\alpha_t$ "
        "for one factor.")
up_to("S2.10", "example-squares", "So it is for increasing betas that don't change with $T$; it isn't for "
      r"$\beta_t = 1/(t+1)^2$ (half of the variance stays) and for $\beta_t = c/T$ (`example-shared`).",
      printed=as_printed("example-squares", limit="0"), false=True,
      corrected=r"The limit is $\mathcal N(0, I)$ if and only if $\sum_t\beta_t$ diverges.")
correct("S2.11", "reverse-law", "Bayes' rule; worked out there for Gaussian data.")
correct("S2.12", "reverse-mixture", "With the training pictures for the unknown law of the data, it is a "
        "mixture with one component a picture.")
correct("S2.13", "bayes-posterior", "Bayes' rule given $x$, then the Markov property.")
correct("S2.14", "posterior")
correct("S2.15", "posterior-mean", r"In this source $\alpha_t$ is the cumulative product.",
        printed=as_printed("posterior-mean", rhs="((1 - alpha_bar_prev)*sqrt(1 - beta_t)*x_t"
                                                 " + sqrt(alpha_bar_prev)*beta_t*x_0)/(1 - alpha_bar_t)"))
correct("S2.16", "posterior-variance", r"In this source $\alpha_t$ is the cumulative product; $\alpha_0 = "
        "1$, so that it is 0 at $t = 1$.",
        printed=as_printed("posterior-variance", rhs="beta_t*(1 - alpha_bar_prev)/(1 - alpha_bar_t)"))
