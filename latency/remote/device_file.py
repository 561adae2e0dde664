"""The file that describes a device reached over adb or ssh, and what may stand in it."""

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from latency.errors import LatencyError
from latency.exchanged import read_yaml
from latency.remote.figures import OUTPUTS, Output, expression

PLACES = ("graph", "threads", "warm_up", "repeats", "cores")
"""What a command may name in braces."""

_ADDRESS = {"adb": "serial", "ssh": "host", "local": None}
_PROGRAM = {"tflite": "benchmark_model", "onnx": "onnxruntime_perf_test"}


class DeviceFile(BaseModel):
    """A device, and the program on it that times graphs. Text goes to the device's shell as it is.

    ``folder`` on the device is where the command runs and staged files lie. ``output`` says what
    the program prints; ``milliseconds`` is a regular expression for programs that print something
    else. ``timeout_s`` is for one run of the command, or one copying of files.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    reach: Literal["adb", "ssh", "local"]
    serial: Annotated[str, Field(pattern=r"^[A-Za-z0-9][^\s]*$")] | None = None
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][^\s]*$")] | None = None
    folder: Annotated[str, Field(pattern=r"^/[^\n]*[^/\n]$")]
    graph: Literal["tflite", "onnx"]
    command: Annotated[str, Field(min_length=1)]
    cores: str = ""
    threads: Annotated[int, Field(ge=1)] = 1
    timeout_s: Annotated[float, Field(gt=0)] = 120
    output: Literal["benchmark_model", "onnxruntime_perf_test", "lines"] | None = None
    milliseconds: str | None = None

    @field_validator("command")
    @classmethod
    def _has_places(cls, command: str) -> str:
        if _places(command) - set(PLACES):
            known = ", ".join(f"{{{place}}}" for place in PLACES)
            raise ValueError(f"in braces may stand {known}; braces of the shell are doubled")
        if "graph" not in _places(command):
            raise ValueError("must name {graph}, the file that is timed")
        return command

    @field_validator("milliseconds")
    @classmethod
    def _is_expression(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                expression(pattern)
            except re.error as error:
                raise ValueError(f"is no regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wanted = _ADDRESS[self.reach]
        for field in ("serial", "host"):
            if (getattr(self, field) is not None) != (field == wanted):
                need = "must be given" if field == wanted else "must not be given"
                raise ValueError(f"{field}: {need} with reach: {self.reach}")
        if ("cores" in _places(self.command)) != bool(self.cores):
            raise ValueError("cores: give it if the command names {cores}, and only then")
        if self.output and self.milliseconds:
            raise ValueError("milliseconds: give either it or output")
        return self

    @property
    def program(self) -> str | None:
        """The benchmark program that is known to print the figures; None for one's own."""
        if self.output == "lines" or self.milliseconds:
            return None
        return self.output or _PROGRAM[self.graph]

    def figures(self) -> Output:
        """Return how the output of the command is read."""
        if self.milliseconds is not None:
            return expression(self.milliseconds)
        return OUTPUTS[self.output or _PROGRAM[self.graph]]


def load(path: Path) -> DeviceFile:
    """Return the device of a YAML file. Raises LatencyError: file, field, and what is right."""
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise LatencyError(f"{path}: must hold lines 'field: value', such as 'reach: adb'")
    try:
        return DeviceFile.model_validate(data)
    except ValidationError as error:
        raise LatencyError(f"{path}: {_mistake(error.errors(include_url=False)[0])}") from None


def _places(command: str) -> set[str]:
    try:
        parsed = [each for each in Formatter().parse(command) if each[1] is not None]
    except ValueError:  # a brace alone
        return {""}
    return {"" if spec or conversion else str(place) for _, place, spec, conversion in parsed}


def _mistake(first: Any) -> str:
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown field {field!r}: choose from {', '.join(DeviceFile.model_fields)}"
    if first["type"] == "missing":
        return f"the field {field!r} is missing"
    if first["type"] == "value_error":
        said = first["msg"].removeprefix("Value error, ")
        return f"{field}: {said}" if field else said
    message = first["msg"].replace("Input should", "should").replace("String should", "should")
    quotes = " (put it in quotes)" if first["type"] == "string_type" else ""
    return f"{field}: {message}, not {first['input']!r:.60}{quotes}"
