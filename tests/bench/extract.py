# SPDX-License-Identifier: Apache-2.0
"""`make bench PART=extract`: files out of signed packages, and a whole retrace, with the packages of
a small distribution (tests/e2e/distribution.py)."""
import re
import shutil
import statistics
import time

from conftest import Farm
from distribution import Crash, Depot, Distribution, missing_tool
from figures import note, report, report_ratio, timed, upload
from packages import unpacked
from uploads import TYPES

RUNS = 7
FIND = "Find the files"
STAGE = re.compile(r"\] \[I\] (.*): (\d+) ms$", re.M)
DNF = ("dnf", "-q", "-y", "--nogpgcheck", "--noplugins", "--releasever=36", "--repo=bench",
       "--setopt=reposdir=/dev/null", "--setopt=install_weak_deps=False")


class Retraces:
    """Tasks of the same crash, one after the other."""

    def __init__(self, depot, path):
        self.depot, self.path = depot, path
        self.seconds, self.logs = [], []

    def run(self):
        """From the 201 to the end."""
        task, _ = upload(self.depot.env.server, self.path, TYPES["tar.gz"])
        begin = time.monotonic()
        self.seconds.append(task.wait() - begin)
        self.logs.append(task.log())

    def stage_s(self, name):
        return [int(dict(STAGE.findall(log))[name]) / 1000 for log in self.logs]

    def print_stages(self):
        for name, _ in STAGE.findall(self.logs[-1]):
            note(f"    {name}: {statistics.median(self.stage_s(name)) * 1000:.0f} ms")


def forget_files(depot):
    """But not the index of the packages."""
    depot.env.forget_cache("index")


def unpack_all(files, target):
    target.mkdir()
    took = timed(["sh", "-c", 'for file; do rpm2cpio "$file" | cpio -idm --quiet; done', "sh", *files],
                 cwd=target)
    shutil.rmtree(target)
    return took


def install(depot, files, target):
    """With its cache warm: only the first time does it read the metadata."""
    took = timed([*DNF, f"--repofrompath=bench,{depot.repository.as_uri()}",
                  f"--setopt=cachedir={depot.place / 'dnf'}", f"--installroot={target}", "install",
                  *[re.sub(r"\.rpm$", "", file.name) for file in files]], capture_output=True)
    shutil.rmtree(target)
    return took


def packages_of(depot, log):
    """Those that something was taken out of."""
    names = sorted({name for _, name in unpacked(log)})
    return [next(file for file in depot.packages.glob(f"{name}-[0-9]*") if "-1.1-" not in file.name)
            for name in names]


def measure(depot, crash, path, developer):
    """All in turn, so that a busy moment meets all of them."""
    first = Retraces(depot, path)
    first.run()
    files = packages_of(depot, first.logs[0])
    installed = depot.place / "installed"
    install(depot, files, installed)
    retraces = {name: Retraces(depot, path) for name in ("index", "cold", "warm")}
    others = {"cpio": [], "dnf": [], "gdb": []}
    for _ in range(RUNS):
        depot.forget()
        retraces["index"].run()
        forget_files(depot)
        retraces["cold"].run()
        retraces["warm"].run()
        others["cpio"].append(unpack_all(files, depot.place / "unpacked"))
        others["dnf"].append(install(depot, files, installed))
        begin = time.monotonic()
        crash.in_gdb(developer)
        others["gdb"].append(time.monotonic() - begin)
    return retraces, others


def print_retrace(name, ours, gdb, goal_ms):
    extra_ms = statistics.median(a - b for a, b in zip(ours.seconds, gdb)) * 1000
    report(name, f"{statistics.median(ours.seconds):8.3f} s {statistics.median(gdb):8.3f} s "
           f"{extra_ms:+5.0f} ms", extra_ms, goal_ms)
    ours.print_stages()


def print_figures(depot, retraces, others):
    taken = unpacked(retraces["cold"].logs[-1])
    note(f"{sum(int(count) for count, _ in taken)} files out of {len(set(taken))} packages, of "
         f"{len(list(depot.packages.iterdir()))} in the repository")
    finding = {name: ours.stage_s(FIND) for name, ours in retraces.items()}
    report_ratio("verify and extract : rpm2cpio | cpio", finding["cold"], others["cpio"], 1)
    report_ratio("verify and extract : dnf --installroot", finding["cold"], others["dnf"], 0.2)
    report_ratio("index, verify and extract : dnf", finding["index"], others["dnf"], 0.2)
    print_retrace("cold cache, ms more than gdb alone", retraces["cold"], others["gdb"], 500)
    print_retrace("warm cache, ms more than gdb alone", retraces["warm"], others["gdb"], 300)


def bench_extract(place):
    reason = missing_tool()
    if reason is None and not all(map(shutil.which, ("dnf", "cpio", "rpm2cpio"))):
        reason = "dnf, cpio or rpm2cpio is not installed"
    if reason is not None:
        note(f"Skipped: {reason}")
        return
    farm, system = Farm(place), Distribution(place / "distribution")
    try:
        crash = Crash(system, "/usr/bin/will_crash")
        path = place / "crash.tar.gz"
        path.write_bytes(crash.upload)
        depot = Depot(farm, system)
        retraces, others = measure(depot, crash, path, system.install_debug_packages())
    finally:
        farm.end_module()
        system.close()
    print_figures(depot, retraces, others)
