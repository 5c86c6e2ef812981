"""What PyTorch has and Ballast has not: said by name, with what to use instead."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

_GPU = "Ballast runs on CPUs: guard this with torch.cuda.is_available(), which is False"
_EAGER = "Ballast plans and fuses by itself: run the Python module as it is"
_SPARSE = "use torch.sparse_coo_tensor, or a dense tensor"
_COMPLEX = "Ballast computes with real numbers"
_FFT = "Ballast computes with real numbers: use numpy.fft or scipy.fft on x.numpy()"
_DISTRIBUTED = "one process trains on all cores of a machine; leave DistributedDataParallel out"
_QUANTIZED = "Ballast computes in float32 and float64"

HINTS = {
    "torch": {
        "sparse_csc_tensor": _SPARSE,
        "sparse_bsr_tensor": _SPARSE,
        "view_as_complex": _COMPLEX,
        "view_as_real": _COMPLEX,
        "stft": _FFT,
        "istft": _FFT,
        "vmap": "write the batch dimension out: operations broadcast",
        "func": "use torch.autograd.grad",
        "distributed": _DISTRIBUTED,
        "quantization": _QUANTIZED,
        "ao": _QUANTIZED,
        "testing": "compare by torch.allclose, or numpy.testing on x.numpy()",
        "export": "use torch.onnx.export or ballast's own files",
    },
    "torch.nn": {
        "FractionalMaxPool2d": "use MaxPool2d or AdaptiveMaxPool2d",
        "FractionalMaxPool3d": "use MaxPool3d or AdaptiveMaxPool3d",
        "CrossMapLRN2d": "LocalResponseNorm computes the same",
    },
    "torch.utils": {"model_zoo": "download the weights and load them with torch.load"},
    "torch.jit": {
        "load": "a program cannot be run: load the state_dict() of the module with torch.load",
        "save": "save the state_dict() with torch.save, or the network with torch.onnx.export",
        "freeze": _EAGER,
    },
    "torch.optim": {
        "SparseAdam": _SPARSE,
    },
    "torch.cuda": {},
    "torch.distributions": {
        "LKJCholesky": "draw a matrix and use torch.linalg.cholesky",
        "VonMises": "use scipy.stats.vonmises",
        "Wishart": "use scipy.stats.wishart",
        "LowRankMultivariateNormal": "use MultivariateNormal with the whole covariance",
    },
    "torch.sparse": {"sampled_addmm": "compute the dense product, and index it"},
}

#: Names that a package loads when a program asks for them, and the module that has them.
LAZY = {
    "torch": {
        **dict.fromkeys(("sparse_coo_tensor", "sparse_csr_tensor"), "sparse.coo"),
        **{"spmm": "sparse.coo:multiply", "smm": "sparse.coo:multiply"},
        **{"PyTorchFileReader": "torch.places._C", "PyTorchFileWriter": "torch.places._C"},
        "Future": "futures",
        **{"UntypedStorage": "storage", "TypedStorage": "storage"},
        **{"ScriptModule": "jit", "ScriptFunction": "jit"},
        **dict.fromkeys(("SymBool", "SymFloat", "SymInt"), "torch.places._symbolic"),
    },
    "torch.nn": {"DataParallel": "torch.places.nn.parallel"},
    "torch.optim": {
        **{"Adafactor": "optim.adafactor", "LBFGS": "optim.lbfgs", "Muon": "optim.muon"},
    },
}


def _loaded(module: str, name: str) -> Any:
    """Load what `module` has under a name only when it is asked for; None where it has not."""
    place = LAZY.get(module, {}).get(name)
    if place is None and module == "torch" and name.startswith("_foreach_"):
        place = "_foreach"
    if place is None:
        return None
    home, _, known = place.partition(":")
    return getattr(importlib.import_module(f"ballast.{home}"), known or name)


def say(module: str, name: str) -> str:
    """Word the error about `name`, which `module` has in PyTorch and not here."""
    hint = HINTS.get(module, {}).get(name)
    if hint is None:
        hint = {"torch.cuda": _GPU, "torch.fft": _FFT}.get(module)
    text = f"module '{module}' has no attribute '{name}' in Ballast"
    return f"{text}: {hint}" if hint else text


def guard(module: ModuleType | dict[str, Any], name: str) -> None:
    """Let what a module lacks be imported, where it is a module, or told by its name in PyTorch."""
    scope = module if isinstance(module, dict) else vars(module)
    below = name.partition(".")[2]

    def __getattr__(attribute: str) -> Any:  # noqa: N807 (the hook's name)
        if not attribute.startswith("__"):
            from .torch.finder import target_of

            found = target_of(f"{below}.{attribute}" if below else attribute)
            if found is not None:
                return importlib.import_module(found)
            value = _loaded(name, attribute)
            if value is not None:
                return value
        raise AttributeError(say(name, attribute), name=attribute, obj=None)

    scope["__getattr__"] = __getattr__
    if name in LAZY:
        scope["__dir__"] = lambda: sorted({*scope, *LAZY[name]})
