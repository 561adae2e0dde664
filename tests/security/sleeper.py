"""An installed package that says so when it is imported, which nobody has asked it to be."""

from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: nas-sleeper\nVersion: 1.0\n"
ENTRY_POINTS = """\
[nas.search_spaces]
sleeper-space = nas_sleeper:SPACE

[nas.controllers]
sleeper-controller = nas_sleeper:controller

[nas.runtimes]
sleeper-runtime = nas_sleeper:Runtime
"""


def install(folder: Path, marker: Path) -> None:
    """Put the package where `folder` is on the path of Python; its import makes `marker`."""
    info = folder / "nas_sleeper-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "nas_sleeper.py").write_text(
        f"from pathlib import Path\nPath({str(marker)!r}).touch()\nSPACE = object()\n"
    )
