"""The connection to Ray: an instance that only this user can talk to, or the user's cluster.

Ray reads its environment when it is imported, so it is imported here, after that is set. Its ports
are open on all interfaces whatever one asks; what keeps others out is a token that each client
must show.
"""

import logging
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.executors.protocol import reason

# No traffic to Ray's makers, and CUDA devices left visible to CPU trials without a warning.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_OBJECT_STORE = 200_000_000  # bytes; only weights and held-out answers of one trial pass through
_LONGEST_FOLDER = 30  # characters; a socket below it must stay within the 107 of a Unix address


class Session:
    """Ray as long as it is needed; close it. A Ray that the process already uses stays as it is."""

    def __init__(self, workers: int, address: str | None) -> None:
        """Starts Ray with `workers` cores, or joins the cluster at `address`. Raises UserError."""
        self._folder: Path | None = None
        _prepare_environment(own=address is None)
        import ray

        self._ours = not ray.is_initialized()
        if not self._ours:
            return
        try:
            if address is None:
                self._folder = _private_folder()
                _init(
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE,
                    _temp_dir=str(self._folder / "r"),  # which Ray opens to everybody
                )
            else:
                _init(address=address)
        except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
            self.close()
            where = "started" if address is None else f"reached at {address}"
            raise UserError(
                f"Ray cannot be {where} ({reason(error)}); executor inline works without it"
            ) from None

    def close(self) -> None:
        """Ends what was started here."""
        import ray

        if self._ours:
            ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _prepare_environment(own: bool) -> None:
    """Settings for Ray and all processes it starts; those the user made are kept."""
    if "ray" in sys.modules:
        return
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if own and not any(name in os.environ for name in _TOKEN):
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


def _init(**options: Any) -> None:
    import ray

    with redirect_stdout(sys.stderr):  # standard output is for results
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


def _private_folder() -> Path:
    """A folder that only this user can enter."""
    base = tempfile.gettempdir()
    return Path(
        tempfile.mkdtemp(prefix="nas-ray-", dir=base if len(base) < _LONGEST_FOLDER else "/tmp")
    )
