"""The tables of pooling say what was measured."""

from benchmarks import pooling
from huashi.bench import Setting


def row(case, passes, contender, us, times, **rest):
    setting = Setting(case, passes, "contiguous", "float32").row()
    limits = {"pool": "pool(2)", "gb_per_s": 2.0, "copy_gb_per_s": 8.0, "shape": [2, 3]}
    return {**setting, "contender": contender, "median_us": us, "times_peer": times} | limits | rest


ROWS = [
    row("a", "inference", "eager", 2000.0, 1.0),
    row("a", "inference", "compiled", 1000.0, 2.0),
    row("a", "inference", "huashi", 500.0, 4.0),
    row("b", "inference", "eager", 1000.0, 1.0),
    row("b", "inference", "huashi", 4000.0, 0.25),
    row("a", "forward+backward", "eager", 900.0, 1.0, kept_bytes=900),
    row("a", "forward+backward", "huashi", 300.0, 3.0, kept_bytes=100),
    {"case": "first-call", "contender": "huashi", "median_us": 5e5},
]


def test_table_of_cases():
    assert pooling.table(ROWS) == [
        [
            *("case", "pool", "shape", "eager, ms", "compiled, ms", "huashi, ms"),
            *("times eager", "forward + backward, times eager"),
        ],
        ["a", "`pool(2)`", "2 × 3", "2.00", "1.00", "0.50", "**4.0**", "**3.0**"],
        ["b", "`pool(2)`", "2 × 3", "1.00", "–", "4.00", "**0.25**", "–"],
    ]


def test_table_of_geometric_means():
    _, forward, both = pooling.summary(ROWS)
    assert forward == [
        *("inference, contiguous, float32", "2", "**1.00**", "1", "0.25", "2.00", "25%", "–")
    ]
    assert both == [
        *(
            "forward + backward, contiguous, float32",
            "1",
            "**3.00**",
            "0",
            "3.00",
            "–",
            "25%",
            "9.0",
        )
    ]
