"""The runtime ``litert`` on this CPU: LiteRT, once TensorFlow Lite, with its XNNPACK kernels.

It is what phones run. The same files, one for each stage, can be pushed to a phone.
"""

from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import numpy.typing as npt

from latency.errors import LatencyError
from latency.graphs import recording
from latency.protocol import Protocol
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece, Prepared

PACKAGE = "ai-edge-litert"
THREADS = 1

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StageFile:
    """A stage as a TFLite file; the names of what it reads and gives, in their order there."""

    content: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class LiteRt:
    """Runs each stage as a TFLite graph, one image at a time, on one thread."""

    name = "litert"
    protocol = Protocol(warm_up=8, repeats=10, most_rounds=24, apart_s=0.1)
    shares_host = True

    def __init__(self, device: str = "cpu") -> None:
        if device != "cpu":
            raise LatencyError(f"runtime 'litert' has no device {device!r}: choose cpu")
        require()
        self.device = device

    def prepare(self, piece: Piece, seed: int) -> "Loaded":
        """Write and load the stages of a piece; ``seed`` draws weights and input.

        Raises LatencyError for a module without a TFLite operator, and for answers not finite.
        """
        files, first = _files(piece, seed)
        return Loaded(files, first)

    def conditions(self) -> dict[str, Any]:
        """Return what figures depend on besides the host, as JSON values."""
        return {
            "runtime": self.name,
            "device": self.device,
            "litert": metadata.version(PACKAGE),
            "kernels": "XNNPACK",
            "threads": THREADS,
            "batch": 1,
            "dtype": "float32",
            "layout": "NHWC",
            "weights": "random",
        }


def write(piece: Piece, seed: int, folder: Path) -> list[Path]:
    """Write the stages of a piece into a folder as ``stage1.tflite`` and so on; return the files.

    Raises LatencyError as ``LiteRt.prepare`` does, and where LiteRT is not installed.
    """
    require()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, file in enumerate(_files(piece, seed)[0], start=1):
        paths.append(folder / f"stage{number}.tflite")
        paths[-1].write_bytes(file.content)
    return paths


def require() -> None:
    """Raise LatencyError, with the command that installs it, where LiteRT is not installed."""
    try:
        import_module("ai_edge_litert.interpreter")
    except ImportError:
        raise LatencyError(
            f"runtime 'litert' needs {PACKAGE}, which is not installed: "
            "pip install 'nas-platform[mobile]'"
        ) from None


class Loaded(Prepared):
    """Stages that are loaded, and the input of the first one."""

    def __init__(self, files: tuple[StageFile, ...], first: dict[str, Array]) -> None:
        self._stages = [_Stage(file) for file in files]
        self._first = first
        self.parts = (1,) * len(files)

    def run(self, stages: int) -> list[float]:
        values = dict(self._first)
        return [stage.run(values) for stage in self._stages[:stages]]

    def answers(self) -> list[Array]:
        """Run all stages once; return what each answers: logits [1, classes]."""
        values = dict(self._first)
        for stage in self._stages:
            stage.run(values)
        return [values[stage.answer] for stage in self._stages]

    def close(self) -> None:
        self._stages.clear()


class _Stage:
    """A stage that is loaded: its file, which has to stay, and its tensors by name."""

    def __init__(self, file: StageFile) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._file, self.answer = file, file.outputs[0]
        self._graph = Interpreter(model_content=file.content, num_threads=THREADS)
        self._graph.allocate_tensors()
        self._inputs = _numbers(file.inputs, self._graph.get_input_details())
        self._outputs = _numbers(file.outputs, self._graph.get_output_details())

    def run(self, values: dict[str, Array]) -> float:
        """Read from and write to ``values``; return the milliseconds between."""
        for name, number in self._inputs:
            self._graph.set_tensor(number, values[name])
        start = perf_counter_ns()
        self._graph.invoke()
        passed = perf_counter_ns() - start
        for name, number in self._outputs:
            values[name] = self._graph.get_tensor(number)
        return passed / 1e6


def _numbers(names: tuple[str, ...], details: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(name, int(each["index"])) for name, each in zip(names, details, strict=True)]


def _files(piece: Piece, seed: int) -> tuple[tuple[StageFile, ...], dict[str, Array]]:
    """Return the files of a piece's stages, and what the first one reads, laid out."""
    from latency.graphs import tflite_graph

    built = build(piece, seed)
    values = dict(built.given)
    files = []
    for stage in built.stages:
        inputs, outputs = stage.stage.inputs, (stage.stage.exit, *stage.stage.outputs)
        calls, answers = recording.record(stage, {name: values[name] for name in inputs})
        written = tflite_graph.model(calls, outputs)
        files.append(StageFile(written, inputs, tuple(dict.fromkeys(outputs))))
        values = dict(zip(outputs, answers, strict=True))
    first = {name: tflite_graph.to_layout(tensor) for name, tensor in built.given.items()}
    return tuple(files), first
