"""Claim: the page of a search of 5,000 trials opens in 2 s and answers a slider in 200 ms.

Run: OMP_NUM_THREADS=1 python -m benchmarks.dashboard [--trials 5000 | --run PATH] [--times 5]
(the run is simulated, half an hour for 5,000 trials on one core; --run takes one that is there)

Starts ``nas dashboard`` and, once it has read all trials, opens the page in Chromium so many times:
from the opening of the address to the first picture of all points, and to the plot that answers
(Plotly's); from a step of the target's slider to the frame that shows it. Also: the largest memory
of the server (VmHWM) and the size of the report. Needs Chromium (``make system``) and the extra
``test``.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

COMMAND = [sys.executable, "-c", "import sys; from nas.cli.main import main; sys.exit(main())"]
LIMITS = {
    "first plot, s": 2.0,
    "plot that answers, s": math.inf,  # of which reading Plotly is a half
    "slider step, ms": 200.0,
    "server, MB": 500.0,
    "report, MB": 12.0,
}
STEPS = 20
_DRAWN = """new Promise((done) => {
  const look = () => {
    const div = document.getElementById('front-plot');
    if (div && div.on && div.data && div.data.some((trace) => (trace.x || []).length)) done();
    else requestAnimationFrame(look);
  };
  look();
})"""
_SEEN = "performance.getEntriesByName('preview').map((mark) => mark.startTime)"
_STEP = """(step) => new Promise((done) => {
  const slider = document.querySelector('#whatif input[name="target_range"]');
  const began = performance.now();
  slider.value = step;
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""


@contextmanager
def serving(run: Path) -> Iterator[tuple[str, int]]:
    """``nas dashboard``; its address and its process."""
    process = subprocess.Popen(
        [*COMMAND, "dashboard", str(run), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait()


def read(address: str, name: str) -> None:
    """Return when the server has read all trials of the run."""
    while True:
        with urllib.request.urlopen(f"{address}api/runs/{quote(name, safe='')}") as answer:
            reading = json.load(answer)["progress"]["reading"]
        if reading["total"] and reading["done"] == reading["total"]:
            return
        time.sleep(0.5)


def pages(address: str, times: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds to the first plot and to the one that answers, milliseconds of slider steps."""
    from playwright.sync_api import sync_playwright

    seen: list[float] = []
    opened: list[float] = []
    steps: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(times):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            began = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.evaluate(_DRAWN)
            opened.append(time.perf_counter() - began)
            seen += [each / 1000 for each in page.evaluate(_SEEN)] or opened[-1:]
            page.wait_for_timeout(1000)  # the page has come to rest
            for step in range(STEPS):
                steps.append(page.evaluate(_STEP, 300 + 20 * step))
            page.close()
        browser.close()
    return seen, opened, steps


def peak_mb(pid: int) -> float:
    """The largest memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def report_mb(run: Path) -> float:
    """The size of the run's report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        subprocess.run([*COMMAND, "report", str(run), "-o", str(path)], check=True)
        return path.stat().st_size / 1e6


def simulated(folder: Path, trials: int) -> Path:
    """A made-up run."""
    from tests.nas.simulated_search import drive, simulated_run

    run = simulated_run(folder, name="simulated", trials=trials)
    drive(run, failing=range(7, trials, 97))
    return run.path


def measured(run: Path, times: int) -> dict[str, float]:
    """All figures of a run, medians of the times."""
    with serving(run) as (address, pid):
        read(address, run.name)
        seen, opened, steps = pages(address, times)
        memory = peak_mb(pid)
    figures = (median(seen), median(opened), median(steps), memory, report_mb(run))
    return dict(zip(LIMITS, figures, strict=True))


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Print each figure beside its limit."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run = given.run.absolute() if given.run else simulated(Path(folder), given.trials)
        found = measured(run, given.times)
    for name, limit in LIMITS.items():
        verdict = "" if found[name] <= limit else "  over"
        print(f"{name:20} {found[name]:10.4g}   limit {limit:g}{verdict}")
    return found


if __name__ == "__main__":
    main()
