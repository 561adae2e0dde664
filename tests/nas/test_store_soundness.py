"""Databases that no search may go on with, and where none may be."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from nas.errors import UserError
from nas.store import Store, refuse_network
from tests.nas.test_store import DISTRIBUTIONS

NOBODY = 65534
PAGE = 4096


def made(folder: Path) -> Path:
    with closing(Store(f"sqlite:///{folder / 'study.db'}", "run", ["maximize"])) as store:
        for seed in range(30):
            number = store.ask(RandomSampler(seed=seed), DISTRIBUTIONS).number
            store.complete(number, {"key": "x" * 500}, [float(seed)], {})
    (folder / "search.yaml").touch()
    return folder / "study.db"


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zeroed(content: bytes) -> bytes:
    return bytes(100) + content[100:]


def flipped(content: bytes) -> bytes:
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    return b"".join(
        bytes(byte ^ 0xFF for byte in page) if number % 3 == 1 else page
        for number, page in enumerate(pages)
    )


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": cut,
    "header": zeroed,
    "pages": flipped,
    "empty": lambda content: b"",
    "no database": lambda content: b"these are the notes of somebody" * 100,
}


def changed(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)

    return change


SCHEMAS = {
    "wrong schema": changed("DROP TABLE trials"),
    "old schema": changed("UPDATE alembic_version SET version_num = 'v2.6.0.a'"),
}


def refused(file: Path) -> str:
    """One line, and the file as it was."""
    before = file.read_bytes()
    with pytest.raises(UserError) as caught:
        Store(f"sqlite:///{file}", "run", ["maximize"], create=False)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["search.yaml", "study.db"]
    said = str(caught.value)
    assert "\n" not in said
    assert str(file) in said
    return said


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_database_is_refused_by_name_and_left_alone(tmp_path: Path, kind: str) -> None:
    file = made(tmp_path)
    file.write_bytes(DAMAGE[kind](file.read_bytes()))
    assert refused(file).endswith(f"recover its trials with: nas repair {tmp_path}")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_tables_of_another_kind_are_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    file = made(tmp_path)
    SCHEMAS[kind](file)
    said = refused(file)
    assert said.endswith(f"nas repair {tmp_path}")
    assert ("v2.6.0.a" in said) == (kind == "old schema")


def test_a_database_of_somebody_else_is_refused_for_a_new_search_too(tmp_path: Path) -> None:
    file = tmp_path / "theirs.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE addresses (name)")
    before = file.read_bytes()
    with pytest.raises(UserError, match="none of the tables of a study"):
        Store(f"sqlite:///{file}", "run", ["maximize"])
    assert file.read_bytes() == before


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Somebody who may read and not write; the one who runs the tests is that, or root."""
    parents = [path for path in folder.parents if stat.S_IMODE(path.stat().st_mode) == 0o700]
    for path in parents:
        path.chmod(0o755)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path in parents:
            path.chmod(0o700)


@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_is_read_only_is_refused_before_anything_is_trained(
    tmp_path: Path, which: str
) -> None:
    file = made(tmp_path)
    tmp_path.chmod(0o555 if which == "folder" else 0o777)
    file.chmod(0o444 if which == "file" else 0o666)
    with as_nobody(tmp_path):
        assert "read-only for this user" in refused(file)
    tmp_path.chmod(0o755)


def test_a_memory_that_is_gone_with_the_process_is_no_storage() -> None:
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(UserError, match="name a file"):
            Store(url, "run", ["maximize"])


MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /home rw - nfs4 server:/home rw,vers=4.2
31 30 254:1 / /home/me/fast rw shared:7 master:1 - xfs /dev/vdb rw
32 22 0:26 / /data/two\040words rw - fuse.sshfs me@host: rw
33 22 0:27 / /data/hidden rw - cifs //server/share rw
34 22 254:2 / /data/hidden rw - ext4 /dev/vdc rw
35 22 0:28 / /lustre/scratch rw - lustre host@tcp:/fs rw
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/home/me/results/run/study.db", "nfs4"),
        ("/home/me/fast/study.db", None),
        ("/homework/study.db", None),
        ("/data/two words/study.db", "fuse.sshfs"),
        ("/data/hidden/study.db", None),
        ("/lustre/scratch/results", "lustre"),
        ("/somewhere/study.db", None),
    ],
)
def test_network_file_systems_are_refused(file: str, kind: str | None) -> None:
    if kind is None:
        refuse_network(Path(file), MOUNTS)
        return
    with pytest.raises(UserError) as caught:
        refuse_network(Path(file), MOUNTS)
    said = str(caught.value)
    assert f"{file} is on a network file system ({kind})" in said
    assert "PostgreSQL" in said
    assert "\n" not in said


def test_the_mounts_of_this_machine_are_understood(tmp_path: Path) -> None:
    refuse_network(tmp_path / "study.db")
