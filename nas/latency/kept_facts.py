"""What is known of the networks of a run before training, kept for who goes on with it.

Working it out anew takes minutes for thousands of networks. The file may be missing, torn or of
another kind: what it lacks is worked out again.
"""

import contextlib
import json
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import atomic

if TYPE_CHECKING:
    from nas.latency.known import Facts

FILE = "known.jsonl"


class KeptFacts:
    """One line for each network, under a line that says what all of them depend on."""

    def __init__(self, path: Path, of: str) -> None:
        """of: text that differs where the facts of a network may differ."""
        self._path = path
        head = json.dumps(of)
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            lines = []
        found = [line for line in lines[1:-1] if _parsed(line)] if lines[:1] == [head] else []
        self._writable = lines == [head, *found, ""]
        if not self._writable:
            with contextlib.suppress(OSError):
                text = "".join(f"{line}\n" for line in (head, *found))
                atomic.write(path, text.encode(), durable=False)
                self._writable = True
        self._facts = dict(each for each in map(_parsed, found) if each is not None)

    def get(self, key: str) -> "Facts | None":
        """Return the facts of a network, if they are kept."""
        return self._facts.get(key)

    def add(self, key: str, facts: "Facts") -> None:
        """Keep the facts of a network."""
        if key in self._facts or not self._writable:
            return
        self._facts[key] = facts
        line = json.dumps([key, *astuple(facts)])  # NaN of what is not known among it
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _parsed(line: str) -> "tuple[str, Facts] | None":
    """The network of a line and its facts; None where the line is torn."""
    from nas.latency.known import Facts

    try:
        key, exits_ms, last_ms, macs, parameters = json.loads(line)
        numbers: list[Any] = [*exits_ms, last_ms, *macs, parameters]
        if not (isinstance(key, str) and macs) or not all(
            isinstance(n, int | float) for n in numbers
        ):
            return None
        return key, Facts(tuple(exits_ms), last_ms, tuple(macs), parameters)
    except (ValueError, TypeError):
        return None
