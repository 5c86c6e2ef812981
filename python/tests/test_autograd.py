"""Hooks, functions with derivatives of their own, checkpoints, graphs walked twice."""

import pytest

import ballast as torch
import ballast.nn as nn
from ballast.autograd import Function, gradcheck, gradgradcheck
from ballast.autograd.function import once_differentiable
from ballast.utils.checkpoint import checkpoint, checkpoint_sequential


class Exp(Function):
    @staticmethod
    def forward(ctx, x, scale):
        y = x.exp() * scale
        ctx.save_for_backward(y)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx, grad):
        assert ctx.needs_input_grad == (True, False)
        (y,) = ctx.saved_tensors
        return grad * y, None


class SplitSum(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.mark_non_differentiable(whole := (a > b))
        return a + b, a * 2, whole

    @staticmethod
    def backward(ctx, both, twice, whole):
        return both + 2 * twice, both


class Doubled(Function):
    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return grad * 2 + 0 * ctx.saved_tensors[0]


def test_a_function_brings_its_derivative():
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    y = Exp.apply(x * 1, 3.0)
    assert repr(y.grad_fn) == "<ExpBackward>" and y.requires_grad
    (y * y).sum().backward()
    assert torch.allclose(x.grad, 2 * y.detach() ** 2)
    assert not Exp.apply(x.detach(), 3.0).requires_grad
    z = Doubled.apply(x)
    z.sum().backward(retain_graph=True)


def test_a_function_of_several_outputs():
    a = torch.ones(2, requires_grad=True)
    b = torch.zeros(2, requires_grad=True)
    both, twice, whole = SplitSum.apply(a, b)
    assert not whole.requires_grad and whole.all()
    (both.sum() * 3).backward(retain_graph=True)
    assert a.grad.tolist() == [3, 3] and b.grad.tolist() == [3, 3]
    (both + twice).sum().backward()
    assert a.grad.tolist() == [6, 6] and b.grad.tolist() == [4, 4]


def test_wrong_gradients_are_told():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Wrong.apply(x).sum().backward()


def test_derivatives_are_checked_by_differences():
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t: (t.exp() * t).sum(), (x,))
    assert gradgradcheck(lambda t: t * t * t, (x,))

    class Off(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    assert not gradcheck(Off.apply, (x,), raise_exception=False)


def test_hooks_see_and_replace_gradients():
    x = torch.ones(2, requires_grad=True)
    seen = []
    y = x * 2
    y.retain_grad()
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (y * 3).sum().backward()
    assert seen == [[3, 3], [60, 60]] and y.grad.tolist() == [3, 3]
    handle.remove()
    (x * 1).sum().backward()
    assert seen[2:] == [[70, 70]]


def test_hooks_of_modules_see_both_ends():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0], go[0])))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    (grad_input, grad_output) = seen[0]
    assert grad_output.tolist() == [[2]]
    assert torch.equal(grad_input, 2 * layer.weight) and torch.equal(x.grad, grad_input)


def test_what_saves_nothing_can_be_differentiated_again():
    x = torch.ones(2, requires_grad=True)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2, 2]
    z = (x * x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_a_bias_may_change_before_backward():
    layer = nn.Linear(2, 1)
    loss = layer(torch.ones(1, 2)).sum()
    with torch.no_grad():
        layer.bias.add_(1)
    loss.backward()
    assert layer.bias.grad.tolist() == [1]


def test_checkpoints_give_the_same_gradients():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
    x = torch.randn(5, 3)
    torch.manual_seed(1)
    net(x).square().sum().backward()
    expected = [p.grad.clone() for p in net.parameters()]
    for run in (
        lambda: checkpoint(net, x, use_reentrant=False),
        lambda: checkpoint_sequential(net, 2, x, use_reentrant=False),
    ):
        net.zero_grad()
        torch.manual_seed(1)
        run().square().sum().backward()
        for p, g in zip(net.parameters(), expected, strict=True):
            assert torch.allclose(p.grad, g)


def test_grad_modes_nest_and_decorate():
    x = torch.ones(1, requires_grad=True)

    @torch.no_grad()
    def without(t):
        return t * 2

    assert not without(x).requires_grad
    with torch.no_grad(), torch.enable_grad():
        assert (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    with torch.inference_mode():
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()
