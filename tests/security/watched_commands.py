"""Runs commands of ``nas`` and writes down whom they spoke to, where they listened, what they read.

    python -m tests.security.watched_commands FOLDER EXECUTOR COMMANDS OUTPUT.json

COMMANDS: how many of the list, 0 for all. The dashboard, which does not end, comes last.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from tests.security import every_command, sockets

NAS = [sys.executable, "-c", "import sys; from nas.cli.main import main; sys.exit(main())"]
HEARD = {"socket.bind", "socket.connect", "socket.sendto", "socket.getaddrinfo"}
EVERY_S = 0.05


class Witness:
    """What this process and its children do with sockets."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.listened: set[tuple[str, int]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        sys.addaudithook(self._audit)
        self._thread.start()

    def told(self) -> dict[str, Any]:
        """All since the last time."""
        found = {"heard": self.heard, "listened": sorted(self.listened)}
        self.heard, self.listened = [], set()
        return found

    def end(self) -> None:
        self._end.set()
        self._thread.join()

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in HEARD:
            address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
            if isinstance(address, tuple):
                address = address[0]
            elif event != "socket.getaddrinfo":
                return  # a Unix socket
            host = address.decode() if isinstance(address, bytes) else str(address)
            self.heard.append((event, host))

    def _look(self) -> None:
        while not self._end.wait(EVERY_S):
            self.listened |= sockets.listening(sockets.tree(os.getpid()))


def dashboard(folder: Path) -> dict[str, Any]:
    """Start it, ask for what a page asks for, and end it."""
    process = subprocess.Popen(
        [*NAS, "dashboard", "--port", "0", "--out", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    sizes = []
    for path in ("", "plotly.min.js", "api/runs", "api/runs/one"):
        with urllib.request.urlopen(address + path, timeout=60) as answer:
            sizes.append(len(answer.read()))
    listened = sorted(sockets.listening(sockets.tree(process.pid)))
    process.send_signal(signal.SIGTERM)
    return {
        "command": ["dashboard"],
        "code": process.wait(60),
        "sizes": sizes,
        "heard": [],
        "listened": listened,
    }


def main() -> None:
    """Run them; the file holds what came of each."""
    folder, executor, count, output = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    from nas.cli.main import main as nas

    every_command.prepare(folder)
    wanted = every_command.commands(folder, executor)
    witness, seen = Witness(), []
    for command in wanted[: count or None]:
        code = nas(command)
        seen.append({"command": command, "code": code, **witness.told()})
    witness.end()
    seen.append(dashboard(folder))
    known = sorted(sys.modules)
    found = {"user": os.getuid(), "home": os.access(Path.home(), os.W_OK), "commands": seen}
    Path(output).write_text(json.dumps(found | {"modules": known}))


if __name__ == "__main__":
    main()
