"""A trained network as a folder with its config and its weights."""

from pathlib import Path
from typing import TYPE_CHECKING

from nas.config import save
from nas.exports.check import Agreement, agreement, eager
from nas.exports.folder import written
from nas.inference.trained import CONFIG, open_trained
from nas.training.weights import FILE, to_bytes

if TYPE_CHECKING:
    from nas.inference.trained import Trained

README = """\
A trained network with {stages} exits, exported by nas: its config and its weights.

On the command line: nas predict THIS_FOLDER IMAGE...

In Python, with nas-platform and torch installed:

    from pathlib import Path
    from nas.inference.predictor import Predictor
    from nas.inference.trained import open_trained
    trained = open_trained("THIS_FOLDER", Path("results"))
    print(Predictor(trained).predict("IMAGE").class_name)

trained.network(x) gives the logits of every exit; x comes from nas.inference.pixels.prepared.
"""


def write(trained: "Trained", path: Path) -> list[Agreement]:
    """Write the folder `path` and return how near its answers are to the network's own.

    Raises UserError where they are not near enough or it cannot be written; nothing is left then.
    """
    with written(path) as folder:
        (folder / FILE).write_bytes(to_bytes(trained.network))
        save(trained.config.model_copy(update={"weights": FILE}), folder / CONFIG)
        text = README.format(stages=len(trained.network.stages))
        (folder / "README.txt").write_text(text, encoding="utf-8")
        again = open_trained(str(folder), folder)
        return list(agreement(trained, lambda images: eager(again, images)))
