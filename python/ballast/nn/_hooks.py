"""Hooks of modules: functions called around `forward`, `backward` and the state dict."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

_ids = itertools.count()


class RemovableHandle:
    """Removes a hook when asked to; also a context manager, which removes it at the end."""

    def __init__(self, hooks: dict, *, extra: tuple[dict, ...] = ()):
        self._hooks = (hooks, *extra)
        self.id = next(_ids)

    def remove(self) -> None:
        """Remove the hook."""
        for hooks in self._hooks:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error) -> None:
        self.remove()


def _add(
    hooks: dict[int, Any],
    hook: Any,
    prepend: bool = False,
    marked: tuple[dict[int, bool], ...] = (),
) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra=marked)
    for marks in marked:
        marks[handle.id] = True
    if prepend:
        others = dict(hooks)
        hooks.clear()
        hooks[handle.id] = hook
        hooks.update(others)
    else:
        hooks[handle.id] = hook
    return handle


class Hooks:
    """The part of `Module` that keeps hooks and calls them."""

    # Programs read and change these dictionaries, so that they hold the hooks as PyTorch's do:
    # which hooks take keywords, or are called after errors, too, is kept beside them.
    _forward_hooks: dict[int, Callable]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: dict[int, Callable]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _backward_hooks: dict[int, Callable]
    _backward_pre_hooks: dict[int, Callable]
    forward: Callable[..., Any]

    def _init_hooks(self) -> None:
        fields = self.__dict__
        for name in (
            "_forward_hooks",
            "_forward_hooks_with_kwargs",
            "_forward_hooks_always_called",
            "_forward_pre_hooks",
            "_forward_pre_hooks_with_kwargs",
            "_backward_hooks",
            "_backward_pre_hooks",
            "_state_dict_hooks",
            "_state_dict_pre_hooks",
            "_load_state_dict_pre_hooks",
            "_load_state_dict_post_hooks",
        ):
            fields[name] = {}

    def _call_with_hooks(self, args: tuple, kwargs: dict):
        for key, hook in list(self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                result = hook(self, args, kwargs)
                if result is not None:
                    args, kwargs = result
                continue
            result = hook(self, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
        watch = None
        if self._backward_hooks or self._backward_pre_hooks:
            from ._backward_hooks import Watch

            watch = Watch(self)
            args = watch.inputs(args)
        try:
            output = self.forward(*args, **kwargs)
        except BaseException:
            self._call_forward_hooks(args, kwargs, None, failed=True)
            raise
        output = self._call_forward_hooks(args, kwargs, output)
        return output if watch is None else watch.outputs(output)

    def _call_forward_hooks(self, args, kwargs, output, failed: bool = False):
        for key, hook in list(self._forward_hooks.items()):
            if failed and key not in self._forward_hooks_always_called:
                continue
            with_kwargs = key in self._forward_hooks_with_kwargs
            result = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            if result is not None:
                output = result
        return output

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after every `forward`.

        Parameters
        ----------
        hook : callable
            What it returns replaces the output, unless None.
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs, output)``.
        always_call : bool
            Call it also where `forward` raises.
        """
        marked = [self._forward_hooks_with_kwargs] if with_kwargs else []
        marked += [self._forward_hooks_always_called] if always_call else []
        return _add(self._forward_hooks, hook, prepend, tuple(marked))

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before every `forward`.

        Parameters
        ----------
        hook : callable
            What it returns replaces the arguments, unless None.
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs)``, which returns both or None.
        """
        marked = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return _add(self._forward_pre_hooks, hook, prepend, marked)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        What it returns replaces ``grad_input``, unless None.
        """
        return _add(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """As `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the gradients go through the module.

        What it returns replaces ``grad_output``, unless None.
        """
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict` collects."""
        return _add(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after `state_dict`."""
        return _add(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        return _add(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before `load_state_dict` reads."""
        return _add(self._load_state_dict_pre_hooks, (hook, True))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        return _add(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after `load_state_dict`; it may change the
        lists of keys."""
        return _add(self._load_state_dict_post_hooks, hook)
