"""The standard sets: the bundled digits, idx files, CIFAR batches."""

import gzip
import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data import cifar
from nas.data.cifar_pickle import read_pickle
from nas.data.dataset import DataSpec
from nas.data.idx import read_idx
from nas.data.load import load, load_test
from nas.data.torchvision_sets import CifarFiles, cifar_files, import_torchvision
from nas.errors import UserError

FASHION = Path(__file__).parents[3] / "shared" / "data"


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_digits_are_900_500_and_397_images_of_32_pixels() -> None:
    digits, test = load(DataSpec("digits")), load_test(DataSpec("digits"))
    assert (len(digits.train), len(digits.held_out), len(test)) == (900, 500, 397)
    assert digits.image == (1, 32, 32)
    assert digits.train.images.dtype == torch.uint8 and digits.train.labels.dtype == torch.int64
    assert int(digits.train.images.max()) > 240
    assert digits.note == "8x8 digits, resized bilinearly to 32x32"
    assert digits.classes == tuple("0123456789")


def test_digits_of_another_size() -> None:
    own = load(DataSpec("digits", image=8))
    assert own.image == (1, 8, 8) and own.note == ""
    assert load(DataSpec("digits", image=20)).image == (1, 20, 20)


def test_the_three_splits_share_no_digit_and_miss_none() -> None:
    from sklearn.datasets import load_digits

    spec = DataSpec("digits", image=8, seed=4)
    digits, test = load(spec), load_test(spec)
    parts = [digits.train, digits.held_out, test]
    found = torch.cat([part.images for part in parts]).flatten(1).numpy().astype(int)
    every = np.round(load_digits().images.reshape(-1, 64) * 255 / 16).astype(int)
    assert sorted(map(tuple, found)) == sorted(map(tuple, every))


def test_every_split_has_the_classes_in_proportion() -> None:
    digits = load(DataSpec("digits", image=8))
    for part in (digits.train, digits.held_out, load_test(DataSpec("digits", image=8))):
        shares = torch.bincount(part.labels, minlength=10) / len(part)
        assert float((shares - 0.1).abs().max()) < 0.01


def test_the_seed_draws_the_held_out_images_and_never_the_test_images() -> None:
    first, again, other = (load(DataSpec("digits", image=8, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.held_out.images, other.held_out.images)
    tests = [load_test(DataSpec("digits", image=8, seed=seed)) for seed in (0, 1)]
    assert torch.equal(tests[0].images, tests[1].images)


def test_a_dataset_has_no_test_images() -> None:
    assert not hasattr(load(DataSpec("digits", image=8)), "test")


def test_a_limit_takes_train_images_in_proportion_and_leaves_the_held_out_ones() -> None:
    whole, limited = load(DataSpec("digits", image=8)), load(DataSpec("digits", image=8, limit=50))
    assert torch.bincount(limited.train.labels).tolist() == [5] * 10
    assert torch.equal(whole.held_out.images, limited.held_out.images)


def test_a_limit_below_the_number_of_classes_is_refused() -> None:
    with pytest.raises(UserError) as error:
        load(DataSpec("digits", limit=9))
    assert one_line(error) == "9 images of 10 classes: between 10 and 900 can be drawn"


def test_an_unknown_name_lists_the_sets() -> None:
    with pytest.raises(UserError) as error:
        load(DataSpec("digitz"))
    message = one_line(error)
    assert "'digitz'" in message
    assert "digits, fashion-mnist, cifar10, cifar100" in message


def test_mean_and_deviation_are_those_of_the_train_images() -> None:
    digits = load(DataSpec("digits", image=8))
    scaled = digits.train.images.double() / 255
    assert digits.mean[0] == pytest.approx(float(scaled.mean()), abs=1e-9)
    assert digits.std[0] == pytest.approx(float(scaled.std(correction=0)), abs=1e-9)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"image": 4}, "image size 4: must be 8 to 1024 pixels"),
        ({"limit": 0}, "limit of 0 train images: must be at least 2"),
        ({"seed": -1}, "split seed -1: must be 0 or more"),
    ],
)
def test_a_wrong_number_in_a_spec_is_told(wrong: dict[str, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        DataSpec("digits", **wrong)  # type: ignore[arg-type]


def test_a_spec_survives_json_and_refuses_other_keys() -> None:
    spec = DataSpec("some/folder", image=48, root="data", seed=3, limit=100)
    assert DataSpec.from_json(spec.to_json()) == spec
    with pytest.raises(UserError, match="data: unknown key 'size'; keys are source, image"):
        DataSpec.from_json({"source": "digits", "size": 3})
    with pytest.raises(UserError, match="data: key 'source' is missing"):
        DataSpec.from_json({})


def test_an_absolute_spec_keeps_names_and_completes_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert DataSpec("digits").absolute() == DataSpec("digits")
    found = DataSpec("images", root="data").absolute()
    assert found == DataSpec(str(tmp_path / "images"), root=str(tmp_path / "data"))


def idx(array: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def write_fashion(folder: Path, zipped: bool = True) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for part, count in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            name, content = f"{part}-{kind}-ubyte", idx(array)
            path = folder / (name + ".gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inside", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_fashion_mnist_is_found_in_the_folders_people_have(
    tmp_path: Path, inside: str, zipped: bool
) -> None:
    write_fashion(tmp_path / "root" / inside, zipped)
    spec = DataSpec("fashion-mnist", root=str(tmp_path / "root"))
    fashion = load(spec)
    assert (len(fashion.train), len(fashion.held_out), len(load_test(spec))) == (48, 12, 20)
    assert fashion.image == (1, 28, 28) and fashion.note == ""


def test_fashion_mnist_is_found_through_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_fashion(tmp_path / "fashion-mnist")
    monkeypatch.setenv("NAS_DATA", str(tmp_path))
    assert load(DataSpec("fashion-mnist", image=32)).image == (1, 32, 32)


def test_fashion_mnist_that_is_nowhere_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load(DataSpec("fashion-mnist", root=str(tmp_path)))
    message = one_line(error)
    assert str(tmp_path / "fashion-mnist") in message and "dataset-fashion-mnist" in message


def test_a_cut_off_idx_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    whole = gzip.compress(idx(np.zeros((4, 28, 28))))
    for content, told in [
        (whole[:30], "cannot be read"),
        (gzip.compress(idx(np.zeros((4, 28, 28)))[:-1]), "cut off"),
        (gzip.compress(b"hello, hello"), "not an idx file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=told) as error:
            read_idx(path)
        assert str(path) in one_line(error)


@pytest.mark.skipif(not FASHION.is_dir(), reason=f"the real Fashion-MNIST is not at {FASHION}")
def test_the_real_fashion_mnist() -> None:
    spec = DataSpec("fashion-mnist", root=str(FASHION), limit=1000)
    fashion = load(spec)
    assert (len(fashion.train), len(fashion.held_out), len(load_test(spec))) == (1000, 5000, 10000)
    assert torch.bincount(fashion.held_out.labels).tolist() == [500] * 10


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> CifarFiles:
    """Ten images a batch, pickled as the published files are; their sums are made known."""
    rng = np.random.default_rng(0)
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def write(name: str, content: object) -> tuple[str, str]:
        data = pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(data)
        return name, hashlib.md5(data, usedforsecurity=False).hexdigest()

    def batch() -> dict[str, object]:
        return {"data": rng.integers(0, 256, (20, 3072), np.uint8), "labels": [*range(10)] * 2}

    files = CifarFiles(
        folder=folder.name,
        url="https://example.org/cifar.tar.gz",
        train=tuple(write(f"data_batch_{k}", batch()) for k in (1, 2)),
        test=(write("test_batch", batch()),),
        meta=write("batches.meta", {"label_names": [f"class {k}" for k in range(10)]}),
        classes_key="label_names",
    )
    monkeypatch.setattr(cifar, "cifar_files", lambda name: files)
    return files


def test_cifar_batches_become_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = write_cifar(tmp_path, monkeypatch)
    spec = DataSpec("cifar10", root=str(tmp_path))
    found, test = load(spec), load_test(spec)
    assert found.image == (3, 32, 32) and found.classes[3] == "class 3"
    assert (len(found.train), len(found.held_out), len(test)) == (30, 10, 20)
    raw = read_pickle(tmp_path / files.folder / "test_batch")["data"]
    assert np.array_equal(test.images.numpy().reshape(20, 3072), raw)  # channel by channel


def test_a_changed_cifar_batch_is_named_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = write_cifar(tmp_path, monkeypatch)
    path = tmp_path / files.folder / "data_batch_2"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match=r"data_batch_2: differs from the published file"):
        load(DataSpec("cifar10", root=str(tmp_path)))


def test_a_cifar_that_is_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cifar-100-python\.tar\.gz"):
        load(DataSpec("cifar100", root=str(tmp_path)))


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_cannot_call_anything(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "batch"
    path.write_bytes(pickle.dumps({"data": _Malicious(victim)}))
    with pytest.raises(UserError, match="it asks for ") as error:
        read_pickle(path)
    one_line(error)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"\x80", b"abc", pickle.dumps([1])])
def test_a_file_that_is_no_batch_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "batch"
    path.write_bytes(content)
    with pytest.raises(UserError, match="batch: not a CIFAR batch"):
        read_pickle(path)


def test_torchvision_imports_beside_any_torch_and_knows_the_files() -> None:
    assert hasattr(import_torchvision(), "models")
    assert cifar_files("cifar100").folder == "cifar-100-python"
    assert len(cifar_files("cifar10").train) == 5


@pytest.mark.slow
def test_torchvision_imports_in_a_fresh_process_and_only_when_needed() -> None:
    code = (
        "import sys; from nas.data.load import load; from nas.data.dataset import DataSpec\n"
        "load(DataSpec('digits', image=8)); assert 'torchvision' not in sys.modules\n"
        "from nas.data.torchvision_sets import import_torchvision as get\n"
        "get(); print(get().datasets.CIFAR10.base_folder)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cifar-10-batches-py"


def test_the_words_of_data_and_training_need_no_torch() -> None:
    code = (
        "import sys, nas.data.dataset, nas.training.recipe, nas.training.trial\n"
        "assert not {'torch', 'torchvision', 'PIL', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
