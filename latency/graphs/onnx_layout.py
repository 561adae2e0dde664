"""A block as ONNX Runtime runs it within a network: tensors in its own layout where they are.

On CPUs, ONNX Runtime keeps images in a layout of its own (channels in vectors, ``NCHWc``) from one
convolution to the next and reorders only where an operator needs the plain one. A block alone would
reorder all that it reads and gives, which for small blocks is a large part of their time. So a
block is optimised behind stand-ins that give it the layouts of its inputs in the network; then the
stand-ins, and the reordering of what it gives, are cut off its optimised graph.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from latency.errors import LatencyError
from latency.graphs import onnx_graph
from latency.graphs.recording import Recording

ANSWER = "answer"
DOMAIN = "com.microsoft.nchwc"


@dataclass(frozen=True, slots=True)
class OwnLayout:
    """An optimised block: to be run as it is, without optimising it again.

    ``inputs``: names with whole shapes, the batch first. ``own``: whether its answer is in the
    runtime's own layout.
    """

    content: bytes
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    own: bool


def optimised(recording: Recording, own: Sequence[bool], batch: int = 1) -> OwnLayout:
    """Return a block whose inputs come in the runtime's own layout where ``own`` says so.

    An input that has no such layout (no image, too few channels) comes plain.
    """
    model = onnx_graph.model(recording, (ANSWER,))
    for (name, shape), wanted in zip(recording.inputs, own, strict=True):
        if wanted and len(shape) == 3:
            _put_before(model.graph, name, shape[0])
    found = _optimised(model)
    inputs = tuple(_freed(found.graph, name, (batch, *shape)) for name, shape in recording.inputs)
    is_own = _answers_in_own_layout(found.graph)
    _declare(found.graph, inputs)
    return OwnLayout(found.SerializeToString(), inputs, is_own)


@lru_cache(maxsize=1)
def vector() -> int:
    """Return how many channels a vector of the own layout holds on this processor."""
    node = helper.make_node("ReorderInput", ["x"], ["y"], domain=DOMAIN)
    opsets = [helper.make_opsetid("", onnx_graph.OPSET), helper.make_opsetid(DOMAIN, 1)]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xy")
    graph = helper.make_graph([node], "vector", [x], [y])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=onnx_graph.IR_VERSION)
    ready = session(model.SerializeToString(), session_options())
    (answer,) = ready.run(None, {"x": np.zeros((1, 4, 1, 1), np.float32)})
    return int(answer.shape[1])


def _stand_in(name: str) -> str:
    return f"{name}.stand_in"


def _put_before(graph: Any, name: str, channels: int) -> None:
    """Make everybody who reads an input read it after a convolution, which gives the own layout.

    The convolution reads a single channel: one of so few is always computed in that layout. It is
    an output of the graph too, which keeps the optimiser from melting it together with the block.
    """
    stand_in = _stand_in(name)
    _rename(graph, name, stand_in)
    (declared,) = (each for each in graph.input if each.name == name)
    declared.type.tensor_type.shape.dim[1].dim_value = 1
    weight = np.ones((channels, 1, 1, 1), np.float32)
    graph.initializer.append(numpy_helper.from_array(weight, f"{name}.weight"))
    conv = helper.make_node(
        "Conv", [name, f"{name}.weight"], [stand_in], name=stand_in, kernel_shape=[1, 1]
    )
    graph.node.insert(0, conv)
    graph.output.append(helper.make_tensor_value_info(stand_in, TensorProto.FLOAT, None))


def _optimised(model: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = session_options()
        options.optimized_model_filepath = str(path)
        session(model.SerializeToString(), options)
        return onnx.load(path)


def session(model: bytes, options: Any) -> Any:
    """Open a model on the CPU. Raises LatencyError where ONNX Runtime refuses it."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions have nothing else in common
        raise LatencyError(f"ONNX Runtime refuses a graph: {str(error).splitlines()[0]}") from error


def session_options() -> Any:
    """Return options of a session with one thread, which never spins while it waits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def block_session_options() -> Any:
    """Return options for one block of a network, which is optimised already.

    All sessions with them take memory from one arena, as the nodes of one graph do.
    """
    import onnxruntime

    _make_arena()
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@lru_cache(maxsize=1)
def _make_arena() -> None:
    """Make the arena of this process."""
    import onnxruntime as ort

    kind, place = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, ort.OrtMemType.DEFAULT
    ort.create_and_register_allocator(ort.OrtMemoryInfo("Cpu", kind, 0, place), None)


def _freed(graph: Any, name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Cut the stand-in of an input off, if it has one; return name and shape of what is read."""
    stand_in = next((n for n in graph.node if n.name.startswith(_stand_in(name))), None)
    if stand_in is None:
        return name, shape
    graph.node.remove(stand_in)
    given = stand_in.output[0]
    if stand_in.domain != DOMAIN:  # nobody has this tensor in another layout
        _rename(graph, given, name)
        return name, shape
    plain = next((n for n in graph.node if _stand_in(name) in n.output), None)
    if plain is not None and not any(plain.output[0] in node.input for node in graph.node):
        graph.node.remove(plain)
    channels = -(-shape[1] // vector()) * vector()
    return given, (shape[0], channels, *shape[2:])


def _rename(graph: Any, read: str, name: str) -> None:
    for node in graph.node:
        for place, each in enumerate(node.input):
            if each == read:
                node.input[place] = name


def _answers_in_own_layout(graph: Any) -> bool:
    """Cut the last reordering off, where the answer is read by nobody else before it."""
    last = next((node for node in graph.node if ANSWER in node.output), None)
    if last is None or last.op_type != "ReorderOutput":
        return False
    before = last.input[0]
    if sum(before in node.input for node in graph.node) > 1:
        return False
    graph.node.remove(last)
    maker = next(node for node in graph.node if before in node.output)
    for place, each in enumerate(maker.output):
        if each == before:
            maker.output[place] = ANSWER
    return True


def _declare(graph: Any, inputs: Sequence[tuple[str, tuple[int, ...]]]) -> None:
    """State anew what the graph takes and gives; drop weights that nobody reads any more."""
    read = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in read]
    del graph.initializer[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.initializer.extend(kept)
    graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs
    )
    graph.output.append(helper.make_tensor_value_info(ANSWER, TensorProto.FLOAT, None))
