# SPDX-License-Identifier: Apache-2.0
"""The index of packages that only metadata name: how long it takes to make, to bring up to date and to
ask, and what dnf takes for the same question."""
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

from figures import WIDTH, note, percentile, report
from repodata import (ARCH, FILELISTS_HEAD, PRIMARY_HEAD, filelists_of, make_repository, primary_of,
                      write_metadata)

BUILD = Path(os.environ.get("RETRACE_BUILD", "build"))
RELEASE = f"fedora-36-{ARCH}"
PACKAGES = 100000
OF_DNF = 10000  # packages: dnf needs minutes to load ten times as many
RUNS = 5
BUILD_S = 3
LOOKUP_MS = 1


class Place:
    def __init__(self, directory):
        self.repository = directory / "repos" / RELEASE
        self.cache = directory / "cache"
        self.config = directory / "retrace-server.conf"
        self.config.write_text(f"[retrace]\nRepoDir = {self.repository.parent}\n"
                               f"CacheDir = {self.cache}\nSaveDir = {directory / 'spool'}\n"
                               "RequireGPGCheck = 0\n", encoding="ascii")
        self.cache.mkdir()
        (directory / "spool").mkdir()

    def index(self):
        """Seconds, and of them those of the processor: on a busy machine they differ."""
        begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([BUILD / "retrace-server-index", f"--config={self.config}"], check=True)
        took, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        return took, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def forget(self):
        shutil.rmtree(self.cache)
        self.cache.mkdir()

    def ask(self, build_ids):
        """Microseconds: opening, mean, slowest; packages."""
        shown = subprocess.run([BUILD / "tests" / "index_probe", self.config, RELEASE],
                               input="".join(f"{one}\n" for one in build_ids), check=True,
                               capture_output=True, text=True).stdout
        return [float(word) for word in shown.split()]


def write(place, packages, compression):
    primary = PRIMARY_HEAD.format(count=len(packages)) + "".join(map(primary_of, packages))
    filelists = FILELISTS_HEAD.format(count=len(packages)) + "".join(map(filelists_of, packages))
    shutil.rmtree(place.repository / "repodata", ignore_errors=True)
    write_metadata(place.repository, {"primary": f"{primary}</metadata>\n".encode(),
                                      "filelists": f"{filelists}</filelists>\n".encode()},
                   compression)


def bench_build(place, packages):
    """Making it: of several runs the fastest counts, since what runs beside it makes them slower."""
    for compression in ("zst", "gz"):
        write(place, packages, compression)
        times = []
        for _ in range(RUNS):
            place.forget()
            times.append(place.index())
        took, processor = min(times)
        report(f"build of {len(packages)} packages, {compression}",
               f"{took:8.2f} s, processor {processor:.2f} s (slowest of {RUNS}: "
               f"{max(times)[0]:.2f} s)", took, BUILD_S)
    size = sum(file.stat().st_size for file in place.cache.rglob("*.db"))
    note(f"{'its size':<{WIDTH}} {size / 2 ** 20:8.1f} MB")


def bench_update(place, packages):
    times = [place.index() for _ in range(RUNS)]
    note(f"{'nothing has changed':<{WIDTH}} {min(times)[0]:8.3f} s")
    write(place, packages[100:], "zst")
    note(f"{'100 packages less':<{WIDTH}} {place.index()[0]:8.2f} s")


def bench_lookup(place, packages):
    ids = [one for package in packages[::len(packages) // 1000] for one in package.ids]
    opening, mean, slowest, found = place.ask(ids)
    note(f"{'opening the index':<{WIDTH}} {opening / 1000:8.3f} ms")
    report(f"lookup of a build-id, {len(ids)} of them",
           f"{mean / 1000:8.3f} ms (slowest: {slowest / 1000:.3f} ms, {found:.0f} packages)",
           mean / 1000, LOOKUP_MS)
    return mean / 1000


def dnf(place, *arguments):
    """Seconds and output."""
    begin = time.monotonic()
    shown = subprocess.run(
        ["dnf", "--quiet", "--setopt=reposdir=/nonexistent", f"--setopt=cachedir={place}/dnf",
         f"--repofrompath=bench,file://{place}/repos/{RELEASE}", "--releasever=36", "--nogpgcheck",
         f"--forcearch={ARCH}", "repoquery", *arguments], check=True, capture_output=True, text=True)
    return time.monotonic() - begin, shown.stdout.split()


def bench_dnf(directory, lookup_ms):
    if shutil.which("dnf") is None:
        note("dnf is not installed: not compared")
        return
    packages = make_repository(directory / "repos" / RELEASE, OF_DNF)
    asked = [package for package in packages if package.is_debuginfo][:RUNS]
    first, _ = dnf(directory, "--available", "nothing")
    note(f"{f'dnf: loading {OF_DNF} packages':<{WIDTH}} {first:8.2f} s")
    for name, question in (
            ("--whatprovides 'debuginfo(build-id) = ID'",
             lambda one: ["--whatprovides", f"debuginfo(build-id) = {one}"]),
            ("--file /usr/lib/debug/.build-id/ID.debug",
             lambda one: ["--file", f"/usr/lib/debug/.build-id/{one[:2]}/{one[2:]}.debug"])):
        times = []
        for package in asked:
            took, found = dnf(directory, *question(package.ids[0]))
            if len(found) != 1 or not found[0].startswith(package.name):
                raise RuntimeError(f"dnf finds {found} instead of {package.nevra}")
            times.append(took)
        median = percentile(times, 50)
        note(f"{f'dnf repoquery {name}':<{WIDTH}} {median:8.2f} s, with {OF_DNF} packages: "
             f"{median * 1000 / lookup_ms:.0f} times as long")


def bench_index(directory):
    note(f"The index of a repository of {PACKAGES} packages that are not here")
    place = Place(directory)
    packages = make_repository(place.repository, PACKAGES, "none")
    bench_build(place, packages)
    lookup_ms = bench_lookup(place, packages)
    bench_update(place, packages)
    other = directory / "for-dnf"
    other.mkdir()
    bench_dnf(other, lookup_ms)
