"""MobileNets (Howard et al., 2017, table 1): depthwise-separable layers, narrower by a factor.

The space varies each stage's kernel and depth, the width of all and where early exits stand.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from search_spaces.architecture import Architecture, Decision, Domain, Option
from search_spaces.blocks import BlockGraph, Image
from search_spaces.chain import Chain
from search_spaces.conv_norm import ConvNorm
from search_spaces.conv_op import ConvOp
from search_spaces.exits import Head, canonical_exits, early_exits, exit_decisions, head
from search_spaces.space import SearchSpace

STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))
"""Channels, layers and first layer's stride of each stage."""

SCOPES = tuple(f"stage{number}." for number in range(1, len(STAGES) + 1))


def _decisions() -> tuple[Decision, ...]:
    alphas = Domain("float", 0.01, 10)
    found = [
        Decision("width", (1.0, 0.75, 0.5, 0.25), "times all channels", None, alphas, width=True),
        Decision("stem_stride", (2, 1), "2 as published, 1 for small images"),
    ]
    for scope, (_, layers, _) in zip(SCOPES, STAGES, strict=True):
        found.append(Decision(scope + "kernel", (3, 5), "of the depthwise convolutions"))
        found.append(Decision(scope + "layers", (layers, layers + 1), "separable layers"))
    return (*found, *exit_decisions(SCOPES, [None] * len(SCOPES)))


class MobileNetV1(SearchSpace):
    """Images of any size are taken; each stride halves them, rounded up."""

    name = "mobilenet-v1"
    version = 1
    reference: ClassVar[str] = "Howard et al., 2017"
    decisions = _decisions()

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The four widths of the paper (table 6)."""
        first: dict[str, Option] = {d.name: d.options[0] for d in self.decisions}
        alphas = self.decisions[0].options
        return {f"mobilenet-v1-{a}": self.architecture(first | {"width": a}) for a in alphas}

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Give exits that stand at the same layers the same name."""
        layers: dict[str, Any] = {scope: choices[scope + "layers"] for scope in SCOPES}
        canonical_exits(choices, layers)
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Place the stem, the stages with their exits, and the classifier."""
        chosen: dict[str, Any] = architecture.decisions()
        chain, width = Chain(image, classes), chosen["width"]
        stem = round(32 * width)
        chain.place("stem", ConvNorm(chain.channels, stem, 3, chosen["stem_stride"]), stem)
        for scope, (channels, _, stride) in zip(SCOPES, STAGES, strict=True):
            layers, kernel, out = (
                chosen[scope + "layers"],
                chosen[scope + "kernel"],
                channels * width,
            )
            left = early_exits(chosen[scope + "exits"], layers, scope == SCOPES[-1])
            for number in range(1, layers + 1):
                step = stride if number == 1 else 1
                spec = ConvOp("sepconv", chain.channels, round(out), kernel, step, 0, 0)
                chain.place(f"{scope}layer{number}", spec, round(out))
                if number in left:
                    chain.leave(head(chosen["head"], chain.channels, classes))
        chain.leave(Head(chain.channels, (), classes))
        return chain.graph()


MOBILENET_V1 = MobileNetV1()
