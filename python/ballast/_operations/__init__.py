"""Operations made of others, as functions of the package and as methods of ``Tensor``."""

# ruff: noqa: F403 (each file says what it offers)
from . import numbers, positions, products, reductions, shapes
from .numbers import *
from .positions import *
from .products import *
from .reductions import *
from .shapes import *

from . import operators, in_place, layers, matrices, spellings  # noqa: F401  # isort: skip
from .layers import *
from .matrices import *
from .operators import *

globals().update(in_place.FUNCTIONS)
__all__ = [
    *numbers.__all__,
    *positions.__all__,
    *products.__all__,
    *reductions.__all__,
    *shapes.__all__,
    *layers.__all__,
    *matrices.__all__,
    *operators.__all__,
    *in_place.FUNCTIONS,
]  # noqa: PLE0605 (a list of lists)
