"""How a process that imports ddpm_lite treats threads and memory."""
import os
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
import ddpm_lite as dl
config = dl.TrainConfig(steps=30, device="cpu", log_every=10)
for step in dl.Trainer(dl.UNet(), dl.cosine(1000), torch.zeros(64, 1, 8, 8), config).run():
    if step.step == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20)
"""


def run(code, **env):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    return subprocess.run([sys.executable, "-c", code], env=clean | env, check=True, capture_output=True,
                          text=True).stdout.strip()


def faults(**env):
    """How often a training step asks the system for memory."""
    return int(run(FAULTS, **env))


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux alone")
def test_freed_memory_is_kept_for_the_next_step_unless_the_environment_decides():
    kept = faults()
    assert 10 * kept < faults(MALLOC_ARENA_TEST="8")                    # the default: as the C library comes
    assert 10 * kept < faults(MALLOC_TRIM_THRESHOLD_="1000000")
    assert 10 * kept < faults(GLIBC_TUNABLES="glibc.malloc.trim_threshold=1000000")


def test_waiting_threads_spin_a_little_unless_the_environment_decides():
    code = "import os, ddpm_lite\nprint(os.environ['GOMP_SPINCOUNT'], os.environ['OMP_WAIT_POLICY'])"
    assert run(code, GOMP_SPINCOUNT="7", OMP_WAIT_POLICY="ACTIVE") == "7 ACTIVE"
    unset = "import os\nfor name in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'): os.environ.pop(name, 0)\n"
    assert run(unset + code) == "5000 PASSIVE"
