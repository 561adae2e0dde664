"""How ``nas latency`` shows progress, shares and help."""

import subprocess
import sys

import pytest

from nas.cli.latency.explain import bar
from nas.cli.latency.progress import Told
from nas.cli.main import main
from nas.progress import Moment


class Heard:
    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def say(self, line: str) -> None: ...

    def show(self, status: Moment) -> None:
        self.lines.append((status.done, str(status)))

    def close(self) -> None: ...


def test_progress_is_a_line_at_every_fifth_and_says_how_long_it_takes() -> None:
    heard, now = Heard(), iter(range(1000))
    told = Told(heard, lambda: float(next(now)))
    for done in range(1, 101):
        told("preparing", done, 100)
    for done in range(1, 15):
        told("rounds", done, 12)
    marks = [done for done, _ in heard.lines]
    assert marks == sorted(marks)
    assert marks[99] == 5
    assert marks[-1] == 10
    assert heard.lines[49] == (2, "preparing 50/100 · 50 s left")
    assert heard.lines[99][1] == "preparing 100/100"
    assert heard.lines[-1][1] == "rounds 14, more than 12 until they agree"


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (-1, ""), (1, 30 * "█"), (0.5, 15 * "█"), (1 / 60, "▌")]
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share) == drawn


def test_latency_alone_is_help_and_imports_nothing_slow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["latency"]) == 0
    assert "explain" in capsys.readouterr().out
    code = (
        "import sys; from nas.cli.main import main; main(['latency', 'fit', '--help'])\n"
        "slow = {'torch', 'ray', 'optuna', 'pandas', 'numpy', 'scipy', 'matplotlib'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
