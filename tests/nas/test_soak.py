"""A search struck by one fault after another, of which nothing may be lost.

NAS_SOAK_S=600 NAS_SOAK_SEEDS=0,1,2 python -m pytest -m slow tests/nas/test_soak.py: so many seconds
of faults a seed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controllers.record import AGAIN, ASKED_AFTER, TOLD
from nas import searches
from nas.errors import UserError
from nas.run import Run, open_run
from nas.store import read
from tests.nas import postgres_server, small_set

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("NAS_SOAK_S", "40"))
SEEDS = [int(seed) for seed in os.environ.get("NAS_SOAK_SEEDS", "0").split(",")]
MARK = "NAS_SOAK_OF"  # in the environment of all processes of one search
PATIENCE = 180.0
SETTINGS = {
    "data": str(small_set.PATH),
    "limit": 60,
    "epochs": 3,
    "trials": 100_000,
    "runtime": "macs",
    "target_latency": "1ms",
    "max_macs": "4M",
    "precision": "float32",
    "fidelity": "asha",
    "controller": "evolution",
    "name": "run",
}
DRIVER = """
import json, sys
import nas.searches
from nas.progress import on
given = json.loads(sys.argv[1])
try:
    if isinstance(given, str):
        nas.searches.resume(given, progress=on(sys.stderr))
    else:
        nas.searches.search("msd", progress=on(sys.stderr), **given)
except nas.searches.Interrupted:
    sys.exit(130)
"""


class Soak:
    """One search, its faults, and what was seen of its record."""

    def __init__(self, out: Path, seed: int, executor: str, server: Any) -> None:
        self.path, self.rng, self._server = out / "run", np.random.default_rng(seed), server
        self.mark, self.log = f"{out}:{seed}", out / "said"
        self.storage = server.create(f"soak{seed}") if server else None
        self._given = SETTINGS | {"seed": seed, "out": str(out), "executor": executor, "workers": 2}
        if self.storage:
            self._given["storage"] = self.storage
        self.struck: Counter[str] = Counter()
        self.seen: dict[int, str] = {}  # by trial: how it had ended
        self._driver: subprocess.Popen[bytes] | None = None
        self.faults: dict[str, Callable[[], None]] = {
            "driver dies": self._kill_driver,
            "interrupted": self._interrupt,
            "worker dies": self._kill_worker,
            "worker stops": self._stop_worker,
            "checkpoint damaged": self._damage_checkpoint,
            "caches damaged": self._damage_caches,
            "second driver": self._second_driver,
            **({"server dies": self._restart_server} if server else {}),
        }

    def start(self) -> None:
        """A driver begins or goes on; returns once another trial has ended."""
        given: Any = str(self.path) if self.path.exists() else self._given
        before = len(self.seen)
        with self.log.open("ab") as log:
            self._driver = subprocess.Popen(
                [sys.executable, "-c", DRIVER, json.dumps(given)],
                stdout=log, stderr=log, env=os.environ | {MARK: self.mark},
            )  # fmt: skip
        ends = time.monotonic() + PATIENCE
        while len(self.seen) <= before:
            assert self._driver.poll() is None, self.said
            assert time.monotonic() < ends, f"no trial ends: {self.said}"
            time.sleep(0.2)
            self.look()

    def strike(self) -> None:
        """One fault, and a look at what it left."""
        weights = np.array(
            [1 if "driver dies" in n or n == "interrupted" else 4 for n in self.faults]
        )
        name = str(self.rng.choice(list(self.faults), p=weights / weights.sum()))
        self.struck[name] += 1
        self.faults[name]()
        assert self._driver is None or self._driver.poll() is None, f"{name}: {self.said}"
        self.look()

    def look(self) -> None:
        """What was once told of a trial stays as it was."""
        if not (self.path / "search.yaml").exists():
            return
        # A server may be away; a file is made some time after its folder.
        absent = (Exception,) if self._server else () if self.seen else (UserError,)
        with contextlib.suppress(*absent):
            rows = read(self.run.storage_url, "run")
            for row in rows:
                if row.state.is_finished():
                    said = repr((row.state, row.values, row.user_attrs, row.system_attrs[TOLD]))
                    assert self.seen.setdefault(row.number, said) == said
            assert {row.number for row in rows} >= self.seen.keys(), "a trial is lost"

    def end(self) -> Run:
        """Stops the search, lets it finish what it had begun, and gives what there is then."""
        if self._driver is None or self._driver.poll() is not None:
            self.start()
        self._signal(signal.SIGINT)
        assert self._end() == 130, self.said
        asked = sum(record.is_counted for record in self.run.records())
        return searches.resume(self.run, asked)

    @property
    def run(self) -> Run:
        return open_run(self.path)

    @property
    def said(self) -> str:
        return f"after {dict(self.struck)}: {self.log.read_text()[-3000:]}"

    def _signal(self, number: int) -> None:
        assert self._driver is not None, "a driver runs"
        self._driver.send_signal(number)

    def _end(self) -> int:
        assert self._driver is not None, "a driver runs"
        return self._driver.wait(PATIENCE)

    def close(self) -> None:
        """Ends all of its processes."""
        for pid in processes(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _kill_driver(self) -> None:
        self._signal(signal.SIGKILL)
        self._end()
        self.close()  # Ray's own would linger for a minute
        self.start()

    def _interrupt(self) -> None:
        self._signal(signal.SIGINT)
        assert self._end() == 130, self.said
        self.start()

    def _worker(self) -> int | None:
        found = processes(self.mark, b"ray::Worker")
        return int(self.rng.choice(found)) if found else None

    def _kill_worker(self) -> None:
        if (pid := self._worker()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _stop_worker(self) -> None:
        if (pid := self._worker()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(self.rng.uniform(0.1, 2.0))
                os.kill(pid, signal.SIGCONT)

    def _damage_checkpoint(self) -> None:
        for path in sorted((self.path / "checkpoints").glob("*.ckpt"))[-1:]:
            with contextlib.suppress(OSError):
                data = bytearray(path.read_bytes())
                data[int(self.rng.integers(len(data)))] ^= 0x10
                path.write_bytes(data[: int(self.rng.integers(1, len(data) + 1))])

    def _damage_caches(self) -> None:
        for name in ("judged.jsonl", "known.jsonl", "live.json"):
            with contextlib.suppress(OSError):
                size = (self.path / name).stat().st_size
                os.truncate(self.path / name, int(self.rng.integers(size + 1)))

    def _second_driver(self) -> None:
        with pytest.raises(Exception, match="driven by process"):
            searches.resume(self.run)

    def _restart_server(self) -> None:
        self._server.restart(float(self.rng.uniform(0, 2)))


def processes(mark: str, command: bytes = b"") -> list[int]:
    """Those of a search whose command has this in it."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry.name)
            if (
                pid != os.getpid()
                and command in (entry / "cmdline").read_bytes()
                and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
            ):
                found.append(pid)
    return sorted(found)


@pytest.mark.parametrize("executor", ["ray", "inline"])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost(tmp_path: Path, seed: int, database: str, executor: str) -> None:
    with postgres_server.server() if database == "postgres" else contextlib.nullcontext() as server:
        soak = Soak(tmp_path, seed, executor, server)
        try:
            struck(soak)
        finally:
            soak.close()
        print(f"seed {seed}: {len(soak.seen)} trials, {dict(soak.struck)}")


def struck(soak: Soak) -> None:
    """Faults for `SECONDS`, then the end of the search, of which all must be there."""
    soak.start()
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        soak.strike()
        time.sleep(soak.rng.uniform(2, 5))
    run = soak.end()
    soak.look()
    check(run)


def check(run: Run) -> None:
    """What holds of every record, whatever happened."""
    rows, records = read(run.storage_url, run.name), run.records()
    assert all(row.state.is_finished() for row in rows)
    assert sorted(row.system_attrs[TOLD] for row in rows) == list(range(1, len(rows) + 1))
    asked = [row.system_attrs[ASKED_AFTER] for row in rows]
    assert all(after <= number for number, after in enumerate(asked))
    assert asked == sorted(asked)
    assert not [r for r in records if r.state == "failed" and r.reason not in ("worker-died",)]
    trained = Counter(
        r.architecture.key
        for r, row in zip(records, rows, strict=True)
        if r.architecture and r.measurement and r.reused_from is None and r.continues is None
        and AGAIN not in row.system_attrs
    )  # fmt: skip
    assert max(trained.values()) == 1, "a network was trained twice"
    for record in records:
        if record.state == "complete" and record.measurement is not None:
            assert record.measurement.epochs == SETTINGS["epochs"]
    stopped = {r.trial for r in records if r.is_stopped} - {r.continues for r in records}
    kept = {int(path.name.split("-")[0]) for path in (run.path / "checkpoints").glob("*.ckpt")}
    assert len(kept) <= len(stopped)
    assert not [path for path in run.path.rglob(".*") if path.is_file()], "a file half written"
