from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from controllers.record import ASKED_AFTER, TOLD
from nas.errors import UserError
from nas.store import FACTS, Store, holds, read, without_password

DISTRIBUTIONS = {
    "op": CategoricalDistribution(["conv", "pool", None]),
    "width": CategoricalDistribution([0.5, 1, True]),
}


def opened(tmp_path: Path, directions: tuple[str, ...] = ("maximize",)) -> Store:
    return Store(f"sqlite:///{tmp_path / 'study.db'}", "run", directions)


def kept(tmp_path: Path) -> list[optuna.trial.FrozenTrial]:
    return read(f"sqlite:///{tmp_path / 'study.db'}", "run")


def sampler(seed: int = 0) -> BaseSampler:
    return RandomSampler(seed=seed)


def test_a_proposal_is_in_the_database_before_it_is_given_out(tmp_path: Path) -> None:
    store = opened(tmp_path)
    proposal = store.ask(sampler(), DISTRIBUTIONS)
    (row,) = kept(tmp_path)
    assert row.state == TrialState.RUNNING
    assert (row.number, row.params, row.distributions) == (0, proposal.params, DISTRIBUTIONS)
    assert row.system_attrs[ASKED_AFTER] == 0


def test_outcomes_are_numbered_in_the_order_they_are_told(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(3):
        store.ask(sampler(), DISTRIBUTIONS)
    store.complete(2, {"key": "c"}, [0.5], {})
    store.fail(0, {"error": "lost"}, "exception")
    store.ask(sampler(), DISTRIBUTIONS)
    rows = kept(tmp_path)
    assert [row.state.name for row in rows] == ["FAIL", "RUNNING", "COMPLETE", "RUNNING"]
    assert [row.system_attrs.get(TOLD) for row in rows] == [2, None, 1, None]
    assert [row.system_attrs[ASKED_AFTER] for row in rows] == [0, 0, 0, 2]
    assert rows[2].values == [0.5]
    assert rows[0].user_attrs[FACTS] == {"error": "lost"}
    assert store.told == 2


def test_constraints_are_those_of_the_study(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(3):
        store.ask(sampler(), DISTRIBUTIONS)
    store.complete(0, {}, [0.9], {"macs": 0.2, "parameters": -0.5})  # named, and so trained
    store.complete(1, {}, [0.5], {"macs": -0.1, "parameters": 0.0})
    store.prune(2, {}, {"macs": 3.0, "parameters": -0.5})
    for trials in (store.trials, kept(tmp_path)):
        assert [trial.constraints["macs"] for trial in trials] == [0.2, -0.1, 3.0]
        assert [trial.constraints["parameters"] for trial in trials] == [-0.5, 0.0, -0.5]
    assert store.study.best_trial.number == 1  # Optuna's own: of those within the bounds


def test_a_store_opened_again_is_the_same(tmp_path: Path) -> None:
    store = opened(tmp_path, ("maximize", "minimize"))
    for value in range(3):
        store.complete(store.ask(sampler(value), DISTRIBUTIONS).number, {}, [value, -value], {})
    store.ask(sampler(), DISTRIBUTIONS)
    again = opened(tmp_path, ("maximize", "minimize"))
    for old, new in zip(store.trials, again.trials, strict=True):
        assert (old.number, old.state, old.values) == (new.number, new.state, new.values)
        assert (old.params, old.system_attrs) == (new.params, new.system_attrs)
    assert again.told == 3
    assert again.study.directions == store.study.directions


def test_memory_and_database_give_the_same_numbers(tmp_path: Path) -> None:
    opened(tmp_path).ask(sampler(), DISTRIBUTIONS)
    again = opened(tmp_path)
    assert again.ask(sampler(), DISTRIBUTIONS).number == 1
    assert [row.number for row in kept(tmp_path)] == [0, 1]


def test_studies_share_a_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    opened(tmp_path).ask(sampler(), DISTRIBUTIONS)
    other = Store(url, "other", ["minimize"])
    assert other.ask(sampler(), DISTRIBUTIONS).number == 0
    assert len(read(url, "run")) == len(read(url, "other")) == 1
    assert holds(url, "other")
    assert not holds(url, "third")


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"\0" * 4096])
def test_a_damaged_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"study.db is damaged .*: nas repair RUN$"):
        opened(tmp_path)
    with pytest.raises(UserError, match=r"study.db is damaged .*: nas repair RUN$"):
        kept(tmp_path)
    assert path.read_bytes() == content


def test_reading_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        kept(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_optuna_says_nothing_and_keeps_its_verbosity(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = optuna.logging.get_verbosity()
    store = opened(tmp_path)
    store.complete(store.ask(sampler(), DISTRIBUTIONS).number, {}, [1.0], {})
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:p@ss@host/nas", "postgresql://me@host/nas"),
        ("postgresql://host/nas", "postgresql://host/nas"),
        (
            "postgresql:///nas?host=/run&password=p@ss&user=me&sslpassword=secret",
            "postgresql:///nas?host=/run&password=...&user=me&sslpassword=...",
        ),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_storage_that_cannot_be_opened_is_one_line_without_password(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be opened") as caught:
        Store(f"nosuchdb://me:secret@{tmp_path}/x", "run", ["maximize"])
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_without_its_driver_is_one_line() -> None:
    with pytest.raises(UserError, match=r"driver is not installed .*'nas-platform\[postgres\]'"):
        Store("postgresql+pg8000://me:secret@host/nas", "run", ["maximize"])


def test_a_database_without_tables_is_one_line(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("CREATE TABLE other (x)")
    with pytest.raises(UserError, match=r"study\.db holds no study; name the database"):
        kept(tmp_path)
