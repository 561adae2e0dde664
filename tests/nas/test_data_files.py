"""Folders of images and .npz files that users bring."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data.dataset import DataSpec
from nas.data.load import load, load_test
from nas.errors import UserError

SUBSET = Path(__file__).parents[3] / "shared/data/cifar10/cifar10_lossless_subset.npz"


def picture(path: Path, size: tuple[int, int], level: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (level, 0, 255 - level) if mode == "RGB" else level
    Image.new(mode, size, colour).save(path)


def folder(
    root: Path,
    parts: tuple[str, ...] = ("train", "val"),
    size: tuple[int, int] = (40, 30),
    mode: str = "RGB",
) -> Path:
    for part in parts:
        for label, name in enumerate(("cat", "dog")):
            for k in range(5):
                picture(root / part / name / f"{k}.png", size, 50 + 100 * label + k, mode)
    return root


def told(spec: DataSpec) -> str:
    with pytest.raises(UserError) as error:
        load(spec)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_train_and_val_give_held_out_images_of_train_and_a_test(tmp_path: Path) -> None:
    spec = DataSpec(str(folder(tmp_path / "pets")))
    pets = load(spec)
    assert pets.name == "pets" and pets.classes == ("cat", "dog")
    assert (len(pets.train), len(pets.held_out), len(load_test(spec))) == (8, 2, 10)
    assert pets.image == (3, 30, 40) and pets.note == ""


def test_with_a_test_folder_val_is_held_out(tmp_path: Path) -> None:
    spec = DataSpec(str(folder(tmp_path, ("train", "val", "test"))))
    picture(tmp_path / "test" / "dog" / "more.png", (40, 30), 9)
    assert len(load(spec).train) == 10 and len(load(spec).held_out) == 10
    assert len(load_test(spec)) == 11


def test_with_a_test_folder_alone_train_gives_the_held_out_images(tmp_path: Path) -> None:
    found = load(DataSpec(str(folder(tmp_path, ("train", "test")))))
    assert (len(found.train), len(found.held_out)) == (8, 2)


def test_labels_follow_the_class_folders(tmp_path: Path) -> None:
    found = load(DataSpec(str(folder(tmp_path))))
    red = found.train.images[:, 0, 0, 0]
    assert torch.equal(found.train.labels, (red > 100).long())


def test_mixed_sizes_become_the_default_size_and_the_note_says_so(tmp_path: Path) -> None:
    folder(tmp_path)
    picture(tmp_path / "train" / "cat" / "large.jpg", (300, 200), 60)
    found = load(DataSpec(str(tmp_path)))
    assert found.image == (3, 64, 64)
    assert found.note == "images of mixed sizes, resized and centre-cropped to 64x64"


def test_large_images_of_one_size_become_the_default_size(tmp_path: Path) -> None:
    found = load(DataSpec(str(folder(tmp_path, size=(160, 120)))))
    assert found.image == (3, 64, 64) and found.note.startswith("images of 160x120, resized")


def test_an_asked_size_is_used(tmp_path: Path) -> None:
    spec = DataSpec(str(folder(tmp_path)), image=16)
    assert load(spec).image == (3, 16, 16)
    assert load_test(spec).images.shape == (10, 3, 16, 16)


def test_resizing_keeps_the_proportions_and_the_centre(tmp_path: Path) -> None:
    folder(tmp_path, size=(64, 32))
    wide = Image.new("RGB", (64, 32), (255, 0, 0))
    wide.paste((0, 255, 0), (16, 0, 48, 32))  # the middle half
    for name in ("cat", "dog"):
        for path in (tmp_path / "train" / name).iterdir():
            wide.save(path)
    images = load(DataSpec(str(tmp_path), image=16)).train.images.float()
    assert float(images[:, 1, :, 2:14].min()) > 250  # only the green centre is left
    assert float(images[:, 0, :, 2:14].max()) < 5


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    assert load(DataSpec(str(folder(tmp_path, mode="L")))).image == (1, 30, 40)


def test_one_colour_image_makes_all_of_them_colour(tmp_path: Path) -> None:
    folder(tmp_path, mode="L")
    picture(tmp_path / "train" / "dog" / "colour.png", (40, 30), 7)
    assert load(DataSpec(str(tmp_path))).image == (3, 30, 40)


def test_sixteen_bit_images_keep_their_greys(tmp_path: Path) -> None:
    folder(tmp_path, mode="L")
    for name in ("cat", "dog"):
        for path in (tmp_path / "train" / name).iterdir():
            Image.fromarray(np.full((30, 40), 128 * 256, np.uint16)).save(path)
    assert set(load(DataSpec(str(tmp_path))).train.images.flatten().tolist()) == {128}


def test_a_photograph_taken_sideways_is_turned(tmp_path: Path) -> None:
    folder(tmp_path, size=(30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it upright
    for name in ("cat", "dog"):
        for path in (tmp_path / "train" / name).iterdir():
            Image.new("RGB", (40, 30), (9, 9, 9)).save(path, exif=exif)
    found = load(DataSpec(str(tmp_path)))
    assert found.image == (3, 40, 30) and found.note == ""


def test_other_files_and_hidden_folders_are_ignored(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("hello")
    (tmp_path / "train" / "cat" / "._0.png").write_bytes(b"mac")
    (tmp_path / "train" / ".cache").mkdir()
    assert load(DataSpec(str(tmp_path))).classes == ("cat", "dog")


def test_a_corrupt_train_image_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path) / "train" / "dog" / "3.png"
    path.write_bytes(b"not a picture")
    assert told(DataSpec(str(tmp_path))).startswith(f"{path}: not a readable image")


def test_a_cut_off_image_is_named_when_it_is_decoded(tmp_path: Path) -> None:
    folder(tmp_path, ("train", "val", "test"))
    for part in ("train", "val"):
        path = tmp_path / part / "dog" / "3.png"
        whole = path.read_bytes()
        path.write_bytes(whole[:-40])
        assert told(DataSpec(str(tmp_path))).startswith(f"{path}: not a readable image")
        path.write_bytes(whole)
    path = tmp_path / "test" / "cat" / "0.png"
    path.write_bytes(b"")
    load(DataSpec(str(tmp_path)))  # the test images are not opened here
    with pytest.raises(UserError, match=r"test/cat/0\.png: not a readable image"):
        load_test(DataSpec(str(tmp_path)))


def test_a_folder_without_train_is_told(tmp_path: Path) -> None:
    folder(tmp_path, ("val",))
    assert "no folder train/" in told(DataSpec(str(tmp_path)))


def test_a_folder_without_test_images_is_told(tmp_path: Path) -> None:
    folder(tmp_path, ("train",))
    assert "neither test/ nor val/" in told(DataSpec(str(tmp_path)))


def test_an_empty_train_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert "train: empty" in told(DataSpec(str(tmp_path)))


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (folder(tmp_path) / "train" / "bird").mkdir()
    assert "train/bird: no images in it" in told(DataSpec(str(tmp_path)))


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "cat" / "0.png", (9, 9), 1)
    picture(tmp_path / "val" / "cat" / "0.png", (9, 9), 1)
    assert "one class only" in told(DataSpec(str(tmp_path)))


def test_a_class_of_one_image_cannot_be_held_out(tmp_path: Path) -> None:
    picture(folder(tmp_path) / "train" / "bird" / "0.png", (40, 30), 1)
    assert "class 'bird' has 1 train images; at least 2" in told(DataSpec(str(tmp_path)))


def test_one_held_out_image_is_not_enough(tmp_path: Path) -> None:
    folder(tmp_path, ("train", "test"))
    picture(tmp_path / "val" / "cat" / "0.png", (40, 30), 9)
    assert "1 held-out image; at least 2" in told(DataSpec(str(tmp_path)))
    picture(tmp_path / "val" / "dog" / "0.png", (40, 30), 9)
    assert len(load(DataSpec(str(tmp_path))).held_out) == 2


def test_a_class_that_train_lacks_is_named(tmp_path: Path) -> None:
    folder(tmp_path, ("train", "val", "test"))
    picture(tmp_path / "val" / "bird" / "0.png", (40, 30), 1)
    assert "val/bird: a class that train/ does not have" in told(DataSpec(str(tmp_path)))


def arrays(side: int = 10, channels: tuple[int, ...] = (3,)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (30, side, side, *channels), np.uint8),
        "train_labels": np.arange(30) % 3,
        "test_images": rng.integers(0, 256, (9, side, side, *channels), np.uint8),
        "test_labels": np.arange(9) % 3,
    }


def npz(tmp_path: Path, content: dict[str, np.ndarray]) -> DataSpec:
    path = tmp_path / "pets.npz"
    np.savez(path, **content)  # type: ignore[arg-type]
    return DataSpec(str(path))


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_an_npz_of_arrays(tmp_path: Path, channels: tuple[int, ...]) -> None:
    content = arrays(channels=channels)
    spec = npz(tmp_path, content)
    found, test = load(spec), load_test(spec)
    assert found.name == "pets" and found.classes == ("0", "1", "2") and found.note == ""
    assert found.image == ((channels or (1,))[0], 10, 10)
    assert (len(found.train), len(found.held_out), len(test)) == (24, 6, 9)
    expected = content["test_images"].reshape(9, 10, 10, -1).transpose(0, 3, 1, 2)
    assert np.array_equal(test.images.numpy(), expected)


def test_an_npz_with_names_val_and_another_size(tmp_path: Path) -> None:
    content = arrays() | {"classes": np.array(["a", "b", "c"])}
    content |= {"val_images": content["test_images"], "val_labels": content["test_labels"]}
    found = load(npz(tmp_path, content))
    assert found.classes == ("a", "b", "c") and (len(found.train), len(found.held_out)) == (30, 9)
    path = tmp_path / "pets.npz"
    assert load(DataSpec(str(path), image=16)).note == "10x10 images, resized to 16x16"


def jpegs(count: int, broken: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    files = []
    for k in range(count):
        file = BytesIO()
        Image.new("RGB", (12, 12), (10 * k, 0, 0)).save(file, "JPEG")
        files.append(b"junk" if k == broken else file.getvalue())
    offsets = np.cumsum([0, *map(len, files)]).astype(np.uint32)
    return np.frombuffer(b"".join(files), np.uint8), offsets


def encoded(train: int, broken: int | None = None) -> dict[str, np.ndarray]:
    content: dict[str, np.ndarray] = {}
    for part, count in (("train", train), ("test", 6)):
        data, offsets = jpegs(count, broken if part == "train" else None)
        content |= {f"{part}_jpeg": data, f"{part}_offsets": offsets}
        content[f"{part}_labels"] = np.arange(count, dtype=np.uint8) % 2
    return content


def test_an_npz_of_jpeg_bytes(tmp_path: Path) -> None:
    spec = npz(tmp_path, encoded(20))
    found, test = load(spec), load_test(spec)
    assert found.image == (3, 12, 12) and found.note == "images stored as JPEG"
    reds = test.images[:, 0].float().mean(dim=(1, 2))
    assert torch.allclose(reds, torch.arange(6) * 10.0, atol=3)


def test_a_corrupt_jpeg_of_an_npz_is_named(tmp_path: Path) -> None:
    message = told(npz(tmp_path, encoded(20, broken=7)))
    assert "pets.npz: train image 7: not a readable image" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": np.arange(29) % 3}, "train has 29 labels and 30 images"),
        ({"train_labels": np.zeros(30)}, "train_labels is float64; it must be integers"),
        ({"train_labels": np.arange(30) % 3 - 1}, "train_labels has -1; labels are 0 to 1"),
        ({"train_labels": np.zeros(30, int)}, "one class only"),
        ({"classes": np.array(["a", "b"])}, "train_labels has 2; labels are 0 to 1"),
        ({"train_images": np.zeros((30, 8, 8))}, "train_images is float64 [30, 8, 8]"),
        ({"train_images": np.zeros((30, 64), np.uint8)}, "train_images is uint8 [30, 64]"),
        ({"classes": np.array([{}], object)}, "classes cannot be read"),
        ({"val_images": np.zeros((3, 9, 9), np.uint8)}, "key 'val_labels' is missing"),
    ],
)
def test_what_is_wrong_in_an_npz_is_told(
    tmp_path: Path, change: dict[str, np.ndarray], message: str
) -> None:
    assert message in told(npz(tmp_path, arrays() | change))


@pytest.mark.parametrize("missing", ["train_images", "train_labels", "test_images"])
def test_a_missing_key_of_an_npz_is_named(tmp_path: Path, missing: str) -> None:
    content = arrays()
    del content[missing]
    assert missing in told(npz(tmp_path, content))


def test_a_file_that_is_no_npz_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for content in (b"", b"hello", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        assert told(DataSpec(str(path))).endswith("not an .npz file that can be read")
    assert "no such .npz file" in told(DataSpec(str(tmp_path / "y.npz")))


@pytest.mark.skipif(not SUBSET.is_file(), reason=f"real CIFAR-10 images are not at {SUBSET}")
def test_the_real_cifar_subset() -> None:
    found = load(DataSpec(str(SUBSET)))
    assert found.image == (3, 32, 32) and found.classes[0] == "airplane"
    assert (len(found.train), len(found.held_out)) == (4136, 1034)
    assert found.mean == pytest.approx((0.491, 0.482, 0.447), abs=0.01)  # the published means
