"""The other arm of `benchmarks.throughput`: what users of Ray Tune would write for the same trials.

A function trainable that reads its images, builds the network and trains it by a DataLoader with
torchvision's transforms of PIL images, eagerly, in float32 and torch's default layout; Tune by
default. Network, images, optimiser, schedule and epochs are those of our arm. Where the recipe
could be written dearer it is written cheaply: the images are read from one uncompressed file,
nothing but the accuracy after the last epoch is judged, and nothing is saved of a trial.
"""

import math
import time
from pathlib import Path
from typing import Any

import torch
from ray import tune

from benchmarks.throughput_plan import Plan, seed_of
from benchmarks.usual_loader import loaders, rates


def trained(config: dict[str, Any]) -> None:
    """Train one network and report how many of the held-out images its last exit answers right."""
    from nas import plugins

    recipe, number = config["recipe"], config["trial"]["number"]
    seed = seed_of(config["seed"], number)
    torch.manual_seed(seed)
    train, held_out = loaders(Path(config["file"]), recipe)
    space = plugins.space(config["trial"]["architecture"]["space"])
    architecture = space.from_json(config["trial"]["architecture"])
    network = space.build(architecture, tuple(config["image"]), config["classes"], seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = (
                0.1  # torch's own: MnasNet's 0.01 learns no statistics in a short trial
            )
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=recipe["lr"],
        momentum=recipe["momentum"],
        weight_decay=recipe["weight_decay"],
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rates(len(train), recipe["epochs"]))
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=recipe["label_smoothing"])
    for _ in range(recipe["epochs"]):
        network.train()
        for x, y in train:
            optimiser.zero_grad()
            loss = torch.stack([criterion(answer, y) for answer in network(x)]).sum()
            loss.backward()
            optimiser.step()
            schedule.step()
    network.eval()
    right = 0
    with torch.no_grad():
        for x, y in held_out:
            right += int((network(x)[-1].argmax(dim=1) == y).sum())
    tune.report({"accuracy": right / len(held_out.dataset)})  # type: ignore[arg-type]


class Clock(tune.Callback):
    """When the first trial was started and the last one ended, seconds since the epoch."""

    def __init__(self) -> None:
        self.first, self.last = math.inf, 0.0

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note the first start."""
        self.first = min(self.first, time.time())

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note the last end."""
        self.last = time.time()


def train_all(plan: Plan, seed: int, folder: Path, workers: int) -> dict[str, Any]:
    """Train the networks of a plan; the facts of the arm."""
    import ray

    ray.init(num_cpus=workers)
    images = {"image": plan.image, "classes": plan.classes, "file": str(plan.file)}
    trials = [
        {"number": number, "architecture": architecture}
        for number, architecture in enumerate(plan.architectures)
    ]
    clock = Clock()
    results = tune.Tuner(
        trained,
        param_space={
            "trial": tune.grid_search(trials),
            "recipe": plan.recipe,
            "seed": seed,
            **images,
        },
        run_config=tune.RunConfig(storage_path=str(folder), callbacks=[clock], verbose=0),
    ).fit()
    assert not results.errors, results.errors
    ended = [results[at].metrics for at in range(len(results))]
    accuracy = [metrics["accuracy"] for metrics in ended if metrics]
    return {"seconds": clock.last - clock.first, "accuracy": accuracy}


def nothing(config: dict[str, Any]) -> None:
    """A trial that does nothing."""
    tune.report({"score": 0.5})


def do_nothing(decisions: int, trials: int, reuse: bool, seed: int, folder: Path) -> dict[str, Any]:
    """Run trials that do nothing, proposed by Optuna's TPE and kept in SQLite; the arm's facts."""
    import optuna
    import ray
    from ray.tune.search.optuna import OptunaSearch

    ray.init(num_cpus=2)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    search = OptunaSearch(metric="score", mode="max", storage=storage, study_name="n", seed=seed)
    clock = Clock()
    tune.Tuner(
        nothing,
        param_space={f"decision{k}": tune.choice([0, 1, 2]) for k in range(decisions)},
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=trials, metric="score", mode="max", reuse_actors=reuse
        ),
        run_config=tune.RunConfig(storage_path=str(folder), callbacks=[clock], verbose=0),
    ).fit()
    return {"seconds": clock.last - clock.first, "trials": trials}
