"""A set of four times the memory: trained on within it, with the same result."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nas import bounded_training

MEMORY = 480_000_000  # bytes; torch and the interpreter take more than half of them
IMAGES, SIDE = 156_300, 64


def trained(path: Path, limit: int, cache: Path) -> tuple[str, bool, int]:
    where = {**os.environ, "NAS_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.nas.bounded_training", str(path), str(limit)],
        env=where | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    learnt, mapped, peak = done.stdout.split()
    return learnt, mapped == "True", int(peak)


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A folder for gigabytes: it does not outlive the test, as others of pytest's do."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
def test_a_set_of_four_times_the_memory_trains_within_it_with_the_same_result(
    large: Path,
) -> None:
    path = large / "images.npz"
    assert bounded_training.write(path, IMAGES, SIDE) >= 4 * MEMORY
    learnt, mapped, peak = trained(path, MEMORY, large / "cache")
    assert mapped and peak < MEMORY
    unbounded, mapped, peak = trained(path, 0, large / "unused")
    assert not mapped and peak > 4 * MEMORY
    assert learnt == unbounded
