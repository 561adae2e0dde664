"""Settings and configs as files, read strictly (see `latency.exchanged`) and checked by a schema.

Every refusal, that of NaN among them, is a UserError of one line that names the file.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from latency.errors import LatencyError
from latency.exchanged import read_json, read_yaml
from nas.errors import UserError

SUFFIXES = (".yaml", ".yml", ".json")

Model = TypeVar("Model", bound=BaseModel)


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML or (by its name) JSON file. Raises UserError."""
    try:
        data = read_json(path) if path.suffix.lower() == ".json" else read_yaml(path)
    except LatencyError as error:
        raise UserError(str(error)) from None
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


def _kind(data: Any) -> str:
    names = {list: "a list", str: "text", type(None): "nothing"}
    return names.get(type(data), f"a {type(data).__name__}")
