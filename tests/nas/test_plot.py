from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nas import plot, plugins
from nas.errors import UserError
from nas.objective import Objective
from nas.run import Run
from tests.nas.small_msd import WHERE
from tests.nas.table_search import Table, loop_of, made_run, small  # noqa: F401


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A finished search, which drawing leaves as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", WHERE)
        made = made_run(tmp_path_factory.mktemp("run"), trials=6, controller="random")
        loop_of(made).go(Table())
        yield made


def test_the_front_is_drawn(run: Run, tmp_path: Path) -> None:
    png, svg = tmp_path / "front.png", tmp_path / "front.svg"
    for path in (png, svg):
        plot.front(run, run.objective(), path)
    with Image.open(png) as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(maxcolors=100_000)) > 10
    assert "<svg" in svg.read_text()
    assert "dc:date" not in svg.read_text()


def test_what_cannot_be_drawn_is_said_and_nothing_is_left(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "front.bmp", tmp_path / "none" / "front.png"):
        with pytest.raises(UserError, match="cannot draw"):
            plot.front(run, run.objective(), path)
        assert not path.exists()
    folder = tmp_path / "folder.svg"
    folder.mkdir()
    for path in (folder, Path("/proc/front.svg")):
        with pytest.raises(UserError, match="cannot draw") as caught:
            plot.front(run, run.objective(), path)
        assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []
    assert list(tmp_path.glob(".*")) == []
    empty = made_run(tmp_path / "empty", trials=1)
    loop_of(empty)
    with pytest.raises(UserError, match="no finished trial"):
        plot.front(empty, empty.objective(), tmp_path / "front.png")


def test_the_picture_is_of_accuracy_and_latency_whatever_was_optimised(
    run: Run, tmp_path: Path
) -> None:
    pictures = []
    for number, objective in enumerate(("pareto", "pareto:accuracy,parameters")):
        path = tmp_path / f"{number}.png"
        plot.front(run, Objective.parse(objective, run.reward()), path)
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1]
