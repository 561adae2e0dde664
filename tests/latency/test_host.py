"""Facts of the host, read from files as Linux writes them."""

from pathlib import Path

from latency import host


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_full_host(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU 3000\n")
    cpu = tmp_path / "sys/devices/system/cpu/cpu0"
    write(cpu / "cpufreq/scaling_governor", "performance\n")
    for index, row in enumerate([("1", "Data", "32K"), ("2", "Unified", "1024K")]):
        for name, text in zip(("level", "type", "size"), row, strict=True):
            write(cpu / f"cache/index{index}/{name}", text + "\n")
    facts = host.facts(tmp_path)
    assert facts["cpu"] == "Some CPU 3000"
    assert facts["governor"] == "performance"
    assert facts["caches"] == {"L1 data": "32K", "L2 unified": "1024K"}


def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    facts = host.facts(tmp_path)
    assert facts["cpu"] is facts["governor"] is facts["caches"] is None
    assert facts["cores"] >= 1
    assert facts["kernel"]


def test_the_load_has_three_figures() -> None:
    assert len(host.load_average()) == 3
