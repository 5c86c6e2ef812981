"""Modules as ONNX files, which other run-times take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

from . import _core
from ._core import Tensor


def export(
    model: Any,
    args: Tensor | tuple[Tensor, ...],
    f: str | os.PathLike | IO[bytes],
    *,
    fold: bool = True,
    opset_version: int = 17,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = True,
) -> None:
    """Write a module, as it computes in evaluation mode, to an ONNX file.

    Parameters
    ----------
    model : nn.Module or callable
        What is exported. A module's mode is as before afterwards.
    args : Tensor or tuple of Tensor
        An example of its inputs.
    f : str, path or file object
        Where to; a file is replaced atomically.
    fold : bool
        Fold batch normalization into the weights of the layer before it.
    opset_version : int
        The version of ONNX's operators, 13 to 17.
    input_names, output_names : sequence of str, optional
        Names of inputs and outputs.
    dynamic_batch : bool
        Whether dimension 0 of inputs and outputs may have any size.

    Raises
    ------
    NotImplementedError
        For an operation that ONNX lacks, which the message names.
    ValueError
        Where what is computed depends on the values or the batch size of the input.
    """
    inputs = [args] if isinstance(args, Tensor) else list(args)
    modules = list(model.modules()) if hasattr(model, "modules") else []
    modes = [m.training for m in modules]
    names = [(n, t) for n, t in _named(model) if isinstance(t, Tensor)]

    def run(*x: Tensor) -> list[Tensor]:
        y = model(*x)
        return [y] if isinstance(y, Tensor) else list(y)

    try:
        for m in modules:
            m.training = False
        data = _core._onnx(
            run,
            inputs,
            names,
            fold,
            opset_version,
            list(input_names or []),
            list(output_names or []),
            dynamic_batch,
        )
    finally:
        for m, training in zip(modules, modes, strict=True):
            m.training = training
    if hasattr(f, "write"):
        f.write(data)
    else:
        _core._write_file(os.fspath(f), data)


def _named(model: Any) -> list[tuple[str, Tensor]]:
    if not hasattr(model, "named_parameters"):
        return []
    return [*model.named_parameters(), *model.named_buffers()]


def register_custom_op_symbolic(
    symbolic_name: str, symbolic_fn: Any, opset_version: int, custom_opsets: Any = None
) -> None:
    """Ignore how PyTorch's exporter would write an operator: Ballast's has its own way."""


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Ignore that such a registration is taken back."""


def is_in_onnx_export() -> bool:
    """Whether PyTorch's exporter runs: never."""
    return False
