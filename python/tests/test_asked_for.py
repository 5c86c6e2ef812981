"""What packages look up: operators by name, hooks, steps, forward derivatives."""

import pytest

import ballast
from ballast import nn
from ballast.autograd import forward_ad

aten = ballast.ops.aten


def test_operators_are_functions_of_their_name():
    x, y = ballast.randn(2, 3), ballast.randn(3, 4)
    assert ballast.equal(aten.mm(x, y), x @ y)
    assert ballast.equal(aten.mm.default(x, y), x @ y)
    assert ballast.equal(aten.add.Tensor(x, x), x + x)
    assert ballast.equal(aten.view.default(x, [3, 2]), x.view(3, 2))
    assert aten.mm is aten.mm and len({aten.mm, aten.bmm, aten.mm}) == 2


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("name", ["convolution", "_convolution"])
def test_a_convolution_of_any_dimensions(name, dimensions):
    x = ballast.randn(2, 4, *[6] * dimensions)
    twice, once, none = [2] * dimensions, [1] * dimensions, [0] * dimensions
    operator = getattr(aten, name)
    choices = (False, False, True, True) if name == "_convolution" else ()
    w = ballast.randn(6, 2, *[3] * dimensions)
    forward = getattr(nn.functional, f"conv{dimensions}d")
    ours = operator(x, w, None, twice, once, once, False, none, 2, *choices)
    assert ballast.equal(ours, forward(x, w, None, 2, 1, 1, 2))
    w, b = ballast.randn(4, 3, *[3] * dimensions), ballast.randn(3)
    back = getattr(nn.functional, f"conv_transpose{dimensions}d")
    ours = operator(x, w, b, twice, once, once, True, once, 1, *choices)
    assert ballast.equal(ours, back(x, w, b, 2, 1, 1, 1, 1))


@pytest.mark.parametrize(
    "name", ["tolist", "nonsense", "get_num_threads", "nn", "mse_loss", "elu", "no_grad", "load"]
)
def test_what_is_no_operator_is_told_by_name(name):
    with pytest.raises(AttributeError, match=f"no operator '{name}'"):
        getattr(aten, name)


def test_no_tensor_has_a_forward_derivative():
    x = ballast.ones(2, requires_grad=True)
    primal, tangent = forward_ad.unpack_dual(x)
    assert primal is x and tangent is None
    for use in (
        lambda: forward_ad.make_dual(x, x),
        forward_ad.enter_dual_level,
        forward_ad.exit_dual_level,
        forward_ad.dual_level().__enter__,
    ):
        with pytest.raises(NotImplementedError, match=r"forward_ad\.\w+ is not in Ballast: use"):
            use()


def test_dictionaries_hold_the_hooks_themselves():
    net, calls = nn.Linear(2, 2), []

    def before(module, args, kwargs):
        calls.append(("before", kwargs))

    def after(module, args, output):
        calls.append(("after", output))

    first = net.register_forward_pre_hook(before, with_kwargs=True)
    second = net.register_forward_hook(after, always_call=True)
    assert list(net._forward_pre_hooks.values()) == [before]
    assert list(net._forward_hooks.values()) == [after]
    net(input=ballast.ones(1, 2))
    assert calls[0][0] == "before" and list(calls[0][1]) == ["input"]
    with pytest.raises(TypeError):
        net()
    assert calls[-1] == ("after", None)
    first.remove(), second.remove()
    for name, value in vars(net).items():
        assert not (name.startswith("_forward") and value), name


def test_a_schedule_counts_its_steps():
    optimizer = ballast.optim.SGD([ballast.ones(1, requires_grad=True)], lr=1.0)
    schedule = ballast.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=9)
    assert schedule._step_count == 1
    optimizer.step(), schedule.step()
    assert schedule._step_count == 2 and schedule.state_dict()["_step_count"] == 2


def test_a_condition_of_one_element_is_checked():
    ballast._assert_async(ballast.tensor(True))
    for value, text in ((0, "single nonzero value"), ([], "no values"), ([1, 1], "more than one")):
        with pytest.raises(RuntimeError, match=text):
            ballast._assert_async(ballast.tensor(value))
    with pytest.raises(RuntimeError, match="^told$"):
        ballast._assert_async(ballast.tensor(0.0), "told")


def test_arguments_of_to_are_read():
    from ballast.torch.places._C import _nn

    cpu, parse = ballast.device("cpu"), _nn._parse_to
    assert parse("cpu") == (cpu, None, False, None)
    assert parse(cpu, ballast.float64, True) == (cpu, ballast.float64, True, None)
    assert parse(dtype=ballast.float16, non_blocking=True) == (None, ballast.float16, True, None)
    assert parse(ballast.ones(1)) == (cpu, ballast.float32, False, None)
