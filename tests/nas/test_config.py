import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from nas.config import (
    SCHEMA_VERSION,
    Config,
    Exits,
    Metrics,
    Preprocessing,
    Provenance,
    exits_of,
    load,
    load_architecture,
    save,
)
from nas.errors import UserError
from nas.exits import cheapest_policy
from nas.plugins import space
from search_spaces.errors import SpaceError
from tests.nas.made_up import measurement


def _architecture(seed=0):
    return space("msd").sample(np.random.default_rng(seed))


def _config(architecture=None):
    measured = measurement(exits=3)
    seen = cheapest_policy(measured)
    return Config(
        schema_version=SCHEMA_VERSION,
        **(architecture or _architecture()).to_json(),
        image=(3, 32, 32),
        classes=("no", "cat: big", "1e-3", "ünïcode"),
        preprocessing=Preprocessing(
            resize=(32, 32), colour="rgb", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 1e-05)
        ),
        exits=exits_of(seen),
        metrics=Metrics(
            accuracy=seen.accuracy,
            standard_error=seen.standard_error,
            latency_ms=seen.latency_ms,
            p95_ms=seen.p95_ms,
            worst_ms=seen.worst_ms,
            exit_latency_ms=measured.exit_latency_ms,
            exit_macs=measured.exit_macs,
            parameters=measured.parameters,
            device="cpu",
            runtime="torch",
            conditions={"threads": 1, "batch": 1},
        ),
        recipe={"epochs": 3, "lr": 0.1},
        provenance=Provenance(
            run="digits", trial=7, seed=0, versions={"torch": "2.13.0"}, data={"source": "digits"}
        ),
    )


def _saved(tmp_path, **changes):
    """A good config with some keys changed; a value of None takes the key away."""
    save(_config(), tmp_path / "a.yaml")
    data = yaml.safe_load((tmp_path / "a.yaml").read_text()) | changes
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}))
    return path


def _refused(path):
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("seed", range(5))
def test_a_config_is_read_back_as_it_was(tmp_path, seed):
    config = _config(_architecture(seed))
    save(config, tmp_path / "best.yaml")
    assert load(tmp_path / "best.yaml") == config
    assert load_architecture(tmp_path / "best.yaml") == _architecture(seed)
    assert load_architecture(tmp_path / "best.yaml").key == _architecture(seed).key


def test_published_networks_beyond_the_searched_options_are_configs_too(tmp_path):
    for architecture in list(space("msd").published.values())[:3]:
        save(Config(schema_version=1, **architecture.to_json()), tmp_path / "known.yaml")
        assert load_architecture(tmp_path / "known.yaml") == architecture


def test_json_is_a_config_too(tmp_path):
    config = _config()
    (tmp_path / "best.json").write_text(config.model_dump_json())
    assert load(tmp_path / "best.json") == config


def test_a_written_config_reads_well(tmp_path):
    save(_config(), tmp_path / "best.yaml")
    text = (tmp_path / "best.yaml").read_text(encoding="utf-8")
    assert text.startswith("schema_version: 1\nspace: msd\n")
    assert "image: [3, 32, 32]\n" in text
    assert "ünïcode" in text
    assert "null" not in text.split("decisions:")[0]


def test_an_architecture_written_by_hand_is_enough(tmp_path):
    architecture = _architecture(3)
    path = tmp_path / "hand.yaml"
    path.write_text(yaml.safe_dump({"schema_version": 1} | architecture.to_json()))
    assert load_architecture(path) == architecture
    assert load(path).image is None


def test_a_newer_schema_is_refused_before_its_unknown_keys(tmp_path):
    said = _refused(_saved(tmp_path, schema_version=SCHEMA_VERSION + 1, novelty=1))
    assert said.startswith("schema version 2 is newer than 1, the newest that this nas reads")


def test_unknown_keys_are_named_with_what_exists(tmp_path):
    said = _refused(_saved(tmp_path, clases=["a", "b"]))
    assert said.startswith("unknown key 'clases'; there are schema_version, space, version, deci")
    said = _refused(_saved(tmp_path, exits={"thresholds": [0.0], "found": "x", "extra": 1}))
    assert said == "unknown key 'exits.extra'; there are thresholds, found, temperatures"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": None}, "the key 'schema_version' is missing"),
        ({"schema_version": 0}, "schema_version: input should be greater than or equal to 1"),
        ({"schema_version": "1"}, "schema_version: input should be a valid integer, not '1'"),
        ({"decisions": None}, "the key 'decisions' is missing"),
        ({"decisions": [1]}, "decisions: input should be an object, not [1]"),
        ({"image": [3, 32]}, "the value 'image.2' is missing"),
        ({"image": [3, 32, 0]}, "image.2: input should be greater than or equal to 1, not 0"),
        ({"classes": ["a"]}, "classes: "),
        ({"classes": ["a", "a"]}, "classes: every name must be different"),
        (
            {"preprocessing": {"resize": None, "colour": "grey", "mean": [0.5], "std": [0.5]}},
            "preprocessing: mean and std need one value per image channel",
        ),
        (
            {"exits": {"thresholds": [0.5, 0.0], "found": "hand"}},
            "exits: thresholds, latencies and MACs need one value per exit",
        ),
        (
            {"exits": {"thresholds": [0.5, 0.5, 0.5], "found": "hand"}},
            "exits: the last threshold must be 0.0, everybody has left there",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, changes, said):
    assert _refused(_saved(tmp_path, **changes)).startswith(said)


def test_wrong_space_version_and_choice_are_named(tmp_path):
    with pytest.raises(UserError, match="msdd"):
        load_architecture(_saved(tmp_path, space="msdd"))
    with pytest.raises(SpaceError, match="version 999"):
        load_architecture(_saved(tmp_path, version=999))
    architecture = _architecture()
    name = next(iter(architecture))
    outside = architecture.decisions() | {name: "not an option"}
    with pytest.raises(SpaceError, match="not an option"):
        load_architecture(_saved(tmp_path, decisions=outside))
    unknown = architecture.decisions() | {"no_such_decision": 1}
    with pytest.raises(SpaceError, match="no_such_decision"):
        load_architecture(_saved(tmp_path, decisions=unknown))


def test_text_in_a_config_is_never_run(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text(f"schema_version: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]\n")
    _refused(path)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"best\.yaml: cannot be written \(No such file"):
        save(_config(), tmp_path / "none" / "best.yaml")


def test_a_config_too_large_to_be_read_is_not_written(tmp_path):
    many = tuple(f"class {i} {'x' * 80}" for i in range(4000))
    with pytest.raises(UserError, match="would be larger than 256 KiB"):
        save(_config().model_copy(update={"classes": many}), tmp_path / "best.yaml")
    assert not (tmp_path / "best.yaml").exists()


def test_exits_state_the_policy():
    seen = cheapest_policy(measurement())
    assert exits_of(seen) == Exits(thresholds=seen.policy.thresholds, found=seen.policy.found)


def test_facts_and_views_load_none_of_the_slow_packages():
    code = (
        "import sys, nas.config, nas.frame, nas.objective, nas.record, nas.pareto\n"
        "slow = {'torch', 'ray', 'optuna', 'pandas', 'torchvision', 'moocore'}\n"
        "import json; print(json.dumps(sorted(slow & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
