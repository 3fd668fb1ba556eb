# SPDX-License-Identifier: Apache-2.0
"""`make bench`: from the 201 to the end of a task."""
import re
import statistics
import subprocess
import time

from figures import note, report, timed, upload
from uploads import TYPES

RUNS = 5
PASSES = 20


def bench_retrace(server, place, program, data):
    gdb, ours, tasks = [], [], []
    for _ in range(RUNS):
        gdb.append(timed(["gdb", "-q", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex",
                          "thread apply all backtrace full", "-ex", "info sharedlibrary", "-ex",
                          "info registers", program, data / "coredump"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        task, _ = upload(server, place / "up.tar.gz", TYPES["tar.gz"])
        start = time.monotonic()
        ours.append(task.wait() - start)
        tasks.append(task)
    extra = statistics.median(a - b for a, b in zip(ours, gdb))
    report("201 to finished, ms more than gdb alone",
           f"{statistics.median(ours):8.3f} s {statistics.median(gdb):8.3f} s "
           f"{extra * 1000:+5.0f} ms", extra * 1000, 300)
    for line in re.findall(r"\] (.*: \d+ ms)$", tasks[-1].log(), re.M):
        note(f"    {line}")
    return tasks[-1]


def bench_nothing(server, place):
    """A task whose core is no core: all the ways, none of the work."""
    times = []
    for _ in range(PASSES):
        start = time.monotonic()
        task, _ = upload(server, place / "empty.tar", TYPES["tar"])
        times.append(task.wait() - start)
    curl = [timed(["curl", "-sk", "-o", "/dev/null", server.url + "create"])
            for _ in range(PASSES)]
    own_ms = (statistics.median(times) - statistics.median(curl)) * 1000
    report("no core at all, through helper, queue, worker",
           f"{own_ms:8.1f} ms besides curl's {statistics.median(curl) * 1000:.1f} ms", own_ms, 20)
    return task
