"""NSGA-II whose generations are read off the record (Deb et al. 2002, doi 10.1109/4235.996017)."""

from optuna.samplers import NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from controllers.record import told


class ToldGenerations(NSGAIISampler):
    """Optuna's NSGA-II with generation k = the k-th `population` completed trials, as told.

    Optuna keeps a trial's generation in the trial's attributes and the parents in the study's, by
    storage id, written whenever the first child is asked for. Both are lost or mean something else
    once trials are copied into another study, and what was written depends on timing. Cut out of
    the told order instead, generations need no bookkeeping, are the same in every copy, and the
    result of a slow trial joins the generation under way rather than being dropped.

    An instance answers one question about one trial (see `PerTrial`), so what it remembers
    never outlives the record it came from.
    """

    def __init__(self, population: int, seed: int) -> None:
        super().__init__(population_size=population, seed=seed)
        self._size = population
        self._told: list[FrozenTrial] = []
        self._parents: dict[int, list[FrozenTrial]] = {0: []}

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        """How many whole generations had been told when `trial` was asked for."""
        self._told = told(study, trial)
        return len(self._told) // self._size

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The trials of a whole generation, counted from 0, in told order."""
        first = generation * self._size
        return self._told[first : first + self._size]

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The elite of all generations before this one; none for generation 0."""
        # Upwards from the first, because each selection reads the one before it.
        for k in range(1, generation + 1):
            if k not in self._parents:
                self._parents[k] = self.select_parent(study, k)
        return self._parents[generation]
