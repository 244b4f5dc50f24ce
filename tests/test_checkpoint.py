"""Run folders: what is read is what was written, a resumed run is bitwise the run that never stopped, and
whatever breaks in between, the last good save stands."""

import errno
import json
import math
import os
import resource
from pathlib import Path

import pytest
import torch
from test_train import SMALL, images, small

import ddpm_lite as dl
from ddpm_lite import checkpoint
from ddpm_lite.atomic import write
from ddpm_lite.checkpoint import load, log, resume, save
from ddpm_lite.files import read_tensors, write_tensors
from ddpm_lite.train import TrainConfig, Trainer

FILES = {"config.json", "model.safetensors", "resume.safetensors"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def saved(folder: Path, steps: int = 2, **options) -> Trainer:
    trainer = small(steps=steps, **options)
    for step in trainer.run():
        folder.mkdir(exist_ok=True)
        log(folder, step)
    save(folder, trainer)
    return trainer


def test_a_run_folder_loads_as_the_averaged_network(tmp_path):
    trainer = saved(tmp_path / "run", steps=3)
    assert set(contents(tmp_path / "run")) == FILES | {"log.jsonl"}
    net, sched, config = load(tmp_path / "run")
    assert not net.training and config == trainer.config
    torch.testing.assert_close(sched.alpha_bar, trainer.sched.alpha_bar, rtol=0, atol=0)
    x, t = images(4), torch.tensor([1, 3, 20, 40])
    assert torch.equal(net(x, t), trainer.ema(x, t))
    assert not torch.equal(net(x, t), trainer.net.eval()(x, t))         # the average, not the weights


@pytest.mark.parametrize(("sched", "kept"), [
    (dl.linear(50), {"name": "linear", "T": 50}), (dl.cosine(50), {"name": "cosine", "T": 50}),
    (dl.cosine(9, s=0.02), "beta"), (dl.Schedule.from_beta([0.1, 0.37, 0.2]), "beta"),
])
def test_any_schedule_comes_back_to_the_last_bit(tmp_path, sched, kept):
    trainer = Trainer(dl.UNet(dl.UNetConfig(**SMALL)), sched, images(), TrainConfig(steps=1, device="cpu"))
    save(tmp_path, trainer)
    said = json.loads((tmp_path / "config.json").read_text())["schedule"]
    assert said == kept or list(said) == [kept]
    back = load(tmp_path)[1]
    assert torch.equal(back.beta, sched.beta) and torch.equal(back.alpha_bar, sched.alpha_bar)


LABELS = torch.arange(20) % 3
KINDS = {
    "plain": {},
    "all": {"labels": LABELS, "loss": "hybrid", "target": "v",
            "net": {"classes": 3, "dropout": 0.3, "learned_variance": True}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_10_steps_and_10_more_are_bitwise_20(tmp_path, kind):
    whole, first = small(steps=20, **KINDS[kind]), small(steps=10, **KINDS[kind])
    losses, halves = [s.loss for s in whole.run()], [s.loss for s in first.run()]
    save(tmp_path, first)
    second = small(steps=20, **KINDS[kind])
    torch.manual_seed(9)                                                # a new process has another stream
    with torch.no_grad():
        for p in second.net.parameters():
            p.fill_(9.0)                                                # nothing of these may survive
    resume(tmp_path, second)
    assert second.step == 10
    halves += [s.loss for s in second.run()]
    assert losses == halves
    expected, got = whole.tensors(), second.tensors()
    assert expected.keys() == got.keys() and any("exp_avg_sq" in name for name in got)
    for name, v in expected.items():
        assert torch.equal(got[name], v), name


def test_the_memory_format_of_the_optimizer_survives(tmp_path):
    resume_from = saved(tmp_path)
    trainer = small(steps=4)
    resume(tmp_path, trainer)
    for p, old in zip(trainer.net.parameters(), resume_from.net.parameters(), strict=True):
        for key in ("exp_avg", "exp_avg_sq"):
            assert trainer.optimizer.state[p][key].stride() == p.stride() == old.stride()


def test_seconds_spent_before_count(tmp_path):
    first = small(steps=None, seconds=0.3)
    list(first.run())
    save(tmp_path, first)
    again, more = small(steps=None, seconds=0.3), small(steps=None, seconds=first.seconds + 0.2)
    resume(tmp_path, again)
    assert again.done and list(again.run()) == []
    resume(tmp_path, more)
    assert list(more.run())[-1].seconds >= first.seconds + 0.2


def test_the_log_has_each_step_once_after_a_kill(tmp_path):
    trainer = small(steps=3)
    for step in trainer.run():
        log(tmp_path, step)
        if step.step == 2:
            save(tmp_path, trainer)
    with open(tmp_path / "log.jsonl", "a") as file:                     # nor was this line ended
        file.write('{"step": 4, "lo')
    again = small(steps=4)
    resume(tmp_path, again)
    for step in again.run():
        log(tmp_path, step)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert set(lines[0]) == {"step", "loss", "seconds", "rate"}


@pytest.mark.parametrize(("change", "says"), [
    ({"batch": 7}, "keeps its training: batch must be 6, got 7"),
    ({"seed": 1}, "seed must be 0, got 1"),
    ({"net": {"dropout": 0.5}}, "keeps its network: dropout must be 0.0, got 0.5"),
    ({"T": 41}, "keeps its schedule: T must be 40, got 41"),
    ({"data": images(19)}, r"examples must be \[20, 1, 8, 8\], got \[19, 1, 8, 8\]"),
])
def test_what_would_change_the_run_is_refused(tmp_path, change, says):
    saved(tmp_path)
    with pytest.raises(ValueError, match=says):
        resume(tmp_path, small(**change))


def test_budget_reports_and_device_may_change(tmp_path):
    saved(tmp_path)
    trainer = small(steps=9, log_every=5)
    resume(tmp_path, trainer)
    assert [s.step for s in trainer.run()] == [5, 9]


# A save that fails

def test_a_log_that_cannot_grow_is_named(tmp_path):
    trainer, limit = small(), resource.getrlimit(resource.RLIMIT_FSIZE)
    step = next(trainer.run())
    (tmp_path / "log.jsonl").write_bytes(b"\n" * 1000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OSError, match="can't write .*log.jsonl .File too large.; the last save stands"):
            log(tmp_path, step)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_one_line_and_nothing_else(tmp_path, monkeypatch):
    trainer = saved(tmp_path)
    before = contents(tmp_path)
    trainer.step += 1
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="can't write .*resume.safetensors .No space left on device") as e:
        save(tmp_path, trainer)
    assert e.value.errno == errno.ENOSPC and contents(tmp_path) == before       # no leftover either


def test_a_write_cut_short_leaves_the_old_file(tmp_path):
    path, limit = tmp_path / "file", resource.getrlimit(resource.RLIMIT_FSIZE)
    write(path, [b"old"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))         # the system stops at 1000 bytes
    try:
        with pytest.raises(OSError, match="can't write"):
            write(path, [b"new" * 200, b"new" * 200])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_killed_between_two_files_a_run_resumes_from_one_moment(tmp_path, monkeypatch, after):
    trainer = small(steps=6)
    steps, replaced, rename = trainer.run(), [], os.replace
    next(steps)
    save(tmp_path, trainer)
    next(steps)

    def kill(part, path):
        if len(replaced) == after:
            raise KeyboardInterrupt
        replaced.append(path)
        rename(part, path)

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, trainer)
    monkeypatch.undo()
    again, whole = small(steps=6), small(steps=6)
    resume(tmp_path, again)
    assert again.step == (1 if after == 0 else 2)
    list(again.run()), list(whole.run())
    for name, v in whole.tensors().items():
        assert torch.equal(again.tensors()[name], v), name
    load(tmp_path)                                                      # the model is whole, too


def test_leftovers_of_a_killed_save_are_cleaned(tmp_path):
    trainer = saved(tmp_path)
    leftover = tmp_path / ".resume.safetensors.part"
    leftover.write_bytes(b"half a fi")
    resume(tmp_path, small(steps=3))
    assert not leftover.exists()
    leftover.write_bytes(b"half a fi")
    save(tmp_path, trainer)
    assert set(contents(tmp_path)) == FILES | {"log.jsonl"}


def test_weights_that_are_nan_are_not_saved(tmp_path):
    trainer = saved(tmp_path)
    before = contents(tmp_path)
    with torch.no_grad():
        trainer.net.stem.weight[0] = math.nan
    with pytest.raises(FloatingPointError, match="weights of step 2 hold NaN or infinity: not saved"):
        save(tmp_path, trainer)
    assert contents(tmp_path) == before


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(OSError, match="File exists"):
        save(tmp_path / "run", small())


# A file that is damaged

@pytest.mark.parametrize("name", ["model.safetensors", "resume.safetensors"])
@pytest.mark.parametrize("keep", [0, 4, 300, 0.5, -1])
def test_a_file_cut_short_is_named(tmp_path, name, keep):
    saved(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(OSError, match=f"{name} is missing, cut short or damaged") as error:
        load(tmp_path) if name.startswith("model") else resume(tmp_path, small())
    assert "\n" not in str(error.value)


def test_a_flipped_bit_is_seen(tmp_path):
    saved(tmp_path)
    whole = bytearray((tmp_path / "model.safetensors").read_bytes())
    whole[-5] ^= 1
    (tmp_path / "model.safetensors").write_bytes(bytes(whole))
    with pytest.raises(OSError, match=r"model.safetensors is damaged: its checksum is wrong"):
        load(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    saved(tmp_path)
    (tmp_path / "resume.safetensors").unlink()
    with pytest.raises(OSError, match="resume.safetensors is missing"):
        resume(tmp_path, small())


def test_weights_of_another_network_are_refused(tmp_path):
    saved(tmp_path)
    tensors, about = read_tensors(tmp_path / "model.safetensors")
    tensors["stem.weight"] = torch.zeros(2)
    write_tensors(tmp_path / "model.safetensors", tensors, {"step": about["step"]})
    with pytest.raises(OSError, match="aren't those of the network that its config.json describes"):
        load(tmp_path)


@pytest.mark.parametrize(("text", "says"), [
    ('{"format": 1, "netw', "config.json is damaged"), ("{}", "config.json is damaged"),
    ('{"format": 99}', "has format 99, and this version reads format 1"), ("[1]", "config.json is damaged"),
])
def test_a_damaged_config_is_named(tmp_path, text, says):
    saved(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(OSError, match=says):
        load(tmp_path)


def test_a_config_that_lacks_or_adds_a_part_is_named(tmp_path):
    saved(tmp_path)
    path = tmp_path / "config.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({name: part for name, part in said.items() if name != "examples"}))
    with pytest.raises(OSError, match="config.json is damaged: KeyError.'examples'"):
        load(tmp_path)
    for part in (3, {"of": 3}):
        path.write_text(json.dumps(said | {"moons": part}))
        with pytest.raises(ValueError, match="keeps its moons: (moons|of) must be 3, got None"):
            resume(tmp_path, small())


def test_no_run_is_said_to_be_none(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="holds no run: expected a folder that"):
            load(folder)


def test_only_a_unet_has_a_run_folder(tmp_path):
    trainer = Trainer(dl.MLP(), dl.cosine(9), torch.randn(9, 2), TrainConfig(steps=1, device="cpu"))
    with pytest.raises(ValueError, match="a run folder holds a UNet, got MLP"):
        save(tmp_path, trainer)


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint.dist, "rank", lambda: 1)
    save(tmp_path, small())
    assert contents(tmp_path) == {}
