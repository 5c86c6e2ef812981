"""Programs as graphs: symbolic tracing, and modules made of graphs, as ``torch.fx``."""

from . import graph, graph_module, interpreter, node, proxy
from ._symbolic_trace import Tracer, is_fx_tracing, symbolic_trace, wrap
from .graph import Graph, PythonCode
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, map_arg
from .proxy import Proxy, TraceError

__all__ = [
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "Proxy",
    "PythonCode",
    "TraceError",
    "Tracer",
    "Transformer",
    "graph",
    "graph_module",
    "interpreter",
    "is_fx_tracing",
    "map_arg",
    "node",
    "proxy",
    "symbolic_trace",
    "wrap",
]
