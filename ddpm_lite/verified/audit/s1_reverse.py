"""S1: lecture slides on diffusion-based models, second half: the reverse process (S1.61 to S1.93)."""

from __future__ import annotations

from ..statements import GaussianLaw
from . import as_printed, correct, not_checkable, up_to, wrong
from .checks import reverse_law

MEAN = ("sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*{}"
        " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t")
EPS = "1/sqrt(alpha_t)*(x_t - (1 - alpha_t)/sqrt(1 - alpha_bar_t)*{})"

wrong("S1.61", "the law of x_{t-1} given x_t, with x_0 and without (Gaussian data)", "$x_0$ is missing on "
      "the left: this is the law given $x_t$ and $x_0$. Given $x_t$ alone, no law can hold $x_0$, and the "
      "variance is larger.",
      printed=GaussianLaw("x_prev", MEAN.format("x_0"), "beta_tilde_t", given="x_t"),
      right=GaussianLaw("x_prev", MEAN.format("x_0"), "beta_tilde_t", given="x_t x_0"),
      check=reverse_law)
correct("S1.62", "model-step", "A definition.")
up_to("S1.63", "reverse-mixture", "Where it is known (Gaussian data, the training set itself) the step "
      "can be written down: a mixture over all $x_0$.",
      corrected="Intractable for data whose law isn't known.")
wrong("S1.64", "ancestral-x0-form", "The left side is a function of $x_t$ and $t$; the right side holds "
      "$x_0$, which is what the sampler is looking for. The network's estimate takes its place. (The "
      "variance is a choice.)",
      printed=as_printed("ancestral-x0-form", line0=MEAN.format("x_0")))
correct("S1.65", "elbo-gap", "The loss by definition; the next slides bound it.")
wrong("S1.66", "elbo-linear-gaussian", r"$-\log p_\theta(x_0)$ depends on $x_0$ and $\theta$ alone: $x_1, "
      r"\dots, x_T$ are integrated out. Intractable is that integral, for a neural network; in a chain of "
      "linear Gaussians it is done exactly.",
      corrected=r"$p_\theta(x_0)$ is the integral of $p_\theta(x_{0:T})$ over $x_1, \dots, x_T$, and this "
                "integral is intractable.")
correct("S1.67", "elbo-bound", r"In terms of the loss: $-\log p_\theta(x_0)$ is at most minus the bound, "
        "and that is minimised.")
up_to("S1.68", "optimal-sigma", r"Given $x_0$ the variance is $\tilde\beta_t$; the best one for a model "
      "that doesn't see $x_0$ depends on the data.",
      corrected="With a fixed variance only the mean is left to learn.")
up_to("S1.69", "mu-eps", r"With $\varepsilon_t$ the total noise in $x_t$ (S1.53), not that of step $t$ "
      "(S1.26). It stands for $x_0$: the mean is no function of $x_t$ alone, as the left side has it.",
      printed=as_printed("mu-eps", rhs=EPS.format("eps")))
correct("S1.70", "model-mean", "A definition: the same form with the network's estimate.",
        printed=as_printed("model-mean", rhs=EPS.format("eps_hat")))
up_to("S1.71", "closed-form-sample", r"Up to the letter: $\bar a$ is $\bar\alpha$.")
correct("S1.72", "l-simple", "A definition: the bound's terms without their weights, $t$ uniform.")
correct("S1.73", "l-simple", "The same with a hat; the “actual noise” is the total noise in $x_t$.")
correct("S1.74", "x0-hat", "The closed form solved for $x_0$, with the estimate in place of "
        r"$\varepsilon$.")
correct("S1.75", "ancestral-x0-form", "The posterior's mean at this estimate of $x_0$.",
        printed=as_printed("ancestral-x0-form", lhs=EPS.format("eps_hat")))
up_to("S1.76", "last-step-no-noise", "So the algorithm of the same slides (S1.89) has it.",
      corrected=r"$x_{t-1} = \mu_\theta(x_t, t) + \sigma_t z$, and at $t = 1$ without $z$.")
correct("S1.77", "ancestral-step")
wrong("S1.78", "ddim-marginals", r"Nothing needs it. With $\sigma_t = 0$ the step is a deterministic map, "
      r"and the family keeps all laws $q(x_t \mid x_0)$ whatever $\sigma_t$ is (DDIM); variety then comes "
      "from $x_T$.",
      corrected="The forward process can be undone by a stochastic or by a deterministic process.")
correct("S1.79", "ancestral-step", r"From one $x_T$, fresh $z$ leads to different pictures if $\sigma_t > "
        "0$. (“Creative” is an opinion.)")
wrong("S1.80", "empirical-last-step", "The noise of sampling doesn't touch the training. The network that "
      "is best on the training set leads every path to a training picture, with noise or without.",
      corrected="Noise in sampling doesn't prevent memorisation; what the network has learned decides.")
up_to("S1.81", "noise-off", "True of this sampler: without $z$ the step's variance falls short of that of "
      "$x_{t-1}$. A deterministic step made for the purpose (DDIM) needs no $z$. “Explore” is a picture.",
      corrected="In this sampler the noise makes up for the spread that the mean alone would lose.")
correct("S1.82 S1.83 S1.84", "algorithm-1-input")
correct("S1.85", "algorithm-2-start", "The sampler starts from $p(x_T)$ and needs no picture.")
up_to("S1.86", "noise-moments", "Per pixel; for a picture it is written with the identity, as on the "
      "other slides.",
      corrected=r"$\varepsilon \sim \mathcal N(0, I)$")
correct("S1.87", "alpha-bar-product", "Definitions.")
correct("S1.88", "algorithm-2-start", "The model's own $p(x_T)$, which has no parameters.")
correct("S1.89", "last-step-no-noise")
wrong("S1.90", "ancestral-step", "The bar under the root is missing. As printed the noise is taken off "
      r"with the factor $\sqrt{\beta_t}$, too much at every $t > 1$; the slides have it right in S1.70 "
      "and S1.75.",
      printed=as_printed("ancestral-step", rhs="1/sqrt(alpha_t)*(x_t - (1 - alpha_t)/sqrt(1 - alpha_t)"
                                               "*eps_hat) + sigma_t*z"))
correct("S1.91", "algorithm-2-start")
up_to("S1.92", "mu-eps", "With a fixed variance (S1.68): then only the mean is open, and it is linear in "
      "the noise, the total one in $x_t$.")
not_checkable("S1.93", "An experience (DDPM, table 2), no theorem: the bound measures likelihood, and "
              "what looks good is another measure. What dropping the weights does to the minimum is "
              "proved (S0.20).")
