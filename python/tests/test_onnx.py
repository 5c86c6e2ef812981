"""ONNX files: checked by ONNX and run by ONNX Runtime where they are installed."""

import hashlib
import io

import numpy as np
import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F

try:
    import onnx
    import onnxruntime
except ImportError:
    onnx = onnxruntime = None

needs_onnx = pytest.mark.skipif(onnx is None, reason="ONNX and ONNX Runtime are not installed")


def exported(model, args, **options):
    file = io.BytesIO()
    torch.onnx.export(model, args, file, **options)
    return file.getvalue()


def run(data, *inputs):
    """Check a file and run it."""
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def operations(data):
    return [n.op_type for n in onnx.load_from_string(data).graph.node]


def expect_close(ours, theirs):
    ours = ours.detach().numpy()
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(ours).max(initial=0)))


def trained(model, shape):
    """Give batch normalization statistics, weights and biases that are not the first ones."""
    torch.manual_seed(0)
    model(torch.randn(*shape) * 2 + 1)
    for p in model.parameters():
        if p.dim() == 1:
            nn.init.uniform_(p, 0.5, 1.5)
    return model.eval()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.bn2 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)) + x)
        x = F.adaptive_avg_pool2d(self.pool(x), 1)
        return self.fc(torch.flatten(x, 1))


NETS = {
    "block": (Block, (4, 3, 11, 11)),
    "mlp": (
        lambda: nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3)),
        (5, 6),
    ),
    "norm behind a reshape": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.BatchNorm1d(4), nn.ReLU()),
        (4, 3, 5, 4),
    ),
    "norm first": (
        lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1), nn.Flatten()),
        (2, 3, 4, 4),
    ),
    "activations": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.ReLU6(), nn.Hardswish(), nn.LeakyReLU(), nn.ELU(), nn.GELU()
        ),
        (2, 3, 4, 4),
    ),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Softmax(1)), (3, 4)),
}


@needs_onnx
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("fold", [True, False])
def test_networks_compute_the_same_for_any_batch(name, fold):
    make, shape = NETS[name]
    model = trained(make(), shape)
    data = exported(model, torch.randn(*shape), fold=fold)
    for rows in (1, shape[0], 7):
        x = torch.randn(rows, *shape[1:])
        expect_close(model(x), run(data, x.numpy())[0])
    assert not fold or name == "norm first" or "BatchNormalization" not in operations(data)


@needs_onnx
def test_folding_leaves_no_trace_of_batch_normalization():
    make, shape = NETS["block"]
    model = trained(make(), shape)
    folded = operations(exported(model, torch.randn(*shape)))
    assert folded == [
        *("Conv", "Relu", "Conv", "Add", "Relu", "MaxPool", "GlobalAveragePool", "Flatten", "Gemm")
    ]
    kept = operations(exported(model, torch.randn(*shape), fold=False))
    assert kept.count("BatchNormalization") == 2
    graph = onnx.load_from_string(exported(model, torch.randn(*shape))).graph
    assert {"conv1.weight", "conv1.bias", "fc.weight"} <= {i.name for i in graph.initializer}


def layers(rank):
    """Layers by name, for inputs (N, 4, 5, ...)."""
    transposed, norm = getattr(nn, f"ConvTranspose{rank}d"), getattr(nn, f"BatchNorm{rank}d")
    instance = getattr(nn, f"InstanceNorm{rank}d")
    yield "conv", getattr(nn, f"Conv{rank}d")(4, 6, 3, padding=1)
    for options in (
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"groups": 2, "bias": False},
        {"stride": 3, "output_padding": 2, "groups": 2},
        {"dilation": 2},
    ):
        yield f"transposed {options}", transposed(4, 6, 3, **options)
    for groups in (1, 2):
        for bias in (False, True):
            product = transposed(4, 6, 3, stride=2, groups=groups, bias=bias)
            yield f"transposed and norm, {groups}, {bias}", nn.Sequential(product, norm(6))
    yield "instance", instance(4)
    yield "instance, affine", instance(4, affine=True)
    yield "instance, statistics", instance(4, affine=True, track_running_stats=True)
    yield "norm without statistics", norm(4, track_running_stats=False)
    for name in ("MaxPool", "AvgPool"):
        yield name, getattr(nn, f"{name}{rank}d")(3, 2, padding=1)
    for name in ("AdaptiveAvgPool", "AdaptiveMaxPool"):
        yield name, getattr(nn, f"{name}{rank}d")(1)


@needs_onnx
@pytest.mark.parametrize("opset_version", [13, 17, 18, 20])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_layers_of_every_rank_compute_the_same(rank, opset_version):
    shape = (4,) + (5,) * rank
    for name, layer in layers(rank):
        model = trained(layer, (2, *shape))
        data = exported(model, torch.randn(2, *shape), opset_version=opset_version)
        for rows in (1, 3):
            x = torch.randn(rows, *shape)
            assert np.allclose(
                model(x).detach().numpy(), run(data, x.numpy())[0], rtol=1e-4, atol=1e-5
            ), name


@needs_onnx
@pytest.mark.parametrize("bias", [False, True])
def test_a_norm_behind_a_transposed_convolution_is_folded(bias):
    model = trained(
        nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2, bias=bias), nn.BatchNorm2d(6)),
        (2, 4, 5, 5),
    )
    kept = operations(exported(model, torch.randn(2, 4, 5, 5)))
    assert kept == (["ConvTranspose", "Add", "BatchNormalization"] if bias else ["ConvTranspose"])


MODULES = {
    "group norm": lambda: nn.GroupNorm(2, 4),
    "layer norm": lambda: nn.LayerNorm([6, 6]),
    "local response norm": lambda: nn.LocalResponseNorm(3),
    "mish": nn.Mish,
    "log sigmoid": nn.LogSigmoid,
    "nearest": lambda: nn.Upsample(scale_factor=2),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "bicubic": lambda: nn.Upsample(size=(9, 11), mode="bicubic"),
    "padding by a number": lambda: nn.ConstantPad2d((1, 2, 3, 0), 3.5),
    "means of different windows": lambda: nn.AdaptiveAvgPool2d(4),
    "maxima": lambda: nn.AdaptiveMaxPool2d((3, 2)),
    "means beyond the image": lambda: nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
    "p-norms": lambda: nn.LPPool2d(2, 2),
}


@needs_onnx
@pytest.mark.parametrize("name", MODULES)
def test_modules_compute_the_same(name):
    model = trained(MODULES[name](), (2, 4, 6, 6))
    data = exported(model, torch.randn(2, 4, 6, 6))
    for rows in (1, 3):
        x = torch.randn(rows, 4, 6, 6)
        expect_close(model(x), run(data, x.numpy())[0])


FUNCTIONS = {
    "mean": lambda x: x.mean(dim=(1, 2)),
    "sum": lambda x: x.sum(dim=2, keepdim=True),
    "arithmetic": lambda x: (x * 2 - 1) / (x.abs() + 3) + x.exp().log() - x.square(),
    "scalars": lambda x: x.clamp(-0.5, 0.5).clamp(min=-0.25) ** 2,
    "max": lambda x: x.amax(dim=1) - x.amin(dim=1),
    "argmax": lambda x: x.argmax(dim=1),
    "cat": lambda x: torch.cat([x, x.flip(2), x[:, :1]], dim=1),
    "slice": lambda x: x[:, 1:3, ::2],
    "rows": lambda x: x[1:],
    "transpose": lambda x: x.transpose(1, 2).reshape(-1, 3),
    "softmax": lambda x: torch.softmax(x, 1) + torch.log_softmax(x, 2),
    "where": lambda x: torch.where(x > 0, x, x * 0.1),
    "bmm": lambda x: x @ x.transpose(1, 2),
    "expand": lambda x: x.mean(dim=2, keepdim=True).expand(-1, -1, 4) + x,
    "sigmoid": lambda x: torch.sigmoid(x) * torch.tanh(x) * F.softplus(x) * F.hardsigmoid(x),
    "rsqrt": lambda x: (x.square() + 1).rsqrt() + (x.abs() + 1).sqrt().reciprocal(),
    "rows of ones": lambda x: torch.cat([x, torch.ones(x.shape[0], 1, 4)], dim=1),
    "powers": lambda x: 2**x + (x.abs() + 0.1) ** x,
    "remainders": lambda x: torch.floor_divide(x, 0.3) + x % 0.7 + torch.fmod(x, 0.7),
    "order": lambda x: x.sort(1)[0] + x.topk(3, 1, largest=False)[0],
    "cumulative sums": lambda x: x.cumsum(1),
    "spread": lambda x: x.std(1) + x.var(1, unbiased=False) + x.norm(dim=1),
    "functions": lambda x: x.sin() + x.erf() + x.round() + x.expm1() + x.abs().log1p() + x.sign(),
    "identity": lambda x: x,
    "constant": lambda x: torch.ones(2, 2),
}


@needs_onnx
@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations_compute_the_same(name):
    torch.manual_seed(0)
    f = FUNCTIONS[name]
    data = exported(f, torch.randn(2, 3, 4))
    for rows in (3, 5):
        x = torch.randn(rows, 3, 4)
        expect_close(f(x), run(data, x.numpy())[0])


@needs_onnx
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_windows_lie_where_they_lie_here(size, ceil_mode):
    def f(x):
        return (
            F.max_pool2d(x, 3, 2, padding=1, ceil_mode=ceil_mode),
            F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=ceil_mode, count_include_pad=False),
            F.avg_pool2d(x, 2, 2),
        )

    x = torch.randn(2, 3, size, size)
    for ours, theirs in zip(f(x), run(exported(f, x), x.numpy()), strict=True):
        expect_close(ours, theirs)


@needs_onnx
def test_names_several_inputs_and_a_fixed_batch():
    data = exported(
        lambda a, b: (a + b, a * b),
        (torch.ones(1, 3), torch.ones(1, 3)),
        input_names=["left", "right"],
        output_names=["sum", "product"],
        dynamic_batch=False,
    )
    graph = onnx.load_from_string(data).graph
    assert [i.name for i in graph.input] == ["left", "right"]
    assert [o.name for o in graph.output] == ["sum", "product"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    a = np.ones((1, 3), np.float32)
    assert run(data, a, 2 * a)[0].tolist() == [[3, 3, 3]]


def test_the_file_is_the_same_everywhere(tmp_path):
    """The digest was taken from a file that ONNX Runtime agreed with."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(18).reshape(2, 1, 3, 3).float() / 16)
        model[0].bias.copy_(torch.tensor([0.5, -0.25]))
        model[1].running_mean.copy_(torch.tensor([0.25, 0.5]))
        model[1].running_var.copy_(torch.tensor([0.25, 4.0]))
    model[1].eps = 0.0
    torch.onnx.export(model, torch.zeros(1, 1, 4, 4), tmp_path / "a.onnx")
    data = (tmp_path / "a.onnx").read_bytes()
    assert hashlib.sha256(data.replace(torch.__version__.encode(), b"")).hexdigest() == DIGEST
    if onnx is not None:
        x = torch.randn(3, 1, 4, 4)
        expect_close(model.eval()(x), run(data, x.numpy())[0])


DIGEST = "60defe200a8425f286fcc89db556b54bb0dd0adcfaa511b0e4a1bf2f7e9926ea"


def test_the_mode_is_as_before():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].eval()
    mean = model[1].running_mean.tolist()
    exported(model, torch.randn(4, 2))
    assert model.training and model[0].training and not model[1].training
    assert model[1].running_mean.tolist() == mean


_GRU = nn.GRU(3, 2)


def _recurrent(x):
    return _GRU(x)[0]


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (
            lambda x: x.logcumsumexp(0),
            NotImplementedError,
            "the operation 'logcumsumexp' cannot be exported",
        ),
        (_recurrent, NotImplementedError, "RNN, LSTM and GRU have no form here"),
        (lambda x: x * x.max().item(), ValueError, "changes with the input's values"),
        (lambda x: x * x.shape[0], ValueError, "changes with the input's values or batch size"),
        (lambda x: x if x.sum().item() < 1.5 else x + 1, ValueError, "depends on the input's"),
    ],
)
def test_what_cannot_be_exported_is_said(f, error, message):
    with pytest.raises(error, match=message):
        exported(f, torch.full((2, 3), 0.2))


def test_bad_options_are_refused():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"opset_version 9 is not supported \(13 to 20 are\)"):
        exported(lambda x: x, x, opset_version=9)
    with pytest.raises(ValueError, match="2 names for 1 inputs"):
        exported(lambda x: x, x, input_names=["a", "b"])
    with pytest.raises(ValueError, match="two inputs or outputs are called 'a'"):
        exported(lambda x: x, x, input_names=["a"], output_names=["a"])


def test_the_usual_options_are_accepted(tmp_path):
    usual = {
        "export_params": True,
        "do_constant_folding": True,
        "opset_version": 17,
        "verbose": False,
        "training": torch.onnx.TrainingMode.EVAL,
        "operator_export_type": torch.onnx.OperatorExportTypes.ONNX,
        "custom_opsets": None,
        "external_data": False,
        "optimize": True,
        "report": False,
        "verify": False,
    }
    model, x = nn.Linear(3, 2), torch.ones(2, 3)
    plain = exported(model, x)
    assert exported(model, x, **usual) == plain == exported(model, (x,), dynamo=False)
    assert torch.onnx.export(model, x, tmp_path / "a.onnx", dynamo=False) is None
    program = torch.onnx.export(model, (x,))
    program.save(str(tmp_path / "b.onnx"))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes() == plain


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"export_params": False}, NotImplementedError),
        ({"report": True}, NotImplementedError),
        ({"verify": True}, NotImplementedError),
        ({"export_modules_as_functions": True}, NotImplementedError),
        ({"custom_translation_table": {1: 2}}, NotImplementedError),
        (
            {"operator_export_type": torch.onnx.OperatorExportTypes.ONNX_ATEN},
            NotImplementedError,
        ),
        ({"training": torch.onnx.TrainingMode.TRAINING}, NotImplementedError),
        ({"training": torch.onnx.TrainingMode.PRESERVE}, NotImplementedError),
        ({"dynamic_axes": {"input": {1: "features"}}}, NotImplementedError),
        ({"dynamic_shapes": [{1: "features"}]}, NotImplementedError),
        ({"no_such_option": 1}, TypeError),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(options, error):
    with pytest.raises(error, match=next(iter(options)).split("_")[0]):
        exported(nn.Linear(3, 2), torch.ones(2, 3), **options)


def sizes(values):
    return [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values]


@needs_onnx
@pytest.mark.parametrize(
    ("options", "inputs", "outputs"),
    [
        ({}, [["batch", 3], ["batch", 3]], [["batch", 3]]),
        ({"dynamic_batch": False}, [[2, 3], [2, 3]], [[2, 3]]),
        ({"dynamic_axes": {}}, [[2, 3], [2, 3]], [[2, 3]]),
        (
            {"dynamic_axes": {"a": {0: "n"}, "b": {0: "n"}, "y": {0: "m"}}},
            [["n", 3], ["n", 3]],
            [["m", 3]],
        ),
        (
            {"dynamic_axes": {"a": [0], "b": [0]}},
            [["a_dynamic_axes_1", 3], ["b_dynamic_axes_1", 3]],
            [["a_dynamic_axes_1", 3]],
        ),
        ({"dynamic_shapes": ({0: "n"}, {0: "n"})}, [["n", 3], ["n", 3]], [["n", 3]]),
        ({"dynamic_shapes": {"x": {0: "n"}, "y": {0: "n"}}}, [["n", 3]] * 2, [["n", 3]]),
    ],
)
def test_dimensions_have_the_names_that_they_are_given(options, inputs, outputs):
    names = {"input_names": ["a", "b"], "output_names": ["y"]}
    x = (torch.ones(2, 3), torch.ones(2, 3))
    graph = onnx.load_from_string(exported(lambda x, y: x + y, x, **names, **options)).graph
    assert sizes(graph.input) == inputs and sizes(graph.output) == outputs


@needs_onnx
def test_only_one_input_may_have_any_number_of_rows():
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    data = exported(
        lambda x, table: x @ table,
        (torch.ones(2, 3), torch.ones(3, 4)),
        input_names=["x", "table"],
        output_names=["y"],
        dynamic_axes=axes,
    )
    x, table = torch.randn(5, 3), torch.randn(3, 4)
    expect_close(x @ table, run(data, x.numpy(), table.numpy())[0])


@needs_onnx
def test_containers_keywords_and_plain_values():
    def f(x, pair, *, scale, more=None):
        a, b = pair
        return {"sum": (x + a) * scale, "rest": [b - more["c"], None]}

    x = [torch.randn(2, 3) for _ in range(4)]
    data = exported(f, (x[0], (x[1], x[2])), kwargs={"scale": 3.0, "more": {"c": x[3]}})
    ours = f(x[0], (x[1], x[2]), scale=3.0, more={"c": x[3]})
    total, rest = run(data, *(t.numpy() for t in x))
    expect_close(ours["sum"], total)
    expect_close(ours["rest"][0], rest)
    legacy = exported(f, (x[0], (x[1], x[2]), {"scale": 3.0, "more": {"c": x[3]}}))
    assert legacy == data


@needs_onnx
def test_parameters_can_be_inputs():
    model = nn.Linear(3, 2, bias=False)
    data = exported(model, torch.ones(1, 3), keep_initializers_as_inputs=True)
    graph = onnx.load_from_string(data).graph
    assert [i.name for i in graph.input] == ["input", "weight"]
