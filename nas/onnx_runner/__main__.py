"""``python -m onnx_runner FOLDER IMAGE...``: class, confidence, exit and time of each image."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .errors import InputError
from .images import found
from .runner import Runner


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each image, or JSON; return the exit code, 2 for wrong input."""
    given = _parser().parse_args(arguments)
    try:
        runner = Runner(given.folder, given.threads)
        rows = []
        for path in found(given.images):
            seen = runner.predict(path, given.deadline)
            rows.append({"image": str(path)} | asdict(seen) | {"exit": seen.exit + 1})
            if not given.json:
                print(
                    f"{path}: {seen.name}, confidence {seen.confidence:.4f}, "
                    f"exit {seen.exit + 1} of {len(runner.thresholds)}, {seen.milliseconds:.2f} ms",
                    flush=True,
                )
    except InputError as error:
        return _refuse(str(error))
    except ImportError as error:
        return _refuse(f"{error}; pip install {error.name}")
    if given.json:
        print(json.dumps(rows, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m onnx_runner", description=__doc__)
    parser.add_argument("folder", type=Path, help="the export, with policy.json")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="file or folder")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default 1)")
    parser.add_argument("--deadline", type=float, metavar="MS", help="milliseconds for one image")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
