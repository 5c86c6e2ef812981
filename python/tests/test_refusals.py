"""Wrong calls raise what PyTorch raises, and what PyTorch takes in other words is taken here."""

import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F

NAN = float("nan")


def f(*shape):
    return torch.ones(*shape)


@pytest.mark.parametrize(
    "loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "soft_margin_loss"]
)
@pytest.mark.parametrize("wrong", [1, None, True, ["mean"], "average"])
def test_a_reduction_that_is_none_is_a_value_error(loss, wrong):
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        getattr(F, loss)(f(2), f(2), reduction=wrong)


@pytest.mark.parametrize(
    ("average", "reduce", "same_as"),
    [
        (False, None, "sum"),
        (True, None, "mean"),
        (None, False, "none"),
        (None, True, "mean"),
        (False, True, "sum"),
        (True, False, "none"),
        (0, 1, "sum"),
    ],
)
@pytest.mark.parametrize("loss", [F.mse_loss, F.kl_div, F.binary_cross_entropy_with_logits])
def test_the_flags_of_old_choose_a_reduction(loss, average, reduce, same_as):
    x, y = torch.tensor([0.1, 0.7, 0.4]), torch.tensor([0.3, 0.2, 0.9])
    got = loss(x, y, size_average=average, reduce=reduce)
    assert got.tolist() == loss(x, y, reduction=same_as).tolist()


@pytest.mark.parametrize("truth", [1, "x", 0.5])
@pytest.mark.parametrize("function", [F.relu, F.silu, F.elu, F.hardtanh, F.leaky_relu])
def test_flags_of_layers_are_taken_by_their_truth(function, truth):
    x = torch.tensor([-2.0, 3.0])
    y = function(x, inplace=truth)
    assert y is x
    x = torch.tensor([-2.0, 3.0])
    assert function(x, inplace=None) is not x and x[0].item() == -2.0
    with pytest.raises(RuntimeError):
        function(x, inplace=f(2))


@pytest.mark.parametrize(
    ("call", "value", "dtype"),
    [
        (lambda: torch.add(1, f(3), alpha=2), [3.0] * 3, torch.float32),
        (lambda: torch.sub(1, 1.5), -0.5, torch.float32),
        (lambda: torch.mul(1.5, torch.tensor([2, 4])), [3.0, 6.0], torch.float32),
        (lambda: torch.div(1, 2), 0.5, torch.float32),
        (lambda: torch.floor_divide(7, 2), 3, torch.int64),
        (lambda: torch.remainder(7, torch.tensor([4.0])), [3.0], torch.float32),
        (lambda: torch.add(0.1, f(2).double()), [1.1, 1.1], torch.float64),
    ],
)
def test_the_first_operand_may_be_a_number(call, value, dtype):
    got = call()
    assert got.dtype is dtype and got.tolist() == value


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.lerp(f(2), f(2).double(), 0.5),
        lambda: torch.dot(f(2), f(2).double()),
        lambda: torch.vdot(f(2), f(2).double()),
        lambda: torch.cdist(f(2, 2), f(2, 2).double()),
        lambda: torch.cross(f(2, 3), f(2, 3).double(), 1),
        lambda: torch.addmm(f(2, 2).double(), f(2, 2), f(2, 2)),
        lambda: torch.baddbmm(f(1, 2, 2).double(), f(1, 2, 2), f(1, 2, 2)),
        lambda: torch.index_put(f(2), (torch.tensor([0, 1]),), f(2).double()),
        lambda: torch.masked_scatter(f(2), f(2) > 0, f(2).double()),
        lambda: f(2).__setitem__(torch.tensor([0, 1]), f(2).double()),
        lambda: F.layer_norm(f(2, 3), (3,), f(3).double()),
        lambda: F.group_norm(f(2, 4, 3), 2, f(4).double(), f(4)),
        lambda: F.instance_norm(f(2, 3, 4), f(3), f(3), f(3), f(3).double()),
        lambda: F.bilinear(f(2, 3), f(2, 4), f(5, 3, 4), f(5).double()),
        lambda: F.cross_entropy(f(2, 3), torch.tensor([0, 1]), f(3).double()),
        lambda: F.nll_loss(f(2, 3), torch.tensor([0, 1]), f(3).double()),
        lambda: F.conv_transpose2d(f(1, 3, 4, 4), f(3, 4, 3, 3), f(4).double()),
        lambda: F.huber_loss(torch.tensor([1]), f(1)),
        lambda: F.kl_div(torch.tensor([1]), f(1)),
    ],
)
def test_types_that_pytorch_does_not_promote(call):
    with pytest.raises(RuntimeError):
        call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_inputs_beside_float32_weights(dtype):
    x = f(2, 4).to(dtype)
    assert F.layer_norm(x, (4,), f(4), f(4)).dtype is dtype
    assert F.rms_norm(x, (4,), f(4)).dtype is dtype
    assert F.group_norm(f(2, 4, 3).to(dtype), 2, f(4), f(4)).dtype is dtype
    weight = f(4).to(dtype)
    assert F.cross_entropy(x, torch.tensor([0, 1]), weight).dtype is dtype


def test_losses_have_the_type_that_pytorch_stores():
    x, y = f(2) * 0.5, (f(2) * 0.5).double()
    assert F.huber_loss(x, y).dtype is torch.float32
    assert F.huber_loss(y, x).dtype is torch.float64
    assert F.binary_cross_entropy(x, x, y).dtype is torch.float32
    assert F.binary_cross_entropy_with_logits(y, x).dtype is torch.float32
    assert F.mse_loss(x, y).dtype is torch.float64


@pytest.mark.parametrize(
    "call",
    [
        lambda: f(4, 3).gather(0, torch.tensor([[9]])),
        lambda: f(4, 3).scatter(0, torch.tensor([[9]]), 1.0),
        lambda: f(4, 3).scatter_add(0, torch.tensor([[9]]), f(1, 1)),
        lambda: f(4, 3).scatter_reduce(0, torch.tensor([[9]]), f(1, 1), "sum"),
    ],
)
def test_positions_of_single_elements_raise_runtime_errors(call):
    with pytest.raises(RuntimeError, match="out of"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: f(4, 3).index_select(0, torch.tensor([9])),
        lambda: f(4, 3).index_fill(0, torch.tensor([9]), 1.0),
        lambda: f(4, 3).index_fill(0, f(2), 1.0),
        lambda: f(4, 3).index_copy(0, torch.tensor([0, 1]), f(3, 3)),
        lambda: f(4, 3).index_copy(0, torch.tensor([0]), f(3)),
        lambda: torch.renorm(f(2, 3), 2, 9, 1.0),
        lambda: torch.take_along_dim(f(2, 3), torch.tensor([[0]]), 9),
        lambda: torch.slice_scatter(f(2, 3), f(2, 3), 9),
        lambda: f(2, 3).unfold(9, 2, 1),
        lambda: torch.roll(torch.tensor(1.0), 1, 0),
        lambda: torch.diag_embed(torch.tensor(1.0)),
        lambda: torch.unbind(torch.tensor(1.0)),
        lambda: torch.kthvalue(torch.ones(2, 0), 1, 1),
        lambda: F.cross_entropy(torch.tensor(1.0), torch.tensor([1])),
    ],
)
def test_dimensions_and_slices_raise_index_errors(call):
    with pytest.raises(IndexError):
        call()


def test_positions_of_no_elements_fit_every_shape():
    none = torch.zeros(0, dtype=torch.int64)
    assert f(4, 3).gather(0, none).shape == (0,)
    for out in (f(4, 3).scatter(0, none, 2.0), f(4, 3).scatter_add(0, none, f(2, 3))):
        assert out.tolist() == f(4, 3).tolist()
    assert f(2, 3)[[]].shape == (0, 3)
    assert f(2, 3)[[None, 1]].shape == (1, 3)


@pytest.mark.parametrize(
    "wrong", [None, 1, 1.5, "x", [1.0], object()], ids=lambda w: type(w).__name__
)
@pytest.mark.parametrize(
    "function",
    [torch.hstack, torch.block_diag, torch.broadcast_tensors, torch.atleast_2d, torch.dstack],
)
def test_lists_of_tensors_hold_tensors(function, wrong):
    listed = function in (torch.hstack, torch.dstack)
    for args in ([f(2), wrong], [wrong, f(2)]):
        with pytest.raises(TypeError):
            function(args) if listed else function(*args)


@pytest.mark.parametrize("wrong", ["float32", 1, True, [], f(2)], ids=lambda w: type(w).__name__)
def test_a_type_is_a_type(wrong):
    makers = [
        lambda: torch.tensor(1.0, dtype=wrong),
        lambda: torch.as_tensor([1.0], dtype=wrong),
        lambda: torch.set_default_dtype(wrong),
        lambda: torch.can_cast(torch.float32, wrong),
        lambda: torch.can_cast(wrong, torch.float32),
        lambda: nn.Linear(2, 2, dtype=wrong),
        lambda: nn.BatchNorm1d(2, dtype=wrong),
    ]
    for make in makers:
        with pytest.raises(TypeError):
            make()


def test_one_argument_too_many_is_a_type_error_before_all_others():
    for make in (nn.Linear, nn.LayerNorm, nn.BatchNorm2d, nn.Embedding, nn.PReLU):
        with pytest.raises(TypeError):
            make(3, *[1] * 15)
    with pytest.raises(TypeError):
        torch.as_tensor([1.0], torch.float64)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"])
@pytest.mark.parametrize("betas", [[], [0.9]])
def test_optimizers_want_two_betas(name, betas):
    with pytest.raises(IndexError):
        getattr(torch.optim, name)([torch.ones(2, requires_grad=True)], betas=betas)


@pytest.mark.parametrize("option", [{"lambd": -1.0}, {"alpha": NAN}, {"lr": f(2)}])
def test_options_of_asgd_are_checked(option):
    with pytest.raises(ValueError):
        torch.optim.ASGD([torch.ones(2, requires_grad=True)], **option)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("CyclicLR", (0.1, 0.2)),
        ("OneCycleLR", (0.1, 9)),
        ("ReduceLROnPlateau", ()),
        ("StepLR", (3,)),
    ],
)
@pytest.mark.parametrize("wrong", [None, 1, "x", []])
def test_a_schedule_wants_an_optimizer(name, rest, wrong):
    with pytest.raises(TypeError, match="not an Optimizer"):
        getattr(torch.optim.lr_scheduler, name)(wrong, *rest)


def test_nesterov_is_taken_by_its_truth():
    p, q = (torch.ones(2, requires_grad=True) for _ in range(2))
    for parameter, flag in ((p, 1), (q, True)):
        opt = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, nesterov=flag)
        (parameter * parameter).sum().backward()
        opt.step()
    assert p.tolist() == q.tolist()


def test_operators_and_equations_without_operands():
    with pytest.raises(TypeError, match="integer and Boolean"):
        ~f(2)
    assert (~torch.tensor([True, False])).tolist() == [False, True]
    with pytest.raises(ValueError, match="at least one operand"):
        torch.einsum("ii->i")
