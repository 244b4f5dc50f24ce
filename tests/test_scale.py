"""Many processes, many parts, large files: the run is the one that a single process makes in memory."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_cli import TINY, fails
from test_train import gradient, small

from ddpm_lite import data, dist
from ddpm_lite.batches import draw
from ddpm_lite.checkpoint import load
from ddpm_lite.cli import main
from ddpm_lite.files import read_tensors
from ddpm_lite.mapped import Mapped

LABELS = torch.arange(20) % 3
KINDS = {
    "plain": {},
    "labels, learned variance, parts": {
        "labels": LABELS, "loss": "hybrid", "net": {"classes": 3, "learned_variance": True}, "accumulate": 2},
}


def run(*argv: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, one thread, and the modules that this process sees."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *map(str, argv)], env=env, text=True, capture_output=True,
                          timeout=timeout)


def torchrun(*argv: object) -> subprocess.CompletedProcess[str]:
    return run("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, *argv)


# torchrun

def curve(kind: str) -> dict[str, torch.Tensor]:
    """The losses of 12 steps, then the averaged weights; and the gradient of the first step."""
    one = small(**KINDS[kind], batch=7, steps=1, clip=1e9)
    list(one.run())
    trainer = small(**KINDS[kind], batch=7, steps=12)
    found = {"losses": torch.tensor([step.loss for step in trainer.run()], dtype=torch.float64)}
    found |= {f"first.{name}": g.contiguous() for name, g in gradient(one).items()}
    return found | {k: v.contiguous() for k, v in trainer.tensors().items() if k.startswith("ema.")}


SCRIPT = """
import sys, torch
from pathlib import Path
from ddpm_lite import dist
from ddpm_lite.files import write_tensors
from test_scale import KINDS, curve
from test_train import small
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
torch.set_num_threads(1)
dist.start(torch.device("cpu"))
sent = []
for parts in (1, 3):
    trainer = small(accumulate=parts, steps=1)
    count = lambda _, bucket: sent.append(parts) or allreduce_hook(None, bucket)
    trainer.call.register_comm_hook(None, count)
    list(trainer.run())
out, about = Path(sys.argv[1]), {"world": str(dist.world()), "sent": f"{sent.count(1)} {sent.count(3)}"}
for kind in KINDS:
    write_tensors(out / f"{dist.rank()}.{kind}", curve(kind), about)
dist.stop()
"""


def test_two_processes_take_the_steps_of_one(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)
    done = torchrun(tmp_path / "run.py", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    for kind in KINDS:
        alone = curve(kind)
        (first, about), (second, _) = (read_tensors(tmp_path / f"{rank}.{kind}") for rank in (0, 1))
        assert about["world"] == "2" and about["sent"].split() == ["1", "1"]    # gradients travel once a step
        torch.testing.assert_close(first["losses"], alone["losses"], rtol=0, atol=1e-5)
        for name, v in alone.items():
            # float32 sums in another order, and AdamW divides by their size: 1e-2 of a rate of 2e-3
            torch.testing.assert_close(first[name], v, rtol=1e-3, atol=2e-5)
            assert name.startswith("first.") or torch.equal(first[name], second[name]), name    # each rank's


FATAL = """
import os, signal, sys, torch
from ddpm_lite import dist
from ddpm_lite.cli import main
from ddpm_lite.train import Trainer
torch.set_num_threads(1)
advance, (victim, step) = Trainer._advance, map(int, sys.argv[1:3])
def fatal(trainer):
    if (dist.rank(), trainer.step) == (victim, step) and not dist.restarted():
        os.kill(os.getpid(), signal.SIGKILL)
    return advance(trainer)
Trainer._advance = fatal
sys.exit(main(sys.argv[3:]))
"""
OPTIONS = ["train", "--steps", "10", "--save-every", "4", *TINY]


def same_run(one: Path, other: Path) -> None:
    """The same weights, bit by bit, and the same log, each step once."""
    for name in ("resume.safetensors", "model.safetensors"):
        (got, about), (expected, wanted) = read_tensors(one / name), read_tensors(other / name)
        assert about["step"] == wanted["step"] and got.keys() == expected.keys()
        for key, v in expected.items():
            assert torch.equal(got[key], v), key
    logs = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
            for folder in (one, other)]
    assert [(line["step"], line["loss"]) for line in logs[0]] == [(x["step"], x["loss"]) for x in logs[1]]


def test_a_killed_process_ends_the_job_and_torchrun_goes_on_from_the_last_save(tmp_path):
    (tmp_path / "run.py").write_text(FATAL)
    torn, whole = tmp_path / "torn", tmp_path / "whole"
    killed = torchrun("--max-restarts", 1, tmp_path / "run.py", 1, 7, *OPTIONS, "--out", torn)
    assert killed.returncode == 0, killed.stderr[-2000:]
    said = [line for line in killed.stderr.splitlines() if line.startswith("ddpm-lite: ")]
    assert len(said) == 1 and "process 0 has lost another one, and stops; the last save stands" in said[0]
    assert f"exitcode: -{int(signal.SIGKILL)}" in killed.stderr         # torchrun's own words
    through = torchrun("-m", "ddpm_lite", *OPTIONS, "--out", whole)
    assert through.returncode == 0, through.stderr[-2000:]
    same_run(torn, whole)
    assert main([*OPTIONS, "--out", str(tmp_path / "one")]) == 0        # nor does one process differ by much
    two, one = (load(folder).net.state_dict() for folder in (whole, tmp_path / "one"))
    for name, v in one.items():                                         # float32 sums in another order
        torch.testing.assert_close(two[name], v, rtol=1e-3, atol=1e-5)


def test_only_torchrun_may_start_a_run_twice_and_only_the_same_one(tmp_path, capsys, monkeypatch):
    argv = [*OPTIONS, "--out", str(tmp_path)]
    assert main(argv) == 0
    assert "already holds a run" in fails(capsys, 2, *argv)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    assert main(argv) == 0
    assert "a resumed run keeps its training: seed must be 0, got 1" in fails(capsys, 2, *argv, "--seed", 1)


def test_every_process_draws_the_noise_of_its_part_and_of_the_first_block_alone(monkeypatch):
    sizes, randn = [], torch.randn
    whole = draw(0, 2, 1000, 20, (2,), 40, 0.5, slice(None))
    monkeypatch.setattr(torch, "randn", lambda n, *dims, **how: sizes.append(n) or randn(n, *dims, **how))
    part = draw(0, 2, 1000, 20, (2,), 40, 0.5, slice(600, 700))
    assert sizes == [128, 128, 128]                                     # the first, 512 to 639, 640 to 767
    for name, v in whole._asdict().items():
        torch.testing.assert_close(getattr(part, name), v[600:700], rtol=0, atol=0)
    assert len(whole.eps.unique()) == 2000                              # no block repeats another


# Parts of a batch

def test_shares_and_their_parts_cover_the_batch(monkeypatch):
    for world, parts, batch in ((1, 3, 7), (2, 3, 13), (3, 2, 6)):
        monkeypatch.setattr(dist, "world", lambda world=world: world)
        covered = []
        for rank in range(world):
            monkeypatch.setattr(dist, "rank", lambda rank=rank: rank)
            mine = [list(range(batch)[dist.share(batch, i, parts)]) for i in range(parts)]
            assert sum(mine, []) == list(range(batch)[dist.share(batch)]) and all(mine)
            covered += sum(mine, [])
        assert covered == list(range(batch))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_in_parts_is_the_step_in_one(kind):
    options = KINDS[kind] | {"batch": 7, "clip": 1e9}
    whole, parts = small(**options | {"accumulate": 1}), small(**options | {"accumulate": 3})
    (one, *_), (other, *_) = list(whole.run()), list(parts.run())
    assert other.loss == pytest.approx(one.loss, rel=1e-6)              # float32
    for name, g in gradient(whole).items():
        torch.testing.assert_close(gradient(parts)[name], g, rtol=1e-3, atol=2e-6)


def test_parts_must_hold_an_example_each(monkeypatch):
    with pytest.raises(ValueError, match="accumulate must leave each part an example: at most 6 parts of"):
        small(accumulate=7)
    monkeypatch.setattr("ddpm_lite.dist.world", lambda: 4)
    with pytest.raises(ValueError, match="batch must be at least 1 per process, 4, got 3"):
        small(batch=3)


PEAK = """
import torch, ddpm_lite as dl

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024

torch.set_num_threads(1)
net, data = dl.UNet(dl.UNetConfig(width=16)), torch.rand(256, 1, 16, 16) * 2 - 1
config = dl.TrainConfig(steps=1, batch=256, device="cpu", accumulate={parts})
trainer = dl.Trainer(net, dl.cosine(40), data, config)
before = peak()
list(trainer.run())
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_parts_take_less_memory():
    whole, parts = (int(run("-c", PEAK.format(parts=parts)).stdout) for parts in (1, 8))
    assert 0 < parts < whole / 2


# Images that stay in their file

def npy(folder: Path, kind: str, n: int = 20) -> tuple[Path, torch.Tensor]:
    """A file of images with labels beside it, and the same images in memory."""
    pixels = torch.randint(256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    inside = data.scale(pixels, 256)
    np.save(folder / "train.npy", (pixels if kind == "uint8" else inside).numpy())
    np.save(folder / "train.labels.npy", LABELS[:n].numpy().astype(np.uint8))
    return folder / "train.npy", inside


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_mapped_run_is_bitwise_the_run_in_memory(tmp_path, kind):
    path, inside = npy(tmp_path, kind)
    runs = [small(rows, LABELS, {"classes": 3}, batch=7, accumulate=2) for rows in (Mapped(path), inside)]
    losses = [[step.loss for step in trainer.run()] for trainer in runs]
    assert losses[0] == losses[1]
    for name, v in runs[1].tensors().items():
        assert torch.equal(runs[0].tensors()[name], v), name


def test_a_process_reads_the_rows_of_its_share_alone(tmp_path, monkeypatch):
    mapped, rows, read = Mapped(npy(tmp_path, "uint8")[0]), [], Mapped.__getitem__
    trainer = small(mapped, batch=7, accumulate=2, steps=2)
    monkeypatch.setattr(dist, "world", lambda: 3)
    monkeypatch.setattr(dist, "rank", lambda: 1)
    monkeypatch.setattr(Mapped, "__getitem__", lambda self, i: rows.append(i) or read(self, i))
    for k in range(2):
        trainer._advance()
        share = draw(0, k, 7, 20, (1, 8, 8), 40, 0.1, slice(2, 4)).examples
        assert torch.equal(torch.cat(rows), share)
        rows.clear()


LARGE = """
import resource, sys, numpy as np, torch, ddpm_lite as dl
from pathlib import Path
from ddpm_lite.mapped import Mapped
from test_train import SMALL
torch.set_num_threads(1)
rss = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
held = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + 2**29,) * 2)           # half a gigabyte more
try:
    np.load(sys.argv[1])
except MemoryError:
    print("too large to load")
before, mapped = rss(), Mapped(Path(sys.argv[1]))
config = dl.TrainConfig(steps=20, batch=16, device="cpu")
list(dl.Trainer(dl.UNet(dl.UNetConfig(**SMALL)), dl.cosine(40), mapped, config).run())
print(rss() - before, len(mapped))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory in use from /proc")
def test_a_file_larger_than_the_memory_trains(tmp_path):
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (2_000_000, 1, 32, 32)).flush()     # 2 GB, all a hole
    done = run("-c", LARGE, path)
    said, numbers = done.stdout.splitlines() or [done.stderr[-2000:], ""]
    growth, n = map(int, numbers.split())
    assert said == "too large to load" and n == 2_000_000
    assert growth < 250, growth                                         # MB, of a file of 2000


def test_the_command_trains_from_a_folder_and_resumes_and_samples(tmp_path, capsys):
    folder, out = tmp_path / "set", tmp_path / "run"
    folder.mkdir()
    path, _ = npy(folder, "uint8")
    for name in (folder, path):
        assert main(["train", "--data", str(name), "--labels", "--steps", "2", "--out", str(out / name.name),
                     *TINY]) == 0
    same_run(out / "set", out / "train.npy")
    assert main(["train", "--out", str(out / "set"), "--resume", "--steps", "4"]) == 0
    assert load(out / "set").net.config.classes == 3
    assert main(["sample", str(out / "set"), "--n", "2", "--steps", "2", "--label", "1",
                 "--out", str(tmp_path / "s.npy")]) == 0
    assert "compares with a test split and needs labels" in fails(capsys, 2, "evaluate", out / "set")


def write(path: Path, array: np.ndarray, cut: int = 0) -> None:
    np.save(path, array, allow_pickle=True)
    path.write_bytes(path.read_bytes()[: -cut or None])


PIXELS = np.zeros((20, 1, 8, 8), np.uint8)


@pytest.mark.parametrize(("array", "cut", "code", "says"), [
    (PIXELS, 100, 1, "train.npy is cut short"),
    (PIXELS[:0], 0, 2, "must hold uint8 or float32 [n, c, h, w], row after row, got uint8 [0, 1, 8, 8]"),
    (PIXELS[0], 0, 2, "got uint8 [1, 8, 8]"),
    (PIXELS.astype(np.float64), 0, 2, "got float64 [20, 1, 8, 8]"),
    (np.asfortranarray(PIXELS.repeat(3, 1)), 0, 2, "row after row"),
    (np.array([[[[{}]]]]), 0, 1, "is no .npy file of numbers"),         # a pickle
    (PIXELS.astype(np.float32) + 255, 0, 2, "train.npy must lie in [-1, 1], got 255 to 255 in example 0"),
    (PIXELS.astype(np.float32) + np.nan, 0, 2, "train.npy must lie in [-1, 1], got nan"),
])
def test_a_file_that_cannot_be_trained_on_gets_one_line(tmp_path, capsys, array, cut, code, says):
    write(tmp_path / "train.npy", array, cut)
    line = fails(capsys, code, "train", "--data", tmp_path, "--steps", 1, "--out", tmp_path / "run", *TINY)
    assert says in line and not (tmp_path / "run").exists()


@pytest.mark.parametrize(("labels", "cut", "code", "says"), [
    (None, 0, 2, "train.labels.npy, and there is no such file"),
    (np.zeros(19, np.int64), 0, 2, "train.labels.npy must hold 20 whole numbers, one for each image, got"),
    (np.zeros(20), 0, 2, "got float64 [20]"),
    (np.arange(20) - 1, 0, 2, "labels must be 20 whole numbers in [0, 19)"),
    (np.zeros(20, np.int64), 7, 1, "train.labels.npy is cut short"),
])
def test_labels_that_do_not_fit_get_one_line(tmp_path, capsys, labels, cut, code, says):
    np.save(tmp_path / "train.npy", PIXELS)
    if labels is not None:
        write(tmp_path / "train.labels.npy", labels, cut)
    argv = ["train", "--data", tmp_path, "--labels", "--steps", 1, "--out", tmp_path / "run", *TINY]
    line = fails(capsys, code, *argv)
    assert says in line and not (tmp_path / "run").exists()


def test_a_row_that_turns_bad_stops_the_run_with_its_number(tmp_path):
    path, inside = npy(tmp_path, "float32")
    trainer = small(Mapped(path), steps=20)
    inside[13, 0, 2, 3] = 2.5
    with open(path, "r+b") as file:
        file.seek(-inside.numel() * 4, os.SEEK_END)
        file.write(inside.numpy().tobytes())
    with pytest.raises(ValueError, match=r"train.npy must lie in \[-1, 1\], got .* to 2.5 in example 13;"):
        list(trainer.run())


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    for name, says in ((tmp_path / "no.npy", "no.npy: No such file"), (tmp_path, "train.npy: No such file")):
        argv = ["train", "--data", name, "--steps", 1, "--out", tmp_path / "run", *TINY]
        assert says in fails(capsys, 2, *argv)


# bf16

def test_bf16_rounds_inside_the_network_alone():
    exact, rounded = small(precision="float32", steps=3), small(precision="bf16", steps=3)
    losses = [[step.loss for step in trainer.run()] for trainer in (exact, rounded)]
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)   # bf16: 8 bits
    assert all(v.dtype == torch.float32 for name, v in rounded.tensors().items() if "n_averaged" not in name)
    assert small().bf16 is False
