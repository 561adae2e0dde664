"""What every runtime promises of the work that it prepares."""

import gc
import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import torch

from latency import canary, sources
from latency.bench import LocalBench
from latency.errors import LatencyError
from latency.protocol import Protocol, Visit
from latency.runtimes import preparing
from latency.runtimes.runtime import Piece, Prepared, Runtime
from search_spaces.blocks import IMAGE, BlockGraph, Node, Norm
from search_spaces.conv_norm import ConvNorm
from tests.latency import available
from tests.latency.conftest import Conv, Join

Prepare = Callable[..., Prepared]


@pytest.fixture(params=available.params(simulated=False))
def runtime(request: pytest.FixtureRequest) -> Runtime:
    bench = sources.bench(*request.param)
    assert isinstance(bench, LocalBench)
    return bench.runtime


def check(taken: list[float], parts: int) -> None:
    assert len(taken) == parts
    assert all(isinstance(ms, float) and 0 <= ms < math.inf for ms in taken)
    assert sum(taken) > 0


class TestEveryPreparedWork:
    @pytest.fixture
    def prepare(self, runtime: Runtime) -> Iterator[Prepare]:
        """Prepare pieces that are closed after the test."""
        with ExitStack() as stack:

            def prepared(piece: Piece, seed: int = 0) -> Prepared:
                ready = preparing.prepare(runtime, piece, seed)
                stack.callback(ready.close)
                return ready

            yield prepared

    def test_it_is_a_runtime(self, runtime: Runtime) -> None:
        assert isinstance(runtime, Runtime)
        assert isinstance(runtime.protocol, Protocol)
        assert runtime.name
        assert runtime.device
        assert isinstance(runtime.shares_host, bool)

    def test_every_stage_has_timed_parts(self, prepare: Prepare, graph: BlockGraph) -> None:
        ready = prepare(Piece.network(graph))
        assert len(ready.parts) == len(graph.exits)
        assert all(count >= 1 for count in ready.parts)
        for _ in range(3):
            check(ready.run(3), sum(ready.parts))

    @pytest.mark.parametrize("stages", [1, 2])
    def test_only_the_first_stages_run(
        self, prepare: Prepare, graph: BlockGraph, stages: int
    ) -> None:
        ready = prepare(Piece.network(graph))
        check(ready.run(stages), sum(ready.parts[:stages]))
        (taken,) = ready.visit(Visit(1, 1), stages)
        check(taken, sum(ready.parts[:stages]))

    def test_a_visit_has_as_many_passes_as_asked(self, prepare: Prepare, graph: BlockGraph) -> None:
        ready = prepare(Piece.network(graph))
        for visit in (Visit(1, 1), Visit(2, 3)):
            passes = ready.visit(visit)
            assert len(passes) == visit.repeats
            for taken in passes:
                check(taken, sum(ready.parts))

    def test_a_divided_network_has_a_part_for_each_block(
        self, prepare: Prepare, graph: BlockGraph
    ) -> None:
        ready = prepare(Piece.network(graph, divided=True))
        assert ready.parts == tuple(len(stage.nodes) for stage in graph.stages())
        check(ready.run(3), sum(ready.parts))
        check(ready.visit(Visit(1, 1), 2)[0], sum(ready.parts[:2]))

    def test_later_stages_may_read_an_exit(self, prepare: Prepare) -> None:
        nodes = (Node("a", ConvNorm(3, 8, 3), (IMAGE,)), Node("b", ConvNorm(8, 8, 3), ("a",)))
        work = prepare(Piece.network(BlockGraph((3, 8, 8), 8, nodes, ("a", "b"))))
        assert len(work.run(2)) == sum(work.parts)

    def test_passes_leave_in_an_order(self, prepare: Prepare, graph: BlockGraph) -> None:
        ready, whole = prepare(Piece.network(graph, order=(2, 1, 3))), Piece.network(graph)
        parts = prepare(whole).parts
        assert ready.parts == tuple(sum(parts[:stages]) for stages in (2, 1, 3))
        check(ready.run(3), sum(ready.parts))

    @pytest.mark.parametrize("seed", [0, 1, 2**31])
    def test_one_block_is_work_too(self, prepare: Prepare, seed: int) -> None:
        one = prepare(Piece.block(Conv(3, 4), ((3, 8, 8),), Norm()), seed)
        two = prepare(Piece.block(Join(3, 5, 4), ((3, 8, 8), (5, 8, 8)), Norm()), seed)
        for ready in (one, two):
            assert len(ready.parts) == 1
            check(ready.run(1), ready.parts[0])

    def test_the_canary_can_be_run(self, prepare: Prepare) -> None:
        ready = prepare(canary.piece())
        check(ready.run(1), sum(ready.parts))

    def test_what_is_closed_leaves_others_alone(
        self, runtime: Runtime, prepare: Prepare, make_graph: Callable[[int, int], BlockGraph]
    ) -> None:
        piece, seed = Piece.network(make_graph(2, 4)), 3
        first, second = runtime.prepare(piece, seed), prepare(piece, seed)
        first.run(2)
        first.close()
        check(second.run(2), sum(second.parts))

    def test_answers_that_are_not_finite_are_refused(
        self, runtime: Runtime, broken_graph: BlockGraph
    ) -> None:
        with pytest.raises(LatencyError, match="not finite") as error:
            runtime.prepare(Piece.network(broken_graph), 0)
        assert "\n" not in str(error.value)

    def test_the_process_stays_as_it_was(self, prepare: Prepare, graph: BlockGraph) -> None:
        before = (torch.get_num_threads(), torch.is_grad_enabled(), gc.isenabled())
        prepare(Piece.network(graph)).visit(Visit(1, 1))
        assert (torch.get_num_threads(), torch.is_grad_enabled(), gc.isenabled()) == before
        assert not torch.is_inference_mode_enabled()

    def test_conditions_are_json_and_stay_the_same(
        self, runtime: Runtime, prepare: Prepare, graph: BlockGraph
    ) -> None:
        conditions = runtime.conditions()
        assert json.loads(json.dumps(conditions)) == conditions
        assert conditions["runtime"] == runtime.name
        assert conditions["device"] == runtime.device
        assert conditions["batch"] >= 1
        assert conditions["dtype"]
        prepare(Piece.network(graph)).run(1)
        assert runtime.conditions() == conditions
        assert type(runtime)(runtime.device).conditions() == conditions

    def test_a_device_that_it_has_not_is_one_line(self, runtime: Runtime) -> None:
        with pytest.raises(LatencyError, match="no device 'toaster': choose") as error:
            type(runtime)("toaster")
        assert "\n" not in str(error.value)
