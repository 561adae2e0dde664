"""Our controllers as a search algorithm of Ray Tune."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.variant_generator import parse_spec_vars

from controllers.record import AGAIN
from nas import atomic, plugins
from nas.errors import UserError
from nas.proposals import derived_seed, refuse_unfit
from nas.repetitions import middle
from nas.tune.aims import Aims, Outcome, Words
from nas.tune.network import Network
from nas.tune.record import Record
from nas.tune.space import ARCHITECTURE
from nas.tune.training import SEED

if TYPE_CHECKING:
    import optuna

    from nas.tune.task import Task
    from search_spaces.space import SearchSpace

WASTED = 100  # so many proposals in a row of networks that are known: there are no others
HOPELESS = 5  # so many trials stopped early and none that went to its end: it seems none will

_log = logging.getLogger(__name__)


class Search(Searcher):
    """A controller of `nas search` for `tune.TuneConfig(search_alg=...)`.

    A trial's configuration gets an option for every decision under "architecture", and a "seed" to
    train with. Failed trials and those without finite metrics are told as failures; those stopped
    before their last epoch (`epoch` below `epochs` in their reports) count as tried only. A network
    that was trained already is not trained again unless the controller wants that.

    Args:
        controller: its name, as in `nas search --controller`.
        space: what is searched: its name, a `SearchSpace`, or what `nas.tune.trainable` made; then
            the controller knows sizes and latencies beforehand, as in `nas search`.
        metric: what is optimised, one name or a list; None is what `TuneConfig` says, which Tune
            passes on where there is a `param_space`, such as that of `nas.tune.param_space`.
        mode: "max" or "min", as many as metrics.
        seed: of the proposals; the same seed and results give the same ones.
        options: the named options of the controller, e.g. `population=20` of `nsga2`.

    Raises:
        UserError, ControllerError: an unknown controller, option, space, metric or mode.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.json"

    def __init__(
        self,
        controller: str = "surrogate",
        space: "str | SearchSpace | type[Network]" = "msd",
        *,
        metric: str | list[str] | None = None,
        mode: str | list[str] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        self._task: Task | None = None
        self._named: str | SearchSpace
        if isinstance(space, type) and issubclass(space, Network):
            self._task, self._named = space.task, space.task.space
        elif isinstance(space, str) or hasattr(space, "distributions"):
            self._named = space
        else:
            raise UserError(
                f"space {space!r}: must be a name, a SearchSpace or a nas.tune.trainable"
            )
        self._controller, self._seed, self._options = controller, seed, options
        self._forget()
        self._made()  # says what is wrong with the controller or the space
        if metric is not None or mode is not None:
            self._aim(metric, mode)

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Take what `TuneConfig` says, unless this has a metric of its own. Raises UserError."""
        rest = {name: value for name, value in config.items() if name != ARCHITECTURE}
        _, drawn, grids = parse_spec_vars(rest)
        for path, _ in (*drawn, *grids):
            raise UserError(
                f"param_space {'/'.join(map(str, path))!r}: Search proposes architectures only, "
                "so this has to be one value"
            )
        if self._aims is None:
            self._aim(metric, mode)
        return True

    def suggest(self, trial_id: str) -> Any:
        """The configuration of another trial; FINISHED where no new network is found."""
        record = self._begun()
        for _ in range(WASTED):
            asked = record.ask(self._sampler)
            known = None if asked.system_attrs.get(AGAIN) else self._known(record, asked.number)
            if known is None:
                record.name(asked.number, trial_id)
                seed = derived_seed(self._seed, "trial", asked.number)
                return {ARCHITECTURE: dict(asked.params), SEED: seed}
            record.finish(asked.number, TrialState.COMPLETE, known)
        _log.warning("%s finds no network that was not trained yet", self._controller)
        return self.FINISHED

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if self._aims is not None:
            self._seen[trial_id] = self._aims.read(result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell how a trial ended; without a result its last one counts, if there was any."""
        seen = self._seen.pop(trial_id, None)
        # A search that was restored from an earlier state does not know every trial of Tune's.
        record = self._record
        if record is None or self._aims is None or not record.awaits(trial_id):
            return
        outcome = self._aims.read(result) if result else seen
        if error or outcome is None or outcome.values is None:
            record.fail(trial_id)
        elif outcome.early:
            record.prune(trial_id, int(outcome.epoch or 0), outcome.values)
            self._warn_where_none_ends(record, outcome)
        else:
            record.complete(trial_id, outcome.values)

    def save(self, checkpoint_path: str) -> None:
        """Write all that was proposed and told, as JSON. Raises OSError."""
        text = json.dumps(self._state(), allow_nan=False)
        atomic.write(Path(checkpoint_path), text.encode())

    def restore(self, checkpoint_path: str) -> None:
        """Go on where `save` was called.

        Raises UserError for a file that is damaged, of another space or of other metrics.
        """
        try:
            self._take(json.loads(Path(checkpoint_path).read_text(encoding="utf-8")))
        except UserError:
            raise
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"{checkpoint_path}: not a state of nas.tune.Search ({error!r})"
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        """What the user gave and plain data: Tune pickles a search beside its experiment."""
        return {name: getattr(self, name) for name in _GIVEN} | {"state": self._state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__init__()
        for name in _GIVEN:
            setattr(self, name, state[name])
        self._forget()
        self._take(state["state"])

    def _forget(self) -> None:
        """As before anything is known."""
        self._aims: Aims | None = None
        self._record: Record | None = None
        self._seen: dict[str, Outcome] = {}  # by Tune's id, of trials under way
        self._keys: dict[int, str] = {}  # by number

    @property
    def _space(self) -> "SearchSpace":
        return plugins.space(self._named) if isinstance(self._named, str) else self._named

    def _made(self) -> "optuna.samplers.BaseSampler":
        """The controller, with what it may know where it is known what it optimises."""
        cost = None
        if self._task is not None and self._aims is not None:
            cost = self._task.cost(self._aims.metrics, self._aims.directions)
        return plugins.controller(
            self._controller, space=self._space, cost=cost, seed=self._seed, **self._options
        )

    def _aim(self, metric: Words, mode: Words) -> None:
        """Begin a record of these metrics. Raises UserError and ControllerError."""
        reported = None if self._task is None else self._task.metrics
        aims, space = Aims.parse(metric, mode, reported), self._space
        refuse_unfit(self._made(), space, aims.directions)
        self._aims, self._record = aims, Record(aims.directions, space.distributions())
        self._sampler = self._made()
        # By these Tune checks what trials report; several are a list there.
        several = (list(aims.metrics), list(aims.modes))
        words: Any = (metric, mode) if isinstance(metric, str) else several
        self._metric, self._mode = words

    def _begun(self) -> Record:
        if self._record is None:
            self._aim(None, None)  # says what is missing
        assert self._record is not None
        return self._record

    def _known(self, record: Record, number: int) -> tuple[float, ...] | None:
        """What is known of the network of a trial, by the training that stands for it."""
        assert self._aims is not None
        sign = 1 if self._aims.modes[0] == "max" else -1
        found: set[tuple[float, ...]] = set()
        key = self._key(record, number)
        for trial in record.trials:
            if trial.state == TrialState.COMPLETE and self._key(record, trial.number) == key:
                found.add(tuple(trial.values))
        return middle(list(found), lambda values: (sign * values[0], 0)) if found else None

    def _key(self, record: Record, number: int) -> str:
        if number not in self._keys:
            params = record.trials[number].params
            self._keys[number] = self._space.architecture(params).key
        return self._keys[number]

    def _warn_where_none_ends(self, record: Record, outcome: Outcome) -> None:
        """Nothing is learnt from a search all of whose trials are stopped early."""
        states = [trial.state for trial in record.trials]
        if states.count(TrialState.PRUNED) == HOPELESS and TrialState.COMPLETE not in states:
            _log.warning(
                "%d trials were stopped before epoch %g, none went that far, and nothing is learnt "
                "from those: where a scheduler or stop= ends trials sooner, give the trainable as "
                "many epochs",
                HOPELESS,
                outcome.epochs,
            )

    def _state(self) -> dict[str, Any]:
        space = self._space
        return {
            "space": space.name,
            "version": space.version,
            "metric": self._metric,
            "mode": self._mode,
            "record": None if self._record is None else self._record.to_json(),
            "seen": {trial_id: list(seen) for trial_id, seen in self._seen.items()},
        }

    def _take(self, state: dict[str, Any]) -> None:
        """Take up a state. Raises UserError, LookupError, TypeError or ValueError."""
        space = self._space
        if (state["space"], state["version"]) != (space.name, space.version):
            raise UserError(
                f"a search of space {state['space']} {state['version']} does not go on in "
                f"{space.name} {space.version}"
            )
        metric, mode = state["metric"], state["mode"]
        if self._aims is not None and (metric, mode) != (self._metric, self._mode):
            raise UserError(
                f"a search for metric {metric!r}, mode {mode!r} does not go on for "
                f"{self._metric!r}, {self._mode!r}"
            )
        self._forget()
        if state["record"] is not None:
            self._aim(metric, mode)
            assert self._record is not None
            self._record.take(state["record"])
        for trial_id, (values, epoch, epochs) in state["seen"].items():
            self._seen[trial_id] = Outcome(values and tuple(values), epoch, epochs)


_GIVEN = ("_task", "_named", "_controller", "_seed", "_options")
