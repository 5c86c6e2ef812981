"""What `scripts/bench --against torch` measures: networks, sizes, training or evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Workload:
    """One row of the table."""

    label: str
    network: str  # its name in ballast.models
    batch: int
    sample: tuple[int, ...]  # shape of one sample
    options: dict[str, Any] = field(default_factory=dict)
    evaluation: bool = False  # else a training step
    cpp: str | None = None  # the same step in bench/step.cpp

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch."""
        return (self.batch, *self.sample)

    @property
    def images(self) -> bool:
        """Whether samples have channels, which may be stored first or last."""
        return len(self.sample) == 3

    @property
    def classes(self) -> int:
        """Classes told apart."""
        return self.options.get("num_classes", 10)


_SMALL, _LARGE = (3, 32, 32), (3, 224, 224)
_IMAGENET = {"num_classes": 1000}
_DENSE = {"small_images": True, "num_classes": 10}

WORKLOADS = {
    "net": Workload("Net (10-20-10), batch 64", "Net", 64, (10,), cpp="net_batch64"),
    "custom": Workload("CustomModel (64-128-10), batch 64", "CustomModel", 64, (64,)),
    "mlp": Workload(
        "MLP (4 x 512), batch 256", "Mlp", 256, (512,), {"in_features": 512, "num_classes": 10}
    ),
    "my": Workload("MyModel, 32x32 images, batch 64", "MyModel", 64, _SMALL),
    "resnet20": Workload("ResNet-20, 32x32, batch 128", "resnet20", 128, _SMALL),
    "resnet18": Workload("ResNet-18, 224x224, batch 16", "resnet18", 16, _LARGE, _IMAGENET),
    "resnet50": Workload("ResNet-50, 224x224, batch 8", "resnet50", 8, _LARGE, _IMAGENET),
    "mobilenet_v2": Workload(
        "MobileNetV2, 224x224, batch 16", "mobilenet_v2", 16, _LARGE, _IMAGENET
    ),
    "densenet121": Workload("DenseNet-121, 32x32, batch 32", "densenet121", 32, _SMALL, _DENSE),
    "eval_resnet18_1": Workload(
        "ResNet-18, 224x224, one image", "resnet18", 1, _LARGE, _IMAGENET, evaluation=True
    ),
    "eval_resnet18_16": Workload(
        "ResNet-18, 224x224, batch 16", "resnet18", 16, _LARGE, _IMAGENET, evaluation=True
    ),
    "eval_mobilenet_v2_1": Workload(
        "MobileNetV2, 224x224, one image", "mobilenet_v2", 1, _LARGE, _IMAGENET, evaluation=True
    ),
    "eval_resnet20_128": Workload(
        "ResNet-20, 32x32, batch 128", "resnet20", 128, _SMALL, evaluation=True
    ),
}


def build(networks, workload: Workload):
    """Construct the workload's network."""
    return getattr(networks, workload.network)(**workload.options)


def make_step(library, model, workload: Workload) -> Callable[[], None]:
    """Return a function that runs one step.

    Training: forward, cross-entropy, backward, SGD with momentum 0.9, at a rate of zero: a network
    that has learnt its one batch by heart would compute with denormals. Evaluation: forward.
    """
    functional = library.nn.functional
    x = library.randn(workload.shape)
    if workload.evaluation:
        model.eval()

        def evaluate() -> None:
            with library.no_grad():
                model(x).numpy()

        return evaluate

    y = library.randint(0, workload.classes, (workload.batch,))
    optimizer = library.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)

    def train() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return train
