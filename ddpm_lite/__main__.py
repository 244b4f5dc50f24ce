"""`python -m ddpm_lite`: what `ddpm-lite` runs, also under torchrun."""
import sys

from ddpm_lite.cli import main

if __name__ == "__main__":
    sys.exit(main())
