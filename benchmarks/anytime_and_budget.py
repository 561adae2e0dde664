"""MSDNet against ResNet-MC: anytime prediction and budgeted batch (MSDNet, sections 5.3 and 5.4).

Run: OMP_NUM_THREADS=1 python -m benchmarks.anytime_and_budget DATA [--seeds 0,1,2] [--out DIR]

DATA is what `nas search --data` takes; ../shared/data/cifar10/cifar10_jpeg_full.npz (CIFAR-10) made
the committed results. Both networks have seven exits, are scaled (nas scale) to 27 M MACs and are
trained on the same 10,000 images with the same recipe, epochs and seeds. A unit (one network, one
seed) is about ten minutes on one core and writes a file of its own, so that the command can be
stopped and run again. Thresholds are found on 5,000 held-out training images and judged on the test
images. Latency is measured last: nothing else should run then.

Anytime: the answer of the last exit within a budget per image, a step from exit to exit. Budgeted
batch: exit shares proportional to r^k, r solved for 20 budgets; cost is what test images spent.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.comparison import Field, write
from benchmarks.contestants import Contestant, Training, images, latency_unit, scaled, training_unit
from benchmarks.judged import Judged, read
from benchmarks.units import Facts, complete
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.training.recipe import Recipe

MACS = "27M"
TRAIN_IMAGES = 10_000
RECIPE = Recipe(epochs=8, batch_size=64, flip=True, crop=4)
CONTESTANTS = {"msdnet": ("msd", "msdnet-cifar-anytime-7"), "resnet-mc": ("resnet", "resnet-mc")}
OUT = Path("results/experiments/anytime_and_budget")


def main(arguments: list[str] | None = None) -> int:
    """Do what is missing, then write table and plot; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a data set, a folder or an .npz file")
    parser.add_argument("--seeds", default="0,1,2", help="joined by commas")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    try:
        seeds = tuple(int(seed) for seed in given.seeds.split(","))
        run(Training(DataSpec(given.data, limit=TRAIN_IMAGES), RECIPE), seeds, given.out)
    except (UserError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the next unit", file=sys.stderr)
        return 130
    print(given.out / "README.md")
    return 0


def run(training: Training, seeds: tuple[int, ...], out: Path, macs: str = MACS) -> None:
    """Train and measure every contestant, then write what came of it into `out`."""
    dataset, _test = images(training.data)
    image, classes = dataset.image, len(dataset.classes)
    contestants = [
        Contestant(name, scaled(space, published, macs, image, classes))
        for name, (space, published) in CONTESTANTS.items()
    ]
    trainings = [training_unit(one, training, seed) for seed in seeds for one in contestants]
    measurings = [latency_unit(one, image, classes) for one in contestants]
    folder = out / "units"
    facts = complete([*trainings, *measurings], folder)
    field = Field({one.name: _judged(one.name, seeds, facts, folder) for one in contestants})
    write(field, out, _header(training, seeds, facts))


def _judged(
    name: str, seeds: tuple[int, ...], facts: dict[str, Facts], folder: Path
) -> tuple[Judged, ...]:
    latency = facts[f"{name}-latency"]
    return tuple(read(name, seed, facts[f"{name}-seed{seed}"], latency, folder) for seed in seeds)


def _header(training: Training, seeds: tuple[int, ...], facts: dict[str, Facts]) -> str:
    first = next(iter(facts.values()))
    conditions = facts[f"{next(iter(CONTESTANTS))}-latency"]["conditions"]
    recipe, counts = training.recipe, first["images"]
    minutes = [found["seconds"] / 60 for found in facts.values() if "seconds" in found]
    return "\n".join(
        (
            "# MSDNet against ResNet-MC",
            "",
            f"`python -m benchmarks.anytime_and_budget {Path(training.data.source).name}"
            f" --seeds {','.join(map(str, seeds))}`",
            "",
            f"Data: {first['data']}; {counts['train']:,} train and {counts['held_out']:,} held-out"
            " images. Figures are those of the test images, mean ± standard deviation over"
            f" n = {len(seeds)} seeds; `-`: nothing to compare.",
            "",
            f"Recipe: {recipe.epochs} epochs, batches of {recipe.batch_size}, SGD with Nesterov"
            f" momentum {recipe.momentum}, rate {recipe.lr}, {recipe.schedule} schedule, weight"
            f" decay {recipe.weight_decay}, crops of {recipe.crop} pixels, mirror images. A"
            f" training took {min(minutes):.0f} to {max(minutes):.0f} minutes on one core of a"
            " machine that other work shared.",
            "",
            f"Latency: torch {conditions['torch']} on one core of {conditions['host']['cpu']},"
            " batch 1.",
            "",
            "The cost ratio at equal accuracy is the mean over accuracies that both reach. At the"
            " other's best: its cost there, over the least cost at which the first is as good.",
            "",
            "![Accuracy against cost](curves.svg)",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
