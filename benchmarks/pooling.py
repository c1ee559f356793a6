"""Pools of known networks, inference and forward+backward, against what people use today.

    python -m benchmarks.pooling --device cpu

Contenders: ``eager`` is torch.nn.functional, or what people write with it where it has no such
pool; ``compiled`` is the same under torch.compile; ``onnxruntime`` is a model of one operator, for
contiguous float32 inference; ``huashi`` is :mod:`huashi.pooling`. The cases are those of
:data:`huashi.bench.CASES`. ``compiled`` is left out of windows of more than 25 elements, for which
torch.compile calls eager's own kernel.

What was measured is kept after each line, so that ``--resume`` can go on with an interrupted run.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch._inductor import config as inductor
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.harness import compare, machine, ratio, save, saved
from huashi.bench import CASES, Setting, check_device, example, prepare, settings_of

CONTENDERS = "eager", "compiled", "onnxruntime", "huashi"
PLAIN = "inference", "contiguous", "float32"  # what the models of onnxruntime are for
LARGEST_COMPILED = 25  # elements of a window
ONNX = {
    "max_pool": ("MaxPool", {}),
    "avg_pool": ("AveragePool", {"count_include_pad": 1}),
    "lp_pool": ("LpPool", {"p": 2}),
    "global_max_pool": ("GlobalMaxPool", {}),
    "global_avg_pool": ("GlobalAveragePool", {}),
}
FIRST_CALL = """
import json, time
begun = time.perf_counter()
import torch
import huashi.pooling
imported = time.perf_counter()
x = torch.randn(8, 64, 56, 56)
called = time.perf_counter()
huashi.pooling.max_pool2d(x, 3, 2, 1)
done = time.perf_counter()
print(json.dumps([imported - begun, done - called]))
"""


def onnx_runner(case, x):
    """A model of one operator, as onnxruntime runs it on ``x``; None where there is no such one."""
    dims, settings = x.ndim - 2, case.settings
    name = case.pool.removesuffix(f"{dims}d")
    if name not in ONNX:
        return None
    import onnxruntime
    from onnx import TensorProto, helper

    operator, attributes = ONNX[name]
    if settings:
        attributes = attributes | {
            "kernel_shape": [settings["kernel_size"]] * dims,
            "strides": [settings["stride"]] * dims,
            "pads": [settings.get("padding", 0)] * 2 * dims,
        }
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * x.ndim)
    graph = helper.make_graph([node], "pool", [given], [found])
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # threads that spin until their next turn would take the cores from the other contenders
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run():
        (y,) = session.run(None, {"x": x.numpy()})
        return torch.from_numpy(y).flatten(1) if "global" in name else torch.from_numpy(y)

    return run


def contenders(setting, device, names):
    """What is to be timed in a setting, and the least number of bytes that it moves."""
    case = CASES[setting.case]
    timed, moved = prepare(setting, device)
    runs = {"eager": timed(case.eager)}
    if "compiled" in names and is_compiled(case):
        torch.compiler.reset()  # it gives up on a function that it was to compile often
        runs["compiled"] = timed(torch.compile(case.eager, dynamic=False))
    if "onnxruntime" in names and device == "cpu" and setting[1:] == PLAIN:
        run = onnx_runner(case, example(case, "float32", "contiguous", "cpu"))
        runs |= {"onnxruntime": run} if run else {}
    return runs | {"huashi": timed(case.huashi)}, moved


def is_compiled(case):
    """Whether torch.compile makes code for a case, not a call of eager's own kernel."""
    return case.settings.get("kernel_size", 1) ** (len(case.shape) - 2) <= LARGEST_COMPILED


def kept(pool, x):
    """How many bytes a pool keeps for its gradient; its input counts if it is among them."""
    storages = {}

    def pack(saved):
        storage = saved.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return saved

    with saved_tensors_hooks(pack, lambda saved: saved):
        y = pool(x.requires_grad_())  # alive, so that no address is used twice
    assert y.requires_grad
    return sum(storages.values())


def pool_of(case):
    """What a case computes, as a call."""
    first = ("norm_type", "kernel_size")
    told = [f"{v:g}" if k in first else f"{k}={v:g}" for k, v in case.settings.items() if v]
    return f"{case.pool}({', '.join(told)})"


def measure(setting, device, names, rounds, seconds):
    runs, moved = contenders(setting, device, names)
    options = {"peer": "eager", "moved": moved, "device": device, "seconds": seconds}
    case = CASES[setting.case]
    told = setting.row() | {"pool": pool_of(case), "shape": case.shape}
    rows = compare(told, runs, rounds=rounds, **options)
    if setting.passes != "inference":
        for row in rows:
            if row["contender"] in ("eager", "huashi"):
                x = example(case, setting.dtype, setting.layout, device)
                row["kept_bytes"] = kept(getattr(case, row["contender"]), x)
    return rows


def first_call():
    """The first pool of a process, with machine code on disk: its time, and that of the import."""
    command = [sys.executable, "-c", FIRST_CALL]
    run = functools.partial(subprocess.run, command, capture_output=True, text=True, check=True)
    run()  # compiles where nothing is on disk
    importing, calling = np.array([json.loads(run().stdout) for _ in range(5)]).T.tolist()
    row = {
        "case": "first-call",
        "contender": "huashi",
        "median_us": round(statistics.median(calling) * 1e6, 1),
        "import_us": round(statistics.median(importing) * 1e6, 1),
        "rounds": len(calling),
    }
    print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
    return row | machine("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--case", choices=[*CASES, "first-call"], nargs="*")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], nargs="*")
    parser.add_argument("--rounds", type=int, help="of each contender; else as time allows")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each contender")
    parser.add_argument("--without", choices=CONTENDERS[1:3], nargs="*", default=[])
    parser.add_argument("--quick", action="store_true", help="three rounds, saved only with --name")
    parser.add_argument("--resume", action="store_true", help="not what this commit measured here")
    parser.add_argument("--name", help="of the file of results; pooling-DEVICE by default")
    args = parser.parse_args()
    check_device(args.device)
    inductor.compile_threads = 1  # no processes that compile while others are timed

    name = args.name or ("" if args.quick else f"pooling-{args.device}")
    rounds = args.rounds or (3 if args.quick else None)
    names = [contender for contender in CONTENDERS if contender not in args.without]
    now = machine(args.device)
    order = [*settings_of(), "first-call"]
    known = {}
    for row in saved(name) if name else []:
        known.setdefault(key(row), []).append(row)
    cases = list(CASES) if args.case is None else [case for case in args.case if case in CASES]
    settings = settings_of(cases, args.dtype or ("float32", "bfloat16")) if cases else []
    if args.device == "cpu" and (args.case is None or "first-call" in args.case):
        settings.append("first-call")
    for setting in settings:
        if args.resume and all(is_of(row, now) for row in known.get(setting, [{}])):
            continue
        if setting == "first-call":
            known[setting] = [first_call()]
        else:
            known[setting] = measure(setting, args.device, names, rounds, args.seconds)
        if name:
            save(name, [row for one in order for row in known.get(one, [])])
    show([row for one in order for row in known.get(one, [])])


def key(row):
    if row["case"] == "first-call":
        return "first-call"
    return Setting(row["case"], row["pass"], row["layout"], row["dtype"])


def is_of(row, now):
    same = "commit", "machine", "threads", "torch"
    return all(name in row and row[name] == now[name] for name in same)


def show(rows):
    """The summary, on the terminal."""
    for row in (row for row in rows if row["case"] == "first-call"):
        print(f"first call with machine code on disk: {row['median_us'] / 1e6:.2f} s")
    rows = [row for row in rows if row["case"] != "first-call"]
    if not rows:
        return
    head, *body = summary(rows)
    table = Table(*head, box=None, pad_edge=False)
    for cells in body:
        table.add_row(*cells)
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(table)
    if len({row["commit"] for row in rows}) > 1:
        print("not all of one commit: run without --case, or with --resume, for one table")


def table(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each contender in contiguous float32, and how many times as fast ours is."""
    rows = [row for row in rows if (row.get("layout"), row.get("dtype")) == PLAIN[1:]]
    names = list(dict.fromkeys(row["contender"] for row in rows))
    names.sort(key="huashi".__eq__)  # ours last
    head = "case", "pool", "shape", *(f"{name}, ms" for name in names)
    lines = [[*head, "times eager", "forward + backward, times eager"]]
    for case in dict.fromkeys(row["case"] for row in rows):
        of_case = [row for row in rows if row["case"] == case]
        runs = {(row["pass"], row["contender"]): row for row in of_case}
        ours, both = (runs.get((passes, "huashi")) for passes in ("inference", "forward+backward"))
        forward = [runs.get(("inference", name)) for name in names]
        lines.append(
            [
                case.replace("-", " "),
                f"`{of_case[0]['pool']}`",
                " × ".join(map(str, of_case[0]["shape"])),
                *(f"{row['median_us'] / 1e3:,.2f}" if row else "–" for row in forward),
                *(f"**{ratio(row['times_peer'])}**" if row else "–" for row in (ours, both)),
            ]
        )
    return lines


def summary(rows: list[dict]) -> list[list[str]]:
    """Geometric means over the cases, for each pass, layout and dtype."""
    rows = [row for row in rows if "pass" in row]
    lines = [
        [
            "pass, layout, dtype",
            "cases",
            "times eager",
            "slower than eager",
            "least, times eager",
            "times compiled",
            "share of copy bandwidth",
            "kept for backward, eager / huashi",
        ]
    ]
    kinds = dict.fromkeys((row["pass"], row["layout"], row["dtype"]) for row in rows)
    for kind in sorted(kinds, key=lambda kind: (kind[0] != "inference", kind[2] != "float32")):
        same = [row for row in rows if (row["pass"], row["layout"], row["dtype"]) == kind]
        by_name = {
            name: {row["case"]: row for row in same if row["contender"] == name}
            for name in ("eager", "compiled", "huashi")
        }
        ours, eager, compiled = (by_name[name] for name in ("huashi", "eager", "compiled"))
        times = [row["times_peer"] for row in ours.values()]
        against = [
            compiled[case]["median_us"] / ours[case]["median_us"]
            for case in ours
            if case in compiled
        ]
        share = [row["gb_per_s"] / row["copy_gb_per_s"] for row in ours.values()]
        kept = [
            eager[case]["kept_bytes"] / ours[case]["kept_bytes"]
            for case in ours
            if ours[case].get("kept_bytes") and eager[case].get("kept_bytes")
        ]
        lines.append(
            [
                f"{kind[0].replace('+', ' + ')}, {kind[1].replace('_', ' ')}, {kind[2]}",
                str(len(ours)),
                f"**{statistics.geometric_mean(times):.2f}**",
                str(sum(time < 1 for time in times)),
                f"{min(times):.2f}",
                f"{statistics.geometric_mean(against):.2f}" if against else "–",
                f"{statistics.geometric_mean(share):.0%}",
                f"{statistics.geometric_mean(kept):.1f}" if kept else "–",
            ]
        )
    return lines


TABLES = {  # name: results, table
    "pooling": ("pooling-cpu", table),
    "pooling-summary": ("pooling-cpu", summary),
}


if __name__ == "__main__":
    main()
