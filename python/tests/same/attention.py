"""Attention with several heads and the transformer: values, training, masks and errors."""

import warnings

from . import error_of
from .recurrent import _summary, _trained

# Five steps of training amplify the roundings of float32.
TOLERANCE = 2e-5


def _quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


OPTIONS = {
    "plain": {},
    "dropout": {"dropout": 0.3},
    "without bias": {"bias": False},
    "batch first": {"batch_first": True},
    "more keys": {"add_bias_kv": True, "add_zero_attn": True},
    "other sizes": {"kdim": 3, "vdim": 5, "add_bias_kv": True},
}


def case_heads(torch):
    out = {}
    for name, options in OPTIONS.items():
        torch.manual_seed(1)
        heads = torch.nn.MultiheadAttention(4, 2, **options)
        q = torch.randn(3, 2, 4)
        k = torch.randn(*((3, 5) if heads.batch_first else (5, 2)), heads.kdim)
        v = torch.randn(*k.shape[:2], heads.vdim)
        n = 3 if heads.batch_first else 2  # samples
        length, keys = (2, 5) if heads.batch_first else (3, 5)
        padding = torch.zeros(n, keys, dtype=torch.bool)
        padding[0, -2:] = True
        mask = torch.ones(length, keys, dtype=torch.bool).triu(2)
        each = torch.randn(n * 2, length, keys)
        call = lambda heads=heads, q=q, k=k, v=v: heads(q, k, v)[0]  # noqa: E731
        out[name] = {"keys": list(heads.state_dict()), **_trained(torch, heads, call)}
        for which, kwargs in {
            "padding": {"key_padding_mask": padding},
            "mask": {"attn_mask": mask},
            "numbers": {"attn_mask": each, "average_attn_weights": False},
            "both": {"attn_mask": mask, "key_padding_mask": padding},
            "no weights": {"attn_mask": mask, "key_padding_mask": padding, "need_weights": False},
            "causal": {"attn_mask": mask, "is_causal": True, "need_weights": False},
        }.items():
            if which == "causal" and (heads.bias_k is not None or heads.add_zero_attn):
                continue  # PyTorch takes the hint for a mask of the keys with those added
            torch.manual_seed(2)
            out[name][which] = heads(q, k, v, **kwargs)
        if not heads.batch_first:
            out[name]["one sample"] = heads(q[:, 0], k[:, 0], v[:, 0])
    return out


def case_queries_that_see_nothing(torch):
    torch.manual_seed(3)
    heads = torch.nn.MultiheadAttention(4, 2)
    x = torch.randn(3, 1, 4)
    mask = torch.tensor([[True, True, True], [False, True, False], [False] * 3])
    return [heads(x, x, x, attn_mask=mask, need_weights=n) for n in (True, False)]


def case_transformer(torch):
    out = {}
    for name, options in {
        "plain": {},
        "norm first": {"norm_first": True, "dropout": 0.0},
        "gelu": {"activation": "gelu", "batch_first": True},
        "function": {"activation": torch.tanh, "bias": False, "layer_norm_eps": 1e-3},
    }.items():
        torch.manual_seed(4)
        model = _quiet(lambda options=options: torch.nn.Transformer(4, 2, 2, 1, 6, **options))
        src, tgt = torch.randn(3, 2, 4), torch.randn(3, 2, 4)
        mask = model.generate_square_subsequent_mask(tgt.shape[1 if model.batch_first else 0])

        def call(model=model, src=src, tgt=tgt, mask=mask):
            return model(src, tgt, tgt_mask=mask)

        keys = list(model.state_dict())
        trained = _trained(torch, model, call, 3)
        model.eval()
        out[name] = {"keys": keys, **trained, "evaluated": call(), "mask": mask}
    return out


def case_encoder(torch):
    out = {}
    nn = torch.nn
    padding = torch.tensor([[False, False, True], [False, False, False]])
    ragged = torch.tensor([[True, False, False], [False, False, False]])
    for nested in (True, False):
        torch.manual_seed(5)
        layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4), enable_nested_tensor=nested)
        encoder.eval()
        x = torch.randn(2, 3, 4)
        out[f"{nested}, with gradients"] = encoder(x, src_key_padding_mask=padding)
        with torch.no_grad():
            out[f"{nested}"] = encoder(x, src_key_padding_mask=padding)
            out[f"{nested}, ragged"] = encoder(x, src_key_padding_mask=ragged)
            mask = nn.Transformer.generate_square_subsequent_mask(3)
            out[f"{nested}, masked"] = encoder(x, mask, padding.float() * -1e9)
        out[f"{nested}, parameters"] = _summary(encoder.named_parameters())
    return out


def case_decoder(torch):
    torch.manual_seed(6)
    decoder = torch.nn.TransformerDecoder(torch.nn.TransformerDecoderLayer(4, 2, 6, 0.0), 2)
    tgt, memory = torch.randn(3, 2, 4, requires_grad=True), torch.randn(5, 2, 4, requires_grad=True)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    y = decoder(
        tgt,
        memory,
        tgt_mask=torch.nn.Transformer.generate_square_subsequent_mask(3),
        memory_key_padding_mask=padding,
    )
    (y * y).mean().backward()
    return [y, tgt.grad, memory.grad, _summary((n, p.grad) for n, p in decoder.named_parameters())]


def case_errors(torch):
    nn = torch.nn
    heads = nn.MultiheadAttention(4, 2)
    x, y = torch.zeros(3, 2, 4), torch.zeros(3, 2, 5)
    model = _quiet(lambda: nn.Transformer(4, 2, 1, 1, 6))
    calls = [
        lambda: nn.MultiheadAttention(4, 3),
        lambda: nn.MultiheadAttention(0, 3),
        lambda: nn.TransformerEncoderLayer(4, 2, activation="sin"),
        lambda: heads(y, x, x),
        lambda: heads(x, x, x[0]),
        lambda: heads(x[0, 0], x, x),
        lambda: heads(x, x, x[:2]),
        lambda: heads(x, x, x, attn_mask=torch.zeros(2, 2)),
        lambda: heads(x, x, x, attn_mask=torch.zeros(3, 3, 3)),
        lambda: heads(x, x, x, attn_mask=torch.zeros(3)),
        lambda: heads(x, x, x, attn_mask=torch.zeros(3, 3, dtype=torch.int64)),
        lambda: heads(x, x, x, key_padding_mask=torch.zeros(3)),
        lambda: heads(x[0], x[0], x[0], key_padding_mask=torch.zeros(2, 2)),
        lambda: heads(x, x, x, is_causal=True),
        lambda: model(x, torch.zeros(3, 1, 4)),
        lambda: model(y, x),
    ]
    return [error_of(call) for call in calls]
