"""A real browser on a real server; whatever the page asks for or complains of is written down."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COMMAND = [sys.executable, "-c", "import sys; from nas.cli.main import main; sys.exit(main())"]
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def nas(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as a user types it."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment(), check=False
    )


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """``nas dashboard`` with these arguments; its address."""
    process = subprocess.Popen(
        [*COMMAND, "dashboard", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate()
        yield address
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "Traceback" not in said, said


Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def served(page: Page) -> Serve:
    """Serves a run, or a folder of runs: ``with served(path) as address``."""

    @contextmanager
    def serve(path: Path) -> Iterator[str]:
        is_run = (path / "search.yaml").exists()
        with serving(*([str(path)] if is_run else ["--out", str(path)])) as address:
            yield address
            page.goto("about:blank")  # a page that is left open complains when the server ends

    return serve


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "no Chromium found: install it with 'make system'"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield opened
        opened.close()


@dataclass
class Witness:
    """What a page did that a reader of its code would not see."""

    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.said.append(f"page error: {error}"))
        page.on("dialog", self._dialog)

    def swear(self) -> None:
        """All requests stayed here, and nothing went wrong."""
        foreign = [url for url in self.asked if not _local(url)]
        assert foreign == []
        assert self.said == []
        assert self.dialogs == []

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text} {message.location}")

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


def _local(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme in ("data", "blob", "file", "about"):
        return True
    return parts.scheme == "http" and parts.hostname == "127.0.0.1"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(accept_downloads=True, viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page; at its end nothing foreign was asked for, and nothing was complained of."""
    opened, witness = context.new_page(), Witness()
    witness.watch(opened)
    yield opened
    opened.close()
    witness.swear()
