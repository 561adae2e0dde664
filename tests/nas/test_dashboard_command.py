"""How ``nas dashboard`` and ``nas report`` refuse, start and end."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from nas.cli.main import main


def test_a_mistake_is_one_line(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.html").write_text("there")
    (tmp_path / "folder.html").mkdir()
    plain = str(results / "plain")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (["dashboard", "nosuch", "--out", str(tmp_path)], "nosuch"),
            (["dashboard", "--out", str(tmp_path / "gone")], "gone"),
            (["dashboard", plain, "--port", port], port),
            (["dashboard", plain, "--port", "70000"], "65535"),
            (["dashboard", plain, "--port", "-1"], "--port"),
            (["report"], "RUN"),
            (["report", plain], "-o"),
            (["report", "nosuch", "-o", str(tmp_path / "x.html")], "nosuch"),
            (["report", plain, "-o", str(tmp_path / "x.txt")], ".html"),
            (["report", plain, "-o", str(tmp_path / "there.html")], "--force"),
            (["report", plain, "-o", str(tmp_path / "folder.html"), "--force"], "folder.html"),
            (["report", plain, "-o", str(tmp_path / "no" / "x.html")], "no"),
        ]
        for arguments, said in cases:
            assert main(arguments) == 2, arguments
            out, err = capsys.readouterr()
            assert (out, err.count("\n")) == ("", 1), (arguments, out, err)
            assert err.startswith("error: ")
            assert said in err
    assert (tmp_path / "there.html").read_text() == "there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.html", "there.html"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_at_once_with_a_page_open(results: Path, number: signal.Signals) -> None:
    command = "import sys; from nas.cli.main import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "dashboard", "--out", str(results), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Empty: the address must arrive also where Python keeps what it prints for later.
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": ""},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with httpx.stream("GET", address + "api/events", timeout=60) as stream:
            assert next(stream.iter_lines()) == ": listening"
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out == ""
        assert err == "stopped; the runs are as they were\n"
    finally:
        process.kill()
        process.wait()
