"""The version, as ``torch.version``; of no other device's software."""

from . import __version__

cuda = hip = xpu = git_version = None
debug = False

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]
