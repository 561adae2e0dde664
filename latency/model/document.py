"""A latency model as a JSON file, with its schema version and a digest of its content."""

import json
import os
import tempfile
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from latency.bench import Bench
from latency.errors import LatencyError
from latency.exchanged import read_json
from latency.fingerprint import refuse_other
from latency.model.composition import Composition
from latency.model.errors import Errors
from latency.model.model import LatencyModel, Misses, Row, Scope
from latency.model.work import Work

SCHEMA_VERSION = 2
SIZE_LIMIT = 4 * 2**20  # bytes; a model of a thousand blocks has a tenth of it


def save(model: LatencyModel, path: Path) -> None:
    """Write a model to a file, whole or not at all. Raises LatencyError for one too large."""
    content = {
        "fingerprint": model.fingerprint,
        "scope": asdict(model.scope),
        "errors": asdict(model.errors),
        "errors_guessed": asdict(model.errors_guessed),
        "composition": asdict(model.composition),
        "misses": asdict(model.misses),
        "canary_ms": model.canary_ms,
        "made": dict(model.made),
        "table": [[text, row.ms, row.own, asdict(row.work)] for text, row in model.table.items()],
    }
    whole = {"schema_version": SCHEMA_VERSION, "digest": _digest(content), "model": content}
    text = json.dumps(whole, indent=1, allow_nan=False) + "\n"
    if len(text) > SIZE_LIMIT:
        raise LatencyError(f"{path}: the model would be larger than {SIZE_LIMIT // 2**20} MiB")
    _write(path, text)


def load(path: Path) -> LatencyModel:
    """Read a model. Raises LatencyError, one line, for a file that is none, broken or other."""
    whole = read_json(Path(path), SIZE_LIMIT)
    if not isinstance(whole, dict) or not {"schema_version", "digest", "model"} <= whole.keys():
        raise LatencyError(f"{path}: not a latency model; nas latency fit writes one")
    if whole["schema_version"] != SCHEMA_VERSION:
        raise LatencyError(
            f"{path}: a latency model of schema {whole['schema_version']}; this installation "
            f"reads {SCHEMA_VERSION}: fit it again"
        )
    if whole["digest"] != _digest(whole["model"]):
        raise LatencyError(f"{path}: damaged (its digest does not fit its content); fit it again")
    try:
        return _model(whole["model"])
    except (KeyError, TypeError, ValueError):  # of another version that forgot to say so
        raise LatencyError(f"{path}: not a latency model of this version; fit it again") from None


def refuse_other_device(model: LatencyModel, bench: Bench, what: str) -> None:
    """Raise LatencyError, naming the difference, where a model is not of this bench's device."""
    refuse_other(model.fingerprint, bench.fingerprint(), what)


def _model(content: dict[str, Any]) -> LatencyModel:
    scope = content["scope"]
    return LatencyModel(
        fingerprint=content["fingerprint"],
        scope=Scope(scope["space"], tuple(scope["image"]), scope["classes"]),
        table={text: Row(ms, _work(needed), own) for text, ms, own, needed in content["table"]},
        composition=Composition(**content["composition"]),
        misses=Misses(**content["misses"]),
        canary_ms=content["canary_ms"],
        errors=Errors(**content["errors"]),
        errors_guessed=Errors(**content["errors_guessed"]),
        made=content["made"],
    )


def _work(content: dict[str, Any]) -> Work:
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in content.items()
    }
    return Work(**values)


def _digest(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    """Under a temporary name first, so that no reader meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
