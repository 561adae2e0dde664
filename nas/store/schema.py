"""The tables of an Optuna study, as Optuna itself makes them."""

from typing import Final

import sqlalchemy as sql
from optuna.study import StudyDirection
from optuna.trial import TrialState

REVISION: Final = "v3.2.0.a"
"""What Optuna calls the form of its tables that is written and read here."""

_ALL = sql.MetaData()
FINITE, INFINITE, MINUS_INFINITE, NOT_A_NUMBER = "FINITE", "INF_POS", "INF_NEG", "NAN"


def _table(name: str, key: str, *columns: sql.Column[object]) -> sql.Table:
    return sql.Table(name, _ALL, sql.Column(key, sql.Integer, primary_key=True), *columns)


def _number(name: str) -> sql.Column[object]:
    return sql.Column(name, sql.Integer)


def _text(name: str) -> sql.Column[object]:
    return sql.Column(name, sql.Text)


def _kind(name: str, *kinds: str) -> sql.Column[object]:
    return sql.Column(f"{name}_type", sql.Enum(*kinds, name=f"trial{name}type".replace("_", "")))


STUDIES = _table("studies", "study_id", _text("study_name"))
DIRECTIONS = _table(
    "study_directions",
    "study_direction_id",
    sql.Column("direction", sql.Enum(StudyDirection, name="studydirection")),
    _number("study_id"),
    _number("objective"),
)
TRIALS = _table(
    "trials",
    "trial_id",
    _number("number"),
    _number("study_id"),
    sql.Column("state", sql.Enum(TrialState, name="trialstate")),
    sql.Column("datetime_start", sql.DateTime),
    sql.Column("datetime_complete", sql.DateTime),
)
PARAMETERS = _table(
    "trial_params",
    "param_id",
    _number("trial_id"),
    _text("param_name"),
    sql.Column("param_value", sql.Float(53)),
    _text("distribution_json"),
)
VALUES = _table(
    "trial_values",
    "trial_value_id",
    _number("trial_id"),
    _number("objective"),
    sql.Column("value", sql.Float(53)),
    _kind("value", FINITE, INFINITE, MINUS_INFINITE),
)
REPORTS = _table(
    "trial_intermediate_values",
    "trial_intermediate_value_id",
    _number("trial_id"),
    _number("step"),
    sql.Column("intermediate_value", sql.Float(53)),
    _kind("intermediate_value", FINITE, INFINITE, MINUS_INFINITE, NOT_A_NUMBER),
)
USER_ATTRIBUTES = _table(
    "trial_user_attributes",
    "trial_user_attribute_id",
    _number("trial_id"),
    _text("key"),
    _text("value_json"),
)
SYSTEM_ATTRIBUTES = _table(
    "trial_system_attributes",
    "trial_system_attribute_id",
    _number("trial_id"),
    _text("key"),
    _text("value_json"),
)
