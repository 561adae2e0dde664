"""A search space: decisions in, architectures and their blocks out. What every family shares."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from search_spaces import moves, widths
from search_spaces.architecture import Architecture, Decision, Option, counts
from search_spaces.blocks import BlockGraph, Image
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution

    from search_spaces.network import StagedNetwork

KEY_IMAGE: Image = (3, 32, 32)
KEY_CLASSES = 10


class SearchSpace(ABC):
    """A family of networks as decisions.

    A family gives ``name``, ``version`` (raised when the same decisions build another network),
    ``reference``, ``decisions``, ``published`` and ``blocks``; all else is here, once.
    """

    name: str
    version: int
    reference: ClassVar[str]
    decisions: tuple[Decision, ...]

    @abstractmethod
    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks of an architecture for images (channels, height, width)."""

    @property
    @abstractmethod
    def published(self) -> Mapping[str, Architecture]:
        """The family's networks of the literature, by name."""

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set decisions without effect to their first option. Families override it."""
        return choices

    def decisions_for(self, choices: Mapping[str, Option]) -> tuple[Decision, ...]:
        """Return the decisions that ``choices`` may set; more than searched for a widened point."""
        return self.decisions

    def build(
        self,
        architecture: Architecture,
        image: Image,
        classes: int,
        seed: int = 0,
        checkpoint: bool = False,
    ) -> "StagedNetwork":
        """Build the network, its weights drawn from ``seed``, for ``classes`` classes.

        ``checkpoint``: it trains in less memory and more time (``search_spaces.recompute``).
        """
        from torch.random import fork_rng

        from search_spaces.network import StagedNetwork, initialise

        with fork_rng(devices=[]):  # torch's own initial weights, replaced below, draw from it
            network = StagedNetwork(self.blocks(architecture, image, classes), checkpoint)
        initialise(network, seed)
        return network

    def architecture(
        self, choices: Mapping[str, Option], widened: tuple[str, ...] = ()
    ) -> Architecture:
        """Make an architecture of ``choices``: inactive ones dropped, ineffective ones canonical.

        Decisions named in ``widened`` may take any value of their domain. Raises SpaceError that
        names the bad value and the options.
        """
        decisions = self.decisions_for(choices)
        self._refuse_unknown(choices, decisions)
        chosen: dict[str, Option] = {}
        for decision in decisions:
            if counts(decision, chosen):
                chosen[decision.name] = self._value(decision, choices, decision.name in widened)
        chosen = self.canonical(chosen)
        searched = self._columns
        beyond = [
            n for n, value in chosen.items() if (n, type(value) is bool, value) not in searched
        ]
        return self._keyed(tuple(chosen.items()), tuple(beyond))

    def point(self, choices: Mapping[str, Option]) -> Architecture:
        """Make a fixed architecture, any value of whose decisions may lie beyond the options."""
        return self.architecture(choices, widened=tuple(choices))

    def from_json(self, data: Mapping[str, Any]) -> Architecture:
        """Read what ``Architecture.to_json`` wrote.

        Raises SpaceError for another space or version, unknown keys, and values outside the space.
        """
        if extra := set(data) - {"space", "version", "decisions", "widened"}:
            raise SpaceError(f"an architecture has no key {min(extra)!r}")
        if data.get("space") != self.name:
            raise SpaceError(
                f"this architecture is of space {data.get('space')!r}, not {self.name}"
            )
        if data.get("version") != self.version:
            raise SpaceError(
                f"this architecture is of version {data.get('version')!r} of space {self.name}; "
                f"this installation has version {self.version}"
            )
        decisions, widened = data.get("decisions"), data.get("widened", [])
        if not isinstance(decisions, Mapping) or not isinstance(widened, list | tuple):
            raise SpaceError("an architecture needs 'decisions', a mapping from name to option")
        return self.architecture(decisions, widened=tuple(widened))

    def active(self, choices: Mapping[str, Option]) -> frozenset[str]:
        """Return the names of the decisions that count under ``choices``."""
        chosen: dict[str, Option] = {}
        for decision in self.decisions_for(choices):
            if counts(decision, chosen):
                chosen[decision.name] = choices[decision.name]
        return frozenset(chosen)

    def parameters(self, architecture: Architecture) -> dict[str, Option]:
        """Return an option for every decision; inactive ones stand at their first."""
        chosen = architecture.decisions()
        return {d.name: chosen.get(d.name, d.options[0]) for d in self.decisions_for(chosen)}

    def nearest(self, architecture: Architecture) -> dict[str, Option]:
        """Return the options nearest to an architecture, one for every searched decision.

        A value that is an option stays, a number beyond them becomes the nearest one; all else,
        inactive decisions too, stands at its first.
        """
        chosen = architecture.decisions()
        return {
            d.name: widths.nearest_option(d, chosen[d.name]) if d.name in chosen else d.options[0]
            for d in self.decisions
        }

    def widths(self, architecture: Architecture, fine: bool = False) -> tuple[Decision, ...]:
        """Return the active decisions that are channel counts or multipliers of them.

        ``fine``: those too that a multiplier among them covers.
        """
        active = [d for d in self.decisions_for(architecture.decisions()) if d.name in architecture]
        return tuple(d for d in active if d.width or (fine and d.fine_width))

    def scaled(self, architecture: Architecture, factor: float) -> Architecture:
        """Multiply every active width, as far as its domain goes; the other decisions stay.

        Raises SpaceError for a factor that is not above zero.
        """
        widths.refuse_factor(factor)
        chosen = architecture.decisions()
        for width in self.widths(architecture):
            chosen[width.name] = widths.scaled_value(width, chosen[width.name], factor)
        return self.point(chosen)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture: each active decision uniformly over its options."""
        return moves.sample(self, rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Change one active decision; decisions that this makes count are drawn.

        The network differs from the given one wherever the space holds another nearby. Values
        beyond the options (a published network's) stay, unless theirs is the decision changed.
        """
        return moves.mutate(self, architecture, rng)

    def crossover(
        self, first: Architecture, second: Architecture, rng: np.random.Generator
    ) -> Architecture:
        """Take each decision from one of two parents, at random (uniform crossover).

        Values beyond the options are inherited too; where they do not go together with the rest,
        it is drawn again, and after 32 draws the child is the first parent.
        """
        return moves.crossover(self, first, second, rng)

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield the architectures that differ in one active decision, in the space's order.

        Values beyond the options stay, unless theirs is the decision that differs.
        """
        return moves.neighbours(self, architecture)

    def encode(self, architecture: Architecture) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return a one-hot vector over all options of all decisions, zeros where inactive.

        Raises SpaceError for a value beyond the options: it has no place in the vector.
        """
        code = np.zeros(len(self._columns), dtype=np.float32)
        for name, option in architecture.decisions().items():
            column = self._columns.get((name, type(option) is bool, option))
            if column is None:
                raise SpaceError(
                    f"{self.name}: {name} {_shown(option)} lies beyond the searched options; "
                    "only architectures of the search can be encoded"
                )
            code[column] = 1.0
        return code

    def size(self) -> int:
        """Return the exact number of settings of the active decisions.

        Conditions form a forest, so the count is a product of sums. Settings that build the same
        network (``canonical``) count one by one.
        """
        children: dict[str, list[Decision]] = {}
        for decision in self.decisions:
            if decision.condition:
                children.setdefault(decision.condition.decision, []).append(decision)

        def settings(decision: Decision) -> int:
            below = children.get(decision.name, [])
            return sum(
                prod(settings(c) for c in below if c.condition and option in c.condition.options)
                for option in decision.options
            )

        return prod(settings(d) for d in self.decisions if d.condition is None)

    def distributions(self) -> "dict[str, CategoricalDistribution]":
        """Return one fixed dict of all decisions for Optuna, inactive ones included.

        Optuna's TPE, GP and NSGA-II learn only over what every trial suggested.
        """
        from optuna.distributions import CategoricalDistribution

        return {d.name: CategoricalDistribution(d.options) for d in self.decisions}

    @cached_property
    def _columns(self) -> dict[tuple[str, bool, Option], int]:
        pairs = [(d.name, type(o) is bool, o) for d in self.decisions for o in d.options]
        return {pair: column for column, pair in enumerate(pairs)}

    @cached_property
    def _names(self) -> dict[str, None]:
        return {decision.name: None for decision in self.decisions}

    def _keyed(
        self, choices: tuple[tuple[str, Option], ...], widened: tuple[str, ...]
    ) -> Architecture:
        bare = Architecture(self.name, self.version, choices, "", widened)
        digest = self.blocks(bare, KEY_IMAGE, KEY_CLASSES).digest()
        return Architecture(self.name, self.version, choices, digest, widened)

    def _value(self, decision: Decision, choices: Mapping[str, Option], widened: bool) -> Option:
        if decision.name not in choices:
            raise SpaceError(f"{self.name}: decision {decision.name!r} is missing")
        value = choices[decision.name]
        if (found := decision.option(value)) is not None:
            return found
        if widened and decision.admits(value):
            domain = decision.domain
            return float(cast(float, value)) if domain and domain.kind == "float" else value
        options = ", ".join(_shown(option) for option in decision.options)
        beyond = (
            f"; a fixed network may have {decision.domain}" if widened and decision.domain else ""
        )
        raise SpaceError(
            f"{self.name}: {decision.name} cannot be {_refused(decision, value)}: "
            f"choose from {options}{beyond}"
        )

    def _refuse_unknown(
        self, choices: Mapping[str, Option], decisions: tuple[Decision, ...]
    ) -> None:
        names = self._names if decisions is self.decisions else {d.name: None for d in decisions}
        if not choices.keys() <= names.keys():
            unknown = [name for name in choices if name not in names]
            close = get_close_matches(str(unknown[0]), names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise SpaceError(f"{self.name} has no decision {unknown[0]!r}{hint}")


def _refused(decision: Decision, value: Option) -> str:
    """The bad value; a text in quotes where numbers are wanted."""
    texts = all(isinstance(option, str) for option in decision.options)
    return _shown(value) if texts or not isinstance(value, str) else repr(value)


def _shown(option: Option) -> str:
    return option if isinstance(option, str) else repr(option)
