"""20 architectures of every family with key, parameters and MACs, as they were when written.

A failure means that the same decisions build another network than before: raise the space's
``version``. Files are written by ``python tests/search_spaces/test_golden.py NAME...``, for new
families and after a version was raised.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas import plugins
from search_spaces.operators import costs
from search_spaces.space import SearchSpace

FOLDER = Path(__file__).with_name("golden")


def facts(space: SearchSpace, architecture: Any) -> list[Any]:
    cost = costs(space.blocks(architecture, (3, 32, 32), 10))
    return [architecture.key, cost.parameters, cost.macs[-1]]


@pytest.mark.parametrize("name", plugins.SPACES)
@pytest.mark.parametrize(
    "part", [slice(0, 8), pytest.param(slice(8, 20), marks=pytest.mark.slow)], ids=["8", "12-more"]
)
def test_golden_architectures_have_not_moved(name: str, part: slice) -> None:
    space = plugins.space(name)
    rows = json.loads((FOLDER / f"{name}.json").read_text())
    assert len(rows) == 20
    for row in rows[part]:
        architecture = space.from_json(row["architecture"])
        assert facts(space, architecture) == row["expected"]


def write(name: str) -> None:
    """Write the file of a family: 20 architectures drawn from a fixed seed."""
    space, rng = plugins.space(name), np.random.default_rng(2026)
    drawn = [space.sample(rng) for _ in range(20)]
    rows = [{"architecture": a.to_json(), "expected": facts(space, a)} for a in drawn]
    FOLDER.mkdir(exist_ok=True)
    text = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER / f"{name}.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        write(given)
