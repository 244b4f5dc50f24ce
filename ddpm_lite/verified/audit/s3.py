"""S3: Diffusion Models, a blog post (2024)."""

from __future__ import annotations

from ..statements import GaussianLaw
from . import as_printed, correct, not_checkable, up_to, wrong

correct("S3.1", "forward-chain", "The chain is Markov by definition.")
correct("S3.2", "forward-step", r"The noise's scale is $\beta_t$; $\alpha_t = 1-\beta_t$ is what is kept "
        "of the signal.")
up_to("S3.3", "terminal-kl", "For that the sum of the betas must be large: many steps alone don't do it. "
      "The divergence says how near, in nats a pixel.",
      corrected=r"$q(x_T \mid x_0)$ is near $\mathcal N(0, I)$ when $\bar\alpha_T$ is near 0.")
correct("S3.4", "reverse-chain", "A definition.")
correct("S3.5", "model-step", "A definition; the covariance learned or fixed.")
correct("S3.6", "elbo-bound")
wrong("S3.7", "elbo-split", r"Two faults: the term of $x_T$, minus the KL from $q(x_T \mid x_0)$ to "
      r"$p(x_T)$, is missing; and the sum starts at $t = 1$, where $q(x_0 \mid x_1, x_0)$ is a point and "
      "its KL infinite.",
      printed=as_printed("elbo-split", rhs="E_path(Sum(KL(q(x_prev, x_t, x_0), p_theta(x_prev, x_t)),"
                                            " t, 1, T) - ln(p_theta(x_0, x_1)))"))
up_to("S3.8", "elbo-gap", "They compare with the forward process reversed, given $x_0$. The model doesn't "
      "see $x_0$, and so they can't all reach 0 (unless the data are one point).",
      corrected="The KL terms pull the model towards the reversed forward process, on average over $x_0$.")
correct("S3.9", "closed-form",
        printed=GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0"))
correct("S3.10", "alpha-bar-product", "A definition.")
correct("S3.11", "closed-form-sample", r"$\varepsilon$ is the total noise in $x_t$, not the last step's.")
up_to("S3.12", "model-mean", r"The posterior's mean can be written in $x_0$ and $\varepsilon$. The "
      "model's can't, as the sampler knows neither: the network's estimate takes their place.")
correct("S3.13", "l-simple", "A definition: the bound's terms without their weights, $t$ uniform.")
correct("S3.14", "ancestral-step", r"For $t = T, \dots, 1$.")
up_to("S3.15", "elbo-bound", "It is the law of the samples that comes near $q$, not one sample; and how "
      r"near, the training decides: the mean of $-\log p_\theta(x_0)$, bounded here, is the data's "
      "entropy plus the KL from $q$ to the model.",
      corrected="The law of the samples approximates that of the data as far as the bound has been raised.")
not_checkable("S3.16", "“Robust” isn't defined, and the reasons given are an opinion; experiments could "
              "speak to it, no proof can.")
