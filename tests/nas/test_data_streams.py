"""Images that are read and decoded a few at a time: the same ones as all at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.data import archive, resize
from nas.data.archive import Member
from nas.data.dataset import DataSpec
from nas.data.load import load
from nas.data.statistics import Counts
from nas.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 9, 7, 3), np.uint8)


def written(path: Path, zipped: bool = False, images: np.ndarray = IMAGES) -> Path:
    labels = np.arange(len(images)) % 3
    arrays = {"train_images": images, "test_images": images[:9]}
    arrays |= {"train_labels": labels, "test_labels": labels[:9]}
    (np.savez_compressed if zipped else np.savez)(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module", params=[False, True])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("archive") / "images.npz", request.param)


@given(rows=st.lists(st.integers(0, 39)), span=st.sampled_from([1, 500, archive.SPAN]))
def test_rows_of_a_file_are_those_of_the_array(file: Path, rows: list[int], span: int) -> None:
    wanted = np.array(rows, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "SPAN", span)
        member = Member(file, "train_images")
        for _ in range(2):  # the second time begins with a step back
            assert np.array_equal(member[wanted], IMAGES[wanted])


@pytest.mark.parametrize("image", [None, 8, 16])
def test_chunks_of_any_length_give_the_same_images(
    file: Path, image: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = DataSpec(str(file), image=image, limit=20)
    whole = load(spec)
    for chunk in (1, 1000):
        monkeypatch.setattr(resize, "CHUNK", chunk)
        again = load(spec)
        assert torch.equal(again.train.images, whole.train.images)
        assert torch.equal(again.held_out.images, whole.held_out.images)
        assert (again.mean, again.std) == (whole.mean, whole.std)


def test_an_array_written_column_by_column_is_read_too(tmp_path: Path, file: Path) -> None:
    other = written(tmp_path / "images.npz", images=np.asfortranarray(IMAGES))
    assert torch.equal(
        load(DataSpec(str(other))).train.images, load(DataSpec(str(file))).train.images
    )


def test_a_damaged_archive_is_told_before_an_image_is_used(tmp_path: Path, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[3000] ^= 1  # within the first array, the train images
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"images\.npz: train_images cannot be read \(") as error:
        load(DataSpec(str(path), limit=3))
    assert "\n" not in str(error.value)


def test_counts_of_parts_are_the_statistics_of_the_whole() -> None:
    images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
    whole, parts = Counts(3), Counts(3)
    whole.add(images)
    for chunk in images.split(7):
        parts.add(chunk)
    assert parts.statistics() == whole.statistics()
    mean, deviation = whole.statistics()
    scaled = images.double() / 255
    assert mean == pytest.approx(scaled.mean(dim=(0, 2, 3)).tolist(), abs=1e-12)
    assert deviation == pytest.approx(scaled.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-12)
