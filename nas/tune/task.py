"""What the networks of a Tune experiment are trained and judged on: plain values, no Ray."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nas import plugins
from nas import run as runs
from nas import settings as settings_of
from nas.bounds import Bounds
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.latency import devices, known, search_model
from nas.objective import DIRECTIONS, Direction, Objective
from nas.settings import RECIPE, SearchSettings
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from controllers.protocols import Cost
    from latency.model.model import LatencyModel
    from latency.source import LatencySource
    from search_spaces.space import SearchSpace

OPTIONS = (
    *("data", "data_root", "image", "limit", *RECIPE, "checkpoint", "seed"),
    *("objective", "target_latency", "w", "hard", "risk", "runtime", "device", "latency_model"),
)
"""Those of `nas.search` that say how a trial is trained and judged."""

REWARD = "reward"


@dataclass(frozen=True, slots=True)
class Task:
    """What every trial shares; worker processes make everything else from it.

    image: (channels, height, width). model: what foretells latencies, None where each network is
    timed by `runtime` on `device` when its trial begins. target_ms: None without a reward.
    """

    space: str
    data: DataSpec
    recipe: Recipe
    image: tuple[int, int, int]
    classes: int
    objective: Objective
    seed: int
    runtime: str
    device: str
    model: "LatencyModel | None" = None
    checkpoint: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what a trial reports after each epoch, besides Tune's own."""
        facts = ("accuracy", "latency_ms", "parameters", "macs", "loss", "epoch", "epochs")
        return facts if self.objective.reward is None else (REWARD, *facts)

    @contextmanager
    def source(self) -> "Iterator[LatencySource]":
        """Have what tells latencies. Raises LatencyError and UserError."""
        if self.model is not None:
            yield self.model
        else:
            with devices.opened(self.runtime, self.device) as source:
                yield source

    def shape(self) -> search_model.Shape:
        """What networks are built for."""
        return search_model.Shape(plugins.space(self.space), self.image, self.classes)

    def trained_by(self, config: Mapping[str, Any]) -> Recipe:
        """The recipe with what a trial's configuration changes of it. Raises UserError."""
        given = {name: config[name] for name in RECIPE if name in config}
        return replace(self.recipe, **given)

    def cost(self, metrics: tuple[str, ...], directions: tuple[Direction, ...]) -> "Cost":
        """What a controller is told before training, where these metrics are its objectives."""
        reward, risk = self.objective.reward, self.objective.risk
        if metrics == (REWARD,) and directions == ("maximize",):
            objective = Objective((), reward, risk)
        elif all(DIRECTIONS.get(m) == d for m, d in zip(metrics, directions, strict=True)):
            objective = Objective(metrics, reward, risk)
        else:
            # How a metric of another kind depends on latency is for the controller to learn.
            return known.Sizes(self.shape(), Bounds())
        with self.source() as source:
            return known.told(self.shape(), source, self.model, objective, Bounds())


def task(space: str, options: Mapping[str, Any]) -> Task:
    """Read the data, find the target latency where none is given, and check all options.

    Raises UserError, SpaceError or LatencyError, one line, for what is wrong with any of them.
    """
    for option in options:
        if option not in OPTIONS:
            raise plugins.unknown("option", option, OPTIONS)
    if str(device := options.get("device")).startswith("ray:"):
        raise UserError(
            f"device {device!r}: trials of Ray Tune do not reach it; fit a latency model of it "
            "(nas latency fit) and give latency_model"
        )
    settings = settings_of.parse({"space": space, "latency_model": "none", **options}, "trainable")
    if settings.runtime not in (runtimes := plugins.names("runtimes")):
        raise plugins.unknown("runtime", settings.runtime, runtimes)
    from nas.training.trial import cached

    found = plugins.space(settings.space)
    dataset = cached(settings.data_spec())
    made = Task(
        space=found.name,
        data=settings.data_spec(),
        recipe=settings.recipe(dataset.image, len(dataset.train)),
        image=dataset.image,
        classes=len(dataset.classes),
        objective=Objective.parse(settings.objective, runs.reward(settings, 1.0), settings.risk),
        seed=settings.seed,
        runtime=settings.runtime,
        device=devices.absolute(settings.device),
        model=_model(settings),
        checkpoint=settings.checkpoint,
    )
    return replace(made, objective=_aimed(settings, made))


def _model(settings: SearchSettings) -> "LatencyModel | None":
    """The model in a file. Raises LatencyError; UserError for "auto", which may mean to fit one."""
    if settings.latency_model == search_model.NONE:
        return None
    if settings.latency_model == search_model.AUTO:
        raise UserError("latency_model 'auto': give a file of nas latency fit, or none")
    from pathlib import Path

    from latency.model import document

    return document.load(Path(settings.latency_model))


def _aimed(settings: SearchSettings, made: Task) -> Objective:
    """The objective at its target; without one in Pareto mode there is no reward."""
    from nas.target import from_random

    target = settings.target_latency
    if target is None and made.objective.facts:
        return replace(made.objective, reward=None)
    if target is None:
        space: SearchSpace = made.shape().space
        with made.source() as source:
            shape = (made.image, made.classes)
            target = from_random(space, source, *shape, made.seed, lambda: None).latency_ms
    return replace(made.objective, reward=runs.reward(settings, target))
