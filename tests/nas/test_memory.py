"""How much memory a process may use, as the system says it."""

import resource
from pathlib import Path

import pytest

from nas.data.memory import allowed, left

FREE = 8 << 30


def machine(root: Path, group: str, limits: dict[str, str]) -> Path:
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {FREE // 1024} kB\n")
    (root / "proc" / "self" / "cgroup").write_text(group)
    for name, text in limits.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("0::/\n", {}, FREE),
        ("0::/a/b\n", {"a/b/memory.max": "1000\n"}, 1000),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "2000\n"}, 2000),
        ("0::/of/the/host\n", {"memory.max": "3000\n"}, 3000),  # seen from inside a container
        ("5:cpu:/x\n4:memory:/x\n0::/\n", {"memory/x/memory.limit_in_bytes": "4000\n"}, 4000),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": str(1 << 63)}, FREE),
    ],
)
def test_the_least_of_what_is_free_and_what_a_group_allows(
    tmp_path: Path, group: str, limits: dict[str, str], expected: int
) -> None:
    assert allowed(machine(tmp_path, group, limits)) == expected


@pytest.mark.parametrize(
    ("group", "stat", "expected"),
    [
        ("0::/a\n", {}, 3000),
        ("0::/a\n", {"a/memory.stat": "anon 5\ninactive_file 200\n"}, 3200),
        ("0::/a\n", {"memory.max": "4000", "memory.current": "5000"}, 0),
        ("0::/b\n", {}, FREE),
        (
            "4:memory:/x\n",
            {
                "memory/x/memory.limit_in_bytes": "900",
                "memory/x/memory.usage_in_bytes": "500",
                "memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 20\n",
            },
            420,
        ),
    ],
)
def test_what_a_group_has_taken_is_not_left(
    tmp_path: Path, group: str, stat: dict[str, str], expected: int
) -> None:
    limits = {"a/memory.max": "4000", "a/memory.current": "1000"}
    assert left(machine(tmp_path, group, limits | stat)) == expected


def test_a_limit_of_the_process_counts(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (FREE // 2, before[1]))
    try:
        assert allowed(machine(tmp_path, "0::/\n", {})) == FREE // 2
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_this_machine_has_some() -> None:
    assert 1 << 20 < allowed() < 1 << 50
