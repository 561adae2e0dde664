"""Our trial as a trainable of Ray Tune: one step is one epoch and its judgement."""

from pathlib import Path
from typing import Any, ClassVar

from ray.tune import Trainable

from nas.tune.task import Task, task
from nas.tune.training import Training


def trainable(space: str = "msd", **options: Any) -> type["Network"]:
    """Make a trainable for `Tuner`: its trials train a network of this space, epoch by epoch.

    `options` are those of `nas.search` that say how a trial is trained and judged, such as
    data='digits', epochs=8, target_latency='2ms', runtime='macs', latency_model='model.json'.
    Without a target the 30th percentile of random networks is taken, which are timed here and now.

    A trial's configuration has an option for every decision under "architecture"; it may have a
    "seed", and what is to differ from trial to trial of `epochs`, `batch_size`, `lr`, `momentum`,
    `weight_decay`, `label_smoothing`, `flip` and `crop`. Every epoch reports `reward`, `accuracy`,
    `latency_ms`, `parameters`, `macs`, `loss`, `epoch` and `epochs` (how many there will be).
    With a GPU in its resources a trial trains there.

    Raises UserError, SpaceError or LatencyError, one line, before anything is trained.
    """
    # By this name Tune calls the experiment and its trials.
    return type(f"nas_{space}".replace("-", "_"), (Network,), {"task": task(space, options)})


class Network(Trainable):
    """A network in training; `trainable` makes the class that knows on what."""

    task: ClassVar[Task]

    def setup(self, config: dict[str, Any]) -> None:
        self._training = Training(self.task, config, _device(self._gpus()))

    def step(self) -> dict[str, Any]:
        training = self._training
        told: dict[str, Any] = dict(training.go())
        return told | {"done": training.epoch >= training.recipe.epochs}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self._training.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self._training.load(Path(checkpoint))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another trial in this process, where torch and the images are already."""
        self.setup(new_config)
        return True

    def _gpus(self) -> float:
        """How many GPUs, or what part of one, Tune has given this trial."""
        resources = self.trial_resources
        return 0.0 if resources is None else float(resources.required_resources.get("GPU", 0))


def _device(gpus: float) -> str:
    import torch

    if gpus == 0 or not torch.cuda.is_available():
        return "cpu"
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus)
    return "cuda"
