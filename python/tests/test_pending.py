"""Nobody can tell, by memory or by errors, that a value has not been computed yet."""

import importlib.util
import pathlib

import pytest
from interpreter import python

import ballast
from ballast.nn import functional as F  # noqa: N812

BENCH = pathlib.Path(__file__).parents[2] / "bench" / "unread_values.py"


def _loops():
    spec = importlib.util.spec_from_file_location("unread_values", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", list(_loops().LOOPS))
def test_loops_that_read_nothing_hold_little(name):
    # 400 steps would hold 150 MiB to 400 MiB.
    program = f"""
        import sys
        sys.path.insert(0, {str(BENCH.parent)!r})
        import unread_values
        print(unread_values.measure({name!r}, 400, False)[0])
    """
    assert float(python(program)) < 2 * _loops().ALLOWED_MIB


@pytest.mark.parametrize("name", list(_loops().LOOPS))
def test_loops_that_read_nothing_compute_the_same(name):
    loops = _loops()
    values = []
    for read in (loops._read, lambda value: None):
        ballast.manual_seed(0)
        values.append(loops.LOOPS[name](30, read))
    assert values[0] == pytest.approx(values[1], rel=1e-4)


tensor = ballast.tensor
WRONG = {
    "embedding": lambda: F.embedding(tensor([7]), ballast.rand(3, 2)),
    "embedding of a matrix": lambda: F.embedding(tensor([[0], [7]]), ballast.rand(3, 2)),
    "embedding layer": lambda: ballast.nn.Embedding(3, 2)(tensor([3])),
    "nll_loss": lambda: F.nll_loss(ballast.rand(2, 3), tensor([0, 5])),
    "cross_entropy": lambda: F.cross_entropy(ballast.rand(2, 3), tensor([0, 5])),
    "cross_entropy of pending logits": lambda: F.cross_entropy(
        ballast.rand(2, 3) * 2, tensor([0, 5])
    ),
    "gather": lambda: ballast.rand(3).gather(0, tensor([5])),
    "index": lambda: ballast.rand(3)[tensor([5])],
    "index from the end": lambda: ballast.rand(3)[tensor([-4])],
    "two indices": lambda: ballast.rand(3, 3)[tensor([0]), tensor([3])],
    "index_select": lambda: ballast.rand(3).index_select(0, tensor([3])),
    "take": lambda: ballast.rand(3).take(tensor([3])),
    "scatter": lambda: ballast.zeros(3).scatter(0, tensor([7]), 1.0),
    "scatter_add": lambda: ballast.zeros(3).scatter_add(0, tensor([7]), ballast.ones(1)),
    "index_add": lambda: ballast.zeros(3).index_add(0, tensor([3]), ballast.ones(1)),
    "scatter_reduce": lambda: ballast.zeros(3).scatter_reduce(
        0, tensor([3]), ballast.ones(1), "amax"
    ),
    "index_copy": lambda: ballast.zeros(3).index_copy(0, tensor([3]), ballast.ones(1)),
    "index_fill": lambda: ballast.zeros(3).index_fill(0, tensor([3]), 1.0),
    "floor division": lambda: tensor([1]) // tensor([0]),
    "floor division by a number": lambda: tensor([1]) // 0,
    "remainder": lambda: tensor([1]) % tensor([0]),
    "fmod": lambda: tensor([1]).fmod(tensor([0])),
    "inverse": lambda: ballast.zeros(2, 2).inverse(),
    "cholesky": lambda: ballast.linalg.cholesky(-ballast.eye(2)),
    "solve": lambda: ballast.linalg.solve(ballast.zeros(2, 2), ballast.ones(2)),
    "one_hot": lambda: F.one_hot(tensor([5]), 3),
    "binary_cross_entropy": lambda: F.binary_cross_entropy(tensor([1.5]), tensor([1.0])),
    "multinomial": lambda: ballast.multinomial(tensor([-1.0, 2.0]), 1),
    "repeat_interleave": lambda: ballast.ones(2).repeat_interleave(tensor([1, -1])),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_errors_of_values_are_raised_by_the_call(name):
    with pytest.raises((IndexError, RuntimeError)):
        WRONG[name]()


IN_PLACE = {
    "scatter_": lambda x: x.scatter_(0, tensor([7]), 1.0),
    "scatter_add_": lambda x: x.scatter_add_(0, tensor([7]), ballast.ones(1)),
    "index_add_": lambda x: x.index_add_(0, tensor([3]), ballast.ones(1)),
    "index_copy_": lambda x: x.index_copy_(0, tensor([3]), ballast.ones(1)),
    "index_fill_": lambda x: x.index_fill_(0, tensor([3]), 1.0),
    "assignment": lambda x: x.__setitem__(tensor([3]), 1.0),
}


@pytest.mark.parametrize("name", list(IN_PLACE))
def test_in_place_forms_change_nothing_then(name):
    x = tensor([1.0, 2.0, 3.0])
    with pytest.raises((IndexError, RuntimeError)):
        IN_PLACE[name](x)
    assert x.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["__ifloordiv__", "remainder_", "fmod_"])
def test_division_in_place_changes_nothing_then(name):
    x = tensor([5, 6])
    with pytest.raises(RuntimeError):
        getattr(x, name)(tensor([1, 0]))
    assert x.tolist() == [5, 6]


def test_an_error_that_shows_late_belongs_to_who_reads():
    index = (ballast.rand(3, 3).sum(1) * 0 + 7).long()
    bad = ballast.rand(3).index_select(0, index)
    for i in range(4):
        assert (ballast.ones(2) + i).tolist() == [1.0 + i, 1.0 + i]
    with pytest.raises(IndexError, match="index out of range"):
        bad.tolist()


REDUCTIONS = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "sum of rows": lambda x: x.sum(0),
    "mean of columns, kept": lambda x: x.mean(1, keepdim=True),
    "max": lambda x: x.amax(),
    "min of columns": lambda x: x.amin(1),
    "prod": lambda x: x.prod(),
    "var": lambda x: x.var(),
    "std of rows": lambda x: x.std(0),
    "norm": lambda x: x.norm(),
    "any": lambda x: (x > 2).any(),
    "all": lambda x: (x < 2).all(),
    "pointwise": lambda x: ((x * 2 + 1).relu() / x).sum(),
    "exp": lambda x: x.exp().sum(),
    "slice": lambda x: x[1:].sum(),
    "reshaped": lambda x: x.reshape(-1).sum(),
    "count": lambda x: x.count_nonzero(),
}


@pytest.mark.parametrize("name", list(REDUCTIONS))
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (1,), ()])
def test_reductions_of_expanded_tensors_are_those_of_their_elements(name, shape):
    if name == "reshaped" and shape == ():
        pytest.skip("the same as (1, 1)")
    small = (ballast.rand(shape) + 0.5).requires_grad_()
    results, gradients = [], []
    for whole in (False, True):
        small.grad = None
        x = small.expand(4, 4)
        y = REDUCTIONS[name](x * ballast.ones(4, 4) if whole else x)
        results.append(ballast.flatten(y).tolist())
        if y.requires_grad:
            (y * y).sum().backward()
            gradients.append(ballast.flatten(small.grad).tolist())
    assert results[0] == pytest.approx(results[1], rel=1e-5, abs=1e-6)
    if gradients:
        assert gradients[0] == pytest.approx(gradients[1], rel=1e-4, abs=1e-5)


def test_reductions_of_expanded_tensors_make_no_elements():
    program = """
        import resource
        import ballast
        small = ballast.tensor([[1.01]], requires_grad=True)
        x = small.expand(2**14, 2**14)
        flag = ballast.tensor([[True]]).expand(2**14, 2**14)
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ballast.ones(3).sum().item()
        before = peak()
        for f in (lambda: x.sum(), lambda: x.mean(), lambda: x.amax(), lambda: x.var(),
                  lambda: x.norm(), lambda: x.prod(), lambda: (x * 2).exp().mean(),
                  lambda: flag.any(), lambda: flag.all(),
                  lambda: x.sum(0).max(), lambda: x.reshape(-1).sum()):
            f().item()
        (x * x).mean().backward()
        print(small.grad.item(), peak() - before)
    """
    gradient, mib = map(float, python(program).split())
    assert gradient == pytest.approx(2.02, rel=1e-5)
    assert mib < 100
