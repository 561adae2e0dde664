"""The house as it is drawn: arrows point down, heavy parts are imported where needed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import nas

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "torchvision", "ray", "optuna", "pandas", "sklearn"}


def test_the_contracts_of_the_four_packages_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Contracts: \d+ kept, 0 broken", done.stdout)


@pytest.mark.parametrize(
    "statement",
    [
        "import nas",
        "import nas.cli.main",
        "import search_spaces.msd",
        "from nas.cli.main import main; assert main(['--help']) == 0",
        "from nas.cli.main import main; assert main(['search', '--help']) == 0",
        "from nas.cli.main import main; assert main(['spaces']) == 0",
        "from nas.cli.main import main; assert main(['spaces', 'msd', '--json']) == 0",
    ],
)
def test_what_must_be_light_imports_nothing_heavy(statement: str) -> None:
    code = f"{statement}\nimport sys; print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]


def test_no_module_hides_a_name_of_the_python_interface() -> None:
    code = """
import nas
from importlib import import_module
for name, module in nas._WHERE.items():
    import_module(module)
assert nas.__all__ == sorted(nas.__all__) == sorted(nas._WHERE)
assert all(callable(getattr(nas, name)) for name in nas.__all__)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_wrong_attributes_of_the_package_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sarch'"):
        nas.sarch  # noqa: B018
