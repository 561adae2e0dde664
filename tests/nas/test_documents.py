import pytest
from pydantic import BaseModel, ConfigDict

from latency.exchanged import DEPTH_LIMIT, SIZE_LIMIT
from nas.documents import read, validate
from nas.errors import UserError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    ratio: float = 1.0
    parts: list[Inner] = []
    inner: Inner | None = None


def _read(tmp_path, text, name="a.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def _refused(tmp_path, text, name="a.yaml"):
    with pytest.raises(UserError) as caught:
        _read(tmp_path, text, name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path / name}: ")


def test_yaml_and_json_are_read_alike(tmp_path):
    expected = {"name": "a", "ratio": 0.5, "list": [1, True, None], "map": {"x": "no"}}
    yaml = "name: a\nratio: 0.5\nlist: [1, true, null]\nmap: {x: 'no'}\n"
    json = '{"name": "a", "ratio": 0.5, "list": [1, true, null], "map": {"x": "no"}}'
    assert _read(tmp_path, yaml) == _read(tmp_path, json, "a.json") == expected
    assert _read(tmp_path, json) == expected


def test_a_date_stays_text(tmp_path):
    assert _read(tmp_path, "when: 2024-01-01") == {"when": "2024-01-01"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\n", "line 3: "),
        ("a: 1\n\tb: 2\n", "line 2: found character '\\t' that cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice"),
        ("a:\n  x: 1\n  x: 2\n", "line 3: the key 'x' is given twice"),
        ("a: &one [1]\nb: *one\n", "line 2: aliases (*name) are not allowed"),
        ("1: a\n", "line 1: a key must be text (quote it)"),
        ("? [1, 2]\n: a\n", "line 1: a key must be text (quote it)"),
        ("<<: {a: 1}\n", "line 1: a key must be text (quote it)"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: could not determine a constructor"),
        ("- 1\n- 2\n", "must hold a mapping of keys to values, not a list"),
        ("just words\n", "must hold a mapping of keys to values, not text"),
        ("", "must hold a mapping of keys to values, not nothing"),
        ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
        ("a: \x00\n", "not YAML"),
        (b"a: \xff\xfe\n", "is not text in UTF-8"),
        ("a: " + "9" * 5000, "not YAML"),
        ("a: " + "[" * 5000, "line 1: nested too deeply"),
        ("a: " + "x" * SIZE_LIMIT, "larger than 256 KiB"),
    ],
)
def test_what_yaml_would_let_pass_is_refused(tmp_path, text, said):
    assert _refused(tmp_path, text).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n "b" 2}', "line 2: not JSON (Expecting ':' delimiter)"),
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ('{"b": {"a": 1, "a": 2}}', "the key 'a' is given twice"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ("[1]", "must hold a mapping"),
    ],
)
def test_what_json_would_let_pass_is_refused(tmp_path, text, said):
    assert _refused(tmp_path, text, "a.json").startswith(said)


def test_depth_that_people_write_is_fine(tmp_path):
    depth = DEPTH_LIMIT - 2
    assert _read(tmp_path, "a: " + "[" * depth + "]" * depth)["a"] is not None


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: no such file$"):
        read(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)$"):
        read(tmp_path)


def test_what_fits_the_model_is_given_as_it():
    given = validate(Outer, {"name": "a", "ratio": 2, "parts": [{"depth": 1}]}, "a.yaml")
    assert given == Outer(name="a", ratio=2.0, parts=[Inner(depth=1)])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "a", "nmae": 1}, "unknown key 'nmae'; there are name, ratio, parts, inner"),
        ({"name": "a", "inner": {"depth": 1, "x": 2}}, "unknown key 'inner.x'; there are depth"),
        (
            {"name": "a", "parts": [{"depth": 1, "x": 2}]},
            "unknown key 'parts.0.x'; there are depth",
        ),
        ({}, "the key 'name' is missing"),
        ({"name": "a", "inner": {}}, "the key 'inner.depth' is missing"),
        ({"name": 1}, "name: input should be a valid string, not 1"),
        ({"name": "a", "ratio": "1e-3"}, "ratio: input should be a valid number, not '1e-3'"),
        ({"name": "a", "inner": {"depth": True}}, "inner.depth: input should be a valid integer, "),
        ({"name": "a", "ratio": float("nan")}, "nan and inf are no values here"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_exists(data, said):
    with pytest.raises(UserError) as caught:
        validate(Outer, data, "a.yaml")
    assert str(caught.value).startswith(f"a.yaml: {said}")
    assert "\n" not in str(caught.value)
