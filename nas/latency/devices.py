"""Where latency is measured: from what ``--device`` says to a bench or a source, and a listing."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import plugins
from nas.errors import UserError

if TYPE_CHECKING:
    from latency.bench import Bench
    from latency.source import LatencySource

ADB_S = 5.0
"""Seconds that ``adb devices`` may take; it may have to start its server first."""
_DEFAULT = "torch"  # the runtime where nobody names one
_IN_USE = 0.1  # of a GPU's memory; contexts alone take a few hundred MB


@dataclass(frozen=True, slots=True)
class Runtimes:
    """Those that can be made for a device, and for the others the reason why not."""

    made: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A device: what ``--device`` calls it, what it is, what runs there, whether it is free."""

    device: str
    what: str
    runtimes: Runtimes
    state: str
    use: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, with ``missing`` as {runtime: reason}."""
        row = asdict(self) | {"runtimes": list(self.runtimes.made)}
        return row | {"missing": dict(self.runtimes.missing)}


def bench(
    runtime: str,
    device: str = "cpu",
    ray_address: str | None = None,
    check: Callable[[], None] = lambda: None,
) -> "Bench":
    """Return where pieces are measured: on a Ray device, by a device file, or here.

    check: called while another host is awaited, to raise where the user wants to stop. A device
    file names its own runtime. Raises LatencyError and UserError, one line. A bench that has
    ``close`` is to be closed.
    """
    if device.partition(":")[0] == "ray":
        from nas.executors.ray_bench import RayBench, parsed

        if runtime in _simulated():
            plugins.bench(runtime)  # says so
        parsed(device)
        return RayBench(runtime, device, _joined(ray_address, device), check)
    if is_file(device):
        from latency.bench import LocalBench

        described = open_file(device)
        if runtime not in (_DEFAULT, described.name):
            raise UserError(
                f"runtime {runtime!r}: device file {device} measures with {described.name!r}; "
                "leave the runtime out"
            )
        return LocalBench(described)
    return plugins.bench(runtime, device)


def source(
    runtime: str,
    device: str = "cpu",
    ray_address: str | None = None,
    check: Callable[[], None] = lambda: None,
) -> "LatencySource":
    """Return what estimates networks by measuring them on the ``bench`` of these arguments.

    A simulated runtime computes instead. Raises LatencyError and UserError, one line.
    """
    if device.partition(":")[0] == "ray" or is_file(device):
        from latency.measuring import Measuring

        found = bench(runtime, device, ray_address, check)
        with _closed_on_error(found):
            return Measuring(found)
    return plugins.runtime(runtime, device)


@contextlib.contextmanager
def opened(
    runtime: str,
    device: str = "cpu",
    ray_address: str | None = None,
    check: Callable[[], None] = lambda: None,
) -> "Iterator[LatencySource]":
    """Have a ``source``, and close it afterwards."""
    found = source(runtime, device, ray_address, check)
    try:
        yield found
    finally:
        _close(getattr(found, "bench", None))


def is_file(device: str) -> bool:
    """Whether this names a device file."""
    return device.endswith((".yaml", ".yml"))


def absolute(device: str) -> str:
    """Return what names the same device from any folder."""
    return str(Path(device).absolute()) if is_file(device) else device


def open_file(path: str) -> Any:
    """Return the runtime that a device file describes. Raises LatencyError."""
    from latency.remote import open_device

    return open_device(Path(path))


def devices(files: Sequence[str] = (), ray_address: str | None = None) -> list[Row]:
    """Return this CPU, CUDA devices, those of a Ray cluster, of adb, and device files.

    Raises UserError where there is no Ray at the address.
    """
    rows = [cpu(), *cuda()]
    if ray_address is not None:
        rows += ray_devices(ray_address)
    return [*rows, *adb(), *map(of_file, files)]


def runtimes_for(device: str) -> Runtimes:
    """Make every runtime for a device of this host; those made for other kinds are left out."""
    from latency.sources import RUNTIMES

    kind = device.partition(":")[0]
    made, missing = [], []
    for name in plugins.names("runtimes"):
        if name in RUNTIMES and kind not in RUNTIMES[name]:
            continue
        try:
            plugins.runtime(name, device)
        except Exception as error:  # whatever an outsider's runtime does while it is made
            missing.append((name, " ".join(str(error).split()) or type(error).__name__))
        else:
            made.append(name)
    return Runtimes(tuple(made), tuple(missing))


def cpu() -> Row:
    """Return this host's CPU; it is busy while more than half of its cores have work."""
    from latency import host

    cores, load = len(os.sched_getaffinity(0)), host.load_average()[0]
    state = "free" if load <= cores / 2 else f"busy: load {load:g} on {cores} cores"
    model = host.cpu_model(Path("/")) or host.facts()["machine"]
    return Row("cpu", f"this host, {model}", runtimes_for("cpu"), state, "--device cpu")


def cuda() -> list[Row]:
    """Return the CUDA devices that this process sees."""
    import torch

    rows = []
    for index in range(torch.cuda.device_count()):
        device = f"cuda:{index}" if index else "cuda"
        free, total = torch.cuda.mem_get_info(index)
        used = 1 - free / total
        state = "free" if used < _IN_USE else f"busy: {used:.0%} of its memory is in use"
        name = torch.cuda.get_device_name(index)
        rows.append(Row(device, name, runtimes_for(device), state, f"--device {device}"))
    return rows


def ray_devices(address: str) -> list[Row]:
    """Return the devices of a Ray cluster. Raises UserError where there is none."""
    from nas.executors.ray_session import Session

    session = Session(0, address)
    try:
        from nas.executors.ray_devices import offered, runtimes_of

        known = offered()
        # A question starts Python there, which would disturb what is being measured.
        answers = runtimes_of([each.name for each in known if not each.agents])
    finally:
        session.close()
    in_use = Runtimes((), (("all", "not asked while it is in use"),))
    return [
        Row(
            f"ray:{each.name}",
            f"host {each.host}, offered through Ray",
            answers.get(each.name, in_use),
            f"busy: in use by {each.agents}" if each.agents else "free",
            f"--device ray:{each.name} --ray-address {address}",
        )
        for each in known
    ]


def adb() -> list[Row]:
    """Return what adb sees, nothing where adb is not installed."""
    command = shutil.which("adb")
    if command is None:
        return []
    try:
        done = subprocess.run(
            [command, "devices", "-l"], capture_output=True, text=True, timeout=ADB_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join(str(error).split())
        return [Row("adb", "adb on this host", Runtimes(), f"unknown: {reason}", "repair adb")]
    return parsed_adb(done.stdout)


def parsed_adb(printed: str) -> list[Row]:
    """Return a row for each line of ``adb devices -l``."""
    rows = []
    for line in printed.splitlines():
        serial, _, rest = line.partition(" ")
        state, *facts = rest.split() or [""]
        if not state or line.startswith(("List of devices", "*")):
            continue  # the heading, and what the server says while it starts
        known = dict(fact.split(":", 1) for fact in facts if ":" in fact)
        model = known.get("model", "of an unknown model").replace("_", " ")
        use = f"a device file with reach: adb and serial: {serial}"
        ready = "free" if state == "device" else f"not ready: adb says {' '.join([state, *facts])}"
        rows.append(Row(f"adb {serial}", f"Android, {model}", Runtimes(), ready, use))
    return rows


def of_file(path: str) -> Row:
    """Return what a device file describes; its device is not asked."""
    from latency.errors import LatencyError

    try:
        runtime = open_file(path)
    except LatencyError as error:
        return Row(path, "device file", Runtimes(), f"unusable: {error}", "correct the file")
    return Row(
        path,
        f"device file of {runtime.device}",
        Runtimes((runtime.name,)),
        "not asked",
        f"--device {path}",
    )


def _simulated() -> tuple[str, ...]:
    from latency.sources import SIMULATED

    return SIMULATED


def _joined(ray_address: str | None, device: str) -> str:
    """Return the address of Ray. Raises UserError where none is given."""
    if ray_address is None:
        raise UserError(
            f"device {device!r} needs --ray-address HOST:PORT, the Ray that its node joined"
        )
    return ray_address


@contextlib.contextmanager
def _closed_on_error(found: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _close(found)
        raise


def _close(found: Any) -> None:
    if hasattr(found, "close"):
        found.close()
