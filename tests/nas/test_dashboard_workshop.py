"""The process beside the server: when it begins, when it ends, and what a caller hears of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas import live
from nas.dashboard.workshop import Workshop
from nas.errors import UserError

_KILLED = """
import asyncio, os, signal
from nas.dashboard.workshop import Workshop
if __name__ == "__main__":
    print(asyncio.run(Workshop().call(os.getpid)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def ends(pid: int) -> bool:
    """Whether a process is gone within a minute."""
    end = time.monotonic() + 60
    while live.exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not live.exists(pid)


def test_one_process_for_all_calls_until_nobody_asks() -> None:
    async def calls() -> tuple[int, int]:
        workshop = Workshop(idle_s=0.2)
        pids = await workshop.call(os.getpid), await workshop.call(os.getpid)
        assert live.exists(pids[0])
        assert await asyncio.to_thread(ends, pids[0])
        assert await workshop.call(os.getpid) not in pids
        workshop.close()
        return pids

    first, second = asyncio.run(calls())
    assert first == second != os.getpid()


def test_a_process_that_is_ended_is_one_line_and_the_next_call_begins_anew() -> None:
    async def calls() -> None:
        workshop = Workshop()
        pid = await workshop.call(os.getpid)
        with pytest.raises(UserError, match="try again"):
            await workshop.call(os._exit, 1)
        assert await workshop.call(os.getpid) != pid
        workshop.close()

    asyncio.run(calls())


def test_it_does_not_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(_KILLED)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ends(int(done.stdout))
