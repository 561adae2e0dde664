"""What a search learns from: the words that name data, and the images themselves."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.data.fields import checked
from nas.errors import UserError

if TYPE_CHECKING:
    import torch

NAMES = ("digits", "fashion-mnist", "cifar10", "cifar100")
SMALLEST_IMAGE = 8
LARGEST_IMAGE = 1024


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Which images, at which size, split how; enough for any process to load the same tensors.

    source: `digits`, `fashion-mnist`, `cifar10`, `cifar100`, a folder or an `.npz` file.
    image: pixels of a side after resizing; None keeps the set's own size.
    root: folder of the standard sets; None looks in `$NAS_DATA` and the usual places.
    seed: draws the held-out images (never the test images) and the limited train images.
    limit: how many train images to use, every class in proportion; None uses all.

    Raises:
        UserError: a number outside what can be trained on.
    """

    source: str
    image: int | None = None
    root: str | None = None
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.image is not None and not SMALLEST_IMAGE <= self.image <= LARGEST_IMAGE:
            raise UserError(
                f"image size {self.image}: must be {SMALLEST_IMAGE} to {LARGEST_IMAGE} pixels"
            )
        if self.limit is not None and self.limit < 2:
            raise UserError(f"limit of {self.limit} train images: must be at least 2")
        if self.seed < 0:
            raise UserError(f"split seed {self.seed}: must be 0 or more")

    def absolute(self) -> "DataSpec":
        """The same data, found from any working directory (another process, a later resume)."""
        source = self.source if self.source in NAMES else str(_absolute(self.source))
        root = None if self.root is None else str(_absolute(self.root))
        return replace(self, source=source, root=root)

    def to_json(self) -> dict[str, Any]:
        """Every field under its own name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DataSpec":
        """The spec that `to_json` wrote; UserError on an unknown or missing key."""
        return cls(**checked(cls, data, "data"))


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """Images uint8 [n, channels, height, width] and their labels int64 [n].

    fetch: of images that lie in a file and cannot be changed: has the system read rows (ascending)
    that will be looked at next. None where the images are in memory.
    """

    images: "torch.Tensor"
    labels: "torch.Tensor"
    fetch: Callable[[list[int]], None] | None = None

    def __post_init__(self) -> None:
        assert self.images.ndim == 4 and len(self.images) == len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def mapped(self) -> bool:
        return self.fetch is not None

    def batch(self, rows: "torch.Tensor") -> "torch.Tensor":
        """A copy of the images of `rows` (int64 [k]), in that order."""
        if self.fetch is None:
            return self.images[rows]
        order = rows.argsort()
        ascending = rows[order]  # as they lie on the disk
        self.fetch(ascending.tolist())
        read = self.images[ascending]
        out = read.new_empty(read.shape)
        out[order] = read
        return out


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """What trials see: the images they train on and the held-out ones that judge them.

    The test images are not here: `nas.data.load.load_test` reads them, so that no search and no
    training can look at them by accident.

    mean, std: per channel, of the train images scaled to 0..1.
    note: what a reader of any figure must know (resizing, JPEG); empty when there is nothing.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    held_out: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, channels, height, width = self.train.images.shape
        return int(channels), int(height), int(width)
