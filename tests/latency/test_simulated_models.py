"""Latency models of devices whose law is known: what they foretell is held against the law."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from latency.blocks import BlockKey, every
from latency.model import block_table
from latency.model.extending import drift_of, extend
from latency.model.fitting import fit
from latency.model.model import LatencyModel
from latency.model.verification import verify
from latency.protocol import Protocol
from search_spaces.blocks import BlockGraph
from search_spaces.msd import MSD
from tests.latency.simulated import Disturbed, Law, Simulated

IMAGE = (3, 32, 32)
DRIFTING = Disturbed(levels=(1.0, 1.05))
"""Each second campaign finds the device 5 % slower."""
LAWS = {"additive": Law(), "cache": Law(cache_bytes=1e6)}


@dataclass(frozen=True)
class Case:
    """A device with the model fitted on it, and the model after it met the fresh networks."""

    device: Simulated
    fitted: LatencyModel
    extended: LatencyModel

    def off(self, model: LatencyModel, graphs: list[BlockGraph]) -> np.ndarray:
        """Return by which share the model misses the law at each exit of each network."""
        law = self.device.law
        return (
            np.concatenate(
                [
                    np.array([each.latency_ms for each in model.estimate(graph)])
                    / law.exits_ms(graph)
                    for graph in graphs
                ]
            )
            - 1
        )


@pytest.fixture(scope="module")
def fresh() -> list[BlockGraph]:
    """Networks that no model was fitted to."""
    rng = np.random.default_rng(999)
    return [MSD.blocks(MSD.sample(rng), IMAGE, 10) for _ in range(30)]


@pytest.fixture(scope="module", params=sorted(LAWS))
def case(request: pytest.FixtureRequest, fresh: list[BlockGraph]) -> Case:
    device = Simulated(LAWS[request.param], DRIFTING, seed=1)
    fitted = fit(device.bench(), MSD, IMAGE, 10, seed=0).model
    return Case(device, fitted, extend(fitted, device.bench(), fresh, seed=2))


def test_fresh_networks_are_foretold(case: Case, fresh: list[BlockGraph]) -> None:
    assert case.fitted.missing(fresh)
    assert not case.extended.missing(fresh)
    # Blocks were added by a campaign on a device that was 5 % slower: the canary took that out.
    assert np.abs(case.off(case.extended, fresh)).mean() < 0.01


def test_blocks_that_were_not_measured_are_guessed(case: Case, fresh: list[BlockGraph]) -> None:
    assert 0.001 < np.abs(case.off(case.fitted, fresh)).mean() < 0.05


def test_an_estimate_says_whether_it_rests_on_measured_blocks(
    case: Case, fresh: list[BlockGraph]
) -> None:
    for graph in fresh:
        said = case.fitted.estimate(graph)[-1].how
        assert said == ("extrapolated" if case.fitted.missing([graph]) else "table")
        assert all(each.how == "table" for each in case.extended.estimate(graph))


def test_guesses_have_wider_intervals(case: Case, fresh: list[BlockGraph]) -> None:
    for graph in fresh:
        before, after = (
            np.log(each.high_ms / each.low_ms)
            for each in (case.fitted.estimate(graph)[-1], case.extended.estimate(graph)[-1])
        )
        assert before > after if case.fitted.missing([graph]) else before == after


def test_intervals_hold_what_is_measured(case: Case, fresh: list[BlockGraph]) -> None:
    quiet = Simulated(case.device.law, Disturbed(), seed=3)
    found = verify(case.extended, quiet.bench(), fresh, seed=4)
    assert found.errors.mape < 0.01
    assert found.errors.coverage_90 >= 0.7  # 90 % of few networks, learnt from few
    exits = [case.extended.estimate(graph)[-1] for graph in fresh]
    assert np.mean([each.high_ms / each.low_ms for each in exits]) < 1.2
    assert found.drift == pytest.approx(1.0, rel=0.002)


def test_what_the_model_says_of_its_error_is_so(case: Case, fresh: list[BlockGraph]) -> None:
    true = np.abs(case.off(case.extended, fresh)).mean()
    assert true / 3 - 0.002 < case.fitted.errors.mape < 3 * true + 0.002


def test_parts_of_an_estimate_add_up_to_it(case: Case, fresh: list[BlockGraph]) -> None:
    for graph in fresh[:5]:
        shares = case.extended.explain(graph)
        total = sum(each.ms for each in shares)
        assert total == pytest.approx(case.extended.estimate(graph)[-1].latency_ms)


def test_latency_grows_from_exit_to_exit(case: Case, fresh: list[BlockGraph]) -> None:
    for graph in fresh:
        said = case.fitted.estimate(graph)
        assert all(a.latency_ms < b.latency_ms for a, b in pairwise(said))


@pytest.mark.slow
def test_a_restless_device_is_foretold_as_well(fresh: list[BlockGraph]) -> None:
    restless = Disturbed(slow=0.6, preemptions=100)
    device = Simulated(Law(), restless, seed=1)
    case = Case(device, *(fit(device.bench(), MSD, IMAGE, 10, seed=0).model,) * 2)
    model = extend(case.fitted, device.bench(), fresh, seed=2)
    assert np.abs(case.off(model, fresh)).mean() < 0.01


def test_drift_since_the_fit_is_found(case: Case, fresh: list[BlockGraph]) -> None:
    slower = Simulated(case.device.law, Disturbed(levels=(1.05,)), seed=3)
    found = verify(case.fitted, slower.bench(), fresh[:10], seed=4)
    assert found.drift == pytest.approx(1.05, rel=0.002)


class Settling(Simulated):
    """A device that is 5 % slower until this many milliseconds of its clock are over."""

    settled_ms = 0.0

    def spend(self, ms: float) -> float:
        return super().spend(ms * (1.05 if self.now_ms < self.settled_ms else 1.0))


def test_a_drift_within_the_campaign_widens_intervals() -> None:
    steady, settling = (Settling(Law(), Disturbed(noise=0.0), seed=1) for _ in range(2))
    calm = fit(steady.bench(), MSD, IMAGE, 10, samples=9, seed=0).model
    settling.settled_ms = 0.7 * steady.now_ms
    drifted = fit(settling.bench(), MSD, IMAGE, 10, samples=9, seed=0).model
    assert drifted.canary_ms == pytest.approx(calm.canary_ms)
    assert calm.misses.last < 0.02
    assert drifted.misses.last == pytest.approx(np.hypot(calm.misses.last, 0.05), rel=0.1)


def test_every_row_is_the_time_of_its_own_block(fresh: list[BlockGraph]) -> None:
    device, graphs = Simulated(Law(), Disturbed(noise=0.0)), fresh[:6]
    batch = device.bench().measure(block_table.pieces(graphs), 0)
    seen = block_table.seen(graphs, device.bench().blocks(graphs), batch)
    law, empty = device.law, block_table.EMPTY
    calling, _ = law.block(empty.spec, empty.shapes)
    assert len({block.key for block in seen.blocks}) == len(seen.blocks) > 50
    for block in seen.blocks:
        alone, _ = law.block(block.key.spec, block.key.shapes)
        expected = max(alone - calling, block_table.LEAST * alone)
        assert list(block.ms.values()) == pytest.approx([expected] * len(block.ms))
        where = [index for index, g in enumerate(graphs) if block.key in every([g], no_layouts)]
        assert list(block.ms) == where


def no_layouts(key: BlockKey) -> bool:
    return False


def test_few_pieces_are_no_drift(fresh: list[BlockGraph]) -> None:
    restless = Disturbed(noise=0.02, slow=0.5, preemptions=50)
    longest_s = restless.stretch_ms[1] / 1000
    apart = Protocol(apart_s=longest_s / 8)  # rounds outlast a slow stretch, however few the pieces
    device = Simulated(Law(), restless, seed=2, protocol=apart)
    model = fit(device.bench(), MSD, IMAGE, 10, samples=9, seed=0).model
    for graph in fresh[:3]:
        few = device.bench().measure(block_table.pieces([graph]), 1)
        assert drift_of(model, few) == pytest.approx(1.0, abs=0.01)
