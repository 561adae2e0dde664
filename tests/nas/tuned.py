"""Ray Tune over tiny networks, in a process of its own: what a user of the adapter writes.

    python -m tests.nas.tuned FOLDER fit|restore OPTIONS

OPTIONS are JSON. Prints what came of it as one line of JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.nas import small_set
from tests.nas.small_msd import instead_of_msd

TASK = {"data": str(small_set.PATH), "limit": 60, "runtime": "macs", "target_latency": "1ms"}
"""What is trained on: 60 images of 8 by 8 pixels."""

NAME = "experiment"


def result(folder: Path, what: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run an experiment, or go on with one, on two cores."""
    from nas.executors.ray_session import Session

    session = Session(options.get("workers", 2), None)
    from ray import tune

    from nas import tune as nas_tune

    instead_of_msd()
    network = nas_tune.trainable("msd", **TASK, epochs=options["epochs"])
    if what == "restore":
        tuner = tune.Tuner.restore(str(folder / NAME), network)
    else:
        tuner = tune.Tuner(
            network,
            param_space=nas_tune.param_space("msd") | options.get("fixed", {}),
            tune_config=tune.TuneConfig(
                metric="reward",
                mode="max",
                num_samples=options["trials"],
                search_alg=nas_tune.Search("surrogate", network, seed=options["seed"]),
                scheduler=scheduler(options.get("scheduler"), options["epochs"]),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0),
        )
    results = tuner.fit()
    session.close()
    return {
        "errors": [str(error).strip().splitlines()[-1] for error in results.errors],
        "epochs": [(each.metrics or {}).get("epoch") for each in results],
        "rewards": [(each.metrics or {}).get("reward") for each in results],
        "paths": [each.path for each in results],
    }


def scheduler(name: str | None, epochs: int) -> Any:
    """The scheduler of an experiment, None for Tune's own."""
    from ray.tune.schedulers import ASHAScheduler

    if name is None:
        return None
    assert name == "asha"
    return ASHAScheduler(max_t=epochs, grace_period=1, reduction_factor=2)


if __name__ == "__main__":
    print(json.dumps(result(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))))
