"""Training: algorithm 1's gradient, the draws of a step, the moving average, budgets, bad ends."""

import inspect
import math
import re
import warnings
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

import ddpm_lite as dl
from ddpm_lite.batches import draw, generator, mixed, order, stratified
from ddpm_lite.dist import pick_device, start
from ddpm_lite.ema import Average
from ddpm_lite.train import LOSSES, TrainConfig, Trainer

SMALL = {"width": 8, "blocks": 1, "heads": 1}


def images(n: int = 20) -> torch.Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def small(data: torch.Tensor | None = None, labels: torch.Tensor | None = None, net: dict | None = None,
          T: int = 40, **config) -> Trainer:
    torch.manual_seed(0)
    config = {"steps": 4, "batch": 6, "log_every": 1, "device": "cpu"} | config
    unet = dl.UNet(dl.UNetConfig(**SMALL, **net or {}))
    return Trainer(unet, dl.cosine(T), images() if data is None else data, TrainConfig(**config), labels)


# What step k draws

def test_draws_depend_on_seed_and_step_alone():
    first = draw(3, 7, 8, 20, (1, 8, 8), 40, 0.5, slice(None))
    torch.rand(5)                                                       # the global stream plays no part
    again = draw(3, 7, 8, 20, (1, 8, 8), 40, 0.5, slice(None))
    for a, b in zip(first, again, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    for other in ((4, 7), (3, 8)):
        assert not torch.equal(first.eps, draw(*other, 8, 20, (1, 8, 8), 40, 0.5, slice(None)).eps)


def test_seeds_are_mixed_since_torch_keeps_32_bits():
    seeds = {mixed(seed, purpose, k) for seed in range(10) for purpose in (1, 2) for k in range(100)}
    assert len(seeds) == 2000 and max(seeds) < 2**32


@pytest.mark.parametrize("world", [2, 3])
def test_parts_of_a_draw_make_the_whole(world):
    whole = draw(0, 2, 8, 20, (2,), 40, 0.5, slice(None))
    ends = [r * 8 // world for r in range(world + 1)]
    parts = [draw(0, 2, 8, 20, (2,), 40, 0.5, slice(*part)) for part in pairwise(ends)]
    for name in whole._fields:
        torch.testing.assert_close(torch.cat([getattr(p, name) for p in parts]), getattr(whole, name),
                                   rtol=0, atol=0)


@pytest.mark.parametrize(("batch", "T"), [(16, 1000), (128, 1000), (10, 4), (1, 7)])
def test_times_are_stratified_and_uniform(batch, T):
    g = generator(0, 1, 0)
    ts = torch.stack([stratified(batch, T, g) for _ in range(4000 // batch * 10)])      # [draws, batch]
    assert ts.dtype == torch.int64 and ts.min() == 1 and ts.max() == T
    i = torch.arange(batch)
    assert (ts >= 1 + i * T // batch).all() and (ts <= -(-(i + 1) * T // batch)).all()  # each in its own part
    counts = torch.bincount(ts.flatten(), minlength=T + 1)[1:].double()
    expected = ts.numel() / T
    assert (counts - expected).abs().max() < 6 * expected**0.5          # six standard deviations


@pytest.mark.parametrize("batch", [3, 10, 23])
def test_each_epoch_shows_each_example_once(batch):
    n, epochs = 10, 12
    seen = torch.cat([order(5, k, batch, n) for k in range(-(-n * epochs // batch))])[: n * epochs]
    rows = seen.reshape(epochs, n)
    torch.testing.assert_close(rows.sort(1).values, torch.arange(n).expand(epochs, n))
    assert len({tuple(row) for row in rows.tolist()}) == epochs         # and never in the same order


# One step is algorithm 1

def gradient(trainer: Trainer) -> dict[str, torch.Tensor]:
    """AdamW's first moment after one step is a tenth of the gradient."""
    return {name: trainer.optimizer.state[p]["exp_avg"] * 10 for name, p in trainer.net.named_parameters()}


@pytest.mark.parametrize("loss", ["simple", "hybrid"])
@pytest.mark.parametrize("target", ["eps", "x0", "v"])
def test_the_first_step_follows_the_gradient_of_the_mean_loss(loss, target):
    learned = {"learned_variance": loss == "hybrid"}
    trainer = small(net=learned, loss=loss, target=target, clip=1e9, steps=1)
    by_hand = small(net=learned).net
    index, t, eps, _ = draw(0, 0, 6, 20, (1, 8, 8), 40, 0.1, slice(None))
    LOSSES[loss](by_hand, dl.cosine(40), images()[index], t, eps, target).mean().backward()
    step = next(trainer.run())
    for name, p in by_hand.named_parameters():                          # float32
        torch.testing.assert_close(gradient(trainer)[name], p.grad, rtol=1e-4, atol=1e-6)
    assert step.step == 1 and math.isfinite(step.loss)


def test_the_hybrid_loss_knows_the_grey_levels_of_its_data():
    net, sched = {"learned_variance": True}, dl.cosine(2)               # half the batch is at t = 1
    index, t, eps, _ = draw(0, 0, 6, 20, (1, 8, 8), 2, 0.1, slice(None))
    losses = []
    for name, levels in (("digits", 17), ("", 256)):
        said = TrainConfig(steps=1, batch=6, device="cpu", loss="hybrid", data=name)
        trainer, by_hand = Trainer(small(net=net).net, sched, images(), said), small(net=net).net
        expected = dl.hybrid_loss(by_hand, sched, images()[index], t, eps, levels=levels).mean()
        losses.append(next(trainer.run()).loss)
        assert losses[-1] == pytest.approx(expected.item(), rel=1e-5)   # float32
    assert losses[1] - losses[0] > 1e-3


def test_the_loss_falls_to_that_of_the_exact_denoiser():
    mean, var = torch.tensor([0.3, -0.5]), 0.25
    points = mean + var**0.5 * torch.randn(4000, 2)
    sched = dl.cosine(30)
    trainer = Trainer(dl.MLP(width=32, depth=2), sched, points,
                      TrainConfig(steps=500, batch=256, log_every=500, device="cpu"))
    list(trainer.run())
    g = torch.Generator().manual_seed(2)
    t, eps = torch.randint(1, 31, (4000,), generator=g), torch.randn(4000, 2, generator=g)
    exact = dl.exact.gaussian(sched, mean, torch.full((2,), var))
    with torch.no_grad():
        best = dl.simple_loss(exact, sched, points, t, eps).mean()
        got = dl.simple_loss(trainer.ema, sched, points, t, eps).mean()
    assert 0.98 * best < got < 1.06 * best, (got, best)


@pytest.mark.parametrize(("drop", "told"), [(0.0, True), (1.0, False)])
def test_labels_are_told_or_hidden(drop, told):
    labels = torch.arange(20) % 3
    trainer = small(labels=labels, net={"classes": 3}, label_drop=drop, batch=20, steps=3)
    list(trainer.run())                              # layers that start at 0 hide the label at first
    moved = trainer.optimizer.state[trainer.net.label.weight]["exp_avg"].abs().sum(1) > 0
    assert moved.tolist() == [told, told, told, not told]               # the last row stands for no class


def test_long_gradients_are_shortened():
    trainer = small(clip=1e-3, steps=1)
    list(trainer.run())
    norm = torch.stack([g.norm() for g in gradient(trainer).values()]).norm()
    torch.testing.assert_close(norm, torch.tensor(1e-3), rtol=1e-3, atol=0)


def test_the_rate_warms_up_and_stays():
    trainer = small(rate=0.01, warmup=4, steps=6)
    rates = [trainer.rate] + [step.rate for step in trainer.run()]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01, 0.01], rel=1e-12)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.01


def test_dropout_is_active_and_the_callers_random_stream_goes_on():
    trainer = small(net={"dropout": 0.5}, steps=4)
    before = torch.get_rng_state()
    list(trainer.run())
    assert torch.equal(before, torch.get_rng_state())
    assert trainer.net.training and not trainer.ema.training
    without = small(steps=4)
    list(without.run())
    assert not torch.equal(trainer.net.head[2].weight, without.net.head[2].weight)


# The moving average

class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("table", torch.zeros(2))


def test_the_average_follows_its_formula_and_copies_buffers():
    net, expected = Counting(), None
    average = Average(net, decay=0.3)
    for n in range(6):
        with torch.no_grad():
            net.weight.copy_(torch.randn(3))
            net.count += 1
            net.table.fill_(n)
        average.update_parameters(net)
        decay = min(0.3, (1 + n) / (10 + n))
        now = net.weight.detach().double()
        expected = now if expected is None else decay * expected + (1 - decay) * now
        torch.testing.assert_close(average.module.weight.double(), expected, rtol=1e-5, atol=1e-6)
        assert average.module.count == n + 1 and average.module.table.tolist() == [n, n]
    assert not average.module.weight.requires_grad


def test_a_young_average_is_near_the_weights():
    trainer = small(steps=5, ema=0.999, rate=1e-2, warmup=0)
    start = {k: v.clone() for k, v in trainer.net.state_dict().items()}
    list(trainer.run())
    for name, now in trainer.net.named_parameters():
        moved = (now - start[name]).norm()
        assert (trainer.ema.state_dict()[name] - now).norm() < 0.5 * moved, name


# Budgets

def test_reports_come_every_so_often_and_at_the_end():
    steps = [step.step for step in small(steps=7, log_every=3).run()]
    assert steps == [3, 6, 7]


def test_a_report_is_the_mean_of_the_losses_since_the_last():
    each = [step.loss for step in small(steps=6).run()]
    threes = [step.loss for step in small(steps=6, log_every=3).run()]
    assert threes == pytest.approx([sum(each[:3]) / 3, sum(each[3:]) / 3], rel=1e-12)


def test_the_seconds_are_kept():
    trainer = small(steps=None, seconds=0.5)
    last = list(trainer.run())[-1]
    assert 0.5 <= last.seconds < 3 and trainer.done
    assert list(trainer.run()) == []                                    # and nothing is left of them


def test_whichever_is_spent_first_ends_it():
    assert [s.step for s in small(steps=2, seconds=1e6).run()] == [1, 2]
    assert len(list(small(steps=10**9, seconds=0.01, log_every=10**9).run())) == 1


def test_stop_ends_it_after_the_step_in_hand():
    trainer, seen = small(steps=100), []
    for step in trainer.run():
        seen.append(step.step)
        if step.step == 2:
            trainer.stop()
    assert seen == [1, 2, 3] and not trainer.done


def test_no_budget_is_an_error():
    with pytest.raises(ValueError, match="give steps, seconds or both, got neither"):
        small(steps=None)


# What users get wrong

@pytest.mark.parametrize(("wrong", "says"), [
    ({"steps": 0}, "steps must be at least 1, got 0"),
    ({"seconds": 0.0}, "seconds must be more than 0, got 0.0"),
    ({"batch": 0}, "batch must be at least 1"),
    ({"rate": math.nan}, "rate must be more than 0, got nan"),
    ({"ema": 1.0}, r"ema must be in \[0, 1\), got 1.0"),
    ({"clip": 0.0}, "clip must be more than 0"),
    ({"warmup": -1}, "warmup must be at least 0"),
    ({"label_drop": 2.0}, r"label_drop must be in \[0, 1\]"),
    ({"log_every": 0}, "log_every must be at least 1"),
    ({"seed": -1}, "seed must be in"),
    ({"target": "noise"}, "target must be one of eps, x0, v, got 'noise'"),
    ({"loss": "vlb"}, "loss must be one of simple, hybrid, got 'vlb'"),
])
def test_config_says_what_it_expects(wrong, says):
    with pytest.raises(ValueError, match=says):
        TrainConfig(**wrong)


@pytest.mark.parametrize("name", ["abacus", "cpu:x", "cpu:", "cpu:-1", "cuda:99", "auto:0"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ValueError, match=f"device must be one of auto, cpu.* got '{name}'"):
        pick_device(name)


def test_a_process_with_a_gpu_takes_it_before_it_joins(monkeypatch):
    calls, device = [], torch.device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: calls.append(device))
    monkeypatch.setattr(torch.distributed, "init_process_group",
                        lambda backend, **options: calls.append((backend, options)))
    start(device)
    start(torch.device("cpu"))
    assert calls == [device, ("nccl", {"device_id": device}), ("gloo", {})]


@pytest.mark.parametrize(("data", "says"), [
    (torch.zeros(0, 1, 8, 8), "n >= 1"),
    ((torch.rand(4, 1, 8, 8) * 255).byte(), "data must be floats"),
    (torch.rand(4, 1, 8, 8) * 255, r"\[-1, 1\], got .*data / 127.5 - 1"),
    (torch.rand(4, 1, 8, 8) * 3 - 2, r"images must lie in \[-1, 1\]"),
    (torch.stack([torch.zeros(1, 8, 8), torch.full((1, 8, 8), math.nan)]), "NaN or infinity in example 1"),
    (torch.full((3, 2), math.inf), "NaN or infinity in example 0"),
])
def test_data_that_cannot_be_trained_on_are_refused(data, says):
    with pytest.raises(ValueError, match=says):
        small(data)


def test_images_in_0_to_1_are_warned_of_and_others_are_not():
    with pytest.warns(UserWarning, match=r"\[-1, 1\], got .*2 \* data - 1"):
        small(images() / 2 + 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small()


@pytest.mark.parametrize(("labels", "classes"), [
    (torch.arange(20), 3), (torch.zeros(19, dtype=torch.int64), 3), (torch.full((20,), -1), 3),
    (torch.zeros(20, dtype=torch.int64), 0), (torch.zeros(20), 3),
])
def test_labels_must_fit(labels, classes):
    with pytest.raises(ValueError, match=rf"labels must be 20 whole numbers in \[0, {classes}\)"):
        small(labels=labels, net={"classes": classes})


def test_a_batch_larger_than_the_data_goes_over_epochs():
    assert [s.step for s in small(images(3), batch=8, steps=2).run()] == [1, 2]


# When numbers overflow

def test_nan_in_the_data_stops_at_its_step_and_the_weights_stay_good():
    bad = next(k for k in range(20) if 7 in order(0, k, 6, 20))         # the first step that sees example 7
    trainer, same = small(steps=20, log_every=20), small(steps=bad)
    trainer.data[7] = math.nan
    with pytest.raises(FloatingPointError, match=rf"stopped at step {bad + 1}: .*the data hold NaN"):
        list(trainer.run())
    assert trainer.step == bad
    list(same.run())
    for name, v in same.net.state_dict().items():                       # those before it, bit by bit
        assert torch.equal(trainer.net.state_dict()[name], v), name
    assert all(v.isfinite().all() for v in trainer.tensors().values())


def test_nan_in_the_weights_is_named():
    trainer = small()
    with torch.no_grad():
        trainer.net.stem.weight[0] = math.nan
    with pytest.raises(FloatingPointError, match=r"stopped at step 1: .*; the weights hold NaN"):
        list(trainer.run())


def test_a_rate_too_high_is_named():
    trainer = small(rate=1e30, warmup=0, steps=10)
    with pytest.raises(FloatingPointError, match=r"stopped at step 2: .*try a rate below 1e\+30"):
        list(trainer.run())


def test_help_of_each_field_is_written_beside_it():
    source = Path(inspect.getfile(TrainConfig)).read_text()
    for name in TrainConfig.__dataclass_fields__:
        assert re.search(rf"^    {name}: .*  # .+\.$", source, re.MULTILINE), name


def test_a_compiled_network_trains_alike_and_keeps_its_names(monkeypatch, as_user):
    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda net: compile_(net, backend="eager"))     # no C++ needed
    plain, compiled = small(steps=3), small(steps=3, compile=True)
    assert [s.loss for s in plain.run()] == [s.loss for s in compiled.run()]
    assert plain.tensors().keys() == compiled.tensors().keys()
    for name, v in plain.tensors().items():
        assert torch.equal(v, compiled.tensors()[name]), name
