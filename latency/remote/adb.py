"""Commands and files on an Android device, over adb."""

import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from latency.errors import LatencyError
from latency.remote.processes import Ended, TimedOut, call
from latency.remote.shell import KILL_S, Connection, Lost


class AdbShell(Connection):
    """A shell on an Android device over adb."""

    def __init__(self, device: str, timeout_s: float, serial: str) -> None:
        super().__init__(device, timeout_s)
        self.serial = serial

    def argv(self, script: str) -> list[str]:
        return ["adb", "-s", self.serial, "shell", script]

    def push(self, files: Sequence[Path], folder: str) -> None:
        self.run(f"mkdir -p -- {quote(folder)}")
        self.twice(lambda: self._copy(files, folder))
        self._gone = False

    def _copy(self, files: Sequence[Path], folder: str) -> str:
        argv = ["adb", "-s", self.serial, "push", *map(str, files), f"{folder}/"]
        try:
            ended = call(argv, b"", self.timeout_s)
        except TimedOut:
            raise self.too_long(f"copying {len(files)} files") from None
        if ended.code:
            reason = self.lost(ended)
            self._once("true", b"")  # which is lost, too, where the device does not answer
            raise LatencyError(f"device {self.device!r}: files cannot be copied: {reason}")
        return ended.stdout

    def lost(self, ended: Ended) -> Lost:
        """Say adb's own reason, which comes first; for a serial not there, say which there are."""
        lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        reasons = [re.sub(r"^(adb: |error: )+", "", line) for line in lines if "daemon" not in line]
        reason = reasons[0] if reasons else "the connection ended in the middle of a command"
        if re.search(r"device.*not found", reason):
            reason = f"{reason} (adb devices lists {self._devices()})"
        return Lost(f"adb: {reason}", ended.stdout)

    def _devices(self) -> str:
        try:
            lines = call(["adb", "devices"], b"", KILL_S).stdout.splitlines()
        except TimedOut:
            return "nothing in time"
        found = [line.split("\t") for line in lines if "\t" in line]
        return ", ".join(f"{serial} ({state})" for serial, state, *_ in found) or "none"
