"""Memory as a container sees it, and what is made smaller where it is short."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

import ddpm_lite as dl
from binder.check.group import Group
from ddpm_lite.course import live, memory


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Files as the kernel of a container's machine shows them; its limits in MB."""
    def files(version: int, limit: int | str, used: int, cached: int, own: str = "/") -> None:
        root, *names, cache = memory.VERSIONS["memory" if version == 1 else ""]
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for name, value in zip(names, (limit, used), strict=True):
            (folder / name).write_text(f"{value if isinstance(value, str) else value * memory.MB}\n")
        (folder / "memory.stat").write_text(f"anon 5\n{cache} {cached * memory.MB}\n")
        (tmp_path / "own").write_text(f"4:memory:{own}\n1:cpu:/\n" if version == 1 else f"0::{own}\n")

    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN", tmp_path / "own")
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=5000 * memory.MB))
    return files


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("own", ["/", "/user.slice/unseen"])            # a container's group is its root
def test_what_is_left_of_a_containers_limit(container, version, own):
    container(version, 1024, 700, 50, own)
    assert memory.left() == 1024 - 700 + 50                             # cached files give way
    container(version, 1024, 1100, 0, own)
    assert memory.left() == 0
    container(version, "max" if version == 2 else 2**40, 700, 50, own)
    assert memory.left() == 5000                                        # no limit: what the machine has


def test_without_control_groups_the_machine_counts(container):
    assert memory.left() == 5000                                        # no such file: not Linux


def test_a_real_group_is_seen():
    """Half of it is held, so less than half is left; skipped where no group can be made."""
    group = Group("ddpm-test", 400)
    try:
        if group.folder is None:
            pytest.skip("no cgroup can be made here")
        code = "from ddpm_lite.course import memory\nx = bytearray(200 << 20)\nprint(memory.left())"
        done = subprocess.run([sys.executable, "-c", code], preexec_fn=group.enter, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        assert 20 < float(done.stdout) < 200
    finally:
        group.close()


def test_afford_says_what_is_smaller_and_why(container, capsys):
    container(2, 1024, 500, 0)
    assert memory.afford(4, 100) == 4 and capsys.readouterr().out == ""
    assert memory.afford(8, 100, "pictures") == 4
    said = "Memory is short, 524 MB are left: 4 pictures in place of 8. Other open notebooks hold memory"
    assert capsys.readouterr().out.startswith(said)
    assert memory.afford(8, 2000) == 1                                  # the least that there is


def test_a_batch_is_taken_in_parts(container, capsys):
    container(1, 1024, 874, 0)                                          # 150 left, 50 above the reserve
    assert memory.parts(64) == 1 and capsys.readouterr().out == ""
    assert memory.parts(64, 2.4) == 4
    assert "each batch of 64 is taken in 4 parts" in capsys.readouterr().out
    assert memory.parts(3, 10_000) == 2


def test_a_training_goes_on_in_parts(container, monkeypatch, capsys):
    container(2, 1024, 940, 0)
    monkeypatch.setattr(live, "Run", lambda trainer, *rest: SimpleNamespace(trainer=trainer, running=False))
    config = dl.TrainConfig(steps=2, batch=64, device="cpu")
    nets = [dl.UNet(dl.UNetConfig(width=8, levels=(1, 2))) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    plain, short = (dl.Trainer(net, dl.linear(100), dl.data.digits()[:80], config) for net in nets)
    live.train(short, draw=lambda net: None, alt="")
    assert short.config.accumulate == 16 and "Memory is short, 84 MB are left" in capsys.readouterr().out
    losses = [[step.loss for step in trainer.run()] for trainer in (plain, short)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)              # the same network, but for rounding
