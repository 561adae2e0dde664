"""``nas latency``: what latencies are measured with, and models that predict them."""

import typer

from nas.cli.latency.devices import devices
from nas.cli.latency.explain import explain
from nas.cli.latency.fit import fit
from nas.cli.latency.measure import measure
from nas.cli.latency.verify import verify

app = typer.Typer(
    help="Measure latency; fit, verify and explain models that predict it.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("devices")(devices)
app.command("measure")(measure)
app.command("fit")(fit)
app.command("verify")(verify)
app.command("explain")(explain)
