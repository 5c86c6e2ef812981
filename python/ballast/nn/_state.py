"""State dicts of modules: collecting and loading parameters and buffers by name."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from typing import Any

from .._core import Tensor
from ..autograd import no_grad
from .parameter import Parameter

_IncompatibleKeys = namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])
_EXTRA = "_extra_state"


class IncompatibleKeys(_IncompatibleKeys):
    """Keys that `Module.load_state_dict` could not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return "_" + super().__repr__()


class StateDict(OrderedDict):
    """Tensors by name, in the order of the modules; `_metadata` holds the modules' versions."""


class State:
    """The part of `Module` that makes state dicts and loads them."""

    _version: int = 1

    def get_extra_state(self) -> Any:
        """Return what the state dict holds beside tensors; to be defined by a class that has it."""
        raise RuntimeError("Module.get_extra_state: the class defines none")

    def set_extra_state(self, state: Any) -> None:
        """Take what `get_extra_state` gave; to be defined by a class that has it."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called."
        )

    def _persistent(self) -> list[tuple[str, Tensor]]:
        items = [(n, p) for n, p in self._parameters.items() if p is not None]
        skipped = self._non_persistent_buffers_set
        items += [(n, b) for n, b in self._buffers.items() if b is not None and n not in skipped]
        return items

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not State.get_extra_state

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._persistent():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._has_extra_state():
            destination[prefix + _EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args, destination: dict | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Collect parameters and persistent buffers by name.

        Parameters
        ----------
        destination : dict, optional
            Where to put them.
        prefix : str
            Before every name.
        keep_vars : bool
            Whether to give the parameters themselves, which carry gradients.

        Returns
        -------
        dict
            The tensors are the module's: training goes on in them. Clone what shall stay.
        """
        destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args) :])
        if destination is None:
            destination = StateDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            result = hook(self, destination, prefix, local)
            if result is not None:
                destination = result
        return destination

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Read this module's own entries; what is copied is copied when all have been read."""
        for hook, with_module in list(self._load_state_dict_pre_hooks.values()):
            args = (state_dict, prefix, local_metadata, strict)
            args += (missing_keys, unexpected_keys, error_msgs)
            hook(self, *args) if with_module else hook(*args)
        pending = local_metadata.get("pending", _Pending(self, False))
        own = dict(self._persistent())
        for name, target in own.items():
            key = prefix + name
            if key in state_dict:
                pending.add(self, name, target, key, state_dict[key], error_msgs)
            elif strict:
                missing_keys.append(key)
        if self._has_extra_state():
            if prefix + _EXTRA in state_dict:
                self.set_extra_state(state_dict[prefix + _EXTRA])
            elif strict:
                missing_keys.append(prefix + _EXTRA)
        if strict:
            known = {*own, *([_EXTRA] if self._has_extra_state() else [])}
            for key in state_dict:
                rest = key[len(prefix) :] if key.startswith(prefix) else None
                if rest is None or rest == "":
                    continue
                name, _, below = rest.partition(".")
                if name not in known and not (below and name in self._modules):
                    unexpected_keys.append(key)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers of the same names.

        Parameters
        ----------
        state_dict : dict
            As `state_dict` gives it.
        strict : bool
            Whether missing and unexpected names are errors.
        assign : bool
            Put the given tensors in place of the module's own, instead of copying values.

        Returns
        -------
        IncompatibleKeys
            Names that are missing or unexpected.

        Raises
        ------
        RuntimeError
            With every name and size that does not fit; no tensor has been changed then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None) or {}
        given = OrderedDict(state_dict)
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        pending = _Pending(self, assign)

        def load(module: State, local: dict, prefix: str = "") -> None:
            meta = {**metadata.get(prefix[:-1], {}), "pending": pending}
            meta["assign_to_params_buffers"] = assign
            module._load_from_state_dict(local, prefix, meta, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    below = f"{prefix}{name}."
                    load(child, {k: v for k, v in local.items() if k.startswith(below)}, below)
            keys = IncompatibleKeys(missing, unexpected)
            for hook in list(module._load_state_dict_post_hooks.values()):
                if hook(module, keys) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                        "expected to return new values, if incompatible_keys need to be modified, "
                        "it should be done inplace."
                    )

        load(self, given)
        if strict:
            for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
                if keys:
                    listed = ", ".join(f'"{k}"' for k in keys)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            lines = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}"
            )
        pending.apply()
        return IncompatibleKeys(missing, unexpected)


class _Pending:
    """What `load_state_dict` will write once everything fits."""

    def __init__(self, module: State, assign: bool):
        self._assign = assign
        self._writes: list[tuple[State, str, Tensor, Tensor]] = []
        self._module = module

    def add(self, module, name: str, target: Tensor, key: str, value: Any, errors: list) -> None:
        """Plan to give `target` the `value`, or say why that cannot be."""
        if not isinstance(value, Tensor):
            errors.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(value)}"
            )
            return
        if target.dim() == 0 and value.shape == (1,):
            value = value[0]  # files of early versions of PyTorch
        if value.shape != target.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from "
                f"checkpoint, the shape in current model is {target.shape}."
            )
            return
        self._writes.append((module, name, target, value))

    @no_grad()
    def apply(self) -> None:
        """Write."""
        for module, name, target, value in self._writes:
            if not self._assign:
                target.copy_(value)
            elif isinstance(target, Parameter):
                if not isinstance(value, Parameter):
                    value = Parameter(value, requires_grad=target.requires_grad)
                module._parameters[name] = value
            else:
                module._buffers[name] = value
