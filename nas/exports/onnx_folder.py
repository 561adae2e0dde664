"""A trained network as a folder that ONNX Runtime alone can run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nas.onnx_runner
from nas.config import save
from nas.errors import UserError
from nas.exports import onnx_stages
from nas.exports.check import Agreement, agreement
from nas.exports.folder import written
from nas.inference.trained import CONFIG
from nas.onnx_runner.policy import POLICY, SCHEMA_VERSION, StageFile

if TYPE_CHECKING:
    from nas.inference.trained import Trained

NEEDED = ("onnx", "onnxruntime")
RUNNER = "onnx_runner"
README = """\
A network with {stages} exits as ONNX files (opset {opset}), exported by nas.

Run it, here, on image files or folders of images:

    pip install numpy onnxruntime pillow
    python -m onnx_runner . IMAGE...      (--json, --threshold 0.9, --deadline 5ms, --threads N)

In Python, with this folder on the path:

    from onnx_runner.runner import Runner
    runner = Runner("THIS FOLDER")
    answers, confidence, exits = runner.classify(images)   # uint8 [n, {image}]
    print(runner.predict("IMAGE").class_name)

policy.json says for each stage which tensors it takes and gives: "x" is the normalised image, every
other input is an output of an earlier stage, and every tensor is float32 with the batch first. An
image leaves at the first exit whose confidence (the largest softmax value of logits / temperature)
is at least the exit's threshold. config.yaml describes the network to nas.
"""


def require() -> None:
    """Raise UserError, with the command that installs it, where ONNX is not installed."""
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError:
            raise UserError(
                f"--format onnx needs {name}, which is not installed: "
                "pip install 'nas-platform[export]'"
            ) from None


def write(
    trained: "Trained", path: Path, say: Callable[[str], None] = lambda text: None
) -> list[Agreement]:
    """Write the folder `path` and return how near its answers are to the network's own.

    say: told what is being done. Raises UserError where they are not near enough or it cannot be
    written; nothing is left then.
    """
    require()
    from latency.graphs.onnx_graph import OPSET
    from nas.onnx_runner.runner import Runner

    count = len(trained.network.stages)
    with written(path) as folder:
        stages = []
        for stage in onnx_stages.write(trained.network, trained.image, folder):
            stages.append(stage)
            say(f"{stage.file} of {count}")
        _add_json(folder / POLICY, policy(trained, stages, OPSET))
        save(trained.config.model_copy(update={"weights": None}), folder / CONFIG)
        _add_runner(folder / RUNNER)
        shape = ", ".join(map(str, trained.image))
        text = README.format(stages=count, opset=OPSET, image=shape)
        (folder / "README.txt").write_text(text, encoding="utf-8")
        return list(agreement(trained, Runner(folder).logits))


def policy(trained: "Trained", stages: list[StageFile], opset: int) -> dict[str, Any]:
    """What ``policy.json`` holds, as JSON values."""
    config = trained.config
    assert config.preprocessing is not None
    return {
        "schema_version": SCHEMA_VERSION,
        "config": CONFIG,
        "key": config.architecture().key,
        "opset": opset,
        "image": list(trained.image),
        "classes": list(trained.classes),
        "preprocessing": config.preprocessing.model_dump(mode="json"),
        "exits": {
            "thresholds": list(trained.policy.thresholds),
            "temperatures": list(trained.temperatures),
            "found": trained.policy.found,
        },
        "stages": [asdict(stage) for stage in stages],
    }


def _add_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _add_runner(to: Path) -> None:
    to.mkdir()
    for source in Path(nas.onnx_runner.__path__[0]).glob("*.py"):
        shutil.copyfile(source, to / source.name)
