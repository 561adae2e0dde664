"""What names a database: an address in SQLAlchemy's words."""

import re
from pathlib import Path

from nas.errors import UserError

SQLITE = "sqlite:///"
_SECRET = re.compile(r"([?&][a-z]*password=)[^&]*")


def absolute(url: str) -> str:
    """The same database from any working directory: SQLite files have relative names."""
    file = sqlite_file(url)
    return url if file is None else f"{SQLITE}{file.absolute()}"


def sqlite_file(url: str) -> Path | None:
    """The SQLite file that a plain address names."""
    name = url.removeprefix(SQLITE)
    plain = url.startswith(SQLITE) and not name.startswith((":", "file:")) and "?" not in name
    return Path(name) if plain and name else None


def refuse_memory(url: str) -> None:
    """Raises UserError for a database that nobody could resume a run from."""
    scheme, _, name = url.partition("://")
    if scheme.startswith("sqlite") and name in ("", "/", "/:memory:"):
        raise UserError(f"storage {url} is gone with its process; name a file: sqlite:///FILE")


def without_password(url: str) -> str:
    """The address of a database as it may be shown."""
    scheme, slashes, rest = _SECRET.sub(r"\1...", url).partition("://")
    credentials, at, place = rest.rpartition("@")
    return f"{scheme}{slashes}{credentials.partition(':')[0]}{at}{place}"
