"""Whatever breaks a run, the last good save stands, and one clear line says what happened."""

import contextlib
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from test_checkpoint import FILES, saved
from test_cli import TINY, fails
from test_scale import same_run
from test_train import images, small

from ddpm_lite import atomic, data
from ddpm_lite.checkpoint import load, resume
from ddpm_lite.cli import main
from ddpm_lite.files import read_tensors, write_tensors

# Killed at any moment

OPTIONS = ["train", "--labels", "--dropout", "0.2", *TINY, "--log-every", "1", "--save-every", "2"]
KILLS = 50


def fork(*argv: object, at: int | None = None) -> int:
    """The pid of a copy of this process, with all that it has imported, that runs the command; killed at
    its system step number `at` in the run folder: before it opens, flushes, renames or removes a file, or
    with half of it written."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        if at is not None:
            arm(at)
        with open(os.devnull, "w") as void, contextlib.redirect_stderr(void):
            code = main([str(a) for a in argv])
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def arm(at: int) -> None:
    steps, fsync = itertools.count(1), os.fsync

    def step() -> None:
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    class Torn(io.BufferedWriter):
        def writelines(self, parts: Iterator[bytes]) -> None:
            for part in parts:
                self.write(part[: len(part) // 2])
                self.flush()
                step()
                self.write(part[len(part) // 2 :])

    def hook(event: str, args: tuple) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and "/torn" in str(args[0]):
            step()

    atomic.open = lambda path, mode: Torn(io.FileIO(path, mode))
    os.fsync = lambda file: (step(), fsync(file))
    sys.addaudithook(hook)


def campaign(folder: Path) -> None:
    """50 kills, half of them at a system step and half after a time; then the run is ended, and made anew."""
    torch.set_num_threads(1)
    small()                                                             # imports the rest of torch
    picks = images(), torch.arange(20) % 3
    data.DATASETS["digits"] = lambda split, labels=False: picks if labels else picks[0]
    rng, torn, whole, start = random.Random(0), folder / "torn", folder / "whole", time.monotonic()
    assert os.waitpid(fork(*OPTIONS, "--steps", 4, "--out", folder / "first"), 0)[1] == 0
    unit = time.monotonic() - start                                     # seconds that this takes
    last, parts, begun = -1, 0, torn / "config.json"
    for i in range(KILLS):
        argv = ["train", "--resume"] if begun.exists() else OPTIONS
        pid = fork(*argv, "--steps", 10**6, "--out", torn, at=rng.randrange(1, 90) if i % 2 else None)
        if i % 2 == 0:
            time.sleep(unit * rng.uniform(0.2, 1.5))
            os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL, (i, argv)
        parts += any(torn.glob(".*.part"))
        if begun.exists():
            load(torn)
            step = int(read_tensors(torn / "resume.safetensors")[1]["step"])
            assert step >= last, (i, step, last)
            last = step
    end = last + 3
    for argv in (["train", "--resume", "--out", torn], [*OPTIONS, "--save-every", 10**6, "--out", whole]):
        assert os.waitpid(fork(*argv, "--steps", end), 0)[1] == 0
    same_run(torn, whole)
    assert {path.name for path in torn.iterdir()} == FILES | {"log.jsonl"}
    print(end, parts)


def test_killed_50_times_a_run_is_bitwise_the_one_that_never_stopped(tmp_path):
    code = "import sys, pathlib, test_faults; test_faults.campaign(pathlib.Path(sys.argv[1]))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=env, text=True, capture_output=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    steps, cut = map(int, done.stdout.split())
    assert steps >= 5 and cut >= 3              # it went on, and files were cut in two


def test_a_last_save_that_was_cut_in_two_is_mended_by_resume(tmp_path, monkeypatch):
    argv, replace = [*OPTIONS, "--out", str(tmp_path / "torn")], os.replace
    assert main([*argv, "--steps", "2"]) == 0

    def kill(part: Path, path: Path) -> None:
        replace(part, path)
        if int(read_tensors(tmp_path / "torn" / "resume.safetensors")[1]["step"]) == 4:
            raise KeyboardInterrupt                                     # before model.safetensors

    monkeypatch.setattr(os, "replace", kill)
    assert main([*argv, "--steps", "4", "--resume"]) == 1
    monkeypatch.undo()
    assert main([*argv, "--steps", "4", "--resume"]) == 0               # nothing is left to train
    assert main([*OPTIONS, "--steps", "4", "--out", str(tmp_path / "whole")]) == 0
    same_run(tmp_path / "torn", tmp_path / "whole")


# A folder or a disk that takes nothing

@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Root may write anywhere; so for a while be someone else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_cannot_be_written_gets_one_line(capsys):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        with nobody():
            for out, says in ((folder, "resume.safetensors (Permission denied); what was there stays"),
                              (f"{folder}/new", "new: Permission denied")):
                assert says in fails(capsys, 1, "train", "--steps", 10**9, "--out", out, *TINY)
        assert os.listdir(folder) == []
        os.chmod(folder, 0o755)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full: /dev/full")
def test_a_disk_that_fills_up_while_training_leaves_the_last_save(tmp_path, capsys):
    assert main(["train", "--steps", "2", "--out", str(tmp_path), *TINY]) == 0
    before = read_tensors(tmp_path / "resume.safetensors")
    (tmp_path / "config.json").unlink()
    (tmp_path / "log.jsonl").unlink()
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    line = fails(capsys, 1, "train", "--steps", 4, "--out", tmp_path, *TINY)
    assert "can't write" in line and "log.jsonl (No space left on device); the last save stands" in line
    after, about = read_tensors(tmp_path / "resume.safetensors")
    assert about["step"] == "0" and after.keys() == before[0].keys()    # the new run's first save


# Files that were altered

def test_any_flipped_bit_is_seen_or_changes_nothing(tmp_path):
    saved(tmp_path)
    path, rng, seen = tmp_path / "resume.safetensors", random.Random(0), 0
    whole, (tensors, about) = path.read_bytes(), read_tensors(path)
    head = 8 + int.from_bytes(whole[:8], "little")
    for where in [*range(8), *(rng.randrange(8, head) for _ in range(150)),
                  *(rng.randrange(head, len(whole)) for _ in range(50))]:
        bad = bytearray(whole)
        bad[where] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        try:
            got, said = read_tensors(path)
        except OSError as error:
            assert "\n" not in str(error)
            seen += 1
            continue
        assert said == about and got.keys() == tensors.keys(), where    # as an escaped letter in the header
        assert all(torch.equal(got[name], v) and got[name].dtype == v.dtype for name, v in tensors.items())
    assert seen > 195


def test_numbers_that_are_not_finite_are_not_loaded(tmp_path):
    saved(tmp_path)
    for name in ("model.safetensors", "resume.safetensors"):
        tensors, about = read_tensors(tmp_path / name)
        next(v for key, v in tensors.items() if key.endswith("stem.weight"))[0] = torch.nan
        write_tensors(tmp_path / name, tensors, about)
    for read in (lambda: load(tmp_path), lambda: resume(tmp_path, small())):
        with pytest.raises(OSError, match=r"the weights in .*safetensors hold NaN or infinity"):
            read()


def rewrite(folder: Path, part: str, name: str, value: object) -> None:
    said = json.loads((folder / "config.json").read_text())
    said[part][name] = value
    (folder / "config.json").write_text(json.dumps(said))


@pytest.mark.parametrize(("part", "name", "value", "was"), [
    ("network", "heads", 2, 1), ("schedule", "T", 41, 40), ("training", "target", "v", "eps")])
def test_a_config_of_another_run_is_refused_though_the_weights_would_fit(tmp_path, part, name, value, was):
    saved(tmp_path)
    rewrite(tmp_path, part, name, value)
    says = f"config.json isn't that of .*model.safetensors: its {part} says {name} = {value}, .* with {was}"
    with pytest.raises(OSError, match=says):
        load(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "made"
    assert main(["train", "--steps", "1", "--out", str(folder), *TINY]) == 0
    return folder


def spoiled(said: dict) -> Iterator[tuple[str, dict]]:
    """config.json without one of its keys, or with something else there."""
    for part, values in said.items():
        for name in [None, *(values if isinstance(values, dict) else ())]:
            for wrong in ("gone", None, "x", -1, 0.5, [], {}):
                copy = json.loads(json.dumps(said))
                where, key = (copy, part) if name is None else (copy[part], name)
                where[key] = wrong
                if wrong == "gone":
                    del where[key]
                yield f"{part} {name} {wrong!r}", copy


@pytest.mark.parametrize("command", ["train", "sample"])
def test_any_spoiled_config_gets_one_line_at_most(made, tmp_path, capsys, as_user, command):
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (made / "config.json").read_text()
    argv = {"train": ["train", "--resume", "--steps", "1", "--out", str(tmp_path)],
            "sample": ["sample", str(tmp_path), "--n", "1", "--steps", "1", "--out", str(tmp_path / "s.npy")]}
    for what, said in spoiled(json.loads(text)):
        (tmp_path / "config.json").write_text(json.dumps(said))
        try:
            code = main(argv[command])
        except Exception as error:
            raise AssertionError(what) from error
        assert code in (0, 1, 2), what
        lines = capsys.readouterr().err.splitlines()
        assert code == 0 or len(lines) == 1 and lines[0].startswith("ddpm-lite: "), (what, lines)
