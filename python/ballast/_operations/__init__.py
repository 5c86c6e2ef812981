"""Operations made of others, as functions of the package and as methods of ``Tensor``."""

# ruff: noqa: F403 (each file says what it offers)
from .._arguments import check_arguments
from . import numbers, positions, products, reductions, shapes
from .numbers import *
from .positions import *
from .products import *
from .reductions import *
from .shapes import *

from . import operators, copies, in_place, layers, spellings  # noqa: F401  # isort: skip
from .copies import *
from .layers import *
from .operators import *

globals().update(in_place.FUNCTIONS)
check_arguments(globals(), __name__)
__all__ = [
    *numbers.__all__,
    *positions.__all__,
    *products.__all__,
    *reductions.__all__,
    *shapes.__all__,
    *copies.__all__,
    *layers.__all__,
    *operators.__all__,
    *in_place.FUNCTIONS,
]  # noqa: PLE0605 (a list of lists)
