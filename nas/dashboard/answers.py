"""What takes torch, data or seconds to answer, as plain functions of a run's folder.

They are called in a process of their own, see `workshop`; what they raise is passed on. The server
imports this file, but nothing that they need.
"""

from pathlib import Path
from typing import Any

from nas.dashboard.watch import Watch
from nas.errors import UserError
from nas.run import open_run


def ready() -> None:
    """Import what most of the others need."""
    from nas.dashboard import configs, detail, pictures

    assert configs and detail and pictures


def detail(path: Path, trial: int) -> dict[str, Any]:
    """One trial in full. Raises UserError or SpaceError."""
    from nas.dashboard import detail as details

    watch = _watch(path)
    record, latency = watch.record(trial)
    return details.of(watch.run, record, latency, *watch.run.shape())


def config(path: Path, trial: int, row: int | None) -> str:
    """The config of a trial under a policy, YAML. Raises UserError or SpaceError."""
    from nas.dashboard import configs

    watch = _watch(path)
    return configs.text(watch.run, watch.record(trial)[0], row)


def picture(path: Path, trial: int, row: int | None, leaving: int) -> bytes:
    """Images that leave at an exit (from 1) under a policy, PNG. Raises UserError or SpaceError."""
    from nas.dashboard import pictures

    watch = _watch(path)
    return pictures.leaving(watch.run, watch.record(trial)[0], row, leaving)


def importance(path: Path) -> dict[str, Any]:
    """Which decisions mattered. Raises UserError."""
    from nas.dashboard import importances

    return importances.of(open_run(path))


def published(path: Path) -> list[dict[str, Any]]:
    """What the published networks of a run's space cost; none where its images are not known."""
    from nas.dashboard.published import networks

    run = open_run(path)
    try:
        return networks(run.space(), *run.shape())
    except UserError:
        return []


def _watch(path: Path) -> Watch:
    run = open_run(path)
    return Watch(run, run.name)
