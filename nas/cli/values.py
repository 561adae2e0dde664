"""What several commands take, and how it is read."""

import re
from pathlib import Path
from typing import Annotated

import typer

from nas.errors import UserError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's name under --out, or its path.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the runs are.")]
RUNS = Path("results")

Image = Annotated[
    str | None,
    typer.Option(
        metavar="CxHxW", help="Image shape, such as 3x32x32, or 32. Default: its own, or 3x32x32."
    ),
]
Classes = Annotated[
    int | None,
    typer.Option(metavar="N", min=2, help="Number of classes. Default: its own, or 100."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="PATH", help="File (.yaml, .json), or folder, to write."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file of that name.")]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Another safetensors file than the config names. Default: that one."
    ),
]
DEVICE = "Where the latency is measured: cpu, cuda, ray:NAME or a device file."
Device = Annotated[str, typer.Option(metavar="NAME", help=DEVICE)]
Runtime = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What runs the network: torch, onnxruntime, litert... (see nas latency devices).",
    ),
]
ModelDevice = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="NAME", help=f"{DEVICE} Default: cpu, or the latency model's."
    ),
]
ModelRuntime = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="What runs the network: torch, onnxruntime, litert... "
        "(see nas latency devices). "
        "Default: torch, or the latency model's.",
    ),
]
LatencyModel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Predict latency by this model (nas latency fit) instead of measuring. Default: none.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The Ray cluster that a device ray:NAME belongs to."),
]
DATA_ROOT = "Folder of the standard sets. Default: $NAS_DATA, then ~/.cache/nas."
CHECKPOINT = "Train in less memory and more time. Default: no."

TargetLatency = Annotated[
    str | None,
    typer.Option(
        "--target-latency",
        metavar="TIME",
        help="The latency T of the reward, such as 2ms. Default: the search's.",
    ),
]
Weight = Annotated[
    float | None,
    typer.Option(
        "--w", help="Exponent of the soft reward ACC * (LAT / T) ** w. Default: the search's."
    ),
]
Hard = Annotated[
    bool, typer.Option("--hard", help="The hard reward: T is a limit (alpha 0, beta -1).")
]

_LARGEST = 4096


def image(text: str, channels_known: int | None = None) -> tuple[int, int, int]:
    """Read an image shape: "3x32x32" (channels, height, width), or "32" for a square.

    A square has the channels that are known of the network, or three. Raises UserError for
    anything else.
    """
    sides = text.lower().split("x")
    if len(sides) in (1, 3) and all(re.fullmatch(r"[1-9]\d{0,3}", side) for side in sides):
        channels, height, width = map(
            int, sides if len(sides) == 3 else (str(channels_known or 3), *sides * 2)
        )
        if max(height, width) <= _LARGEST:
            return channels, height, width
    raise UserError(
        f"image {text!r}: expected channels x height x width such as 3x32x32, "
        f"or one side such as 32, at most {_LARGEST} pixels"
    )
