import json

import pytest

from benchmarks.units import Unit, complete
from nas.errors import UserError


def _unit(name, done, settings=None, fails=False):
    def work(folder):
        if fails:
            raise KeyboardInterrupt
        done.append(name)
        (folder / f"{name}.npz").write_bytes(b"arrays")
        return {"length": len(name)}

    return Unit(name, settings or {"seed": (0, 1)}, work)


def test_a_unit_that_is_there_is_not_done_again(tmp_path):
    done = []
    with pytest.raises(KeyboardInterrupt):
        complete([_unit("one", done), _unit("second", done, fails=True)], tmp_path)
    assert done == ["one"]
    found = complete([_unit("one", done), _unit("second", done)], tmp_path)
    assert done == ["one", "second"]
    assert found == {"one": {"length": 3}, "second": {"length": 6}}
    assert complete([_unit("one", done), _unit("second", done)], tmp_path) == found
    assert len(done) == 2


def test_a_file_of_other_settings_is_refused(tmp_path):
    complete([_unit("one", [])], tmp_path)
    with pytest.raises(UserError, match=r"one\.json: made with other settings"):
        complete([_unit("one", [], {"seed": (0, 2)})], tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"settings": {}'])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(UserError, match=r"one\.json: damaged"):
        complete([_unit("one", [])], tmp_path)


def test_figures_that_are_no_numbers_are_not_written(tmp_path):
    unit = Unit("nan", {}, lambda folder: {"accuracy": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        complete([unit], tmp_path)
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == "[]"
