"""Runs the search: command line, training, early exits, reward, results.

The names below are the Python interface; each is imported when first used, so that ``import nas``
stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.config import load_architecture
    from nas.description import describe
    from nas.inference.predictor import predictor
    from nas.networks import build
    from nas.results import trials
    from nas.rewards import reward
    from nas.run import open_run
    from nas.scaling import scale
    from nas.searches import resume, search

__all__ = [
    "build",
    "describe",
    "load_architecture",
    "open_run",
    "predictor",
    "resume",
    "reward",
    "scale",
    "search",
    "trials",
]

# No module of this package may bear one of these names: importing it would hide the function.
_WHERE = {
    "build": "nas.networks",
    "describe": "nas.description",
    "load_architecture": "nas.config",
    "open_run": "nas.run",
    "predictor": "nas.inference.predictor",
    "resume": "nas.searches",
    "reward": "nas.rewards",
    "scale": "nas.scaling",
    "search": "nas.searches",
    "trials": "nas.results",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
