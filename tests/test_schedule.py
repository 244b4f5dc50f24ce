import math

import pytest
import torch
from torch.testing import assert_close

import ddpm_lite as dl
from ddpm_lite.schedule import at, fit


def test_tables_start_at_clean_data_and_follow_the_products():
    for sched in (dl.linear(), dl.cosine(), dl.Schedule.from_beta([0.1, 0.3, 0.2])):
        assert sched.beta.dtype == sched.alpha_bar.dtype == torch.float64
        assert sched.beta[0] == 0 and sched.alpha_bar[0] == 1 and len(sched.beta) == sched.T + 1
        product = 1.0
        for t in range(1, sched.T + 1):
            product *= 1 - float(sched.beta[t])
            assert math.isclose(float(sched.alpha_bar[t]), product, rel_tol=1e-12)


def test_linear_is_the_papers_and_scales_with_T():
    sched = dl.linear()
    assert sched.T == 1000 and math.isclose(sched.beta[1], 1e-4) and math.isclose(sched.beta[1000], 0.02)
    assert f"{float(sched.alpha_bar[1000]):.2e}" == "4.04e-05"
    assert math.isclose(dl.linear(200).beta[200], 0.1) and math.isclose(dl.linear(200).beta[1], 5e-4)
    assert float(dl.linear(200).alpha_bar[200]) < 1e-4                  # still ends in noise
    assert dl.linear(10).beta.max() < 1                                 # the scale is capped
    assert math.isclose(dl.linear(200, beta_1=1e-4, beta_T=0.02).beta[200], 0.02)      # as given


def test_cosine_follows_its_formula_and_holds_at_both_ends():
    T, s = 1000, 0.008
    sched = dl.cosine(T)
    t = torch.arange(T, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    assert_close(sched.alpha_bar[:T], f / f[0], rtol=1e-9, atol=1e-12)
    assert 0 < sched.beta[1] < 1e-4 and math.isclose(sched.beta[T], 0.999) and 0 < sched.alpha_bar[T] < 1e-6


def test_snr():
    sched = dl.Schedule.from_beta([0.5, 0.5])
    assert sched.snr.tolist() == pytest.approx([math.inf, 1.0, 1 / 3], abs=1e-15)


def test_gather_keeps_float64_until_the_cast():
    sched = dl.linear()
    x = torch.zeros(3, 1, 2, 2, dtype=torch.bfloat16)
    gathered = at(sched.alpha_bar, torch.tensor([1, 500, 1000]))
    assert gathered.dtype == torch.float64
    noise = fit((1 - gathered).sqrt(), x)                               # cast first, it would be 0
    assert noise.dtype == torch.bfloat16 and noise.shape == (3, 1, 1, 1)
    assert math.isclose(noise[0], 0.01, rel_tol=1e-2)


def test_a_device_without_float64_never_sees_it():
    """The meta device stands for one: what reaches it must have x's type already."""
    x = torch.zeros(2, 1, 2, 2, device="meta")
    seen = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.device.type == "meta":
                seen.append(out.dtype)
            return out

    with Watch():
        dl.q_posterior(dl.linear(), x, x, torch.tensor([3, 7]))
        dl.q_xt(dl.linear(), x, torch.tensor([3, 7]))
    assert seen and set(seen) == {torch.float32}


@pytest.mark.parametrize(("make", "says"), [
    (lambda: dl.linear(T=0), "T must be a whole number, at least 2, got 0"),
    (lambda: dl.linear(T=1), "at least 2, got 1"),
    (lambda: dl.cosine(T=2.5), "at least 2, got 2.5"),
    (lambda: dl.linear(T=10, beta_T=1.5), "beta_T must lie strictly between 0 and 1, got 1.5"),
    (lambda: dl.linear(T=10, beta_1=0.0), "beta_1 must lie strictly between 0 and 1, got 0"),
    (lambda: dl.Schedule.from_beta([0.999] * 200), "alpha_bar must fall at every step"),
    (lambda: dl.Schedule.from_beta([1e-17, 0.1]), "alpha_bar must fall at every step"),
    (lambda: dl.Schedule.from_beta([0.1, 1.5]), "strictly between 0 and 1, got beta_2 = 1.5"),
    (lambda: dl.Schedule.from_beta([0.1, 0.0]), "got beta_2 = 0"),
    (lambda: dl.Schedule.from_beta([math.nan]), "got beta_1 = nan"),
    (lambda: dl.Schedule.from_beta([]), "T >= 1"),
    (lambda: dl.Schedule(torch.tensor([0, 0.1]), torch.tensor([1, 0.9])), "float64"),
    (lambda: dl.cosine(s=-1), "s must be at least 0"),
    (lambda: at(dl.linear(10).beta, 11), r"t must lie in \[0, 10\], got 11"),
    (lambda: at(dl.linear(10).beta, -1), r"got -1"),
    (lambda: at(dl.linear(10).beta, torch.tensor([3, -2])), r"got -2 to 3"),
    (lambda: at(dl.linear(10).beta, torch.tensor([0.5])), "int64"),
    (lambda: at(dl.linear(10).beta, 0.5), "int64 tensor"),
    (lambda: at(dl.linear(10).beta, True), "int64 tensor"),
    (lambda: at(dl.linear(10).beta, torch.ones(11, dtype=torch.bool)), "int64 tensor"),
    (lambda: dl.q_xt(dl.linear(10), torch.ones(2, 3, dtype=torch.uint8), 5), "float tensor, got torch.uint8"),
    (lambda: fit(dl.linear(10).beta[1:3], torch.zeros(3, 4)), "one entry an example, 3, got 2"),
])
def test_bad_input_gets_one_clear_line(as_user, make, says):
    with pytest.raises(ValueError, match=says) as error:
        make()
    assert "\n" not in str(error.value)


def test_the_lazy_names_are_the_imported_ones():
    for name in dl.__all__:
        assert getattr(dl, name) is not None
    with pytest.raises(AttributeError, match="linear"):
        _ = dl.linaer
