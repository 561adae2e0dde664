"""The rows of an SQLite file of which only pages are left.

SQLite finds rows through the header, the schema and the inner pages of each table. Where one of
these is damaged, the rows themselves are still in the leaf pages, each of which can be read alone:
https://www.sqlite.org/fileformat2.html
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Value = None | int | float | str | bytes

_MAGIC: Final = b"SQLite format 3\x00"
_LEAF: Final = 0x0D  # of a table
_USUAL: Final = 4096  # bytes of a page, unless somebody asked for others
_LARGEST: Final = 2**26  # bytes of a row; what claims more is no row
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # bytes by serial type


@dataclass(frozen=True, slots=True)
class Row:
    """One row of some table: its key, and all its columns in order (None where the key is)."""

    key: int
    values: tuple[Value, ...]


class _NoRow(ValueError):
    """Bytes that are not those of a row."""


def rows(data: bytes, log: bytes = b"") -> Iterator[Row]:
    """Every row that can be read. log: the write-ahead log beside the file."""
    size = _page_size(data)
    newer = _logged(log, size)
    count = max([-(-len(data) // size), *newer])
    pages = _Pages(data, size, newer)
    for number in range(1, count + 1):
        yield from _of_leaf(pages, number)


class _Pages:
    """Pages by number, from 1; what the log has is newer than the file."""

    def __init__(self, data: bytes, size: int, newer: dict[int, bytes]) -> None:
        self._data, self.size, self._newer = data, size, newer

    def __getitem__(self, number: int) -> bytes:
        found = self._newer.get(number)
        if found is None:
            found = self._data[(number - 1) * self.size : number * self.size]
        return found.ljust(self.size, b"\0")


def _page_size(data: bytes) -> int:
    stated = int.from_bytes(data[16:18], "big")
    size = 65536 if stated == 1 else stated
    valid = data.startswith(_MAGIC) and 512 <= size <= 65536 and size & (size - 1) == 0
    return size if valid else _USUAL


def _of_leaf(pages: _Pages, number: int) -> Iterator[Row]:
    page, start = pages[number], 100 if number == 1 else 0
    if page[start] != _LEAF:
        return
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    for at in range(start + 8, min(start + 8 + 2 * cells, pages.size - 1), 2):
        place = int.from_bytes(page[at : at + 2], "big")
        try:
            yield _row(pages, page, place)
        except (_NoRow, IndexError, struct.error, UnicodeDecodeError):
            continue


def _row(pages: _Pages, page: bytes, place: int) -> Row:
    length, at = _varint(page, place)
    key, at = _varint(page, at)
    if not 0 < length <= _LARGEST:
        raise _NoRow
    most, least = pages.size - 35, (pages.size - 12) * 32 // 255 - 23
    here = length
    if length > most:
        here = least + (length - least) % (pages.size - 4)
        here = here if here <= most else least
    payload = page[at : at + here]
    if len(payload) < here:
        raise _NoRow
    if length > here:
        (following,) = struct.unpack_from(">I", page, at + here)
        payload += _overflow(pages, following, length - here)
    return Row(_signed(key), _columns(payload))


def _overflow(pages: _Pages, number: int, length: int) -> bytes:
    """The rest of a row that is longer than its page has room for."""
    found = b""
    while len(found) < length:
        if number == 0:
            raise _NoRow
        page = pages[number]
        number = int.from_bytes(page[:4], "big")
        found += page[4:]
    return found[:length]


def _columns(payload: bytes) -> tuple[Value, ...]:
    end, at = _varint(payload, 0)
    if not at <= end <= len(payload):
        raise _NoRow
    kinds: list[int] = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    at = end
    for kind in kinds:
        size = _size(kind)
        values.append(_value(kind, payload[at : at + size]))
        at += size
    if at != len(payload):  # a row is exactly as long as its columns
        raise _NoRow
    return tuple(values)


def _size(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    return 8 if kind == 7 else _INTEGERS.get(kind, 0)


def _value(kind: int, content: bytes) -> Value:
    if kind == 0:
        return None
    if kind == 7:
        return float(struct.unpack(">d", content)[0])
    if kind in (8, 9):
        return kind - 8
    if kind in _INTEGERS:
        return int.from_bytes(content, "big", signed=True)
    if kind < 12:
        raise _NoRow
    return content.decode() if kind % 2 else content


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next one begins."""
    value = 0
    for place in range(8):
        byte = data[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    return value << 8 | data[at + 8], at + 9


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _logged(log: bytes, size: int) -> dict[int, bytes]:
    """The pages of the log, as of its last transaction that is whole."""
    whole: dict[int, bytes] = {}
    since: dict[int, bytes] = {}
    if len(log) < 32 or int.from_bytes(log[8:12], "big") != size:
        return whole
    order = ">" if log[3] & 1 else "<"  # of the numbers that its checksums are made of
    sums = _checksums(log[:24], (0, 0), order)
    for at in range(32, len(log) - size - 23, 24 + size):
        head, page = log[at : at + 24], log[at + 24 : at + 24 + size]
        sums = _checksums(page, _checksums(head[:8], sums, order), order)
        number, committed = struct.unpack(">II", head[:8])
        if head[8:16] != log[16:24] or struct.pack(">II", *sums) != head[16:24]:
            break  # of before the log was begun anew, or not written to its end
        since[number] = page
        if committed:
            whole |= since
            since = {}
    return whole


def _checksums(data: bytes, before: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = before
    for first, second in struct.iter_unpack(f"{order}II", data):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
