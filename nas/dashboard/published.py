"""Networks to compare a search with: the published ones of its space, and full trainings."""

from pathlib import Path
from typing import Any

from nas import config as configs
from nas.errors import UserError
from nas.inference.trained import CONFIG
from nas.run import Run
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace

Value = dict[str, Any]


def names(space: SearchSpace) -> dict[str, str]:
    """The names of a space's published networks, by key; the first name of equal ones."""
    found: dict[str, str] = {}
    for name, architecture in space.published.items():
        found.setdefault(architecture.key, name)
    return found


def networks(space: SearchSpace, image: tuple[int, int, int], classes: int) -> list[Value]:
    """What the published networks of a space cost on images of this shape; no accuracy is known.

    One that cannot be built for such images is left out.
    """
    from search_spaces.operators import costs

    found = []
    for name, architecture in space.published.items():
        try:
            cost = costs(space.blocks(architecture, image, classes))
        except (SpaceError, ValueError, RuntimeError):
            continue
        found.append(
            {
                "name": name,
                "key": architecture.key,
                "macs": cost.lazy_macs[-1],
                "parameters": cost.parameters,
            }
        )
    return found


def trainings(run: Run) -> list[Value]:
    """Networks beside the run that `nas train` trained on the same images, and measured alike.

    None of a run that does not say what its images are, as those of before.
    """
    if "image" not in run.latency:
        return []
    image, _ = run.shape()
    found = []
    for path in sorted(run.path.parent.glob(f"*/{CONFIG}")):
        value = _training(run, image, path)
        if value is not None:
            found.append(value)
    return found


def _training(run: Run, image: tuple[int, int, int], path: Path) -> Value | None:
    try:
        config = configs.load(path)
    except (UserError, SpaceError):
        return None
    metrics, source = config.metrics, config.provenance
    if metrics is None or source is None or config.image != image:
        return None
    if source.data.get("source") != run.settings.data_spec().source:
        return None
    if (metrics.device, metrics.runtime) != (run.latency["device"], run.latency["runtime"]):
        return None
    return {
        "name": path.parent.name,
        "accuracy": metrics.accuracy,
        "standard_error": metrics.standard_error,
        "latency_ms": metrics.latency_ms,
        "p95_ms": metrics.p95_ms,
        "worst_ms": metrics.worst_ms,
        "exit_ms": list(metrics.exit_latency_ms),
        "macs": metrics.exit_macs[-1],
        "parameters": metrics.parameters,
        "epochs": (config.recipe or {}).get("epochs"),
        "run": source.run,
        "trial": source.trial,
    }
