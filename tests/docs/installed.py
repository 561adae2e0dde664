"""The example packages of the documentation, as if they were installed."""

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def declare(package: str, to: Path) -> list[str]:
    """Write what pip would of a package's entry points; return the folders to put on the path."""
    project = tomllib.loads((EXAMPLES / package / "pyproject.toml").read_text())["project"]
    info = to / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {where}" for name, where in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return [str(to), str(EXAMPLES / package)]


@contextmanager
def installed(package: str, to: Path) -> Iterator[list[str]]:
    """Have a package installed in this process; gives the folders that are on the path for it."""
    folders, modules = declare(package, to), set(sys.modules)
    sys.path[:0] = folders
    try:
        yield folders
    finally:
        sys.path[:] = [folder for folder in sys.path if folder not in folders]
        for name in set(sys.modules) - modules:
            if str(EXAMPLES / package) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
