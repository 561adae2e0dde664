"""What a figure depends on, read from a device by its shell; unreadable facts are None."""

from typing import Any

from latency.remote.shell import Shell

# Lines "name=value"; the words are those of `latency.host`. getprop is Android's; other boards
# often give their model in the device tree. Phones have a governor for each kind of core.
SCRIPT = r"""
echo "kernel=$(uname -r)"
echo "machine=$(uname -m)"
echo "model=$(getprop ro.product.model 2>/dev/null || tr -d '\0' </proc/device-tree/model)"
echo "system=$(getprop ro.build.fingerprint)"
echo "cpu=$(grep -m 1 -iE '^(model name|hardware|cpu model)' /proc/cpuinfo | sed 's/^[^:]*: *//')"
echo "cores=$(grep -c '^processor' /proc/cpuinfo)"
cd /sys/devices/system/cpu/cpufreq
echo "governor=$(cat policy*/scaling_governor | sort -u | tr '\n' ' ')"
"""

NAMES = ("cpu", "model", "system", "kernel", "machine", "cores", "governor")


def read(shell: Shell) -> dict[str, Any]:
    """Return processor, model, system, kernel, cores and governors of a device.

    Raises LatencyError where it cannot be reached.
    """
    lines = shell.run(f"{{ {SCRIPT}}} 2>/dev/null").splitlines()
    found = {name: value.strip() or None for name, _, value in (x.partition("=") for x in lines)}
    facts: dict[str, Any] = {name: found.get(name) for name in NAMES}
    if facts["cores"] is not None:
        facts["cores"] = int(facts["cores"]) or None
    return facts
