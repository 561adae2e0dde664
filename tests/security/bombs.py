"""Small files that ask for more than a machine has, and what it costs to refuse them."""

import io
import json
import pickle
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

HUGE = 10**12
STATUS = Path("/proc/self/status")


def cost(call: Callable[[], object]) -> tuple[float, int]:
    """Seconds and bytes of memory, at their peak, that a call takes."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    before, began = resident("VmRSS"), time.monotonic()
    call()
    return time.monotonic() - began, resident("VmHWM") - before


def resident(name: str) -> int:
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])


# Text


def aliases(path: Path) -> None:
    """Ten levels of ten: the last name stands for 10**10 words."""
    levels = ["a0: &a0 [lol, lol]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    path.write_text("\n".join(levels))


def deep(path: Path) -> None:
    path.write_text("decisions: " * (path.suffix != ".json") + "[" * 100_000)


def sparse(path: Path, size: int = 2**30) -> None:
    """A gigabyte of nothing, which takes no room on the disk."""
    with path.open("wb") as file:
        file.write(b"a: ")
        file.truncate(size)


def large_json(path: Path) -> None:
    """Brackets: each takes a byte in the file, and fifty in memory."""
    path.write_text(
        '{"schema_version": 2, "digest": "", "model": [' + "[],[],[],[]," * 10**6 + "0]}"
    )


# Tensors


def expanded(path: Path) -> None:
    """One number that claims to be 10**12."""
    state = {"network": {"weight": torch.zeros(1).expand(HUGE)}}
    torch.save({"terms": {}, "state": state, "epochs": [], "best": 0}, path)


def laughing(path: Path) -> None:
    """Lists of lists, each the same one ten times: 10**18 in all."""
    value: list[Any] = []
    for _ in range(18):
        value = [value] * 10
    torch.save({"terms": value, "state": {}, "epochs": [], "best": 0}, path)


def packed_checkpoint(path: Path) -> None:
    """The entries of a checkpoint, packed: 400 MB in less than one."""
    buffer = io.BytesIO()
    state = {"weight": torch.zeros(10**8)}
    torch.save({"terms": {}, "state": state, "epochs": [], "best": 0}, buffer)
    with (
        zipfile.ZipFile(buffer) as given,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for entry in given.infolist():
            made.writestr(entry.filename, given.read(entry))


def endless_bytes(path: Path) -> None:
    """A checkpoint whose pickle makes a bytearray of 10**12 bytes."""

    class Bytes:
        def __reduce__(self) -> tuple[object, tuple[int]]:
            return bytearray, (HUGE,)

    buffer = io.BytesIO()
    torch.save({"terms": {}, "state": {}, "epochs": [], "best": 0}, buffer)
    with zipfile.ZipFile(buffer) as given, zipfile.ZipFile(path, "w") as made:
        for entry in given.infolist():
            is_pickle = entry.filename.endswith("data.pkl")
            made.writestr(
                entry.filename, pickle.dumps(Bytes(), 2) if is_pickle else given.read(entry)
            )


def safetensors(path: Path, size: int = 0) -> None:
    """A head that speaks of 10**12 numbers; ``size``: of the file, in bytes."""
    ends = {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}
    head = json.dumps({"stem.weight": ends}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        if size:
            file.truncate(size)


# Arrays


def packed_arrays(path: Path, name: str = "train_images") -> None:
    """512 MiB of zeros, packed to half a MiB; other arrays are as they should be."""
    unpacked = 2**29
    part = bytes(2**24)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for other in ("train_labels", "test_images", "test_labels", "correct"):
            _member(made, other, np.zeros(2, np.int64))
        with made.open(f"{name}.npy", "w", force_zip64=True) as member:
            member.write(_head((unpacked,)))
            for _ in range(unpacked // len(part)):
                member.write(part)


def claiming_arrays(path: Path, name: str = "train_images") -> None:
    """Heads of arrays that are not there."""
    with zipfile.ZipFile(path, "w") as made:
        for other in ("train_labels", "test_images", "test_labels", "correct"):
            _member(made, other, np.zeros(2, np.int64))
        made.writestr(f"{name}.npy", _head((HUGE,)) + b"abc")


def _head(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def _member(made: zipfile.ZipFile, name: str, array: np.ndarray[Any, Any]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    made.writestr(f"{name}.npy", buffer.getvalue())


def packed_idx(path: Path) -> None:
    """256 MiB of one digit, packed; ``path`` ends in .gz."""
    import gzip

    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bytes((0, 0, 8, 1)) + (2**28).to_bytes(4, "big"))
        for _ in range(16):
            file.write(bytes(2**24))


# Images


def png(path: Path, width: int, height: int) -> None:
    """A black image; its size is told in the first bytes, and its lines pack to a thousandth."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        end = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", end)

    packer = zlib.compressobj(1)
    lines = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )


def jpeg(path: Path, side: int, progressive: bool = False) -> None:
    """A grey image; of a progressive one all coefficients are kept at once."""
    from PIL import Image

    Image.new("L", (side, side), 128).save(path, progressive=progressive)
