"""What asks for more than a machine has is refused at once, in little memory, in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from latency.errors import LatencyError
from latency.model import document
from latency.remote import device_file
from nas import config, live, settings, starting, train_settings
from nas.data.dataset import DataSpec
from nas.data.load import load
from nas.errors import UserError
from nas.inference.trained import open_trained
from nas.latency import front_latency
from nas.measurement import HeldOut
from nas.onnx_runner import policy
from nas.onnx_runner.errors import InputError
from nas.onnx_runner.images import decode
from nas.plugins import space
from nas.run import LATENCY, SETTINGS, open_run
from nas.tabular import Table
from nas.training import checkpoint
from nas.training.weights import load_file
from tests.security import bombs

SECONDS = 20.0
"""So much is only asked of a machine with much else to do; the goal is one."""
MEMORY = 200 * 2**20
MISTAKES = (UserError, LatencyError, InputError)

Loader = Callable[[Path], object]
Bomb = Callable[[Path], None]


def images(path: Path) -> object:
    """A folder of two classes with one image each that is no bomb, and the file."""
    part = path.parent / "train"
    for name in ("cat", "dog"):
        (part / name).mkdir(parents=True)
        (path.parent / "test" / name).mkdir(parents=True)
        for k in range(2):
            (part / name / f"{k}.pgm").write_bytes(b"P5 8 8 255\n" + bytes(64))
        (path.parent / "test" / name / "0.pgm").write_bytes(b"P5 8 8 255\n" + bytes(64))
    path.rename(part / "cat" / f"bomb{path.suffix}")
    return load(DataSpec(str(path.parent), image=16))


def device(path: Path) -> object:
    return device_file.load(path)


def of_run(name: str) -> Loader:
    def opened(path: Path) -> object:
        folder = path.parent
        if name != SETTINGS:
            text = settings.parse({"name": "x", "runtime": "macs"}).to_yaml()
            (folder / SETTINGS).write_text(text)
        path.rename(folder / name)
        return open_run(folder)

    return opened


def start(path: Path) -> object:
    path.rename(path.with_name(starting.FILE))
    return starting.load(path.parent, space("msd"))


def front(path: Path) -> object:
    path.rename(path.with_name(front_latency.FILE))
    return front_latency.read(path.parent)


def training(path: Path) -> object:
    path.rename(path.with_name(train_settings.FILE))
    return train_settings.load(path.parent)


def saved(path: Path) -> object:
    path.rename(path.with_name(checkpoint.FILE))
    return checkpoint.load(path.parent)


def export(path: Path) -> object:
    path.rename(path.with_name(policy.POLICY))
    return policy.read(path.parent)


def weights(path: Path) -> object:
    return load_file(torch.nn.Linear(3, 2), path)


def idx(path: Path) -> object:
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (path.parent / f"{part}-{kind}-ubyte.gz").symlink_to(path)
    return load(DataSpec("fashion-mnist", root=str(path.parent)))


def table(path: Path) -> object:
    return Table(path)


def held_out(bomb: Callable[[Path, str], None]) -> Bomb:
    return lambda path: bomb(path, "confidence")


YAML = {"config": config.load, "settings": settings.load, "device": device, "training": training}
JSON = {
    "config": config.load,
    "latency-model": document.load,
    "export": export,
    "latency": of_run(LATENCY),
    "start": start,
    "front": front,
}
CASES: list[tuple[str, str, Bomb, Loader]] = [
    *((f"{name}-aliases", ".yaml", bombs.aliases, loader) for name, loader in YAML.items()),
    *((f"{name}-deep", ".yaml", bombs.deep, loader) for name, loader in YAML.items()),
    *((f"{name}-gigabyte", ".yaml", bombs.sparse, loader) for name, loader in YAML.items()),
    *((f"{name}-deep", ".json", bombs.deep, loader) for name, loader in JSON.items()),
    *((f"{name}-gigabyte", ".json", bombs.sparse, loader) for name, loader in JSON.items()),
    *((f"{name}-brackets", ".json", bombs.large_json, loader) for name, loader in JSON.items()),
    ("checkpoint-expanded", ".pt", bombs.expanded, saved),
    ("checkpoint-laughing", ".pt", bombs.laughing, saved),
    ("checkpoint-packed", ".pt", bombs.packed_checkpoint, saved),
    ("checkpoint-bytes", ".pt", bombs.endless_bytes, saved),
    ("checkpoint-gigabyte", ".pt", bombs.sparse, saved),
    ("weights-claiming", ".safetensors", bombs.safetensors, weights),
    ("weights-gigabyte", ".safetensors", lambda at: bombs.safetensors(at, 2**30), weights),
    ("data-packed", ".npz", bombs.packed_arrays, lambda at: load(DataSpec(str(at)))),
    ("data-claiming", ".npz", bombs.claiming_arrays, lambda at: load(DataSpec(str(at)))),
    ("facts-packed", ".npz", held_out(bombs.packed_arrays), HeldOut.load),
    ("facts-claiming", ".npz", held_out(bombs.claiming_arrays), HeldOut.load),
    ("table-packed", ".npz", bombs.packed_arrays, table),
    ("table-claiming", ".npz", bombs.claiming_arrays, table),
    ("idx-packed", ".gz", bombs.packed_idx, idx),
    ("png", ".png", lambda at: bombs.png(at, 13_000, 13_000), images),
    ("png-of-a-line", ".png", lambda at: bombs.png(at, 2_000_000, 1), images),
    ("png-too-large-for-all", ".png", lambda at: bombs.png(at, 15_000, 15_000), images),
    ("jpeg-progressive", ".jpg", lambda at: bombs.jpeg(at, 13_000, progressive=True), images),
]


@pytest.fixture(scope="module", autouse=True)
def _all_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Torch and what else is imported late are no cost of a bomb."""
    load(DataSpec("digits", image=8))
    folder = tmp_path_factory.mktemp("warm")
    checkpoint.save(folder, checkpoint.Checkpoint({}, {"a": torch.zeros(3)}, (), 0))
    assert checkpoint.load(folder) is not None


@pytest.mark.parametrize(
    ("suffix", "bomb", "loader"), [pytest.param(*rest, id=name) for name, *rest in CASES]
)
@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused(tmp_path: Path, suffix: str, bomb: Bomb, loader: Loader) -> None:
    path = tmp_path / f"bomb{suffix}"
    bomb(path)

    def refused() -> None:
        with pytest.raises(MISTAKES) as caught:
            loader(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1000

    seconds, memory = bombs.cost(refused)
    assert memory < MEMORY, f"{memory / 2**20:.0f} MiB"
    assert seconds < SECONDS, f"{seconds:.1f} s"


@pytest.mark.parametrize(
    "change",
    [
        {"image": (3, 4_000_000, 4_000_000)},
        {"image": (1_000_000_000, 32, 32)},
        {"classes": tuple(f"c{k}" for k in range(20_000))},
        {"decisions": {"blocks": 1_000_000}},
        {"decisions": {f"layer{k}": 3 for k in range(10_000)}},
    ],
)
def test_a_config_of_a_network_that_no_machine_holds_is_refused(
    trained_digits: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    given = config.load(trained_digits / "config.yaml")
    if "decisions" in change:
        change = {"decisions": given.decisions | change["decisions"]}  # type: ignore[operator]
    config.save(given.model_copy(update=change), tmp_path / "config.yaml")
    (tmp_path / "weights.safetensors").write_bytes(
        (trained_digits / "weights.safetensors").read_bytes()
    )

    def refused() -> None:
        with pytest.raises(ValueError, match=r"^[^\n]{1,999}$"):  # a UserError or SpaceError
            open_trained(str(tmp_path), tmp_path)

    seconds, memory = bombs.cost(refused)
    assert memory < MEMORY, f"{memory / 2**20:.0f} MiB"
    assert seconds < SECONDS, f"{seconds:.1f} s"


def test_a_config_of_a_million_layers_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_text(
        "schema_version: 1\nspace: msd\nversion: 1\ndecisions:\n"
        + "".join(f"  layer{k}: 3\n" for k in range(10**6))
    )
    with pytest.raises(UserError, match="larger than 256 KiB"):
        config.load(path)


def test_what_a_driver_says_is_not_read_beyond_its_size(tmp_path: Path) -> None:
    bombs.sparse(tmp_path / live.FILE)

    def ignored() -> None:
        assert live.read(tmp_path) is None

    assert bombs.cost(ignored)[1] < MEMORY


def test_a_photograph_of_a_large_camera_is_decoded_in_little_memory(tmp_path: Path) -> None:
    bombs.jpeg(tmp_path / "photo.jpg", 8000)
    _, memory = bombs.cost(lambda: decode(tmp_path / "photo.jpg", "photo", 3, (32, 32)))
    assert memory < MEMORY
