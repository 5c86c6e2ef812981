"""The transformer (Vaswani et al. 2017)."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from ._attention import _canonical_mask, _none_or_dtype
from .containers import ModuleList
from .layers import Linear
from .module import Module
from .multihead import MultiheadAttention
from .norm import LayerNorm
from .simple import GELU, Dropout, ReLU


def _causal_mask(size: int, dtype=None, device=None) -> Tensor:
    dtype = dtype or _core.float32
    return _core.full((size, size), float("-inf"), dtype=dtype, device=device).triu(1)


def _is_causal(mask: Tensor | None, is_causal: bool | None, size: int) -> bool:
    """Find out whether a mask is the causal one, unless the caller says so."""
    if is_causal is not None or mask is None:
        return is_causal is True
    if tuple(mask.shape) != (size, size):
        return False
    return bool((mask == _causal_mask(size, mask.dtype)).all())


def _length(x: Tensor, batch_first: bool) -> int:
    return x.size(1 if x.dim() == 3 and batch_first else 0)


def _activation_of(activation: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return F.relu if activation == "relu" else F.gelu


def _dropped(dropout: Module, x: Tensor, attention: MultiheadAttention) -> Tensor:
    """Drop from a result of attention, which lies in memory steps first: so PyTorch draws."""
    if x.dim() == 3 and attention.batch_first:
        return dropout(x.transpose(0, 1)).transpose(0, 1)
    return dropout(x)


def _get_clones(module: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(n)])


class _Layer(Module):
    """What the layers of encoder and decoder share: attention to themselves, and two products."""

    _others = ()  # attention to something else
    _norms = 2

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        for name in ("self_attn", *self._others):
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = norm_first
        numbers = range(1, self._norms + 1)
        for i in numbers:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for i in numbers:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation_of(activation)

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)
        if "activation" not in self.__dict__ and "activation" not in self._modules:
            self.activation = F.relu

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal: bool = False) -> Tensor:
        made = self.self_attn(
            x,
            x,
            x,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=False,
            is_causal=is_causal,
        )
        return _dropped(self.dropout1, made[0], self.self_attn)

    def _products(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention to itself, then two linear layers; each is added to its input and normalized.

    Parameters
    ----------
    d_model, nhead : int
        Size of the features, and number of heads.
    dim_feedforward : int
        Size between the two linear layers.
    dropout : float
        Probability of dropout, of weights and results.
    activation : str or callable
        ``"relu"``, ``"gelu"`` or a function, between the two linear layers.
    layer_norm_eps : float
        Added to variances.
    batch_first : bool
        Whether inputs are (N, L, E) and not (L, N, E).
    norm_first : bool
        Whether inputs are normalized and not sums.
    bias : bool
        Whether linear layers and normalizations have biases.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(self, d_model: int, nhead: int, *args, **kwargs):
        super().__init__(d_model, nhead, *args, **kwargs)
        a = self.activation
        self.activation_relu_or_gelu = (
            1
            if a is F.relu or isinstance(a, ReLU)
            else 2
            if a is F.gelu or isinstance(a, GELU)
            else 0
        )

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Map (L, N, E) to the same shape; masks are `MultiheadAttention`'s."""
        padding = _canonical_mask(
            src_key_padding_mask,
            "src_key_padding_mask",
            _none_or_dtype(src_mask),
            "src_mask",
            src.dtype,
        )
        mask = _canonical_mask(src_mask, "src_mask", None, "", src.dtype, False)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self._products(x))


class TransformerDecoderLayer(_Layer):
    """A `TransformerEncoderLayer` with attention to an encoder's result between its parts.

    The parameters are `TransformerEncoderLayer`'s.
    """

    _others = ("multihead_attn",)
    _norms = 3

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Map (L, N, E), with the memory (S, N, E), to (L, N, E)."""
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))

    def _mha_block(self, x, memory, attn_mask, key_padding_mask, is_causal: bool = False) -> Tensor:
        made = self.multihead_attn(
            x,
            memory,
            memory,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=False,
            is_causal=is_causal,
        )
        return _dropped(self.dropout2, made[0], self.multihead_attn)

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout3(self._products(x))


def _why_not_nested(layer: Module) -> str:
    """Tell why PyTorch leaves padding in, for the warning that it gives; empty: it takes it out."""
    name = "encoder_layer"
    if not isinstance(layer, TransformerEncoderLayer):
        return f"{name} was not TransformerEncoderLayer"
    attention = layer.self_attn
    reasons = (
        (layer.norm_first, ".norm_first was True"),
        (
            not attention.batch_first,
            ".self_attn.batch_first was not True(use batch_first for better inference performance)",
        ),
        (not attention._qkv_same_embed_dim, ".self_attn._qkv_same_embed_dim was not True"),
        (attention.in_proj_bias is None, ".self_attn was passed bias=False"),
        (not layer.activation_relu_or_gelu, ".activation_relu_or_gelu was not True"),
        (
            layer.norm1.eps != layer.norm2.eps,
            f".norm1.eps was not equal to {name}.norm2.eps",
        ),
        (attention.num_heads % 2 == 1, ".self_attn.num_heads is odd"),
    )
    return next((name + text for found, text in reasons if found), "")


class TransformerEncoder(Module):
    """Layers one after the other.

    Parameters
    ----------
    encoder_layer : Module
        The first layer; the others are copies.
    num_layers : int
        Number of layers.
    norm : Module, optional
        What comes last.
    enable_nested_tensor : bool
        Whether, without gradients, results at places of padding are zeros.
    mask_check : bool
        Whether that is done only where padding is at the ends of sequences.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        reason = _why_not_nested(encoder_layer) if enable_nested_tensor else ""
        if reason:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because "
                f"{reason}",
                stacklevel=2,
            )
            self.use_nested_tensor = False

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Map (L, N, E) to the same shape; masks are `MultiheadAttention`'s."""
        padding = _canonical_mask(
            src_key_padding_mask,
            "src_key_padding_mask",
            _none_or_dtype(mask),
            "mask",
            src.dtype,
        )
        mask = _canonical_mask(mask, "mask", None, "", src.dtype, False)
        first = self.layers[0].self_attn
        zeroed = self._zeroes(src, mask, padding)
        causal = _is_causal(mask, is_causal, _length(src, first.batch_first))
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        if zeroed:
            output = output.masked_fill((padding != 0).unsqueeze(-1), 0)
        return output if self.norm is None else self.norm(output)

    def _zeroes(self, src: Tensor, mask: Tensor | None, padding: Tensor | None) -> bool:
        """Whether PyTorch takes padding out of such an input, and puts zeros in its place."""
        layer = self.layers[0]
        if not self.__dict__.get("use_nested_tensor") or layer.training or src.dim() != 3:
            return False
        if padding is None or mask is not None:
            return False
        weights = (src, *layer.parameters())
        if _core.is_grad_enabled() and any(w.requires_grad for w in weights):
            return False
        hidden = padding != 0
        return not self.mask_check or not bool((hidden[:, :-1] & ~hidden[:, 1:]).any())


class TransformerDecoder(Module):
    """Layers one after the other, all with the same memory.

    Parameters
    ----------
    decoder_layer : Module
        The first layer; the others are copies.
    num_layers : int
        Number of layers.
    norm : Module, optional
        What comes last.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Map (L, N, E), with the memory (S, N, E), to (L, N, E)."""
        size = _length(tgt, self.layers[0].self_attn.batch_first)
        causal = _is_causal(tgt_mask, tgt_is_causal, size)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """An encoder and a decoder that attends to its result.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
    bias, device, dtype
        As `TransformerEncoderLayer` has them.
    num_encoder_layers, num_decoder_layers : int
        Numbers of layers.
    custom_encoder, custom_decoder : Module, optional
        In place of `TransformerEncoder` and `TransformerDecoder`.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        options += (batch_first, norm_first, bias, None, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder
        if custom_encoder is None:
            layer = TransformerEncoderLayer(*options)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*options)
            self.decoder = TransformerDecoder(layer, num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Map src (S, N, E) and tgt (L, N, E) to (L, N, E); (N, S, E) where `batch_first`."""
        samples = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(samples) != tgt.size(samples):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device=None, dtype=None) -> Tensor:
        """Make the causal mask (sz, sz): minus infinity above the diagonal, else 0."""
        return _causal_mask(sz, dtype, device)
