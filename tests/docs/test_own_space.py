"""The search space of docs/own-space.md: the paper's figures, and what every space promises."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nas import plugins
from search_spaces.operators import costs
from search_spaces.space import SearchSpace
from tests.docs.installed import installed
from tests.search_spaces import test_contract as contract

LAWS = {
    name: law
    for name, law in vars(contract).items()
    if name.startswith("test_") and not name.startswith(("test_20", "test_200"))
}
EACH: dict[str, list[dict[str, Any]]] = {
    "test_equal_keys_are_equal_networks_and_the_other_way_round": [{"count": 20}],
    "test_size_is_the_number_of_settings": [{"order": 1}, {"order": -1}],
    "test_operators_of_blocks_equal_hooks_and_fvcore_on_the_network": [{"count": 2}],
    "test_images_of_other_shapes_are_taken": [
        {"image": image, "count": 3} for image in ((1, 28, 28), (3, 33, 47), (3, 8, 8))
    ],
    "test_what_is_no_architecture_is_refused_in_one_line": [{"case": n} for n in range(8)],
}  # fmt: skip


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchSpace]:
    with installed("own_space", tmp_path_factory.mktemp("site")):
        assert "mobilenet-v1" in plugins.names("search_spaces")
        yield plugins.space("mobilenet-v1")


@pytest.mark.parametrize(
    ("width", "parameters", "macs"),
    [(1.0, 4.2, 569), (0.75, 2.6, 325), (0.5, 1.3, 149), (0.25, 0.5, 41)],
)
def test_the_published_networks_cost_what_the_paper_says(
    space: SearchSpace, width: float, parameters: float, macs: int
) -> None:
    graph = space.blocks(space.published[f"mobilenet-v1-{width}"], (3, 224, 224), 1000)
    found = costs(graph)
    assert round(found.parameters / 1e6, 1) == parameters
    assert round(found.macs[-1] / 1e6) == macs


@pytest.mark.parametrize("name", LAWS)
def test_it_keeps_the_law(space: SearchSpace, name: str) -> None:
    law: Callable[..., None] = LAWS[name]
    for more in EACH.get(name, [{}]):
        law(space=space, **more)
