"""Expressions that PyTorch and Ballast evaluate alike: names of tensors are those of INPUTS.

`scripts/golden/operations.py` evaluates them with PyTorch, `test_operations.py` with Ballast.
"""

import numpy as np

_random = np.random.RandomState(5)


def _floats(*shape):
    return _random.uniform(-2, 2, shape).astype(np.float64)


INPUTS = {
    "x": _floats(3, 4),
    "y": _floats(3, 4),
    "z": _floats(3, 4),
    "row": _floats(4),
    "vector": _floats(5),
    "square": _floats(4, 4),
    "wide": _floats(4, 5),
    "cube": _floats(2, 3, 4),
    "other": _floats(2, 4, 3),
    "p": np.abs(_floats(3, 4)) + 0.5,
    "q": np.abs(_floats(3, 4)) + 1.5,
    "unit": _floats(3, 4) / 2.1,
    "holes": np.array([[1.0, np.nan, -np.inf], [np.inf, 2.0, -3.5]]),
    "zeros": np.array([[0.0, 2.0, 3.0], [4.0, 0.0, 0.0]]),
    "whole": np.array([[7, -7, 3, 0], [-2, 5, 9, -4], [1, 1, 7, 3]]),
    "by": np.array([[2, 2, -3, 5], [3, -3, 4, 4], [1, 2, 3, 4]]),
    "at": np.array([[0, 2, 1, 0], [2, 1, 0, 1]]),
    "some": np.array([2, 0, 2]),
    "mask": np.array([[True, False, True, True], [False, False, True, False], [True] * 4]),
}

# A tensor that an expression differentiates in occurs in it by name.
FUNCTIONS = """sin cos tan sinh cosh asinh atan erf erfc expm1 exp2 floor ceil round trunc frac sign
square sigmoid tanh deg2rad rad2deg sgn arctan arcsinh fix signbit""".split()
ON_UNIT = "asin acos atanh arcsin arccos arctanh".split()
ON_POSITIVE = "log log1p log2 log10 sqrt rsqrt lgamma reciprocal".split()

EXPRESSIONS = [
    *(f"torch.{f}(x)" for f in FUNCTIONS),
    *(f"torch.{f}(unit)" for f in ON_UNIT),
    *(f"torch.{f}(p)" for f in ON_POSITIVE),
    *(
        "torch.acosh(q)",
        "torch.digamma(p.detach())",
        "torch.arccosh(q)",
        "torch.logit(p / 4)",
        "torch.logit(unit, 1e-3)",
    ),
    *("torch.round(x * 10, decimals=1)", "x.round()", "torch.sign(whole)", "torch.floor(whole)"),
    *("torch.remainder(x, y)", "torch.remainder(x, 0.7)", "torch.fmod(x, y)", "torch.fmod(x, 0.7)"),
    *("torch.remainder(whole, by)", "torch.fmod(whole, by)", "whole % 4", "whole // by"),
    *("torch.floor_divide(x.detach(), y.detach())", "whole // -3", "x.detach() // 0.3", "x % -0.3"),
    *("torch.atan2(x, y)", "torch.logaddexp(x, y)", "torch.pow(p, y)", "p ** y", "torch.pow(2, x)"),
    *("torch.pow(by, torch.abs(whole))", "torch.pow(zeros, zeros)", "torch.hypot(x, y)"),
    *("torch.lerp(x, y, 0.3)", "torch.lerp(x, y, z)", "x.lerp(y, 0.5)"),
    *("torch.addcmul(x, y, z, value=0.5)", "torch.addcdiv(x, y, p, value=2)"),
    *("torch.nan_to_num(holes)", "torch.nan_to_num(holes, nan=1.5, posinf=9.0, neginf=-9.0)"),
    *("torch.nansum(holes.masked_fill(holes.isinf(), 0))", "torch.xlogy(zeros, zeros + 1)"),
    *("torch.nanmean(holes.masked_fill(holes.isinf(), 0), 0)", "torch.copysign(p, x)"),
    *(
        "torch.heaviside((zeros - 2).detach(), zeros.detach())",
        "torch.clamp(x, min=y)",
        "torch.clamp(x, y, y + 1)",
    ),
    *("torch.clip(x, -1, 1)", "torch.isclose(x, x + 1e-9)", "torch.isclose(holes, holes)"),
    *("torch.isclose(holes, holes, equal_nan=True)", "torch.bitwise_and(whole, by)"),
    *("torch.bitwise_or(whole, by)", "torch.bitwise_xor(whole, 5)", "torch.bitwise_not(whole)"),
    *("torch.bitwise_not(mask)", "torch.bitwise_and(mask, whole > 0)"),
    *("torch.greater(x, y)", "torch.less_equal(x, 0.5)", "torch.not_equal(x, y)"),
    # Products and sums.
    *("torch.prod(x)", "torch.prod(x, 1)", "torch.prod(cube, -2, keepdim=True)", "zeros.prod(1)"),
    *("torch.prod(whole)", "torch.prod(mask, 0)", "torch.cumprod(cube, 1)", "zeros.cumprod(1)"),
    *("torch.cumsum(x, 0)", "torch.logsumexp(x, 1)", "torch.std_mean(x, 1)", "torch.var_mean(x)"),
    *("torch.norm(x)", "torch.norm(x, 1, 0)", "x.norm(3, 1, True)", "x.norm(float('inf'))"),
    *("x.norm(0)", "torch.dist(x, y, 1)", "torch.renorm(x, 2, 0, 1.0)", "torch.cov(x)"),
    *("torch.mv(x, row)", "torch.dot(row, row)", "torch.outer(row, vector)", "torch.inner(x, y)"),
    *("torch.addmm(wide[:3], x, wide)", "torch.addmm(vector, x, wide, beta=0.5, alpha=2)"),
    *("torch.baddbmm(x[:3, :3], cube, other, beta=2)", "torch.addmv(row[:3], x, row)"),
    *(
        "torch.matmul(cube, square)",
        "torch.matmul(row, cube.transpose(1, 2))",
        "torch.kron(x, wide)",
    ),
    *("torch.tensordot(cube, square, 1)", "torch.tensordot(cube, other, ([1], [2]))"),
    *("torch.cdist(x, y)", "torch.cdist(cube, cube + 1, p=1)", "torch.trace(square)"),
    *("torch.chain_matmul(x, square, wide)",),
    *(
        f"torch.einsum('{e}', {a})"
        for e, a in (
            ("ij,jk->ik", "x, wide"),
            ("ij,jk", "x, wide"),
            ("ij->j", "x"),
            ("ii->i", "square"),
            ("ii", "square"),
            ("bij,bjk->bik", "cube, other"),
            ("bij,bij->b", "cube, cube"),
            ("...j,jk->...k", "cube, square"),
            ("i,j->ij", "row, vector"),
            ("ij,ij,ij->i", "x, y, z"),
            ("bij,jk,kl->bil", "cube, square, wide"),
            ("b...,b...->...", "cube, cube"),
            ("ji", "x"),
        )
    ),
    # Shapes.
    *(
        "torch.diag(row)",
        "torch.diag(row, 2)",
        "torch.diag(x, -1)",
        "torch.diagonal(cube, 1, 1, 2)",
    ),
    *("torch.diag_embed(x, 1)", "torch.roll(x, 1)", "torch.roll(x, (1, -2), (0, 1))"),
    *("torch.roll(cube, -1, 2)", "torch.unbind(x)[1]", "torch.unbind(cube, 2)[0]", "x.ravel()"),
    *("torch.unflatten(x, 1, (2, -1))", "torch.swapaxes(cube, 0, 2)", "torch.adjoint(cube)"),
    *("torch.movedim(cube, (0, 2), (1, 0))", "torch.moveaxis(cube, 0, -1)", "torch.tile(x, (2,))"),
    *("x.tile(2, 1, 2)", "torch.broadcast_to(row, (3, 4))", "torch.tensor_split(vector, 3)[1]"),
    *("torch.tensor_split(x, (1, 3), 1)[2]", "torch.hstack([x, y])", "torch.vstack([row, x])"),
    *("torch.dstack([x, y])", "torch.column_stack([x, y])", "torch.atleast_3d(x)"),
    *("torch.fliplr(x)", "torch.flipud(x)", "torch.rot90(x)", "torch.rot90(x, 3)", "x.rot90(2)"),
    *("torch.meshgrid(row, vector, indexing='ij')[0]", "torch.diff(x)", "torch.diff(x, 2, 0)"),
    *("torch.meshgrid(row, vector, indexing='xy')[1]", "torch.cartesian_prod(row, vector)"),
    *("torch.repeat_interleave(x, 2)", "torch.repeat_interleave(x, some + 1, 0)"),
    *("torch.triu_indices(3, 4, 1)", "torch.tril_indices(3, 4)", "torch.logspace(0, 2, 5)"),
    # Positions and order.
    *("torch.masked_select(x, mask)", "x.masked_select(mask)", "torch.take(x, at)"),
    *("torch.take_along_dim(x, at, 0)", "x.index_fill(0, some[:2], 2.5)", "torch.argwhere(mask)"),
    *("torch.index_add(x, 0, some, y)", "x.index_add(0, some, y, alpha=-0.5)"),
    *("x.index_copy(0, some[:2], y[:2])", "torch.gather(x, 0, at)"),
    *("torch.scatter(x, 0, at[:1], y[:1])", "x.scatter(0, at, 1.5)", "x.scatter(0, at[:1], y[:1])"),
    *(
        "x.detach().scatter(0, at, y[:2].detach(), reduce='add')",
        "x.scatter_reduce(0, at, y[:2], 'sum')",
    ),
    *("x.scatter_reduce(0, at, y[:2], 'mean')", "torch.scatter_add(x, 0, at, y[:2])"),
    *("x.scatter_reduce(0, at, y[:2], 'mean', include_self=False)",),
    *("torch.median(x)", "torch.median(x, 1)", "x.median(0, True)", "torch.kthvalue(x, 2, 1)"),
    *("torch.sort(x, 1, True)", "torch.topk(x, 2)", "torch.aminmax(x)", "torch.aminmax(x, dim=1)"),
    *("torch.unique(whole)", "torch.unique(whole, return_inverse=True, return_counts=True)"),
    *("torch.bincount(some)", "torch.bincount(some, minlength=5)", "torch.nonzero(mask)"),
]
