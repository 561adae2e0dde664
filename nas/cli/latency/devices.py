"""``nas latency devices``."""

from typing import Annotated

import typer

from nas.cli.output import show_json, show_table, show_text
from nas.cli.values import Json, RayAddress


def devices(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Device files to list too.")
    ] = None,
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """List what can be measured: this CPU, GPUs, phones on adb, devices of a Ray cluster."""
    from nas.latency.devices import devices as listed

    rows = listed(files or (), ray_address)
    if as_json:
        show_json([row.to_json() for row in rows])
        return
    show_table(
        ("device", "what", "runtimes", "state", "use"),
        [
            (row.device, row.what, ", ".join(row.runtimes.made) or "-", row.state, row.use)
            for row in rows
        ],
    )
    missing = [(row.device, *each) for row in rows for each in row.runtimes.missing]
    if missing:
        show_text("\nnot to be had:")
    for device, runtime, reason in missing:
        show_text(f"  {runtime} on {device}: {reason}")
