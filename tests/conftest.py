"""Settings every test shares."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run, so that a failure speaks of the change at hand; new examples:
# pytest --hypothesis-profile=default. No deadlines: the first build of a block imports torch.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

TOGETHER = {
    "ray": {
        "test_device_agent",
        "test_device_node",
        "test_executors",
        "test_ray_session",
        "test_resume",
        "test_tune",
        "test_tune_search",
    },
    "trained": {"test_cli_evaluate", "test_early_exit", "test_evaluation"},
}
"""Files that share a process where there are several, for what is started or made only once."""


def pytest_collection_finish() -> None:
    """Take all that was imported out of the garbage collector's sight: it stays to the end.

    Going through it again and again would be a good part of the time of short tests.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file in one process where there are several, and those of TOGETHER in one.

    Marks of groups would not do: pytest 9.2 ignores the names that xdist 3.8 gives marked tests.
    """
    from xdist.scheduler import LoadScopeScheduling

    if config.getvalue("dist") != "loadgroup":
        return None
    groups = {file: group for group, files in TOGETHER.items() for file in files}

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return groups.get(Path(path).stem, path)

    return ByFile(config, log)


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network that was really trained; nobody changes it."""
    from tests.nas import trained_msd

    return trained_msd.write(tmp_path_factory.mktemp("trained"))


@pytest.fixture(autouse=True, scope="session")
def _nothing_kept_for_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Latency models and images that the user keeps would be found by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        if "MPLCONFIGDIR" not in os.environ:  # reading all fonts anew would take seconds
            patch.setenv("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
        patch.delenv("NAS_CACHE", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
