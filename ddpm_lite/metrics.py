"""How good are samples? Like held-out data (Frechet, coverage), new (copies, neighbours), of every class.

Distances of kind are taken in the features of a small classifier, trained here on the data at hand.
"""
import hashlib
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

Images = Float[Tensor, "_ c h w"]
Features = Float[Tensor, "_ d"]
Labels = Int[Tensor, " _"]


class Evaluation(NamedTuple):
    frechet: float                               # distance to the test split, in features
    floor: float                                 # the same for the train split: as near as real data come
    ratio: float                                 # frechet / floor: 1 is as good as real data
    coverage: float                              # share of test images that have a sample nearby, 0 to 1
    real_coverage: float                         # the same for as many training images
    copies: float                                # share of samples that are a training image again
    neighbour: float                             # median distance to the nearest training image / test's own
    classes: list[int]                           # samples per class, as the classifier sees them


def evaluate(samples: Images, train: Images, test: Images, labels: Labels) -> Evaluation:
    """All of the above; `labels` belong to `train`. Floor and real coverage are what as many training images
    get."""
    for name, images in (("samples", samples), ("test", test)):
        if images.shape[1:] != train.shape[1:]:
            raise ValueError(f"{name} must be images of shape {list(train.shape[1:])}, "
                             f"got {list(images.shape[1:])}")
        if len(images) < 10:
            raise ValueError(f"{name} must be 10 or more images, got {len(images)}")
        if bad := int((~images.isfinite()).flatten(1).any(1).sum()):
            raise ValueError(f"{name} must be finite, got NaN or infinity in {bad} of {len(images)} images")
    net = classifier(train, labels)
    part = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:len(samples)]
    fake, seen, real = net.features(samples), net.features(train[part]), net.features(test)
    far, floor = frechet(fake[:len(seen)], real), frechet(seen, real)
    return Evaluation(
        frechet=far, floor=floor, ratio=far / floor,
        coverage=coverage(real, fake[:len(real)]), real_coverage=coverage(real, seen[:len(real)]),
        copies=copies(samples, train),
        neighbour=(nearest(samples, train).median() / nearest(test, train).median()).item(),
        classes=net.head(fake.float()).argmax(1).bincount(minlength=int(labels.max()) + 1).tolist())


def frechet(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^1/2), A and B the covariances (Heusel et al. 2017, eq. 6);
    float64. Small sets come out too far: compare equal numbers only."""
    a, b = a.double(), b.double()
    root = sqrt(torch.cov(a.T))
    cross = torch.linalg.eigvalsh(root @ torch.cov(b.T) @ root).clamp(min=0).sqrt().sum()   # tr (A B)^1/2
    return ((a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum() + b.var(0).sum() - 2 * cross).item()


def sqrt(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """The root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def nearest(a: Float[Tensor, "n *dims"], b: Float[Tensor, "m *dims"], k: int = 1) -> Float[Tensor, " n"]:
    """The distance from each of a to its k-th nearest of b; a block at a time, so memory stays bounded."""
    if not 1 <= k <= len(b):
        raise ValueError(f"k must lie in [1, {len(b)}], got {k}")
    flat = b.flatten(1)
    return torch.cat([torch.cdist(x.flatten(1), flat, compute_mode="donot_use_mm_for_euclid_dist")
                      .kthvalue(k, dim=1).values for x in a.split(256)])


def coverage(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5) -> float:
    """The share of real points that have a fake one as near as their k-th real neighbour (Naeem et al. 2020,
    eq. 5). If both are of one distribution and n = m: about 1 - 2^-k."""
    return (nearest(real, fake) <= nearest(real, real, k + 1)).double().mean().item()   # the first is itself


def copies(samples: Images, train: Images) -> float:
    """The share of samples that are three times nearer to one training image than to any other (Yoon et al.
    2023): almost that image again."""
    return (nearest(samples, train, 1) < nearest(samples, train, 2) / 3).double().mean().item()


class Classifier(nn.Module):
    """Two convolutions and a layer of 64 features, which are what the distances are taken in."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 32, 3, padding=1), nn.SiLU(),
                                  nn.Conv2d(32, 64, 3, padding=1, stride=2), nn.SiLU(),
                                  nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 64), nn.SiLU())
        self.head = nn.Linear(64, classes)

    def forward(self, x: Images) -> Float[Tensor, "_ classes"]:
        return self.head(self.body(x))

    @torch.no_grad()
    def features(self, x: Images) -> Features:
        return torch.cat([self.body(part) for part in x.split(1024)]).double()


STEPS = 200                                      # of the classifier's training
_trained: dict[str, Classifier] = {}


def classifier(images: Images, labels: Labels) -> Classifier:
    """A small classifier of these images, trained in seconds, always the same, kept for the next call;
    it knows 98% of the held-out digits."""
    if len(images) != len(labels):
        raise ValueError(f"one label per image: got {len(images)} images and {len(labels)} labels")
    key = hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
    if key not in _trained:
        with torch.random.fork_rng(devices=[]):                         # the caller's random stream goes on
            torch.manual_seed(0)
            net = Classifier(images.shape[1], int(labels.max()) + 1)
        rng = torch.Generator().manual_seed(0)
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=STEPS)
        for _ in range(STEPS):
            i = torch.randint(len(images), (128,), generator=rng)
            x = images[i] + 0.2 * torch.randn(images[i].shape, generator=rng)     # noise, against overfitting
            optimizer.zero_grad()
            F.cross_entropy(net(x), labels[i]).backward()
            optimizer.step()
            rate.step()
        _trained[key] = net.eval().requires_grad_(False)
    return _trained[key]
