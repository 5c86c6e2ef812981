"""Hooks, functions with derivatives of their own, checkpoints, graphs walked twice."""

import numpy as np
import pytest
from interpreter import python

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


def weights():
    return torch.tensor([1.0, 2.0, 3.0], requires_grad=True)


def test_frozen_tensors_collect_nothing_and_others_do_not_collect_for_them():
    w = weights()
    y = (w * 2).sum()
    w.requires_grad_(False)
    del w
    others = [torch.zeros(3, requires_grad=True) for _ in range(8)]
    y.backward()
    assert all(t.grad is None for t in others)

    k = weights() * 1
    k.retain_grad()
    z = (k * 5).sum()
    k.mul_(2)
    del k
    others = [torch.zeros(3, requires_grad=True) * 1 for _ in range(8)]
    for t in others:
        t.retain_grad()
    z.backward()
    assert all(t.grad is None for t in others)


def test_hooks_outlive_freezing():
    w = weights()
    w.register_hook(lambda g: g * 10)
    w.requires_grad_(False)
    w.requires_grad_(True)
    (w * 2).sum().backward()
    assert w.grad.tolist() == [20, 20, 20]


def test_a_retained_gradient_is_that_of_the_latest_value():
    x = weights() * 1
    x.retain_grad()
    x.mul_(3)
    x.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_parameters_written_into_a_tensor_get_their_gradients():
    w = weights()
    z = torch.ones(4, 3)
    z[1] = w
    z[2].copy_(w)
    z[3] = w * 2
    ((z * z).sum() + (w * 0).sum()).backward()
    assert w.grad.tolist() == [12, 24, 36]

    a, b = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    m = torch.zeros(2, 2)
    m[0, 0], m[1, 1], m[0, 1] = a, b, a * b
    (m @ m).sum().backward()
    assert (a.grad.item(), b.grad.item()) == (25, 22)


def test_a_whole_written_from_a_parameter_is_not_that_parameter():
    w = weights()
    x = torch.zeros(3)
    x.copy_(w)
    assert not x.is_leaf
    x.mul_(2)
    x.sum().backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_parts_of_detached_tensors_refuse_what_needs_a_gradient():
    w = weights()
    x = torch.randn(4, 3)
    z = x.detach()
    with pytest.raises(NotImplementedError, match="clone"):
        z[1] = w * 2
    z[1] = torch.ones(3)
    z.mul_(w)
    z.sum().backward()
    assert w.grad[1].item() == pytest.approx(z.detach()[:, 1].sum().item() / 2)


def test_values_written_without_gradients_keep_their_history():
    x = weights()
    h = x * 2
    with torch.no_grad():
        h.clamp_(max=3)
    assert h.tolist() == [2, 3, 3]
    h.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_results_that_a_derivative_reads_may_not_be_written_to():
    x = weights()
    y = x.sigmoid()
    y.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


def test_written_tensors_do_not_share_memory_with_their_source():
    for make in (torch.tensor, lambda v: torch.from_numpy(np.array(v, dtype="f4"))):
        w, b = weights(), make([5.0, 6.0, 7.0])
        h = w * 1
        h[:] = b
        b.mul_(10)
        assert h.tolist() == [5, 6, 7]
    x, z, seed = weights(), weights(), np.ones(3, "f4")
    (x + z).backward(torch.from_numpy(seed))
    seed[:] = 5
    assert x.grad.tolist() == [1, 1, 1]


def test_gradients_reach_parameters_that_have_changed_since():
    w = weights()
    y = (w * 2).sum()
    with torch.no_grad():
        w.add_(1)
    held = w.grad = torch.ones(3)
    y.backward(inputs=[w], retain_graph=True)
    assert held.tolist() == [3, 3, 3]
    assert torch.autograd.grad(y, w)[0].tolist() == [2, 2, 2]


def test_gradients_of_chosen_leaves_are_tensors_of_their_own():
    x, z = weights(), weights()
    (x + z).sum().backward(inputs=[x, z])
    x.grad.mul_(2)
    assert (x.grad.tolist(), z.grad.tolist()) == ([2, 2, 2], [1, 1, 1])


def test_parameters_may_be_looked_at_before_backward():
    net = torch.nn.Linear(3, 2)
    y = net(torch.ones(1, 3, requires_grad=True)).pow(2).sum()
    for p in net.parameters():
        p.detach().numpy().std()
    net.float()
    y.backward()
    assert net.weight.grad is not None


@pytest.mark.parametrize("owner", ["module", "optimizer"])
def test_gradients_are_set_to_zero_in_place(owner):
    net = torch.nn.Linear(3, 2)
    net(torch.ones(1, 3)).sum().backward()
    held = net.weight.grad
    who = net if owner == "module" else torch.optim.SGD(net.parameters(), lr=0.1)
    who.zero_grad(set_to_none=False)
    assert held.abs().sum().item() == 0
    net(torch.ones(1, 3)).sum().backward()
    assert held.tolist() == torch.ones(2, 3).tolist()


def test_hooks_and_threads_do_not_wait_for_each_other():
    """A walk over the graph calls hooks while others hold the interpreter's lock."""
    python(
        """
        import threading
        import ballast as torch

        def backward():
            for _ in range(300):
                x = torch.ones(4, requires_grad=True)
                x.register_hook(lambda g: g * 2)
                (x * 3).sum().backward()

        def detach():
            t = torch.ones(4)
            while working.is_alive():
                t.detach()

        working = threading.Thread(target=backward)
        others = [threading.Thread(target=detach) for _ in range(2)]
        working.start()
        for t in others:
            t.start()
        for t in (working, *others):
            t.join()
        """
    )


def test_statistics_that_nobody_looks_at_do_not_pile_up():
    """The reading of a process's memory is Linux's."""
    grown, batches = python(
        """
        import ballast as torch

        def resident():
            with open("/proc/self/statm") as f:
                return int(f.read().split()[1]) * 4096

        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4)).train()

        def run(batches):
            with torch.no_grad():
                for _ in range(batches):
                    net(torch.randn(8, 3, 64, 64))

        run(40)
        before = resident()
        run(400)
        print((resident() - before) >> 20, net[1].num_batches_tracked.item())
        """
    ).split()
    assert int(batches) == 440
    assert int(grown) < 40  # 400 batches are 150 MiB


def test_values_made_of_parts_again_and_again():
    y = torch.randn(2, 8, requires_grad=True)
    for _ in range(40):
        y = torch.cat([y[:, 4:], y[:, :4]], 1)
    (y * y).sum().item()
