"""The code blocks of a Markdown page, and what each asks for.

```sh             commands, run one after the other; each must end with exit code 0
```console        the same after "$ ", between them what was printed
```python         run; pages share one namespace over their blocks
```python a.py    a file: that of the checkout if it is there (both must agree), else written
```sh MARK        not run, for one of the reasons in MARKS
```sh in-checkout run at the root of the checkout
```text, yaml...  neither commands nor outputs
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARKS = {
    "needs-network": "packages or data that are not here",
    "needs-gpu": "a CUDA device",
    "needs-cluster": "a Ray cluster or a PostgreSQL server",
    "needs-phone": "a phone or a board, attached",
    "takes-hours": "more than a test can wait for",
}
IN_CHECKOUT = "in-checkout"
RUN = ("sh", "console", "python")
SHOWN = ("text", "yaml", "toml", "json", "markdown")
_FENCE = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """One block: `language` and the `words` after it, the text, where it stands."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the block is, if it is one."""
        named = [word for word in self.words if "." in word]
        return named[0] if named else None

    @property
    def runs(self) -> bool:
        return self.language in RUN and not set(self.words) & set(MARKS)


@dataclass(frozen=True)
class Step:
    """A command and the lines shown after it."""

    command: str
    shown: tuple[str, ...] = ()


def fences(page: Path) -> list[Fence]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match[2].split() or [""]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Fence(page, line, language, tuple(words), match[3]))
    return found


def steps(fence: Fence) -> Iterator[Step]:
    """The commands of a block, lines that end with a backslash joined."""
    lines = fence.text.replace("\\\n", " ").splitlines()
    if fence.language == "sh":
        yield from (Step(line) for line in lines if line.strip() and not line.startswith("#"))
        return
    command, shown = "", list[str]()
    for line in lines:
        if not line.startswith("$ "):
            shown.append(line)
            continue
        if command:
            yield Step(command, tuple(shown))
        command, shown = line[2:], []
    yield Step(command, tuple(shown))


def prose(page: Path) -> str:
    """A page without its code blocks and comments."""
    text = re.sub(
        r"^(`{3,}).*?^\1[ \t]*$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
