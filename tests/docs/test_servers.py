"""How documented servers are tried: started, asked for a page, stopped."""

import sys
from pathlib import Path

from tests.docs.servers import visited

SERVES = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/runs" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

port = int(sys.argv[sys.argv.index("--port") + 1])
assert sys.argv[1:3] == ["dashboard", "digits"]
print("serving", flush=True)
try:
    HTTPServer(("127.0.0.1", port), Page).serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
"""


def command(folder: Path, code: str) -> dict[str, str]:
    """An environment whose `nas` runs the code."""
    (folder / "nas").write_text(f"#!{sys.executable}\n{code}")
    (folder / "nas").chmod(0o755)
    return {"PATH": str(folder)}


def test_a_server_that_answers_and_can_be_stopped_is_well(tmp_path: Path) -> None:
    assert visited(["dashboard", "digits"], command(tmp_path, SERVES)) == (0, "serving\n")


def test_a_server_that_ends_or_is_not_stopped_cleanly_is_not(tmp_path: Path) -> None:
    ends = command(tmp_path, "print('error: no run')\nraise SystemExit(2)\n")
    assert visited(["dashboard", "digits"], ends) == (2, "error: no run\n")
    late = SERVES.replace("sys.exit(0)", "sys.exit(1)")
    assert visited(["dashboard", "digits"], command(tmp_path, late))[0] == 1
