"""Exercises of notebook 01, latent variables."""

import numpy as np

from . import Exercise, Mistake, of

register = of("01")


def kl_by_hand(mu, sigma, nu, tau):
    return np.log(tau / sigma) + (sigma**2 + (mu - nu) ** 2) / (2 * tau**2) - 1 / 2


def _two_bells(rng):
    return rng.uniform(-2, 0), rng.uniform(0.3, 0.8), rng.uniform(0.5, 2), rng.uniform(1.2, 2.5)


register(Exercise(
    "kl_by_hand", kl_by_hand, inputs=_two_bells,
    hints=(
        "Write log N(x; mu, sigma^2) - log N(x; nu, tau^2) and take its mean over x from the first bell.",
        "The mean of (x - mu)^2 is sigma^2. The mean of (x - nu)^2 is that plus (mu - nu)^2.",
        "The logarithms give log(tau/sigma), the second square gets 1/(2 tau^2), the first leaves -1/2.",
    ),
    mistakes={
        "the arguments are exchanged": Mistake(
            lambda mu, sigma, nu, tau: kl_by_hand(nu, tau, mu, sigma),
            "Over which of the two bells is the mean taken? KL is not symmetric."),
        "the logarithm of variances without its half": Mistake(
            lambda mu, sigma, nu, tau: kl_by_hand(mu, sigma, nu, tau) + np.log(tau / sigma),
            "The factor in front of a bell holds sigma, the root of the variance. What is its logarithm?"),
        "the -1/2 is missing": Mistake(
            lambda mu, sigma, nu, tau: kl_by_hand(mu, sigma, nu, tau) + 1 / 2,
            "Put in two equal bells: the answer must be 0."),
        "the 1/2 before the squares is missing": Mistake(
            lambda mu, sigma, nu, tau: np.log(tau / sigma) + (sigma**2 + (mu - nu) ** 2) / tau**2 - 1,
            "A bell's exponent is minus the square over TWICE the variance."),
        "standard deviations for variances": Mistake(
            lambda mu, sigma, nu, tau: np.log(tau / sigma) + (sigma + (mu - nu) ** 2) / (2 * tau) - 1 / 2,
            "The mean of a square is a variance. Which of your terms has the wrong unit?"),
        "the logarithm has the wrong sign": Mistake(
            lambda mu, sigma, nu, tau: kl_by_hand(mu, sigma, nu, tau) - 2 * np.log(tau / sigma),
            "A narrow first bell must cost more, not less: log sigma comes with a minus."),
        "the distance of the means isn't squared": Mistake(
            lambda mu, sigma, nu, tau: np.log(tau / sigma) + (sigma**2 + abs(mu - nu)) / (2 * tau**2) - 1 / 2,
            "Expand the mean of (x - nu)^2 again."),
    },
))


def reparametrise(mu, log_var, eps):
    return mu + np.exp(log_var / 2) * eps


register(Exercise(
    "reparametrise", reparametrise,
    inputs=lambda rng: (rng.normal(size=6), rng.uniform(-3, -0.5, 6), rng.normal(size=6)),
    hints=(
        "A draw is the mean plus noise times a scale. Is the scale a variance or a standard deviation?",
        "Encoders give the logarithm of the variance. Half of it is the logarithm of the standard deviation.",
    ),
    mistakes={
        "variance for standard deviation": Mistake(
            lambda mu, log_var, eps: mu + np.exp(log_var) * eps,
            "What is the variance of c times eps? Solve for c."),
        "the logarithm itself as scale": Mistake(
            lambda mu, log_var, eps: mu + log_var * eps, "A scale is positive. Is log_var?"),
        "half the logarithm as scale": Mistake(
            lambda mu, log_var, eps: mu + log_var / 2 * eps, "You have the logarithm of the scale."),
        "log_var taken for the logarithm of 1/variance": Mistake(
            lambda mu, log_var, eps: mu + np.exp(-log_var / 2) * eps,
            "Does your spread grow or shrink when log_var grows?"),
        "the mean is scaled too": Mistake(
            lambda mu, log_var, eps: np.exp(log_var / 2) * (mu + eps), "What is the mean of your draw?"),
        "the mean is missing": Mistake(
            lambda mu, log_var, eps: np.exp(log_var / 2) * eps, "What is the mean of your draw?"),
        "no noise: the mean alone": Mistake(
            lambda mu, log_var, eps: mu + 0 * eps, "Then every draw is the same. Where does eps come in?"),
    },
))


def linear_elbo(x, w, sigma, a, tau):
    square = (1 - w * a) ** 2 * x**2 + w**2 * tau**2                   # the mean of (x - w z)^2
    return -square / (2 * sigma**2) - np.log(2 * np.pi * sigma**2) / 2 - _to_prior(x, a, tau)


def _to_prior(x, a, tau):
    return (a**2 * x**2 + tau**2 - 1 - np.log(tau**2)) / 2


def _model(rng):
    return (rng.uniform(1, 2, 4), rng.uniform(1.2, 2), rng.uniform(0.5, 0.9), rng.uniform(0.2, 0.5),
            rng.uniform(0.3, 0.7))


register(Exercise(
    "linear_elbo", linear_elbo, inputs=_model,
    hints=(
        "Two terms: the mean of log N(x; w z, sigma^2) over z from N(a x, tau^2), less a KL.",
        "The mean of (x - w z)^2 is the square at the mean of z, plus the variance of w z.",
        "The KL is that of N(a x, tau^2) to N(0, 1): the formula with mu = a x and sigma = tau.",
    ),
    mistakes={
        "the decoder sees the mean of z, not its spread": Mistake(
            lambda x, w, sigma, a, tau: linear_elbo(x, w, sigma, a, tau) + w**2 * tau**2 / (2 * sigma**2),
            "The mean of a square isn't the square of the mean: z has a variance."),
        "the KL is added": Mistake(
            lambda x, w, sigma, a, tau: linear_elbo(x, w, sigma, a, tau) + 2 * _to_prior(x, a, tau),
            "Is the bound allowed to grow when the encoder strays from the prior?"),
        "the KL is missing": Mistake(
            lambda x, w, sigma, a, tau: linear_elbo(x, w, sigma, a, tau) + _to_prior(x, a, tau),
            "That is the reconstruction term alone."),
        "the KL has its arguments exchanged": Mistake(
            lambda x, w, sigma, a, tau: linear_elbo(x, w, sigma, a, tau) + _to_prior(x, a, tau)
            - kl_by_hand(0, 1, a * x, tau), "The mean is over the encoder's bell, to the prior."),
        "the decoder's normaliser is missing": Mistake(
            lambda x, w, sigma, a, tau: linear_elbo(x, w, sigma, a, tau) + np.log(2 * np.pi * sigma**2) / 2,
            "A squared error is not yet the logarithm of a density. What stands in front of a bell?"),
        "the log-likelihood in place of its bound": Mistake(
            lambda x, w, sigma, a, tau:
                -x**2 / (2 * (w**2 + sigma**2)) - np.log(2 * np.pi * (w**2 + sigma**2)) / 2,
            "Your answer doesn't depend on a and tau."),
    },
))


def best_encoder(x, w, sigma):
    return w * x / (w**2 + sigma**2), sigma**2 / (w**2 + sigma**2)


register(Exercise(
    "best_encoder", best_encoder,
    inputs=lambda rng: (rng.uniform(-2, 2, 4), rng.uniform(1.2, 2), rng.uniform(0.3, 0.9)),
    hints=(
        "Multiply two bells in z: the prior N(0, 1), and N(x; w z, sigma^2) read as a function of z.",
        "Precisions add: 1 from the prior, w^2/sigma^2 from the decoder. The variance is one over the sum.",
        "The decoder's bell in z is centred at x/w; weigh it against the prior's centre 0 by precision.",
    ),
    mistakes={
        "the prior is forgotten": Mistake(
            lambda x, w, sigma: (x / w, (sigma / w) ** 2 + 0 * w),
            "That undoes the decoder. The prior says that z is near 0."),
        "standard deviation for variance": Mistake(
            lambda x, w, sigma: (best_encoder(x, w, sigma)[0], best_encoder(x, w, sigma)[1] ** 0.5),
            "Give the variance."),
        "sigma for its square": Mistake(
            lambda x, w, sigma: (w * x / (w**2 + sigma), sigma / (w**2 + sigma)),
            "sigma is the decoder's standard deviation. Which power is its variance?"),
        "the factor w is missing in the mean": Mistake(
            lambda x, w, sigma: (x / (w**2 + sigma**2), best_encoder(x, w, sigma)[1]),
            "Without noise (sigma near 0) the mean must be x/w. Is yours?"),
        "the variance of x": Mistake(
            lambda x, w, sigma: (best_encoder(x, w, sigma)[0], w**2 + sigma**2),
            "Seeing x can only narrow what you believe about z, whose variance was 1."),
    },
))

_LOOK_AT = {
    "A": "log p holds no encoder parameters. What does the identity say when one side can't move?",
    "B": "Is a distance between a law of z and a law of x and z a KL at all? Compare with the identity.",
    "C": "Look at the solved model with its stiff encoder: where are the two maxima?",
    "D": "Take an encoder that is the true posterior. What is KL of a law to itself?",
    "E": "If the gap is 0 at the encoder's best for every decoder, what does its slope do?",
}


def _letters(answer):
    got = set(str(answer).upper()) & set("ABCDE")
    wrong = sorted(got ^ set("AE"))
    return not wrong or f"Look at {wrong[0]} again: {_LOOK_AT[wrong[0]]}"


register(Exercise(
    "true_claims", "AE", accepts=_letters,
    hints=(
        "Hold each claim against the identity log p = ELBO + KL, and ask which terms can move.",
        "For C and D the solved model gives an example: its curves, and its best encoder.",
    ),
    mistakes={
        "the gap as a KL between joint and encoder": Mistake("ABE", f"Look at B again: {_LOOK_AT['B']}"),
        "the bound taken for the likelihood": Mistake("ACE", f"Look at C again: {_LOOK_AT['C']}"),
        "a KL that is never 0": Mistake("ADE", f"Look at D again: {_LOOK_AT['D']}"),
    },
))
