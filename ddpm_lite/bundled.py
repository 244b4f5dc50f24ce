"""The digits that come with the package, without torch."""
from importlib.resources import files

import numpy as np
from jaxtyping import UInt8


def digits() -> tuple[UInt8[np.ndarray, "1797 8 8"], UInt8[np.ndarray, " 1797"]]:
    """1,797 handwritten digits in 17 grey levels, 0 to 16, and which digit each is.

    The test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998 (doi.org/10.24432/C50P49; CC BY 4.0), in scikit-learn's order.
    """
    with (files("ddpm_lite") / "digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["pixels"], arrays["labels"]
