"""``nas spaces``: the families that can be searched, and one of them in full."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas import plugins
from nas.cli.output import show_json, show_table, show_text
from nas.cli.values import Json

if TYPE_CHECKING:
    from search_spaces.architecture import Decision
    from search_spaces.space import SearchSpace


def spaces(
    name: Annotated[
        str | None, typer.Argument(metavar="[SPACE]", help="The space to show in full.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the search spaces, or the decisions and published networks of one.

    Settings that build the same network count one by one. Installed packages are not imported to be
    listed: naming their space does that.
    """
    if name is None:
        _list(as_json)
        return
    space = plugins.space(name)
    if as_json:
        show_json(_in_full(space))
        return
    show_text(f"{space.name} (version {space.version}): {space.reference}")
    show_text(f"{space.size():.3e} settings of {len(space.decisions)} decisions\n")
    show_table(
        ("decision", "options", "counts when", "about"),
        [(d.name, _options(d), _condition(d), d.about) for d in space.decisions],
    )
    show_text("\npublished networks:")
    for published in space.published:
        show_text(f"  {published}")


def _list(as_json: bool) -> None:
    found = [plugins.space(name) for name in plugins.SPACES]
    others = plugins.outsiders("search_spaces")  # whose code runs only where they are named
    if as_json:
        nothing = dict.fromkeys(("version", "reference", "decisions", "size", "published"))
        unread = [{"name": name, **nothing, "package": others[name]} for name in others]
        show_json([_in_short(space) for space in found] + unread)
        return
    rows: list[tuple[object, ...]] = [
        (s.name, len(s.decisions), s.size(), len(s.published), s.reference) for s in found
    ]
    rows += [
        (name, None, None, None, f"of package {package}: nas spaces {name} shows it")
        for name, package in others.items()
    ]
    show_table(("space", "decisions", "settings", "published", "reference"), rows)


def _in_short(space: "SearchSpace") -> dict[str, Any]:
    return {
        "name": space.name,
        "version": space.version,
        "reference": space.reference,
        "decisions": len(space.decisions),
        "size": space.size(),
        "published": list(space.published),
    }


def _in_full(space: "SearchSpace") -> dict[str, Any]:
    return _in_short(space) | {"decisions": [_decision(d) for d in space.decisions]}


def _decision(decision: "Decision") -> dict[str, Any]:
    condition = decision.condition
    return {
        "name": decision.name,
        "options": list(decision.options),
        "about": decision.about,
        "condition": condition
        and {"decision": condition.decision, "options": list(condition.options)},
    }


def _options(decision: "Decision") -> str:
    return ", ".join(map(_word, decision.options))


def _condition(decision: "Decision") -> str:
    if decision.condition is None:
        return "always"
    words = [_word(option) for option in decision.condition.options]
    wanted = " or ".join(words) if len(words) <= 3 else f"{words[0]}, {words[1]} ... {words[-1]}"
    return f"{decision.condition.decision} is {wanted}"


def _word(option: object) -> str:
    """An option as JSON and YAML write it, text without its quotes."""
    return option if isinstance(option, str) else json.dumps(option)
