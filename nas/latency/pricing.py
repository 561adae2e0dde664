"""What tells a search how fast networks are: its device, or a model that the device guards."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas import plugins
from nas.faults import one_line
from nas.interruption import Interruption, Stopped
from nas.latency import front_latency, search_model
from nas.progress import Progress
from nas.run import Run
from nas.settings import SearchSettings

if TYPE_CHECKING:
    from latency.model.model import LatencyModel
    from latency.source import LatencySource
    from nas.underway import Task


def guarded(
    model: "LatencyModel | None",
    source: "LatencySource | None",
    target_ms: float | None,
    progress: Progress,
    interruption: Interruption,
) -> "LatencySource":
    """What prices networks: the source alone, or the model with its bench where it is in doubt."""
    from latency.measuring import Measuring
    from nas.latency.guarded import Guarded

    steps = search_model.Steps(progress.say, interruption.check)
    if model is None:
        assert source is not None, "nothing tells a latency"
        return source.saying(steps) if isinstance(source, Measuring) else source
    bench = None if source is None else search_model.bench_of(source)
    return Guarded(model, bench, target_ms, progress.say, steps)


def begin(run: Run, source: "LatencySource") -> None:
    """Have a model price for this run: by its target, and growing with its copy of the model."""
    from nas.latency.guarded import Guarded

    if isinstance(source, Guarded):
        source.target_ms = run.target_ms
        source.keep = lambda larger: search_model.write(larger, run.path)
        source.keep(source.model)


def facts(
    settings: SearchSettings,
    source: "LatencySource",
    task: "Task",
    progress: Progress,
    interruption: Interruption,
) -> dict[str, Any]:
    """What `latency.json` records: where and how latency is estimated, and the target."""
    from nas.target import ARCHITECTURES, Target, from_random

    target = Target(settings.target_latency, "given") if settings.target_latency else None
    if target is None:
        progress.say(
            f"no target latency: finding one by {ARCHITECTURES} random networks, each of them "
            "measured where no model prices it; --target-latency skips this"
        )
        space = plugins.space(settings.space)
        shape = (task.image, task.classes)
        target = from_random(space, source, *shape, settings.seed, interruption.check, progress.say)
    return {
        "runtime": source.name,
        "device": source.device,
        "conditions": source.conditions(),
        "target_ms": target.latency_ms,
        "found": target.found,
        "image": list(task.image),
        "classes": task.classes,
    }


def again(
    run: Run, source: "LatencySource", progress: Progress, interruption: Interruption
) -> "LatencySource":
    """What prices networks as the search did before; warns where this is another device.

    A search with a model then goes on with it alone, as figures of two devices do not mix.
    """
    model = search_model.read(run.path)
    if model is None:
        if changed := _changed(run.latency.get("conditions") or {}, source):
            progress.say(f"warning: latencies will not compare to those before: {changed}")
        return guarded(None, source, run.target_ms, progress, interruption)
    changed = search_model.elsewhere(model, source)
    if changed:
        progress.say(
            f"warning: not the device that the run's latency model is of ({changed}); the model "
            "goes on to estimate for that one, and nothing is measured here"
        )
    priced = guarded(model, None if changed else source, run.target_ms, progress, interruption)
    begin(run, priced)
    return priced


def _changed(before: Mapping[str, Any], source: "LatencySource") -> str:
    """In words, how the device is not the one that was measured on; empty if it is."""
    from latency.fingerprint import shared_differences

    bench = search_model.bench_of(source)
    now = source.conditions() if bench is None else bench.fingerprint()
    return ", ".join(shared_differences(before, now))


def measure_front(
    run: Run, source: "LatencySource", progress: Progress, interruption: Interruption
) -> None:
    """Measures the networks of the final front together, where a model predicted them.

    What goes wrong with it is said and spoils no search: `nas resume` tries again.
    """
    from nas.latency.guarded import Guarded

    if interruption.requested or not isinstance(source, Guarded):
        return
    trials, known = front_latency.of_run(run), front_latency.read(run.path)
    if not trials or (known is not None and known.exits_ms.keys() >= set(trials)):
        return
    if source.bench is None:
        progress.say("the front is not measured: its device is not there; nas resume does it then")
        return
    progress.say(f"measuring the networks of the front, {len(trials)} together")
    steps = search_model.Steps(progress.say, interruption.check)
    try:
        front_latency.measured(run, source.bench, steps)
    except Stopped:
        return
    except (ValueError, RuntimeError, MemoryError) as error:
        progress.say(f"the front is not measured: {one_line(error)}; nas resume tries again")
