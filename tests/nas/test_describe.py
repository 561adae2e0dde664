"""Figures of the official MSDNet, seven blocks, base 4, step 2, as its own code counts them."""

import json

import pytest

import nas
from nas import plugins
from nas.description import describe
from nas.errors import UserError
from nas.operator_table import operator_table

ANYTIME_7 = plugins.space("msd").published["msdnet-cifar-anytime-7"]


def test_parameters_and_cumulative_operations_are_those_of_the_official_code() -> None:
    found = describe(ANYTIME_7, (3, 32, 32), 100)
    assert found.parameters == 3_067_960
    assert [e.exit for e in found.exits] == [1, 2, 3, 4, 5, 6, 7]
    assert [e.official_ops for e in found.exits] == [
        15140452, 25505992, 37095980, 46331024, 57335540, 66960728, 75937724,
    ]  # fmt: skip
    assert [e.lazy_macs for e in found.exits] == [
        13256192, 23252992, 35760640, 44805120, 55619072, 66529280, 75487744,
    ]  # fmt: skip
    assert found.exits[0].macs == 14_967_296


def test_json_has_the_promised_keys_and_no_latency_unless_asked() -> None:
    data = json.loads(json.dumps(nas.describe(ANYTIME_7, classes=10).to_json()))
    assert list(data) == ["space", "key", "image", "classes", "parameters", "exits"]
    assert (data["space"], data["image"], data["classes"]) == ("msd", [3, 32, 32], 10)
    counts = ["exit", "macs", "lazy_macs", "official_ops"]
    of_latency = ["latency_ms", "low_ms", "high_ms", "how"]
    assert all(list(row) == counts + of_latency for row in data["exits"])
    assert all(row[name] is None for row in data["exits"] for name in of_latency)


def test_latency_grows_from_exit_to_exit_and_says_what_it_is() -> None:
    found = describe(ANYTIME_7, latency=plugins.runtime("macs"))
    figures = [row.latency_ms for row in found.exits if row.latency_ms is not None]
    assert len(figures) == 7
    assert figures == sorted(figures)
    assert figures[0] > 0
    assert found.latency_conditions is not None
    assert found.latency_conditions["runtime"] == "macs"


def test_the_built_network_has_the_parameters_described() -> None:
    architecture = plugins.space("msd").published["msdnet-cifar-batch-4"]
    network = nas.build(architecture, image=(1, 28, 28), classes=7)
    described = nas.describe(architecture, image=(1, 28, 28), classes=7)
    assert sum(p.numel() for p in network.parameters()) == described.parameters
    assert len(network.stages) == len(described.exits)


@pytest.mark.parametrize(
    ("image", "classes", "named"),
    [((3, 32), 10, "image"), ((3, 0, 32), 10, "image"), ((3, 32, 32), 1, "classes 1")],
)
def test_shapes_no_network_has_are_refused(
    image: tuple[int, ...], classes: int, named: str
) -> None:
    with pytest.raises(UserError, match=named):
        nas.describe(ANYTIME_7, image=image, classes=classes)
    with pytest.raises(UserError, match=named):
        nas.build(ANYTIME_7, image=image, classes=classes)


def test_operators_are_listed_and_fvcore_agrees() -> None:
    architecture = plugins.space("msd").published["msdnet-cifar-batch-4"]
    table = operator_table(architecture, (3, 32, 32), 100)
    described = describe(architecture, (3, 32, 32), 100)
    assert len(table.stages) == len(described.exits)
    assert table.macs == table.fvcore_macs == described.exits[-1].lazy_macs
