# SPDX-License-Identifier: Apache-2.0
"""Packages of the distribution are missing, lie, or change while they are read. The backtrace is made
from what there is; no frame is wrong that is not said to be a guess, and what is missing is told."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading

import pytest

from client import poll
from distribution import Crash, Depot, backtraces, frames, known, rpmbuild
from packages import RELEASE, missing, unused

ASKED = f"asked: cache, host, repo {RELEASE}"
PROGRAM = "/usr/bin/will_crash"
PLUGIN = "/usr/lib64/will-crash/plugin-boom.so"
LIBRARY = "/usr/lib64/libwork.so.1.0.0"
LIBC = "/usr/lib64/libc.so.6"
OURS = re.compile(r"(compare_items|put_in_order|arrange|fall|boom|load_and_run|main|idle)(_\d)?$")
THREADS = 4


@pytest.fixture(scope="module")
def depot(farm, client_system):
    return Depot(farm, client_system)


@pytest.fixture(scope="module")
def crashed(client_system):
    return Crash(client_system, PROGRAM)


class Complete:
    """What is right: the frames of all threads where nothing is missing, and the addresses of all
    of them, of which gdb prints only those that are not the beginning of a line."""

    def __init__(self, depot, upload):
        log, report = depot.retrace(upload)
        assert missing(log) == []
        self.frames = frames(backtraces(report))
        depot.without("glibc-debuginfo")
        _, report = depot.retrace(upload)
        self.addresses = {lwp: {address for address, _ in thread + self.frames[lwp]}
                          for lwp, thread in frames(backtraces(report)).items()}

    def is_right(self, lwp, frame):
        """The C library's functions have other names without its debug information."""
        address, name = frame
        if name == "??" or OURS.match(name) and address:
            return address in self.addresses[lwp]
        return any(name in known_name for _, known_name in self.frames[lwp])


@pytest.fixture(scope="module")
def complete(depot, crashed):
    return Complete(depot, crashed.upload)


@pytest.fixture
def ids(client_system):
    return {path: client_system.build_id(path) for path in (PROGRAM, PLUGIN, LIBRARY, LIBC)}


def told(log):
    """(kind, build-id, path) of what was not found; each time it is told who was asked."""
    found = [re.search(rf"Not found: (\w+) with build-id (\w+) of (\S+) \(.*; ({ASKED}.*)\)$", line)
             for line in missing(log)]
    assert all(found), missing(log)
    return [match.groups()[:3] for match in found]


def assert_no_wrong_frame(report, complete):
    """Returns the names of our functions in the first thread, as far as they are known."""
    threads = frames(known(backtraces(report)))
    assert "_1 (" not in report
    assert threads.keys() == complete.frames.keys()
    for lwp, thread in threads.items():
        wrong = [frame for frame in thread if not complete.is_right(lwp, frame)]
        assert wrong == [], report
        own = [name for _, name in thread if OURS.match(name)]
        expected = [name for _, name in complete.frames[lwp] if OURS.match(name)]
        assert own == expected[:len(own)]
        assert len(own) == len(expected) or "the frames below are guesses" in report
    return [name for _, name in next(iter(threads.values())) if OURS.match(name)]


def guesses(report):
    """Below frames of which files, in the first thread."""
    return re.findall(r"^MISSING: (\S+): the frames below are guesses\.$",
                      re.split(r"^Thread 2 ", report, flags=re.M)[0], re.M)


class TestMissing:
    def test_666_001_executable_of_a_library(self, depot, crashed, complete, ids):
        """Its debug information alone does not help: how to get to its caller is not in it."""
        depot.without("libwork")
        task = depot.submit(crashed.upload)
        log, report = depot.result(task)
        assert told(log) == [("executable", ids[LIBRARY], LIBRARY)]
        assert f"{ids[LIBRARY]}: executable MISSING, debug info; {ASKED}\n" in report
        assert assert_no_wrong_frame(report, complete) == ["compare_items_0"]
        assert guesses(report) == [LIBRARY]
        parts = json.loads(depot.env.task_file(task, "results/backtrace.json").read_text())
        crashed_thread = next(thread for thread in parts["threads"] if thread["crashed"])
        modules = [frame.get("module") for frame in crashed_thread["frames"]]
        first = modules.index(LIBRARY) + 1
        assert [frame.get("guess", False) for frame in crashed_thread["frames"]] == [
            number >= first for number in range(len(modules))]

    def test_666_002_executable_of_the_plugin(self, depot, crashed, complete, ids):
        depot.without("will-crash-plugin")
        log, report = depot.retrace(crashed.upload)
        assert told(log) == [("executable", ids[PLUGIN], PLUGIN)]
        assert assert_no_wrong_frame(report, complete) == []
        assert guesses(report) == [PLUGIN]
        assert f"The code is in {PLUGIN}, which is missing." in report

    def test_666_003_executable_of_the_program(self, depot, crashed, complete, ids):
        """What its libraries did has all that there is of them."""
        depot.without("will-crash")
        log, report = depot.retrace(crashed.upload)
        assert told(log) == [("executable", ids[PROGRAM], PROGRAM)]
        assert assert_no_wrong_frame(report, complete) == [
            "compare_items_0", "put_in_order_0", "arrange", *["fall_0"] * 4, "boom"]
        assert guesses(report) == [PROGRAM]
        assert re.search(r"in boom \(job=0x\w+, depth=3\) at boom\.c:\d+$", report, re.M)

    def test_666_004_executable_of_the_c_library(self, depot, crashed, complete, ids):
        depot.without("glibc")
        log, report = depot.retrace(crashed.upload)
        assert ("executable", ids[LIBC], LIBC) in told(log) and len(told(log)) == 2
        assert assert_no_wrong_frame(report, complete) == ["compare_items_0"]
        assert guesses(report) == [LIBC]

    def test_666_005_debug_information_of_a_library(self, depot, crashed, complete, ids):
        """Names come from what Fedora leaves in the executable."""
        depot.without("libwork-debuginfo")
        log, report = depot.retrace(crashed.upload)
        assert told(log) == [("debuginfo", ids[LIBRARY], LIBRARY)]
        assert f"{ids[LIBRARY]}: executable, debug info MISSING; {ASKED}\n" in report
        assert assert_no_wrong_frame(report, complete)[-1] == "main"
        assert guesses(report) == []
        assert re.search(r" in put_in_order_0 \(\) from /sysroot/usr/lib64/libwork\.so\.1$", report,
                         re.M)

    def test_666_006_debug_information_of_the_c_library(self, depot, crashed, complete, ids):
        depot.without("glibc-debuginfo")
        log, report = depot.retrace(crashed.upload)
        assert ("debuginfo", ids[LIBC], LIBC) in told(log) and len(told(log)) == 2
        assert assert_no_wrong_frame(report, complete)[-1] == "main"
        assert re.search(r" in \w*qsort\w* \(\) from /sysroot/usr/lib64/libc\.so\.6$", report, re.M)

    def test_666_007_package_with_the_dwz_file(self, depot, crashed, complete, ids):
        """Without it the plugin's debug information would lead gdb astray."""
        depot.without("will-crash-debuginfo")
        log, report = depot.retrace(crashed.upload)
        (kind, build_id, path), = [one for one in told(log) if one[0] != "debuginfo"]
        assert (kind, path) == ("dwz", PLUGIN)
        assert ("debuginfo", ids[PROGRAM], PROGRAM) in told(log) and len(told(log)) == 2
        assert (f"{ids[PLUGIN]}: executable, debug info unusable, its dwz file {build_id} is MISSING; "
                f"{ASKED}\n") in report
        assert assert_no_wrong_frame(report, complete)[-1] == "main"
        assert guesses(report) == []
        assert re.search(r" in compare_items_0 \(\) from /sysroot/\S+/plugin-boom\.so$", report, re.M)

    def test_666_008_everything(self, depot, crashed, complete, ids):
        depot.without("*")
        log, report = depot.retrace(crashed.upload)
        for path, build_id in ids.items():
            assert ("executable", build_id, path) in told(log)
            assert ("debuginfo", build_id, path) in told(log)
            assert f"{build_id}: executable MISSING, debug info MISSING; {ASKED}\n" in report
        assert assert_no_wrong_frame(report, complete) == []
        assert guesses(report) == [PLUGIN]

    def test_666_009_wrong_label(self, depot, crashed, complete, ids, client_system):
        """A signed package that calls itself 1.0 and has links of 1.0's build-id, but files of 1.1."""
        newer = client_system.extract("1.1", "libwork", "libwork-debuginfo")
        tree = client_system.place / "liar"
        links = "{:.2}/{}".format(ids[LIBRARY], ids[LIBRARY][2:])
        for source, target, link in (
                ("usr/lib64/libwork.so.1.1.0", LIBRARY, f"usr/lib/.build-id/{links}"),
                ("usr/lib/debug/usr/lib64/libwork.so.1.1*.debug",
                 f"/usr/lib/debug{LIBRARY}.debug", f"usr/lib/debug/.build-id/{links}.debug")):
            file, link = tree / target.lstrip("/"), tree / link
            file.parent.mkdir(parents=True)
            link.parent.mkdir(parents=True)
            shutil.copy2(next(newer.glob(source)), file)
            link.symlink_to(os.path.relpath(file, link.parent))
        lies = rpmbuild("liar", client_system.place / "top", tree=tree)
        client_system.keys.sign("good", *lies)
        depot.without("libwork", "libwork-debuginfo")
        for lie in lies:
            shutil.copy2(lie, depot.packages)
        depot.forget()
        log, report = depot.retrace(crashed.upload)
        for file, kind, package in ((LIBRARY, "executable", "libwork"),
                                    (f"/usr/lib/debug{LIBRARY}.debug", "debuginfo",
                                     "libwork-debuginfo")):
            assert re.search(rf"{file} of package \S+/{package}-1\.0-1\S+ is not the {kind} with "
                             rf"build-id {ids[LIBRARY]}: ", log)
            assert (kind, ids[LIBRARY], LIBRARY) in told(log)
        assert_no_wrong_frame(report, complete)
        assert guesses(report) == [LIBRARY]


class Changes(threading.Thread):
    """Somebody who works on the repository while it is read."""

    def __init__(self, depot):
        super().__init__()
        self.depot, self.stopped, self.rounds = depot, threading.Event(), 0
        self.originals = depot.distribution.files("1.0")
        self.newer = {file.name.replace("-1.1-", "-1.0-"): file
                      for file in depot.distribution.files("1.1")}

    def run(self):
        while not self.stopped.is_set():
            for step in (self._rewrite, self._remove, self._swap, self._update, self._restore,
                         self._update):
                step()
            self.rounds += 1

    def _targets(self):
        """Another third of the packages each time."""
        return [file for number, file in enumerate(self.originals)
                if number % 3 == self.rounds % 3]

    def _rewrite(self):
        """In place: half of it is there for a while."""
        for file in self._targets():
            content = file.read_bytes()
            with open(self.depot.packages / file.name, "wb") as out:
                out.write(content[:len(content) // 2])
                out.flush()
                out.write(content[len(content) // 2:])

    def _remove(self):
        for file in self._targets():
            (self.depot.packages / file.name).unlink(missing_ok=True)

    def _swap(self):
        """The newer one under the older one's name."""
        for file in self._targets():
            if file.name in self.newer:
                shutil.copy(self.newer[file.name], self.depot.packages / file.name)

    def _restore(self):
        for file in self._targets():
            fresh = self.depot.packages / f".{file.name}.new"
            shutil.copy(file, fresh)
            fresh.rename(self.depot.packages / file.name)

    def _update(self):
        subprocess.run(["createrepo_c", "--quiet", "--update", self.depot.repository], check=False,
                       capture_output=True)


@contextlib.contextmanager
def changes(depot):
    thread = Changes(depot)
    thread.start()
    try:
        yield thread
    finally:
        thread.stopped.set()
        thread.join()


class TestChanging:
    ROUNDS, TASKS = 3, 4

    def test_666_020_while_it_is_read(self, depot, crashed, complete):
        """Each task succeeds, with right frames or with misses that it tells of."""
        depot.fill()
        with changes(depot) as thread:
            for _ in range(self.ROUNDS):
                depot.forget()
                for log, report in depot.retrace_all([crashed.upload] * self.TASKS):
                    own = assert_no_wrong_frame(report, complete)
                    assert missing(log) != [] or own[-1] == "main" and guesses(report) == []
            poll(lambda: thread.rounds > 2, 20, "the repository does not change")
        self._assert_whole_again(depot, crashed, complete)

    def _assert_whole_again(self, depot, crashed, complete):
        """Also with the index of that time."""
        depot.env.forget_cache("index")
        log, report = depot.retrace(crashed.upload)
        assert missing(log) == [] and unused(log) == {}
        assert frames(backtraces(report)) == complete.frames
