"""The tabular benchmark on a small made-up table, from its command line to its figures."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import controllers
from benchmarks import controllers as benchmark
from benchmarks.tabular import kept, reading, searching
from benchmarks.tabular.contender import Contender, parse
from benchmarks.tabular.findings import finding, table
from benchmarks.tabular.floor import SEEDS, Floor, floor
from benchmarks.tabular.searching import Course, run
from benchmarks.tabular.task import Task
from controllers.from_record import FromRecord
from controllers.history import History
from nas.errors import UserError
from nas.rewards import Reward
from nas.tabular import Row, TableSpace

ROWS = np.array(
    [[a, b, c, d] for a in range(3) for b in range(3) for c in range(3) for d in range(3)]
)
ACCURACY = 60 + ROWS @ np.array([4.0, 3.0, 2.0, 1.0])
LATENCY = 1.0 + ROWS @ np.array([0.5, 0.1, 0.3, 0.0])


def task(kind: str, noise: float = 0.0) -> Task:
    rng = np.random.default_rng(0)
    observed = np.stack([ACCURACY + noise * rng.standard_normal(81) for _ in range(3)], axis=1)
    latency = None if kind == "accuracy" else LATENCY
    reward = Reward.soft(1.5) if kind == "reward" else None
    space = TableSpace(ROWS)
    return Task(space, observed, ACCURACY, latency, reward, np.zeros((81, 0)), np.full(81, 3600.0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.npz"
    rng = np.random.default_rng(0)
    seeds = {f"s{at}": ACCURACY + rng.standard_normal(81) for at in range(2)}
    np.savez(
        path, ops=ROWS, test=ACCURACY, ms=LATENCY, size=1.0 + LATENCY, half=ROWS[:40, 0], **seeds
    )
    return path


def command(path: Path, *more: str) -> list[str]:
    usual = ["--choices", "ops", "--observe", "s0,s1", "--score", "test"]
    return [str(path), *usual, "--seeds", "2", "--trials", "25", *more]


@pytest.mark.parametrize("kind", ["accuracy", "reward", "pareto"])
def test_the_whole_table_leaves_no_regret(kind: str) -> None:
    given = task(kind)
    course = run(given, parse("random"), trials=81, seed=0)
    assert course.best is not None
    ends = 81 if kind == "pareto" else course.best
    assert len(course.rows) == len(set(course.rows)) == ends
    assert given.truth(course.rows[course.best - 1])[0] == given.optimum()
    best = given.optimum() if kind != "pareto" else given.volume(list(range(81)))
    assert course.score[-1] == pytest.approx(best)
    assert (np.diff(course.score) >= -1e-9).all()
    assert course.hours == pytest.approx(ends)
    assert (course.again, course.repeats) == (0, 0)


def test_workers_train_side_by_side_in_simulated_time() -> None:
    course = run(task("reward", noise=2.0), parse("random"), trials=40, seed=0, workers=4)
    assert course.hours == pytest.approx(10)


class Watched(FromRecord):
    """Proposes at random, and keeps what it was told by then."""

    def __init__(self, space: TableSpace, seen: list[tuple[str, ...]]) -> None:
        super().__init__("watched", space, None, 0)
        self.seen = seen

    def propose(self, history: History, rng: np.random.Generator) -> Row:
        self.seen.append(history.digests)
        return Row(int(rng.integers(81)))


def test_trials_that_bring_nothing_new_are_counted_apart_from_trainings_that_were_asked_for() -> (
    None
):
    course = run(task("accuracy", noise=2.0), parse("random"), trials=84, seed=0)
    assert (course.again, course.repeats) == (0, 3)  # 81 networks, and no more are there
    course = run(task("accuracy", noise=2.0), parse("surrogate"), trials=40, seed=0)
    assert course.again > 0
    assert course.repeats == 0
    assert len(set(course.rows)) == 40 - course.again
    shown = table({"random": finding(task("accuracy"), [course])}, [40])
    assert f"| {course.again:.1f} | 0.0 |" in shown


def test_who_has_seen_the_best_for_what_it_is_need_not_go_on(path: Path, tmp_path: Path) -> None:
    course = run(task("accuracy"), parse("tpe"), trials=60, seed=0)
    assert course.best is not None
    assert len(course.rows) == course.best < 60 == len(course.score)
    assert finding(task("accuracy"), [course]).regret[-1] == 0
    # Of two trainings that differ, none shows what the network is worth.
    assert len(run(task("accuracy", noise=2.0), parse("tpe"), trials=60, seed=0).rows) == 60
    exact = command(path, "--observe", "test", "--controllers", "tpe", f"--out={tmp_path}/kept")
    given = benchmark._parser().parse_args(exact)
    tasks = reading.tasks(given, reading.task(given))
    first, again = (kept.courses(given, [parse("tpe")], tasks) for _ in range(2))
    assert again == first
    assert len(first["accuracy", "tpe"][0].score) == 25


def test_results_that_come_late_do_not_change_what_was_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(Contender, "sampler", lambda _, task, seed: Watched(task.space, seen))
    seconds = np.random.default_rng(0).uniform(1, 10, 81)
    course = run(
        replace(task("reward", noise=2.0), seconds=seconds), parse("ppo"), 30, seed=0, workers=4
    )
    assert len(seen) >= len(course.rows) == 30
    for before, after in itertools.pairwise(seen):
        assert after[: len(before)] == before


def test_seeds_of_a_network_differ_and_are_the_same_again() -> None:
    given = task("accuracy", noise=1.0)
    shown = [given.observation(7, 0, again) for again in range(3)]
    assert sorted(shown) == sorted((float(value),) for value in given.observed[7])
    assert given.observation(7, 0, 0) == shown[0]
    assert len({given.observation(7, seed, 0) for seed in range(20)}) == 3


def test_the_floor_is_the_regret_of_who_sees_everything_once() -> None:
    assert floor(task("reward")) == Floor(0, 0)
    noisy = task("reward", noise=2.0)
    least = floor(noisy)
    assert 0 < least.error < least.regret < 10
    rows, best = noisy.rows().tolist(), noisy.optimum()
    chosen = [max(rows, key=lambda row, s=s: noisy.observation(row, s, 0)) for s in range(SEEDS)]
    regrets = [100 * (best - noisy.truth(row)[0]) / best for row in chosen]
    assert least.regret == pytest.approx(np.mean(regrets))


def test_a_seed_that_few_networks_were_trained_with_does_not_count_for_all() -> None:
    given = task("accuracy")
    observed = given.observed.copy()
    observed[1:, 2] = np.nan  # whoever saw the third seed alone would know of one network
    assert floor(replace(given, observed=observed)) == Floor(0, 0)


def test_of_networks_in_several_words_one_row_is_enough(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = {"s0": np.where(np.arange(81) % 3 == 0, ACCURACY, np.nan)}
    seen["s1"] = np.where(np.arange(81) % 3 == 1, ACCURACY, np.nan)
    with np.load(path) as columns:
        np.savez(path, **{**columns, **seen}, cell=np.arange(81) // 3)
    arguments = command(path, "--same", "cell", "--controllers", "random")
    assert benchmark.main(arguments) == 0
    assert "Noise floor: 0.000 ± 0.000 %" in capsys.readouterr().out
    assert benchmark.main(command(path, "--controllers", "random")) == 2
    assert "27 networks have no finite number in any of s0,s1" in capsys.readouterr().err


def test_knowing_the_weight_of_accuracy_is_knowing_the_reward() -> None:
    given = task("reward")
    known = given.known()
    for row in given.rows()[::7]:
        architecture = given.space.architecture(
            {f"choice{at}": str(option) for at, option in enumerate(ROWS[row])}
        )
        assert known.weights(architecture)[0] * ACCURACY[row] == pytest.approx(given.truth(row)[0])
        assert task("pareto").known().known(architecture) == (None, LATENCY[row])


@pytest.mark.parametrize("name", controllers.names())
def test_every_controller_can_be_named(name: str) -> None:
    course = run(task("reward", noise=1.0), parse(name), trials=14, seed=1)
    assert len(set(course.rows)) == 14
    assert course.ask_ms > 0


def test_samplers_of_optuna_and_options(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = "ppo:screening=false+startup=8,NSGAIISampler:population_size=5"
    arguments = command(path, "--latency", "ms", "--known", "size", "--controllers", chosen)
    assert benchmark.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["controllers"]) == [
        "ppo:screening=false+startup=8", "NSGAIISampler:population_size=5",
    ]  # fmt: skip
    for figures in found["controllers"].values():
        assert figures["regret"]["25"] >= 0
        assert figures["seeds"] == 2
    assert found["floor"]["regret"] >= 0
    assert found["floor"]["error"] >= 0


def test_it_goes_on_where_it_stopped(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = command(path, "--controllers", "random", "--out", str(tmp_path / "kept"))
    assert benchmark.main(arguments) == 0
    first = capsys.readouterr().out
    assert len(list((tmp_path / "kept").glob("random-*.json"))) == 2
    assert benchmark.main(arguments) == 0
    assert capsys.readouterr().out == first
    assert benchmark.main([*arguments[:-4], "--trials", "30", *arguments[-4:]]) == 2
    assert "made with other settings" in capsys.readouterr().err
    monkeypatch.setattr(optuna, "__version__", "0.1")
    assert benchmark.main(arguments) == 2
    assert "made with other settings" in capsys.readouterr().err


def test_all_that_decides_a_search_is_known_by_its_code_and_what_shows_it_is_not() -> None:
    for module in (reading, searching, controllers, sys.modules[Task.__module__]):
        assert Path(str(module.__file__)) in kept.deciding()
    room = {path.name for path in Path(str(kept.__file__)).parent.glob("*.py")}
    assert room - {path.name for path in kept.deciding()} == kept.AFTERWARDS


def test_a_kept_search_is_short_whole_and_a_line_for_each_fact(path: Path, tmp_path: Path) -> None:
    arguments = command(path, "--latency", "ms", "--controllers", "surrogate")
    assert benchmark.main([*arguments, "--out", str(tmp_path)]) == 0
    text = (tmp_path / "surrogate-1.json").read_text()
    assert len(text) < 2000
    assert len(text.splitlines()) == len(json.loads(text)["settings"]) + len(fields(Course)) + 6
    given = benchmark._parser().parse_args(arguments)
    course = run(reading.task(given), parse("surrogate"), trials=25, seed=1)
    again = kept._read(tmp_path / "surrogate-1.json", json.loads(text)["settings"])
    assert again == replace(course, ask_ms=again.ask_ms)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null"])
def test_a_damaged_search_is_named_in_one_line(
    path: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "random-0.json").write_text(content)
    arguments = command(path, "--controllers", "random", "--out", str(tmp_path))
    assert benchmark.main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert "random-0.json: damaged" in said
    assert "\n" not in said


@pytest.mark.parametrize("of", [lambda row: 2**53 + row // 3, lambda row: f"class {row // 3}"])
def test_rows_of_one_network_are_told_by_large_numbers_and_by_texts(
    path: Path, of: Callable[[int], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(path) as columns:
        np.savez(path, **columns, cell=np.array([of(row) for row in range(81)]))
    arguments = command(path, "--same", "cell", "--controllers", "random")
    assert benchmark.main(arguments) == 0
    assert "small.npz, 27 networks, accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--controllers", "ppp"], "no controller 'ppp': it is one of random, tpe"),
        (["--controllers", "ppo:depth=3"], "controller 'ppo' has no option 'depth'"),
        (["--controllers", "random", "--latency", "gpu"], "has no array 'gpu': it has half, ms"),
        (["--controllers", "random", "--pareto"], "--pareto needs --latency"),
        (["--controllers", "random", "--objectives"], "--objectives needs --latency"),
        (["--controllers", "local_search", "--objectives", "--latency", "ms"], "one objective"),
        (["--controllers", "random", "--objectives", "--json"], "leave --json and --plot out"),
        (["--controllers", "random", "--plot", "curves.xyz"], "must end in .svg"),
        (["--controllers", "random", "--trials", "0"], "--trials 0: it must be 1 or more"),
        (["--controllers", "random", "--trials", "82"], "--trials 82: the table has 81 networks"),
        (["--controllers", "random", "--seeds", "0"], "--seeds 0: it must be 1 or more"),
        (["--controllers", "random", "--jobs", "0"], "--jobs 0: it must be 1 or more"),
        (["--controllers", "random", "--workers", "-1"], "--workers -1: it must be 1 or more"),
        (["--controllers", "random", "--target-quantile", "3"], "3: it must be from 0 to 1"),
        (["--controllers", "random", "--hard"], "it needs --latency"),
        (["--controllers", "random", "--hard", "--latency=ms", "--pareto"], "no --pareto"),
        (["--controllers", "random", "--same", "half"], "half has 40 rows, ops has 81"),
        (["--controllers", "ppo:cost=1"], "'cost' is given by the search itself"),
        (["--controllers", "ppo:name=1"], "'ppo' has no option 'name'"),
        (["--controllers", "TPESampler:depth=3"], "TPESampler:depth=3: "),
        (["--controllers", "TPESampler:n_startup_trials=x"], "n_startup_trials=x: '<' not"),
        (["--controllers", "NSGAIISampler:population_size=1"], "greater than or equal to 2"),
        (["--controllers", "random", "--report", "page"], "must end in .md"),
        (["--controllers", "random", "--report", "no/page.md"], "there is no folder no"),
    ],
)
def test_mistakes_are_one_line(
    path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(command(path, *more)) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said


def test_objectives_are_compared_at_one_target(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(path, "--latency", "ms", "--controllers", "random,surrogate")
    assert benchmark.main([*arguments, "--objectives"]) == 0
    head, _, *rows = capsys.readouterr().out.strip().splitlines()[2:]
    named = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    found = {(row[0], row[1]): dict(zip(named[0], row, strict=True)) for row in named[1:]}
    assert len(found) == 6
    for row in found.values():
        bars = [int(row[name].rstrip("%")) for name in named[0][3:9]]
        assert sum(bars) == pytest.approx(100, abs=3)
        assert sum(bars[:3]) == pytest.approx(int(row["at most T"].rstrip("%")), abs=3)
    # Random search does not know what it is after.
    assert len({tuple(row.items())[2:] for who, row in found.items() if who[1] == "random"}) == 1


def test_curves_are_drawn(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "curves.svg"
    arguments = command(path, "--latency", "ms", "--controllers", "random,tpe")
    assert benchmark.main([*arguments, "--plot", str(picture)]) == 0
    assert "noise floor" in picture.read_text()


@pytest.mark.parametrize("more", [[], ["--json"], ["--pareto"], ["--objectives"]])
def test_the_page_has_the_command_the_seeds_the_table_and_the_floor(
    path: Path, tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(path, "--latency", "ms", "--controllers", "random,tpe", *more)
    arguments += [f"--out={tmp_path}/kept", "--report", str(tmp_path / "page.md")]
    assert benchmark.main(arguments) == 0
    said = capsys.readouterr().out
    title, run_by, shown = (tmp_path / "page.md").read_text().split("\n\n", 2)
    assert title == "# Controllers on a table"
    assert run_by.startswith("`python benchmarks/controllers.py small.npz --choices ops ")
    assert run_by.endswith(" --out=kept --report page.md`")
    assert str(tmp_path) not in run_by
    assert "seeds 0 to 1" in shown
    assert shown.count("| random |") == {"--objectives": 3, "--pareto": 2}.get("".join(more), 1)
    assert shown.count("Noise floor: ") == (not more or "--json" in more)
    if "--json" not in more:
        words, _, figures = shown.partition(".\n\n")
        assert said == f"{words}\n\n{figures}"


def test_it_runs_as_a_file(path: Path) -> None:
    """Its folder has namesakes of our packages, `latency/` and itself."""
    script = Path(benchmark.__file__)
    done = subprocess.run(
        [sys.executable, str(script), *command(path, "--controllers", "surrogate")],
        capture_output=True, text=True, check=True, cwd=path.parent,
    )  # fmt: skip
    assert "| surrogate | " in done.stdout


def test_unknown_names_of_optuna_are_refused() -> None:
    with pytest.raises(UserError, match="or a sampler of Optuna's"):
        parse("TPESample")
    assert parse("TPESampler:n_startup_trials=4").options == (("n_startup_trials", 4),)


def test_no_sampler_is_made_of_an_abstract_class() -> None:
    made: Any = parse("RandomSampler").sampler(task("accuracy"), 0)
    assert type(made).__name__ == "RandomSampler"
