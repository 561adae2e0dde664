"""YAML and JSON files that people write and exchange, read strictly.

What the parsers would let pass is refused: a key given twice (the last one would win), YAML
aliases (a few lines expand to gigabytes), tags, deep nesting, large files. Every refusal is a
LatencyError of one line that names the file.
"""

import json
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from latency.errors import LatencyError

SIZE_LIMIT = 256 * 1024  # bytes; a config with a thousand class names has a tenth of it
DEPTH_LIMIT = 20


def read_yaml(path: Path) -> Any:
    """Return the plain values in a YAML file. Raises LatencyError."""
    text = _text(path, SIZE_LIMIT)
    try:
        return yaml.load(text, Loader=_StrictLoader)  # a SafeLoader: builds plain values only
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise LatencyError(f"{path}: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an integer of 5,000 digits
        raise LatencyError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None


def read_json(path: Path, limit: int = SIZE_LIMIT) -> Any:
    """Return the value in a JSON file of at most ``limit`` bytes. Raises LatencyError."""
    text = _text(path, limit)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise LatencyError(f"{path}: the key {twice!r} is given twice")
        return mapping

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise LatencyError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise LatencyError(f"{path}: nested too deeply") from None
    except LatencyError:
        raise
    except ValueError as error:  # an integer of 5,000 digits
        raise LatencyError(f"{path}: not JSON ({error})") from None


def _text(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except FileNotFoundError:
        raise LatencyError(f"{path}: no such file") from None
    except OSError as error:
        raise LatencyError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > limit:
        raise LatencyError(f"{path}: larger than {limit // 1024} KiB, no file of its kind is")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LatencyError(f"{path}: is not text in UTF-8") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML of plain mappings, lists and scalars."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        ahead: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(ahead, yaml.AliasEvent):
            raise _refusal("aliases (*name) are not allowed", ahead)
        if self.depth == DEPTH_LIMIT:
            raise _refusal("nested too deeply", ahead)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _refusal("a key must be text (quote it)", key)
            if key.value in seen:
                raise _refusal(f"the key {key.value!r} is given twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# Without this a bare date would become a date object, which no setting is.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _refusal(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)
