"""`make binder-check`: what it sees, and that it sees planted faults. Nothing is installed here."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from binder.check import dockerfile, group

ROOT = Path(__file__).parent.parent
DOCKERFILE = r"""[Repo2Docker] Looking for repo2docker_config in /somewhere
Building conda environment for python=3.11

FROM docker.io/library/buildpack-deps:24.04
COPY --chown=0:0 src/binder/environment.yml ${REPO_DIR}/binder/environment.yml
USER ${NB_USER}
RUN TIMEFORMAT='time: %3R' \
bash -c 'time ${MAMBA_EXE} env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml" && \
time ${MAMBA_EXE} clean --all -f -y'
RUN chmod +x binder/postBuild
RUN ./binder/postBuild
ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"
"""


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "binder", tmp_path / "binder", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "environment.yml", tmp_path)
    return tmp_path


def test_the_expected_dockerfile_has_no_faults(copy):
    assert dockerfile.faults(DOCKERFILE, copy) == []


@pytest.mark.parametrize("line, lacks", [
    ("Building conda environment for python=3.11", "conda, Python 3.11"),
    ("COPY --chown=0:0 src/binder/environment.yml ${REPO_DIR}/binder/environment.yml\n", "its own layer"),
    ("env update", "the environment"),
    ("RUN ./binder/postBuild", "postBuild"),
    ('ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"', "start"),
    ("USER ${NB_USER}", "no root"),
])
def test_what_a_dockerfile_lacks_is_named(copy, line, lacks):
    assert dockerfile.faults(DOCKERFILE.replace(line, ""), copy) == [f"the Dockerfile lacks {lacks}"]


def test_another_python_is_a_fault(copy):
    other = DOCKERFILE.replace("python=3.11", "python=3.10")
    assert dockerfile.faults(other, copy) == ["the Dockerfile lacks conda, Python 3.11"]


@pytest.mark.parametrize("name, said", [
    ("binder/requirements.txt", "binder/requirements.txt is ignored"),
    ("requirements.txt", "requirements.txt in the root is ignored, as there is binder/"),
    ("environment.yml", "environment.yml in the root is ignored, as there is binder/"),
])
def test_a_file_that_would_be_ignored_is_named(copy, name, said):
    (copy / name).write_text("numpy\n")
    assert dockerfile.faults(DOCKERFILE, copy) == [said]


def test_a_local_file_among_the_pins_is_named(copy):
    path = copy / "binder/environment.yml"
    path.write_text(path.read_text() + "      - -e .\n")
    (copy / "environment.yml").write_text(path.read_text())
    [fault] = dockerfile.faults(DOCKERFILE, copy)
    assert "installs a local file" in fault


# --- limits

EATER = "import time\nx = bytearray({} << 20)\nprint('full', flush=True)\ntime.sleep(60)"


@pytest.mark.parametrize("permitted", [True, False])
def test_a_process_over_the_limit_is_ended_and_one_below_it_is_not(permitted, monkeypatch):
    """As a cgroup where one can be made, and by the watch that stands in for it."""
    if not permitted:
        monkeypatch.setattr(group, "make", lambda name, mb: None)
    for mb, ended in ((400, True), (60, False)):
        held = group.Group("ddpm-test", 200)
        process = subprocess.Popen([sys.executable, "-c", EATER.format(mb)], preexec_fn=held.enter,
                                   stdout=subprocess.PIPE, text=True)
        held.pid = process.pid
        try:
            if ended:
                assert process.wait(30) == -9 and held.ended() == 1
            else:
                assert process.stdout.readline() == "full\n"
                group.until(lambda held=held: held.peak > 60, 10, "not seen")
                assert process.poll() is None and held.ended() == 0 and held.peak < 200
        finally:
            held.close()
            process.wait()
        assert not held.folder or not held.folder.exists()


def test_a_group_stays_on_its_cores():
    held = group.Group("ddpm-test", 500, cores={0})
    say = [sys.executable, "-c", "import os\nprint(os.sched_getaffinity(0))"]
    assert subprocess.run(say, preexec_fn=held.enter, capture_output=True, text=True).stdout == "{0}\n"
    held.close()
    assert 0 in os.sched_getaffinity(0)


def test_waiting_has_an_end():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="no server after 0 s"):
        group.until(lambda: False, 0.2, "no server")
    assert time.monotonic() - began < 5


# --- binder/start

@pytest.mark.parametrize("given, threads", [
    ({}, "1"), ({"CPU_LIMIT": "0.5"}, "1"), ({"CPU_LIMIT": "2.0"}, "2"),
    ({"CPU_LIMIT": "2", "OMP_NUM_THREADS": "3"}, "3")])
def test_start_gives_as_many_threads_as_cores(given, threads):
    env = {"PATH": os.environ["PATH"]} | given
    done = subprocess.run(["bash", ROOT / "binder/start", "printenv", "OMP_NUM_THREADS"], env=env,
                          capture_output=True, text=True)
    assert done.stdout == f"{threads}\n"
