"""NSGA-II's generations come from the told order and from nothing else."""

import numpy as np
import optuna

import controllers
from controllers.generations import ToldGenerations
from controllers.record import TOLD
from tests.controllers.simulated import ToySpace, accuracy, ask, replayed, search


def made() -> optuna.samplers.BaseSampler:
    return controllers.make("nsga2", space=ToySpace(), seed=2, population=6)


def test_generations_are_blocks_of_the_told_order() -> None:
    study, _ = search(made, trials=33, workers=4)
    sampler = ToldGenerations(population=6, seed=0)
    assert sampler.get_trial_generation(study, study.trials[-1]) == 29 // 6
    blocks = [sampler.get_population(study, k) for k in range(4)]
    orders = [[trial.system_attrs[TOLD] for trial in block] for block in blocks]
    assert orders == [list(range(6 * k + 1, 6 * k + 7)) for k in range(4)]


def test_parents_are_the_elite_so_far() -> None:
    study, _ = search(made, trials=33, workers=4)
    sampler = ToldGenerations(population=6, seed=0)
    sampler.get_trial_generation(study, study.trials[-1])
    parents = sampler.get_parent_population(study, 3)
    told = sorted(study.get_trials(), key=lambda trial: trial.system_attrs.get(TOLD, 99))[:18]
    best = sorted((accuracy(trial.params) for trial in told), reverse=True)[:6]
    assert sorted((accuracy(trial.params) for trial in parents), reverse=True) == best


def test_first_generation_is_the_random_start_whatever_its_results() -> None:
    good, _ = search(made, trials=6)
    bad, _ = search(made, trials=6, value=lambda number, params: -number)
    assert [t.params for t in good.trials] == [t.params for t in bad.trials]


def test_children_are_made_of_their_parents() -> None:
    """All parents agree in every decision but one: children differ from them by mutation only."""
    study, _ = search(made, trials=7)
    same = study.trials[0].params
    trials = study.get_trials()[:6]
    for trial in trials:
        trial.params = dict(same)
    kept = []
    for seed in range(30):
        sampler = controllers.make("nsga2", space=ToySpace(), seed=seed, population=6)
        child = ask(replayed(trials), sampler, asked_after=6).params
        kept.append(np.mean([child[name] == same[name] for name in same]))
    assert np.mean(kept) > 0.8


def test_two_objectives_reach_both_ends_of_the_front() -> None:
    """Accuracy against width: the front holds a cheap and an accurate architecture."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=made())
    for _ in range(80):
        trial = study.ask(ToySpace().distributions())
        study.tell(trial, [accuracy(trial.params), float(trial.params["width"])])
    front = {(t.params["width"], round(accuracy(t.params), 3)) for t in study.best_trials}
    assert {width for width, _ in front} == {16, 32, 64}
    assert max(value for _, value in front) > 0.85
