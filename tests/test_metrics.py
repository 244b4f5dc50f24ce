import math

import pytest
import torch
from torch.testing import assert_close

from ddpm_lite import data, metrics

DOUBLE = {"dtype": torch.float64}


@pytest.fixture(scope="module")
def digits():
    images, labels = data.digits(labels=True)
    return images, data.digits("test"), labels


def cloud(n: int, mean: list[float], cov: list[list[float]]) -> torch.Tensor:
    """n points whose sample mean and covariance are exactly these."""
    x = torch.randn(n, len(mean), **DOUBLE)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False)
    return (torch.linalg.cholesky(torch.tensor(cov, **DOUBLE)) @ white).T + torch.tensor(mean, **DOUBLE)


def check_frechet():
    """Two Gaussians of the plane: tr (A B)^1/2 = sqrt(tr A B + 2 sqrt(det A B)); float64, 1e-9."""
    a, b = [[2.0, 0.6], [0.6, 0.5]], [[0.7, -0.4], [-0.4, 1.5]]         # they don't commute
    x, y = cloud(50, [1.0, 2.0], a), cloud(80, [-1.0, 0.5], b)
    product = torch.tensor(a, **DOUBLE) @ torch.tensor(b, **DOUBLE)
    cross = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    assert metrics.frechet(x, y) == pytest.approx(4 + 2.25 + 2.5 + 2.2 - 2 * cross, abs=1e-9)
    assert metrics.frechet(y, x) == pytest.approx(metrics.frechet(x, y), abs=1e-9)
    assert metrics.frechet(x, x) == pytest.approx(0, abs=1e-9)
    wide = torch.randn(5, 20, **DOUBLE)                                 # fewer points than dimensions
    assert metrics.frechet(wide, wide + 1) == pytest.approx(20, abs=1e-6)


def check_coverage():
    """By hand on a line, then the mean for one distribution, 1 - prod (n - i) / (2n - i) (Naeem et al.)."""
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])                   # second neighbours at 3, 2, 3, 6
    assert metrics.coverage(real, torch.tensor([[3.5]]), k=2) == 0.5    # 3.5 off, 2.5 off, in, in
    assert metrics.coverage(real, torch.tensor([[-2.9], [12.0]]), k=2) == 0.5
    n, k, draws = 60, 3, 200
    got = torch.tensor([metrics.coverage(torch.randn(n, 2), torch.randn(n, 2), k) for _ in range(draws)])
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    assert abs(got.mean() - expected) < 5 * got.std() / math.sqrt(draws)


def check_nearest():
    """Against a sort of all distances, over more than one block; float64, 1e-12."""
    a, b = torch.randn(300, 2, 3, **DOUBLE), torch.randn(40, 2, 3, **DOUBLE)
    all_of_them = (a[:, None] - b).square().sum((2, 3)).sqrt().sort(1).values
    for k in (1, 2, 40):
        assert_close(metrics.nearest(a, b, k), all_of_them[:, k - 1], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"k must lie in \[1, 40\], got 41"):
        metrics.nearest(a, b, 41)


def check_copies():
    train, test = data.digits(), data.digits("test")
    near = train[:200] + 0.01 * torch.randn(200, 1, 8, 8)
    assert metrics.copies(near, train) == 1
    assert metrics.copies(test, train) <= 0.002
    assert metrics.copies(torch.cat([near, test[:200]]), train) == pytest.approx(0.5, abs=0.01)


CHECKS = [check_frechet, check_coverage, check_nearest, check_copies]


@pytest.mark.parametrize("check", CHECKS)
def test_it_holds(check):
    check()


def diagonal(matrix):
    return matrix.diagonal().sqrt().diag()


def one_nearer(a, b, k=1, original=metrics.nearest):
    return original(a, b, max(k - 1, 1))


def squared(a, b, k=1, original=metrics.nearest):
    return original(a, b, k).square()


FAULTS = {
    "root element by element": (check_frechet, "sqrt", diagonal),
    "no root": (check_frechet, "sqrt", lambda matrix: matrix),
    "oneself not counted": (check_coverage, "nearest", one_nearer),
    "one neighbour too near": (check_nearest, "nearest", one_nearer),
    "squared distance": (check_nearest, "nearest", squared),
    "nearest against nearest": (check_copies, "nearest", one_nearer),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault, monkeypatch):
    check, name, wrong = FAULTS[fault]
    monkeypatch.setattr(metrics, name, wrong)
    with pytest.raises(AssertionError):
        check()


def test_the_classifier_knows_digits_and_is_always_the_same(digits):
    """97 of 100 held-out digits; trained twice bit by bit alike; the caller's random stream is untouched."""
    train, test, labels = digits
    state = torch.get_rng_state()
    net = metrics.classifier(train, labels)
    assert_close(torch.get_rng_state(), state, rtol=0, atol=0)
    right = net(test).argmax(1) == data.digits("test", labels=True)[1]
    assert right.float().mean() >= 0.97
    assert metrics.classifier(train.clone(), labels) is net
    metrics._trained.clear()
    assert_close(metrics.classifier(train, labels)(test), net(test), rtol=0, atol=0)


def test_evaluate_tells_good_from_bad(digits):
    train, test, labels = digits
    order = torch.randperm(len(train))
    copied = metrics.evaluate(train[order[:1000]], train, test, labels)
    assert 0.8 < copied.ratio < 1.25                                    # as near as real data
    assert copied.copies == 1 and copied.neighbour == 0                 # and found out
    assert abs(copied.coverage - copied.real_coverage) < 0.03
    assert sum(copied.classes) == 1000 and min(copied.classes) > 60

    held_out = metrics.evaluate(test, train, test, labels)
    assert held_out.frechet == pytest.approx(0, abs=1e-6) and held_out.coverage == 1
    assert held_out.copies <= 0.002 and held_out.neighbour == 1

    some = metrics.evaluate(train[labels < 5], train, test, labels)     # half the kinds
    assert some.ratio > 5 and some.coverage < 0.65 and sum(some.classes[5:]) < 0.03 * sum(some.classes)

    noisy = metrics.evaluate((train + 0.3 * torch.randn_like(train)).clamp(-1, 1), train, test, labels)
    assert noisy.ratio > 2 and noisy.copies == 0

    noise = metrics.evaluate(torch.randn(500, 1, 8, 8), train, test, labels)
    assert noise.ratio > 50 and noise.coverage < 0.05

    shifted = metrics.evaluate((train + 1) / 2, train, test, labels)    # data in [0, 1]
    assert shifted.ratio > 5


@pytest.mark.parametrize("bad, says", [
    (torch.zeros(20, 1, 8, 9), r"samples must be images of shape \[1, 8, 8\], got \[1, 8, 9\]"),
    (torch.zeros(9, 1, 8, 8), "samples must be 10 or more images, got 9"),
    (torch.full((20, 1, 8, 8), math.nan), "samples must be finite, got NaN or infinity in 20 of 20 images")])
def test_bad_samples_are_refused(digits, bad, says, as_user):
    train, test, labels = digits
    with pytest.raises(ValueError, match=says):
        metrics.evaluate(bad, train, test, labels)


def test_labels_must_match(digits):
    train, _, labels = digits
    with pytest.raises(ValueError, match="got 1297 images and 1296 labels"):
        metrics.classifier(train, labels[1:])
