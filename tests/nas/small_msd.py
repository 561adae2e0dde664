"""The smallest networks of msd: searches over them take seconds and are real in every part."""

from dataclasses import replace

from nas import plugins
from search_spaces.msd import MultiScale

KEPT = {
    "stem": ("conv3",),
    "scales": (2, 1),
    "channels": (8,),
    "growth_rate": (4,),
    "head": ("pool", "conv32"),
    "blocks": (2,),
    "layers": (1, 2),
    "width": (0.5, 1.0),
}
NEVER_ACTIVE = ("block3", "block4", "block5", "growth_factor.3", "growth_factor.4")


class SmallMSD(MultiScale):
    """Named msd as well, so that workers, which know only the whole space, build its networks."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions = tuple(
            replace(d, options=tuple(o for o in d.options if o in kept))
            if (kept := KEPT.get(d.name.rpartition(".")[2]))
            else d
            for d in self.decisions
            if not d.name.startswith(NEVER_ACTIVE)
        )


SMALL = SmallMSD()
WHERE = "tests.nas.small_msd:SMALL"


def instead_of_msd() -> None:
    """In a process of its own: what `monkeypatch.setitem` does inside pytest."""
    plugins.SPACES["msd"] = WHERE
