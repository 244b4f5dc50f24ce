"""How fast, how good, how large: ddpm_lite beside what one would use instead; README.md says more."""
from pathlib import Path

ROOT = Path(__file__).parent.parent
