"""In-place forms: methods whose name ends with an underscore, and functions that call them."""

from __future__ import annotations

from .._core import Tensor
from .._tensor import in_place

# Functions of PyTorch that call the method of their name.
_UNARY = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "celu", "clamp", "cos"),
    *("clamp_max", "clamp_min", "clip", "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1"),
    *("fix", "floor", "frac", "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg"),
    *("negative", "rad2deg", "reciprocal", "relu", "round", "rsqrt", "selu", "sigmoid", "sin"),
    *("sinc", "sinh", "sqrt", "square", "tan", "tanh", "threshold", "trunc", "erfinv", "i0"),
)
# Further methods that have an in-place form.
_METHODS = (
    *("absolute", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "arccos", "arccosh"),
    *("arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "atan2", "baddbmm", "bitwise_and"),
    *("bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor"),
    *("copysign", "cumprod", "cumsum", "digamma"),
    *("divide", "eq", "floor_divide", "fmod", "gcd", "ge", "greater"),
    *("greater_equal", "gt", "hardshrink", "heaviside", "hypot", "index_add", "index_copy"),
    *("index_fill", "index_put", "lcm", "ldexp", "le", "lerp", "less", "less_equal", "lgamma"),
    *("logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_scatter"),
    *("multiply", "ne", "not_equal", "remainder", "renorm", "scatter", "scatter_add"),
    *("scatter_reduce", "sgn", "sign", "subtract", "tril", "triu", "true_divide", "xlogy"),
    *("igamma", "igammac", "index_reduce", "mvlgamma", "nextafter", "polygamma", "put"),
)


def _function(name: str):
    def call(input: Tensor, *args, **kwargs) -> Tensor:
        return getattr(input, name)(*args, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Call the method `{name}`."
    return call


for _name in (*_UNARY, *_METHODS):
    if hasattr(Tensor, _name) and not hasattr(Tensor, _name + "_"):
        setattr(Tensor, _name + "_", in_place(_name))

FUNCTIONS = {name + "_": _function(name + "_") for name in _UNARY if hasattr(Tensor, name + "_")}
for _name in ("detach_", "fill_", "zero_", "dropout_", "xlogy_", "ldexp_", "gcd_", "lcm_"):
    if hasattr(Tensor, _name):
        FUNCTIONS[_name] = _function(_name)
