"""What is said of batch normalization, measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core, nn
from .._create import as_tensor
from ..nn.norm import _NormBase
from .convert import convert_norm

__all__ = ["claims", "run"]


def claims() -> list[str]:
    """Names of what can be measured."""
    return _core._study_claims()


def _parent(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, last = name.rpartition(".")
    return network.get_submodule(path), last


def _without_affine(network: nn.Module) -> None:
    for name, layer in list(network.named_modules()):
        if not isinstance(layer, _NormBase):
            continue
        parent, last = _parent(network, name)
        new = type(layer)(layer.num_features, layer.eps, layer.momentum, affine=False)
        setattr(parent, last, new)


def _with_dropout(network: nn.Module, p: float) -> None:
    linear = [name for name, m in network.named_modules() if isinstance(m, nn.Linear)]
    if linear and linear[-1]:
        parent, last = _parent(network, linear[-1])
        setattr(parent, last, nn.Sequential(nn.Dropout(p), getattr(parent, last)))


def _recipes(factory: Callable[[], nn.Module]) -> Callable[[str, float], nn.Module]:
    """Build the factory's network with another normalization, and with dropout."""

    def build(norm: str, dropout: float) -> nn.Module:
        network = factory()
        if not isinstance(network, nn.Module):
            raise TypeError(f"the factory must return a ballast.nn.Module, got {type(network)}")
        if dropout > 0:
            _with_dropout(network, dropout)
        if norm == "fixed":
            _without_affine(network)
        elif norm == "renorm":
            # A hundredth of the paper's steps, as in the study's own networks.
            convert_norm(network, norm, start=50, r_end=400, d_end=250)
        elif norm == "group":
            convert_norm(network, norm, groups=4)
        elif norm == "ghost":
            convert_norm(network, norm, virtual_batch=_core._study_ghost_batch)
        elif norm != "batch":
            convert_norm(network, norm)
        return network

    return build


def run(
    factory: Callable[[], nn.Module],
    data: str | Sequence[Any] = "digits",
    claims: Sequence[str] = (),
    quick: bool = False,
    folder: str = "",
    *,
    name: str = "",
    command: str = "",
    progress: bool = False,
    on_result: Callable[[str, str, str, str, str], None] | None = None,
) -> dict[str, Any]:
    """Measure claims about batch normalization on a network of one's own.

    Parameters
    ----------
    factory : callable
        Called without arguments, returns the network with batch normalization and fresh weights.
        Where a claim asks for it, its batch norms are taken out or exchanged (`convert_norm`).
    data : str or (x_train, y_train, x_test, y_test)
        ``"digits"``, a .csv, .npy or .npz file, or inputs (N, ...) and labels (N). Of the first
        two, samples are given as images, rows, colour images or ten principal components,
        whichever the network takes first.
    claims : sequence of str
        Names as `claims()` lists them; all where empty.
    quick : bool
        Three seeds and short trainings, in the place of five and longer ones.
    folder : str
        Where report.html, report.md, report.json and figures are written, and runs are kept so that
        a study that was stopped continues; nowhere where empty.
    name, command : str
        What the report calls the network, and the options it prints after ``ballast study CLAIM``.
    progress : bool
        Show how far it is, on standard error.
    on_result : callable
        Called with a claim's name, its verdict, the sentence, the times measured, and why networks
        of the study's own were measured, where that is so.

    Returns
    -------
    dict
        The report, as in report.json: ``["claims"][i]["verdict"]`` and all numbers.

    Raises
    ------
    KeyError
        For a claim that is not known.
    ValueError
        Where the network cannot be given the samples.
    """
    samples: Any = data
    if not isinstance(data, str):
        samples = tuple(as_tensor(part) for part in data)
        if len(samples) != 4:
            raise ValueError(f"data: expected x_train, y_train, x_test, y_test, got {len(samples)}")
    text = _core._study(
        _recipes(factory),
        samples,
        name or getattr(factory, "__name__", "network"),
        data if isinstance(data, str) else "samples of your own",
        list(claims),
        quick,
        str(folder),
        command,
        progress,
        on_result,
    )
    return json.loads(text)
