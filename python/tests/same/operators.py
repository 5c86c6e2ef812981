"""Operators of tensors and numbers."""

from . import error_of


def _described(value):
    return [str(value.dtype).rpartition(".")[2], value]


def case_of_bits(torch):
    t, b = torch.tensor([5, 6, -7]), torch.tensor([True, False, True])
    u = torch.tensor([1, 255], dtype=torch.uint8)
    values = {
        "and": [t & 3, 3 & t, t & t.flip(0), b & True, True & b, b & b.flip(0), u & 3],
        "or": [t | 1, 1 | t, b | True, b | 2],
        "xor": [t ^ 3, 3 ^ t, b ^ True, u ^ u],
        "not": [~t, ~b, ~u],
        "shifts": [t << 1, t >> 1, 1 << t.abs(), 100 >> t.abs(), t << torch.tensor([1, 2, 3])],
    }
    return {k: [_described(x) for x in v] for k, v in values.items()}


def case_with_the_number_first(torch):
    t, f = torch.tensor([5, 6, -7]), torch.tensor([1.5, -2.5, 3.0])
    values = {
        "floordiv": [7 // t, -7 // t, 7.0 // f, 7 // f, 7.5 // t],
        "mod": [7 % t, -7 % t, 7 % f, 7.5 % t],
        "pow": [2 ** t.abs(), 2.0**t, 2**f, 0.5**f, torch.pow(2, t.abs())],
        "others": [5 - t, 5 - f, 1 / t, 1 / f, 2 * t, 2.5 * t, 1 + t],
    }
    return {k: [_described(x) for x in v] for k, v in values.items()}


def case_of_truths(torch):
    b, f = torch.tensor([True, False]), torch.ones(2)
    return {
        "values": [_described(x) for x in (b + b, b * 2, b * b, b == 1, 1.0 * b)],
        "errors": [error_of(e) for e in (lambda: -b, lambda: b - b, lambda: f - b, lambda: 1 - b)],
    }


def case_reversed(torch):
    return [reversed(torch.arange(4)), reversed(torch.arange(6).view(2, 3))]


def case_of_other_things(torch):
    t = torch.arange(3)
    return [
        error_of(e).partition(":")[0]
        for e in (lambda: t & "a", lambda: "a" // t, lambda: t << 1.5, lambda: t % None)
    ]


def case_errors(torch):
    x, w = torch.ones(2, 3, 4, 5), torch.ones(3, requires_grad=True)
    pad = torch.nn.functional.pad
    calls = (
        lambda: torch.arange(5).mean(),
        lambda: pad(x, (1, 1), mode="reflect"),
        lambda: pad(x, (9, 9, 1, 1), mode="reflect"),
        lambda: torch.autograd.grad(w.sum(), [w, torch.ones(1, requires_grad=True)]),
    )
    return [error_of(call) for call in calls]
