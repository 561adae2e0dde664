"""The page in a browser: from the first trial of a search to a network in a file."""

import contextlib
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from nas import pareto
from nas.cli.main import main
from nas.rewards import Reward
from nas.run import Run, open_run
from tests.browser.conftest import COMMAND, Serve, environment, nas
from tests.browser.simulated import simulated
from tests.nas.repeater import repeats  # noqa: F401
from tests.nas.watched import hostile

NAME = "<img src=x onerror=alert(1)>"
FRONT = "() => NAS.model.front(NAS.mainRun()).map((p) => [p.trial, p.accuracy, p.latency_ms])"
POINTS = """() => document.getElementById('front-plot').data
  .filter((trace) => (trace.name || '').toLowerCase().includes('front'))
  .map((trace) => [...trace.x].map((x, i) => [trace.y[i], x]))"""  # per cent, milliseconds
LOADED = "(n) => { const run = NAS.mainRun(); return run && run.progress && run.trials.size >= n; }"
READ = """() => { const run = NAS.mainRun();
  return run && run.progress && run.progress.reading.total > 0
    && run.progress.reading.done === run.progress.reading.total
    && run.trials.size === run.progress.reading.total; }"""
# Twice: the page draws at most once a frame, and what is set now is drawn in the next.
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulated(tmp_path_factory.mktemp("results"), "forty", 40)


def told(*arguments: str) -> Any:
    """What a command answers with --json."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*arguments, "--json"]) == 0
    return json.loads(printed.getvalue())


def front_of(run: Path, *options: str) -> list[list[Any]]:
    rows = told("pareto", str(run), *options)
    return [[row["trial"], row["accuracy"], row["latency_ms"]] for row in rows]


def best_of(run: Path, *options: str) -> tuple[int, float]:
    best = max(told("pareto", str(run), *options), key=lambda row: float(row["reward"]))
    return best["trial"], best["reward"]


def shows_the_front(page: Page, expected: list[list[Any]]) -> None:
    """The model's front is the command line's, and so are the marks of the plot."""
    assert page.evaluate(FRONT) == expected
    points = sorted((100 * accuracy, ms) for _, accuracy, ms in expected)
    for _ in range(50):  # while trials are read the page draws but now and then
        page.evaluate(SETTLED)
        marks = [sorted((y, x) for y, x in trace) for trace in page.evaluate(POINTS)]
        if any(len(trace) == len(points) for trace in marks):
            break
        page.wait_for_timeout(100)
    assert points in [[(pytest.approx(y, rel=1e-12), x) for y, x in trace] for trace in marks]


# A real search, from before its first trial to a file


@pytest.fixture
def searching(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[str]"]]:
    process = subprocess.Popen(
        [
            *COMMAND, *"search --space msd --runtime macs --executor inline --trials 6".split(),
            *"--epochs 1 --limit 200 --target-latency 1ms --controller random".split(),
            *("--name", "real", "--out", str(tmp_path)),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    yield tmp_path / "real", process
    process.kill()
    process.communicate()


def test_a_search_from_its_first_trial_to_a_file(
    page: Page, served: Serve, searching: tuple[Path, "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    run, process = searching
    with served(tmp_path) as address:
        page.goto(address)  # most likely before there is a run at all
        page.evaluate("() => { window.notReloaded = true; }")
        page.wait_for_function(LOADED, arg=1, timeout=240_000)
        _, said = process.communicate(timeout=400)
        assert process.returncode == 0, said
        page.wait_for_function("() => NAS.mainRun().progress.state === 'finished'")
        page.wait_for_function(READ)
        expect(page.locator("#status")).to_contain_text("finished")
        shows_the_front(page, front_of(run))
        trial = click_a_point(page)
        open_architecture(page)
        assert page.evaluate("() => NAS.state.selected[0].n") == trial
        assert page.evaluate("() => window.notReloaded") is True
        exported(page, tmp_path)


def click_a_point(page: Page) -> int:
    """Click where the first point of the front stands; the trial that was chosen."""
    place = page.evaluate(
        """() => {
          const div = document.getElementById('front-plot');
          const [point] = NAS.model.front(NAS.mainRun());
          const { xaxis, yaxis } = div._fullLayout;
          const box = div.getBoundingClientRect();
          return [box.left + xaxis._offset + xaxis.d2p(point.latency_ms),
                  box.top + yaxis._offset + yaxis.d2p(100 * point.accuracy), point.trial];
        }"""
    )
    page.mouse.move(place[0], place[1])
    page.wait_for_timeout(200)
    page.mouse.click(place[0], place[1])
    page.wait_for_function("() => NAS.state.selected.length === 1")
    expect(page.locator("#selection")).to_contain_text(f"trial {place[2]}")
    return int(place[2])


def open_architecture(page: Page) -> None:
    page.locator("#tabs a", has_text="Architecture").click()
    drawing = page.locator("#architecture-drawing svg").first
    drawing.wait_for()
    assert drawing.locator("*").count() > 10


def exported(page: Page, tmp_path: Path) -> None:
    """The best network leaves the page as a file that the commands read."""
    page.locator("#tabs a").first.click()
    with page.expect_download() as download:
        page.locator('#whatif [data-export="best"]').click()
    file = tmp_path / "best.yaml"
    download.value.save_as(file)
    described = nas("describe", str(file), "--json")
    assert described.returncode == 0, described.stderr
    best = page.get_attribute("[data-best-trial]", "data-best-trial")
    key = page.evaluate("(n) => NAS.mainRun().trials.get(n).key", int(str(best)))
    assert json.loads(described.stdout)["key"] == key


# What if


@pytest.mark.parametrize("kind", ["served", "report"])
def test_another_target_is_answered_as_by_the_command(
    page: Page, served: Serve, forty: Run, tmp_path: Path, kind: str
) -> None:
    if kind == "served":
        with served(forty.path) as address:
            page.goto(address)
            what_if(page, forty.path)
        return
    report = tmp_path / "report.html"
    written = nas("report", str(forty.path), "-o", str(report))
    assert written.returncode == 0, written.stderr
    page.goto(report.as_uri())
    what_if(page, forty.path)
    open_in_report(page)


def what_if(page: Page, run: Path) -> None:
    page.wait_for_function(READ)
    shows_the_front(page, front_of(run))
    target = page.locator('#whatif input[name="target_ms"]')
    w, hard = (page.locator(f'#whatif input[name="{name}"]') for name in ("w", "hard"))
    seen = set()
    for ms in (0.3, 0.75, 2.0, 9.5):
        for exponent in (-0.07, -0.4):
            target.fill(str(ms))
            w.fill(str(exponent))
            best = best_of(run, "--target-latency", f"{ms}ms", "--w", str(exponent))
            seen.add(answered(page, best))
        hard.check()
        seen.add(answered(page, best_of(run, "--target-latency", f"{ms}ms", "--hard")))
        hard.uncheck()
    assert len(seen) > 1, "the targets should choose different networks"
    slide(page)


def answered(page: Page, expected: tuple[int, float]) -> int:
    """The page names that trial as the best, with that reward."""
    trial, reward = expected
    page.evaluate(SETTLED)
    assert page.get_attribute("#whatif [data-best-trial]", "data-best-trial") == str(trial)
    mine = page.evaluate("() => NAS.model.best(NAS.mainRun(), NAS.state.reward).reward")
    assert mine == pytest.approx(reward, rel=1e-12)
    return trial


def slide(page: Page) -> None:
    """The slider's ends: a target below all and one above all."""
    slider = page.locator('#whatif input[name="target_range"]')
    targets = []
    for key in ("Home", "End"):
        slider.focus()
        page.keyboard.press(key)
        page.evaluate(SETTLED)
        targets.append(page.evaluate("() => NAS.state.reward.target_ms"))
        assert page.get_attribute("#whatif [data-best-trial]", "data-best-trial") is not None
    latencies = page.evaluate("() => [...NAS.model.table(NAS.mainRun()).latency_ms]")
    assert targets[0] < min(latencies)
    assert targets[1] > max(latencies)


def open_in_report(page: Page) -> None:
    """A network of the front is drawn from what the report holds."""
    page.evaluate(
        """() => { const [p] = NAS.model.front(NAS.mainRun());
          NAS.select(p.run, p.trial, p.row); }"""
    )
    open_architecture(page)


# The model against Python


def test_the_model_is_the_command_line_s(page: Page, served: Serve, forty: Run) -> None:
    with served(forty.path) as address:
        page.goto(address)
        page.wait_for_function(READ)
        status = told("status", str(forty.path))
        page.wait_for_function("() => NAS.mainRun().head.held_out !== null")
        volume = page.evaluate(
            "() => NAS.model.hypervolume(NAS.model.front(NAS.mainRun()), NAS.model.referenceMs([NAS.mainRun()]))"  # noqa: E501
        )
        assert volume == pytest.approx(status["hypervolume"], rel=1e-9)
        assert_rewards(page)
        assert_standings(page, forty)


def assert_rewards(page: Page) -> None:
    cases = [
        (accuracy, ms, target, alpha, beta)
        for accuracy in (0.0, 0.31, 1.0)
        for ms in (0.05, 0.6, 7.0)
        for target in (0.1, 0.6, 3.3)
        for alpha, beta in ((-0.07, -0.07), (0, -1), (-0.5, -0.01))
    ]
    mine = page.evaluate(
        "(cases) => cases.map(([a, ms, target_ms, alpha, beta]) => NAS.model.reward(a, ms, { target_ms, alpha, beta }))",  # noqa: E501
        cases,
    )
    expected = [Reward(target, alpha, beta)(a, ms) for a, ms, target, alpha, beta in cases]
    assert mine == pytest.approx(expected, rel=1e-12)


def assert_standings(page: Page, run: Run) -> None:
    """Each network with its best point, all policies looked at."""
    from nas.exits import policy_scores

    reward = Reward(0.9, -0.07, -0.2)
    found = page.evaluate(
        """(wanted) => { const { columns, trials, at, value } = NAS.model.standings(NAS.mainRun(), wanted);
          return trials.map((t, i) => [t.n, columns.accuracy[at[i]], columns.latency_ms[at[i]], value[i]]); }""",  # noqa: E501
        {"target_ms": 0.9, "alpha": -0.07, "beta": -0.2},
    )
    expected = {
        record.trial: max(
            reward(score.accuracy, score.latency_ms) for score in policy_scores(record.measurement)
        )
        for record in run.records()
        if record.measurement is not None and record.reused_from is None
    }
    assert {n: value for n, _, _, value in found} == pytest.approx(expected, rel=1e-12)
    for _, accuracy, ms, value in found:
        assert reward(accuracy, ms) == pytest.approx(value, rel=1e-12)


def test_the_front_over_three_facts(page: Page, served: Serve, tmp_path: Path) -> None:
    run = simulated(tmp_path, "three", 30, objective="pareto:accuracy,latency_ms,parameters")
    with served(run.path) as address:
        page.goto(address)
        page.wait_for_function(READ)
        assert sorted(page.evaluate(FRONT)) == sorted(front_of(run.path))
        every = page.evaluate(
            """() => { const c = NAS.model.table(NAS.mainRun());
              return [...c.accuracy].map((a, i) => [a, c.latency_ms[i], c.parameters[i]]); }"""
        )
        standing = pareto.front(every, ("maximize", "minimize", "minimize"))
        assert len(standing) == len(page.evaluate(FRONT))


@pytest.mark.usefixtures("repeats")
def test_a_network_trained_again_stands_once(page: Page, served: Serve, tmp_path: Path) -> None:
    run = simulated(tmp_path, "again", 12, controller="repeater")
    with served(run.path) as address:
        page.goto(address)
        page.wait_for_function(READ)
        assert sorted(page.evaluate(FRONT)) == sorted(front_of(run.path))
        page.locator("#tabs a", has_text="Trials").click()
        expect(page.locator("#view")).to_contain_text("stands for it")


# Names and errors that a careless page would run


def test_hostile_texts_are_but_texts(page: Page, served: Serve, tmp_path: Path) -> None:
    run = simulated(tmp_path, "hostile", 6)
    hostile(run, NAME)
    with served(tmp_path) as address:
        page.goto(address)
        page.wait_for_function(READ)
        visit(page)
    report = tmp_path / "report.html"
    written = nas("report", str(open_run(tmp_path / NAME).path), "-o", str(report))
    assert written.returncode == 0, written.stderr
    page.goto(report.as_uri())
    page.wait_for_function(READ)
    visit(page)


def visit(page: Page) -> None:
    """Every view, with the failed trial and another selected."""
    expect(page.locator("#runs")).to_contain_text(NAME)
    page.evaluate(
        """() => { const { id } = NAS.mainRun().head;
          NAS.select(id, 0); NAS.select(id, 1, null, true); }"""
    )
    for tab in page.locator("#tabs a").all():
        tab.click()
        page.wait_for_timeout(400)
        assert page.locator('img[src="x"]').count() == 0
        assert page.locator("b", has_text="out of luck").count() == 0
        if tab.get_attribute("data-view") == "trials":
            expect(page.locator("#trials-table")).to_contain_text("<b>out of luck</b>")
