"""A runtime that is a command on a device: stages are files there, and a program times each."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any, cast

from latency.errors import LatencyError
from latency.protocol import Protocol, Visit
from latency.remote import facts
from latency.remote.adb import AdbShell
from latency.remote.device_file import DeviceFile
from latency.remote.shell import LocalShell, Shell, SshShell
from latency.runtimes.runtime import Piece, Prepared

WRITERS = {
    "tflite": "latency.runtimes.litert:write",
    "onnx": "latency.graphs.onnx_stages:write_stages",
}
"""What writes the stages of a piece in each format."""

EXTRAS = {"tflite": "mobile", "onnx": "export"}

NAMES = {"benchmark_model": "litert", "onnxruntime_perf_test": "onnxruntime", None: "command"}
"""The runtime that each known program is built on."""


class CommandRuntime:
    """Times pieces on the device of a device file; connects when it is first used.

    The passes of a visit are cheap beside the start of the program: there are many of them, which
    also wakes the clock of a core that slept, and few rounds.
    """

    protocol = Protocol(rounds=4, warm_up=10, repeats=30, visit_ms=500.0, most_rounds=8)

    def __init__(self, described: DeviceFile, shell: Shell | None = None) -> None:
        self.described = described
        self.name = NAMES[described.program]
        self.device = described.name
        self.shares_host = described.reach == "local"
        self._shell = shell or connect(described)
        self._place = Place(self._shell, described.folder)
        self._facts: dict[str, Any] | None = None

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        """Write the stages of a piece and copy them to a folder of their own on the device.

        Raises LatencyError where a stage cannot be written or the device cannot be reached.
        """
        with TemporaryDirectory() as folder:
            files = _writer(self.described.graph)(piece, seed, Path(folder))
            return Staged(self.described, self._shell, self._place, files)

    def conditions(self) -> dict[str, Any]:
        """Return what the figures depend on; ``host`` is read from the device, once.

        Raises LatencyError where it cannot be reached.
        """
        if self._facts is None:
            self._facts = facts.read(self._shell)
        described = self.described
        return {
            "runtime": self.name,
            "device": self.device,
            "reach": described.reach,
            "graph": described.graph,
            "command": described.command,
            "cores": described.cores or None,
            "threads": described.threads,
            "batch": 1,
            "dtype": "float32",
            "weights": "random",
            "visit_statistic": described.figures().statistic,
            "host": self._facts,
        }


class Place:
    """A folder on a device for the files of all pieces that are prepared at one time.

    It is removed with the last of them, in one command: a campaign has hundreds of pieces, and a
    user who stopped it should not wait for as many connections.
    """

    def __init__(self, shell: Shell, folder: str) -> None:
        self._shell, self._parent = shell, folder
        self._folder, self._made, self._inside = "", 0, 0

    def enter(self) -> str:
        """Return the name of a folder in it that is nobody else's."""
        if not self._inside:
            self._folder = f"{self._parent}/nas-{token_hex(6)}"
        self._inside += 1
        self._made += 1
        return f"{self._folder}/{self._made}"

    def leave(self) -> None:
        """Remove all where nobody is left. Raises LatencyError."""
        self._inside -= 1
        if not self._inside:
            self._shell.remove(self._folder)


class Staged(Prepared):
    """The stages of a piece as files on a device."""

    consecutive = False

    def __init__(
        self, described: DeviceFile, shell: Shell, place: Place, files: Sequence[Path]
    ) -> None:
        self.parts = (1,) * len(files)
        self._described, self._shell, self._output = described, shell, described.figures()
        self._place, folder = place, place.enter()
        self._open = True
        named = [_by_content(path) for path in files]
        self._paths = [f"{folder}/{path.name}" for path in named]
        try:
            shell.push(list(dict.fromkeys(named)), folder)
        except BaseException:
            self.close()
            raise

    def run(self, stages: int) -> list[float]:
        return self.visit(Visit(1, 1), stages)[0]

    def visit(self, visit: Visit, stages: int | None = None) -> list[list[float]]:
        """Run the command for each stage; return milliseconds [runs][stages].

        There is one run for programs that print a summary, else ``visit.repeats``. Raises
        LatencyError when the command fails or prints something else.
        """
        try:
            columns = [self._times(path, visit) for path in self._paths[:stages]]
            if len({len(column) for column in columns}) > 1:
                raise LatencyError(
                    f"device {self._described.name!r}: its command printed one time for some "
                    f"stages and {visit.repeats} for others"
                )
        except BaseException:
            self.close()
            raise
        return [list(row) for row in zip(*columns, strict=True)]

    def close(self) -> None:
        """Let the files go. A device that is gone by now keeps them: the figures are here."""
        if self._open:
            self._open = False
            with suppress(LatencyError):
                self._place.leave()

    def _times(self, path: str, visit: Visit) -> list[float]:
        described = self._described
        command = described.command.format(
            graph=quote(path),
            threads=described.threads,
            warm_up=visit.warm_up,
            repeats=visit.repeats,
            cores=described.cores,
        )
        printed = self._shell.run(f"cd {quote(described.folder)} || exit; {command}")
        try:
            return self._output.read(printed, visit.repeats)
        except LatencyError as error:
            raise LatencyError(f"device {described.name!r}: {error}") from None


def connect(described: DeviceFile) -> Shell:
    """Return the shell of a device; nothing is sent yet."""
    name, timeout_s = described.name, described.timeout_s
    if described.serial is not None:
        return AdbShell(name, timeout_s, described.serial)
    if described.host is not None:
        return SshShell(name, timeout_s, described.host)
    return LocalShell(name, timeout_s)


def _writer(graph: str) -> Callable[[Piece, int, Path], list[Path]]:
    module, _, name = WRITERS[graph].partition(":")
    try:
        return cast(Callable[[Piece, int, Path], list[Path]], getattr(import_module(module), name))
    except ImportError as error:
        raise LatencyError(
            f"{graph} files need the package {error.name!r}: "
            f"pip install 'nas-platform[{EXTRAS[graph]}]'"
        ) from None


def _by_content(path: Path) -> Path:
    """Rename a file after its bytes, so that equal stages are copied once."""
    return path.rename(path.with_stem(sha256(path.read_bytes()).hexdigest()[:16]))
