"""A tiny network trained on the bundled digits, written as `nas train` writes one."""

from pathlib import Path

from nas.config import SCHEMA_VERSION, Config, Exits, Preprocessing, Provenance, save
from nas.data.dataset import DataSpec
from nas.data.load import load
from nas.networks import build
from nas.training.recipe import Recipe
from nas.training.train import train
from nas.training.weights import to_bytes
from search_spaces.msd import msdnet

SPEC = DataSpec("digits", image=16, limit=400)
EXITS = 3


def write(folder: Path) -> Path:
    """Train for seconds; the folder then holds config.yaml and weights.safetensors."""
    dataset = load(SPEC)
    architecture = msdnet(
        nBlocks=3, base=1, step=1, nChannels=8, growthRate=4, grFactor="1-2", bnFactor="1-2"
    )
    network = build(architecture, dataset.image, len(dataset.classes), seed=1)
    train(network, dataset, Recipe(epochs=3, batch_size=32, crop=1), seed=1)
    given = architecture.to_json()
    config = Config(
        schema_version=SCHEMA_VERSION,
        space=given["space"],
        version=given["version"],
        decisions=given["decisions"],
        image=dataset.image,
        classes=dataset.classes,
        preprocessing=Preprocessing(
            resize=dataset.image[1:],
            crop=dataset.image[1:],
            colour="grey",
            mean=dataset.mean,
            std=dataset.std,
        ),
        exits=Exits(thresholds=(0.9, 0.8, 0.0), found="by hand"),
        provenance=Provenance(
            run="tiny",
            seed=1,
            versions={},
            data={"name": dataset.name, **SPEC.to_json(), "note": dataset.note},
        ),
        weights="weights.safetensors",
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(to_bytes(network))
    save(config, folder / "config.yaml")
    return folder
