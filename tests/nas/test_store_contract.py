"""Our storage against Optuna's own tests of storages, and our reading and writing against its."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.store import kept, loading, quiet
from nas.store.opening import storage as ours
from nas.store.schema import REVISION
from tests.nas.many_workers import executed


class TestSqlite(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[BaseStorage]:
        made = ours(f"sqlite:///{tmp_path / 'study.db'}")
        yield made
        made.engine.dispose()


def test_the_tables_are_those_that_this_optuna_makes(tmp_path: Path) -> None:
    made = ours(f"sqlite:///{tmp_path / 'study.db'}")
    assert made.get_current_version() == made.get_head_version() == REVISION
    made.engine.dispose()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
ATTRIBUTES = st.dictionaries(st.text(max_size=8), JSON, max_size=3)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "op": CategoricalDistribution(["conv", None, "pool", True, 1.5]),
    "width": FloatDistribution(0.0, 1.0),
}


@st.composite
def trials(draw: st.DrawFn) -> FrozenTrial:
    state = draw(st.sampled_from([TrialState.RUNNING, *FINISHED]))
    trial = create_trial(
        state=state,
        values=draw(st.lists(FINITE, min_size=2, max_size=2))
        if state == TrialState.COMPLETE
        else None,
        params={
            "op": draw(st.sampled_from(["conv", None, True, 1.5])),
            "width": draw(st.floats(0, 1)),
        },
        distributions=DISTRIBUTIONS,
        user_attrs=draw(ATTRIBUTES),
        system_attrs=draw(ATTRIBUTES),
    )
    trial.datetime_start = draw(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)))
    return trial


FINISHED = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
BOTH = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]


def written(made: RDBStorage, given: list[FrozenTrial], by_optuna: bool) -> int:
    with quiet():
        study = made.create_new_study(BOTH)
    for number, trial in enumerate(given):
        trial.number = number
        if by_optuna:
            made.create_new_trial(study, trial)
        else:
            with made.engine.begin() as connection:
                kept.write(connection, study, trial)
    return study


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given=st.lists(trials(), max_size=4), by_optuna=st.booleans())
def test_both_read_what_either_writes(
    tmp_path: Path, given: list[FrozenTrial], by_optuna: bool
) -> None:
    made = ours(f"sqlite:///{tmp_path / 'study.db'}")
    try:
        study = written(made, given, by_optuna)
        theirs = made.get_all_trials(study)
        with made.engine.connect() as connection:
            mine = loading.trials(connection, study)
    finally:
        made.engine.dispose()
    assert [trial.__dict__ for trial in mine] == [trial.__dict__ for trial in theirs]
    for found, trial in zip(theirs, given, strict=True):
        assert found.params == trial.params
        assert [type(value) for value in found.params.values()] == [
            type(value) for value in trial.params.values()
        ]
        assert (found.state, found.values, found.user_attrs, found.system_attrs) == (
            (trial.state, trial.values, trial.user_attrs, trial.system_attrs)
        )


def test_reports_and_infinite_values_of_other_tools_are_read(tmp_path: Path) -> None:
    made = ours(f"sqlite:///{tmp_path / 'study.db'}")
    with quiet():
        study = optuna.create_study(storage=made)
        for value in (1.0, float("inf"), float("-inf")):
            trial = study.ask({"width": FloatDistribution(0, 1)})
            for step, report in enumerate((value, float("nan"), 0.25)):
                trial.report(report, step)
            study.tell(trial, value)
    theirs = made.get_all_trials(study._study_id)
    with closing(made.engine.connect()) as connection:
        mine = loading.trials(connection, study._study_id)
    made.engine.dispose()
    assert [trial.values for trial in mine] == [trial.values for trial in theirs]
    assert str([t.intermediate_values for t in mine]) == str(
        [t.intermediate_values for t in theirs]
    )


@pytest.mark.parametrize(
    ("processes", "waiting"), [(3, 30), pytest.param(8, 200, marks=pytest.mark.slow)]
)
def test_no_waiting_trial_is_given_to_two(tmp_path: Path, processes: int, waiting: int) -> None:
    taken = executed(f"sqlite:///{tmp_path / 'study.db'}", processes, waiting)
    assert sorted(taken) == list(range(waiting))
