"""`nas train` as users type it, on the smallest network of msd."""

import json
from pathlib import Path

import numpy as np
import pytest

import nas
from nas import plugins
from nas.cli.main import main
from nas.config import Config, save
from nas.config import load as load_config
from nas.data.dataset import DataSpec
from nas.data.load import load
from nas.exits import ExitPolicy, score
from nas.exits.confidence import judged
from nas.inference.trained import open_trained
from nas.training.evaluate import answers
from tests.nas.small_msd import SMALL, WHERE


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config file of the smallest network with two exits, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    given = SMALL.sample(np.random.default_rng(0)).to_json()
    save(
        Config(
            schema_version=1, space="msd", version=given["version"], decisions=given["decisions"]
        ),
        tmp_path / "small.yaml",
    )
    return tmp_path / "small.yaml"


QUICK = ["--image", "16", "--limit", "60", "--threads", "1", "--runtime", "macs"]


def test_the_command_leaves_a_network_ready_for_use(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "small.yaml", "--recipe", "msdnet", "--epochs", "2", *QUICK]
    assert main([*arguments, "--batch-size", "16", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    folder = Path("results/small-digits-msdnet")
    assert told["folder"] == str(folder)
    assert "learning rate 0.025 for batches of 16, in proportion to the recipe's 0.1 for 64" in err
    assert {path.name for path in folder.iterdir()} == {
        "train.yaml", "curves.csv", "checkpoint.pt", "weights.safetensors", "config.yaml",
    }  # fmt: skip
    config = load_config(folder / "config.yaml")
    assert config.provenance is not None and config.metrics is not None
    assert config.provenance.run == "small-digits-msdnet" and config.provenance.trial is None
    assert config.provenance.data["limit"] == 60
    assert config.image == (1, 16, 16) and config.classes == tuple("0123456789")
    assert config.recipe is not None and config.recipe["name"] == "msdnet"
    assert config.metrics.accuracy == told["policy"]["accuracy"]
    trained = open_trained(str(folder), Path("results"))
    data = load(DataSpec("digits", image=16, limit=60))
    found = answers(trained.network, data.held_out, data.mean, data.std)
    right = (found.argmax(2) == data.held_out.labels[:, None]).double().mean(0)
    assert right.tolist() == [each["accuracy"] for each in told["exits"]]
    # What the config states is what its own policy reaches on the images that set it.
    assert config.exits is not None
    policy = ExitPolicy(config.exits.thresholds, config.exits.found)
    facts = judged(found, data.held_out.labels)
    own = score(policy, facts, config.metrics.exit_latency_ms, config.metrics.exit_macs)
    assert (own.accuracy, own.latency_ms) == (config.metrics.accuracy, config.metrics.latency_ms)
    # Its config is an architecture again, trained on the same images unless told otherwise.
    again = ["train", str(folder / "config.yaml"), "--epochs", "1", "--limit", "60"]
    assert main([*again, "--threads", "1", "--runtime", "macs"]) == 0
    out, _ = capsys.readouterr()
    name = "small-digits-msdnet-digits-default"
    assert f"next: nas evaluate results/{name}" in out
    assert load_config(Path("results") / name / "config.yaml").image == (1, 16, 16)


def test_a_training_goes_by_its_name_and_says_what_chose_its_best_epoch(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("my.py").write_text("def metric(answers, labels, classes):\n    return 0.25\n")
    arguments = ["train", "small.yaml", "--epochs", "1", "--name", "one", *QUICK]
    assert main([*arguments, "--hook", "my.py"]) == 0
    assert "best of 1 epochs is 1, own metric 0.2500" in capsys.readouterr().out
    assert main(["evaluate", "one", "--runtime", "macs", "--split", "held-out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "digits"
    assert main(["export", "one", "-o", "copy.yaml"]) == 0
    assert load_config("copy.yaml").provenance == load_config("results/one/config.yaml").provenance


def test_a_finished_training_is_not_replaced(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "small.yaml", "--epochs", "1", "--name", "one", *QUICK]
    assert main(arguments) == 0
    before = {path: path.read_bytes() for path in Path("results/one").iterdir()}
    capsys.readouterr()
    assert main(arguments) == 2
    assert "'nas train one --resume'" in capsys.readouterr().err
    for option, told in (
        (["--epochs", "2"], "epochs 2: training 'one' has 1"),
        (["--recipe", "mnasnet"], "recipe mnasnet: training 'one' has default"),
        (["--lr", "0.5"], "lr 0.5: training 'one' has 0.1"),
        (["--limit", "all"], "limit all: training 'one' has 60"),
        (["--exit-weights", "1,2"], "exit-weights 1,2: training 'one' has None"),
    ):
        assert main(["train", "one", "--resume", *option]) == 2
        out, err = capsys.readouterr()
        assert out == "" and told in err and err.count("\n") == 1
    assert {path: path.read_bytes() for path in Path("results/one").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train"], "ARCH"),
        (["train", "gone.yaml"], "gone.yaml: no such file"),
        (["train", "gone", "--resume"], "no training 'gone'"),
        (["train", "small.yaml", "--recipe", "msdnt"], "did you mean 'msdnet'"),
        (["train", "small.yaml", "--metric", "f1"], "unknown metric 'f1'"),
        (["train", "small.yaml", "--epochs", "0"], "epochs 0 must be 1 or more"),
        (["train", "small.yaml", "--batch-size", "1"], "batch size 1: must be 2 or more"),
        (["train", "small.yaml", "--lr", "-1"], "lr -1.0 must be above 0"),
        (["train", "small.yaml", "--seed", "-1"], "seed -1"),
        (["train", "small.yaml", "--threads", "0"], "threads 0"),
        (["train", "small.yaml", "--device", "fridge"], "device 'fridge': must be cpu or cuda"),
        (["train", "small.yaml", "--runtime", "onx"], "unknown runtime 'onx'"),
        (["train", "small.yaml", "--limit", "few"], "'few'"),
        (["train", "small.yaml", "--data", "digit"], "digits"),
        (["train", "small.yaml", "--image", "4"], "image size 4"),
        (["train", "small.yaml", "--exit-weights", "1,x"], "'1,x'"),
        (["train", "small.yaml", "--exit-weights", "1,1,1"], "3 exit weights for 2 exits"),
        (["train", "small.yaml", "--distill", "-1"], "distill -1.0 must be 0 or more"),
        (["train", "small.yaml", "--hook", "gone.py"], "gone.py"),
        (["train", "small.yaml", "--name", "../up"], "'../up'"),
        (["train", "small.yaml", "--lr", "1e30", "--epochs", "1", *QUICK], "diverged in epoch 1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str], told: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and told in err
    assert err.splitlines()[-1].startswith("error: ")
    if "diverged" not in told:
        assert err.count("\n") == 1
    assert not list(small.parent.glob("results/*"))


def test_a_network_is_trained_at_the_size_it_was_made_for(small: Path) -> None:
    config = load_config(small).model_copy(update={"image": (3, 8, 8)})
    save(config, small)
    quick = ["--epochs", "1", "--limit", "60", "--threads", "1", "--runtime", "macs"]
    assert main(["train", "small.yaml", "--name", "own", *quick]) == 0
    assert load_config("results/own/config.yaml").image == (1, 8, 8)  # digits are grey
    assert main(["train", "small.yaml", "--name", "other", "--image", "16", *quick]) == 0
    assert load_config("results/other/config.yaml").image == (1, 16, 16)


def test_a_trial_is_trained_on_all_images_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    search = {"runtime": "macs", "executor": "inline", "image": 8, "limit": 60, "epochs": 1}
    run = nas.search("msd", name="tiny", trials=1, target_latency="1ms", controller="random",
                     **search)  # fmt: skip
    quick = ["--epochs", "1", "--threads", "1", "--runtime", "macs"]
    assert main(["train", "tiny:best", *quick]) == 0
    out, _ = capsys.readouterr()
    config = load_config("results/tiny-best-digits-default/config.yaml")
    assert "tiny-best-digits-default: best of 1 epochs is 1" in out
    assert config.architecture() == run.records()[0].architecture
    assert config.provenance is not None
    data = config.provenance.data
    assert (data["source"], data["image"], data["limit"]) == ("digits", 8, None)
    assert main(["describe", "tiny-best-digits-default"]) == 0  # its folder is an ARCH


def test_another_number_of_classes_is_said(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(small).model_copy(update={"classes": ("cats", "dogs")})
    save(config, Path("pets.yaml"))
    assert main(["train", "pets.yaml", "--epochs", "1", *QUICK]) == 0
    assert "10 classes of digits: pets was made for 2" in capsys.readouterr().err


def test_one_metric_is_enough(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.py").write_text("def metric(answers, labels, classes):\n    return 0.5\n")
    hooked = ["train", "small.yaml", "--hook", "own.py", "--metric", "accuracy", *QUICK]
    assert main(hooked) == 2
    err = capsys.readouterr().err
    assert "--metric accuracy" in err and "own.py has a metric of its own" in err
    assert not Path("results").exists()
