"""What torchvision knows about the standard sets. The only file that imports torchvision.

torchvision built for CUDA does not load its compiled operators beside a CPU build of torch, and
its import then stops at "operator torchvision::nms does not exist". Declaring that operator
without a kernel lets the import go on; datasets, transforms and models need no more.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import library

from nas.errors import UserError

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@dataclass(frozen=True, slots=True)
class CifarFiles:
    """The published files of a CIFAR set: names and MD5 sums, and the key of the class names."""

    folder: str
    url: str
    train: tuple[tuple[str, str], ...]
    test: tuple[tuple[str, str], ...]
    meta: tuple[str, str]
    classes_key: str


def cifar_files(name: str) -> CifarFiles:
    """The files of `cifar10` or `cifar100`."""
    published = getattr(import_torchvision().datasets, name.upper())
    return CifarFiles(
        folder=published.base_folder,
        url=published.url,
        train=tuple((file, md5) for file, md5 in published.train_list),
        test=tuple((file, md5) for file, md5 in published.test_list),
        meta=(published.meta["filename"], published.meta["md5"]),
        classes_key=published.meta["key"],
    )


def import_torchvision() -> ModuleType:
    """The module `torchvision`, with `datasets`, `models` and `transforms`.

    Raises:
        UserError: it is not installed.
    """
    found = find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        raise UserError("torchvision is not installed; `pip install torchvision` brings it")
    if not _operators_load(Path(found.submodule_search_locations[0])):
        _declare_operators()
    import torchvision
    import torchvision.datasets

    assert isinstance(torchvision, ModuleType)
    return torchvision


def _operators_load(package: Path) -> bool:
    libraries = sorted(package.glob("_C*.so"))
    if not libraries:
        return False
    try:
        torch.ops.load_library(str(libraries[0]))  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return True


@cache  # once a process; the library must stay alive as long as its operators are looked up
def _declare_operators() -> library.Library:
    declared = library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in OPERATORS:
        declared.define(operator)  # type: ignore[no-untyped-call]
    return declared
