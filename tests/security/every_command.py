"""All commands of ``nas``, small ones, in the order in which a user comes to them."""

from pathlib import Path

from tests.nas.small_set import PATH

QUICK = "--epochs 1 --limit 40 --seed 1".split()


def commands(folder: Path, executor: str = "inline") -> list[list[str]]:
    """Every command but `dashboard`, which does not end; all they write is in `folder`."""
    out, run = ["--out", str(folder)], "one"
    network = str(folder / "network.yaml")
    image = str(folder / "image.pgm")
    model = str(folder / "model.json")
    return [
        ["spaces"],
        ["spaces", "msd", "--json"],
        [
            *("search", "--data", str(PATH), "--name", run, *out, *QUICK, "--runtime", "macs"),
            *("--executor", executor, "--trials", "3", "--target-latency", "1ms"),
            *("--controller", "random", "--space", "msd-layer", "--workers", "1"),
        ],
        ["resume", run, "--trials", "+1", *out],
        ["runs", *out],
        ["status", run, *out],
        ["trials", run, *out],
        ["pareto", run, *out],
        ["report", run, "-o", str(folder / "report.html"), *out],
        ["describe", "msdnet-cifar-anytime-7"],
        ["export", f"{run}:best", "-o", network, *out],
        ["train", network, "--name", "trained", *out, *QUICK, "--runtime", "macs"],
        ["evaluate", "trained", *out, "--runtime", "macs", "--split", "held-out"],
        ["export", "trained", "--format", "pytorch", "-o", str(folder / "exported"), *out],
        ["export", "trained", "--format", "onnx", "-o", str(folder / "onnx"), *out],
        ["predict", "trained", image, *out],
        ["predict", str(folder / "onnx"), image],
        ["latency", "devices"],
        ["latency", "explain", "--help"],
        ["scale", network, "--help"],
        ["latency", "measure", "--help"],
        ["latency", "fit", "-o", model, "--help"],
        ["latency", "verify", model, "--help"],
    ]


def prepare(folder: Path) -> None:
    """What the commands read besides what earlier ones have written."""
    (folder / "image.pgm").write_bytes(b"P5 8 8 255\n" + bytes(64))
