"""Where figures hold: a device's fingerprint, and how two of them differ."""

from collections.abc import Iterator, Mapping
from typing import Any

from latency.errors import LatencyError

Fingerprint = dict[str, Any]
"""JSON values: runtime, device, versions, threads, batch, dtype, and under ``host`` the machine."""


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return in words what differs, such as ``host cpu was A, is B``; empty if figures compare."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return tuple(
        f"{name} was {old.get(name)}, is {new.get(name)}"
        for name in old | new
        if old.get(name) != new.get(name)
    )


def shared_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ``differences`` in what both tell; of ``now`` only what it has of the same."""
    shared = [name for name in now if name in before]
    old, new = ({name: facts[name] for name in shared} for facts in (before, now))
    return differences(old, new)


def refuse_other(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Raise LatencyError, naming the differences, where ``what`` was measured elsewhere."""
    own, other = before.get("runtime"), now.get("runtime")
    if own != other:
        raise LatencyError(f"{what} is of runtime {own}, not {other}: choose {own}, or fit another")
    if found := differences(before, now):
        raise LatencyError(f"{what} is of another device: {'; '.join(found)}; fit it again here")


def _leaves(facts: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{within}{name} ")
        else:
            yield within + name, value
