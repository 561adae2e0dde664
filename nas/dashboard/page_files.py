"""The files that the page is made of."""

from pathlib import Path

import plotly

FOLDER = Path(__file__).parent / "page"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

SCRIPTS = (
    "text.js",
    "model.js",
    "state.js",
    "source.js",
    "plot.js",
    "canvas.js",
    "front.js",
    "whatif.js",
    "progress.js",
    "trials.js",
    "drawing.js",
    "architecture.js",
    "compare.js",
    "exits.js",
    "mattered.js",
    "zip.js",
    "exporting.js",
    "app.js",
)
"""In the order in which they are run; each adds to the one global, ``NAS``."""
