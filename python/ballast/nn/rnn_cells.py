"""Single steps of recurrent layers."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from . import init
from .module import Module
from .parameter import Parameter


class RNNCellBase(Module):
    """What the single steps share.

    Parameters
    ----------
    input_size, hidden_size : int
        Sizes of the input and of the state.
    bias : bool
        Whether there are biases.
    num_chunks : int
        Rows of weights per number of the state.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        dtype, rows = dtype or _core.float32, num_chunks * hidden_size
        self.weight_ih = Parameter(_core.empty(rows, input_size, dtype=dtype))
        self.weight_hh = Parameter(_core.empty(rows, hidden_size, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(_core.empty(rows, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, function, input: Tensor, hx):
        """Call `function` with rows of samples; `hx` is a list of states, or None for zeros."""
        kind = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{kind}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        states = [] if hx is None else hx
        for i, h in enumerate(states):
            if h.dim() not in (1, 2):
                name = f"hx[{i}]" if len(states) > 1 else "hidden"
                raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {h.dim()}D instead")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
            hx = hx and [h.unsqueeze(0) for h in hx]
        if hx is None:
            zeros = _core.zeros(input.size(0), self.hidden_size, dtype=input.dtype)
            hx = [zeros, zeros] if isinstance(self, LSTMCell) else [zeros]
        state = hx if isinstance(self, LSTMCell) else hx[0]
        made = function(input, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if batched:
            return made
        return tuple(m.squeeze(0) for m in made) if isinstance(made, tuple) else made.squeeze(0)

    def extra_repr(self) -> str:
        """Write the sizes, and the options that are not the defaults."""
        s = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            s += f", nonlinearity={self.nonlinearity}"
        return s


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh); the parameters are `RNNCellBase`'s.

    Parameters
    ----------
    nonlinearity : str
        ``"tanh"`` or ``"relu"``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device=None,
        dtype=None,
    ):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Map x (N, in) or (in) and the state (N, hidden), zero if left out, to the next state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        step = _core.rnn_tanh_cell if self.nonlinearity == "tanh" else _core.rnn_relu_cell
        return self._step(step, input, None if hx is None else [hx])


class GRUCell(RNNCellBase):
    """One step of `GRU`; the parameters are `RNNCellBase`'s."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Map x (N, in) or (in) and the state (N, hidden), zero if left out, to the next state."""
        return self._step(_core.gru_cell, input, None if hx is None else [hx])


class LSTMCell(RNNCellBase):
    """One step of `LSTM`; the parameters are `RNNCellBase`'s."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map x (N, in) or (in) and the state (h, c), zero if left out, to the next state."""
        return self._step(_core.lstm_cell, input, None if hx is None else list(hx))
