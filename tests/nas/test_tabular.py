"""Tables as search spaces: complete ones, sparse ones, and networks in several words."""

from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.tabular import CLAMP, Row, Table, TableSpace

CHOICES = np.array([[a, b] for a in (0, 1, 2) for b in (5, 7)], dtype=np.int8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "table.npz"
    np.savez(
        path,
        ops=CHOICES,
        accuracy=np.linspace(0.5, 0.9, 6),
        gaps=np.array([0.5, np.nan, 0.6, 0.7, 0.8, 0.9]),
        latency=np.array([1e-6, 1.0, 2.0, 3.0, 4.0, 5.0]),
        words=np.array(["a"] * 6),
    )
    return path


def test_columns_are_read_by_name(path: Path) -> None:
    table = Table(path)
    np.testing.assert_array_equal(table.choices("ops"), CHOICES)
    np.testing.assert_allclose(table.column("accuracy"), np.linspace(0.5, 0.9, 6))
    assert np.isnan(table.column("gaps", gaps=True)[1])
    assert table.latency("latency")[0] == pytest.approx(CLAMP * 2.5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda table: table.column("acc"), "has no array 'acc': it has accuracy, gaps, latency"),
        (lambda table: table.column("ops"), "ops is no column of numbers"),
        (lambda table: table.column("words"), "words is no column of numbers"),
        (lambda table: table.classes("ops"), "ops is no column of numbers"),
        (lambda table: table.classes("gaps"), "gaps is not finite in 1 rows"),
        (lambda table: table.column("gaps"), "gaps is not finite in 1 rows"),
        (lambda table: table.choices("accuracy"), "accuracy is no array of choices"),
    ],
)
def test_wrong_columns_are_named_in_one_line(path: Path, ask: object, message: str) -> None:
    assert callable(ask)
    with pytest.raises(UserError, match=message) as mistake:
        ask(Table(path))
    assert "\n" not in str(mistake.value)


def test_a_text_can_name_the_network_of_a_row(path: Path) -> None:
    assert Table(path).classes("words").tolist() == ["a"] * 6


@pytest.mark.parametrize("content", [b"no numpy", b"", b"PK\x03\x04cut", "array", None])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "table.npz"
    if content == "array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match="is no table"):
        Table(path)


def test_every_row_is_an_architecture_and_back() -> None:
    space = TableSpace(CHOICES)
    for number in range(6):
        assert space.architecture(space.parameters(Row(number))) == Row(number)
        assert space.encode(Row(number)).sum() == 2
        near = list(space.neighbours(Row(number)))
        assert len(near) == 3
        assert all((CHOICES[each.number] != CHOICES[number]).sum() == 1 for each in near)
    assert space.active(space.parameters(Row(0))) == {"choice0", "choice1"}


def test_rows_with_the_same_network_are_one() -> None:
    space = TableSpace(CHOICES, same=np.array([0, 1, 0, 2, 3, 3]))
    np.testing.assert_array_equal(space.canonical, [0, 1, 0, 3, 4, 4])
    assert space.architecture({"choice0": "1", "choice1": "5"}) == Row(0)
    assert Row(0) not in set(space.neighbours(Row(0)))
    rng = np.random.default_rng(0)
    assert all(space.mutate(Row(4), rng) != Row(4) for _ in range(30))


def test_choices_that_a_sparse_table_lacks_stand_for_the_nearest_row() -> None:
    space = TableSpace(np.array([["a", "x", "k"], ["b", "y", "k"], ["b", "y", "m"]]))
    assert space.architecture({"choice0": "b", "choice1": "x", "choice2": "m"}) == Row(2)
    assert space.architecture({"choice0": "a", "choice1": "x", "choice2": "m"}) == Row(0)
    found = {Row(0)}
    for _ in range(3):
        found |= {near for row in found for near in space.neighbours(row)}
    assert found == {Row(0), Row(1), Row(2)}
