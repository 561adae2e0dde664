"""A program of this host, run to its end or killed with all it started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from latency.errors import LatencyError

_LISTEN_S = 0.2  # between two looks at what a program has printed

_HINTS = {
    "adb": "install Android's platform-tools",
    "ssh": "install an OpenSSH client",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its name, exit code, and what it printed, lines ended by newlines."""

    program: str
    code: int
    stdout: str
    stderr: str


class TimedOut(Exception):
    """A program ran too long and was killed."""


def call(
    argv: Sequence[str],
    given: bytes,
    timeout_s: float,
    cut: Callable[[str], None] = lambda printed: None,
) -> Ended:
    """Run a program, without a shell, on the bytes of its standard input.

    cut: told what the program had printed where it is killed before its end, also by Ctrl-C.
    Raises TimedOut after ``timeout_s`` and LatencyError for a program that is not on the PATH.
    """
    pipe = subprocess.PIPE
    try:
        # In a session of its own, so that what it starts can be killed with it.
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        hint = _HINTS.get(argv[0], "see the PATH")
        raise LatencyError(f"{argv[0]}: cannot be started ({error.strerror}): {hint}") from None
    heard = b""
    try:
        for wait_s in _pieces(timeout_s):
            try:
                stdout, stderr = process.communicate(given, timeout=wait_s)
                break
            except subprocess.TimeoutExpired as error:
                heard, given = error.stdout or heard, b""
        else:
            raise TimedOut
    except BaseException:
        _kill(process)
        cut(_text(heard))
        raise
    return Ended(argv[0], process.returncode, _text(stdout), _text(stderr))


def _pieces(timeout_s: float) -> Iterator[float]:
    """Waits that last ``timeout_s`` together: what was printed is known after each of them."""
    end = time.monotonic() + timeout_s
    while (left := end - time.monotonic()) > 0:
        yield min(left, _LISTEN_S)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", "replace").replace("\r\n", "\n")
