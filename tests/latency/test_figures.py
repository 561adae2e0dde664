"""Times are found in what the programs print, in all the words they have used."""

import re

import pytest

from latency.errors import LatencyError
from latency.remote.figures import OUTPUTS, expression

LITERT = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [/data/local/tmp/nas/stage0.tflite]
INFO: The input model file size (MB): 0.497264
INFO: Initialized session in 66.002ms.
INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if \
exceeding 150 seconds.
INFO: count=1 curr=637079

INFO: Running benchmark for at least 50 iterations and at least 0 seconds but terminate if \
exceeding 150 seconds.
INFO: count=50 first=2531 curr=2793 min=1171 max=9925 avg=1885.74 std=870 p5=1200 median=1800 \
p95=9000

INFO: Inference timings in us: Init: 66002, First inference: 637079, Warmup (avg): 637079, \
Inference (avg): 1885.74
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime.
INFO: Memory footprint delta from the start of the tool (MB): init=7.40234 overall=7.83203
"""

PROFILED = """\
count=15 first=49060 curr=33682 min=32825 max=49060 avg=34825.1 std=3930

count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

Timings (microseconds): count=50 first=79449 curr=81350 min=77385 max=88213 avg=79732 std=1929
Memory (bytes): count=0
Average inference timings in us: Warmup: 34825.1, Init: 855, Inference: 33209.4
"""

PERF_TEST = """\
Setting intra_op_num_threads to 1
Session creation time cost: 0.217932 s
First inference time cost: 196 ms
Total inference time cost: 0.49481 s
Total inference requests: 5
Average inference time cost: 98.961997 ms
Number of inferences per second: 10.104
Avg CPU usage:11
Peak working set size:271122432
Runs:5
Min Latency: 0.0958204 s
Max Latency: 0.101519 s
P50 Latency: 0.0995086 s
P999 Latency: 0.101519 s
"""


@pytest.mark.parametrize(
    ("output", "text", "ms"),
    [
        ("benchmark_model", LITERT, 1.171),
        ("benchmark_model", PROFILED, 32.641),
        ("benchmark_model", "count=1 curr=90\n\ncount=1 curr=33682\n", 33.682),
        ("benchmark_model", "INFO: count=1 curr=9\n\nINFO: count=50 curr=3(all same)\n", 0.003),
        ("benchmark_model", "count=50 first=1 curr=0 min=0 max=1 avg=0.1 std=0\n", 0.0005),
        ("onnxruntime_perf_test", PERF_TEST, 95.8204),
        ("onnxruntime_perf_test", "Min Latency is 0.0559777sec\n", 55.9777),
        ("onnxruntime_perf_test", "Min Latency is 5.5e-05 sec\n", 0.055),
    ],
)
def test_the_least_time_of_the_timed_runs_is_read(output, text, ms):
    assert OUTPUTS[output].read(text, repeats=50) == pytest.approx([ms])


def test_lines_are_milliseconds_of_each_run():
    assert OUTPUTS["lines"].read("loaded 1 file\n1.5\n 2e-1\n\n3\n", 3) == [1.5, 0.2, 3.0]


@pytest.mark.parametrize(
    ("pattern", "text", "ms"),
    [
        (r"Inference \(avg\): (?P<us>[\d.e+]+)", LITERT, [1.88574]),
        (r"^took (?P<s>[\d.]+)$", "took 0.5\ntook 1\n", [500.0, 1000.0]),
    ],
)
def test_an_expression_says_the_unit_by_its_group(pattern, text, ms):
    assert expression(pattern).read(text, 2) == pytest.approx(ms)


@pytest.mark.parametrize("pattern", ["[0-9]+", "(?P<hours>[0-9]+)", "(?P<ms>1)|(?P<s>2)"])
def test_an_expression_without_a_unit_is_refused(pattern):
    with pytest.raises(ValueError, match="one group named"):
        expression(pattern)


@pytest.mark.parametrize(
    ("output", "text", "said"),
    [
        ("benchmark_model", "", "ends with: nothing"),
        ("benchmark_model", "Segmentation fault\n", "ends with: Segmentation fault"),
        ("benchmark_model", "INFO: count=0\n", "'count=... curr=... min=...'"),
        ("onnxruntime_perf_test", "Average inference time cost: 9 ms\n", "give it -s"),
        ("lines", "1.5\n", "1 times were found after 3 timed runs"),
        ("lines", "1\n2\n1e999\n", "3 times were found"),
        ("lines", "1\n2\n0\n", "3 times were found"),
    ],
)
def test_an_output_without_the_times_is_told_in_a_line(output, text, said):
    with pytest.raises(LatencyError, match=re.escape(said)) as caught:
        OUTPUTS[output].read(text, 3)
    assert "\n" not in str(caught.value)


def test_an_expression_whose_group_is_no_number_finds_nothing():
    with pytest.raises(LatencyError, match="0 times"):
        expression(r"(?P<ms>\w+)").read("fast\n", 1)
