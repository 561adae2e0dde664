"""Commands that run until they are stopped: started, awaited, asked for a page, stopped."""

import shutil
import signal
import socket
import subprocess
import time
import urllib.request

SERVERS = {"dashboard": "/api/runs"}
"""The command, and what it serves once it is ready."""

_READY_S = 60.0
_STOPPED = (0, 130)  # by Ctrl-C


def visited(words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Start `nas WORDS` on a free port, fetch its page, stop it; 0 if all of that went well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = shutil.which("nas", path=environment["PATH"])
    assert program is not None
    given = [program, *words, "--port", str(port)]
    process = subprocess.Popen(
        given, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        answered = _answer(f"http://127.0.0.1:{port}{SERVERS[words[0]]}", process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    ended = process.returncode in _STOPPED
    return (0 if answered and ended else process.returncode or 1), said


def _answer(url: str, process: "subprocess.Popen[str]") -> bool:
    """Whether it answers before it ends or the time is over."""
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.2)
    return False
