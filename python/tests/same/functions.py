"""Functions and methods that `operation_cases.py` does not hold, and what describes types."""

import math

from . import error_of

TOLERANCE = 1e-5


def _inputs(torch):
    torch.manual_seed(1)
    return torch.randn(3, 4), torch.randn(3, 4), torch.rand(3, 3) + torch.eye(3), torch.randn(7)


def case_values(torch):
    a, b, m, v = _inputs(torch)
    spd = m @ m.t() + torch.eye(3)
    gap = torch.tensor([1.0, math.nan, math.inf, -math.inf, 0.0])
    whole, other = torch.tensor([12, 18, -7]), torch.tensor([8, 27, 21])
    mask = a > 0
    return {
        "addbmm": torch.addbmm(m, torch.stack([m, m]), torch.stack([m, m]), beta=0.5, alpha=2),
        "addr": torch.addr(m, v[:3], v[3:6], beta=2, alpha=3),
        "block_diag": torch.block_diag(m, v[:2], torch.tensor(5.0)),
        "diagflat": [torch.diagflat(v[:3], 1), torch.diagflat(m[:1])],
        "combinations": [
            torch.combinations(v[:4]),
            torch.combinations(v[:3], 2, True),
            torch.combinations(v[:2], 3),
        ],
        "splits": [
            [list(t.shape) for t in torch.hsplit(a, 2)],
            [list(t.shape) for t in torch.vsplit(a, [1, 2])],
            [list(t.shape) for t in torch.dsplit(a.unsqueeze(0), (2,))],
        ],
        "cross": [torch.linalg.cross(m, m.t()), torch.cross(m, m + 1, dim=0)],
        "vdot": torch.vdot(v, v),
        "matrix_power": [torch.matrix_power(m, n) for n in (0, 1, 2, 5)],
        "corrcoef": [torch.corrcoef(a), torch.corrcoef(v)],
        "quantile": [
            torch.quantile(a, q, **o)
            for q in (0.3, 1.0, torch.tensor([0.0, 0.25, 0.9]))
            for o in (
                {},
                {"dim": 0},
                {"dim": 1, "keepdim": True},
                {"dim": 1, "interpolation": "lower"},
                {"dim": 0, "interpolation": "higher"},
                {"dim": 0, "interpolation": "nearest"},
                {"dim": 1, "interpolation": "midpoint"},
            )
        ],
        "quantile of nan": torch.quantile(gap, 0.5),
        "cummax": [list(torch.cummax(a, d)) for d in (0, 1)],
        "cummin": [list(torch.cummin(torch.tensor([3, 1, 2, 1, 0]), 0)), list(v.cummin(0))],
        "histc": [torch.histc(a, 5), torch.histc(v, 4, -1, 1), torch.histc(torch.ones(3), 2)],
        "trapezoid": [
            torch.trapezoid(a),
            torch.trapz(a, dx=2, dim=0),
            torch.trapezoid(a, torch.tensor([0.0, 1.0, 3.0, 4.0])),
        ],
        "fmax": [torch.fmax(gap, gap.flip(0)), torch.fmin(gap, gap.flip(0))],
        "float_power": [str(torch.float_power(v.abs(), 2)), torch.float_power(2, v)],
        "numbers": [
            torch.ldexp(v, torch.tensor(3)),
            torch.logaddexp2(a, b),
            torch.sinc(torch.tensor([0.0, 0.5, 1.0])),
            torch.isposinf(gap),
            torch.isneginf(gap),
            torch.isreal(gap),
            torch.gcd(whole, other),
            torch.lcm(whole, other),
            torch.absolute(v),
            torch.negative(v),
            torch.positive(v),
            torch.clamp_min(v, 0),
            torch.clamp_max(v, 0.5),
            torch.rsub(v, 2, alpha=3),
            torch.clone(v),
            torch.detach(v),
        ],
        "vander": [torch.vander(v[:3]), torch.vander(v[:3], 2, True)],
        "searchsorted": [
            torch.searchsorted(torch.arange(5.0), torch.tensor([0.5, 3.0, -1, 9])),
            torch.searchsorted(torch.arange(5.0), torch.tensor([[0.5, 3.0]]), right=True),
            torch.searchsorted(a.sort(1)[0], b),
            torch.bucketize(a, torch.tensor([-1.0, 0.0, 1.0])),
        ],
        "isin": [
            torch.isin(whole, torch.tensor([12, -7])),
            torch.isin(whole, 18, invert=True),
        ],
        "unravel_index": list(torch.unravel_index(torch.tensor([0, 5, 11]), (3, 4))),
        "unique_consecutive": list(
            torch.unique_consecutive(
                torch.tensor([1, 1, 2, 3, 3, 3, 1]), return_inverse=True, return_counts=True
            )
        ),
        "index_put": [
            torch.index_put(a, (torch.tensor([0, 2]), torch.tensor([1, 3])), torch.tensor(9.0)),
            torch.zeros(4).index_put(
                (torch.tensor([1, 1, 3]),), torch.tensor([1.0, 2.0, 3.0]), accumulate=True
            ),
        ],
        "masked_scatter": torch.masked_scatter(a, mask, b),
        "scatters": [
            torch.select_scatter(a, torch.zeros(4), 0, 1),
            torch.slice_scatter(a, torch.zeros(3, 2), 1, 1, 3),
        ],
        "fill_diagonal": torch.zeros(3, 4).fill_diagonal_(2.5),
        "unfold": [v.unfold(0, 3, 2), a.unfold(1, 2, 1), a.t().unfold(0, 3, 1)],
        "linalg": [
            torch.linalg.inv(m),
            torch.det(m),
            list(torch.slogdet(m)),
            torch.logdet(spd),
            torch.linalg.cholesky(spd),
            torch.linalg.cholesky(spd, upper=True),
            torch.linalg.solve(m, v[:3]),
            torch.linalg.solve(m, a),
            torch.linalg.eigvalsh(spd),
            torch.linalg.svdvals(a),
            torch.linalg.pinv(a),
            torch.linalg.matrix_rank(torch.ones(3, 3)),
            torch.linalg.lstsq(a.t(), v[:4].unsqueeze(1)).solution,
            torch.linalg.qr(m)[1].abs(),
            torch.linalg.svd(a, full_matrices=False)[1],
            list(map(list, (t.shape for t in torch.svd(a)))),
            torch.linalg.multi_dot([m, m, a]),
            torch.linalg.vecdot(a, b),
            torch.linalg.diagonal(a),
        ],
        "norms": [
            *(torch.linalg.norm(a, o) for o in (None, "fro", "nuc", 1, -1, 2, -2, math.inf)),
            *(torch.linalg.vector_norm(a, o, 1) for o in (1, 2, 3, math.inf)),
            torch.linalg.matrix_norm(a, 1, keepdim=True),
            torch.linalg.norm(v, 3),
        ],
        "in place": [
            torch.relu_(v.clone()),
            torch.negative_(v.clone()),
            torch.clamp_min_(v.clone(), 0),
            torch.zero_(v.clone()),
            torch.fill_(v.clone(), 2),
            v.clone().copysign_(-v),
            v.clone().arctan_(),
        ],
        "layers": [
            torch.batch_norm(a, None, None, torch.zeros(4), torch.ones(4), False, 0.1, 1e-5, False),
            torch.conv1d(a.unsqueeze(0), b.unsqueeze(0)),
            torch.embedding(a, torch.tensor([2, 0])),
            list(torch.adaptive_max_pool1d(a, 2)),
            torch.pixel_shuffle(torch.arange(8.0).reshape(1, 4, 1, 2), 2),
            torch.max_pool3d(torch.arange(8.0).reshape(1, 1, 2, 2, 2), 2),
            torch.constant_pad_nd(v, (1, 2), 3.0),
        ],
    }


def case_derivatives(torch):
    out = []
    for f in (
        lambda x: x.quantile(0.3, dim=1),
        lambda x: x.cummax(1)[0],
        lambda x: torch.fmax(x, -x),
        lambda x: torch.sinc(x),
        lambda x: torch.trapezoid(x),
        lambda x: torch.masked_scatter(x, x > 0, x * 2),
        lambda x: x.unfold(1, 2, 1),
        lambda x: torch.linalg.norm(x, 1),
        lambda x: torch.corrcoef(x),
        lambda x: torch.block_diag(x, x),
        lambda x: torch.select_scatter(x, x[1] * 3, 0, 0),
    ):
        x = _inputs(torch)[0].requires_grad_()
        y = f(x)
        (y * torch.arange(y.numel()).reshape(y.shape)).sum().backward()
        out.append(x.grad)
    return out


def case_types(torch):
    names = "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 bool complex64".split()
    types = [getattr(torch, n) for n in names]
    ours = [torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool]
    one = torch.ones(1)
    return {
        "described": [
            [str(t), t.is_floating_point, t.is_complex, t.is_signed, t.itemsize] for t in types
        ],
        "finfo": [
            [f.bits, f.eps, f.max, f.min, f.tiny, f.resolution, f.dtype, str(f)]
            for f in map(torch.finfo, types[:4])
        ],
        "iinfo": [[i.bits, i.max, i.min, i.dtype, str(i)] for i in map(torch.iinfo, types[4:9])],
        "promoted": [[str(torch.promote_types(a, b)) for a in ours] for b in ours],
        "result": [
            str(torch.result_type(a, b))
            for a, b in (
                (torch.tensor([1]), 2.5),
                (torch.tensor([1]), torch.tensor(2.5, dtype=torch.float64)),
                (torch.tensor(1), torch.tensor([True])),
                (torch.tensor([True]), 3),
            )
        ],
        "casts": [[torch.can_cast(a, b) for a in types] for b in types],
        "aliases": [
            str(t)
            for t in (torch.half, torch.float, torch.double, torch.int, torch.long, torch.short)
        ],
        "asked": [
            torch.is_floating_point(one),
            torch.is_complex(one),
            torch.is_signed(one),
            torch.is_nonzero(one),
            torch.is_same_size(one, one),
            one.element_size(),
            one.ndimension(),
            one.get_device(),
            one.is_pinned(),
            one.is_sparse,
            str(one.layout),
            list(torch.ones(2, 3).mH.shape),
            one.is_contiguous(memory_format=torch.contiguous_format),
            list(torch.ones(1, 2, 3, 3).to(memory_format=torch.channels_last).shape),
        ],
        "old classes": [
            str(torch.FloatTensor([1, 2])),
            str(torch.LongTensor([[1], [2]])),
            str(torch.ByteTensor([1])),
            list(torch.FloatTensor(2, 3).shape),
            isinstance(one, torch.FloatTensor),
            isinstance(one, torch.LongTensor),
            one.type(),
            str(one.type("torch.LongTensor")),
            str(one.type(torch.DoubleTensor)),
            str(one.new_full((2,), 3)),
        ],
    }


def case_settings(torch):
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("high")
    torch.set_float32_matmul_precision("highest")
    scaler = torch.cuda.amp.GradScaler(enabled=False)
    with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
        value = torch.ones(2) @ torch.ones(2)
    return [
        str(torch.get_default_dtype()),
        torch.get_float32_matmul_precision(),
        str(torch.get_default_device()),
        scaler.is_enabled(),
        scaler.scale(value),
        torch.is_inference_mode_enabled(),
        torch.typename(torch.ones(1)),
        str(torch.scalar_tensor(3)),
    ]


def case_errors(torch):
    a = torch.ones(2, 3)
    calls = (
        lambda: torch.quantile(a, 2.0),
        lambda: torch.quantile(a, 0.5, interpolation="no"),
        lambda: torch.hsplit(a, 2),
        lambda: a.unfold(1, 4, 1),
        lambda: torch.multinomial(torch.ones(3), 4),
        lambda: torch.multinomial(-torch.ones(3), 1),
        lambda: torch.multinomial(torch.zeros(3), 1),
        lambda: torch.multinomial(torch.tensor([1, 2]), 1),
        lambda: torch.bernoulli(torch.tensor([2.0])),
        lambda: torch.finfo(torch.int64),
        lambda: torch.iinfo(torch.float32),
        lambda: torch.set_float32_matmul_precision("best"),
    )
    return [error_of(c).split(":")[0] for c in calls]


def case_random(torch):
    out = []
    for dtype in (torch.float32, torch.float64):
        for n, k, again in ((10, 20, True), (10, 1, True), (10, 4, False), (100, 30, False)):
            torch.manual_seed(n + k)
            w = torch.rand(n, dtype=dtype)
            out.append([torch.multinomial(w, k, again), torch.rand(1)])
            w = torch.rand(3, n, dtype=dtype)
            out.append([torch.multinomial(w, k, again), torch.rand(1)])
        torch.manual_seed(3)
        x = torch.rand(20, dtype=dtype)
        out += [torch.empty(9, dtype=dtype).exponential_(2.0), torch.bernoulli(x)]
        out += [x.bernoulli(0.3), torch.randint_like(x, 5), torch.randint_like(x, 2, 9)]
        out.append(torch.rand(1))
    return out
