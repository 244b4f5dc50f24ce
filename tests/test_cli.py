"""The command line: what it writes, what it prints, its exit codes, and what a signal or a wrong word does"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite import data, metrics
from ddpm_lite.checkpoint import load
from ddpm_lite.cli import main
from ddpm_lite.files import read_tensors
from ddpm_lite.loss import bits, elbo
from ddpm_lite.models import UNet

TINY = ["--width", "8", "--blocks", "1", "--batch", "8", "--T", "40", "--device", "cpu", "--log-every", "2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of four steps that knows the classes and a learned variance."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "--steps", "4", "--labels", "--loss", "hybrid", "--out", str(folder), *TINY]) == 0
    return folder


def fails(capsys, code: int, *argv: object) -> str:
    """The one line that the command prints when it fails with this exit code."""
    capsys.readouterr()
    assert main([str(a) for a in argv]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ddpm-lite: ") and err.count("\n") == 1, err
    return err


# Help

@pytest.mark.parametrize("command", ["train", "sample", "evaluate"])
def test_help_says_what_each_option_is_and_its_default(command, capsys):
    assert main([command, "--help"]) == 0
    text = re.sub(r"[│╭╮╰╯─\s]+", " ", capsys.readouterr().out)
    options = re.split(r" (?=--[\w-]+ [A-Z\[])", text.split(" show this help message and exit ", 1)[1])
    assert len(options) > 8
    for option in options:
        assert re.search(r"[A-Z][^()]{8,}.*\. \((default: \S.*|required)\)", option), option


def test_help_names_the_choices_there_are(capsys):
    from ddpm_lite.prediction import TARGETS
    from ddpm_lite.sample import SAMPLERS
    from ddpm_lite.schedule import SCHEDULES
    from ddpm_lite.train import LOSSES
    for command, option, names in (
        ("train", "data", data.DATASETS), ("train", "schedule", SCHEDULES), ("train", "target", TARGETS),
        ("train", "loss", LOSSES), ("sample", "sampler", SAMPLERS), ("evaluate", "sampler", SAMPLERS),
    ):
        main([command, "--help"])
        text = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
        words = re.search(rf"--{option} STR(.*?)\(default", text)[1]
        assert all(name in words for name in names), (option, words)


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_the_commands_are_named(argv, capsys):
    code = main(argv)
    out, err = capsys.readouterr()
    assert code == (0 if argv else 2)
    assert all(command in out + err for command in ("train", "sample", "evaluate"))


# Bad arguments: exit code 2 and one line

@pytest.mark.parametrize(("argv", "says"), [
    ("dream", "train, sample, evaluate"),
    ("train --steps 3", "--out"),
    ("train --out {new} --steps many", r"Error parsing --steps: .*INT"),
    ("train --out {new} --stepz 3", "Unrecognized options: --stepz"),
    ("train --out {new}", "needs a budget: give steps, seconds or both, got neither"),
    ("train --out {new} --steps 0", "steps must be at least 1, got 0"),
    ("train --out {new} --steps 1 --T 0", "T must be a whole number, at least 2, got 0"),
    ("train --out {new} --steps 1 --schedule sine", "schedule must be one of linear, cosine, got 'sine'"),
    ("train --out {new} --steps 1 --data cats", "data must be one of digits, mnist, .* got 'cats'"),
    ("train --out {new} --steps 1 --target mu", "target must be one of eps, x0, v, got 'mu'"),
    ("train --out {new} --steps 1 --width 12", "width must be a multiple of 8, got 12"),
    ("train --out {new} --steps 1 --batch 0", "batch must be at least 1"),
    ("train --out {new} --steps 1 --save-every 0", "save_every must be at least 1, got 0"),
    ("train --out {new} --resume", "holds no run"),
    ("train --out {run} --steps 9", "already holds a run: add --resume to go on with it, or give another"),
    ("train --out {run} --resume --steps 9 --batch 9", "batch must be 8, got 9"),
    ("sample {new}", "holds no run"),
    ("sample {run} --steps 41", r"steps must lie in \[1, 40\], got 41"),
    ("sample {run} --n 0", "n must be at least 1, got 0"),
    ("sample {run} --steps 4 --sampler me", "must be one of ancestral, ddim, dpm_solver, dpm_sde, got 'me'"),
    ("sample {run} --steps 4 --label 10", r"label must lie in \[0, 10\), got 10"),
    ("sample {run} --steps 4 --guidance 2", "guidance needs a label"),
    ("sample {run} --steps 4 --device abacus", "device must be one of auto, cpu"),
    ("sample {run} --device cpu:x", "device must be one of auto, cpu.* got 'cpu:x'"),
    ("sample {run} --seed 100000000000000000000000", r"seed must be in \[0, 2\^32\), got 1000"),
    ("sample {run} --out .", "expected a file in a folder that can be written to, got ."),
    ("sample {run} --png {new}/s.png", "expected a file in a folder that can be written to, got .*/s.png"),
    ("train --out {new} --data mnist", "needs a budget"),               # both before any download
    ("train --out {new} --data mnist --steps 1 --width 12", "width must be a multiple of 8, got 12"),
    ("evaluate {new}", "holds no run"),
    ("evaluate {run} --held-out 1", "held_out must be 0 or at least 2, got 1"),
    ("evaluate {run} --held-out -5", "held_out must be 0 or at least 2, got -5"),
    ("evaluate {run} --draws 0", "draws must be at least 1, got 0"),
    ("evaluate {run} --samples {new}", "No such file"),
])
def test_bad_arguments_get_one_line(argv, says, run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(data.DATASETS, "mnist", None)                   # no line here comes after a download
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert re.search(says, fails(capsys, 2, *argv.format(run=run, new=tmp_path / "new").split()))
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert list(tmp_path.iterdir()) == []                               # no half-made folder, no samples


# Everything else: exit code 1 and one line

def test_a_cut_checkpoint_gets_one_line(run, tmp_path, capsys):
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes()[:5000])
    line = fails(capsys, 1, "sample", tmp_path, "--steps", 2, "--out", tmp_path / "s.npy")
    assert "model.safetensors is missing, cut short or damaged" in line and not (tmp_path / "s.npy").exists()


def test_samples_cut_short_get_one_line(run, tmp_path, capsys):
    np.save(tmp_path / "s.npy", np.zeros((20, 1, 8, 8), np.float32))
    (tmp_path / "s.npy").write_bytes((tmp_path / "s.npy").read_bytes()[:1000])
    assert "s.npy is cut short" in fails(capsys, 1, "evaluate", run, "--samples", tmp_path / "s.npy")


@pytest.mark.parametrize("content", [b"PK\x03\x04 and more", b"", b"\x93NUMPY"])
def test_samples_that_are_no_npy_file_get_one_line(run, tmp_path, capsys, content):
    (tmp_path / "s.npz").write_bytes(content)
    assert "is no .npy file" in fails(capsys, 1, "evaluate", run, "--samples", tmp_path / "s.npz")


def image(value: float) -> np.ndarray:
    return np.full((20, 1, 8, 8), value, np.float32)


@pytest.mark.parametrize(("samples", "says"), [
    (np.zeros((20, 8, 8)), "must hold float32 [n, c, h, w], got float64 [20, 8, 8]"),
    (image(0)[:0], "must hold float32 [n, c, h, w], got float32 [0, 1, 8, 8]"),
    (np.concatenate([image(-3), image(255)]), "must lie in [-1, 1], got -3 to 255"),
    (np.concatenate([image(0), image(np.nan)]), "must lie in [-1, 1], got nan to nan"),
])
def test_samples_that_are_no_images_get_one_line(run, tmp_path, capsys, samples, says):
    np.save(tmp_path / "s.npy", samples)
    assert says in fails(capsys, 2, "evaluate", run, "--samples", tmp_path / "s.npy")


@pytest.mark.parametrize("error", [
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), MemoryError()])
def test_too_little_memory_gets_one_line(run, tmp_path, capsys, monkeypatch, error):
    def forward(*_: object) -> None:
        raise error

    monkeypatch.setattr(UNet, "forward", forward)
    line = fails(capsys, 1, "sample", run, "--out", tmp_path / "s.npy")
    assert line == "ddpm-lite: out of memory: try a smaller --batch or --width\n"


def test_a_mistake_of_our_own_keeps_its_traceback(run, tmp_path, monkeypatch):
    monkeypatch.setattr(UNet, "forward", lambda *_: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(RuntimeError, match="must match the size"):
        main(["sample", str(run), "--out", str(tmp_path / "s.npy")])


def test_without_pillow_a_grid_is_refused_before_anything_is_drawn(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    line = fails(capsys, 1, "sample", run, "--out", tmp_path / "s.npy", "--png", tmp_path / "s.png")
    assert "pip install pillow" in line and list(tmp_path.iterdir()) == []


def test_a_full_disk_gets_one_line(tmp_path, capsys, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    line = fails(capsys, 1, "train", "--steps", 2, "--out", tmp_path / "r", *TINY)
    assert "No space left on device" in line and list((tmp_path / "r").iterdir()) == []


def test_a_folder_that_cannot_be_made_gets_one_line_before_any_step(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    line = fails(capsys, 1, "train", "--steps", 10**9, "--out", tmp_path / "file" / "r", *TINY)
    assert "Not a directory" in line


def test_no_network_gets_one_line_that_says_what_to_do(tmp_path, capsys, monkeypatch):
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setenv("DDPM_LITE_DATA", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", offline)
    line = fails(capsys, 1, "train", "--data", "mnist", "--steps", 1, "--out", tmp_path / "r", *TINY)
    assert "could not download" in line and not (tmp_path / "r").exists()


def test_an_overflow_stops_and_the_last_good_save_stays(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "r"
    line = fails(capsys, 1, "train", "--steps", 50, "--rate", 1e30, "--warmup", 0, "--out", folder, *TINY)
    assert "training stopped at step 2" in line and "try a rate below" in line
    assert all(p.isfinite().all() for p in load(folder).net.parameters())


# What the commands write

def test_a_run_folder_holds_what_it_should(run):
    assert {path.name for path in run.iterdir()} == {
        "model.safetensors", "resume.safetensors", "config.json", "log.jsonl"}
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    config = json.loads((run / "config.json").read_text())
    assert config["training"]["data"] == "digits" and config["schedule"] == {"name": "cosine", "T": 40}


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "dpm_solver", "dpm_sde"])
def test_samples_are_images_and_depend_on_the_seed_alone(run, tmp_path, sampler):
    found = []
    for i, seed in enumerate([3, 3, 4]):
        out = tmp_path / f"{i}.npy"
        assert main(["sample", str(run), "--n", "5", "--batch", "2", "--steps", "4", "--sampler", sampler,
                     "--seed", str(seed), "--out", str(out)]) == 0
        found.append(np.load(out))
    assert found[0].dtype == np.float32 and found[0].shape == (5, 1, 8, 8)
    assert np.isfinite(found[0]).all() and -1 <= found[0].min() < found[0].max() <= 1
    assert (found[0] == found[1]).all() and (found[0] != found[2]).any()
    assert len({image.tobytes() for image in found[0]}) == 5            # no batch repeats another's noise


def test_no_batch_is_larger_than_asked(run, tmp_path, monkeypatch):
    sizes, forward = [], UNet.forward
    monkeypatch.setattr(UNet, "forward", lambda net, x, *rest: sizes.append(len(x)) or forward(net, x, *rest))
    main(["sample", str(run), "--n", "7", "--batch", "3", "--steps", "2", "--out", str(tmp_path / "s.npy")])
    assert sizes == [3, 3, 3, 3, 1, 1]


@pytest.mark.parametrize("default, walked", [(20, 20), (50, 40)])         # T is 40
def test_without_steps_a_walk_has_the_usual_ones_or_all(run, tmp_path, monkeypatch, default, walked):
    calls, forward = [], UNet.forward
    monkeypatch.setattr("ddpm_lite.cli_sample.STEPS", default)
    monkeypatch.setattr(UNet, "forward", lambda net, x, *rest: calls.append(1) or forward(net, x, *rest))
    assert main(["sample", str(run), "--n", "1", "--out", str(tmp_path / "s.npy")]) == 0
    assert len(calls) == walked


def test_a_label_and_its_guidance_reach_the_network(run, tmp_path, monkeypatch):
    labels, forward = [], UNet.forward

    def spy(net, x, t, label=None):
        labels.append(label)
        return forward(net, x, t, label)

    monkeypatch.setattr(UNet, "forward", spy)
    for guidance, expected in (("0", [3, 3]), ("1.5", [3, None, 3, None])):
        labels.clear()
        assert main(["sample", str(run), "--n", "2", "--steps", "2", "--label", "3", "--guidance", guidance,
                     "--out", str(tmp_path / "s.npy")]) == 0
        assert labels == expected


def test_a_run_without_labels_has_none_to_draw(tmp_path, capsys):
    assert main(["train", "--steps", "1", "--out", str(tmp_path), *TINY]) == 0
    assert "trained with --labels" in fails(capsys, 2, "sample", tmp_path, "--label", 1)


def test_the_grid_shows_the_samples(run, tmp_path):
    out, png = tmp_path / "s.npy", tmp_path / "s.png"
    assert main(["sample", str(run), "--n", "5", "--steps", "2", "--out", str(out), "--png", str(png)]) == 0
    page, samples = np.asarray(Image.open(png)), np.load(out)
    assert page.shape == (2 * 34, 3 * 34)                               # 8 pixels four times each, and a line
    for i, image in enumerate(samples[:, 0]):
        row, column = 34 * (i // 3) + 1, 34 * (i % 3) + 1
        tile = page[row : row + 32 : 4, column : column + 32 : 4]
        np.testing.assert_allclose(tile, (image + 1) * 127.5, atol=0.51)        # 256 grey levels
    assert (page[35:67, 69:101] == 128).all()                           # the sixth place is empty


def test_evaluation_is_the_metrics_and_the_bound(run, tmp_path, capsys):
    train, labels = data.digits("train", labels=True)
    samples = train[:200] * 0.9
    np.save(tmp_path / "s.npy", samples.numpy())
    argv = ["evaluate", str(run), "--samples", str(tmp_path / "s.npy"), "--held-out", "20", "--draws", "5"]
    assert main([*argv, "--json"]) == 0
    out = capsys.readouterr().out
    result = json.loads(out)                                            # nothing but JSON on stdout
    expected = metrics.evaluate(samples, train, data.digits("test"), labels)._asdict()
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=1e-5), name
    assert result["samples"] == 200 and result["held_out"] == 20 and result["draws"] == 5
    net, sched, _ = load(run)
    cost = elbo(net, sched, data.digits("test")[:20], variance="learned", clip=1.0, levels=17, draws=5,
                generator=torch.Generator().manual_seed(0))
    each = bits(cost.total, 64).double()
    assert result["bits_per_dim"] == pytest.approx(each.mean().item(), rel=1e-5)
    assert result["bits_error"] == pytest.approx(each.std().item() / 20**0.5, rel=1e-5)
    assert main(argv) == 0
    text = capsys.readouterr().out
    for name in ("Frechet distance", "coverage", "copies", "nearest neighbour", "bits per dimension"):
        assert re.search(rf"^{name} +(at most )?-?\d", text, re.MULTILINE), text
    assert f"{result['frechet']:.3f}" in text and "20 test images, 5 times each" in text


def test_evaluation_draws_its_own_samples(run, capsys):
    assert main(["evaluate", str(run), "--n", "12", "--steps", "2", "--held-out", "0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["samples"] == 12 and sum(result["classes"]) == 12 and "bits_per_dim" not in result


# Stopping and going on, in processes of their own

def start(*argv: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "ddpm_lite", "train", *map(str, argv)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "OMP_NUM_THREADS": "1"})


def stopped(process: subprocess.Popen[str], folder: Path, number: int) -> int:
    """Sends the signal once a step is logged; returns the step that was saved."""
    log, deadline = folder / "log.jsonl", time.monotonic() + 120
    before = log.stat().st_size if log.exists() else 0
    while not log.exists() or log.stat().st_size <= before:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and "Traceback" not in err
    assert f"interrupted; go on with: ddpm-lite train --out {folder} --resume" in err
    return int(read_tensors(folder / "resume.safetensors")[1]["step"])


def test_signals_save_and_the_run_goes_on_as_if_they_had_not_come(tmp_path):
    torn, whole = tmp_path / "torn", tmp_path / "whole"
    options = [*TINY, "--dropout", 0.2, "--save-every", 10**6]
    first = stopped(start("--steps", 10**6, "--out", torn, *options), torn, signal.SIGINT)
    second = stopped(start("--out", torn, "--resume"), torn, signal.SIGTERM)
    assert 2 <= first < second
    for process in (start("--out", torn, "--resume", "--steps", second + 5),
                    start("--out", whole, "--steps", second + 5, *options)):
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    (got, _), (expected, _) = (read_tensors(folder / "resume.safetensors") for folder in (torn, whole))
    assert got.keys() == expected.keys()
    for name, v in expected.items():
        assert torch.equal(got[name], v), name
    steps = [json.loads(line)["step"] for line in (torn / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == second + 5


def test_resume_keeps_the_options_and_says_when_nothing_is_left(run, tmp_path, capsys):
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert main(["train", "--out", str(tmp_path), "--resume"]) == 0
    assert "budget is spent" in capsys.readouterr().err
    assert main(["train", "--out", str(tmp_path), "--resume", "--seconds", "1e6", "--steps", "6"]) == 0
    before, after = load(run), load(tmp_path)
    assert after.net.config == before.net.config and after.config.loss == "hybrid"
    assert (after.config.steps, after.config.seconds, before.config.steps) == (6, 1e6, 4)
