"""What was found out about one architecture: facts only, every opinion is derived from them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas import arrays, atomic
from nas.errors import UserError
from nas.rewards import Risk

_LARGEST = 64 * 2**20  # bytes; 50,000 images and 20 exits take a twentieth


@dataclass(frozen=True, eq=False)
class HeldOut:
    """How sure and how right every exit was on every held-out image.

    `confidence` is the largest softmax probability, [images, exits]: float16 as trials store it,
    else float64; `correct` says whether that class was the true one, bool [images, exits]. Other
    dtypes are converted, both arrays become read-only copies. Raises ValueError for other shapes,
    no image, no exit, or a confidence that is no probability (NaN among them).
    """

    confidence: npt.NDArray[np.floating]
    correct: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        stored = np.asarray(self.confidence).dtype == np.float16
        confidence: npt.NDArray[np.floating] = np.array(
            self.confidence, dtype=np.float16 if stored else np.float64
        )
        correct = np.array(self.correct, dtype=np.bool_)
        if confidence.ndim != 2 or confidence.size == 0 or confidence.shape != correct.shape:
            raise ValueError(
                "confidence and correct must have the same shape [images, exits], "
                f"not {confidence.shape} and {correct.shape}"
            )
        if not bool(np.all((confidence >= 0) & (confidence <= 1))):
            raise ValueError("every confidence must be a probability between 0 and 1")
        confidence.setflags(write=False)
        correct.setflags(write=False)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "correct", correct)

    @property
    def exact(self) -> npt.NDArray[np.floating]:
        """The confidences as thresholds are compared with them, [images, exits].

        Stored float16 becomes float32, where thresholds are exact: in float16 numpy would round
        one such as 0.9998 to 1.0. It is also sorted and compared many times faster.
        """
        stored = self.confidence.dtype == np.float16
        return self.confidence.astype(np.float32) if stored else self.confidence

    @property
    def images(self) -> int:
        """How many held-out images there are."""
        return int(self.confidence.shape[0])

    @property
    def exits(self) -> int:
        """How many exits the network has."""
        return int(self.confidence.shape[1])

    def save(self, path: Path) -> None:
        """Write a .npz (float16 and uint8); whoever reads `path` sees all of it or nothing."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            confidence=self.confidence.astype(np.float16),
            correct=self.correct.view(np.uint8),
        )
        atomic.write(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "HeldOut":
        """Read what `save` wrote. Raises UserError, naming the file, if it is not that."""
        try:
            with arrays.opened(path, _LARGEST) as found:
                return cls(found["confidence"], found["correct"])
        except FileNotFoundError:
            raise UserError(f"{path}: no such file of held-out facts") from None
        except (KeyError, IndexError, *arrays.UNREADABLE) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path}: not a file of held-out facts ({reason})") from None


@dataclass(frozen=True, eq=False)
class Measurement:
    """The facts of one trained architecture, exits in order and counted from 0.

    Latency (milliseconds, one image) and MACs are cumulative and lazy: what exit k has cost,
    given that only the work it needs was done. `seconds` is the time the training took.
    `exit_low_ms` and `exit_high_ms` bound each latency, and `how` says how the last one was found
    (``latency.source.How``); None where they were not recorded. Raises ValueError unless there is
    one finite, positive latency and one MAC count for every exit, and one bound where any is.
    """

    exit_latency_ms: tuple[float, ...]
    exit_macs: tuple[int, ...]
    parameters: int
    held_out: HeldOut
    seconds: float
    epochs: int
    seed: int
    exit_low_ms: tuple[float, ...] | None = None
    exit_high_ms: tuple[float, ...] | None = None
    how: str | None = None

    def __post_init__(self) -> None:
        exits = self.held_out.exits
        if not len(self.exit_latency_ms) == len(self.exit_macs) == exits:
            raise ValueError(
                f"{len(self.exit_latency_ms)} latencies and {len(self.exit_macs)} MAC counts "
                f"for {exits} exits"
            )
        bounds = [bound for bound in (self.exit_low_ms, self.exit_high_ms) if bound is not None]
        if any(len(bound) != exits for bound in bounds):
            raise ValueError(f"{[len(bound) for bound in bounds]} bounds for {exits} exits")
        latency = np.asarray([self.exit_latency_ms, *bounds])
        if not bool(np.all(np.isfinite(latency) & (latency > 0))):
            raise ValueError(f"latencies must be finite and positive: {self.exit_latency_ms}")

    def at(self, risk: Risk) -> "Measurement":
        """Return the facts with the latencies that this risk weighs.

        Where no interval was recorded, the upper end is the latency itself.
        """
        if risk == "mean" or self.exit_high_ms is None:
            return self
        return replace(self, exit_latency_ms=self.exit_high_ms)

    def accuracy_of_exit(self, k: int) -> float:
        """Return the fraction of images that exit k (from 0; -1 is the last) gets right."""
        return float(self.held_out.correct[:, k].mean())

    def curve(self) -> tuple[tuple[float, float], ...]:
        """Return (latency_ms, accuracy) of every exit: the best answer within a deadline."""
        accuracy = self.held_out.correct.mean(axis=0)
        return tuple(zip(self.exit_latency_ms, accuracy.tolist(), strict=True))

    def facts(self) -> dict[str, Any]:
        """Return everything but the held-out arrays, ready for JSON."""
        return {
            "exit_latency_ms": list(self.exit_latency_ms),
            "exit_macs": list(self.exit_macs),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "epochs": self.epochs,
            "seed": self.seed,
            **self._interval(),
        }

    def _interval(self) -> dict[str, Any]:
        found = {"exit_low_ms": self.exit_low_ms, "exit_high_ms": self.exit_high_ms}
        known: dict[str, Any] = {name: list(each) for name, each in found.items() if each}
        return known | ({} if self.how is None else {"how": self.how})

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], held_out: HeldOut) -> "Measurement":
        """Return the measurement whose `facts()` these are.

        Raises KeyError, ValueError or TypeError for what `facts` does not give.
        """
        return cls(
            exit_latency_ms=tuple(float(ms) for ms in facts["exit_latency_ms"]),
            exit_macs=tuple(int(macs) for macs in facts["exit_macs"]),
            parameters=int(facts["parameters"]),
            held_out=held_out,
            seconds=float(facts["seconds"]),
            epochs=int(facts["epochs"]),
            seed=int(facts["seed"]),
            exit_low_ms=_bound(facts, "exit_low_ms"),
            exit_high_ms=_bound(facts, "exit_high_ms"),
            how=facts.get("how"),
        )


def needs(facts: Mapping[str, Any]) -> tuple[float, int, int]:
    """Milliseconds, parameters and MACs to the last exit, of what `Measurement.facts` gave."""
    return facts["exit_latency_ms"][-1], facts["parameters"], facts["exit_macs"][-1]


def _bound(facts: Mapping[str, Any], name: str) -> tuple[float, ...] | None:
    return tuple(float(ms) for ms in facts[name]) if facts.get(name) else None
