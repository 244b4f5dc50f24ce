"""S0: Fatim Majumder, Diffusion Models, lecture notes (2025)."""

from __future__ import annotations

from ..statements import GaussianLaw
from . import as_printed, correct, not_checkable, up_to, wrong

correct("S0.1", "vae-elbo", r"The two-term form of the bound. The prior $p_\theta(z)$ may have "
        "parameters; mostly it has none.")
correct("S0.2", "log-p-elbo-kl", r"$\log p(x)$ exceeds the bound by the KL from encoder to posterior: to "
        "raise the bound over the encoder alone is to bring it to the posterior.")
up_to("S0.3", "vae-elbo", r"The mean is over $z$ drawn from the encoder, $q_\phi(z \mid x^{(i)})$, which "
      "the subscript $z$ leaves open; over the prior it would be another expression.")
up_to("S0.4", "limit-iff-sum-diverges", r"A step also shrinks the picture, by $\sqrt{1-\beta_t}$, or the "
      r"variance would grow. From a given picture, $\mathcal N(0, I)$ is reached in the limit only.",
      corrected=r"$x_T$ tends to $\mathcal N(0, I)$ if and only if $\sum_t\beta_t$ diverges.")
not_checkable("S0.5", "History: where an idea came from is no theorem. The kinship itself, weights along "
              "a path of laws, can be seen in `ais-unbiased`.")
correct("S0.6", "forward-step", "The definition on which everything rests.",
        printed=GaussianLaw("x_t", "sqrt(1 - beta_t)*x_prev", "beta_t", given="x_prev"))
correct("S0.7", "forward-chain", "Each step looks at the one before only (Markov).")
correct("S0.8", "closed-form",
        printed=GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0"))
correct("S0.9", "alpha-bar-product", "Two definitions; the product includes $s = t$.")
correct("S0.10", "model-step", "A definition: the factor of the chain that is learned.")
correct("S0.11", "reverse-chain", r"A definition; $p(x_T) = \mathcal N(0, I)$ has no parameters.")
correct("S0.12", "sigma-choices", r"To fix $\sigma_t$ is a choice of design. That each step leaves less "
        r"noise is true: the share $1-\bar\alpha_t$ of $x_t$ becomes $1-\bar\alpha_{t-1}$.")
up_to("S0.13", "elbo-jensen", r"To multiply and divide by $q(z \mid x)$, it must be positive wherever "
      "$p(x, z)$ is, as for any Gaussian encoder; elsewhere a part of the integral is lost.",
      corrected=r"For encoders with $q(z \mid x) > 0$ wherever $p(x, z) > 0$.")
correct("S0.14", "elbo-jensen", "The logarithm is concave: the log of a mean is at least the mean of the "
        "log.")
correct("S0.15", "log-p-elbo-kl", "The gap is a KL divergence, and never negative.")
up_to("S0.16", "encoder-gradient", r"Then $\log p_\theta(x)$ stands still. Over $\theta$ it moves too, "
      r"and this KL can fall while $\mathcal L$ falls.",
      corrected=r"Over $\phi$, with $\theta$ fixed, minimising the KL is maximising $\mathcal L$.")
wrong("S0.17", "reverse-variance", r"$q(x_{t-1} \mid x_t, x_0)$ is told where the path started. The true "
      "reverse step isn't: it is the mixture of these laws over all $x_0$ that $x_t$ leaves possible, and "
      "wider.",
      printed=as_printed("reverse-variance", rhs="beta_tilde_t"),
      corrected=r"The true reverse law is $q(x_{t-1} \mid x_t) = \mathbb E\left[q(x_{t-1} \mid x_t, x_0) "
                r"\mid x_t\right]$.")
up_to("S0.18", "elbo-split", "That is what the bound holds. At one pair $(x_t, x_0)$ the minimum is the "
      "posterior of that $x_0$, which a model that sees $x_t$ alone can't hold for all.",
      corrected=r"$\arg\min_\theta$ of these KL, averaged over $x_0$ and $x_t$, summed over $t \ge 2$, "
                "plus the term of $t = 1$.")
up_to("S0.19", "kl-mean-mse", "At one $t$, with a fixed variance, the KL is this square times "
      r"$1/(2\sigma_t^2)$ plus a constant. Summed over $t$ the factors differ and must stay ($\mathbb "
      "E_w$ isn't explained).")
up_to("S0.20", "loss-weight", "Equal up to a factor that depends on $t$. At one $t$ nothing changes; in "
      "the sum over $t$ the minimum can move, if one network must serve all $t$ and can't fit them all "
      "(`shared-parameters`).",
      printed=as_printed("loss-weight", rhs="norm2(eps - eps_hat)"), false=True)
correct("S0.21", "noise-moments", "Drawn afresh, independent of $x_0$ and $t$.")
wrong("S0.22", "step-noise-correlation", r"$\varepsilon$ is the noise of all steps up to $t$ together. "
      "With the noise that step $t$ added it has only this correlation: 1 at $t = 1$, about "
      r"$\sqrt{\beta_t}$ at the end.",
      printed=as_printed("step-noise-correlation", rhs="1"),
      corrected="Predict the total noise in $x_t$; a step removes a part of it.")
correct("S0.23", "algorithm-1-input", "A pass over the data in place of “repeat until converged”.")
correct("S0.24", "algorithm-1-input")
correct("S0.25", "l-simple", "One draw's part of the loss, on which one gradient step is taken.")
correct("S0.26", "algorithm-2-start", "The model's own $p(x_T)$.")
correct("S0.27", "model-mean",
        printed=as_printed("model-mean", rhs="1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)"
                                            "*eps_hat)"))
up_to("S0.28", "last-step-noise-costs", "Exact sampling from the model as defined, whose last factor is a "
      "Gaussian too. DDPM's algorithm 2 sets $z = 0$ at $t = 1$ and returns the mean; with the "
      "posterior's variance, 0 there, both agree.",
      corrected=r"At $t = 1$ return the mean: noise there adds $\sigma_1^2$ to the squared error of every "
                "pixel.")
correct("S0.29", "ancestral-step", "The loop ends with $x_0$.")
