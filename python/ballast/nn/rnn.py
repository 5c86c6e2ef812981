"""Recurrent layers."""

from __future__ import annotations

import math
import numbers
import warnings

from .. import _core
from .._core import Tensor
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_FUNCTIONS = {
    "RNN_TANH": _core.rnn_tanh,
    "RNN_RELU": _core.rnn_relu,
    "LSTM": _core.lstm,
    "GRU": _core.gru,
}
_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def _check_sizes(input_size, hidden_size, num_layers, proj_size) -> None:
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """What `RNN`, `LSTM` and `GRU` share.

    Parameters
    ----------
    mode : str
        ``"RNN_TANH"``, ``"RNN_RELU"``, ``"LSTM"`` or ``"GRU"``.
    input_size, hidden_size : int
        Sizes of a step's input and of the state.
    num_layers : int
        Layers, each reading the outputs of the one before.
    bias : bool
        Whether there are biases.
    batch_first : bool
        Whether sequences are (N, T, ...) and not (T, N, ...).
    dropout : float
        Probability of dropout between layers.
    bidirectional : bool
        Whether a second set of weights reads the sequences backwards.
    proj_size : int
        Size to which an LSTM's outputs are projected, if not 0.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if (
            not isinstance(dropout, numbers.Number)
            or isinstance(dropout, bool)
            or not 0 <= dropout <= 1
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=2,
            )
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        _check_sizes(input_size, hidden_size, num_layers, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        self._flat_weights: list[Tensor | None] = []
        self._make_weights(dtype or _core.float32)
        self._init_flat_weights()
        self.reset_parameters()

    def _make_weights(self, dtype) -> None:
        rows, out = _GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        directions = ("", "_reverse") if self.bidirectional else ("",)
        names = []
        for layer in range(self.num_layers):
            columns = self.input_size if layer == 0 else out * len(directions)
            shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, out)}
            if self.bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if self.proj_size > 0:
                shapes["weight_hr"] = (self.proj_size, self.hidden_size)
            for suffix in directions:
                names.append([f"{kind}_l{layer}{suffix}" for kind in shapes])
                for name, shape in zip(names[-1], shapes.values(), strict=True):
                    setattr(self, name, Parameter(_core.empty(shape, dtype=dtype)))
        self._all_weights = names
        self._flat_weights_names = [n for part in names for n in part]

    # Weights by position. Programs put other tensors in their places, in the list or as attributes.

    def _present_weights(self) -> list[Tensor | None]:
        return [getattr(self, n, None) for n in self._flat_weights_names]

    def _init_flat_weights(self) -> None:
        self._flat_weights = self._present_weights()
        self._flat_weights_from = list(self._flat_weights)

    def _update_flat_weights(self) -> None:
        """Take weights anew where an attribute has been given another tensor."""
        pairs = zip(self._present_weights(), self._flat_weights_from, strict=True)
        if any(now is not before for now, before in pairs):
            self._init_flat_weights()

    def __setattr__(self, name, value) -> None:
        names = self.__dict__.get("_flat_weights_names", ())
        if name in names and len(self._flat_weights) == len(names):
            self._flat_weights[names.index(name)] = value
        super().__setattr__(name, value)

    def _apply(self, fn, recurse: bool = True):
        super()._apply(fn, recurse)
        self._init_flat_weights()
        return self

    def __getstate__(self):
        self._update_flat_weights()
        state = self.__dict__.copy()
        del state["_flat_weights_from"]
        return state

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)
        self._init_flat_weights()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Do nothing: only GPUs want parameters in one piece."""

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # Checks.

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise unless the input is as the layer's sizes say."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert "
                f"input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        rank = 2 if batch_sizes is not None else 3
        if input.dim() != rank:
            raise RuntimeError(f"input must have {rank} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}"
            )

    def _batch(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0 if self.batch_first else 1)

    def _state_size(self, n: int, width: int) -> tuple[int, int, int]:
        return (self.num_layers * (2 if self.bidirectional else 1), n, width)

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """Tell the shape of the state for such an input."""
        n = self._batch(input, batch_sizes)
        return self._state_size(n, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raise unless the state has that shape."""
        if tuple(hx.size()) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input, hidden, batch_sizes) -> None:
        """Raise unless input and state are as the layer's sizes say."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def _check_rank(self, input: Tensor) -> None:
        if input.dim() not in (2, 3):
            kind = type(self).__name__.partition("_")[0]
            noun = "D tensor" if self.mode.startswith("RNN") else "D"
            raise ValueError(
                f"{kind}: Expected input to be 2D or 3D, got {input.dim()}{noun} instead"
            )

    def _check_state_rank(self, hx, batched: bool) -> None:
        rank, kind = (3, "batched 3-D") if batched else (2, "unbatched 2-D")
        if hx.dim() != rank:
            raise RuntimeError(
                f"For {kind} input, hx should also be {rank}-D but got {hx.dim()}-D tensor"
            )

    # States: a tensor, or of an LSTM two.

    def _zero_state(self, n: int, dtype):
        return _core.zeros(self._state_size(n, self.hidden_size), dtype=dtype)

    def _each_state(self, function, hx):
        return function(hx)

    def permute_hidden(self, hx, permutation: Tensor | None):
        """Put the state's samples into another order."""
        if permutation is None:
            return hx
        return self._each_state(lambda h: h.index_select(1, permutation), hx)

    def _run(self, input, hx):
        self._update_flat_weights()
        packed = isinstance(input, PackedSequence)
        batched, batch_sizes, unsorted = True, None, None
        if packed:
            data, batch_sizes, order, unsorted = input
            hx = None if hx is None else self.permute_hidden(hx, order)
        else:
            self._check_rank(input)
            data, batched = input, input.dim() == 3
            if hx is not None:
                self._check_state_rank(hx, batched)
            if not batched:
                data = input.unsqueeze(0 if self.batch_first else 1)
                hx = None if hx is None else self._each_state(lambda h: h.unsqueeze(1), hx)
        if hx is None:
            hx = self._zero_state(self._batch(data, batch_sizes), data.dtype)
        self.check_forward_args(data, hx, batch_sizes)
        options = (
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )
        function = _FUNCTIONS[self.mode]
        if packed:
            output, *states = function(data, batch_sizes, hx, *options)
            output = PackedSequence(output, batch_sizes, order, unsorted)
        else:
            output, *states = function(data, hx, *options, self.batch_first)
        hidden = states[0] if len(states) == 1 else tuple(states)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            hidden = self._each_state(lambda h: h.squeeze(1), hidden)
        return output, self.permute_hidden(hidden, unsorted)

    def extra_repr(self) -> str:
        """Write the sizes, and the options that are not the defaults."""
        s = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != default:
                s += f", {name}={getattr(self, name)}"
        return s


def _refuse_projection(options: dict) -> None:
    if "proj_size" in options:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) along sequences; the parameters are `RNNBase`'s.

    Parameters
    ----------
    nonlinearity : str
        ``"tanh"`` or ``"relu"``; the fourth argument, after `num_layers`.
    """

    def __init__(self, *args, **kwargs):
        _refuse_projection(kwargs)
        if len(args) > 3:
            self_nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self_nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self_nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self_nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__("RNN_" + self_nonlinearity.upper(), *args, **kwargs)
        self.nonlinearity = self_nonlinearity

    def forward(self, input, hx: Tensor | None = None):
        """Map (T, N, in) to the outputs (T, N, directions*hidden) and the last state.

        The input may be (N, T, in) where `batch_first`, (T, in), or a `PackedSequence`; the state
        `hx`, zero if left out, and the one returned are (layers*directions, N, hidden).
        """
        return self._run(input, hx)


class GRU(RNNBase):
    """Gated recurrent units along sequences; the parameters are `RNNBase`'s.

    r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh), n = tanh(W_in x + b_in + r*(W_hn h + b_hn)),
    h' = (1 - z)*n + z*h; weights hold the rows of r, z, n.
    """

    def __init__(self, *args, **kwargs):
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input, hx: Tensor | None = None):
        """Map sequences to outputs and the last state, as `RNN` does."""
        return self._run(input, hx)


class LSTM(RNNBase):
    """Long short-term memory along sequences; the parameters are `RNNBase`'s.

    i, f, o = sigmoid and g = tanh of W_ih x + b_ih + W_hh h + b_hh, c' = f*c + i*g, h' =
    o*tanh(c'), with a projection W_hr of that; weights hold the rows of i, f, g, o.
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def forward(self, input, hx: tuple[Tensor, Tensor] | None = None):
        """Map sequences to outputs and the last state (h, c), as `RNN` does."""
        return self._run(input, hx)

    def get_expected_cell_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """Tell the shape of the cells for such an input."""
        return self._state_size(self._batch(input, batch_sizes), self.hidden_size)

    def check_forward_args(self, input, hidden, batch_sizes) -> None:
        """Raise unless input and state are as the layer's sizes say."""
        self.check_input(input, batch_sizes)
        sizes = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        for i, size in enumerate(sizes):
            self.check_hidden_size(hidden[i], size, f"Expected hidden[{i}] size {{}}, got {{}}")

    def _check_state_rank(self, hx, batched: bool) -> None:
        rank, kind = (3, "batched 3-D") if batched else (2, "unbatched 2-D")
        if hx[0].dim() != rank or hx[1].dim() != rank:
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {rank}-D but got "
                f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )

    def _zero_state(self, n: int, dtype):
        h = self._state_size(n, self.proj_size or self.hidden_size)
        return (_core.zeros(h, dtype=dtype), super()._zero_state(n, dtype))

    def _each_state(self, function, hx):
        return (function(hx[0]), function(hx[1]))
