"""Runs torchvision's models in Ballast and PyTorch and prints how far their numbers are apart.

    python scripts/torchvision_models.py PYTHON_WITH_PYTORCH PYTHON_WITH_TORCHVISION \
        [--all] [MODEL...]

The second Python has torchvision, installed without PyTorch, and finds the package `ballast` (for
example by PYTHONPATH). Each model is built from a seed, evaluated, and trained for one step;
outputs, losses and gradients are compared. Without names, the smallest model of each kind is run;
`--all` runs every one that is not quantized. What differs in float32, where some dozens of layers
and few numbers per channel amplify rounding, is run again in float64, where 1e-6 is allowed.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

#: The smallest model of each kind.
SMALLEST = """
alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t
mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 resnet50
resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_0 squeezenet1_1 swin_t swin_v2_t vgg11 vgg11_bn
vit_b_32 wide_resnet50_2 deeplabv3_mobilenet_v3_large deeplabv3_resnet50 fcn_resnet50
lraspp_mobilenet_v3_large fasterrcnn_mobilenet_v3_large_320_fpn fasterrcnn_resnet50_fpn
fasterrcnn_resnet50_fpn_v2 fcos_resnet50_fpn keypointrcnn_resnet50_fpn maskrcnn_resnet50_fpn
maskrcnn_resnet50_fpn_v2 retinanet_resnet50_fpn retinanet_resnet50_fpn_v2 ssd300_vgg16
ssdlite320_mobilenet_v3_large raft_small raft_large r3d_18 mc3_18 r2plus1d_18 s3d swin3d_t mvit_v1_b
mvit_v2_s
""".split()

#: Sizes of images other than 64, for those that need more.
SIZES = {"inception_v3": 299, "maxvit_t": 224, "squeezenet1_0": 96, "squeezenet1_1": 96}

#: Seconds that one model may take.
LIMIT = 400

TOLERANCE = 1e-3


def parts_of(value):
    """List the tensors of nested results, in order."""
    if isinstance(value, dict):
        return [t for k in sorted(value, key=str) for t in parts_of(value[k])]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in parts_of(v)]
    return [value] if hasattr(value, "detach") else []


def build(name: str):
    """Make a model and what it is called with, in evaluation and in training."""
    import torch
    from torchvision import models

    def images(*shape):
        return torch.rand(*shape, generator=torch.Generator().manual_seed(1))

    options, size = {"weights": None}, SIZES.get(name, 64)
    builder = models.get_model_builder(name)
    kind = builder.__module__.split(".")[2]
    if kind in ("detection", "segmentation"):
        options["weights_backbone"] = None
    if kind == "detection":
        if not name.startswith("ssd"):
            options |= {"min_size": 128, "max_size": 160}
        call = ([images(3, 120, 144), images(3, 128, 112)],)
        boxes = torch.tensor([[10.0, 12.0, 60.0, 70.0], [40.0, 30.0, 100.0, 110.0]])
        target = {"boxes": boxes, "labels": torch.tensor([1, 2])}
        if name.startswith("mask"):
            masks = torch.zeros(2, 128, 144, dtype=torch.uint8)
            masks[0, 12:70, 10:60] = masks[1, 30:110, 40:100] = 1
            target["masks"] = masks
            call = ([images(3, 128, 144), images(3, 128, 144)],)
        if name.startswith("keypoint"):
            target["labels"] = torch.tensor([1, 1])
            points = torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(2)) * 40 + 30
            target["keypoints"] = torch.cat([points, torch.ones(2, 17, 1)], dim=2)
        return builder(**options), call, (*call, [target, dict(target)])
    if kind == "optical_flow":
        call = (images(1, 3, 128, 128), images(1, 3, 128, 128).flip(3), 2)
    elif name.startswith("mvit"):
        call = (images(1, 3, 16, 224, 224),)
    elif kind == "video":
        call = (images(2, 3, 16 if name == "s3d" else 4, 224 if name == "s3d" else 64, 64),)
        if name == "s3d":
            call = (images(1, 3, 14, 224, 224),)
    else:
        if name.startswith("vit"):
            options["image_size"] = size
        call = (images(2, 3, size, size),)
    return builder(**options), call, call


def numbers_of(name: str, double: bool) -> dict:
    """Run a model; return what is compared, as arrays."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    model, call, training = build(name)
    if double:
        model = model.double()

    def widened(v):
        if isinstance(v, dict):
            return {k: widened(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return type(v)(widened(x) for x in v)
        return v.double() if double and getattr(v, "is_floating_point", bool)() else v

    model.eval()
    with torch.no_grad():
        outputs = parts_of(model(*widened(call)))
    model.train()
    torch.manual_seed(1)
    results = parts_of(model(*widened(training)))
    if name == "lraspp_mobilenet_v3_large" or "rcnn" not in name:
        loss = sum((r.float() if not double else r).square().mean() for r in results)
    else:
        loss = sum(results)
    loss.backward()
    numbers = {"loss": np.array(loss.item())}
    for i, y in enumerate(outputs):
        numbers[f"output {i}"] = y.detach().numpy()
    gradients = [p.grad for p in model.parameters()]
    taken = [g.detach().numpy().reshape(-1)[:4096] for g in gradients if g is not None]
    numbers["gradients"] = np.concatenate(taken)
    numbers["sizes"] = np.array([-1 if g is None else float(g.norm()) for g in gradients])
    return numbers


def run(names: list[str], folder: pathlib.Path, double: bool) -> None:
    """Write the numbers of each model, or why there are none."""
    import numpy as np

    def late(*_):
        raise TimeoutError(f"more than {LIMIT} seconds")

    signal.signal(signal.SIGALRM, late)
    for name in names:
        began = time.monotonic()
        signal.alarm(LIMIT)
        try:
            np.savez(folder / f"{name}.npz", **numbers_of(name, double))
            error = ""
        except Exception as e:
            last = e.__traceback__
            while last.tb_next:
                last = last.tb_next
            where = f"{pathlib.Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"
            error = f"{type(e).__name__} at {where}: {str(e)[:200]}"
        finally:
            signal.alarm(0)
        record = {"error": error, "seconds": time.monotonic() - began}
        (folder / f"{name}.json").write_text(json.dumps(record))


def run_apart(command: list[str], models: list[str], place: pathlib.Path, double: bool) -> None:
    """Run the models that have no record yet in one process, and those that it left in another."""
    while left := [m for m in models if not (place / f"{m}.json").exists()]:
        arguments = [__file__, "-", "-", "--run", str(place), *left]
        arguments += ["--double"] if double else []
        ended = subprocess.run(command + arguments, capture_output=True, text=True)
        for name in left:
            record = place / f"{name}.json"
            if not record.exists():
                error = f"ended with {ended.returncode}: {ended.stderr[-200:]}"
                record.write_text(json.dumps({"error": error, "seconds": 0}))
                break


def difference(ours, theirs) -> float:
    """Return the relative difference of two arrays, by their norms."""
    import numpy as np

    if ours.shape != theirs.shape:
        return float("inf")
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if np.isnan(b).any():
        same = np.isnan(a) == np.isnan(b)
        a, b = np.nan_to_num(a), np.nan_to_num(b)
        if not same.all():
            return float("inf")
    return float(np.linalg.norm((a - b).ravel()) / max(np.linalg.norm(b.ravel()), 1e-12))


def compare(name: str, folder: pathlib.Path, tolerance: float) -> bool:
    """Print one line of the table; return whether the numbers agree."""
    import numpy as np

    ours, theirs = folder / "ballast", folder / "pytorch"
    records = [json.loads((f / f"{name}.json").read_text()) for f in (ours, theirs)]
    seconds = " ".join(f"{r['seconds']:6.1f}" for r in records)
    for side, r in zip(("Ballast", "PyTorch"), records, strict=True):
        if r["error"]:
            print(f"{name:40} {seconds}  {side}: {r['error']}", flush=True)
            return False
    a, b = (np.load(f / f"{name}.npz") for f in (ours, theirs))
    keys = set(a.files) | set(b.files)
    apart = {k: difference(a[k], b[k]) if k in a and k in b else float("inf") for k in keys}
    outputs = max((v for k, v in apart.items() if k.startswith("output")), default=0.0)
    text = f"outputs {outputs:.1e} loss {apart['loss']:.1e} gradients {apart['gradients']:.1e}"
    agree = max(outputs, apart["loss"], apart["gradients"]) < tolerance
    print(f"{name:40} {seconds}  {text}  {'agree' if agree else 'DIFFER'}", flush=True)
    return agree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs=2, metavar="PYTHON")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--double", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--folder", type=pathlib.Path, help="where numbers are kept, and found again"
    )
    parser.add_argument("--run", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_intermixed_args()
    if given.run:
        run(given.models, given.run, given.double)
        return 0
    torch_python, our_python = given.pythons
    models = given.models or SMALLEST
    if given.all:
        listed = "import torchvision; print(*torchvision.models.list_models())"
        output = subprocess.run([torch_python, "-c", listed], capture_output=True, check=True)
        models = [m for m in output.stdout.decode().split() if not m.startswith("quantized")]
    folder = given.folder or pathlib.Path(tempfile.mkdtemp())
    commands = {"ballast": [our_python, "-m", "ballast.torch"], "pytorch": [torch_python]}

    def apart(names: list[str], place: pathlib.Path, double: bool) -> list[str]:
        for side, command in commands.items():
            (place / side).mkdir(parents=True, exist_ok=True)
            run_apart(command, names, place / side, double)
        return [m for m in names if not compare(m, place, 1e-6 if double else TOLERANCE)]

    left = apart(models, folder, False)
    if left:
        print("in float64:")
        left = apart(left, folder / "double", True)
    print(f"{len(models) - len(left)} of {len(models)} agree", flush=True)
    return len(left) > 0


if __name__ == "__main__":
    sys.exit(main())
