"""The notebooks, executed, stored, tested: `python -m ddpm_lite.course.notebooks`."""
