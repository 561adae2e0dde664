"""The networks that a search begins with: published ones, or those that the user names.

They are its first trials, in order, kept in the run's folder from the beginning, so that a resumed
search goes on with them even where the files that named them are gone.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import plugins
from nas.errors import UserError
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    from nas.latency.known import Sizes
    from search_spaces.architecture import Architecture
    from search_spaces.space import SearchSpace

FILE = "start.json"
SIZE_LIMIT = 4 * 2**20  # bytes; ten published networks have a hundredth of it
NONE, PUBLISHED = "none", "published"


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """A network to begin with; one that the user ``named`` is trained however slow it is."""

    name: str
    architecture: "Architecture"
    named: bool

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads back."""
        given = self.architecture.to_json()
        return {"name": self.name, "named": self.named, "architecture": given}


def from_json(data: dict[str, Any], space: "SearchSpace") -> StartingPoint:
    """Read a starting point of a space. Raises SpaceError, KeyError or TypeError."""
    return StartingPoint(data["name"], space.from_json(data["architecture"]), bool(data["named"]))


def find(start: str, space: "SearchSpace") -> tuple[StartingPoint, ...]:
    """Return the networks that ``--start`` means, in order, each network once.

    Raises UserError for a name that no published network and no file has, for a network of another
    space, and for a space without published networks; and what reading a file raises.
    """
    if start == NONE:
        return ()
    points: list[StartingPoint] = []
    for word in words(start):
        points += _published(space) if word == PUBLISHED else [_named(word, space)]
    found: dict[str, StartingPoint] = {}
    for point in points:
        found.setdefault(point.architecture.key, point)
    return tuple(found.values())


def buildable(
    points: Sequence[StartingPoint],
    space: "SearchSpace",
    image: tuple[int, int, int],
    classes: int,
    say: Callable[[str], None],
) -> tuple[StartingPoint, ...]:
    """Return the points that can be built for images of this shape; says which cannot and why.

    Raises UserError where none can.
    """
    from search_spaces.operators import costs

    kept = []
    for point in points:
        try:
            costs(space.blocks(point.architecture, image, classes))
        except (ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())
            say(f"start: {point.name} is left out, it cannot be built at {_by(image)}: {why}")
            continue
        kept.append(point)
    if points and not kept:
        raise UserError(f"start: none of the networks can be built for images of {_by(image)}")
    return tuple(kept)


def refuse_larger(points: Sequence[StartingPoint], sizes: "Sizes") -> None:
    """Raise UserError for a point that the user named and that is larger than the bounds allow."""
    for point in points:
        if point.named and (beyond := sizes.beyond(point.architecture)):
            raise UserError(f"start: {point.name} has {beyond}: raise the limit or leave it out")


def reach(points: Sequence[StartingPoint], trials: int) -> str:
    """Return how many of the points a search of so many trials begins with, as one line."""
    line = f"starting from {len(points)} networks"
    if len(points) > trials:
        line += f", the first {trials} of which will be tried"
    if not all(point.named for point in points):
        line += " (those beyond a limit are passed over)"
    return line


def words(start: str) -> list[str]:
    """Split comma-separated names and files. Raises UserError where one is empty."""
    found = [word.strip() for word in start.split(",")]
    if not all(found):
        raise UserError(f"start {start!r}: {PUBLISHED}, or names and config files joined by commas")
    return found


def absolute(start: str) -> str:
    """Return the same networks from any working directory."""
    if start == NONE:
        return start
    return ",".join(str(Path(w).absolute()) if _is_file(w) else w for w in words(start))


def dump(points: Sequence[StartingPoint]) -> bytes:
    """Return what ``load`` reads."""
    return json.dumps([point.to_json() for point in points], indent=2).encode() + b"\n"


def load(folder: Path, space: "SearchSpace") -> tuple[StartingPoint, ...]:
    """Return the starting points of a run.

    Raises UserError for a missing or damaged file, SpaceError for a network of another
    version of the space.
    """
    from latency.exchanged import read_json

    path = folder / FILE
    try:
        data = read_json(path, SIZE_LIMIT)
        return tuple(from_json(each, space) for each in data)
    except SpaceError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is missing or damaged ({error!r})") from None


def _published(space: "SearchSpace") -> list[StartingPoint]:
    if not space.published:
        raise UserError(f"start {PUBLISHED}: space {space.name} has no published networks")
    return [StartingPoint(name, a, named=False) for name, a in space.published.items()]


def _named(word: str, space: "SearchSpace") -> StartingPoint:
    if word in space.published:
        return StartingPoint(word, space.published[word], named=True)
    if not _is_file(word):
        raise plugins.unknown("starting point", word, (PUBLISHED, *space.published))
    from nas.config import load as load_config

    config = load_config(word)
    if config.space != space.name:
        raise UserError(f"start: {word} is of space {config.space}, the search of {space.name}")
    return StartingPoint(word, config.architecture(), named=True)


def _is_file(word: str) -> bool:
    from nas.documents import SUFFIXES

    return Path(word).suffix.lower() in SUFFIXES or Path(word).is_file()


def _by(image: tuple[int, int, int]) -> str:
    return "x".join(map(str, image))
