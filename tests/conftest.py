"""Settings every test shares."""

import pytest
from hypothesis import settings

# The same examples in every run, so that a failure speaks of the change at hand; new examples:
# pytest --hypothesis-profile=default. No deadlines: the first build of a block imports torch.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

STARTS_RAY = {
    "test_device_agent",
    "test_device_node",
    "test_executors",
    "test_ray_session",
    "test_resume",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file in one process where there are several, and all that starts Ray in one."""
    for item in items:
        name = item.path.stem
        item.add_marker(pytest.mark.xdist_group("ray" if name in STARTS_RAY else name))
