"""What a network is and costs: parameters, operations and, where asked, latency of every exit."""

from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

from nas import plugins
from nas.errors import UserError

if TYPE_CHECKING:
    from latency.source import LatencySource
    from search_spaces.architecture import Architecture

Image = tuple[int, int, int]
"""Channels, height, width."""

LARGEST = 4096
"""Of each: larger images are no network's input here, and would take all memory."""


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit, counted from 1; every figure is of the path from the image to it.

    ``macs`` are the multiply-accumulates of a network run layer by layer, as its authors do,
    ``lazy_macs`` those of what this exit and the earlier ones need and no more, ``official_ops``
    the count of the MSDNet authors' code. ``latency_ms``, the interval ``low_ms`` to ``high_ms``
    and ``how`` it was found (``latency.source.How``) are None where they were not asked for.
    """

    exit: int
    macs: int
    lazy_macs: int
    official_ops: int
    latency_ms: float | None
    low_ms: float | None = None
    high_ms: float | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """A network at an image shape and a number of classes."""

    space: str
    key: str
    image: Image
    classes: int
    parameters: int
    exits: tuple[Exit, ...]
    latency_conditions: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the description as JSON values, one mapping per exit."""
        data = asdict(self)
        data["image"] = list(self.image)
        data["exits"] = [asdict(found) for found in self.exits]
        if self.latency_conditions is None:
            del data["latency_conditions"]
        return data


def describe(
    architecture: "Architecture",
    image: Image = (3, 32, 32),
    classes: int = 100,
    latency: "LatencySource | None" = None,
) -> Description:
    """Describe an architecture, optionally with the latency of each exit.

    Args:
        architecture: what to describe.
        image: channels, height and width of one input, in pixels.
        classes: size of the output.
        latency: asked for the milliseconds of each exit at batch 1; None leaves them out.

    Raises:
        UserError: an image shape or a number of classes that no network has.
        SpaceError: an architecture that cannot be built at this image shape.
        LatencyError: a network that cannot be timed.
    """
    from search_spaces.operators import costs

    check_shape(image, classes)
    graph = plugins.space(architecture.space).blocks(architecture, image, classes)
    counted = costs(graph)
    rows = zip(counted.macs, counted.lazy_macs, counted.official_ops, strict=True)
    latencies: tuple[tuple[Any, ...], ...] = ((None,),) * len(counted.macs)
    if latency is not None:
        latencies = tuple(map(astuple, latency.estimate(graph)))
    return Description(
        space=architecture.space,
        key=architecture.key,
        image=image,
        classes=classes,
        parameters=counted.parameters,
        exits=tuple(
            Exit(number, *row, *found)
            for number, (row, found) in enumerate(zip(rows, latencies, strict=True), start=1)
        ),
        latency_conditions=None if latency is None else latency.conditions(),
    )


def check_shape(image: Image, classes: int) -> None:
    """Raise UserError for an image shape or a number of classes that no network can have."""
    sizes = image if isinstance(image, list | tuple) else ()
    if len(sizes) != 3 or not all(type(size) is int and 1 <= size <= LARGEST for size in sizes):
        raise UserError(
            f"image {image!r}: expected channels, height and width, such as (3, 32, 32), "
            f"each at most {LARGEST}"
        )
    if type(classes) is not int or classes < 2:
        raise UserError(f"classes {classes!r}: a classifier has at least 2")
