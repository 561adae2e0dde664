"""Where a machine keeps what it can make again."""

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """`$NAS_CACHE/KIND`; where that is not set, `$XDG_CACHE_HOME/nas/KIND` or `~/.cache/nas/KIND`.

    Not made here.
    """
    own = os.environ.get("NAS_CACHE")
    base = own if own else f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/nas"
    return Path(base).expanduser().absolute() / kind
