"""Commands and files on a device: what all ways to reach one share, ssh, and this host."""

import io
import re
import tarfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Protocol

from latency.bench import DeviceLost
from latency.errors import LatencyError
from latency.remote.processes import Ended, TimedOut, call

PAUSE_S = 1.0
"""Before a lost connection is tried once more."""

KILL_S = 10.0

# What the device's shell prints around a command. Without the second the connection broke: what
# adb and ssh exit with tells their own failures from the command's only in some versions.
_STARTED = re.compile(r"^nas-started ([2-9]|[1-9]\d+)\n", re.MULTILINE)
_ENDED = re.compile(r"nas-ended (\d+)\s*\Z")
_EXITS = {126: "a command cannot be executed", 127: "a command was not found"}


class Shell(Protocol):
    """A device's shell. All raise LatencyError, one line; a lost connection is tried twice."""

    def push(self, files: Sequence[Path], folder: str) -> None:
        """Copy files into a folder on the device, which is made."""

    def run(self, command: str) -> str:
        """Run a command there; return what it printed, standard error after standard output.

        It may not take longer than the time limit, and must end with exit code 0.
        """

    def remove(self, folder: str) -> None:
        """Remove a folder on the device, if it is there.

        After a failure it does nothing until files were pushed again.
        """


class Lost(Exception):
    """The connection was not made, or broke before the command had ended; says why.

    ``printed`` is what had come by then.
    """

    def __init__(self, reason: str, printed: str = "") -> None:
        super().__init__(reason)
        self.printed = printed


class Connection(ABC):
    """A shell at the end of a program: what all ways to reach a device have in common."""

    def __init__(self, device: str, timeout_s: float) -> None:
        self.device, self.timeout_s = device, timeout_s
        self._gone = False

    @abstractmethod
    def argv(self, script: str) -> list[str]:
        """Return the program and arguments that run a script in the device's sh."""

    def lost(self, ended: Ended) -> Lost:
        """Say why a program of this host did not get to the end of the script."""
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else "the connection ended in the middle of a command"
        reason = reason.removeprefix(f"{ended.program}: ").strip()
        return Lost(f"{ended.program}: {reason}", ended.stdout)

    def push(self, files: Sequence[Path], folder: str) -> None:
        where = quote(folder)
        self._run(f"mkdir -p -- {where} && tar -xf - -C {where}", _archive(files))
        self._gone = False

    def run(self, command: str) -> str:
        return self._run(command)

    def remove(self, folder: str) -> None:
        if self._gone:
            return  # each attempt on a device that is gone takes many seconds
        try:
            self._run(f"rm -rf -- {quote(folder)}")
        except BaseException:
            self._gone = True
            raise

    def _run(self, command: str, given: bytes = b"") -> str:
        return self.twice(lambda: self._once(command, given))

    def twice(self, once: Callable[[], str]) -> str:
        """Do what may raise Lost, after a pause once more; DeviceLost when it is lost again."""
        try:
            return once()
        except Lost as lost:
            printed = lost.printed
        time.sleep(PAUSE_S)
        self._kill(printed)
        try:
            return once()
        except Lost as lost:
            self._kill(lost.printed)
            raise DeviceLost(f"device {self.device!r}: {lost}") from None

    def too_long(self, what: str) -> LatencyError:
        """Say that something took longer than the time limit."""
        return LatencyError(
            f"device {self.device!r}: {what} took longer than {self.timeout_s:g} s: "
            "raise timeout_s in its device file if it should"
        )

    def _once(self, command: str, given: bytes) -> str:
        # An inner shell: a command that its syntax or an `exit` ends early must not end the outer.
        inner = f"sh -c {quote(command)}"
        script = f"echo nas-started $$; {inner}; code=$?; echo; echo nas-ended $code"
        try:
            ended = call(self.argv(script), given, self.timeout_s, self._kill)
        except TimedOut:
            raise self.too_long("a command") from None
        code = _ENDED.search(ended.stdout)
        if not code:
            raise self.lost(ended)
        printed = _STARTED.sub("", ended.stdout[: code.start()], count=1) + ended.stderr
        if int(code[1]):
            how = _EXITS.get(int(code[1]), f"a command ended with exit code {code[1]}")
            last = (printed.strip().splitlines() or ["it printed nothing"])[-1].strip()
            raise LatencyError(f"device {self.device!r}: {how}: {last[:200]}")
        return printed

    def _kill(self, printed: str) -> None:
        """Kill what a cut connection leaves running there: it would disturb what comes next."""
        if started := _STARTED.search(printed):
            leader = started[1]
            script = f"kill -9 -{leader} || kill -9 {leader}"  # its group, in every sh
            with suppress(LatencyError, TimedOut):
                call(self.argv(script), b"", KILL_S)


class LocalShell(Connection):
    """A shell on this host."""

    def argv(self, script: str) -> list[str]:
        return ["sh", "-c", script]


class SshShell(Connection):
    """A shell over ssh, which asks for no password: keys and addresses are for ~/.ssh/config."""

    OPTIONS = ("BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5")

    def __init__(self, device: str, timeout_s: float, host: str) -> None:
        super().__init__(device, timeout_s)
        self.host = host

    def argv(self, script: str) -> list[str]:
        options = [word for option in self.OPTIONS for word in ("-o", option)]
        return ["ssh", "-T", *options, self.host, f"exec sh -c {quote(script)}"]


def _archive(files: Sequence[Path]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in files:
            archive.add(path, arcname=path.name, filter=_without_owner)
    return content.getvalue()


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0  # numbers of this host mean nothing there
    entry.uname = entry.gname = ""
    return entry
