"""How tensors are written."""

from __future__ import annotations

from ._core import Tensor

_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}
_options: dict = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are written.

    Parameters
    ----------
    precision : int, optional
        Digits after the point: 4.
    threshold : int, optional
        Elements from which on a tensor is summarized: 1000.
    edgeitems : int, optional
        Elements shown at each end of a summarized dimension: 3.
    linewidth : int, optional
        Columns: 80.
    profile : str, optional
        ``"default"``, ``"short"`` or ``"full"``: values for what is above.
    sci_mode : bool, optional
        Whether floats have an exponent; None: where they need one.
    """
    _options.update(_PROFILES.get(profile, {}))
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _options.update({k: v for k, v in given.items() if v is not None})
    _options["sci_mode"] = sci_mode


def _note(x: Tensor) -> str:
    if not x.requires_grad:
        return ""
    return "requires_grad=True" if x.is_leaf else f"grad_fn={x.grad_fn!r}"


def text(x: Tensor) -> str:
    """Write a tensor."""
    o, most = _options, 2**62
    sizes = (int(min(o[k], most)) for k in ("precision", "threshold", "edgeitems", "linewidth"))
    return Tensor(x)._str(*sizes, o["sci_mode"], _note(x))
