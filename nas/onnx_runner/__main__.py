"""``python -m onnx_runner FOLDER IMAGE...``: class, confidence, exit and time of each image."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .errors import InputError
from .images import found
from .runner import Runner
from .terminal import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each image, or JSON; return the exit code, 2 for wrong input."""
    given = _parser().parse_args(arguments)
    try:
        runner = Runner(given.folder, given.threads)
        if given.threshold is not None:
            runner.thresholds = (given.threshold,) * (len(runner.thresholds) - 1) + (0.0,)
        rows = []
        for path in found(given.images):
            rows.append(row(path, runner.predict(path, given.deadline), len(runner.thresholds)))
            if not given.json:
                print(printable(line(rows[-1])), flush=True)
    except InputError as error:
        return _refuse(str(error))
    except ImportError as error:
        return _refuse(f"{error}; pip install onnxruntime")
    if given.json:
        print(json.dumps(rows, indent=2))
    return 0


def milliseconds(text: str) -> float:
    """Read 5ms, or 5. Raises ValueError for anything else."""
    value = float(text.removesuffix("ms"))
    if not value > 0:
        raise ValueError(f"{text!r} is no time")
    return value


class Answer(Protocol):
    """What is known of an answer, whoever gave it; the exit counts from 1."""

    @property
    def label(self) -> int: ...
    @property
    def class_name(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def exit(self) -> int: ...
    @property
    def elapsed_ms(self) -> float: ...
    @property
    def overrun_ms(self) -> float: ...


def row(path: Path, seen: Answer, exits: int) -> dict[str, Any]:
    """What is known of one image, as JSON values."""
    return {
        "image": str(path),
        "class": seen.class_name,
        "label": seen.label,
        "confidence": seen.confidence,
        "exit": seen.exit,
        "exits": exits,
        "ms": seen.elapsed_ms,
        "late_ms": seen.overrun_ms,
    }


def line(row: Mapping[str, Any]) -> str:
    """A `row` for people to read."""
    shown = "{image}: {class}, confidence {confidence:.4f}, exit {exit} of {exits}, {ms:.2f} ms"
    late = f", {row['late_ms']:.2f} ms late" if row["late_ms"] else ""
    return shown.format(**row) + late


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m onnx_runner", description=__doc__)
    parser.add_argument("folder", type=Path, help="the export, with policy.json")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="file or folder")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default 1)")
    parser.add_argument(
        "--deadline", type=milliseconds, metavar="TIME", help="for one image, such as 5ms"
    )
    parser.add_argument(
        "--threshold", type=float, help="leave at the first exit as sure as this, 0 to 1"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def _refuse(message: str) -> int:
    print(printable(f"error: {message}"), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
