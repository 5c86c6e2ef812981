#!/usr/bin/env python3
"""Writes data/digits.npz: the handwritten digits that scikit-learn ships, and their split.

Needs scikit-learn, numpy and torch; the library itself needs none of them, it embeds the file.

images  (1797, 8, 8) uint8, 0 to 16, in scikit-learn's order
labels  (1797,)      uint8, 0 to 9
order   (1797,)      int64, torch.randperm(1797) after torch.manual_seed(0): the first 1437 are the
                     training samples, the last 360 the test samples
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits


def main() -> None:
    digits = load_digits()
    torch.manual_seed(0)
    order = torch.randperm(len(digits.target)).numpy()
    np.savez_compressed(
        Path(__file__).parent.parent / "data" / "digits.npz",
        images=digits.images.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
        order=order.astype(np.int64),
    )


if __name__ == "__main__":
    main()
