"""JSON objects of known keys, for the small frozen values that travel to workers."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from nas.errors import UserError


def checked(kind: type, data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The keyword arguments of dataclass `kind` in `data`; `what` names it in the message.

    Raises:
        UserError: `data` has a key that `kind` has not, or lacks one that has no default.
    """
    known = {field.name: field for field in fields(kind)}
    for key in data:
        if key not in known:
            raise UserError(f"{what}: unknown key {key!r}; keys are {', '.join(known)}")
    for name, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if name not in data and not optional:
            raise UserError(f"{what}: key {name!r} is missing")
    return dict(data)
