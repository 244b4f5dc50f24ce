"""The configuration of a class: one server and Kubernetes say the same, and nobody gets in by default."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from binder.hub import isolation, server, students

HUB = Path(__file__).parent.parent / "binder/hub"
VALUES = yaml.safe_load((HUB / "values.yaml").read_text())
GUIDE = (HUB.parent.parent / "docs/teaching/hub.md").read_text()


class Section(dict):
    """Stands in for JupyterHub's `c`: sections and settings by name."""

    def __getattr__(self, name):
        return self.setdefault(name, Section())

    def __setattr__(self, name, value):
        self[name] = value


@pytest.fixture
def config(monkeypatch):
    monkeypatch.delenv("CLASS_MEMORY", raising=False)
    c = Section()
    runpy.run_path(str(HUB / "jupyterhub_config.py"), {"get_config": lambda: c})
    return c


def test_both_ways_have_the_same_limits(config):
    single = VALUES["singleuser"]
    assert config.Spawner.mem_limit == single["memory"]["limit"] == "1G"
    assert config.Spawner.mem_guarantee == single["memory"]["guarantee"] == "512M"
    assert config.Spawner.cpu_limit == single["cpu"]["limit"] == 1
    assert config.Spawner.start_timeout == single["startTimeout"] == 300
    assert config.Spawner.args == VALUES["hub"]["config"]["Spawner"]["args"]
    assert "--KernelManager.transport=ipc" in config.Spawner.args
    [culler] = config.JupyterHub.services
    cull = VALUES["cull"]
    assert culler["command"][3:] == [f"--timeout={cull['timeout']}", f"--max-age={cull['maxAge']}"]
    assert (config.JupyterHub.cleanup_servers, config.JupyterHub.cleanup_proxy) == (False, False)


def test_both_open_the_first_notebook(config):
    path = config.Spawner.default_url.removeprefix("/lab/tree/")
    assert (HUB.parent.parent / path).exists()
    assert VALUES["singleuser"]["defaultUrl"] == f"/lab/tree/work/{path}"


def test_nobody_gets_in_before_a_login_is_chosen():
    assert VALUES["hub"]["config"]["JupyterHub"]["authenticator_class"] == "null"
    assert "password" not in (HUB / "values.yaml").read_text().lower()


def test_a_gpu_is_for_who_asks():
    plain, gpu = VALUES["singleuser"]["profileList"]
    assert plain["default"] and "kubespawner_override" not in plain
    assert gpu["kubespawner_override"]["extra_resource_limits"] == {"nvidia.com/gpu": "1"}


def test_a_kernels_sockets_fit_in_their_folder(config, monkeypatch):
    """A path of a Unix socket may have 107 characters."""
    home = f"/home/{'a' * 32}"                                          # the longest name that Linux allows
    monkeypatch.setattr("pwd.getpwnam", lambda name: SimpleNamespace(pw_dir=home))
    student = SimpleNamespace(user=SimpleNamespace(name="a"))
    folder = config.Spawner.environment["JUPYTER_RUNTIME_DIR"](student)
    assert len(f"{folder}/kernel-{'0' * 36}-ipc-5") <= 107


def test_every_local_port_is_on_loopback():
    local = (HUB / "local_config.py").read_text() + (HUB / "server.py").read_text()
    assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", local)) == {"127.0.0.1"} and "0.0.0.0" not in local


def test_students_need_root_and_say_so(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="only root can make them"), students.students(2):
        pass


@pytest.mark.parametrize("status, right", [(200, False), (302, True), (401, True), (403, True), (500, False)])
def test_an_open_door_is_seen(monkeypatch, status, right):
    monkeypatch.setattr("requests.get", lambda *args, **rest: SimpleNamespace(status_code=status))
    assert isolation.refused("http://127.0.0.1", "token") == (right, f"status {status}")


def test_a_kernel_that_outgrows_its_limit_unharmed_is_a_fault():
    class Kernel:
        def run(self, code, timeout=0):
            return SimpleNamespace(error="", text="back" if "back" in code else "42")

    first, *_ = isolation.eater(Kernel(), Kernel(), 1024)
    assert first[0] == "a kernel that eats memory is ended" and first[1] is False


def test_three_free_ports_in_a_row():
    port = server.free()
    assert 1024 < port < 65000


def test_the_guide_names_the_files_and_commands():
    for name in ("jupyterhub_config.py", "values.yaml"):
        assert f"../../binder/hub/{name}" in GUIDE
    assert "make class-check STUDENTS=10" in GUIDE
