"""What must hold for any input: hypothesis draws shapes, types, T, steps, schedules, always the same ones."""

import math
from itertools import pairwise
from pathlib import Path

import hypothesis.configuration
import pytest
import torch
from conftest import uneven
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import ddpm_lite as dl
from ddpm_lite.atomic import write
from ddpm_lite.batches import draw, order, stratified
from ddpm_lite.ema import Average
from ddpm_lite.files import npy_header, read_npy, read_tensors, write_tensors
from ddpm_lite.prediction import scales
from ddpm_lite.schedule import at

# No database: nothing is left in the repository, and a run depends on no run before it.
hypothesis.configuration.set_hypothesis_home_dir(Path(__file__).parent.parent / "build" / "hypothesis")
few = settings(derandomize=True, deadline=None, max_examples=25, database=None,
               suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TYPES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.05}        # and what to expect of each
EXACT = [torch.float64, torch.float32]
betas = st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=40)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)         # b and the dims of an example
seeds = st.integers(0, 2**32 - 1)


def normal(shape, seed, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def a_time(data, sched, b, low=1):
    """An int, or a tensor of one per example."""
    t = st.integers(low, sched.T)
    return data.draw(t | st.lists(t, min_size=b, max_size=b).map(torch.tensor), label="t")


# Schedules

@few
@given(betas)
def test_any_betas_make_a_schedule(beta):
    sched = dl.Schedule.from_beta(beta)
    assert sched.T == len(beta) and sched.snr[0] == math.inf
    assert sched.beta[0] == 0 and sched.alpha_bar[0] == 1
    assert_close(sched.beta[1:], torch.tensor(beta, dtype=torch.float64), rtol=0, atol=0)
    assert_close(sched.alpha_bar[1:].log(), (1 - sched.beta[1:]).log().cumsum(0), rtol=1e-12, atol=1e-14)
    assert (sched.alpha_bar.diff() < 0).all() and (sched.snr.diff() < 0).all() and sched.alpha_bar[-1] > 0


@few
@given(st.sampled_from([*dl.SCHEDULES]), st.integers(2, 2000))
def test_named_schedules_end_in_noise_for_any_T(name, T):
    sched = dl.SCHEDULES[name](T=T)
    assert sched.T == T and 0 < sched.alpha_bar[T] < (0.01 if T >= 10 else 0.5)
    assert ((0 < sched.beta[1:]) & (sched.beta[1:] < 1)).all()
    assert T < 20 or sched.alpha_bar[1] > 0.8                           # the first step is a small one


@few
@given(betas, st.data())
def test_one_beta_out_of_range_is_named(beta, data):
    i = data.draw(st.integers(0, len(beta) - 1))
    beta[i] = data.draw(st.floats(max_value=0) | st.floats(min_value=1) | st.just(math.nan))
    with pytest.raises(ValueError, match=rf"strictly between 0 and 1, got beta_{i + 1} = "):
        dl.Schedule.from_beta(beta)


@few
@given(betas, st.floats(1e-6, 1), st.booleans())
def test_tables_that_do_not_start_at_clean_data_are_refused(beta, off, which):
    sched = dl.Schedule.from_beta(beta)
    tables = [sched.beta.clone(), sched.alpha_bar.clone()]
    tables[which][0] += off if which == 0 else -off
    with pytest.raises(ValueError, match=f"{['beta', 'alpha_bar'][which]} must be .* that starts with"):
        dl.Schedule(*tables)


@few
@given(betas, st.integers(-50, 90))
def test_a_time_is_looked_up_or_refused(beta, t):
    table = dl.Schedule.from_beta(beta).alpha_bar
    for time in (t, torch.tensor([0, t])):
        if 0 <= t <= len(beta):
            assert at(table, time).reshape(-1)[-1] == table[t]
        else:
            with pytest.raises(ValueError, match=rf"t must lie in \[0, {len(beta)}\], got "):
                at(table, time)


# The process

@few
@given(betas, shapes, seeds, st.sampled_from([*TYPES]), st.data())
def test_two_jumps_are_one(beta, shape, seed, dtype, data):
    """From 0 to s by q_xt, from s to t step by step: the moments of q_xt at t."""
    sched, x0 = dl.Schedule.from_beta(beta), normal(shape, seed, dtype)
    s = data.draw(st.integers(0, sched.T))
    t = data.draw(st.integers(s, sched.T))
    law = dl.q_xt(sched, x0, s)
    mean, var = law.mean, law.var
    for r in range(s + 1, t + 1):
        step = dl.q_step(sched, mean, r)
        mean, var = step.mean, (1 - step.var) * var + step.var
    law = dl.q_xt(sched, x0, t)
    assert law.mean.dtype == law.var.dtype == dtype and law.mean.shape == shape
    error = TYPES[dtype] * (1 + (t - s) * (dtype == torch.bfloat16))    # which rounds at each step
    assert_close(mean, law.mean, rtol=error, atol=error)
    assert_close(var, law.var, rtol=error, atol=error)


@few
@given(betas, shapes, seeds, st.data())
def test_the_posterior_and_the_forward_step_make_the_same_joint(beta, shape, seed, data):
    """q(x_s | x_0) q(x_t | x_s) = q(x_t | x_0) q(x_s | x_t, x_0) at any point, in logs; float64."""
    sched = dl.Schedule.from_beta(beta + [0.3])
    t = data.draw(st.integers(2, sched.T))
    s = data.draw(st.integers(1, t - 1))
    x0, xs, xt = normal((3, *shape), seed)
    ratio = sched.alpha_bar[t] / sched.alpha_bar[s]
    jump = dl.Normal(ratio.sqrt() * xs, 1 - ratio)

    def log(law, x):
        return -(x - law.mean).square() / (2 * law.var) - 0.5 * (math.tau * law.var).log()

    left = log(dl.q_xt(sched, x0, s), xs) + log(jump, xt)
    right = log(dl.q_xt(sched, x0, t), xt) + log(dl.q_posterior(sched, x0, xt, t, s), xs)
    assert_close(left, right, rtol=1e-9, atol=1e-7)


@few
@given(betas, shapes, seeds, st.sampled_from([*TYPES]), st.data())
def test_the_posterior_at_the_data_and_its_variance(beta, shape, seed, dtype, data):
    sched = dl.Schedule.from_beta(beta)
    t = a_time(data, sched, shape[0])
    x0, xt = normal((2, *shape), seed, dtype)
    p = dl.q_posterior(sched, x0, xt, t)
    assert p.mean.shape == shape and p.mean.dtype == dtype and p.mean.isfinite().all()
    assert (p.var >= 0).all() and (p.var <= dl.q_step(sched, x0, t).var * (1 + TYPES[dtype])).all()
    first = torch.as_tensor(t).expand(shape[0]) == 1
    assert_close(p.mean[first], x0[first], rtol=TYPES[dtype], atol=TYPES[dtype])
    assert (p.var.expand(shape[0], *[1] * (len(shape) - 1))[first] == 0).all()


# Predictions and losses

@few
@given(betas, shapes, seeds, st.sampled_from([*dl.TARGETS]), st.sampled_from(EXACT), st.data())
def test_targets_round_trip(beta, shape, seed, target, dtype, data):
    sched = dl.Schedule.from_beta(beta)
    t = a_time(data, sched, shape[0])
    x0, eps = normal((2, *shape), seed, dtype)
    xt = dl.q_xt(sched, x0, t).sample(eps)
    a, b = scales(sched, t, xt)
    hat = dl.predict(sched, target, dl.TARGETS[target].make(x0, eps, a, b), xt, t)
    error = 4 * TYPES[dtype] / torch.minimum(a, b)                      # a division magnifies a rounding
    assert ((hat.x0 - x0).abs() <= error).all() and ((hat.eps - eps).abs() <= error).all()
    assert hat.x0.dtype == hat.eps.dtype == dtype


@few
@given(betas, shapes, seeds, st.sampled_from([*dl.TARGETS]), st.floats(0.1, 3), st.data())
def test_a_clipped_pair_recombines(beta, shape, seed, target, clip, data):
    sched = dl.Schedule.from_beta(beta)
    t = a_time(data, sched, shape[0])
    out, xt = normal((2, *shape), seed)
    (a, b), hat = scales(sched, t, xt), dl.predict(sched, target, out, xt, t, clip=clip)
    assert hat.x0.abs().max() <= clip
    assert_close(a * hat.x0 + b * hat.eps, xt, rtol=1e-12, atol=1e-12)


@few
@given(betas, shapes, seeds, st.sampled_from([*dl.TARGETS]), st.sampled_from([*TYPES]), st.data())
def test_losses_are_one_number_an_example(beta, shape, seed, target, dtype, data):
    """... that depends on this example alone, and is 0 for a network that knows x0."""
    sched, b = dl.Schedule.from_beta(beta), shape[0]
    t = a_time(data, sched, b)
    x0, eps = normal((2, *shape), seed, dtype)

    def right(x, t):
        a, b = scales(sched, t, x)
        return dl.TARGETS[target].make(x0, (x - a * x0) / b, a, b)

    if dtype != torch.bfloat16:
        least = dl.simple_loss(right, sched, x0, t, eps, target)
        assert_close(least, torch.zeros(b, dtype=dtype), rtol=0, atol=1e-6)
    loss = dl.simple_loss(lambda x, t: x, sched, x0, t, eps, target)
    assert loss.shape == (b,) and loss.dtype == dtype and loss.isfinite().all()
    last = torch.as_tensor(t).expand(b)[-1:]
    alone = dl.simple_loss(lambda x, t: x, sched, x0[-1:], last, eps[-1:], target)
    assert_close(alone, loss[-1:], rtol=TYPES[dtype], atol=TYPES[dtype])


@few
@given(betas, shapes, seeds, st.sampled_from(["beta", "beta_tilde"]), st.sampled_from(EXACT), st.data())
def test_the_bounds_parts_are_finite_and_no_kl_is_negative(beta, shape, seed, variance, dtype, data):
    sched = dl.Schedule.from_beta(beta)
    x0 = (normal(shape, seed, dtype).clamp(-1, 1) * 8).round() / 8
    g = torch.Generator().manual_seed(seed)
    draws = None if sched.T == 1 else data.draw(st.integers(1, sched.T - 1))
    cost = dl.elbo(lambda x, t: 0.5 * x, sched, x0, variance=variance, levels=17, draws=draws, generator=g)
    for part in (*cost, cost.total):
        assert part.shape == shape[:1] and part.isfinite().all()
    assert (cost.prior >= 0).all() and (cost.diffusion >= 0).all() and (cost.reconstruction >= 0).all()
    assert (cost.diffusion > 0).all() == (sched.T > 1)


# Samplers

@few
@given(st.integers(1, 3000), st.data())
def test_times_fall_evenly_from_T_to_0(T, data):
    steps = data.draw(st.integers(1, T))
    ts = dl.times(T, steps)
    assert ts[0] == T and ts[-1] == 0 and len(ts) == steps + 1
    assert {a - b for a, b in pairwise(ts)} <= {T // steps, -(-T // steps)} - {0}


@few
@given(st.integers(1, 60), st.lists(st.integers(-3, 70), max_size=6)
       | st.lists(st.integers(0, 9), max_size=4).map(lambda ts: [*sorted(ts, reverse=True), 0]))
def test_any_other_times_are_refused(T, ts):
    if ts and len(ts) > 1 and T >= ts[0] and ts[-1] == 0 and ts == sorted(set(ts), reverse=True):
        assert dl.times(T, ts) == ts
    else:
        with pytest.raises(ValueError, match="times must be whole numbers that fall"):
            dl.times(T, ts)


@few
@given(betas, shapes, st.sampled_from([*dl.SAMPLERS]), st.sampled_from([*dl.TARGETS]),
       st.sampled_from([*TYPES]), st.none() | st.floats(0.3, 2), st.data())
def test_samplers_end_finite_at_the_right_times(beta, shape, sampler, target, dtype, clip, data):
    sched = dl.Schedule.from_beta(beta)
    steps = data.draw(st.none() | st.integers(1, sched.T)) or sched.T
    exact, calls = dl.exact.gaussian(sched, 0.2, 0.4), []

    def net(x, t):
        calls.append(t.tolist())
        a, b = scales(sched, t, x)
        eps = exact(x, t)
        return dl.TARGETS[target].make((x - b * eps) / a, eps, a, b)

    x = normal(shape, 3, dtype)
    states = list(dl.SAMPLERS[sampler](net, sched, x, steps, target=target, clip=clip))
    ts = dl.times(sched.T, steps)
    assert [s.t for s in states] == ts[1:] and calls == [[t] * shape[0] for t in ts[:-1]]
    assert all(s.x.shape == shape and s.x.dtype == dtype and s.x.isfinite().all() for s in states)
    assert_close(states[-1].x, states[-1].x0, rtol=TYPES[dtype], atol=TYPES[dtype])
    assert clip is None or states[-1].x0.abs().max() <= clip * (1 + TYPES[dtype])


# What a step of training draws

@few
@given(seeds, st.integers(1, 30), st.integers(1, 50), st.integers(1, 5))
def test_every_example_is_seen_once_an_epoch(seed, n, batch, epochs):
    steps = -(-n * epochs // batch)
    seen = torch.cat([order(seed, k, batch, n) for k in range(steps)])
    assert len(seen) == steps * batch
    assert (seen[: n * epochs].reshape(epochs, n).sort(1).values == torch.arange(n)).all()


@few
@given(seeds, st.integers(0, 10**6), st.integers(1, 300), shapes, st.integers(1, 60), st.floats(0, 1),
       st.integers(1, 8))
def test_the_parts_of_a_draw_make_the_whole(seed, k, batch, shape, T, hide, world):
    world = min(world, batch)                                           # each process has an example
    n, dims = 17, shape[1:]
    whole = draw(seed, k, batch, n, dims, T, hide, slice(None))
    assert whole.eps.shape == (batch, *dims) and 1 <= whole.t.min() <= whole.t.max() <= T
    assert 0 <= whole.examples.min() <= whole.examples.max() < n
    ends = [r * batch // world for r in range(world + 1)]
    parts = [draw(seed, k, batch, n, dims, T, hide, slice(*ab)) for ab in pairwise(ends)]
    for whole_field, *part_fields in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat(part_fields), whole_field)


@few
@given(seeds, st.integers(1, 500), st.integers(1, 1500))
def test_each_stratum_of_times_has_one(seed, batch, T):
    t = stratified(batch, T, torch.Generator().manual_seed(seed))
    i = torch.arange(batch)
    assert (t > i * T // batch).all() and ((t - 1) * batch < (i + 1) * T).all()


# The average, files

@few
@given(shapes, seeds, st.floats(0, 0.9999), st.integers(1, 30))
def test_the_average_lies_among_the_weights_it_has_seen(shape, seed, decay, steps):
    net = nn.ParameterDict({"w": nn.Parameter(torch.zeros(shape))})
    average, seen = Average(net, decay), []
    for n in range(steps):
        with torch.no_grad():
            net["w"].copy_(normal(shape, seed + n, torch.float32))
        seen.append(net["w"].detach().clone())
        average.update_parameters(net)
    (low, high), w = torch.stack(seen).aminmax(dim=0), average.module["w"]
    assert ((low - 1e-6 <= w) & (w <= high + 1e-6)).all() and not w.requires_grad
    assert steps > 1 or torch.equal(w, seen[0])


@few
@given(st.tuples(*[st.integers(1, 5)] * 4), seeds, st.integers(1, 4))
def test_npy_files_come_back_bit_by_bit(tmp_path, shape, seed, parts):
    images = normal(shape, seed, torch.float32).clamp(-1, 1)
    write(tmp_path / "x.npy", [npy_header(*shape), *(x.numpy().tobytes() for x in images.chunk(parts))])
    assert torch.equal(read_npy(tmp_path / "x.npy"), images)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[: -1 - seed % (len(whole) - 1)])
    with pytest.raises(OSError, match="cut short, or is no .npy file"):
        read_npy(tmp_path / "x.npy")


@few
@given(st.dictionaries(st.text("abc._", min_size=1, max_size=8), shapes, max_size=4), seeds,
       st.sampled_from([*TYPES, torch.int64]), st.data())
def test_tensors_come_back_bit_by_bit_or_not_at_all(tmp_path, named, seed, dtype, data):
    tensors = {name: (100 * normal(shape, seed)).to(dtype) for name, shape in named.items()}
    write_tensors(tmp_path / "x", tensors, {"step": "3"})
    back, about = read_tensors(tmp_path / "x")
    assert back.keys() == tensors.keys() and about["step"] == "3"
    for name, v in tensors.items():
        assert back[name].dtype == dtype and torch.equal(back[name], v)
    whole = bytearray((tmp_path / "x").read_bytes())
    start = 8 + int.from_bytes(whole[:8], "little")                     # of the numbers
    if start < len(whole):
        whole[data.draw(st.integers(start, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        (tmp_path / "x").write_bytes(whole)
        with pytest.raises(OSError, match="checksum is wrong"):
            read_tensors(tmp_path / "x")


# Devices and processes, without a second device: the meta device stands for one

class Drawn(TorchDispatchMode):
    """Notes where random numbers are drawn."""

    def __init__(self):
        super().__init__()
        self.devices = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.devices.append(out.device.type)
        return out


def test_noise_is_drawn_on_the_cpu_wherever_x_is():
    """CPU and GPU have other streams: what must repeat on both is drawn on one."""
    x = torch.empty(4, 1, 2, device="meta")
    with Drawn() as drawn:
        noise = dl.seeded_noise(0)(x)
        cost = dl.elbo(lambda x, t: x, uneven(), x, generator=torch.Generator().manual_seed(0))
    assert noise.device.type == cost.total.device.type == "meta"
    assert len(drawn.devices) > 12 and set(drawn.devices) == {"cpu"}


def test_seeded_noise_is_standard_normal():
    """Moments of 1e5 draws within 5 standard errors: 0, 1, 0 and 3."""
    z = dl.seeded_noise(0)(torch.zeros(100_000, dtype=torch.float64))
    for power, (moment, spread) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs(float((z**power).mean()) - moment) < 5 * (spread / 100_000) ** 0.5


class Elsewhere(Tensor):
    """A tensor on another device: it can't index one here, and `.to` brings it here."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        assert func is not Tensor.__getitem__, "indices should be on the table's device"
        out = super().__torch_function__(func, types, args, kwargs or {})
        return out.as_subclass(Tensor) if func is Tensor.to else out


def test_times_on_another_device_are_brought_to_the_table():
    sched, t, x = uneven(), torch.tensor([3, 7]), torch.randn(2, 3)
    there = t.as_subclass(Elsewhere)
    with pytest.raises(AssertionError, match="table's device"):
        sched.beta[there]
    assert torch.equal(dl.q_posterior(sched, x, x, there).mean, dl.q_posterior(sched, x, x, t).mean)


def test_training_starts_no_process(monkeypatch):
    """The workers of a DataLoader hang in notebooks, and on systems that start them afresh."""
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", lambda self: pytest.fail("a worker"))
    config = dl.TrainConfig(steps=3, device="cpu")
    trainer = dl.Trainer(dl.MLP(width=8), dl.cosine(9), torch.randn(9, 2), config)
    assert [step.step for step in trainer.run()] == [3]
