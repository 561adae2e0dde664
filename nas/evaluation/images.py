"""The images a trained network is judged on, and whether they are of its kind."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas.data.dataset import DataSpec, Split
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.inference.trained import Trained


@dataclass(frozen=True, eq=False, slots=True)
class Judges:
    """Held-out images, which set thresholds, and test images, which nothing is chosen on.

    test: None where only the held-out images are looked at. note: what a reader of any figure
    must know of the images.
    """

    held_out: Split
    test: Split | None
    name: str
    note: str


def spec_of(trained: "Trained", source: str | None, image: int | None) -> DataSpec:
    """The data a network was trained on as its config says, or another source for it.

    image: pixels of a side; None is the size that the network takes. Held-out images of the data
    it was trained on are drawn as they were then.

    Raises:
        UserError: no source is given and the config names none, or it names what is no data.
    """
    recorded = trained.config.provenance
    known = None if recorded is None else recorded.data_spec()
    _, height, width = trained.image
    if source is None or (known is not None and _place(source) == _place(known.source)):
        if known is None:
            raise UserError("the config does not say on which data it was trained: give --data")
        return known if image is None else replace(known, image=image)
    return DataSpec(source, image if image is not None else min(height, width))


def read(
    spec: DataSpec, trained: "Trained", test: bool, say: Callable[[str], None] = lambda line: None
) -> Judges:
    """Read the images of `spec`, those of the test only where asked for.

    Raises:
        UserError: data that cannot be read, or images or classes that the network was not made for.
    """
    from nas.data.load import load, load_test

    say(f"reading {spec.source}")
    dataset = load(spec, say)
    if dataset.image != trained.image:
        asked, own = ("x".join(map(str, shape)) for shape in (dataset.image, trained.image))
        raise UserError(f"images of {dataset.name} are {asked}, the network takes {own}")
    if dataset.classes != trained.classes:
        raise UserError(
            f"classes of {dataset.name} are {_some(dataset.classes)}; "
            f"the network's are {_some(trained.classes)}"
        )
    # Beside the final experiments, this is the one place that may look at test images: the network
    # is finished, its thresholds come from the held-out images alone.
    judges = load_test(spec, say) if test else None
    return Judges(dataset.held_out, judges, dataset.name, dataset.note)


def _place(source: str) -> str:
    return DataSpec(source).absolute().source


def _some(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:3])
    return f"{len(classes)} ({shown}{', ...' if len(classes) > 3 else ''})"
