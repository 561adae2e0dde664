"""Stand-ins for adb, ssh and a benchmark program: scripts that tests put on the PATH."""

import sys
from pathlib import Path

# `lose` in its folder holds how many more commands that time a stage lose their connection.
ADB = """\
#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
if [ "$1" = devices ]; then
    printf 'List of devices attached\\nSTANDIN\\tdevice\\nOTHER\\tunauthorized\\n\\n'
    exit
fi
if [ "$2" != STANDIN ]; then
    echo "adb: device '$2' not found" >&2
    exit 1
fi
if [ "$3" = push ]; then
    shift 3
    cp "$@"
    exit
fi
lose=$(cat "$here/lose" 2>/dev/null || echo 0)
case "$4" in *stages*) if [ "$lose" -gt 0 ]; then
    echo $((lose - 1)) > "$here/lose"
    setsid sleep 1000 >/dev/null 2>&1 &
    echo "$!" > "$here/left"  # the command goes on without its connection
    echo "nas-started $!"
    exit 255
fi ;; esac
exec setsid -w sh -c "$4"  # what runs on a device outlives the adb that was killed here
"""

SSH = """\
#!/bin/sh
for last in "$@"; do :; done
case "$*" in *pi@gone*)
    echo "Warning: some banner" >&2
    echo "ssh: connect to host gone port 22: No route to host" >&2
    exit 255
esac
exec sh -c "$last"
"""

# Runs a stage by ONNX Runtime, on zeros, and prints milliseconds of each timed run.
TIMER = f"""\
#!{sys.executable}
import sys, time
import numpy, onnxruntime

graph, warm_up, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
given = {{each.name: numpy.zeros(each.shape, numpy.float32) for each in session.get_inputs()}}
for index in range(warm_up + repeats):
    start = time.perf_counter()
    session.run(None, given)
    if index >= warm_up:
        print((time.perf_counter() - start) * 1e3)
"""


def install(folder: Path, **programs: str) -> Path:
    """Write programs into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
