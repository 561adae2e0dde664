"""A run: the folder a search writes, and the only door to what it holds.

study.db      every trial (an Optuna study, unless the search names another storage)
search.yaml   all settings as resolved           latency.json   device, runtime, target, image
facts/        held-out answers of each trial     weights/       of the trials on the front
latency-model.json   what predicts latencies    front.json     the front measured at the end
start.json    the networks it begins with       (these three: where there are such)
live.json     what the driver says of the moment: it is there, what it trains, the losses so far
checkpoints/  trials under way, and those that were stopped early
judged.jsonl  what was derived of each training, so that resuming is quick; may be deleted
known.jsonl   what a controller was told of networks beforehand, for the same; may be deleted
driver.lock   held while a search drives the run
"""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from nas import atomic
from nas import settings as settings_file
from nas.errors import UserError
from nas.settings import SearchSettings

if TYPE_CHECKING:
    from latency.model.model import LatencyModel
    from nas.objective import Objective
    from nas.record import TrialRecord
    from nas.rewards import Reward
    from nas.starting import StartingPoint
    from search_spaces.space import SearchSpace

SETTINGS = "search.yaml"
LATENCY = "latency.json"
LOCK = "driver.lock"
_OURS = f"{SETTINGS} {LATENCY} {LOCK} study.db facts weights checkpoints judged.jsonl live.json"
_OURS += " front.json start.json known.jsonl"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One search and what came of it. `latency`: device, runtime, conditions, target_ms, found."""

    path: Path
    settings: SearchSettings
    latency: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def target_ms(self) -> float:
        """The latency the reward aims at."""
        return float(self.latency["target_ms"])

    @property
    def storage_url(self) -> str:
        """Where the study is, in SQLAlchemy's words."""
        return self.settings.storage or f"sqlite:///{self.path / 'study.db'}"

    def shape(self) -> tuple[tuple[int, int, int], int]:
        """Image (channels, height, width) and number of classes of its networks.

        Runs of before they were recorded are asked for their data. Raises UserError where those
        are no longer there.
        """
        if "image" in self.latency and "classes" in self.latency:
            channels, height, width = map(int, self.latency["image"])
            return (channels, height, width), int(self.latency["classes"])
        from nas.training.trial import cached

        dataset = cached(self.settings.data_spec())
        return dataset.image, len(dataset.classes)

    def space(self) -> "SearchSpace":
        """What was searched. Raises UserError if this installation does not have it."""
        from nas import plugins

        return plugins.space(self.settings.space)

    def starting_points(self) -> "tuple[StartingPoint, ...]":
        """The networks it begins with. Raises UserError if their file is missing or damaged."""
        from nas import starting

        none = self.settings.start == starting.NONE
        return () if none else starting.load(self.path, self.space())

    def reward(self) -> "Reward":
        """The reward of this run at its target."""
        return reward(self.settings, self.target_ms)

    def objective(self) -> "Objective":
        """What the run optimises."""
        from nas.objective import Objective

        return Objective.parse(self.settings.objective, self.reward(), self.settings.risk)

    def records(self) -> "list[TrialRecord]":
        """All trials as they are recorded now, in order. Raises UserError if a file is damaged."""
        from nas import records

        return records.read(self)

    def facts_path(self, trial: int) -> Path:
        """Where the held-out answers of a trial are."""
        return self.path / "facts" / f"{trial:05d}.npz"

    def weights_path(self, trial: int) -> Path:
        """Where the weights of a trial are while it is on the front."""
        return self.path / "weights" / f"{trial:05d}.safetensors"

    @contextlib.contextmanager
    def driving(self) -> Iterator[None]:
        """Holds the run for one driver; a second one gets a UserError that names the first.

        The kernel lets go of the lock when its holder dies, however it dies.
        """
        with self._lock() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise UserError(f"run {self.name} is being driven by {holder}") from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def _lock(self) -> TextIO:
        with writing(self.path):
            return (self.path / LOCK).open("a+", encoding="utf-8")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """A disk that is full or a folder that is read-only, as one line. Raises UserError."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise UserError(f"{where} cannot be written ({error.strerror or error})") from None
    except StorageInternalError as error:
        why = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"the trials of {path} cannot be written ({why})") from None


def reward(settings: SearchSettings, target_ms: float) -> "Reward":
    """The reward that settings ask for, at a target latency in milliseconds."""
    from nas.rewards import Reward

    return Reward.hard(target_ms) if settings.hard else Reward.soft(target_ms, settings.soft_w)


def create(
    settings: SearchSettings,
    latency: dict[str, Any],
    starts: "Sequence[StartingPoint]" = (),
    model: "LatencyModel | None" = None,
) -> Run:
    """Makes the folder of a new run. Raises UserError if one of this name is there."""
    from nas import starting
    from nas.latency import search_model

    name = settings.name or free_name(settings)
    refuse_existing(settings.out, name)
    path = Path(settings.out) / name
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in ("facts", "weights"):
            (path / folder).mkdir()
    except FileExistsError:
        raise UserError(f"{path} is not a new folder; choose another --name") from None
    except OSError as error:
        raise UserError(f"{path} cannot be made ({error.strerror})") from None
    run = Run(path.absolute(), settings.model_copy(update={"name": name}), latency)
    with writing(path):
        atomic.write(path / LATENCY, json.dumps(latency, indent=2, allow_nan=False).encode())
        if starts:
            atomic.write(path / starting.FILE, starting.dump(starts))
        if model is not None:
            search_model.write(model, path)
            search_model.write_first(model, path)
        save_settings(run)
    return run


def save_settings(run: Run) -> None:
    """Writes `search.yaml`; a storage address may hold a password, so only its owner reads it."""
    mode = 0o600 if run.settings.storage else 0o644
    atomic.write(run.path / SETTINGS, run.settings.to_yaml().encode(), mode)


def refuse_existing(out: str, name: str) -> None:
    """Raises UserError if there is a run, or anything else, of this name."""
    path = Path(out) / name
    if (path / SETTINGS).exists():
        raise UserError(f"run {path} exists; go on with 'nas resume {name}' or choose another name")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} exists and is not a run; choose another name")


def free_name(settings: SearchSettings) -> str:
    """`SPACE-DATA-CONTROLLER`, with a number behind it from the second run on."""
    stem = f"{settings.space}-{Path(settings.data).stem or 'data'}-{settings.controller}"
    return numbered(settings.out, stem)


def numbered(out: str | Path, stem: str) -> str:
    """A name that nothing under `out` has: `stem` in plain letters, a number behind it if taken."""
    base = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in stem)
    count = 1
    while (Path(out) / (name := base[:56] + (f"-{count}" if count > 1 else ""))).exists():
        count += 1
    return name


def open_run(path: str | Path, out: str | Path = "results") -> Run:
    """The run at a path, or of a name under `out`. Raises UserError if there is none."""
    tried = (Path(path), Path(out) / path)
    for folder in tried:
        if (folder / SETTINGS).is_file():
            return _read(folder.absolute())
    raise UserError(f"no run {str(path)!r} (no {SETTINGS} in {tried[0]} or {tried[1]})")


def runs(out: str | Path = "results") -> list[Run]:
    """All runs under a folder, by name."""
    return [_read(found.parent.absolute()) for found in sorted(Path(out).glob(f"*/{SETTINGS}"))]


def _read(path: Path) -> Run:
    from latency.exchanged import read_json

    _refuse_links(path)
    options = settings_file.load(path / SETTINGS)
    settings = settings_file.parse(options, str(path / SETTINGS))
    try:
        latency = read_json(path / LATENCY)
        run = Run(path, settings, latency)
        assert run.target_ms > 0
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise UserError(f"{path / LATENCY} is missing or damaged ({error!r})") from None
    return run


def _refuse_links(path: Path) -> None:
    """Raises UserError for a link where a search reads and writes: the run may be another's."""
    for name in _OURS.split():
        if (path / name).is_symlink():
            raise UserError(f"{path / name} is a link; the files of a run lie in its own folder")
