"""Recurrent layers, attention and packed sequences: values, training, states and errors."""

import warnings

from . import error_of

# Five steps of training amplify the roundings of float32.
TOLERANCE = 2e-5

SEQUENCES = {
    "one layer": {},
    "layers": {"num_layers": 3, "dropout": 0.25},
    "both ways": {"num_layers": 2, "bidirectional": True, "batch_first": True},
    "without bias": {"bias": False},
}
LAYERS = {
    f"{kind}, {name}": (kind, {**options, **extra})
    for name, options in SEQUENCES.items()
    for kind, extra in (("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {}))
    for kind in (kind + " relu" if extra else kind,)
} | {
    "LSTM, projected": ("LSTM", {"proj_size": 2}),
    "LSTM, projected both ways": (
        "LSTM",
        {"proj_size": 3, "num_layers": 2, "bidirectional": True, "dropout": 0.5},
    ),
}


def _made(torch, kind, options, **extra):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(torch.nn, kind.split()[0])(4, 5, **options, **extra)


def _summary(tensors):
    """Say enough of tensors to tell them apart: sizes, first elements and sums."""
    out = {}
    for name, t in tensors:
        t = t.detach().clone()  # training goes on
        out[name] = [list(t.shape), t.reshape(-1)[:4], t.sum(), (t * t).sum()]
    return out


def _trained(torch, module, call, steps=5):
    """Train a little; losses, the first gradients and the last parameters."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    out = {"initial": _summary(module.named_parameters()), "losses": []}
    for step in range(steps):
        optimizer.zero_grad()
        loss = (call() ** 2).mean()
        loss.backward()
        if step == 0:
            out["gradients"] = _summary((n, p.grad) for n, p in module.named_parameters())
        optimizer.step()
        out["losses"].append(loss.item())
    return out | {"parameters": _summary(module.named_parameters())}


def case_training(torch):
    out = {}
    for name, (kind, options) in LAYERS.items():
        torch.manual_seed(3)
        layer = _made(torch, kind, options)
        x = torch.randn(3, 2, 4)
        out[name] = {
            "keys": list(layer.state_dict()),
            **_trained(torch, layer, lambda layer=layer, x=x: layer(x)[0]),
        }
    return out


def case_packed(torch):
    rnn = torch.nn.utils.rnn
    out = {}
    for name, (kind, options) in LAYERS.items():
        torch.manual_seed(4)
        layer = _made(torch, kind, options)
        x = torch.randn(*((4, 3, 4) if options.get("batch_first") else (3, 4, 4)))
        x.requires_grad_()
        packed = rnn.pack_padded_sequence(
            x, [2, 3, 1, 2], options.get("batch_first", False), enforce_sorted=False
        )
        y, state = layer(packed)
        padded, lengths = rnn.pad_packed_sequence(y, total_length=4, padding_value=-1.0)
        states = state if isinstance(state, tuple) else (state,)
        (padded.sum() + sum((s * s).sum() for s in states)).backward()
        out[name] = [padded, lengths, states, x.grad]
    return out


def case_states(torch):
    out = {}
    for name, (kind, options) in LAYERS.items():
        torch.manual_seed(5)
        layer = _made(torch, kind, options, dtype=torch.float64)
        n = layer.num_layers * (2 if layer.bidirectional else 1)
        h = torch.randn(n, layer.proj_size or 5, dtype=torch.float64)
        c = torch.randn(n, 5, dtype=torch.float64)
        y, state = layer(torch.randn(3, 4, dtype=torch.float64), (h, c) if kind == "LSTM" else h)
        out[name] = [y, state]
    return out


def case_cells(torch):
    out = {}
    for kind, options in (
        ("RNNCell", {}),
        ("RNNCell", {"nonlinearity": "relu", "bias": False}),
        ("LSTMCell", {}),
        ("GRUCell", {"bias": False}),
    ):
        torch.manual_seed(6)
        cell = getattr(torch.nn, kind)(4, 5, **options)
        x = torch.randn(3, 2, 4)

        def call(cell=cell, x=x, kind=kind):
            state, outputs = None, []
            for step in x:
                state = cell(step, state)
                outputs.append(state[0] if kind == "LSTMCell" else state)
            return torch.stack(outputs)

        out[repr(cell)] = [_trained(torch, cell, call), cell(x[0, 0])]
    return out


def case_second_derivatives_of_cells(torch):
    torch.manual_seed(7)
    out = []
    for kind in ("RNNCell", "LSTMCell", "GRUCell"):
        cell = getattr(torch.nn, kind)(2, 3, dtype=torch.float64)
        x = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
        y = cell(x)
        (g,) = torch.autograd.grad((y[0] if kind == "LSTMCell" else y).sum(), x, create_graph=True)
        (g * g).sum().backward()
        out.append([x.grad, cell.weight_ih.grad])
    return out


def case_functions(torch):
    torch.manual_seed(8)
    out = {}
    for name, kind in (("lstm", "LSTM"), ("gru", "GRU"), ("rnn_tanh", "RNN"), ("rnn_relu", "RNN")):
        layer = getattr(torch.nn, kind)(4, 5, 2, bidirectional=True)
        h = torch.randn(4, 2, 5)
        state = (h, h * 2) if name == "lstm" else h
        weights = layer._flat_weights
        rest = (weights, True, 2, 0.0, False, True)
        function = getattr(torch, name)
        out[name] = function(torch.randn(3, 2, 4), state, *rest, False)
        sizes = torch.tensor([2, 2, 1])
        out[name + " packed"] = function(torch.randn(5, 4), sizes, state, *rest)
    for name, kind in (("lstm_cell", "LSTMCell"), ("gru_cell", "GRUCell")):
        cell = getattr(torch.nn, kind)(4, 5)
        h = torch.randn(2, 5)
        state = (h, h * 2) if name == "lstm_cell" else h
        x, w = torch.randn(2, 4), (cell.weight_ih, cell.weight_hh)
        out[name] = getattr(torch, name)(x, state, *w, cell.bias_ih, cell.bias_hh)
        out[name + " without bias"] = getattr(torch, name)(x, state, *w)
    return out


def case_texts(torch):
    out = [repr(_made(torch, kind, options)) for kind, options in LAYERS.values()]
    nn = torch.nn
    out += [
        repr(nn.MultiheadAttention(4, 2)),
        repr(nn.MultiheadAttention(4, 2, bias=False, kdim=3)),
        repr(nn.Transformer(4, 2, 1, 1, 8, batch_first=True)),
        repr(nn.TransformerEncoderLayer(4, 2, 8, activation=nn.GELU(), bias=False)),
    ]
    return out


def case_weights_by_position(torch):
    torch.manual_seed(9)
    layer = torch.nn.LSTM(2, 3, 2, bidirectional=True)
    layer.flatten_parameters()
    x = torch.randn(2, 1, 2)
    first = layer(x)[0]
    names = [len(part) for part in layer.all_weights]
    layer.weight_hh_l0 = torch.nn.Parameter(layer.weight_hh_l0.detach() * 2)
    second = layer(x)[0]
    doubled = layer.double()
    pairs = zip(layer._flat_weights, layer._flat_weights_names, strict=True)
    return [
        names,
        first,
        second,
        [w is getattr(layer, n) for w, n in pairs],
        doubled(x.double())[0],
        sorted(layer.__getstate__()["_flat_weights_names"])[:3],
    ]


def case_packing(torch):
    rnn = torch.nn.utils.rnn
    a, b, c = torch.arange(1, 4), torch.arange(4, 6), torch.arange(6, 7)
    packed = rnn.pack_sequence([a, b, c])
    loose = rnn.pack_sequence([b, a, c], enforce_sorted=False)
    return {
        "packed": repr(packed),
        "loose": repr(loose),
        "unpacked": [rnn.unpack_sequence(packed), rnn.unpack_sequence(loose)],
        "padded": rnn.pad_sequence([b, a, c], batch_first=True, padding_value=-1),
        "left": rnn.pad_sequence([b, a, c], padding_side="left"),
        "unpadded": rnn.unpad_sequence(rnn.pad_sequence([a, b]), torch.tensor([3, 2])),
        "inverse": rnn.invert_permutation(torch.tensor([2, 0, 1])),
        "none": rnn.invert_permutation(None),
        "converted": [str(packed.double().data.dtype), packed.to(torch.int64) is packed],
        "fields": [packed.is_cuda, packed.is_pinned(), len(packed)],
        "by pair": rnn.PackedSequence((a, torch.tensor([1, 1, 1]))).data,
        "total": rnn.pad_packed_sequence(loose, batch_first=True, total_length=4),
    }


def case_errors(torch):
    nn, rnn = torch.nn, torch.nn.utils.rnn
    lstm, gru, cell = nn.LSTM(2, 3), nn.GRU(2, 3, batch_first=True), nn.GRUCell(2, 3)
    x, h = torch.zeros(4, 2, 2), torch.zeros(1, 2, 3)
    calls = [
        lambda: nn.LSTM(2, 3, dropout=2),
        lambda: nn.LSTM(2, 3, bias=1),
        lambda: nn.LSTM(0, 3),
        lambda: nn.LSTM(2, 3.0),
        lambda: nn.LSTM(2, 0),
        lambda: nn.LSTM(2, 3, 0),
        lambda: nn.LSTM(2, 3, proj_size=3),
        lambda: nn.LSTM(2, 3, proj_size=-1),
        lambda: nn.GRU(2, 3, proj_size=1),
        lambda: nn.RNN(2, 3, nonlinearity="sin"),
        lambda: nn.RNNBase("NONE", 2, 3),
        lambda: lstm(x[0, 0]),
        lambda: gru(x[0, 0]),
        lambda: nn.RNN(2, 3)(x[0, 0]),
        lambda: lstm(torch.zeros(4, 2, 3)),
        lambda: lstm(x.double()),
        lambda: lstm(x, (h, h[:, :1])),
        lambda: lstm(x, (h[:, :1], h)),
        lambda: lstm(x, (h[0], h[0])),
        lambda: lstm(x[0], (h, h)),
        lambda: gru(x, h),
        lambda: gru(x, h[0]),
        lambda: gru(x[0], h),
        lambda: lstm(torch.zeros(0, 2, 2)),
        lambda: cell(x),
        lambda: cell(x[0], x),
        lambda: cell(x[0], torch.zeros(3, 3)),
        lambda: cell(x[0], torch.zeros(2, 4)),
        lambda: cell(torch.zeros(2, 5)),
        lambda: nn.LSTMCell(2, 3)(x[0], (x, x)),
        lambda: nn.RNNCell(2, 3, nonlinearity="sin")(x[0]),
        lambda: rnn.pack_padded_sequence(x, [4]),
        lambda: rnn.pack_padded_sequence(x, [4, 0]),
        lambda: rnn.pack_padded_sequence(x, [3, 4]),
        lambda: rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [4, 4]), total_length=3),
        lambda: rnn.pad_sequence([]),
        lambda: rnn.pad_sequence(3),
        lambda: rnn.pad_sequence([x], padding_side="up"),
    ]
    return [error_of(call) for call in calls]
