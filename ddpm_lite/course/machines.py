"""Four machines that make digits, for notebook 10 to judge. Nothing is trained. Vote before you read on."""

import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_lite.data import digits
from ddpm_lite.metrics import sqrt

Images = Float[Tensor, "n 1 8 8"]
SAMPLES = 190                                                           # of each machine


def bells(n: int, generator: torch.Generator, width: float = 1.0) -> Images:
    """n digits from a Gaussian over the 64 pixels for each kind; `width` scales its spread."""
    (train, labels), images = digits("train", labels=True), list[Tensor]()
    for k in torch.randint(10, (n,), generator=generator).bincount(minlength=10).tolist():
        data = train[labels == len(images)].flatten(1)
        noise = torch.randn(k, 64, generator=generator)
        images.append(data.mean(0) + width * noise @ sqrt(torch.cov(data.T)))
    return torch.cat(images)[torch.randperm(n, generator=generator)].reshape(-1, 1, 8, 8).clamp(-1, 1)


def four(generator: torch.Generator) -> dict[str, Images]:
    """A copies, B draws from bells, C knows no 4 and no 7, D is perfect: every second held-out digit."""
    train, (test, labels) = digits("train"), digits("test", labels=True)
    perfect, kinds = test[::2], labels[::2]
    return {"A": train[torch.randperm(len(train), generator=generator)[:SAMPLES]],
            "B": bells(SAMPLES, generator),
            "C": perfect[(kinds != 4) & (kinds != 7)][:SAMPLES],
            "D": perfect[torch.randperm(len(perfect), generator=generator)[:SAMPLES]]}
