"""What is wrong with a batch-normalized network, found by experiments on it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import nn
from .._core import Tensor, _diagnose
from ..nn.norm import _BatchNorm, _InstanceNorm
from ..random import get_rng_state, set_rng_state

__all__ = ["Diagnosis", "Finding", "diagnose"]


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes
    ----------
    kind : str
        ``"forgotten_eval"``, ``"stale_statistics"``, ...: docs/tool.md lists them.
    severity : str
        ``"error"``, ``"warning"`` or ``"note"``.
    layers : list of str
        The layers concerned, by their names in ``named_modules``.
    number : float or None
        The evidence; None where it is not finite.
    number_is : str
        What it is.
    what, cause, remedy : str
        The fault in words, its likely cause, and what to do.
    """

    kind: str
    severity: str
    layers: list[str]
    number: float | None
    number_is: str
    what: str
    cause: str
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """Findings, the gravest first, and what was measured.

    ``str`` gives all of it in words, `data` as dictionaries and lists, as ``ballast inspect
    --json`` prints it.
    """

    findings: list[Finding]
    data: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Return what was measured of each batch-norm layer, in the order of their calls."""
        return self.data["layers"]

    def __str__(self) -> str:
        return self.text


def _runner(model: nn.Module, norms: list[tuple[str, nn.Module]]) -> Callable[..., Tensor]:
    """Return how the model runs with somebody else in place of its batch norms."""
    places = {id(m) for _, m in norms}
    leaves = [
        (name, m)
        for name, m in model.named_modules()
        if id(m) not in places and not list(m.children())
    ]

    def tell(layer: Callable[..., None], name: str, _: nn.Module, inputs: Any, output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            layer(name, inputs[0], output)

    def run(x: Tensor, norm: Callable[..., Tensor], layer: Callable[..., None]) -> Tensor:
        modes = [(m, m.training) for m in model.modules()]
        own = [(m, m.__dict__.get("forward")) for _, m in norms]
        handles = []
        try:
            for m, _ in modes:
                m.training = False
            for i, (_, m) in enumerate(norms):
                m.__dict__["forward"] = functools.partial(norm, i)
            for name, m in leaves:
                handles.append(m.register_forward_hook(functools.partial(tell, layer, name)))
            return model(x)
        finally:
            for handle in handles:
                handle.remove()
            for m, forward in own:
                m.__dict__.pop("forward", None)
                if forward is not None:
                    m.__dict__["forward"] = forward
            for m, training in modes:
                m.training = training

    return run


def _batches(loader: Iterable[Any], max_samples: int) -> list[tuple[Tensor, Tensor | None]]:
    out, samples = [], 0
    generator = get_rng_state()  # loaders draw from it
    for batch in loader:
        x, y = (*batch, None)[:2] if isinstance(batch, (list, tuple)) else (batch, None)
        if not isinstance(x, Tensor):
            raise TypeError(f"diagnose: expected batches of tensors, got {type(x).__name__}")
        out.append((x, y))
        samples += len(x)
        if samples >= max_samples:
            break
    set_rng_state(generator)
    return out


def diagnose(
    model: nn.Module,
    loader: Iterable[Any],
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    *,
    batch_size: int | None = None,
    max_samples: int = 512,
    steps: int | None = None,
) -> Diagnosis:
    """Find what is wrong with a network's batch normalization.

    Running statistics are the record of what training saw. Training's batches are repeated, as they
    are and under each suspicion; what brings the record back is the cause. The model is judged as
    it is, its mode included: call ``model.eval()`` first, as to evaluate it. It is unchanged
    afterwards.

    Parameters
    ----------
    model : Module
        The network; it takes one tensor and returns one.
    loader : iterable
        Batches ``(x, y)`` or ``x`` of the data that the model is evaluated on.
    loss : callable, optional
        Mean loss of ``(output, y)``; cross-entropy of logits (N, classes) and labels (N) unless
        given. Without any, no losses are measured.
    batch_size : int, optional
        Samples in training's batches; the loader's unless given.
    max_samples : int
        Samples that are looked at.
    steps : int, optional
        Steps of training, where known: more batches in the statistics are a forgotten ``eval()``.

    Returns
    -------
    Diagnosis
    """
    norms = [
        (name, m)
        for name, m in model.named_modules()
        if isinstance(m, _BatchNorm) and not isinstance(m, _InstanceNorm)
    ]
    text, data = _diagnose(
        norms,
        [(k, v) for k, v in model.state_dict().items() if isinstance(v, Tensor)],
        list(model.named_parameters()),
        _runner(model, norms),
        _batches(loader, max_samples),
        loss,
        batch_size or 0,
        max_samples,
        steps,
    )
    measured = json.loads(data)
    return Diagnosis([Finding(**f) for f in measured["findings"]], measured, text)
