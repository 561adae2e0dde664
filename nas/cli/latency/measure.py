"""``nas latency measure``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.architectures import find
from nas.cli.latency import mixed
from nas.cli.latency.progress import Told
from nas.cli.latency.words import place, shape, show_busy
from nas.cli.long_work import reporting
from nas.cli.output import cell, percent, show_json, show_table, show_text
from nas.cli.values import RUNS, Classes, Device, Image, Json, Out, RayAddress, Runtime
from nas.cli.values import image as read_image
from nas.finite import finite

if TYPE_CHECKING:
    from latency.bench import Batch, Bench, Say
    from latency.protocol import Protocol
    from search_spaces.blocks import BlockGraph

APART_S = 0.5
"""Seconds from round to round at least: few networks would be visited within one slow moment."""

Archs = Annotated[
    list[str],
    typer.Argument(
        metavar="ARCH...",
        help="Config files or their folders, RUN:TRIAL (or RUN:best), published networks.",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A network to be measured, and what the user calls it."""

    name: str
    space: str
    key: str
    graph: "BlockGraph"

    def facts(self) -> dict[str, Any]:
        """Return what tells it apart, as JSON values."""
        return {
            "arch": self.name,
            "space": self.space,
            "key": self.key,
            "image": list(self.graph.image),
            "classes": self.graph.classes,
        }


def measure(
    archs: Archs,
    image: Image = None,
    classes: Classes = None,
    rounds: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="Visits to each network. Default: until they agree."),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="S,S,...",
            help="Of the images that leave at each exit: exits run in mixed order, as in use.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="What weights and order are drawn from.")
    ] = 0,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    ray_address: RayAddress = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Measure every exit of networks, several of them in turns, with the noise of each figure."""
    from latency import exit_profile
    from nas.latency import model_files as models

    if image is not None:
        read_image(image)  # a mistake in it is said before a network is looked for
    asked = [_asked(name, image, classes, out) for name in archs]
    taken = None if shares is None else mixed.read(shares, asked)
    with (
        reporting("stopped; nothing was written") as progress,
        models.bench(runtime, device, ray_address) as bench,
    ):
        fingerprint, say = bench.fingerprint(), Told(progress)
        found: dict[str, Any] = {"device": bench.device, "runtime": bench.name}
        found["fingerprint"] = fingerprint
        if taken is None:
            found |= _in_turns(bench, asked, _protocol(bench.protocol, rounds), seed, say)
        else:
            protocol = _protocol(exit_profile.usual(bench.protocol), rounds)
            found["networks"] = mixed.measure(bench, asked, taken, seed, protocol, say)
    if as_json:
        show_json(finite(found))
    elif taken is None:
        _show(found)
    else:
        show_text(place(fingerprint))
        mixed.show(found["networks"])


def _protocol(usual: "Protocol", rounds: int | None) -> "Protocol":
    protocol = replace(usual, apart_s=max(APART_S, usual.apart_s))
    return protocol if rounds is None else replace(protocol, rounds=rounds, most_rounds=rounds)


def _in_turns(
    bench: "Bench", asked: Sequence["Asked"], protocol: "Protocol", seed: int, say: "Say"
) -> dict[str, Any]:
    from latency.runtimes.runtime import Piece

    batch = bench.measure([Piece.network(each.graph) for each in asked], seed, protocol, say)
    return {
        "networks": [_network(each, index, batch) for index, each in enumerate(asked)],
        "facts": batch.facts,
        "protocol": batch.protocol.facts(),
    }


def _asked(name: str, image: str | None, classes: int | None, out: Path) -> Asked:
    from nas import plugins
    from nas.description import check_shape

    found = find(name, out)
    pixels = found.image or (3, 32, 32)
    if image is not None:
        pixels = read_image(image, found.image and found.image[0])
    count = classes or found.classes or 100
    check_shape(pixels, count)
    architecture = found.architecture
    graph = plugins.space(architecture.space).blocks(architecture, pixels, count)
    return Asked(name, architecture.space, architecture.key, graph)


def _network(asked: Asked, index: int, batch: "Batch") -> dict[str, Any]:
    from latency.protocol import noise, summarise
    from search_spaces.operators import costs

    samples, parts = batch.taken.samples[index], batch.taken.parts[index]
    estimates = summarise(samples, parts, batch.protocol.quantile)
    ends = [sum(parts[:count]) for count in range(1, len(parts) + 1)]
    return {
        **asked.facts(),
        "rounds": len(samples),
        "exits": [
            {
                "exit": number,
                "latency_ms": estimate.latency_ms,
                "low_ms": estimate.low_ms,
                "high_ms": estimate.high_ms,
                "noise": noise(samples[:, :, :end], batch.protocol.quantile),
                "macs": macs,
            }
            for number, (estimate, end, macs) in enumerate(
                zip(estimates, ends, costs(asked.graph).lazy_macs, strict=True), start=1
            )
        ],
    }


def _show(found: dict[str, Any]) -> None:
    facts = found["facts"]
    show_text(f"{place(found['fingerprint'])}, {facts['seconds']:.0f} s\n")
    columns = ("network", "image", "exit", "ms", "rounds 0.1 to 0.9", "noise", "MACs")
    show_table(
        columns,
        [
            (
                network["arch"],
                shape(network["image"]),
                row["exit"],
                row["latency_ms"],
                f"{cell(row['low_ms'])} to {cell(row['high_ms'])}",
                percent(row["noise"]),
                row["macs"],
            )
            for network in found["networks"]
            for row in network["exits"]
        ],
    )
    show_text("")
    show_busy(facts)
