"""torchvision's compiled operators, as `torch.ops.torchvision` calls them."""

import json
import pathlib

import numpy as np
import pytest

import ballast as torch
from ballast import ops

GOLDEN = json.loads(
    (pathlib.Path(__file__).parents[2] / "tests" / "golden" / "vision.json").read_text()
)
MASK = 2**64 - 1


def uniform(shape, seed):
    """The numbers of ballast::test::uniform."""
    state = (seed * 0x9E3779B97F4A7C15 + 1) & MASK
    values = np.empty(int(np.prod(shape)))
    for i in range(values.size):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        values[i] = ((z ^ z >> 31) >> 11) * 2.0**-52 - 1
    return torch.from_numpy(values.reshape(shape))


@pytest.fixture(scope="module")
def vision():
    torch.ops.load_library("/anywhere/torchvision/_C.so")
    return torch.ops.torchvision


def expect_case(golden, call, backward=None):
    """Compare a result, its gradients and those of the operator for them."""
    inputs = [uniform(s, i + 1).requires_grad_() for i, s in enumerate(golden["shapes"])]
    result = call(*inputs)
    y, second = result if isinstance(result, tuple) else (result, None)
    want = np.array([np.nan if v is None else v for v in golden["values"]])
    assert list(y.shape) == golden["shape"]
    np.testing.assert_allclose(y.detach().numpy().ravel(), want, rtol=1e-8, atol=1e-10)
    by = uniform(y.shape, 99)
    (y * by).sum().backward()
    for x, gradient in zip(inputs, golden["gradients"], strict=True):
        np.testing.assert_allclose(x.grad.numpy().ravel(), gradient, rtol=1e-8, atol=1e-10)
    if "second" in golden:
        assert second.dtype == torch.int32 and second.reshape(-1).tolist() == golden["second"]
    if backward is not None:
        returned = backward(by, second, *(x.detach() for x in inputs))
        for x, g in zip(inputs, returned, strict=True):
            np.testing.assert_allclose(g.numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["roi_align", "ps_roi_align", "ps_roi_pool", "roi_pool"])
def test_regions(vision, name):
    rois = torch.tensor(GOLDEN["boxes"], dtype=torch.float64)
    for golden in GOLDEN[name]:
        o = golden["options"]
        own = [o[k] for k in ("ratio", "aligned") if k in o]
        fixed = (o["scale"], *o["size"])

        def backward(g, second, x):
            taken = [] if name == "roi_align" else [second]
            after = [*x.shape, *own] if name == "roi_align" else [*own, *x.shape]  # noqa: B023
            operator = getattr(vision, f"_{name}_backward")
            return [operator(g, rois, *taken, *fixed, *after)]  # noqa: B023

        expect_case(golden, lambda x: getattr(vision, name)(x, rois, *fixed, *own), backward)  # noqa: B023


def test_deform_conv2d(vision):
    for golden in GOLDEN["deform_conv2d"]:
        o = golden["options"]
        fixed = [*o["stride"], *o["padding"], *o["dilation"], o["groups"], o["offset_groups"]]

        def call(x, offset, weight, bias, mask=None):
            given = torch.zeros(2, 1, dtype=torch.float64) if mask is None else mask
            return vision.deform_conv2d(
                x,
                weight,
                offset * 3,
                given,
                bias,
                *fixed,  # noqa: B023
                mask is not None,
            )

        def backward(g, second, x, offset, weight, bias, mask=None):
            given = torch.zeros(2, 1, dtype=torch.float64) if mask is None else mask
            gx, gw, go, gm, gb = vision._deform_conv2d_backward(
                g,
                x,
                weight,
                offset * 3,
                given,
                bias,
                *fixed,  # noqa: B023
                mask is not None,
            )
            return [gx, go * 3, gw, gb] + ([] if mask is None else [gm])

        expect_case(golden, call, backward)


def corners(n):
    at, size = uniform((n, 2), 1) * 4, uniform((n, 2), 2) * 2 + 3
    return torch.cat([at, at + size], dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nms(vision, dtype):
    for golden in GOLDEN["nms"]:
        n = golden["n"]
        scores = torch.floor(uniform((n,), 3) * 8)
        kept = vision.nms(corners(n).to(dtype), scores.to(dtype), golden["threshold"])
        assert kept.tolist() == golden["kept"] and kept.dtype == torch.int64


def test_turned_boxes(vision):
    a, b = (
        torch.cat(
            [uniform((n, 2), s), uniform((n, 2), s + 1) + 1.5, uniform((n, 1), s + 2) * 180], 1
        )
        for n, s in ((6, 1), (5, 4))
    )
    a[5] = b[4]
    got = vision.box_iou_rotated(a, b).reshape(-1).tolist()
    assert got == pytest.approx(GOLDEN["rotated"], abs=1e-5)  # there, corners are in float32


def test_overloads_and_what_is_not_there(vision):
    boxes, scores = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0])
    assert vision.nms.default(boxes, scores, 0.5).tolist() == [0]
    assert vision._cuda_version() == -1
    with pytest.raises(NotImplementedError, match="no quantized tensors"):
        vision.qnms(boxes, scores, 0.5)
    with pytest.raises(AttributeError, match="no operator 'fly'"):
        _ = vision.fly


def test_only_libraries_whose_operators_are_here_are_loaded():
    for path in ("/x/torchvision/image.so", "/x/torchaudio/_C.so", "_C.so"):
        with pytest.raises(OSError, match="need the real PyTorch"):
            ops.load_library(path)


def test_types_that_torchvision_names():
    from ballast.types import _dtype, _size

    assert isinstance(torch.float32, _dtype) and torch.Size in _size.__args__


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("size", [(3, 9), (7, 5), (1, 1)])
def test_bytes_are_resized_by_repeating_them(mode, size):
    x = torch.arange(2 * 5 * 6).reshape(1, 2, 5, 6)
    resize = torch.nn.functional.interpolate
    got = resize(x.to(torch.uint8), size, mode=mode)
    assert got.dtype == torch.uint8 and got.tolist() == resize(x.float(), size, mode=mode).tolist()
