"""Writes the files that tests/io reads, with the reference implementations of the formats."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def main() -> None:
    save_file(
        {
            "f32": torch.arange(6, dtype=torch.float32).reshape(2, 3),
            "f64": torch.tensor([0.1], dtype=torch.float64),
            "scalar": torch.tensor(123456789012345),
            "bool": torch.tensor([False, True]),
            "u8": torch.tensor([0, 1, 255], dtype=torch.uint8),
            "i32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
            "i16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
            "i8": torch.tensor([-128, 127], dtype=torch.int8),
            "empty": torch.zeros(0, 5),
            "f16": torch.tensor(
                [1.5, -(2.0**-24), 65504, torch.inf, torch.nan, -0.0], dtype=torch.float16
            ),
            "bf16": torch.tensor([1.5, -3.140625, 2.0**127], dtype=torch.bfloat16),
        },
        HERE / "reference.safetensors",
        metadata={"format": "pt", "note": "größe"},
    )
    values = np.arange(6).reshape(2, 3)
    np.savez_compressed(
        HERE / "reference.npz",
        f4=values.astype("<f4"),
        f8_fortran=np.asfortranarray(values.astype("<f8")),
        cube_fortran=np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype("<i4")),
        f4_big=values.astype(">f4"),
        f8_big=values.astype(">f8"),
        i8_big=(values - 3).astype(">i8"),
        i4=(values - 3).astype("<i4"),
        i2=(values - 3).astype("<i2"),
        i1=(values - 3).astype("|i1"),
        u1=values.astype("|u1"),
        b1=values > 2,
        f2=np.array([1.5, -0.25], dtype="<f2"),
        scalar=np.array(7, dtype="<i8"),
        empty=np.zeros((0, 3), dtype="<f4"),
    )


if __name__ == "__main__":
    main()
