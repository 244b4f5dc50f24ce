"""How the process treats threads that wait and memory that is freed: what torch finds when it computes here.

Whoever sets the environment variables named below has the last word.
"""
import ctypes
import os
import sys

# Threads that wait spin for some microseconds, then sleep. Sleeping at once makes a step 1.5 times longer;
# spinning on, several times, once others want the cores. OpenMP (GCC's the second) reads this with torch.
THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}
# Linux's C library hands freed memory back to the system, and in the next training step asks for it anew:
# page by page, a tenth to a quarter of the step. So it keeps up to 1 GiB; pieces above 32 MiB go back.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3      # malloc.h
MEMORY = {M_TRIM_THRESHOLD: 1 << 30, M_MMAP_THRESHOLD: 1 << 25}


def prepare() -> None:
    """Sets both, where nobody has; called by the first import of ddpm_lite."""
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)
    decided = "malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name.startswith("MALLOC_") for name in os.environ)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt and not decided:                                         # other C libraries have none
        for key, size in MEMORY.items():
            mallopt(key, size)
