"""The connection to Ray: an instance that only this user can talk to, or the user's cluster.

Ray reads its environment when it is imported, so it is imported here, after that is set. Its ports
are open on all interfaces whatever one asks; what keeps others out is a token that each client
must show.
"""

import logging
import math
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.executors.ray_head import Head, reach
from nas.faults import one_line

# No traffic to Ray's makers, and CUDA devices left visible to CPU trials without a warning. And a
# worker keeps the memory of one batch for the next (glibc): to fetch it from the system each time
# takes a tenth of the time of a network with large activations.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
}
_TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_OBJECT_STORE = 200_000_000  # bytes; only weights and held-out answers of one trial pass through
_LONGEST_FOLDER = 30  # characters; a socket below it must stay within the 107 of a Unix address
_CONNECT_S = 5.0  # until an address counts as unreachable; Ray itself would try for minutes

_told: dict[str, str] = {}  # what Ray was told when this process imported it, and reads but once


class Session:
    """Ray as long as it is needed; close it. A Ray that the process already uses stays as it is."""

    def __init__(
        self,
        workers: int,
        address: str | None,
        gpus_per_trial: float = 0.0,
        measured_gpus: int = 0,
    ) -> None:
        """Starts Ray with `workers` cores, or joins the cluster at `address`.

        measured_gpus: those that no trial gets, as they are measured. Raises UserError if that
        fails, or if Ray cannot give all workers a core and their GPUs.
        """
        self._folder: Path | None = None
        self._ours = False
        _refuse_fraction(gpus_per_trial)
        if address is not None:
            _refuse_unreachable(address)
        self._environment = _prepare_environment(own=address is None)
        import ray

        self._ours = not ray.is_initialized()
        try:
            if self._ours:
                self._connect(workers, address)
            _refuse_too_many(workers, gpus_per_trial, measured_gpus)
            through = address if address and address.startswith("ray://") else None
            self.head = Head(through or ray.get_runtime_context().gcs_address)
        except BaseException:
            self.close()
            raise

    def _connect(self, workers: int, address: str | None) -> None:
        import ray

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
            if address is not None:
                raise UserError(f"Ray cannot be reached at {address} ({one_line(error)})") from None
            raise UserError(
                f"Ray cannot be started ({one_line(error)}); executor inline works without it"
            ) from None

    def close(self) -> None:
        """Ends what was started here, and puts the environment back."""
        import ray

        if self._ours:
            ray.shutdown()
            self._ours = False
        _put_back(self._environment)
        self._environment = {}
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _prepare_environment(own: bool) -> dict[str, str | None]:
    """Settings for Ray and all processes it starts; those the user made are kept.

    Returns what was there before. Raises UserError where a Ray of ours would be open to others.
    """
    if "ray" not in sys.modules:
        told = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
        if own and not any(name in os.environ for name in _TOKEN):
            told |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        _told.update(told)
    elif own and not any(name in _told or name in os.environ for name in _TOKEN):
        _refuse_open()
    before = {name: os.environ.get(name) for name in _told}
    os.environ.update(_told)
    return before


def _put_back(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _refuse_open() -> None:
    """Raises UserError unless the user's own Ray runs already, which is theirs to protect."""
    import ray

    if not ray.is_initialized():
        raise UserError(
            "ray was imported before the search could close it to other users; set "
            "RAY_AUTH_MODE=token before, call ray.init() yourself, or use executor inline"
        )


def _refuse_unreachable(address: str) -> None:
    """Raises UserError if nobody listens at HOST:PORT or ray://HOST:PORT."""
    try:
        reach(address, _CONNECT_S)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray at {address} ({error}); is it running, and is the address right?"
        ) from None


def _refuse_fraction(gpus_per_trial: float) -> None:
    if gpus_per_trial > 1 and not gpus_per_trial.is_integer():
        raise UserError(
            f"gpus_per_trial {gpus_per_trial:g}: Ray gives out parts of one GPU or whole GPUs"
        )


def _refuse_too_many(workers: int, gpus_per_trial: float, measured_gpus: int) -> None:
    """Raises UserError if the cluster, even when idle, has no room for all workers."""
    import ray

    has = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cores, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
    if cores < workers:
        raise UserError(f"workers {workers}: Ray has {cores} cores, and each worker takes one")
    # No worker is given parts of two GPUs.
    needed = workers * gpus_per_trial
    if 0 < gpus_per_trial < 1:
        needed = math.ceil(workers / int(1 / gpus_per_trial + 1e-9))
    measured = measured_gpus if needed else 0
    if gpus < needed + measured:
        besides = f" besides the {measured} that is measured" if measured else ""
        raise UserError(
            f"gpus_per_trial {gpus_per_trial:g} with {workers} workers takes {needed:g} GPUs"
            f"{besides}, Ray has {gpus}"
        )


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
