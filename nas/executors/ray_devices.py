"""The devices that the nodes of a Ray cluster offer."""

from dataclasses import dataclass

import ray
from ray.exceptions import RayError

from nas.executors.device_agent import RESOURCE, SHARE, place
from nas.faults import one_line
from nas.latency.devices import Runtimes, runtimes_for

_ANSWER_S = 60.0  # torch is imported there first


@dataclass(frozen=True, slots=True)
class Offered:
    """A device of a node. ``agents``: how many measure there or are kept to."""

    name: str
    host: str
    cores: int
    agents: int


def offered() -> list[Offered]:
    """Return the devices of the Ray that this process has joined, by name."""
    free = ray.available_resources()  # type: ignore[no-untyped-call]
    found = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        has = node["Resources"]
        for resource in has if node["Alive"] else ():
            name = resource.removeprefix(RESOURCE)
            if name != resource:
                taken = has[resource] - free.get(resource, 0.0)
                host, cores = node["NodeManagerHostname"], int(has.get("CPU", 0))
                found[name] = Offered(name, host, cores, round(taken / SHARE))
    return [found[name] for name in sorted(found)]


def runtimes_of(names: list[str]) -> dict[str, Runtimes]:
    """Ask hosts, all at once, which runtimes can be made on their CPUs."""
    ask = ray.remote(runtimes_for)
    asked = {ask.options(**place(name, "cpu"), max_retries=0).remote("cpu"): name for name in names}
    ready, _ = (
        ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S) if asked else ([], [])
    )
    found = {}
    for answer, name in asked.items():
        try:
            if answer not in ready:
                raise TimeoutError(f"no answer in {_ANSWER_S:g} s")
            found[name] = ray.get(answer)
        except (RayError, TimeoutError) as error:
            ray.cancel(answer, force=True)
            found[name] = Runtimes((), (("all", one_line(error)),))
    return found
