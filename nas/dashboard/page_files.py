"""The files that the page is made of, and the page in one file."""

import base64
import gzip
import hashlib
from pathlib import Path

import plotly

FOLDER = Path(__file__).parent / "page"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
FIRST = ("text.js", "model.js", "state.js", "source.js")
PREVIEW = "preview.js"
"""Of the server's page alone: a first picture of the data, while the browser reads Plotly."""

SCRIPTS = (
    "address.js",
    "plot.js",
    "canvas.js",
    "contours.js",
    "whatif.js",
    "marks.js",
    "front_table.js",
    "tip.js",
    "front.js",
    "progress.js",
    "details.js",
    "looks.js",
    "drawing.js",
    "zoom.js",
    "facts.js",
    "architecture.js",
    "compare.js",
    "curves.js",
    "leaving.js",
    "exits.js",
    "mattered.js",
    "trials.js",
    "zip.js",
    "rows.js",
    "commands.js",
    "exporting.js",
    "app.js",
)
"""In the order in which they are run; each adds to the one global, ``NAS``. Views make the tabs."""

_MARK = "<!-- scripts -->"
_BEGIN, _END = '<link rel="stylesheet"', "</head>"


def index() -> str:
    """The page that loads its parts from the server: `first`, which then asks for the others."""
    return _read("index.html").replace(_MARK, '<script src="/page/first.js"></script>')


def first() -> str:
    """The scripts that need no Plotly, as one."""
    return "\n".join(map(_read, (*FIRST, PREVIEW)))


def rest() -> str:
    """The scripts that need it, as one."""
    return "\n".join(map(_read, SCRIPTS))


def whole(data: bytes) -> str:
    """The page with all its parts and `data` (JSON) inside; it loads nothing.

    The data are packed by gzip, a fifth of their size, in letters that cannot end an element. The
    policy names each script by its hash, so that none but these can run, and forbids every
    connection.
    """
    packed = base64.b64encode(gzip.compress(data, mtime=0)).decode()
    scripts = [*map(_read, FIRST), PLOTLY.read_text(encoding="utf-8"), *map(_read, SCRIPTS)]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    inlined = "\n".join(f"<script>{script}</script>" for script in scripts)
    page = _read("index.html")
    links = page[page.index(_BEGIN) : page.index(_END)]
    value = f'<script type="application/gzip" id="nas-data">{packed}</script>'
    return page.replace(links, f"{head}\n<style>{_read('style.css')}</style>\n").replace(
        _MARK, f"{value}\n{inlined}"
    )


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
