"""One training step of a network, as numbers: the same script for PyTorch and for Ballast."""

import hashlib
import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).parent


def nets():
    """All networks of the files beside this one, by name."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        if path.stem in ("digest", "train"):
            continue
        spec = importlib.util.spec_from_file_location(f"models_torch_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.update(module.NETS)
    return found


def bits(tensors):
    """A digest of the exact values."""
    h = hashlib.sha256()
    for t in tensors:
        h.update(t.detach().numpy().tobytes())
    return h.hexdigest()


def summary(t):
    """Three numbers that say much about a tensor."""
    t = t.detach().double().reshape(-1)
    weights = torch.arange(1, t.numel() + 1, dtype=torch.float64) % 7 - 3
    return [t.sum().item(), t.pow(2).sum().sqrt().item(), (t * weights).sum().item()]


def step(build):
    """Loss, gradients, running statistics after one step and the output in evaluation."""
    torch.manual_seed(3)
    net = build()
    result = {"initial": bits(net.state_dict().values())}
    x, y = torch.randn(8, 3, 16, 16), torch.randint(0, 10, (8,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    net.train()
    out = net(x)
    if isinstance(out, tuple):
        loss = F.cross_entropy(out.logits, y) + 0.3 * F.cross_entropy(out.aux, y)
    else:
        loss = F.cross_entropy(out, y)
    optimizer.zero_grad()
    loss.backward()
    result["loss"] = loss.item()
    result["gradients"] = {
        n: summary(p.grad) for n, p in net.named_parameters() if p.grad is not None
    }
    optimizer.step()
    result["statistics"] = {
        n: summary(b) for n, b in net.named_buffers() if n.endswith(("running_mean", "running_var"))
    }
    net.eval()
    with torch.no_grad():
        result["output"] = net(x).flatten().tolist()[:40]
    return result
