"""A PostgreSQL server: one driver holds a study, wherever the others are."""

import hashlib
import os
import secrets
import socket
import time
from typing import Any

import sqlalchemy as sql

from nas.errors import UserError

_LIBPQ = ("psycopg", "psycopg2")  # drivers that know the options below
_PATIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
_LEAVING_S = 5.0  # how long an own connection that was cut is waited for

_HOLDER = """
SELECT activity.pid, activity.application_name
FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
AND activity.datname = current_database()
AND lock.classid::bigint = %s AND lock.objid::bigint = %s
"""


def arguments(url: sql.URL) -> dict[str, Any]:
    """What a driver of PostgreSQL is told, so that a host that is gone is noticed."""
    if url.get_backend_name() != "postgresql" or url.get_driver_name() not in _LIBPQ:
        return {}
    return {name: value for name, value in _PATIENT.items() if name not in url.query}


def hold(engine: sql.Engine, study: str, where: str) -> None:
    """Lets each connection of an engine open only while it holds the study.

    The server lets go of the lock when the connection ends, however it ends. As nothing is written
    but on a connection that has the lock, a driver that lost it with its connection writes nothing
    before it has it again. The engine must have one connection at a time.

    Connecting then raises UserError, which names the holder, while somebody else has it.
    """
    me = _Me(study, where)
    sql.event.listen(engine, "connect", me.connected)


class _Me:
    """This driver, as the server knows it."""

    def __init__(self, study: str, where: str) -> None:
        self._study, self._where = study, where
        self._name = f"nas {os.getpid()} {secrets.token_hex(4)} {socket.gethostname()}"[:63]
        digest = hashlib.sha256(f"nas driver of {study}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)

    def connected(self, connection: Any, record: object) -> None:
        """Takes the lock on a new connection, or closes it and raises UserError."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('application_name', %s, false)", (self._name,))
                self._take(cursor)
            connection.commit()
        except BaseException:
            connection.close()
            raise

    def _take(self, cursor: Any) -> None:
        end = time.monotonic() + _LEAVING_S
        while not self._taken(cursor):
            process, name = self._holder(cursor)
            if name == self._name and time.monotonic() < end:
                # Our own connection of before, of which the server does not know yet that it broke.
                cursor.execute("SELECT pg_terminate_backend(%s::int)", (process,))
                time.sleep(0.05)
            elif process is not None:
                raise UserError(
                    f"study {self._study!r} of {self._where} is being driven by {_told(name)}"
                )

    def _taken(self, cursor: Any) -> bool:
        cursor.execute("SELECT pg_try_advisory_lock(%s::bigint)", (self._key,))
        return bool(cursor.fetchone()[0])

    def _holder(self, cursor: Any) -> tuple[int | None, str]:
        """Of the lock: process of the server, what it calls itself; None if it is gone by now."""
        key = self._key % 2**64
        cursor.execute(_HOLDER, (key >> 32, key % 2**32))
        process, name = cursor.fetchone() or (None, "")
        return process, name or ""


def _told(name: str) -> str:
    words = name.split(" ", 3)
    if len(words) < 4 or words[0] != "nas":  # of another account, whose name is not shown
        return "another process"
    return f"process {words[1]} on {words[3]}"
