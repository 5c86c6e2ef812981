"""Running a graph node by node, as ``torch.fx.Interpreter``."""

from __future__ import annotations

from typing import Any

from .. import nn
from .graph import Graph
from .node import Node, map_arg
from .proxy import GraphAppendingTracer, Proxy


class Interpreter:
    """Runs a graph one node after the other; its methods say what each kind of node does."""

    def __init__(
        self, module: nn.Module, garbage_collect_values: bool = True, graph: Graph | None = None
    ):
        self.module = module
        self.graph: Graph = graph if graph is not None else module.graph
        self.submodules = dict(module.named_modules())
        self.env: dict[Node, Any] = {}
        self.garbage_collect_values = garbage_collect_values

    def run(self, *args: Any, initial_env: dict[Node, Any] | None = None, **kwargs: Any) -> Any:
        """Run the graph with inputs in their order."""
        self.env = dict(initial_env or {})
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            self.env[node] = self.run_node(node)
            if node.op == "output":
                return self.env[node]
        return None

    def run_node(self, n: Node) -> Any:
        """Run one node."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple, dict]:
        """Give the values of a node's arguments."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """Replace nodes by their values."""
        return map_arg(args, lambda a: self.env[a])

    def fetch_attr(self, target: str) -> Any:
        """Read a nested attribute of the module."""
        value: Any = self.module
        for name in target.split("."):
            value = getattr(value, name)
        return value

    def placeholder(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Take the next input, or its default."""
        if target.startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration:
            if args:
                return args[0]
            raise RuntimeError(f"Expected positional argument for parameter {target}") from None

    def get_attr(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Read a parameter or buffer."""
        return self.fetch_attr(target)

    def call_function(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """Call a function."""
        return target(*args, **kwargs)

    def call_method(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Call a method of the first argument."""
        return getattr(args[0], target)(*args[1:], **kwargs)

    def call_module(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Call a module."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Give what the graph returns."""
        return args[0]


class Transformer(Interpreter):
    """An interpreter whose run makes a new module."""

    def __init__(self, module: nn.Module):
        super().__init__(module)
        self.new_graph = Graph()
        self.tracer = GraphAppendingTracer(self.new_graph)

    def placeholder(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Make an input of the new graph."""
        return Proxy(
            self.new_graph.placeholder(target, default_value=args[0] if args else ...), self.tracer
        )

    def get_attr(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Make a read of the new graph."""
        return Proxy(self.new_graph.get_attr(target), self.tracer)

    def call_module(self, target: str, args: tuple, kwargs: dict) -> Any:
        """Make a call of the new graph."""
        return self.tracer.create_proxy("call_module", target, args, kwargs)

    def call_function(self, target: Any, args: tuple, kwargs: dict) -> Any:
        """Make a call of the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def transform(self) -> Any:
        """Run, and return the new module."""
        from .graph_module import GraphModule

        result = self.run()
        self.new_graph.output(map_arg(self.tracer.create_arg(result), lambda n: n))
        return GraphModule(self.module, self.new_graph)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run with proxies for all inputs."""
        return super().run(*args, **kwargs)
