"""Commands about this machine: ``huashi bench`` and ``warm-up``."""

import time

from huashi.commands._tables import print_tables


def bench_pooling(
    *,
    case: tuple[str, ...] = (),
    rounds: int | None = None,
    device: str = "cpu",
    dtype: tuple[str, ...] = ("float32", "bfloat16"),
    compile: bool = False,
) -> None:
    """Time the pools of known networks by torch and by Huashi, once both are found to agree.

    A ratio above 1 says how many times as fast Huashi is. GB/s is what the pool has to read and
    write over its time, beside it as a share of what a copy of 256 MiB reaches. Ctrl-C ends the
    measurement, and shows what there is.

    Args:
        case: names of cases, such as resnet-stem or global-max; all by default.
        rounds: turns of each contender, of which the median counts; by default 3 to 15, by time.
        device: where to compute, cpu or cuda.
        dtype: of float32, bfloat16, float64 and float16.
        compile: also time torch's pool under torch.compile, which compiles each line for seconds.
    """
    from huashi import bench
    from huashi._checks import check_positive

    bench.check_device(device)
    settings = bench.settings_of(case, dtype)
    if rounds is not None:
        check_positive("rounds", rounds)
    options = {"rounds": rounds, "compiled": compile}
    rows = []
    try:
        for setting in bench.tracked(settings, " ".join):
            rows += [bench.measure_pool(setting, device, **options)]
    finally:
        print_tables([rows])


def warm_up(*, dtypes: tuple[str, ...] = ("float32", "bfloat16")) -> None:
    """Compile the CPU kernels ahead of their first call, once for all processes to come.

    The machine code is kept on disk and serves until Huashi, Numba or the processor changes.

    Args:
        dtypes: of float32, bfloat16, float64, float16, and of int8, uint8, int16, int32 and int64,
            which only maxima and minima take.
    """
    from huashi import bench

    if not dtypes:
        raise ValueError("dtypes must name at least one, got none")
    begun = time.perf_counter()
    calls = bench.kernel_calls(dtypes)
    for _, call in bench.tracked(calls, lambda call: call[0]):
        call()
    seconds = time.perf_counter() - begun
    folders = bench.cache_folders()
    print(f"{len(calls)} calls of kernels in {seconds:.1f} s; the machine code is kept in")
    print("\n".join(map(str, folders)) if folders else "memory only: no folder can be written")
