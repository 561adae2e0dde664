"""Where the standard sets may lie on this machine. Nothing is ever downloaded."""

import os
from collections.abc import Sequence
from pathlib import Path

from nas.errors import UserError


def find(
    name: str,
    root: str | None,
    folders: Sequence[str],
    wanted: Sequence[str],
    system: Sequence[str],
    how: str,
) -> Path:
    """The first folder that has a file of `wanted`.

    folders: where in a root the set may lie ("" is the root itself); system: other full paths.
    A root the user gave is the only place searched.

    Raises:
        UserError: it is nowhere; names the places searched and `how` to get it.
    """
    places = _places(root, folders, system)
    for place in places:
        if any((place / file).is_file() for file in wanted):
            return place
    looked = ", ".join(str(place) for place in places)
    raise UserError(f"{name} not found: looked for {wanted[0]} in {looked}; {how}")


def _places(root: str | None, folders: Sequence[str], system: Sequence[str]) -> list[Path]:
    if root is not None:
        return [Path(root).expanduser() / folder for folder in folders]
    roots = [os.environ["NAS_DATA"]] if os.environ.get("NAS_DATA") else []
    roots.append("~/.cache/nas")
    inside = [Path(base).expanduser() / folder for base in roots for folder in folders]
    return inside + [Path(path) for path in system]
