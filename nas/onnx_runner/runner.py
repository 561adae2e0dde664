"""Early exits with ONNX Runtime: a stage runs on those images alone that have not left before it.

A stage that no image ever needs is not even loaded.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .images import Pixels, decode
from .policy import read

IMAGE = "x"
"""The name of the first stage's input."""
TIMED = 5
"""Runs of each stage on one image from which `Runner.warm_up` takes the slowest."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Tensors = dict[str, npt.NDArray[np.float32]]


class Leaving(NamedTuple):
    """Of n images: the class int64 [n], its confidence float64 [n], the exit int64 [n] from 0."""

    answers: Integers
    confidence: Floats
    exits: Integers


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an exit (counted from 1) answered, `elapsed_ms` after it was asked.

    label: the place of `class_name` among the classes. elapsed_ms: reading the file included,
    loading stages not. overrun_ms: how long after its deadline, 0.0 where in time or without one.
    """

    label: int
    class_name: str
    confidence: float
    exit: int
    elapsed_ms: float
    overrun_ms: float = 0.0


class Runner:
    """An exported network, opened from its folder. Not for several threads at the same time.

    thresholds: those of the export, and may be replaced by others, one an exit. sessions_run: how
    many times a stage was run; rows_run: how many images each stage was run on; loaded: which
    stages are in memory.

    Raises InputError where a file of the export is missing or does not fit.
    """

    def __init__(
        self,
        folder: Path | str,
        threads: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.folder = Path(folder)
        self.policy = read(self.folder)
        for stage in self.policy.stages:
            if not (self.folder / stage.file).is_file():
                raise InputError(f"{self.folder / stage.file}: no such file; export again")
        self.sessions_run = 0
        self.rows_run = [0] * len(self.policy.stages)
        self._sessions: list[Any] = [None] * len(self.policy.stages)
        self._slowest: list[float] = []  # seconds of each stage on one image, once warmed up
        self._threads, self._clock = threads, clock

    @property
    def thresholds(self) -> tuple[float, ...]:
        """How sure an image must be to leave, one an exit, the last 0.0."""
        return self.policy.thresholds

    @thresholds.setter
    def thresholds(self, values: tuple[float, ...]) -> None:
        exits = len(self.policy.stages)
        if len(values) != exits or values[-1] != 0.0 or not all(each >= 0 for each in values):
            raise InputError(f"thresholds {values}: {exits} are needed, none below 0, the last 0.0")
        self.policy = replace(self.policy, thresholds=tuple(values))

    @property
    def loaded(self) -> tuple[int, ...]:
        """The stages that were needed so far, from 0."""
        return tuple(k for k, session in enumerate(self._sessions) if session is not None)

    def classify(self, images: Pixels) -> Leaving:
        """Classify images uint8 [n, channels, height, width]; all are in memory at once.

        Raises InputError for images of another shape or type, and a stage that cannot be loaded.
        """
        state, rows = {IMAGE: self._prepared(images)}, np.arange(len(images))
        answers, exits = np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
        confidence = np.zeros(len(images))
        for k in range(len(self.policy.stages)):
            if not len(rows):
                break
            sure, answer = self._judged(k, self._run(k, state))
            leaves = self._leaves(k, sure)
            gone = rows[leaves]
            answers[gone], confidence[gone], exits[gone] = answer[leaves], sure[leaves], k
            rows = rows[~leaves]
            state = self._compacted(k + 1, state, ~leaves)
        return Leaving(answers, confidence, exits)

    def logits(self, images: Pixels) -> npt.NDArray[np.float32]:
        """Logits [exits, n, classes] of every exit for images as in `classify`; nobody leaves."""
        state = {IMAGE: self._prepared(images)}
        return np.stack([self._run(k, state) for k in range(len(self.policy.stages))])

    def predict(self, path: Path | str, deadline_ms: float | None = None) -> Prediction:
        """Answer an image file by the thresholds or, given one, as well as a deadline allows.

        With a deadline, a stage is started only if its slowest run so far would end in time (the
        first one always), and the thresholds do not count; the first such call warms up. Raises
        InputError where the file is no image.
        """
        if deadline_ms is not None and not self._slowest:
            self.warm_up()
        channels, *size = self.policy.image
        start = self._clock()
        pixels = decode(Path(path), str(path), channels, (size[0], size[1]))[None]
        state = {IMAGE: self._prepared(pixels)}
        for k in range(len(self.policy.stages)):
            start += self._load(k)
            sure, answer = self._judged(k, self._run(k, state))
            elapsed = self._clock() - start
            if self._is_last(k, sure, elapsed, deadline_ms):
                break
            state = self._compacted(k + 1, state, None)
        label = int(answer[0])
        name = self.policy.classes[label]
        late_ms = 0.0 if deadline_ms is None else max(0.0, elapsed * 1e3 - deadline_ms)
        return Prediction(label, name, float(sure[0]), k + 1, elapsed * 1e3, late_ms)

    def _is_last(self, k: int, sure: Floats, elapsed: float, deadline_ms: float | None) -> bool:
        if deadline_ms is None or k == len(self.policy.stages) - 1:
            return bool(self._leaves(k, sure)[0])
        return (elapsed + self._slowest[k + 1]) * 1e3 > deadline_ms

    def warm_up(self) -> None:
        """Load every stage and time each on one black image."""
        black = np.zeros((1, *self.policy.image), np.uint8)
        times = []
        for _ in range(TIMED + 1):
            state, seconds = {IMAGE: self._prepared(black)}, []
            for k in range(len(self.policy.stages)):
                start = self._clock()
                self._run(k, state)
                seconds.append(self._clock() - start)
                state = self._compacted(k + 1, state, None)
            times.append(seconds)
        self._slowest = [max(each) for each in zip(*times[1:], strict=True)]  # first: loading
        self.sessions_run, self.rows_run = 0, [0] * len(self.policy.stages)

    def _prepared(self, images: Pixels) -> npt.NDArray[np.float32]:
        shape = self.policy.image
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
            given = f"{images.dtype} {list(images.shape)}"
            raise InputError(f"images {given}: expected uint8 [n, {', '.join(map(str, shape))}]")
        column = (1, -1, 1, 1)
        scale = np.array([1 / (255 * d) for d in self.policy.std], np.float32).reshape(column)
        means = zip(self.policy.mean, self.policy.std, strict=True)
        shift = np.array([m / d for m, d in means], np.float32).reshape(column)
        return images.astype(np.float32) * scale - shift

    def _run(self, k: int, state: Tensors) -> npt.NDArray[np.float32]:
        """Run stage k, put what it gives into the state and return its logits."""
        self._load(k)
        stage = self.policy.stages[k]
        names = [stage.logits, *stage.outputs]
        given = {name: state[name] for name in stage.inputs}
        state.update(zip(names, self._sessions[k].run(names, given), strict=True))
        self.sessions_run += 1
        self.rows_run[k] += len(state[stage.logits])
        return state[stage.logits]

    def _load(self, k: int) -> float:
        """Open stage k if it is not open yet; return the seconds that it took."""
        if self._sessions[k] is not None:
            return 0.0
        start = self._clock()
        self._sessions[k] = _session(self.folder / self.policy.stages[k].file, self._threads)
        return self._clock() - start

    def _judged(self, k: int, logits: npt.NDArray[np.float32]) -> tuple[Floats, Integers]:
        """How sure exit k is, in float64 so that even very sure images differ, and of what."""
        scaled = logits.astype(np.float64) / self.policy.temperatures[k]
        answers = scaled.argmax(axis=1)
        return 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1), answers

    def _leaves(self, k: int, sure: Floats) -> npt.NDArray[np.bool_]:
        if k == len(self.policy.stages) - 1:
            return np.ones(len(sure), np.bool_)
        return sure >= self.policy.thresholds[k]

    def _compacted(self, k: int, state: Tensors, stays: npt.NDArray[np.bool_] | None) -> Tensors:
        """What stage k and later ones read, of the images that stay (None: all)."""
        later = {name for stage in self.policy.stages[k:] for name in stage.inputs}
        kept = {name: tensor for name, tensor in state.items() if name in later}
        if stays is None or stays.all():
            return kept
        return {name: tensor[stays] for name, tensor in kept.items()}


def _session(path: Path, threads: int) -> Any:
    import onnxruntime  # here, so that a policy can be read and checked without it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that waits by spinning keeps its core busy long after the answer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds, none of them public
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be loaded ({reason})") from None
