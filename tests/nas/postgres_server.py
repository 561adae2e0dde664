"""A PostgreSQL server for the time of some tests: its data in a folder of their own, no port."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

USER, PASSWORD = "nas", "open s@same/?&"  # all that an address must quote
_ACCOUNT = "postgres"  # Debian's; the server refuses to run as root
# What is committed still survives the end of the server, though not a power cut.
_QUICK = "-c fsync=off -c full_page_writes=off"


class Server:
    """A server whose data and whose socket are in `folder`; everybody needs the password."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs = folder, programs
        password = folder / "password"
        password.write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, password):
                shutil.chown(path, _ACCOUNT, _ACCOUNT)
        self._run(
            f"initdb --no-sync --username {USER} --pwfile {password} --auth scram-sha-256 "
            "--encoding UTF8 --locale C"
        )

    def start(self) -> None:
        """Returns when it answers."""
        options = f"{_QUICK} -c listen_addresses='' -c unix_socket_directories={self.folder}"
        self._run(f"pg_ctl --wait --log {self.folder / 'log'} start", "--options", options)

    def stop(self) -> None:
        """Ends it at once, as a crash would."""
        self._run("pg_ctl --wait --mode immediate stop")

    def restart(self, seconds: float = 0.0) -> None:
        """Ends it as a crash would; it answers again after these seconds at the earliest."""
        self.stop()
        time.sleep(seconds)
        self.start()

    def tell(self, statement: str) -> None:
        """Runs a statement as the owner of all databases."""
        import psycopg

        place = self.address("postgres").replace("+psycopg", "")
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, database: str) -> str:
        """Makes an empty database; its address."""
        self.tell(f"CREATE DATABASE {database}")
        return self.address(database)

    def address(self, database: str, password: str = PASSWORD) -> str:
        """What `--storage` takes."""
        secret = quote(password, safe="")
        return f"postgresql+psycopg://{USER}:{secret}@/{database}?host={self.folder}"

    def _run(self, command: str, *more: str) -> None:
        program, *options = command.split()
        given = [str(self._programs / program), "--pgdata", str(self.folder / "data")]
        given += [*options, *more]
        if os.getuid() == 0:
            given = ["runuser", "-u", _ACCOUNT, "--", *given]
        ended = subprocess.run(
            given, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        log = self.folder / "log"
        said = ended.stdout + ended.stderr + (log.read_text() if log.exists() else "")
        assert ended.returncode == 0, f"{given}: {said}"


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A running server, gone with all its data afterwards."""
    programs = newest()
    # Not pytest's folder: another account could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="nas-postgres-", dir="/tmp"))
    try:
        opened = Server(folder, programs)
        opened.start()
        try:
            yield opened
        finally:
            opened.stop()
    finally:
        shutil.rmtree(folder)


def newest(installed: Path = Path("/usr/lib/postgresql")) -> Path:
    """Where the programs of the newest server are, of those that Debian puts there."""
    found = sorted(installed.glob("*/bin/initdb"), key=lambda path: int(path.parents[1].name))
    assert found, f"no PostgreSQL server in {installed}: install it with 'make system'"
    return found[-1].parent
