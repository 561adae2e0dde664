"""What a runtime is: it prepares a piece of work, which is then run and timed, and closed."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from latency.protocol import Protocol as MeasuringProtocol
from latency.protocol import Visit
from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, Node, Norm, Stage

Shape = tuple[int, ...]
"""Shape of a tensor without its batch: (channels, height, width) or (features,)."""

BLOCK = "block"
"""The name of the one block of a piece that is a block."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Work to be timed: stages of blocks in order, and the shapes of what the first one reads.

    A network with exits, or a single block on inputs of given shapes (one stage). A value that
    can be sent to another process. ``own``: of a block, which inputs come in the runtime's own
    layout (see ``Rearranging``); empty if none. ``divided``: run block by block, each block a timed
    part (see ``Dividing``). ``order``: of each pass, how many stages it runs (see ``InOrder``);
    empty: one pass of all.
    """

    stages: tuple[Stage, ...]
    inputs: tuple[tuple[str, Shape], ...]
    norm: Norm = field(default_factory=Norm)
    own: tuple[bool, ...] = ()
    divided: bool = False
    order: tuple[int, ...] = ()

    @classmethod
    def network(
        cls, graph: BlockGraph, divided: bool = False, order: tuple[int, ...] = ()
    ) -> "Piece":
        """Return the lazy stages of a network."""
        given = ((IMAGE, graph.image),)
        return cls(graph.stages(), given, graph.norm, divided=divided, order=order)

    @classmethod
    def block(
        cls, spec: BlockSpec, shapes: tuple[Shape, ...], norm: Norm, own: tuple[bool, ...] = ()
    ) -> "Piece":
        """Return one block on inputs of these shapes."""
        names = tuple(f"in{index}" for index in range(len(shapes)))
        stage = Stage((Node(BLOCK, spec, names),), names, (), BLOCK)
        return cls((stage,), tuple(zip(names, shapes, strict=True)), norm, own)

    @property
    def is_block(self) -> bool:
        """Whether it is a single block."""
        return self.stages[0].exit == BLOCK


class Prepared(ABC):
    """A piece of work that is ready to run: weights drawn, input made, buffers allocated.

    ``parts``: how many timed parts each stage has, at least one. A runtime that can look inside a
    stage times its blocks; others time the stage. ``consecutive``: whether a pass runs its stages
    one after another; if not, each is timed by itself and nothing of a pass is felt by the next.
    """

    parts: tuple[int, ...]
    consecutive: bool = True

    @abstractmethod
    def run(self, stages: int) -> list[float]:
        """Run the first ``stages`` stages once; return the milliseconds of each of their parts."""

    def visit(self, visit: Visit, stages: int | None = None) -> list[list[float]]:
        """Run untimed passes, then timed ones; return milliseconds [repeats][parts].

        A device that is far away does the whole visit in one call.
        """
        count = len(self.parts) if stages is None else stages
        for _ in range(visit.warm_up):
            self.run(count)
        return [self.run(count) for _ in range(visit.repeats)]

    @abstractmethod
    def close(self) -> None:
        """Give back what was taken. Called once."""


@runtime_checkable
class Runtime(Protocol):
    """Runs networks on a device. Made with the text of ``--device``, and cheap to make."""

    @property
    def name(self) -> str:
        """The runtime, such as ``torch``."""

    @property
    def device(self) -> str:
        """Where it runs, such as ``cpu``."""

    @property
    def protocol(self) -> MeasuringProtocol:
        """How its work is best measured: passes of a visit, rounds."""

    @property
    def shares_host(self) -> bool:
        """Whether trainings on this host disturb it, so that they stand still meanwhile."""

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        """Make a piece ready; ``seed`` draws weights and input.

        Raises LatencyError where this runtime cannot run it or its answers are not finite.
        """

    def conditions(self) -> dict[str, Any]:
        """Return, as JSON values, what its figures depend on: versions, threads, batch, dtype...

        Equal conditions (with the same host) mean that figures compare.
        """


@runtime_checkable
class Observable(Protocol):
    """A runtime that can tell how its device is doing: clocks, temperature."""

    def state(self) -> dict[str, Any]:
        """Return, as JSON values, what changes from one minute to the next."""


@runtime_checkable
class Rearranging(Protocol):
    """A runtime that keeps tensors in a layout of its own between blocks, where it can.

    The time of a block then depends on how its inputs come.
    """

    def answers_in_own(self, piece: Piece) -> bool:
        """Return whether a block leaves its answer in the runtime's own layout."""


@runtime_checkable
class Dividing(Protocol):
    """A runtime that can itself run a network block by block, as close to its use as it can.

    Others run blocks that were prepared by themselves one after another (``latency.runtimes.
    preparing``).
    """

    def divide(self, piece: Piece, seed: int) -> Prepared:
        """Make a network ready, a part for each block of each stage; else as ``prepare``."""
