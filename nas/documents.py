"""YAML and JSON files that people write and exchange, read strictly.

What the parsers would let pass is refused: a key given twice (the last one would win), YAML
aliases (a few lines expand to gigabytes), tags, deep nesting, large files, NaN. Every refusal is
a UserError of one line that names the file.
"""

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from nas.errors import UserError

SUFFIXES = (".yaml", ".yml", ".json")
SIZE_LIMIT = 256 * 1024  # bytes; a config with a thousand class names has a tenth of it
DEPTH_LIMIT = 20

Model = TypeVar("Model", bound=BaseModel)


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML or (by its name) JSON file. Raises UserError."""
    text = _text(path)
    data = _json(text, path) if path.suffix.lower() == ".json" else _yaml(text, path)
    if not isinstance(data, dict):
        raise UserError(f"{path}: must hold a mapping of keys to values, not {_kind(data)}")
    return data


def validate(model: type[Model], data: dict[str, Any], source: str) -> Model:
    """Return the data as a strict `model`. Raises UserError, one line that names `source`."""
    try:
        text = json.dumps(data, allow_nan=False)
    except ValueError:
        raise UserError(f"{source}: nan and inf are no values here") from None
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(f"{source}: {one_line(model, error)}") from None


def one_line(model: type[BaseModel], error: ValidationError) -> str:
    """Put the first mistake in words: where it is, what stands there, what would be right."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_fields(model, first["loc"][:-1]))
        return f"unknown key {where!r}; there are {known}"
    if first["type"] == "missing":
        kind = "value" if isinstance(first["loc"][-1], int) else "key"
        return f"the {kind} {where!r} is missing"
    if first["type"] == "value_error":  # ours: it says itself what is wrong
        message = first["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    message = first["msg"]
    given = repr(first["input"])
    return f"{where}: {message[0].lower()}{message[1:]}, not {given[:60]}"


def _fields(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """List the keys of the model found by walking `loc` from `model`."""
    for part in loc:
        field = model.model_fields.get(str(part))
        kinds = () if field is None else (field.annotation, *_arguments(field.annotation))
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if inner:
            model = inner[0]
    return list(model.model_fields)


def _arguments(annotation: Any) -> tuple[Any, ...]:
    return tuple(getattr(annotation, "__args__", ()))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > SIZE_LIMIT:
        raise UserError(f"{path}: larger than {SIZE_LIMIT // 1024} KiB, no config is")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text in UTF-8") from None


def _json(text: str, path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise UserError(f"{path}: the key {twice!r} is given twice")
        return mapping

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply") from None
    except UserError:
        raise
    except ValueError as error:  # an integer of 5,000 digits
        raise UserError(f"{path}: not JSON ({error})") from None


def _yaml(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)  # a SafeLoader: builds plain values only
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise UserError(f"{path}: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an integer of 5,000 digits
        raise UserError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None


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


def _kind(data: Any) -> str:
    names = {list: "a list", str: "text", type(None): "nothing"}
    return names.get(type(data), f"a {type(data).__name__}")
