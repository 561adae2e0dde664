"""``nas latency measure --shares``: early exits as they are in use, leaving now here, now there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.cli.latency.words import shape, show_busy
from nas.cli.output import percent, show_table, show_text
from nas.errors import UserError

if TYPE_CHECKING:
    from latency.bench import Bench, Say
    from latency.protocol import Protocol
    from nas.cli.latency.measure import Asked


def read(text: str, asked: Sequence["Asked"]) -> tuple[float, ...]:
    """Read shares such as 0.5,0.3,0.2. Raises UserError where they are none of these networks."""
    from latency.errors import LatencyError
    from latency.exit_profile import checked

    try:
        shares = tuple(float(each) for each in text.split(","))
    except ValueError:
        raise UserError(f"--shares {text!r}: give numbers such as 0.5,0.3,0.2") from None
    for each in asked:
        try:
            checked(shares, len(each.graph.exits))
        except LatencyError as error:
            raise UserError(f"--shares, {each.name}: {error}") from None
    return shares


def measure(
    bench: "Bench",
    asked: Sequence["Asked"],
    shares: Sequence[float],
    seed: int,
    protocol: "Protocol",
    say: "Say",
) -> list[dict[str, Any]]:
    """Measure each network by itself; return the facts of each as JSON values."""
    from latency import exit_profile

    found = []
    for each in asked:
        profile = exit_profile.measure(
            bench, each.graph, shares, seed=seed, protocol=protocol, say=say
        )
        found.append({**each.facts(), **profile.as_json()})
    return found


def show(networks: Sequence[dict[str, Any]]) -> None:
    """Print what each exit takes in the mixed order and by itself, and what images take."""
    for network in networks:
        exits = [
            (
                row["exit"],
                percent(row["share"]),
                row["latency_ms"],
                row["fixed_ms"],
                "-" if row["noise"] is None else percent(row["noise"]),
                (row["ran"] or {}).get("p95_ms"),
            )
            for row in network["exits"]
        ]
        show_text(f"\n{network['arch']}, image {shape(network['image'])}")
        show_table(("exit", "images", "ms", "ms alone", "noise", "p95 ms as it ran"), exits)
        kinds = {"undisturbed": "undisturbed", "as_it_ran": "as it ran", "fixed": "loops of exits"}
        show_table(
            ("an image takes", "expected ms", "p95 ms", "slowest ms", "noise"),
            [
                (
                    said,
                    *(network[kind][name] for name in ("expected_ms", "p95_ms", "worst_ms")),
                    percent(network[kind]["noise"]),
                )
                for kind, said in kinds.items()
            ],
        )
        less = "less" if network["optimism"] >= 0 else "more"
        off = percent(abs(network["optimism"]))
        show_text(f"loops of one exit say {off} {less} than the undisturbed expected latency")
        show_busy(network["facts"])
