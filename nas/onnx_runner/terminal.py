"""Text of files as it may be shown: a name must not move the cursor or turn the line around."""

import re

# Controls, but for line ends and tabs: escape sequences begin with one, and some terminals obey
# even C1. The others turn the direction of writing, so that a name reads as another.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with such characters, and what is no character, in the notation of Python."""
    shown = _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")
