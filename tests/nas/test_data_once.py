"""Sets above a share of the memory: decoded once into a file that all processes map."""

import fcntl
import gc
import hashlib
import os
import resource
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.data import decoded, identity, room
from nas.data import load as loading
from nas.data.dataset import Dataset, DataSpec, Split
from nas.data.load import load, load_test
from nas.errors import UserError
from nas.training import terms
from nas.training.evaluate import evaluate
from nas.training.recipe import Recipe
from nas.training.train import train
from nas.training.weights import to_bytes
from tests.nas import small_set
from tests.nas.small_msd import SMALL

LITTLE, MUCH = 1024, 1 << 40  # bytes of memory: nothing, anything stays in it
SPEC = DataSpec(str(small_set.PATH))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


def names(place: Path) -> list[str]:
    return sorted(path.suffix for path in place.iterdir())


def told(spec: DataSpec = SPEC) -> str:
    with pytest.raises(UserError) as error:
        load(spec, memory=LITTLE)
    assert "\n" not in str(error.value)
    return str(error.value)


def same(one: Split, two: Split) -> bool:
    return torch.equal(one.images, two.images) and torch.equal(one.labels, two.labels)


def test_mapped_images_are_those_in_memory(place: Path) -> None:
    said: list[str] = []
    memory, mapped = load(SPEC, said.append, MUCH), load(SPEC, said.append, LITTLE)
    assert mapped.train.mapped and mapped.held_out.mapped and not memory.train.mapped
    assert same(mapped.train, memory.train) and same(mapped.held_out, memory.held_out)
    for field in ("name", "classes", "mean", "std", "note", "image"):
        assert getattr(mapped, field) == getattr(memory, field)
    assert same(load_test(SPEC, memory=LITTLE), load_test(SPEC, memory=MUCH))
    (file, *_) = place.glob("*.images")
    assert said == [f"small_set: decoding 100 images once, 0.0 MB into {said[0].split()[-1]}"]
    assert Path(said[0].split()[-1]).parent == place
    assert (place.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o400)


def learnt(dataset: Dataset) -> tuple[Any, ...]:
    architecture = SMALL.sample(np.random.default_rng(0))
    network = SMALL.build(architecture, dataset.image, len(dataset.classes), 0)
    recipe = Recipe(epochs=2, crop=1, flip=True, batch_size=16)
    kept = terms.of(network, dataset, recipe, 0, "accuracy", None, "cpu")
    losses = train(network, dataset, recipe, seed=3).losses
    found = evaluate(network, dataset.held_out, dataset.mean, dataset.std)
    return kept, losses, to_bytes(network), found.confidence.tobytes(), found.correct.tobytes()


def test_a_training_finds_the_same_from_memory_and_from_the_file(place: Path) -> None:
    memory = load(SPEC, memory=MUCH)
    found = learnt(memory)
    assert learnt(load(SPEC, memory=LITTLE)) == found
    assert names(place) == [".images"]
    seen = hashlib.sha256()
    for split in (memory.train, memory.held_out):
        seen.update(split.images.numpy().tobytes() + split.labels.numpy().tobytes())
    assert found[0]["data"] == seen.hexdigest()


def test_a_small_set_leaves_nothing_on_the_disk(place: Path) -> None:
    load(SPEC)
    assert not place.exists()


def test_the_second_process_decodes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(SPEC, memory=LITTLE)
    monkeypatch.delattr(loading, "open_source")
    said: list[str] = []
    for memory in (LITTLE, MUCH, None):
        assert same(load(SPEC, said.append, memory).train, first.train)
    assert said == []


def test_no_process_can_write_what_all_of_them_read(place: Path) -> None:
    held = load(SPEC, memory=LITTLE)
    (file,) = place.iterdir()
    lines = Path("/proc/self/maps").read_text().splitlines()
    assert held and [line.split()[1] for line in lines if str(file) in line] == ["r--s"]


def test_processes_that_begin_together_decode_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def counted(*given: Any) -> None:
        written.append("once")
        original(*given)

    original = decoded.write
    monkeypatch.setattr(decoded, "write", counted)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load(SPEC, memory=LITTLE), range(16)))
    assert written == ["once"] and names(place) == [".images"]
    assert all(same(each.train, found[0].train) for each in found)


@pytest.mark.parametrize("change", [{"seed": 1}, {"image": 9}, {"limit": 50}])
def test_other_words_are_other_images(place: Path, change: dict[str, int]) -> None:
    other = replace(SPEC, **change)  # type: ignore[arg-type]
    load(SPEC, memory=LITTLE)
    assert same(load(other, memory=LITTLE).train, load(other, memory=MUCH).train)


def test_a_changed_file_is_decoded_again(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    with np.load(small_set.PATH) as arrays:
        content = dict(arrays)
    np.savez(path, **content)
    before = load(DataSpec(str(path)), memory=LITTLE)
    np.savez(path, **content | {"train_images": 255 - content["train_images"]})
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # however coarse the clock of the disk
    assert torch.equal(
        load(DataSpec(str(path)), memory=LITTLE).train.images, 255 - before.train.images
    )


def test_another_version_of_the_code_decodes_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(SPEC, memory=LITTLE)
    monkeypatch.setattr(identity, "_code", lambda: "another")
    load(SPEC, memory=LITTLE)
    assert names(place) == [".images", ".images"]


@pytest.mark.parametrize("left", [0, 10, 500, -1])
def test_a_file_that_is_not_whole_is_made_again(place: Path, left: int) -> None:
    first = load(SPEC, memory=LITTLE).train.images.clone()
    gc.collect()
    (file,) = place.iterdir()
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:left])
    assert torch.equal(load(SPEC, memory=LITTLE).train.images, first)
    assert file.read_bytes() == content and names(place) == [".images"]


def test_a_full_disk_is_told_and_nothing_is_left(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=room.SPARE))
    message = told()
    assert message == (
        f"{place}: cannot keep the decoded images of small_set, 0.0 MB (0.0 MB more must be "
        "free); free some room, or name a folder on another disk in NAS_CACHE"
    )
    assert names(place) == []


@pytest.fixture
def smallest_files() -> Iterator[None]:
    """The system refuses files above 4,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("reserved", [True, False])
def test_a_disk_that_refuses_leaves_nothing(
    place: Path, smallest_files: None, reserved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reserved:
        monkeypatch.setattr(os, "posix_fallocate", lambda *given: None)
    assert "(File too large)" in told()
    assert names(place) == []


def test_a_place_that_is_no_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file"))
    assert "(Not a directory); free some room, or name a folder" in told()


def test_a_place_that_others_can_write_is_refused(place: Path) -> None:
    load(SPEC, memory=LITTLE)
    place.chmod(0o777)
    assert told().startswith(f"{place}: not a folder that only this user can write")


def test_an_image_that_cannot_be_read_leaves_nothing(place: Path, tmp_path: Path) -> None:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (30, 30), np.uint8)
    for label in "ab":
        for part in ("train", "val"):
            (tmp_path / "pets" / part / label).mkdir(parents=True)
            for k in range(4):
                Image.fromarray(noise).save(tmp_path / "pets" / part / label / f"{k}.jpg")
    spec = DataSpec(str(tmp_path / "pets"))
    broken = tmp_path / "pets" / "train" / "b" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])  # its head is whole
    assert "3.jpg: not a readable image" in told(spec)
    assert names(place) == []
    Image.fromarray(noise).save(broken)
    assert len(load(spec, memory=LITTLE).train) == 6


def test_what_was_not_used_for_longest_goes_first_and_never_what_is_in_use(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [replace(SPEC, seed=seed) for seed in range(4)]
    held = load(specs[0], memory=LITTLE)
    for spec in specs[1:3]:
        load(spec, memory=LITTLE)
    gc.collect()
    files = {seed: place / f"{_name(specs[seed])}.images" for seed in range(4)}
    size = files[0].stat().st_size
    for age, seed in enumerate((0, 2, 1)):  # oldest first
        os.utime(files[seed], (1000 + age, 1000 + age))
    monkeypatch.setattr(room, "MOST", 3 * size + size // 2)
    load(specs[3], memory=LITTLE)
    assert {seed for seed, file in files.items() if file.exists()} == {0, 1, 3}
    assert int(held.train.images.sum()) > 0


def _name(spec: DataSpec) -> str:
    return identity.identity(spec, "train", [Path(spec.source)])


def test_use_makes_young(place: Path) -> None:
    load(SPEC, memory=LITTLE)
    (file,) = place.iterdir()
    os.utime(file, (1000, 1000))
    load(SPEC, memory=LITTLE)
    assert file.stat().st_mtime > 1_000_000


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(
    place: Path,
) -> None:
    place.mkdir(mode=0o700, parents=True)
    for ending in (".part", ".lock"):
        dead, living = place / f"dead{ending}", place / f"living{ending}"
        dead.write_bytes(b"x" * 100)
        with living.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            load(SPEC, memory=LITTLE)
            assert not dead.exists() and living.exists()
        living.unlink()
        (place / f"{_name(SPEC)}.images").unlink()


def test_a_partial_file_of_the_same_images_is_written_over(place: Path) -> None:
    place.mkdir(mode=0o700, parents=True)
    (place / f"{_name(SPEC)}.part").write_bytes(b"x" * 1_000_000)
    assert same(load(SPEC, memory=LITTLE).train, load(SPEC, memory=MUCH).train)
    assert names(place) == [".images"]


@given(rows=st.lists(st.integers(0, 79), max_size=40))
def test_a_batch_is_in_the_order_asked_for(rows: list[int]) -> None:
    images = torch.arange(80 * 12, dtype=torch.int32).to(torch.uint8).view(80, 3, 2, 2)
    wanted = torch.tensor(rows, dtype=torch.int64)
    fetched: list[int] = []
    for fetch in (None, fetched.extend):
        split = Split(images, torch.zeros(80, dtype=torch.int64), fetch)
        assert torch.equal(split.batch(wanted), images[wanted])
    assert fetched == sorted(rows)
