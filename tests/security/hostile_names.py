"""Five hundred names that a careless program runs, obeys, or takes for a path. The same always."""

import random

# fmt: off
SEEDS = [
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title><svg onload=alert(1)>"),
    *('"><iframe src="javascript:alert(1)">', "javascript:alert(1)", "data:text/html,<b>x"),
    *("'-alert(1)-'", "{{7*7}}", "${alert(1)}", "`touch x`", "$(touch x)", "; touch x", "| cat"),
    *(
        "--out=/tmp",
        "-o",
        "../../x",
        "..",
        ".",
        "/etc/passwd",
        "~root",
        "a/../../b",
        "C:\\x",
        "\\\\x",
    ),
    *(
        "CON",
        "NUL",
        "aux.txt",
        "x.",
        " x",
        "x ",
        "",
        " ",
        "\u202egpj.exe",
        "\u2066x\u2069",
        "\u200fx",
    ),
    *(
        "a\x00b",
        "a\nb",
        "a\rb",
        "\x1b]0;owned\x07",
        "\x1b[2J",
        "\x9b31m",
        "\x7f",
        "\ud800",
        "\ufeffx",
    ),
    *("'; DROP TABLE trials; --", "%s%n%x", "{0.__class__}", "%2e%2e%2f", "null", "true", "1e999"),
    *("!!python/object/apply:os.system [x]", "*a", "&a", "<<", "- x", "# x", "---", "...", "? x"),
    *(
        "x" * 10_000,
        "<b>" * 3_000,
        "\u0301" * 500,
        "Z\u0351\u036b\u0343",
        "ｓｃｒｉｐｔ",
        "😀" * 200,
        "𝒳",
    ),
    *(
        "$\\frac{1}{$",
        "[bold]x[/bold]",
        ":smile:",
        "=cmd|' /C calc'!A0",
        "__proto__",
        "constructor",
    ),
]
# fmt: on
COUNT = 500


def names() -> list[str]:
    """The seeds, then pieces of them put together."""
    drawn = random.Random(0)
    found = dict.fromkeys(SEEDS)
    while len(found) < COUNT:
        parts = [drawn.choice(SEEDS)[: drawn.randint(1, 40)] for _ in range(drawn.randint(2, 4))]
        found["".join(parts)] = None
    return list(found)
