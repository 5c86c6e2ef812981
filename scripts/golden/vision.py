"""Writes tests/golden/vision.json: what torchvision's compiled operators compute.

Run with a Python that has PyTorch and torchvision:

    python scripts/golden/vision.py

Inputs of operators are not stored: input i of a case holds uniform(shape, i + 1), the numbers that
ballast::test::uniform makes. Gradients are those of the result's sum weighted by uniform(shape, 99).
All in float64; numbers are stored with ten digits, NaN as null.
"""

import itertools
import json
import pathlib

import torch
import torchvision
from layers import uniform

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "vision.json"
VISION = torch.ops.torchvision

#: Boxes of two images of 7 x 9 pixels: inside, across edges, outside, empty, turned around, tiny.
BOXES = [
    [0, 1.0, 1.0, 5.0, 4.0],
    [1, 0.3, 0.7, 7.9, 6.2],
    [0, -2.5, -3.0, 3.2, 2.1],
    [1, 5.1, 4.4, 14.0, 11.0],
    [0, 20.0, 20.0, 30.0, 30.0],
    [1, 3.0, 3.0, 3.0, 5.0],
    [0, 5.0, 5.0, 2.0, 1.0],
    [1, 2.2, 2.2, 2.4, 2.4],
]


def numbers(t: torch.Tensor) -> list:
    return [float(f"{v:.10g}") if v == v else None for v in t.detach().reshape(-1).tolist()]


def case(options: dict, inputs: list, call, linear: bool = False) -> dict:
    """The result of an operator, and its gradients.

    `linear`: the gradient is found by calling the operator with each unit vector, because
    torchvision's own is not the derivative (it reads a row and a column more than the result).
    """
    for t in inputs:
        t.requires_grad_()
    y = call(*inputs)
    first = y[0] if isinstance(y, tuple) else y
    by = uniform(first.shape, 99)
    (first * by).sum().backward()
    gradients = [t.grad for t in inputs]
    if linear:
        units = torch.eye(inputs[0].numel(), dtype=torch.float64).reshape(-1, *inputs[0].shape)
        gradients = [torch.stack([(call(unit)[0] * by).sum() for unit in units])]
    stored = {
        "shapes": [list(t.shape) for t in inputs],
        "ties": False,
        "options": options,
        "shape": list(first.shape),
        "values": numbers(first),
        "gradients": [numbers(g) for g in gradients],
    }
    if isinstance(y, tuple):
        stored["second"] = [int(v) for v in y[1].reshape(-1)]
    return stored


def region_cases() -> dict:
    rois = torch.tensor(BOXES, dtype=torch.float64)
    cases: dict = {"roi_align": [], "ps_roi_align": [], "ps_roi_pool": [], "roi_pool": []}
    for size, scale in (((2, 3), 1.0), ((1, 1), 0.5), ((3, 2), 0.7)):
        options = {"size": size, "scale": scale}
        channels = 2 * size[0] * size[1]
        for ratio, aligned in itertools.product((-1, 0, 2), (False, True)):
            cases["roi_align"].append(
                case(
                    options | {"ratio": ratio, "aligned": aligned},
                    [uniform((2, 2, 7, 9), 1)],
                    lambda x: VISION.roi_align(x, rois, scale, *size, ratio, aligned),  # noqa: B023
                )
            )
        for ratio in (-1, 2):
            cases["ps_roi_align"].append(
                case(
                    options | {"ratio": ratio},
                    [uniform((2, channels, 7, 9), 1)],
                    lambda x: VISION.ps_roi_align(x, rois, scale, *size, ratio),  # noqa: B023
                )
            )
        cases["ps_roi_pool"].append(
            case(
                options,
                [uniform((2, channels, 7, 9), 1)],
                lambda x: VISION.ps_roi_pool(x, rois, scale, *size),  # noqa: B023
                linear=True,
            )
        )
        cases["roi_pool"].append(
            case(
                options,
                [uniform((2, 2, 7, 9), 1)],
                lambda x: VISION.roi_pool(x, rois, scale, *size),  # noqa: B023
            )
        )
    return cases


def deform_cases() -> list:
    cases = []
    for stride, padding, dilation, groups, offsets, masked, kernel in (
        ((1, 1), (1, 1), (1, 1), 1, 1, True, (3, 3)),
        ((1, 1), (0, 0), (1, 1), 1, 1, False, (1, 1)),
        ((2, 1), (1, 0), (1, 2), 2, 1, True, (3, 2)),
        ((1, 2), (2, 1), (2, 1), 1, 2, False, (2, 3)),
        ((1, 1), (1, 1), (1, 1), 4, 4, True, (2, 2)),
    ):
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, s, p, d, k in zip((5, 6), stride, padding, dilation, kernel, strict=True)
        )
        taps = kernel[0] * kernel[1]
        inputs = [
            uniform((2, 4, 5, 6), 1),
            uniform((2, offsets * 2 * taps, height, width), 2),
            uniform((8, 4 // groups, *kernel), 3),
            uniform((8,), 4),
        ]
        if masked:
            inputs.append(uniform((2, offsets * taps, height, width), 5))

        def call(x, offset, weight, bias, mask=None):
            return VISION.deform_conv2d(
                x,
                weight,
                offset * 3,
                torch.zeros(2, 1, dtype=torch.float64) if mask is None else mask,
                bias,
                *stride,  # noqa: B023
                *padding,  # noqa: B023
                *dilation,  # noqa: B023
                groups,  # noqa: B023
                offsets,  # noqa: B023
                mask is not None,
            )

        options = {"stride": stride, "padding": padding, "dilation": dilation}
        cases.append(
            case(
                options | {"groups": groups, "offset_groups": offsets},
                [t.detach() for t in inputs],
                call,
            )
        )
    return cases


def corners(n: int, seed: int) -> torch.Tensor:
    """Boxes of about the same place and size."""
    at, size = uniform((n, 2), seed) * 4, uniform((n, 2), seed + 1) * 2 + 3
    return torch.cat([at, at + size], dim=1)


def box_cases() -> dict:
    nms = []
    for n, threshold in itertools.product((1, 2, 30), (0.0, 0.3, 0.5, 1.0)):
        scores = torch.floor(uniform((n,), 3) * 8)  # with ties
        kept = VISION.nms(corners(n, 1), scores, threshold)
        nms.append({"n": n, "threshold": threshold, "kept": kept.tolist()})
    a, b = (
        torch.cat(
            [uniform((n, 2), s), uniform((n, 2), s + 1) + 1.5, uniform((n, 1), s + 2) * 180], 1
        )
        for n, s in ((6, 1), (5, 4))
    )
    a[5] = b[4]
    return {"nms": nms, "rotated": numbers(VISION.box_iou_rotated(a, b))}


if __name__ == "__main__":
    stored = {
        "torchvision": torchvision.__version__,
        "boxes": BOXES,
        **region_cases(),
        "deform_conv2d": deform_cases(),
        **box_cases(),
    }
    OUTPUT.write_text(json.dumps(stored, separators=(",", ":")) + "\n")
