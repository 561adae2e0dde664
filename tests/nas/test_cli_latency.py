"""``nas latency``, and predictions by a model elsewhere, on a runtime that keeps a law."""

import contextlib
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from latency import sources
from latency.errors import LatencyError
from latency.model import document, prior
from latency.runtimes.runtime import Piece
from nas import plugins
from nas.cli.main import main
from nas.run import LATENCY, SETTINGS, Run
from tests.nas import lawful_runtime, small_msd
from tests.nas.lawful_runtime import NAME, Lawful
from tests.nas.simulated_search import drive, simulated_run

FIT = f"latency fit --space msd --runtime {NAME} --image 8 --samples 9"
BATCH_4 = "msdnet-cifar-batch-4"


@pytest.fixture(scope="module")
def _lawful() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        patch.setitem(sources.RUNTIMES, NAME, lawful_runtime.WHERE)
        patch.setattr(prior, "FEWEST_FOR_TREES", 10**6)  # they take a second, and here a law rules
        yield


@pytest.fixture(scope="module")
def fitted(_lawful: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a model ``model.json`` of small networks, and what its fit printed."""
    folder, said = tmp_path_factory.mktemp("fitted"), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        assert main([*FIT.split(), "-o", "model.json"]) == 0
    return folder, said.getvalue()


@pytest.fixture(autouse=True)
def _beside(fitted: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where a copy of the model is."""
    for path in fitted[0].iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nas(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must end well; return what it printed."""

    def run(command: str) -> str:
        capsys.readouterr()
        assert main(command.split()) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def refused(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[-1].startswith("error: ")
    assert all(line.startswith(("blocks", "preparing", "rounds")) for line in lines[:-1])
    return lines[-1]


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def test_a_fit_says_what_was_measured_and_how_far_off_it_is(fitted: tuple[Path, str]) -> None:
    text = fitted[1]
    assert re.match(r"lawful on cpu.*: space msd, image 3x8x8, 10 classes\n", text)
    assert re.search(r"\n9 networks and \d+ blocks measured in \d+ s, noise 0.0 %\n", text)
    assert "the device was quiet" in text
    assert "Kendall" in text
    assert re.search(r"\nall blocks measured +9 +0", text)
    assert re.search(r"\nunknown blocks guessed +9 ", text)
    assert text.endswith("\nmodel.json, raw samples in model.samples.parquet\n")


def test_a_fit_as_json_replaces_a_model_with_force(nas: Any) -> None:
    Path("model.json").write_text("{}")
    found = json.loads(nas(f"{FIT} --force -o model.json --json"))
    assert found["errors"]["n"] == found["errors_guessed"]["n"] == 9
    assert found["errors"]["mape"] < 0.02
    assert (found["path"], found["samples"]) == ("model.json", "model.samples.parquet")
    assert (found["space"], found["image"], found["classes"]) == ("msd", [3, 8, 8], 10)
    assert document.load(Path("model.json")).errors.n == 9
    assert files() == ["model.json", "model.samples.parquet"]


def test_raw_samples_are_beside_the_model() -> None:
    samples = pd.read_parquet("model.samples.parquet")
    assert list(samples) == ["item", "stage", "part", "round", "repeat", "ms"]
    assert {"network 0", "network 8", "blocks 0", "empty", "canary"} <= set(samples["item"])
    assert (samples["ms"] > 0).all()


def test_a_model_is_not_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("model.json").read_bytes()
    assert "model.json exists; --force" in refused(f"{FIT} -o model.json", capsys)
    Path("model.json").unlink()
    assert "model.samples.parquet exists" in refused(f"{FIT} -o model.json", capsys)
    Path("model.json").write_bytes(before)


def test_ctrl_c_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(self: Lawful, piece: Piece, seed: int) -> Any:
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    monkeypatch.setattr(Lawful, "prepare", pressed)
    assert main([*FIT.split(), "--force", "-o", "model.json"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "stopped; nothing was written"
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_what_cannot_be_written_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latency.model.document.save", full)
    assert "No space left" in refused(f"{FIT} -o other.json", capsys)
    assert files() == ["model.json", "model.samples.parquet"]


def test_a_busy_device_is_told_or_refused(
    nas: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Lawful, "restless", True)
    said = refused(f"{FIT} --refuse-busy -o other.json", capsys)
    assert "lawful on cpu is busy" in said
    assert "other.json" not in files()
    assert "the device was busy" in nas(f"latency measure {BATCH_4} --image 8 --runtime {NAME}")


def test_exits_are_measured_in_mixed_order(nas: Any) -> None:
    asked = f"latency measure {BATCH_4} --image 8 --runtime {NAME} --shares 0.4,0.3,0.2,0.1"
    found = json.loads(nas(f"{asked} --json"))
    assert {"device", "runtime", "fingerprint", "networks"} <= found.keys()
    (network,) = found["networks"]
    assert [row["share"] for row in network["exits"]] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    law = [row["latency_ms"] for row in network["exits"]]
    assert [row["fixed_ms"] for row in network["exits"]] == pytest.approx(law)
    wanted = sum(s * ms for s, ms in zip((0.4, 0.3, 0.2, 0.1), law, strict=True))
    assert network["undisturbed"]["expected_ms"] == pytest.approx(wanted)
    text = nas(asked)
    assert "lawful on cpu" in text
    assert re.search(r"\nundisturbed +\d", text)
    assert "loops of one exit say 0.0 % less" in text


def test_random_networks_verify_a_model(nas: Any) -> None:
    found = json.loads(nas("latency verify --model model.json --samples 5 --seed 3 --json"))
    names = "device runtime n mape within_5 within_10 spearman kendall coverage_90 noise networks"
    assert set(names.split()) <= found.keys()
    assert (found["runtime"], found["device"], found["n"]) == (NAME, "cpu", 5)
    assert sum(each["n"] for each in found["by"].values()) == len(found["networks"]) == 5
    network = found["networks"][0]
    assert {"key", "error", "noise", "exits"} <= network.keys()
    assert {"estimate_ms", "low_ms", "high_ms", "how", "measured_ms"} <= network["exits"][0].keys()
    again = json.loads(nas("latency verify --model model.json --samples 5 --seed 3 --json"))
    assert [each["key"] for each in again["networks"]] == [
        each["key"] for each in found["networks"]
    ]


def test_missing_blocks_can_be_measured_first(nas: Any) -> None:
    asked = "latency verify --model model.json --space shufflenet --image 32 --samples 5 --json"
    found = json.loads(nas(asked))
    assert found["by"].keys() == {"extrapolated"}
    with_them = json.loads(nas(f"{asked} --missing-blocks"))
    assert with_them["by"].keys() == {"table"}
    assert with_them["blocks_measured"] > 0
    assert with_them["mape"] < min(found["mape"], 0.05)


def test_the_table_shows_the_noise_beside_every_figure(nas: Any) -> None:
    text = nas("latency verify --model model.json --samples 5 --seed 3")
    heading = text.splitlines()[2].split()
    assert heading[0] == "network"
    assert heading[-2:] == ["error", "noise"]
    assert text.count("0.0 %") >= 5
    assert "mean error of" in text


@pytest.fixture(scope="module")
def _searched(_lawful: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose prices were measured with the lawful runtime."""
    made = simulated_run(tmp_path_factory.mktemp("results"), name="run", trials=4)
    drive(made, images=60)
    settings = yaml.safe_load((made.path / SETTINGS).read_text())
    (made.path / SETTINGS).write_text(yaml.safe_dump(settings | {"runtime": NAME}))
    known = {"runtime": NAME, "device": "cpu", "conditions": Lawful().conditions()}
    (made.path / LATENCY).write_text(json.dumps(made.latency | known))
    return made


@pytest.fixture
def _run(_searched: Run) -> None:
    """That run in the folder where commands look."""
    shutil.copytree(_searched.path, Path("results", "run"))


@pytest.mark.usefixtures("_run")
def test_a_front_is_verified_against_the_prices_of_its_run(nas: Any) -> None:
    found = json.loads(nas("latency verify run --json"))
    assert found["mape"] < 1e-9
    assert found["coverage_90"] is None
    trials = [each["trial"] for each in found["networks"]]
    assert set(trials) <= {0, 1, 2, 3}
    assert len(set(trials)) == len(trials) == found["n"]
    assert nas("latency verify run").splitlines()[2].startswith("trial")


@pytest.mark.usefixtures("_run")
def test_a_front_is_verified_against_a_model(nas: Any) -> None:
    found = json.loads(nas("latency verify run --model model.json --json"))
    assert found["by"].keys() <= {"table", "extrapolated"}
    assert "trial" in found["networks"][0]


@pytest.mark.usefixtures("_run")
def test_a_run_of_another_device_is_not_verified_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Lawful, "version", 2)
    assert "version was 1, is 2" in refused("latency verify run", capsys)


def test_a_simulated_run_has_nothing_to_verify(capsys: pytest.CaptureFixture[str]) -> None:
    drive(simulated_run(Path("results"), name="failed", trials=2), failing=(0, 1))
    assert "no complete trial" in refused("latency verify failed", capsys)
    drive(simulated_run(Path("results"), name="simulated", trials=2), images=60)
    assert "simulated by a law" in refused("latency verify simulated", capsys)


def test_several_networks_are_measured_in_one_campaign(nas: Any) -> None:
    asked = f"latency measure {BATCH_4} msdnet-cifar-batch-5 --runtime {NAME} --image 16"
    found = json.loads(nas(f"{asked} --classes 7 --rounds 3 --json"))
    assert found["facts"]["items"] == 2
    assert found["facts"]["rounds"] == [3, 3]
    assert [network["arch"] for network in found["networks"]] == [BATCH_4, "msdnet-cifar-batch-5"]
    exits = found["networks"][0]["exits"]
    assert [row["exit"] for row in exits] == [1, 2, 3, 4]
    assert all(row["noise"] == 0 and row["macs"] > 0 for row in exits)
    assert [row["latency_ms"] for row in exits] == sorted(row["latency_ms"] for row in exits)
    assert "noise" in nas(asked)


def test_the_shares_of_an_explanation_add_up(nas: Any) -> None:
    found = json.loads(nas(f"latency explain {BATCH_4} --model model.json --json"))
    assert found["image"] == [3, 8, 8]
    assert sum(each["ms"] for each in found["shares"]) == pytest.approx(found["latency_ms"])
    assert sum(each["share"] for each in found["shares"]) == pytest.approx(1)
    assert {each["exit"] for each in found["shares"]} == {1, 2, 3, 4}


def test_an_explanation_is_drawn_the_same_every_time(nas: Any) -> None:
    text = nas(f"latency explain {BATCH_4} --model model.json -o one.svg")
    assert "█" in text
    assert "in 9 of 10 networks" in text
    nas(f"latency explain {BATCH_4} --model model.json -o two.svg")
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()


def test_a_network_is_described_by_a_model(nas: Any) -> None:
    asked = f"describe {BATCH_4} --image 8 --classes 10 --latency-model model.json"
    found = json.loads(nas(f"{asked} --json"))
    rows = found["exits"]
    assert all(row["how"] in ("table", "extrapolated") for row in rows)
    assert all(row["low_ms"] <= row["latency_ms"] <= row["high_ms"] for row in rows)
    assert found["latency_conditions"]["model"]["n"] == 9
    assert re.search(r"\nfitted .*: mean error .* % of 9 networks\n", nas(asked))


def test_a_network_is_scaled_by_a_model(nas: Any) -> None:
    asked = f"scale {BATCH_4} --image 8 --classes 10 --latency-model model.json"
    found = json.loads(nas(f"{asked} --target-latency 2ms --json"))
    assert found["latency_model"] == "model.json"
    assert found["after"]["latency_ms"] > 0
    assert "predicted by model.json" in nas(f"{asked} --target-latency 2ms")


@pytest.mark.parametrize(
    "command",
    [
        "latency verify --model model.json --samples 5",
        f"describe {BATCH_4} --latency-model model.json",
        f"scale {BATCH_4} --target-latency 2ms --latency-model model.json",
    ],
)
def test_a_model_of_another_device_is_refused(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Lawful, "version", 2)
    assert "version was 1, is 2" in refused(command, capsys)


def test_what_no_longer_runs_here_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(self: Lawful, device: str = "cpu") -> None:
        raise LatencyError("runtime 'lawful' needs laws, which is not installed")

    monkeypatch.setattr(Lawful, "__init__", missing)
    assert "not installed" in refused(f"{FIT} -o other.json", capsys)
    assert "not installed" in refused(f"latency measure {BATCH_4} --runtime {NAME}", capsys)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("latency fit --space msf -o a.json", "did you mean 'msd'"),
        ("latency fit --space msd", "--output"),
        ("latency fit --space msd -o a.yaml", "ends in .json"),
        ("latency fit --space msd -o gone/a.json", "no folder gone"),
        ("latency fit --space msd --samples 8 -o a.json", "equal to 9"),
        ("latency fit --space msd --image 3x8 -o a.json", "'3x8'"),
        ("latency fit --space msd --runtime onx -o a.json", "unknown runtime 'onx'"),
        ("latency fit --space msd --runtime macs -o a.json", "simulated"),
        ("latency fit --space msd --device fridge -o a.json", "fridge"),
        ("latency fit --space msd --device ray:pi5 -o a.json", "--ray-address"),
        ("latency fit --space msd --device gone.yaml -o a.json", "gone.yaml"),
        ("latency verify", "--model"),
        ("latency verify gone", "no run 'gone'"),
        ("latency verify gone --samples 5", "--samples"),
        ("latency verify --model gone.json", "gone.json"),
        ("latency verify --model model.json --samples 3", "equal to 5"),
        ("latency verify --model model.json --space msf", "'msf'"),
        ("latency verify --model model.json --device ray:pi5", "--ray-address"),
        ("latency measure", "ARCH"),
        ("latency measure msdnet-cifar-batch-44", "msdnet-cifar-batch-4"),
        (f"latency measure {BATCH_4} --rounds 1", "equal to 2"),
        (f"latency measure {BATCH_4} --shares a,b", "'a,b'"),
        (f"latency measure {BATCH_4} --shares 0.5,0.5", "2 shares (0.5, 0.5) for 4 exits"),
        (f"latency measure {BATCH_4} --runtime onx", "unknown runtime"),
        (f"latency explain {BATCH_4}", "--model"),
        (f"latency explain {BATCH_4} --model gone.json", "gone.json"),
        (f"latency explain {BATCH_4} --model model.samples.parquet", "is not text in UTF-8"),
        (f"latency explain {BATCH_4} --model model.json -o a.gif", ".svg"),
        ("latency devices --ray-address 127.0.0.1:1", "127.0.0.1:1"),
        (
            f"describe {BATCH_4} --latency-model model.json --runtime torch",
            "is of runtime lawful, not torch",
        ),
        (f"scale {BATCH_4} --width 2 --latency-model model.json", "--target-latency"),
        ("latency fits", "fits"),
    ],
)
def test_one_line_names_what_is_wrong(
    command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(command, capsys)
    assert files() == ["model.json", "model.samples.parquet"]


def test_a_damaged_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(Path("model.json").read_text())
    whole["model"]["scope"]["colour"] = "red"
    Path("model.json").write_text(json.dumps(whole))
    assert "damaged" in refused("latency verify --model model.json", capsys)
    del whole["model"]["scope"]
    text = json.dumps(whole["model"], sort_keys=True)
    whole["digest"] = hashlib.sha256(text.encode()).hexdigest()
    Path("model.json").write_text(json.dumps(whole))
    assert "not a latency model of this version" in refused(
        "latency verify --model model.json", capsys
    )


def test_a_model_of_a_phone_predicts_without_it_and_is_verified_on_it(
    nas: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sources.RUNTIMES, NAME, {"pixel-8": lawful_runtime.WHERE["cpu"]})
    known = document.load(Path("model.json"))
    on_phone = {**known.fingerprint, "device": "pixel-8"}
    document.save(replace(known, fingerprint=on_phone), Path("phone.json"))
    asked = f"describe {BATCH_4} --image 8 --latency-model phone.json"
    assert "device pixel-8" in nas(asked)
    assert "not 'torch'" in refused(f"{asked} --runtime torch", capsys)
    assert "give --device" in refused("latency verify --model phone.json", capsys)
    nas("latency verify --model phone.json --device pixel-8 --samples 5")


def test_devices_are_listed(nas: Any) -> None:
    rows = json.loads(nas("latency devices gone.yaml --json"))
    assert rows[0]["device"] == "cpu"
    assert {"torch", "macs", NAME} <= set(rows[0]["runtimes"])
    assert rows[-1]["device"] == "gone.yaml"
    assert rows[-1]["state"].startswith("unusable")
    assert "--device cpu" in nas("latency devices")
