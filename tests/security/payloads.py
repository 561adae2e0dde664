"""Files that would make a folder, if anybody who opens them ran what they say."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch


class Runs:
    """A pickle that makes the folder `victim` when it is opened."""

    def __init__(self, victim: Path) -> None:
        self.victim = str(victim)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.victim,)


def plain(path: Path, victim: Path) -> None:
    path.write_bytes(pickle.dumps({"data": Runs(victim), "labels": [0, 1]}, protocol=2))


def tensors(path: Path, victim: Path) -> None:
    """As torch.save writes it: the pickle lies in an archive."""
    data = {"terms": Runs(victim), "state": {"w": torch.zeros(2)}, "epochs": [], "best": 0}
    torch.save(data, path)


def old_tensors(path: Path, victim: Path) -> None:
    """As torch.save wrote it long ago: the file is the pickle."""
    torch.save({"terms": Runs(victim)}, path, _use_new_zipfile_serialization=False)


def objects(path: Path, victim: Path) -> None:
    """An .npz whose arrays are arrays of Python objects."""
    runs = np.array([Runs(victim)], dtype=object)
    names = ("train_images", "train_labels", "test_images", "test_labels", "classes")
    arrays = dict.fromkeys((*names, "confidence", "correct"), runs)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def one_object(path: Path, victim: Path) -> None:
    """An .npy under the name of an .npz."""
    with path.open("wb") as file:
        np.save(file, np.array([Runs(victim)], dtype=object), allow_pickle=True)


def slipping(path: Path, victim: Path) -> None:
    """An archive whose names lead out of any folder that it is unpacked in."""
    names = [victim.name, f"../{victim.name}", f"../../{victim.name}", str(victim)]
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*names, *(f"{name}.npy" for name in names), "x/data.pkl", "x/version"):
            archive.writestr(name, b"no array")


def tags(path: Path, victim: Path, tag: str) -> None:
    """YAML that asks its reader to call something."""
    path.write_text(f"schema_version: 1\nspace: !!python/{tag}\n".replace("VICTIM", str(victim)))


TAGS = (
    "object/apply:os.mkdir [VICTIM]",
    "object/new:os.mkdir [VICTIM]",
    "object/apply:subprocess.call [[mkdir, VICTIM]]",
    "name:os.system",
    "module:antigravity",
)


def made(files: Path) -> list[Path]:
    """What lies beside or above the folder of files, that no test has put there."""
    return sorted(files.parent.rglob("victim*"))
