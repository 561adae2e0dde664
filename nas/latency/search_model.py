"""The latency model of a search: read from a file, kept in a cache, or fitted before the search."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency.errors import LatencyError
from nas.cache_folder import cache_folder
from nas.errors import UserError
from nas.progress import spoken

if TYPE_CHECKING:
    from latency.bench import Bench
    from latency.model.model import LatencyModel, Scope
    from latency.source import LatencySource
    from nas.settings import SearchSettings
    from search_spaces.space import SearchSpace

AUTO, NONE = "auto", "none"
FILE = "latency-model.json"
"""The copy in a run's folder: what a search begins with, it goes on with."""
FIRST = "latency-model-first.json"
"""What it was at the start: proposals are made by it, that they are the same when replayed."""
FIT_FROM = 100
"""Trials from which on a model is fitted unasked: for fewer, measuring each is less work."""

EVERY_S = 5.0
"""Seconds between two lines about a campaign."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """What networks are built for: the space, the image (channels, height, width), the classes."""

    space: "SearchSpace"
    image: tuple[int, int, int]
    classes: int

    def scope(self) -> "Scope":
        """Return it as a model has it."""
        from latency.model.model import Scope

        return Scope(self.space.name, self.image, self.classes)


def bench_of(source: "LatencySource") -> "Bench | None":
    """Return where a source measures; None of one that computes, or measures by itself."""
    bench: Bench | None = getattr(source, "bench", None)
    return bench


def find(
    settings: "SearchSettings",
    source: "LatencySource",
    shape: Shape,
    say: Tell,
    check: Callable[[], None],
) -> "LatencyModel | None":
    """Return the model that `settings.latency_model` asks for; None where each is measured.

    A file must be of the source's device. `check` is called while a model is fitted, to raise
    where the search is to stop. Raises LatencyError, and UserError for a file beside a source
    that measures nothing a model could predict.
    """
    bench, asked = bench_of(source), settings.latency_model
    if asked == NONE or (asked == AUTO and bench is None):
        return None
    if bench is None:
        raise UserError(
            f"latency_model {asked!r}: nothing is measured block by block with runtime "
            f"{source.name!r}; leave it out"
        )
    if asked != AUTO:
        return _from_file(Path(asked), bench, shape, say)
    cached = cache() / _name(bench, shape)
    model = _from_cache(cached, say)
    if model is None and settings.trials >= FIT_FROM:
        model = _fitted(bench, shape, settings.seed, say, check)
        _keep(model, cached, say)
    return model


def read(run: Path) -> "LatencyModel | None":
    """Return the model that a run in this folder goes on with. Raises LatencyError if damaged."""
    from latency.model import document

    path = run / FILE
    return document.load(path) if path.exists() else None


def read_first(run: Path) -> "LatencyModel | None":
    """Return the model that a run in this folder began with. Raises LatencyError if damaged."""
    from latency.model import document

    path = run / FIRST
    return document.load(path) if path.exists() else None


def first_bytes(run: Path) -> bytes:
    """Return the file of that model, of no bytes where there is none."""
    path = run / FIRST
    return path.read_bytes() if path.exists() else b""


def write(model: "LatencyModel", run: Path) -> None:
    """Copy the model into a run's folder. Raises OSError."""
    from latency.model import document

    document.save(model, run / FILE)


def write_first(model: "LatencyModel", run: Path) -> None:
    """Copy the model that a run begins with into its folder, for good. Raises OSError."""
    from latency.model import document

    document.save(model, run / FIRST)


def elsewhere(model: "LatencyModel", source: "LatencySource") -> str:
    """Return in words how the source's device differs from the model's; empty if it does not."""
    from latency.fingerprint import differences

    bench = bench_of(source)
    now: dict[str, Any] = {} if bench is None else bench.fingerprint()
    return ", ".join(differences(model.fingerprint, now))


def absolute(asked: str) -> str:
    """Return what was asked for so that it names the same file from any folder."""
    return asked if asked in (AUTO, NONE) else str(Path(asked).absolute())


def cache() -> Path:
    """Return the folder of fitted models."""
    return cache_folder("latency")


def _name(bench: "Bench", shape: Shape) -> str:
    """A file name that any other device, runtime, space, image or classes does not have."""
    facts = {"fingerprint": bench.fingerprint(), "scope": asdict(shape.scope())}
    digest = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return f"{digest[:32]}.json"


def _from_file(path: Path, bench: "Bench", shape: Shape, say: Tell) -> "LatencyModel":
    from latency.model import document

    model = document.load(path)
    document.refuse_other_device(model, bench, str(path))
    if model.scope != shape.scope():
        one, other = (
            f"{scope.space}, {'x'.join(map(str, scope.image))} and {scope.classes} classes"
            for scope in (model.scope, shape.scope())
        )
        say(f"{path} was fitted on {one}, this search is of {other}: many blocks will be guessed")
    say(_stated(model, f"latency model {path}"))
    return model


def _from_cache(path: Path, say: Tell) -> "LatencyModel | None":
    from latency.model import document

    if not path.exists():
        return None
    try:
        model = document.load(path)
    except LatencyError as error:
        say(f"a latency model is there and cannot be used: {error}")
        return None
    say(_stated(model, f"latency model of an earlier search ({path})"))
    return model


def _fitted(
    bench: "Bench", shape: Shape, seed: int, say: Tell, check: Callable[[], None]
) -> "LatencyModel":
    from latency.model import fitting

    say(
        f"fitting a latency model of {bench.name} on {bench.device}: {fitting.SAMPLES} networks "
        "and the blocks of as many more, about a minute on a computer; it is kept for later ones"
    )
    steps = Steps(say, check)
    model = fitting.fit(bench, shape.space, shape.image, shape.classes, seed=seed, say=steps).model
    say(_stated(model, "latency model"))
    return model


def _keep(model: "LatencyModel", path: Path, say: Tell) -> None:
    """Store a model for later searches; a folder that cannot be written stops none."""
    from latency.model import document

    if model.made.get("busy"):
        say("the latency model is not kept for later searches: the device was busy meanwhile")
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        document.save(model, path)
    except OSError as error:
        say(f"the latency model is not kept: {path} cannot be written ({error.strerror})")


def _stated(model: "LatencyModel", what: str) -> str:
    known, guessed = model.errors, model.errors_guessed
    return (
        f"{what}: off by {known.mape:.1%} on average where it knows all blocks, by "
        f"{guessed.mape:.1%} where it guesses new ones ({known.n} networks, each priced without "
        f"itself; noise {'unknown' if known.noise is None else format(known.noise, '.1%')})"
    )


class Steps:
    """Turns the steps of a campaign into lines, one in `EVERY_S` seconds, with what is left."""

    def __init__(
        self, say: Tell, check: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._check, self._clock = say, check, clock
        self._what, self._start, self._said = "", clock(), clock()

    def __call__(self, what: str, done: int, of: int) -> None:
        """Be told a step. Raises what `check` raises."""
        self._check()
        if what != self._what:
            self._what, self._start = what, self._clock()
            self._said = self._start  # what is over soon is worth no line
        if done and self._clock() - self._said >= EVERY_S:
            self._said = self._clock()
            left = (self._said - self._start) / done * (of - done)
            end = f", {spoken(left)} left" if done < of else ", until they agree" * (done > of)
            self._say(f"{what} {done}/{of}{end}")
