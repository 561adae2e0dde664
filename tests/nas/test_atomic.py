import os
import stat

import pytest

from nas import atomic


def test_the_new_text_replaces_the_old_and_nothing_else_stays(tmp_path):
    atomic.write(tmp_path / "a.txt", b"old")
    atomic.write(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_write_that_breaks_off_keeps_the_old_text(tmp_path, monkeypatch):
    atomic.write(tmp_path / "a.txt", b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "none" / "a.txt", b"new")


def test_a_pipe_or_a_device_stays_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        atomic.write(tmp_path / "pipe", b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_what_need_not_last_waits_for_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: pytest.fail("it waits"))
    atomic.write(tmp_path / "a.txt", b"new", durable=False)
    assert (tmp_path / "a.txt").read_bytes() == b"new"
