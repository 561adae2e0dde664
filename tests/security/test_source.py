"""No line of ours can run what stands in a file that users exchange; exceptions say why."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("nas", "controllers", "latency", "search_spaces", "benchmarks", "docs", "tests")

LOADERS = {"load", "loads", "Unpickler"}
FORBIDDEN = {
    **dict.fromkeys(("pickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"), LOADERS),
    "joblib": {"load"},
    "yaml": {"load", "load_all", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"},
    "torch": {"load", "package", "hub"},
    "pd": {"read_pickle", "eval"},
    "pandas": {"read_pickle", "eval"},
    "np": {"load", "fromregex"},
    "numpy": {"load"},
    "os": {"system", "popen"},
    "shutil": {"unpack_archive"},
    "tempfile": {"mktemp"},
    "builtins": {"eval", "exec", "compile"},
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extractall", "extract"}  # of archives: names in them may lead out of the folder
SAFE = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
WORDS = {"weights_only": True, "allow_pickle": False, "shell": False}

ALLOWED = {
    ("latency/exchanged.py", "yaml.load"): "its loader is a SafeLoader that refuses more",
    ("nas/data/cifar_pickle.py", "pickle.Unpickler"): "it finds no names but those of arrays",
    ("nas/training/hook.py", "compile"): "the user's own loss, named on the command line",
    ("nas/training/hook.py", "exec"): "the user's own loss, named on the command line",
    ("tests/security/payloads.py", "allow_pickle=True"): "it writes a payload",
    ("tests/security/test_nothing_runs.py", "torch.load"): "it shows that a payload does run",
    ("tests/security/test_nothing_runs.py", "weights_only=False"): "it shows the same",
}
OF_TESTS = {"eval", "exec", "compile", "pickle.loads", "yaml.load", "np.load"}
"""What tests and programs of the documentation do with what they wrote themselves."""


def found(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of what a file does and should not."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module)) if module in FORBIDDEN:
                for alias in node.names:
                    if alias.name in FORBIDDEN[module]:
                        yield node.lineno, f"{module}.{alias.name}"
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if name in FORBIDDEN.get(
                owner, ()
            ):
                yield node.lineno, f"{owner}.{name}"
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
                yield node.lineno, f".{name}"
        if isinstance(node, ast.Call):
            for word in node.keywords:
                if word.arg in WORDS and not _is(word.value, WORDS[word.arg]):
                    yield node.lineno, f"{word.arg}={ast.unparse(word.value)}"


def unsafe(source: str) -> list[tuple[int, str]]:
    """The same without calls that are safe by what they are given."""
    safe = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            word = SAFE.get(name)
            if word and any(w.arg == word[0] and _is(w.value, word[1]) for w in node.keywords):
                safe.add((node.func.lineno, name))
    return sorted(set(found(source)) - safe)


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def files() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_there_are_files_to_look_at() -> None:
    assert len(files()) > 300


def test_nothing_in_the_source_can_run_what_a_file_says() -> None:
    seen = set()
    wrong = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        for line, what in unsafe(path.read_text(encoding="utf-8")):
            seen.add((name, what))
            own = name.startswith(("tests/", "docs/")) and what in OF_TESTS
            if (name, what) not in ALLOWED and not own:
                wrong.append(f"{name}:{line}: {what}")
    assert wrong == []
    assert set(ALLOWED) <= seen, "an exception that nothing needs any more"


@pytest.mark.parametrize(
    "line",
    [
        "import pickle; pickle.load(file)",
        "from pickle import loads",
        "import dill; dill.loads(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "read(path, weights_only=0)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "archive.extractall(folder)",
        "class Open(pickle.Unpickler): pass",
        "load = pickle.loads",
    ],
)
def test_what_would_run_is_found(line: str) -> None:
    assert unsafe(line)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "yaml.safe_dump(value)",
        "network.eval()",
        "re.compile(pattern)",
        "json.loads(text)",
        "pickle.dumps(value)",
    ],
)
def test_what_cannot_run_is_let_pass(line: str) -> None:
    assert not unsafe(line)
