"""A network whose blocks follow one another, with exits along the way."""

from collections.abc import Sequence

from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, Image, Node, Norm


class Chain:
    """Places blocks one after another; ``channels`` are those of the last block's output."""

    def __init__(self, image: Image, classes: int, norm: Norm | None = None) -> None:
        self.image, self.classes, self.norm = image, classes, norm or Norm()
        self.channels = image[0]
        self._last = IMAGE
        self._nodes: list[Node] = []
        self._exits: list[str] = []

    def place(self, name: str, spec: BlockSpec, channels: int) -> None:
        """Append a block, whose output has ``channels`` channels."""
        self._nodes.append(Node(name, spec, (self._last,)))
        self._last, self.channels = name, channels

    def leave(self, classifier: BlockSpec) -> None:
        """Put an exit after the last block."""
        name = f"exit{len(self._exits) + 1}"
        self._nodes.append(Node(name, classifier, (self._last,)))
        self._exits.append(name)

    @property
    def last(self) -> str:
        """Name of the last block, for side heads that read it."""
        return self._last

    def graph(
        self, auxiliary: Sequence[Node] = (), losses: Sequence[tuple[str, float]] = ()
    ) -> BlockGraph:
        """Return the blocks placed so far; side heads and weights as in ``BlockGraph``."""
        return BlockGraph(
            self.image,
            self.classes,
            tuple(self._nodes),
            tuple(self._exits),
            tuple(auxiliary),
            tuple(losses),
            self.norm,
        )
