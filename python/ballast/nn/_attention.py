"""Attention with several heads, as a function: checks here, computation in C++."""

from __future__ import annotations

import warnings

from .. import _core
from .._core import Tensor


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


def _none_or_dtype(input: Tensor | None):
    if input is None:
        return None
    if isinstance(input, Tensor):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type,
    other_name: str,
    target_type,
    check_other: bool = True,
) -> Tensor | None:
    """Turn a mask of bools into numbers to add: minus infinity where it is true."""
    if mask is None:
        return None
    if mask.dtype != _core.bool and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type "
            "for both instead.",
            stacklevel=3,
        )
    if mask.dtype == _core.bool:
        mask = _core.zeros_like(mask, dtype=target_type).masked_fill(mask, float("-inf"))
    return mask


def _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads: int) -> bool:
    """Tell whether there is a dimension of samples; raise where ranks do not fit."""
    batched = query.dim() == 3
    if query.dim() not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.dim()}-D query tensor"
        )
    who = f"For {'batched (3-D)' if batched else 'unbatched (2-D)'} `query`, expected"
    rank = query.dim()
    _require(
        key.dim() == rank and value.dim() == rank,
        f"{who} `key` and `value` to be {rank}-D but found {key.dim()}-D and {value.dim()}-D "
        "tensors respectively",
    )
    if key_padding_mask is not None:
        _require(
            key_padding_mask.dim() == rank - 1,
            f"{who} `key_padding_mask` to be `None` or {rank - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead",
        )
    if attn_mask is not None:
        _require(
            attn_mask.dim() in (2, 3),
            f"{who} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor "
            "instead",
        )
        if not batched and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            _require(
                tuple(attn_mask.shape) == expected,
                f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}",
            )
    return batched


def _check_projections(key, value, in_proj_weight, separate: bool, weights: dict) -> None:
    if separate:
        _require(
            key.shape[:-1] == value.shape[:-1],
            f"key's sequence and batch dims {key.shape[:-1]} do not match value's "
            f"{value.shape[:-1]}",
        )
        for name, weight in weights.items():
            _require(weight is not None, f"use_separate_proj_weight is True but {name} is None")
        return
    _require(
        key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}"
    )
    _require(
        in_proj_weight is not None,
        "use_separate_proj_weight is False but in_proj_weight is None",
    )


def _check_mask(attn_mask: Tensor | None, length: int, keys: int, rows: int) -> None:
    if attn_mask is None:
        return
    rank = attn_mask.dim()
    expected = (length, keys) if rank == 2 else (rows, length, keys)
    if tuple(attn_mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {rank}D attn_mask is {attn_mask.shape}, but should be {expected}."
        )


def _check_extra_keys(bias_k, bias_v, static_k, static_v, rows: int, width: int) -> None:
    _require(bias_k is None or bias_v is not None, "bias_k is set but bias_v is None")
    _require(bias_v is None or bias_k is not None, "bias_v is set but bias_k is None")
    for name, kind, static in (("k", "key", static_k), ("v", "value", static_v)):
        if static is None:
            continue
        _require(bias_k is None, f"bias cannot be added to static {kind}.")
        for dim, size in ((0, rows), (2, width)):
            _require(
                static.size(dim) == size,
                f"expecting static_{name}.size({dim}) of {size}, but got {static.size(dim)}",
            )


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attend from query (L, N, E) to key (S, N, E) and value (S, N, E), or without N.

    Returns
    -------
    Tensor
        (L, N, E)
    Tensor or None
        Where `need_weights`: the weights (N, L, S), or (N, heads, L, S) where not averaged.
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    embed = query.size(-1)
    batch = query.size(1) if batched else 1
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
    _require(
        embed == embed_dim_to_check,
        f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}",
    )
    _require(embed % num_heads == 0, f"embed_dim {embed} not divisible by num_heads {num_heads}")
    weights = {
        "q_proj_weight": q_proj_weight,
        "k_proj_weight": k_proj_weight,
        "v_proj_weight": v_proj_weight,
    }
    _check_projections(key, value, in_proj_weight, use_separate_proj_weight, weights)
    if not is_causal or need_weights or key_padding_mask is not None:
        _check_mask(attn_mask, query.size(0), key.size(0), batch * num_heads)
    _check_extra_keys(bias_k, bias_v, static_k, static_v, batch * num_heads, embed // num_heads)
    return _core._multi_head_attention_forward(
        query,
        key,
        value,
        embed_dim_to_check,
        num_heads,
        in_proj_weight,
        in_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p,
        out_proj_weight,
        out_proj_bias,
        training,
        key_padding_mask,
        need_weights,
        attn_mask,
        use_separate_proj_weight,
        q_proj_weight,
        k_proj_weight,
        v_proj_weight,
        static_k,
        static_v,
        average_attn_weights,
        is_causal,
    )
