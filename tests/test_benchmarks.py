"""The benchmarks' harness, on budgets of a moment and without the peers."""
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import ddpm_lite as dl
from benchmarks import __main__ as command
from benchmarks import (
    cache,
    choices,
    footprint,
    goals,
    nets,
    quality,
    recipes,
    record,
    sampling,
    speed,
    table,
    timing,
)
from benchmarks.labels import OURS
from ddpm_lite.data import digits

ROOT = Path(__file__).parent.parent
TINY = dl.UNetConfig(width=8, blocks=1)
SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A small network, and nothing written in the repository."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "bench")
    monkeypatch.setattr(nets, "ours", lambda shape: dl.UNet(TINY))


# --- clocks and counts

def test_flops_of_a_convolution_and_a_product():
    assert timing.flops(timing.convolution(4, 8, 32, "NHWC")) == 3 * 2 * 4 * 8 * 8 * 32 * 32 * 9
    assert timing.flops(timing.product(64)) == 2 * 64**3


def test_flops_count_attention():
    """Scores and sums of values, whichever kernel would run."""
    q = torch.randn(2, 4, 16, 8)
    work = timing.flops(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert work == 2 * (2 * 2 * 4 * 16 * 16 * 8)


def test_jobs_take_turns(monkeypatch):
    """On a clock of its own, on which a call of a takes 3 s, one of b 1 s, and later ones twice as long."""
    now, calls = [0.0], []

    def job(name, seconds):
        calls.append(name)
        now[0] += seconds * (2 if len(calls) > 30 else 1)

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    times = timing.interleaved({"a": partial(job, "a", 3), "b": partial(job, "b", 1)}, 4, 6.0, "jobs")
    assert calls[:4] == ["a", "a", "b", "b"]                            # the first, and one to learn how long
    rounds = ["a"] * 2 + ["b"] * 6, ["b"] * 6 + ["a"] * 2
    assert calls[4:] == [*rounds[0], *rounds[1]] * 2
    assert times["a"][0] == 3 and times["a"][3] == 6 and len(times["b"]) == 4
    assert timing.ratio(times, "a", "b") == pytest.approx(3, rel=0.1)


# --- networks of equal size

def test_a_network_is_scaled_to_the_number_of_parameters():
    plain = [8, 16, 24, 32, 40]                                         # 64 w + w parameters

    def plans():
        for width in plain:
            for extra in (range(0, 100, 4), range(0, -100, -4)):
                yield [(abs(e), partial(nn.Linear, 64 + e, width)) for e in extra if 64 + e > 0]

    net = nets.scale(24 * 65 + 24 * 5, plans())()                       # nearest: width 24, 4 or 8 more
    assert net.out_features == 24 and net.in_features in (68, 72)
    assert abs(sum(p.numel() for p in net.parameters()) / (24 * 70) - 1) <= nets.CLOSE
    with pytest.raises(ValueError, match="no network of this kind has 1000000 parameters"):
        nets.scale(1_000_000, plans())


def test_a_peer_is_told_times_from_0():
    class Told(nn.Module):
        def forward(self, x, t):
            return x + t[:, None]

    out = nets.Peer(Told())(torch.zeros(3, 1), torch.tensor([1, 2, 1000]))
    assert out.flatten().tolist() == [0, 1, 999]


# --- choices

@pytest.mark.parametrize("what", [what for what in choices.STEPS if "compile" not in what])
def test_a_step_made_otherwise_still_learns(what):
    """All but the compiled one, which takes a minute to make."""
    step = choices.job(what, (1, 16, 16))
    step()
    threads = torch.get_num_threads()
    step()
    assert torch.get_num_threads() == threads


def test_choices_are_what_they_say():
    every, none = (choices.network(what, SHAPE) for what in ("attention at full size, too", "no attention"))
    count = [sum(isinstance(part, choices.Attention) for part in net.modules()) for net in (every, none)]
    assert count == [3, 0]
    assert choices.Patched((1, 28, 28)).net.config.channels == 4
    x = torch.randn(2, 1, 16, 16)
    assert choices.Patched((1, 16, 16))(x, torch.tensor([1, 2])).shape == x.shape
    assert choices.recipe("linear schedule").sched().beta.sum() != choices.recipe(OURS).sched().beta.sum()


def test_times_drawn_one_by_one_and_averages_change_what_is_learned(monkeypatch):
    monkeypatch.setattr(choices.quality, "score", lambda *args: [{"ratio": 1.0}])
    names = (OURS, "times drawn one by one", "no average (EMA 0)", "no attention")
    losses = {what: choices.learned(what, 3, 1, 8)["loss"] for what in names}
    assert len({loss for [loss] in losses.values()}) == len(names)
    assert choices.learned(OURS, 3, 1, 8)["loss"] == losses[OURS]


# --- stages

def test_speed_measures_ours():
    found = speed.run(2, 0.01, {SHAPE: 8}, lambda shape: {OURS: partial(nets.ours, shape)})
    net = found["shapes"]["1x8x8"]["networks"][OURS]
    assert net["parameters"] == nets.count(partial(dl.UNet, TINY))
    assert net["training"]["ours_over_this"] == net["sampling"]["ours_over_this"] == 1
    # a training step goes forward and back: 3 times the work, but for the input's own gradient; per image
    assert 2.7 < net["training"]["gflop"] / 8 / (net["sampling"]["gflop"] / 64) < 3
    for step in (net["training"], net["sampling"]):
        assert 0 < step["share_of_conv_peak"] < 1
    assert all(peak["gflops"] > 0 for peak in found["peaks"].values())


@pytest.fixture
def short(monkeypatch):
    """A step takes 0.1 s, whatever the machine does, so 0.5 s are 5 steps."""
    monkeypatch.setattr(timing, "interleaved", lambda jobs, *_: {name: [0.1] * 4 for name in jobs})


def test_quality_trains_judges_and_goes_on_where_it_was(short, monkeypatch):
    found = quality.run(0.5, seeds=2, n=20, draws=2, peers=())
    net = found["networks"][OURS]
    assert net["steps"] == 5 and net["batch"] == dl.TrainConfig().batch and len(net["ratios"]) == 2
    assert net["ratio"] == pytest.approx(sum(net["ratios"]) / 2) and net["ratios"][0] != net["ratios"][1]
    assert net["ratio"] > 5                                             # five steps draw no digits
    monkeypatch.setattr(recipes, "trained", None)
    monkeypatch.setattr(quality, "judge", None)
    assert quality.run(0.5, seeds=2, n=20, draws=2, peers=()) == found  # nothing is trained or judged again
    with pytest.raises(TypeError):
        quality.run(0.6, seeds=2, n=20, draws=2, peers=())


def test_sampling_compares_our_samplers_on_the_network_of_quality(short, monkeypatch):
    quality.run(0.5, seeds=1, n=20, draws=1, peers=())
    monkeypatch.setattr(recipes, "trained", None)                       # it takes what is there
    monkeypatch.setattr(sampling, "COUNTS", (3, 4))
    found = sampling.run(0.5, n=20, draws=2, longest=5, peers=())
    assert found["scatter"] > 0
    walks = {name: list(walk) for name, walk in found["ratios"].items()}
    assert walks == {name: ["3", "4"] for name in dl.SAMPLERS} | {"ancestral": ["3", "4", "5"]}
    ratios = [ratio for walk in found["ratios"].values() for ratio in walk.values()]
    assert len(set(ratios)) == len(ratios)                              # each sampler and count its own


def test_several_averages_of_one_training(short):
    """Each is what a training of its own with that decay gives, and as the trainer keeps it."""
    tried = recipes.ours((0.1, dl.TrainConfig().ema), rate=1e-3)
    make = partial(dl.UNet, TINY)
    averages = recipes.trained(make, tried, digits()[:200], 12, 3, "averages")
    [alone] = recipes.trained(make, recipes.ours(rate=1e-3), digits()[:200], 12, 3, "alone").values()
    assert list(averages) == ["0.1", str(dl.TrainConfig().ema)]
    for name, v in alone.state_dict().items():
        torch.testing.assert_close(averages[str(dl.TrainConfig().ema)].state_dict()[name], v, rtol=0, atol=0)
    assert any((v != alone.state_dict()[name]).any() for name, v in averages["0.1"].state_dict().items())


def test_batches_of_a_peers_recipe():
    """Whole batches of shuffled epochs: 40 examples are two of 16, and none of them twice in an epoch."""
    seen = [part.flatten().tolist() for part in recipes.batches(torch.arange(40.0)[:, None], 4)]
    assert [len(part) for part in seen] == [16] * 4
    assert len({*seen[0], *seen[1]}) == 32 == len({*seen[2], *seen[3]})


def test_footprint_of_ours(monkeypatch):
    monkeypatch.setitem(footprint.TRAININGS, "digits, batch 64", (SHAPE, 64, 1))
    found = footprint.run(1, (OURS,), ("digits, batch 64",))
    assert 0 <= found["import_added_s"][OURS] < found["import_added_s"][f"{OURS}, every public name"] < 10
    assert 200 < found["memory_mb"][OURS]["digits, batch 64"] < 2000   # torch alone takes 200 MB
    with pytest.raises(RuntimeError, match="a measured process failed: ZeroDivisionError"):
        footprint.python("-c", "1 / 0")


# --- what is kept, and its tables

def small() -> dict:
    step = {"images_per_second": 100.0, "ms": 10.0, "ours_over_this": 0.5, "share_of_conv_peak": 0.65}
    at = {"batch": 4, "networks": {OURS: {"training": step, "sampling": step, "parameters": 1000},
                                   "diffusers": {"training": step, "sampling": step, "parameters": 1010}}}
    judged = {"coverage": 0.9, "real_coverage": 0.95, "copies": 0.0, "neighbour": 1.0, "steps": 7, "batch": 4}
    stages = {
        "speed": {"shapes": {"1x8x8": at, "3x32x32": at},
                  "peaks": {"convolution": {"of": "[1, 1, 8, 8] NHWC", "gflops": 50.0}}},
        "quality": {"seconds": 60, "seeds": 1, "samples": 10, "draws": 1, "networks": {
            OURS: {"ratio": 2.0, "ratios": [2.0], **judged},
            "diffusers": {"ratio": 4.0, "ratios": [4.0], "rate": 1e-3, "ema": 0.99, **judged},
            "diffusers, own recipe": {"ratio": 1.0, "ratios": [1.0], **judged}}},
        "sampling": {"longest": 1000, "samples": 10, "draws": 2, "scatter": 0.1, "ratios": {
            "ancestral": {"10": 9.0, "20": 6.0, "1000": 3.0}, "dpm_solver": {"10": 3.9, "20": 3.2},
            "diffusers DDIM": {"10": 1.0}}},
        "choices": {"batch": 4, "steps": 7, "samples": 10, "expected": {
                        "step": {"one thread": "slower", "patches": "faster"}, "learned": {OURS: ""}},
                    "step": {"1x8x8": {"one thread": 1.5}, "1x28x28": {"one thread": 1.25, "patches": 0.5}},
                    "learned": {OURS: {"loss": [0.125, 0.25], "distance": [2.0, 3.0]}}},
        "footprint": {"import_torch_s": 1.0,
                      "import_added_s": {OURS: 0.01, f"{OURS}, every public name": 0.3},
                      "memory_mb": {OURS: {"digits, batch 64": 400.0, "3x32x32, batch 64": 1100.0}}}}
    machine = {"cpu": "a processor", "cores": 2, "threads": 2, "torch": "2.0", "diffusers": None}
    return {name: {"date": "2026-01-02", "machine": machine, **stage} for name, stage in stages.items()}


def test_goals_are_computed():
    met = {goal.what: (goal.value, goal.met) for goal in goals.goals(small())}
    assert list(met.values()) == [
        (2.0, True), (0.5, False),                                      # a peer's own recipe is no rival
        (0.5, True), (0.5, True), (None, None), (None, None), (0.5, True), (0.5, True),
        (0.65, True), (0.65, False),                                    # 60% and 70% of the peak
        (3.9, True), (pytest.approx(3.2 / 3), True),                    # diffusers' sampler is none of ours
        (0.3, False), (400.0, True), (1100.0, False)]
    assert [goal.met for goal in goals.goals({})] == [None] * len(met)


def test_table_says_what_was_measured():
    text = table.table(small())
    assert "| at least 70%  | 65%          | **not met** |" in text
    assert "| at most 2.50  | 2.00         | met         |" in text and "not measured" in text
    assert "2026-01-02; a processor, 2 cores, 2 threads; torch 2.0." in text
    assert text.count("### ") == 6 and "| 1.50  | 1.25" in text and "rate 0.001, EMA 0.99" in text
    assert all(line.count("|") == text.splitlines()[2].count("|")       # whole tables
               for line in text.splitlines()[2:5])
    assert table.table({}).count("### ") == 1                           # goals only, nothing measured


def test_results_keep_the_other_stages(tmp_path):
    path = tmp_path / "results.json"
    record.save("speed", {"rounds": 1}, path)
    record.save("quality", {"seeds": 2}, path)
    record.save("speed", {"rounds": 3}, path)
    results = json.loads(path.read_text())
    assert results["speed"]["rounds"] == 3 and results["quality"]["seeds"] == 2
    assert results["speed"]["machine"]["torch"] == torch.__version__ and results["speed"]["machine"]["cpu"]
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_the_page_has_the_tables_of_the_results(tmp_path, monkeypatch):
    """As `.ci/generate.py --check` compares it."""
    assert table.readme(record.read()) == table.README.read_text()
    page = tmp_path / "README.md"
    page.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n")
    monkeypatch.setattr(table, "README", page)
    text = table.readme(small())
    assert text == f"before\n{table.BEGIN}{table.table(small())}{table.END}after\n"
    page.write_text("no markers")
    with pytest.raises(SystemExit, match="once each"):
        table.readme(small())


def test_a_stage_is_measured_and_written(tmp_path, monkeypatch, capsys):
    asked: dict = {}
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(table, "README", tmp_path / "README.md")
    table.README.write_text(table.BEGIN + table.END)
    monkeypatch.setattr(record, "installed", lambda package: "1.0")
    monkeypatch.setattr(quality, "run", lambda **options: asked.update(options) or small()["quality"])
    assert command.main(["quality", "--seconds", "3", "--seeds", "1"]) == 0
    assert asked == {"seconds": 3.0, "seeds": 1, "n": 1000}
    assert record.read()["quality"]["networks"][OURS]["ratio"] == 2.0
    assert capsys.readouterr().out in table.README.read_text()
    monkeypatch.setattr(record, "installed", lambda package: None)
    assert command.main([]) == 1 and "run `make bench`" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["sped"])


def test_peers_are_pinned_once():
    pins = [(ROOT / name).read_text().split() for name in ("constraints.txt", "benchmarks/peers.txt")]
    names = [{pin.split("==")[0] for pin in part} for part in pins]
    assert all("==" in pin for pin in pins[1]) and names[0] & names[1] == set()
    assert {"torch", "diffusers"} <= names[0] and "denoising-diffusion-pytorch" in names[1]
    subprocess.run(["sh", "-n", ROOT / "benchmarks/environment.sh"], check=True)


def test_the_tables_need_no_torch():
    """`.ci/generate.py` makes them."""
    code = "import sys, benchmarks.table, benchmarks.record; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr
