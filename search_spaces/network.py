"""The network of an architecture: stages that stop at exits, each computing only what is new."""

from collections.abc import Sequence
from typing import Any

from torch import Generator, Tensor, is_grad_enabled, nn
from torch.nn.functional import cross_entropy

from search_spaces import recompute
from search_spaces.blocks import IMAGE, BlockGraph, Node, Stage


class StagedBlocks(nn.Module):
    """One stage: takes the state, returns the logits of its exit and the next state."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.blocks = nn.ModuleList(node.spec.module() for node in stage.nodes)

    def forward(self, *state: Tensor) -> tuple[Tensor, ...]:
        """Map the state, tensors [batch, ...], to (logits [batch, classes], *next state)."""
        values = dict(zip(self.stage.inputs, state, strict=True))
        run_nodes(self.stage.nodes, self.blocks, values)
        return (values[self.stage.exit], *(values[name] for name in self.stage.outputs))


def run_nodes(nodes: Sequence[Node], blocks: nn.ModuleList, values: dict[str, Tensor]) -> None:
    """Run blocks in their places; ``values`` holds what they read and takes what they give."""
    for node, block in zip(nodes, blocks, strict=True):
        values[node.name] = block(*(values[name] for name in node.inputs))


class StagedNetwork(nn.Module):
    """A network with exits, built from a block graph.

    ``stages[i](*state)`` returns ``(logits, *state)``; the first state is ``(x,)``, x of shape
    [batch, channels, height, width]. Stage i computes what exit i needs beyond the stages before
    it; finer features that only later exits read stay in the state uncomputed.

    ``checkpoint``: train in less memory by computing parts of the network twice, as ``recompute``
    says; results are the same.
    """

    def __init__(self, graph: BlockGraph, checkpoint: bool = False) -> None:
        super().__init__()
        self.graph, self.checkpoint = graph, checkpoint
        self.stages = nn.ModuleList(StagedBlocks(stage) for stage in graph.stages())
        self.auxiliary = nn.ModuleList(node.spec.module() for node in graph.auxiliary)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum, module.eps = graph.norm.momentum, graph.norm.eps

    def state_names(self, index: int) -> tuple[str, ...]:
        """Return the names of the tensors that stage ``index`` takes."""
        return self.graph.stages()[index].inputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the logits [batch, classes] of every exit, first exit first."""
        if self._recomputes():
            values = self._values(x, {*self.graph.exits})
            return [values[name] for name in self.graph.exits]
        state: tuple[Tensor, ...] = (x,)
        logits = []
        for stage in self.stages:
            answer, *rest = stage(*state)
            state = tuple(rest)
            logits.append(answer)
        return logits

    def training_losses(self, x: Tensor, y: Tensor, label_smoothing: float = 0.0) -> list[Tensor]:
        """Return the scalar losses whose sum is trained: one weighted cross-entropy per loss.

        x: [batch, channels, height, width], y: int64 [batch]. The graph's ``losses`` say whose
        logits and with which weights; otherwise all exits weigh 1, as in MSDNet (ICLR 2018,
        section 4).
        """
        logits = self.training_logits(x)
        return [
            weight * cross_entropy(logits[name], y, label_smoothing=label_smoothing)
            for name, weight in self.losses
        ]

    @property
    def losses(self) -> tuple[tuple[str, float], ...]:
        """The blocks whose logits have a loss, with its weight: the exits' unless the graph says.

        Their names are in ``graph.exits`` where they are exits.
        """
        return self.graph.losses or tuple((name, 1.0) for name in self.graph.exits)

    def training_logits(self, x: Tensor) -> dict[str, Tensor]:
        """Return the logits [batch, classes] of every exit and every loss, by their blocks' names.

        In float32 also under autocast: losses are small differences. Training-only heads are run
        too, so the network must be in training mode.
        """
        answered = {*self.graph.exits, *(name for name, _ in self.losses)}
        read = {name for node in self.graph.auxiliary for name in node.inputs}
        values = self._values(x, read | answered)
        run = recompute.run_nodes if self._recomputes() else run_nodes
        run(self.graph.auxiliary, self.auxiliary, values)
        return {name: values[name].float() for name in values if name in answered}

    def _values(self, x: Tensor, wanted: set[str]) -> dict[str, Any]:
        """Run all stages; return the outputs of the blocks that are ``wanted``, by name."""
        run = recompute.run_nodes if self._recomputes() else run_nodes
        found: dict[str, Any] = {}
        state: dict[str, Any] = {IMAGE: x}
        for stage in self.stages:
            assert isinstance(stage, StagedBlocks)
            run(stage.stage.nodes, stage.blocks, state)
            found |= {name: value for name, value in state.items() if name in wanted}
            state = {name: state[name] for name in stage.stage.outputs}
        return found

    def _recomputes(self) -> bool:
        return self.checkpoint and self.training and is_grad_enabled()


def initialise(network: nn.Module, seed: int) -> None:
    """Draw the weights from ``seed`` alone: He normal (fan-out) convolutions, zero biases.

    Source: MSDNet's Lua code (convolutions); linear layers normal with deviation 1/sqrt(inputs).
    """
    generator = Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        elif isinstance(module, nn.Linear):
            deviation = module.in_features**-0.5
            nn.init.normal_(module.weight, std=deviation, generator=generator)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
