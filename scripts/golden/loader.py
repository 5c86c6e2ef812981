"""Writes tests/golden/loader.json: the order in which PyTorch's DataLoader gives 23 samples.

Run with a Python that has PyTorch:

    python scripts/golden/loader.py

Three epochs of each case, then one draw from the default generator and from the loader's own.
"""

import json
import pathlib

import torch
from torch.utils.data import DataLoader, TensorDataset

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "loader.json"


def case(shuffle: bool, drop_last: bool, own: bool, batch_size: int) -> dict:
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(7) if own else None
    data = TensorDataset(torch.arange(23), torch.arange(23))
    loader = DataLoader(
        data, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, generator=generator
    )
    epochs = [[x.tolist() for x, _ in loader] for _ in range(3)]
    draws = [torch.rand(1).item(), torch.rand(1, generator=generator).item()]
    return {
        "shuffle": shuffle, "drop_last": drop_last, "own": own, "batch_size": batch_size,
        "epochs": epochs, "draws": draws,
    }  # fmt: skip


def main():
    cases = [
        case(shuffle, drop_last, own, batch_size)
        for shuffle in (False, True)
        for drop_last in (False, True)
        for own in (False, True)
        for batch_size in (5, 23)
    ]
    OUTPUT.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
