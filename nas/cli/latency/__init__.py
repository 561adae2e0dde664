"""``nas latency``: what latencies are measured with, and models that predict them."""

import typer

from nas.cli.latency.devices import devices
from nas.cli.latency.explain import explain
from nas.cli.latency.fit import fit
from nas.cli.latency.measure import measure
from nas.cli.latency.verify import verify
from nas.cli.output import show_text

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def alone(context: typer.Context) -> None:
    """Measure latency; fit, verify and explain models that predict it."""
    if context.invoked_subcommand is None:
        show_text(context.get_help())


app.command("devices")(devices)
app.command("measure")(measure)
app.command("fit")(fit)
app.command("verify")(verify)
app.command("explain")(explain)
