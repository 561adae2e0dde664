"""What a page must know of a run before its trials: settings, decisions, target, references."""

from pathlib import Path
from shlex import quote
from typing import Any

from nas.run import LATENCY, SETTINGS, Run
from search_spaces.architecture import Decision
from search_spaces.space import SearchSpace

_DEFAULT_OUT = Path("results")


def of(run: Run, name: str, space: SearchSpace) -> dict[str, Any]:
    """The head of a run under the name that the page knows it by; quick, from its settings."""
    settings, objective = run.settings, run.objective()
    reward = objective.reward
    return {
        "id": name,
        "name": run.name,
        "space": settings.space,
        "space_version": space.version,
        "controller": settings.controller,
        "objective": str(objective),
        "plane": list(objective.plane),
        "target_ms": run.target_ms,
        "alpha": reward.alpha if reward else None,
        "beta": reward.beta if reward else None,
        "risk": settings.risk,
        "found": run.latency.get("found"),
        "device": run.latency["device"],
        "runtime": run.latency["runtime"],
        "conditions": run.latency.get("conditions"),
        "data": settings.data,
        "image": run.latency.get("image"),
        "classes": run.latency.get("classes"),
        "held_out": None,
        "trials_asked": settings.trials,
        "epochs": settings.epochs,
        "seed": settings.seed,
        "made": (run.path / LATENCY).stat().st_mtime,
        "changed": (run.path / SETTINGS).stat().st_mtime,
        "out": out_option(run.path),
        "decisions": [_decision(each) for each in space.decisions],
        "published": [],
        "trainings": [],
    }


def out_option(path: Path) -> str:
    """What a command needs to find the run from here: nothing, or ` --out DIR`."""
    folder = path.parent
    return "" if folder == _DEFAULT_OUT.absolute() else f" --out {quote(str(folder))}"


def _decision(decision: Decision) -> dict[str, Any]:
    condition = decision.condition
    return {
        "name": decision.name,
        "about": decision.about,
        "options": list(decision.options),
        "condition": condition
        and {"decision": condition.decision, "options": list(condition.options)},
    }
