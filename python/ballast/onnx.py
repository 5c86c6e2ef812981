"""Modules as ONNX files, which other run-times take."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from . import _core
from ._core import Tensor

__all__ = [
    "ONNXProgram",
    "OperatorExportTypes",
    "TrainingMode",
    "export",
    "is_in_onnx_export",
    "register_custom_op_symbolic",
    "unregister_custom_op_symbolic",
]


class TrainingMode(enum.Enum):
    """The mode in which a module is exported."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OperatorExportTypes(enum.Enum):
    """The operators that a file may have: ONNX's own."""

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3


class ONNXProgram:
    """An exported computation."""

    def __init__(self, data: bytes):
        self._data = data

    def save(self, destination: str | os.PathLike | IO[bytes], **kwargs: Any) -> None:
        """Write it to a file, which is replaced atomically, or to a file object."""
        _refuse(kwargs, {"include_initializers": True, "keep_initializers_as_inputs": False})
        _write(self._data, destination)

    @property
    def model_proto(self) -> Any:
        """What the package `onnx` makes of it."""
        import onnx  # type: ignore[import-not-found]

        return onnx.load_from_string(self._data)


#: Options of PyTorch's exporter, with the value that asks for nothing (None: any does) and, for
#: those whose other values cannot be honoured, what to do instead.
_OPTIONS: dict[str, tuple[Any, str]] = {
    "artifacts_dir": (None, ""),
    "autograd_inlining": (None, ""),
    "custom_opsets": (None, ""),
    "do_constant_folding": (None, ""),
    "external_data": (None, ""),
    "optimize": (None, ""),
    "profile": (None, ""),
    "verbose": (None, ""),
    "custom_translation_table": (None, "all operators that a file has are Ballast's choice"),
    "dump_exported_program": (False, "look at the file itself, as with onnx.load"),
    "export_modules_as_functions": (False, "operators are written one by one"),
    "export_params": (True, "export with parameters, and replace them where the file is run"),
    "include_initializers": (True, "save with parameters"),
    "operator_export_type": (OperatorExportTypes.ONNX, "only ONNX's own operators are written"),
    "report": (False, "an operation that cannot be exported raises an error with its name"),
    "verify": (False, "run the file with onnxruntime and compare its outputs with the module's"),
}


def _refuse(given: Mapping[str, Any], others: Mapping[str, Any] | None = None) -> None:
    """Refuse what is asked for by name and cannot be honoured."""
    for name, value in given.items():
        if name not in _OPTIONS and name not in (others or {}):
            raise TypeError(f"torch.onnx.export() got an unexpected keyword argument '{name}'")
        nothing, instead = _OPTIONS.get(name, ((others or {}).get(name), "give it to export"))
        if instead and value is not None and value is not nothing and value != nothing:
            raise NotImplementedError(
                f"torch.onnx.export: {name}={value!r} is not in Ballast: {instead}"
            )


def export(
    model: Any,
    args: Any = (),
    f: str | os.PathLike | IO[bytes] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    fold: bool = True,
    opset_version: int | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamo: bool = True,
    dynamic_axes: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    dynamic_batch: bool | None = None,
    keep_initializers_as_inputs: bool = False,
    training: TrainingMode = TrainingMode.EVAL,
    **others: Any,
) -> ONNXProgram | None:
    """Write a module, as it computes in evaluation mode, to an ONNX file.

    Parameters
    ----------
    model : nn.Module or callable
        What is exported. A module's mode is as before afterwards.
    args : Tensor or tuple
        An example of its arguments. Tensors, in containers too, are inputs of the file, in order;
        all else is kept as it is. A dictionary at the end holds keyword arguments.
    f : str, path or file object, optional
        Where to; a file is replaced atomically. The program that is returned can be saved later.
    kwargs : dict, optional
        An example of keyword arguments.
    fold : bool
        Fold batch normalization into the weights of the layer before it.
    opset_version : int, optional
        The version of ONNX's operators, 13 to 20; 17 unless given.
    input_names, output_names : sequence of str, optional
        Names of inputs and outputs.
    dynamo : bool
        Whether an `ONNXProgram` is returned; there is one exporter.
    dynamic_axes, dynamic_shapes : optional
        The inputs whose dimension 0 may have any size, and the name of that size, in PyTorch's two
        forms. Without them, `dynamic_batch` says it for all.
    dynamic_batch : bool, optional
        Whether dimension 0 of all inputs may have any size. Yes, unless it is named otherwise.
    keep_initializers_as_inputs : bool
        Whether parameters are inputs, too.
    training : TrainingMode
        EVAL, or PRESERVE for a module in evaluation mode.
    **others
        The other options of PyTorch's exporter. They are accepted where they make no difference.

    Raises
    ------
    NotImplementedError
        For an operation that ONNX lacks and an option that cannot be honoured: the message names
        it, and what to do instead.
    ValueError
        Where what is computed depends on the values or the batch size of the input.
    """
    _refuse(others)
    modules = list(model.modules()) if hasattr(model, "modules") else []
    _check_mode(training, modules)
    run, inputs, names = _flattened(model, args, kwargs)
    given = list(input_names or [])
    if dynamic_axes is not None:
        batches = _by_axes(dynamic_axes, given, inputs, names)
    elif dynamic_shapes is not None:
        batches = _by_shapes(dynamic_shapes, inputs, names)
    else:
        batches = ["batch" if dynamic_batch in (None, True) else ""] * len(inputs)
    modes = [m.training for m in modules]
    try:
        for m in modules:
            m.training = False
        data = _core._onnx(
            run,
            inputs,
            [(n, t) for n, t in _named(model) if isinstance(t, Tensor)],
            fold,
            17 if opset_version is None else opset_version,
            given,
            list(output_names or []),
            False,
            batches,
            [_axis_name(dynamic_axes, n, 0) or "" for n in output_names or []],
            keep_initializers_as_inputs,
        )
    finally:
        for m, mode in zip(modules, modes, strict=True):
            m.training = mode
    if f is not None:
        _write(data, f)
    return ONNXProgram(data) if dynamo else None


def _write(data: bytes, f: str | os.PathLike | IO[bytes]) -> None:
    if hasattr(f, "write"):
        f.write(data)
    else:
        _core._write_file(os.fspath(f), data)


def _check_mode(training: TrainingMode, modules: Sequence[Any]) -> None:
    mode = getattr(training, "name", "EVAL")
    if mode == "TRAINING" or (mode == "PRESERVE" and any(m.training for m in modules)):
        raise NotImplementedError(
            f"torch.onnx.export: training=TrainingMode.{mode} is not in Ballast, because a file "
            "has no training mode; call model.eval(), or export with TrainingMode.EVAL"
        )


def _flattened(
    model: Any, args: Any, kwargs: Mapping[str, Any] | None
) -> tuple[Callable, list[Tensor], list[str]]:
    """Make a function of tensors alone of a model: it, an example of the tensors, their names."""
    from .utils._pytree import tree_flatten, tree_leaves, tree_unflatten

    positional = list(args) if isinstance(args, (tuple, list)) else [args]
    keywords = dict(kwargs or {})
    if kwargs is None and len(positional) > 1 and isinstance(positional[-1], dict):
        keywords = positional.pop()
    parts = [(f"{i}", a) for i, a in enumerate(positional)] + list(keywords.items())
    names = [n for n, a in parts for leaf in tree_leaves(a) if isinstance(leaf, Tensor)]
    leaves, form = tree_flatten((positional, keywords))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]

    def run(*x: Tensor) -> list[Tensor]:
        values = list(leaves)
        for i, tensor in zip(places, x, strict=True):
            values[i] = tensor
        positional, keywords = tree_unflatten(values, form)
        outputs = model(*positional, **keywords)
        return [y for y in tree_leaves(outputs) if isinstance(y, Tensor)]

    return run, [leaves[i] for i in places], names


def _only_batch(option: str, what: str, dims: Any) -> None:
    """Refuse dimensions of inputs of any size, except the first."""
    for d in dims:
        if d != 0:
            raise NotImplementedError(
                f"torch.onnx.export: {option}: dimension {d} of {what} cannot have any size, only "
                "dimension 0 can; export one file for each size"
            )


def _axis_name(axes: Mapping[str, Any] | None, name: str, axis: int) -> str | None:
    """Return the name that PyTorch's `dynamic_axes` give to a dimension; None where it is fixed."""
    of = (axes or {}).get(name)
    if of is None or axis not in of:
        return None
    if isinstance(of, Mapping):
        return str(of[axis])
    return f"{name}_dynamic_axes_{list(of).index(axis) + 1}"


def _by_axes(
    axes: Mapping[str, Any], given: list[str], inputs: list[Tensor], names: list[str]
) -> list[str]:
    """Return the name of each input's dimension 0, "" where it is fixed."""
    default = ["input"] if len(inputs) == 1 else [f"input{i}" for i in range(len(inputs))]
    called = given + default[len(given) :]
    for name, x in zip(called, inputs, strict=False):
        dims = [d + x.dim() if d < 0 else d for d in axes.get(name) or ()]
        _only_batch("dynamic_axes", f"input '{name}'", dims)
    return [_axis_name(axes, name, 0) or "" for name in called[: len(inputs)]]


def _by_shapes(shapes: Any, inputs: list[Tensor], names: list[str]) -> list[str]:
    """Return the same for PyTorch's `dynamic_shapes`."""
    if isinstance(shapes, Mapping):
        by_input = [shapes.get(n) for n in names]
        if not any(n in shapes for n in names):
            by_input = list(shapes.values())  # keys are the names of positional parameters
    else:
        by_input = list(shapes)
    batches = []
    for i in range(len(inputs)):
        dims = by_input[i] if i < len(by_input) else None
        if not isinstance(dims, Mapping):
            dims = dict(enumerate(dims or ()))
        kinds = {d: k for d, k in dims.items() if k is not None and not _is_static(k)}
        _only_batch("dynamic_shapes", f"input {i}", kinds)
        kind = kinds.get(0)
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", None)
        batches.append("" if kind is None else str(name or "batch"))
    return batches


def _is_static(kind: Any) -> bool:
    return isinstance(kind, int) or getattr(kind, "name", "") == "STATIC"


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
