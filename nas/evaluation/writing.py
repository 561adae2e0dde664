"""An evaluation as a folder: figures, pictures, and images that are easy and hard."""

import json
from pathlib import Path

from nas import atomic
from nas.errors import UserError
from nas.evaluation import grid, plots
from nas.evaluation.evaluate import Answers
from nas.evaluation.facts import Both, Evaluation
from nas.evaluation.images import Judges
from nas.exits import ExitPolicy
from nas.exits.leaving import easy, hard
from nas.inference.trained import Trained


def refuse_file(folder: Path) -> None:
    """Raise UserError where `write` could not write into `folder`: a file is in the way."""
    taken = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if taken is not None and not taken.is_dir():
        raise UserError(f"{taken} is a file; -o takes a folder")


def write(
    evaluation: Evaluation,
    trained: Trained,
    judges: Judges,
    seen: Both[Answers],
    folder: Path,
) -> list[Path]:
    """Write evaluation.json, anytime.svg, budget.svg, easy.png and hard.png; return their paths.

    What is there under these names is replaced. Raises UserError where it cannot be written.
    """
    split = judges.held_out if judges.test is None else judges.test
    facts = seen.seen.judged(trained.temperatures)
    policy = ExitPolicy(evaluation.policy.thresholds, evaluation.policy.found)
    pictures = {
        "easy.png": (easy(policy, facts), "easy: left at the first exit, rightly answered"),
        "hard.png": (hard(facts), "hard: the first exit was wrong, the last one right"),
    }
    text = json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n"
    files = {
        "evaluation.json": text.encode(),
        "anytime.svg": plots.anytime(evaluation),
        "budget.svg": plots.budget(evaluation),
    } | {
        name: grid.grid(split.images, split.labels, chosen, trained.classes, title)
        for name, (chosen, title) in pictures.items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            atomic.write(folder / name, data)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from None
    return [folder / name for name in files]
