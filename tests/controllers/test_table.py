"""The table: lazy, complete, and clear about what does not exist."""

import subprocess
import sys
from typing import Any

import pytest

import controllers
from tests.controllers.simulated import ToySpace


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("reinforc", {}, "no controller 'reinforc': did you mean 'reinforce'?"),
        ("gradient", {}, "it is one of random, tpe, nsga2, gp, local_search, evolution, "),
        ("random", {"population": 5}, "'random' has no option 'population': it takes no options"),
        ("nsga2", {"size": 5}, "has no option 'size': its options are population"),
        ("nsga2", {"population": 1}, "population 1: it must be a whole number from 2 up"),
        ("evolution", {"population": 1}, "population 1: it must be a whole number from 2 up"),
        ("surrogate", {"startup": 1}, "startup 1: it must be a whole number from 2 up"),
        ("tpe", {"startup": "many"}, "startup 'many': it must be a whole number from 0 up"),
        ("surrogate", {"seed": "a"}, "seed 'a': it must be a whole number"),
        ("reinforce", {"batch": 2.5}, "batch 2.5: it must be a whole number from 1 up"),
    ],
)
def test_mistakes_are_named_in_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(controllers.ControllerError) as mistake:
        controllers.make(name, **options)
    assert message in str(mistake.value)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize("name", controllers.names())
def test_a_controller_is_called_by_its_name(name: str) -> None:
    assert str(controllers.make(name, space=ToySpace(), cost=lambda _: 1.0, seed=1)) == name


def test_names_need_neither_optuna_nor_torch_and_optunas_own_need_no_torch() -> None:
    code = """
import sys, controllers
assert controllers.names()
assert not {"optuna", "torch"} & sys.modules.keys()
for name in ("random", "tpe", "nsga2"):
    controllers.make(name)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
