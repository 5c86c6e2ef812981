"""``torch._VF``: functions that layers of other packages call by this name."""

from ..._core import (
    _pack_padded_sequence,
    _pad_packed_sequence,
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn_relu,
    rnn_relu_cell,
    rnn_tanh,
    rnn_tanh_cell,
)

__all__ = [
    "_pack_padded_sequence",
    "_pad_packed_sequence",
    "gru",
    "gru_cell",
    "lstm",
    "lstm_cell",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
]
