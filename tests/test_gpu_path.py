"""What runs on a GPU, as far as a CPU can test it: benchmarks/gpu.py in small, and what a step copies and
reads. A tensor on the device "meta" has a shape and no numbers: a step that runs there asks the device for
none, so on a GPU the CPU wouldn't have to wait for it either."""
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import ddpm_lite as dl
from benchmarks import gpu, gpu_parts
from ddpm_lite import checkpoint
from ddpm_lite.cli import parse
from ddpm_lite.train import TrainConfig, Trainer

ROOT = Path(__file__).parent.parent
MAY_BE_LEFT_OUT = {"training graphs", "training diffusers", "training diffusers compiled"}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


def small(start: float | None = None) -> gpu_parts.Bench:
    start = time.perf_counter() if start is None else start
    return gpu_parts.Bench(torch.device("cpu"), True, start, {})


def call(tmp_path: Path, device: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "benchmarks.gpu", "--small", "--device", device, "--json", out]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
                         capture_output=True)
    return run, json.loads(out.read_text())["parts"]


# benchmarks/gpu.py

def test_everything_runs_small_on_the_cpu(tmp_path):
    run, parts = call(tmp_path, "cpu")
    assert run.returncode == 0, run.stdout + run.stderr
    assert list(parts) == list(gpu.PARTS)
    for name, part in parts.items():
        if part["status"] == "left out":
            assert name in MAY_BE_LEFT_OUT and part["why"], name
            continue
        assert part["status"] == "passed" and part["rows"] and not part["why"], name
        for row in part["rows"]:
            assert row["ok"], row
            if row["unit"] in ("images/s", "TFLOP/s", "GB/s", "M", "GFLOP"):
                assert row["value"] > 0, row
    limits = {name: sum(row["limit"] is not None for row in part["rows"]) for name, part in parts.items()}
    checks = {"schedule": 4, "process": 6, "samplers": 5, "unet float32": 2, "unet tf32": 2,
              "unet bfloat16": 2, "trainer": 2, "checkpoint": 3, "training": 1, "training compiled": 1}
    assert {name: n for name, n in limits.items() if n and not name.startswith("training diff")} == checks
    assert f"{sum(p['status'] == 'passed' for p in parts.values())} passed, 0 failed" in run.stdout


def scaled(x: torch.Tensor) -> torch.Tensor:
    """1.01 x where the device would compute it, right in the reference's float64."""
    return x * 1.01 if x.dtype != torch.float64 else x


def wrong_network(monkeypatch):
    right = dl.UNet.forward
    monkeypatch.setattr(dl.UNet, "forward", lambda self, *args: scaled(right(self, *args)))


def wrong_process(monkeypatch):
    right = dl.q_posterior

    def wrong(*args):
        normal = right(*args)
        return normal._replace(mean=scaled(normal.mean))

    monkeypatch.setattr(dl, "q_posterior", wrong)


def wrong_sampler(monkeypatch):
    right = dl.ddim
    monkeypatch.setattr(dl, "ddim", lambda net, *args, **given: right(
        lambda x, t: scaled(net(x, t)), *args, **given))


def wrong_schedule(monkeypatch):
    def half(T):
        sched = dl.linear(T)
        return dl.Schedule(sched.beta, sched.alpha_bar.float().double())        # rounded, as a cast would

    monkeypatch.setitem(dl.SCHEDULES, "linear", half)


def wrong_checkpoint(monkeypatch):
    right = checkpoint.resume

    def wrong(folder, trainer):
        right(folder, trainer)
        with torch.no_grad():
            trainer.net.stem.bias.add_(1e-3)

    monkeypatch.setattr(checkpoint, "resume", wrong)


def wrong_draws(monkeypatch):
    right, calls = Trainer._advance, []

    def wrong(self):
        calls.append(self)
        self.config = self.config if self is calls[0] else TrainConfig(**vars(self.config) | {"seed": 1})
        return right(self)

    monkeypatch.setattr(Trainer, "_advance", wrong)


@pytest.mark.parametrize(("part", "plant", "row"), [
    ("unet float32", wrong_network, "UNet, float32: output"),
    ("process", wrong_process, "q_posterior: mean"),
    ("samplers", wrong_sampler, "ddim, 50 steps: last x"),
    ("schedule", wrong_schedule, "linear: alpha_bar, relative error"),
    ("checkpoint", wrong_checkpoint, "weights, moments and average"),
    ("trainer", wrong_draws, "gradient of the first step"),
])
def test_a_planted_wrong_result_is_reported(part, plant, row, monkeypatch):
    plant(monkeypatch)
    said = gpu.run(gpu.PARTS[part], small())
    assert said["status"] == "failed" and row in said["why"], said


def test_a_part_that_raises_is_reported_and_the_rest_goes_on(monkeypatch, tmp_path, capsys):
    def boom(bench):
        yield gpu_parts.Row("a number", 1.0)
        dl.Schedule.from_beta([2.0])

    monkeypatch.setattr(gpu, "PARTS", {"boom": boom, "device": gpu.PARTS["device"]})
    assert gpu.main(["--small", "--device", "cpu", "--json", str(tmp_path / "gpu.json")]) == 1
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert parts["boom"]["status"] == "failed" and len(parts["boom"]["rows"]) == 1
    assert "ValueError: each beta must" in parts["boom"]["why"] and "schedule.py:" in parts["boom"]["why"]
    assert parts["device"]["status"] == "passed"
    assert "1 passed, 1 failed, 0 left out" in capsys.readouterr().out


def test_what_is_no_number_fails():
    row = gpu_parts.Row("loss", float("nan"))
    assert not row.ok and not row._replace(value=float("inf")).ok and row._replace(value=3.0).ok
    above = gpu_parts.Row("error", 2.0, limit=1.0)
    assert not above.ok and "FAILED" in str(above)


def test_a_part_that_comes_too_late_is_left_out():
    said = gpu.run(gpu.PARTS["device"], small(time.perf_counter() - gpu_parts.DEADLINE - 1))
    assert said["status"] == "left out" and "already taken 480 s" in said["why"] and said["rows"] == []


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 1
    assert "sees no CUDA device" in capsys.readouterr().err


@needs_gpu
def test_everything_runs_small_on_the_gpu(tmp_path):
    run, parts = call(tmp_path, "cuda")
    assert run.returncode == 0, {name: part["why"] for name, part in parts.items() if part["why"]}
    for name in gpu.PARTS:
        assert parts[name]["status"] == "passed" or name in MAY_BE_LEFT_OUT, name


# docs/scale.md

def test_the_numbers_of_the_plan_are_those_its_code_prints():
    text, names = (ROOT / "docs" / "scale.md").read_text(), {}
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == text.count("```python") == text.count("```text") >= 6
    for code, expected in blocks:
        if "Peer" in code:
            pytest.importorskip("diffusers")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, names)                                           # one namespace, from top to bottom
        assert said.getvalue() == expected


def test_the_recipe_of_the_plan_is_the_network_that_is_measured():
    text = (ROOT / "docs" / "scale.md").read_text()
    options = re.search(r"ddpm-lite (train --data cifar10.*?)\n(?!    )", text, flags=re.DOTALL)[1]
    recipe = parse(options.replace("\\\n", " ").split())
    network = dl.UNetConfig(channels=3, width=recipe.width, levels=recipe.levels, blocks=recipe.blocks,
                            dropout=recipe.dropout)
    assert network == gpu_parts.PAPER
    assert (recipe.schedule, recipe.T, recipe.batch) == ("linear", 1000, 128)
    assert (recipe.rate, recipe.warmup, recipe.ema, recipe.steps) == (2e-4, 5000, 0.9999, 800_000)


# What a step asks of the device

class Watch(TorchDispatchMode):
    """Notes where tensors move between CPU and device by a call that would wait on a GPU.

    Calls that say `non_blocking`, in the words of the line that makes them, wait on no device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.seen = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        tensors = [v for v in tree_leaves((args, kwargs, out)) if isinstance(v, torch.Tensor)]
        self.seen += any(v.is_meta for v in tensors)
        if "copy" in str(func) and len({v.is_meta for v in tensors}) > 1:
            ours = [f for f in traceback.extract_stack() if "/ddpm_lite/" in f.filename]
            if "non_blocking" not in ours[-1].line:
                self.waits.append(f"{func} in {Path(ours[-1].filename).name}: {ours[-1].line}")
        return out


def on_meta(monkeypatch, **config) -> Trainer:
    """A trainer whose device has no numbers; what it sends there comes from the CPU."""
    monkeypatch.setattr("ddpm_lite.train.pick_device", lambda name: torch.device("meta"))
    send = Trainer._send

    def checked(self, x):
        assert x.device.type == "cpu", "only what is on the CPU can be pinned"
        return send(self, x)

    monkeypatch.setattr(Trainer, "_send", checked)
    net = dl.UNet(dl.UNetConfig(channels=3, width=8, blocks=1, heads=2, dropout=0.1, classes=3,
                                learned_variance=config.get("loss") == "hybrid"))
    labels = torch.arange(20) % 3
    said = TrainConfig(**{"steps": 5, "batch": 4, "log_every": 10} | config)
    trainer = Trainer(net, dl.cosine(40), gpu_parts.pictures(20), said, labels)
    trainer.net.train()
    return trainer


@pytest.mark.parametrize("config", [{}, {"loss": "hybrid"}, {"accumulate": 2}],
                         ids=["simple", "hybrid", "parts"])
def test_between_two_reports_nothing_waits_for_the_device(config, monkeypatch):
    trainer = on_meta(monkeypatch, **config)
    with Watch() as watch:
        for _ in range(3):
            trainer._advance()
    assert trainer.step == 3 and watch.seen > 1000 and watch.waits == []


def test_a_report_reads_the_device(monkeypatch):
    with pytest.raises(RuntimeError, match="meta"):                     # there is nothing to read
        list(on_meta(monkeypatch, log_every=1).run())


def test_the_watch_sees_what_would_wait(monkeypatch):
    trainer = on_meta(monkeypatch)
    right = Trainer._part

    def wrong(self, i):
        torch.tensor(1.0).to(self.device)
        return right(self, i)

    monkeypatch.setattr(Trainer, "_part", wrong)
    with Watch() as watch:
        trainer._advance()
    assert watch.waits


@pytest.mark.parametrize("sampler", sorted(dl.SAMPLERS))
def test_a_sampler_waits_for_nothing(sampler):
    net = dl.UNet(dl.UNetConfig(channels=3, width=8, blocks=1, heads=2)).eval().to("meta")
    with Watch() as watch:
        x = dl.last(dl.SAMPLERS[sampler](net, dl.cosine(40), torch.randn(2, 3, 8, 8, device="meta"), 4)).x
    assert x.shape == (2, 3, 8, 8) and watch.waits == [] and watch.seen > 100
