"""Exits: the classifier heads that any family may place along its depth, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from search_spaces.architecture import Condition, Decision, Domain, Option
from search_spaces.blocks import BlockSpec, interned
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    from torch import nn

HEADS = ("pool", "conv32", "conv64", "conv128", "conv")
"""Heads: global average alone; two strided 3x3 convolutions to 32, 64, 128 (MSDNet on CIFAR) or
as many channels as come in (MSDNet on ImageNet), then the average; a linear layer ends all."""


@dataclass(frozen=True, slots=True)
class Head(BlockSpec):
    """A classifier: ``widths`` of its strided convolutions, global average, linear layer.

    ``norm``: BatchNorm and ReLU come first (after pre-activated features, as in DenseNet).
    ``dropout`` is the share of averaged features dropped in training; ``bias`` that of the linear
    layer. Source: MSDNet (ICLR 2018, section 5) and its code; the code's 2x2 average pooling is the
    global average at the sizes it accepts (32 and 224 pixels).
    """

    in_channels: int
    widths: tuple[int, ...]
    classes: int
    norm: bool = False
    dropout: float = 0.0
    bias: bool = True

    def module(self) -> "nn.Module":
        """Build the head: [batch, in_channels, h, w] to logits [batch, classes]."""
        from torch import nn

        from search_spaces.layers import conv_norm
        from search_spaces.unfilled import BatchNorm2d, Linear

        channels = (self.in_channels, *self.widths)
        convs = [
            module
            for given, width in zip(channels, self.widths, strict=False)
            for module in conv_norm(given, width, (3, 3), (2, 2))
        ]
        before = [BatchNorm2d(self.in_channels), nn.ReLU(inplace=True)] if self.norm else []
        return nn.Sequential(
            *before,
            *convs,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            *([nn.Dropout(self.dropout)] if self.dropout else []),
            Linear(channels[-1], self.classes, bias=self.bias),
        )


@interned
def head(kind: str, in_channels: int, classes: int, norm: bool = False) -> Head:
    """Return the head of a kind listed in ``HEADS`` for features of ``in_channels`` channels."""
    if kind == "pool":
        return Head(in_channels, (), classes, norm)
    width = int(kind[4:]) if kind != "conv" else in_channels
    return Head(in_channels, (width, width), classes, norm)


# Where exits stand, for families whose blocks follow one another ----------------------------------

EXITS = ("none", "end", "middle", "both")
"""After which layers of a block exits stand: none, the last, the middle one, these two."""


def exit_decisions(scopes: Sequence[str], conditions: Sequence[Condition | None]) -> list[Decision]:
    """Return where exits stand in each block, ``{scope}exits``, and which ``head`` they have.

    A fixed network may name the layers instead, counted from 1: "4-8". The network's last
    classifier is the family's own and stands whatever is chosen here.
    """
    about = "layers of the block that an exit follows"
    return [
        *(
            Decision(scope + "exits", EXITS, about, condition, Domain("factors"))
            for scope, condition in zip(scopes, conditions, strict=True)
        ),
        Decision("head", HEADS, "classifier of the early exits"),
    ]


def exit_layers(setting: str, layers: int) -> frozenset[int]:
    """Return the layers, counted from 1, of a block of ``layers`` layers that an exit follows.

    Raises SpaceError for a layer that the block does not have.
    """
    named = {
        "none": set(),
        "end": {layers},
        "middle": {(layers + 1) // 2},
        "both": {(layers + 1) // 2, layers},
    }
    found = named.get(setting) if setting in named else {int(part) for part in setting.split("-")}
    assert found is not None
    if found and max(found) > layers:
        raise SpaceError(f"exits cannot be {setting!r}: the block has {layers} layers")
    return frozenset(found)


@lru_cache(maxsize=10_000)
def early_exits(setting: str, layers: int, last_block: bool) -> frozenset[int]:
    """Return the layers of a block that an early exit follows, as ``exit_layers`` does.

    At the end of the last block the network's own classifier stands instead.
    """
    return exit_layers(setting, layers) - ({layers} if last_block else set())


def canonical_exits(choices: dict[str, Option], layers: Mapping[str, int]) -> None:
    """Set ``{scope}exits`` and ``head`` to the first option that builds the same network.

    ``layers`` gives the number of layers of each block by its scope, in the network's order.
    """
    scopes = list(layers)
    early = False
    for scope, count in layers.items():
        last = scope == scopes[-1]
        wanted = early_exits(str(choices[scope + "exits"]), count, last)
        early = early or bool(wanted)
        named = "-".join(map(str, sorted(wanted)))
        equal = (each for each in EXITS if early_exits(each, count, last) == wanted)
        choices[scope + "exits"] = next(equal, named)
    if not early:
        choices["head"] = HEADS[0]
