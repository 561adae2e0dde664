"""``nas repair``: a run whose files were damaged, as whole as it can be made."""

from typing import TYPE_CHECKING

from nas.cli.output import show_json, show_text
from nas.cli.values import RUNS, Json, Out, Run

if TYPE_CHECKING:
    from nas.repair import Repaired


def repair(run: Run, out: Out = RUNS, as_json: Json = False) -> None:
    """Recover what can be read of a damaged run; the damaged database is kept beside the new one.

    Also removes the halves of writes that were killed, and fails trials whose held-out answers
    are gone.
    """
    from nas.repair import repair as mend
    from nas.run import open_run

    opened = open_run(run, out)
    done = mend(opened)
    if as_json:
        show_json(
            {
                "run": opened.name,
                "damaged": None if done.damaged is None else str(done.damaged),
                "recovered": list(done.recovered),
                "lost": list(done.lost),
                "unanswered": list(done.unanswered),
                "removed": [str(path) for path in done.removed],
            }
        )
    else:
        _show(opened.name, done)


def _show(name: str, done: "Repaired") -> None:
    if done.damaged is not None:
        show_text(f"recovered {len(done.recovered)} trials; the damaged database: {done.damaged}")
    if done.lost:
        show_text(f"lost, and now failed: trials {_listed(done.lost)}")
    if done.unanswered:
        show_text(f"without held-out answers, and now failed: trials {_listed(done.unanswered)}")
    for path in done.removed:
        show_text(f"removed the half of a write: {path}")
    if not (done.damaged or done.unanswered or done.removed):
        show_text(f"run {name} is sound: nothing to repair")


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
