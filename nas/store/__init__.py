"""The record of a search: an Optuna study in a database, asked on in memory, written by one driver.

Asking on the database costs a commit per decision, so proposals are made on an in-memory study
loaded from it. A trial reaches the database in one transaction before its work is given out, and
its outcome in another one. After a crash the database wins.

address     what names a database          kept        a study in it, written in transactions
schema      Optuna's tables                loading     trials out of their rows
sqlite      one file, written ahead        postgres    a server, and who holds a study there
soundness   a file before it is opened     filesystem  where such a file may be
backoff     what is tried again            faults      what an error means
study       what a search holds: `Store`   reading     what everybody else asks
opening     engines, tables, the study     pages       a damaged file, page by page
"""

from nas.store.address import absolute, sqlite_file, without_password
from nas.store.attributes import (
    CONSTRAINT,
    CONTINUES,
    FACTS,
    STARTED,
    Rung,
    is_counted,
    is_declined,
)
from nas.store.backoff import Backoff
from nas.store.errors import DiskFull, Unwritable, no_study
from nas.store.filesystem import refuse_network
from nas.store.opening import reading_engine
from nas.store.quiet import quiet
from nas.store.reading import holds, read
from nas.store.study import Store

__all__ = [
    "CONSTRAINT",
    "CONTINUES",
    "FACTS",
    "STARTED",
    "Backoff",
    "DiskFull",
    "Rung",
    "Store",
    "Unwritable",
    "absolute",
    "holds",
    "is_counted",
    "is_declined",
    "no_study",
    "quiet",
    "read",
    "reading_engine",
    "refuse_network",
    "sqlite_file",
    "without_password",
]
