"""PyTorch's name for Ballast; `python -m ballast.torch --uninstall` removes it."""

import sys

from ballast.torch import install

install(sys.modules[__name__])
