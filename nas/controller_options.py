"""The named options of a controller as they are typed: `screening=false,startup=20`."""

from collections.abc import Iterable, Mapping
from typing import Any

from nas.errors import UserError

Option = bool | int | float | str
TAKEN = ("space", "cost", "seed")
"""What a search gives its controller itself."""


def read(given: Any) -> dict[str, Any]:
    """Options from a mapping or from text; what they may be, their controller says.

    Raises UserError for text without `=` and for what a search gives itself.
    """
    return _own(dict(given)) if isinstance(given, Mapping) else pairs(str(given).split(","))


def pairs(words: Iterable[str]) -> dict[str, Option]:
    """Options from `name=value` each; later ones win. Raises UserError as `read` does."""
    found = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals):
            raise UserError(f"{word!r}: it must be NAME=VALUE, such as startup=20")
        found[name] = _value(value)
    return _own(found)


def _own(options: dict[str, Any]) -> dict[str, Any]:
    for name in TAKEN:
        if name in options:
            raise UserError(f"{name!r} is given by the search itself")
    return options


def _value(text: str) -> Option:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
