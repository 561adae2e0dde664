"""An installed package is imported by nobody who does not name what it declares."""

import sys
from pathlib import Path
from typing import Any

import pytest

from nas import plugins
from nas.cli.main import main
from tests.security import sleeper


def test_no_command_imports_a_package_that_it_does_not_name(watched: dict[str, Any]) -> None:
    assert not watched["woken"]
    assert "nas_sleeper" not in watched["modules"]
    assert "sleeper-space" in watched["said"]  # `nas spaces` has listed it


def test_a_package_is_imported_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sleeper.install(tmp_path / "site", tmp_path / "woken")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for group in ("search_spaces", "controllers", "runtimes"):
        assert any(name.startswith("sleeper-") for name in plugins.names(group))  # type: ignore[arg-type]
    assert main(["spaces"]) == 0
    assert "sleeper-space" in capsys.readouterr().out
    assert main(["search", "--space", "sleeper-spice"]) == 2
    assert not (tmp_path / "woken").exists()
    assert main(["spaces", "sleeper-space"]) == 2  # which is no space at all
    assert (tmp_path / "woken").exists()
    sys.modules.pop("nas_sleeper")
