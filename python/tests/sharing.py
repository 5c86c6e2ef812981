"""What a result shares with the tensor it was made of: calls, and how the answer is found.

PyTorch's answers stand in `sharing.json`, made by `scripts/golden/sharing.py`.
"""

from __future__ import annotations

SHAPES = [(), (1,), (2, 2), (1, 1, 2, 2)]
TYPES = ["float32", "int64"]
ARGUMENTS = [
    *((), (0,), (1,), (0, 0), (1, 1), (0, 1), (-1,), (0, 0, 1), (0, 1, 0)),
    *(((0,),), ((1,),), ((0, 0),), ((1, 1),), ((0,), (0,)), ((2, 2), (2, 1))),
]
# Operations for which there may be nothing to do; called as functions and as methods.
NAMES = """
    abs absolute add adjoint all amax amin any atleast_1d atleast_2d atleast_3d bitwise_not
    broadcast_to cartesian_prod cat ceil channel_shuffle chain_matmul clamp_min clone
    column_stack concat contiguous cummax cumprod cumsum deg2rad detach diag diag_embed diagflat
    diagonal diff div double dsplit dstack expand fix flatten flip fliplr flipud float
    floor hstack index_select interpolate kthvalue log_softmax logsumexp long masked_fill
    matrix_power max mean median min moveaxis movedim mul nan_to_num nanmean nansum narrow
    negative norm normalize nonzero pad permute pixel_shuffle pixel_unshuffle positive pow prod
    ravel real relu repeat repeat_interleave reshape roll rot90 round row_stack select sign
    softmax sort squeeze stack std sub subtract sum swapaxes swapdims t take tile to trace
    transpose tril triu trunc type_as unflatten unfold unique unsqueeze upsample view vstack
    view_as expand_as reshape_as local_response_norm threshold square relu6
""".split()


def names(torch) -> list[tuple[str, str]]:
    """Functions and methods by place and name."""
    places = (("torch", torch), ("F", torch.nn.functional), ("Tensor", torch.Tensor))
    return [(place, n) for place, holder in places for n in NAMES if hasattr(holder, n)]


def cases(key: str):
    """The calls that a key of the recorded answers stands for."""
    if key == "all":
        for shape in SHAPES:
            for dtype in TYPES:
                for arguments in ARGUMENTS:
                    yield shape, dtype, arguments, False
                    yield shape, dtype, arguments, True
        return
    shape, kind, arguments, form = key.split()
    dtype = next(t for t in TYPES if t[0] == kind)
    yield SHAPES[int(shape)], dtype, ARGUMENTS[int(arguments)], form == "l"


def call(torch, place: str, name: str, x, arguments, listed: bool):
    """Call with the tensor, or a list of it, and arguments."""
    if place == "Tensor":
        return getattr(x, name)(*arguments)
    holder = torch if place == "torch" else torch.nn.functional
    return getattr(holder, name)([x] if listed else x, *arguments)


def answer(torch, place: str, name: str, shape, dtype: str, arguments, listed: bool) -> str | None:
    """ "is": the tensor itself; "shares": a write to the result changes the tensor; "new"."""
    n = 1
    for d in shape:
        n *= d
    x = (torch.arange(n).reshape(shape) + 1).to(getattr(torch, dtype)).clone()
    before = x.tolist()
    out = call(torch, place, name, x, arguments, listed)
    if not isinstance(out, torch.Tensor) or x.tolist() != before:
        return None
    if out is x:
        return "is"
    if out.numel() == 0 or n == 0:
        return None
    if any(s == 0 and d > 1 for s, d in zip(out.stride(), out.shape, strict=True)):
        return None
    with torch.no_grad():
        out.fill_(0 if out.dtype is torch.bool else 77)
    return "new" if x.tolist() == before else "shares"
