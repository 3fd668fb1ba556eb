# SPDX-License-Identifier: Apache-2.0
"""Crashes of version 1.0 of a real distribution's programs, inside a root directory of their own;
the server has the distribution's packages in two versions, and nothing else."""
import difflib
import re
import shutil

import pytest

import distribution
from distribution import SOURCES, Crash, Depot, backtraces, frames
from packages import RELEASE, missing, unpacked, unused

ASKED = f"asked: cache, host, repo {RELEASE}"
THREADS = 4
# The dwz file is in a pass of its own: only the other one's debug information names it.
TAKEN = sorted([("1", "will-crash"), ("1", "will-crash-debuginfo"), ("1", "will-crash-debuginfo"),
                ("1", "will-crash-plugin"), ("1", "will-crash-plugin-debuginfo"), ("1", "libwork"),
                ("1", "libwork-debuginfo"), ("2", "glibc"), ("2", "glibc-debuginfo")])


@pytest.fixture(scope="module")
def made(farm, client_system):
    return Depot(farm, client_system)


@pytest.fixture
def depot(made):
    made.forget()
    return made


@pytest.fixture(scope="module")
def crashed(client_system):
    return Crash(client_system, "/usr/bin/will_crash")


@pytest.fixture(scope="module")
def thrown(client_system):
    return Crash(client_system, "/usr/bin/will_crash_cpp")


@pytest.fixture(scope="module")
def developer(client_system):
    if distribution.printers() is None:
        pytest.skip("the pretty printers of the C++ library are not installed")
    return client_system.install_debug_packages()


def line_of(source, words):
    lines = (SOURCES / source).read_text(encoding="ascii").splitlines()
    number, = [number for number, line in enumerate(lines, 1) if words in line]
    return number


def frame_of(backtrace, function):
    """The innermost frame of a function: its first line, and its locals."""
    return re.search(rf"^#\d+ [^\n]*\b{re.escape(function)} \(.*?(?=^#|^$)", backtrace,
                     re.M | re.S).group(0)


def assert_nothing_of_the_newer_version(text):
    assert not re.search(r"_1 \(|-1\.1-|libwork\.so\.1\.1", text)


def assert_same(report, expected):
    """What differs is told, not all of it."""
    differences = difflib.unified_diff(expected.splitlines(), backtraces(report).splitlines(),
                                       lineterm="", n=1)
    assert "\n".join(differences) == ""


def assert_complete(log, report):
    """Frames of the program, the plugin, the library and the C library, in both directions."""
    backtrace = backtraces(report)
    assert missing(log) == [] and unused(log) == {}
    assert_nothing_of_the_newer_version(log + report)
    names = [name for _, name in next(iter(frames(backtrace).values()))]
    assert re.match(r"compare_items_0 (\S*sort\S* )+put_in_order_0 arrange (fall_0 ){4}boom "
                    r"load_and_run_0 main$", " ".join(names)), names
    for function, words in (
            ("compare_items_0", rf"\(left=0x\w+, right=0x\w+\) at boom\.c:"
             rf"{line_of('boom.c', '*nowhere = surplus')}\n +a = 0x\w+\n +surplus = -?\d+\n"
             r" +nowhere = 0x0\n"),
            ("put_in_order_0", rf"\(items=0x\w+, count=3, order=0x\w+ <compare_items_0>\) at "
             rf"work\.c:{line_of('work.c', 'qsort(')}\n +last = 2\n"),
            ("fall_0", rf"\(job=0x\w+, left=0\) at boom\.c:{line_of('boom.c', 'return arrange')}\n"
             r' +items = {{name = 0x\w+ "first", weight = 42}, .*"the job", weight = 3}}\n'
             r" +step = 0\n"),
            ("load_and_run_0", r'\(path=0x\w+ "/usr/lib64/will-crash/plugin-boom\.so", '
             rf"job=0x\w+\) at will_crash\.c:{line_of('will_crash.c', 'boom(job, depth)')}\n"
             r" +plugin = 0x\w+\n +boom = 0x\w+ <boom>\n +depth = 3\n"),
            ("main", rf"\(\) at will_crash\.c:{line_of('will_crash.c', 'load_and_run(PLUGIN')}\n"
             r' +job = {number = 40, name = 0x\w+ "the job"}\n')):
        frame = frame_of(backtrace, function)
        assert re.search(words, frame), frame


class TestC:
    def test_665_001_right_version(self, depot, crashed):
        """Functions, lines, arguments and locals, through callbacks of the C library."""
        log, report = depot.retrace(crashed.upload)
        assert_complete(log, report)
        assert sorted(unpacked(log)) == TAKEN

    def test_665_002_all_threads(self, depot, crashed):
        _, report = depot.retrace(crashed.upload)
        threads = frames(backtraces(report))
        assert len(threads) == THREADS
        idle = re.findall(r"^#\d+ .*\bidle \(data=0x\w+\) at will_crash\.c:\d+\n +self = 0x\w+\n"
                          r" +hundreds = (\d+)\n", report, re.M)
        assert sorted(idle) == ["100", "200", "300"]
        assert len(re.findall(r"^#\d+ .*\bstart_thread \(", report, re.M)) == THREADS - 1

    def test_665_003_as_where_all_is_installed(self, depot, crashed, developer):
        """Word for word what gdb says with all packages of 1.0 installed."""
        _, report = depot.retrace(crashed.upload)
        assert_same(report, crashed.in_gdb(developer))

    def test_665_004_the_next_one_needs_no_repository(self, depot, crashed):
        first, _ = depot.retrace(crashed.upload)
        shutil.rmtree(depot.repository)
        log, report = depot.retrace(crashed.upload)
        depot.fill()
        assert_complete(log, report)
        assert unpacked(first) != [] and unpacked(log) == []

    def test_665_005_four_at_once(self, depot, crashed):
        """Who needs what another one unpacks, waits for it."""
        results = depot.retrace_all([crashed.upload] * 4)
        for log, report in results:
            assert_complete(log, report)
        assert sorted(pair for log, _ in results for pair in unpacked(log)) == TAKEN

    def test_665_006_others_at_once(self, depot, crashed, thrown):
        """The C library is wanted by both, its mathematics by one only."""
        results = depot.retrace_all([crashed.upload, thrown.upload] * 2)
        for log, report in results[::2]:
            assert_complete(log, report)
        taken = [name for log, _ in results for _, name in unpacked(log)]
        assert taken.count("libwork") == taken.count("will-crash-cpp") == 1
        assert taken.count("libstdc++") == 1
        assert 1 <= taken.count("glibc") <= 2 and 1 <= taken.count("glibc-debuginfo") <= 2


class TestCpp:
    def test_665_010_values_of_the_library(self, depot, thrown):
        _, report = depot.retrace(thrown.upload)
        frame = frame_of(backtraces(report), "shop::ship_0")
        assert re.search(r"\(boxes=std::vector of length 3, capacity 3 = {\.\.\.}, day=3\) at "
                         rf"will_crash_cpp\.cpp:{line_of('will_crash_cpp.cpp', 'throw ')}\n", frame)
        for words in (
                'stock = std::map with 2 elements = {["apples"] = 7, ["pears"] = 30}',
                'names = std::unordered_map with 1 element = {[5] = "five"}',
                "truck = std::shared_ptr<shop::Truck> (use count 2, weak count 0) = {get() = 0x",
                "license = std::unique_ptr<int> = {get() = 0x",
                "weight = std::optional<int> = {[contained value] = 1200}",
                "remark = std::optional<std::string> [no contained value]"):
            assert words in frame, frame
        assert ("boxes = std::vector of length 3, capacity 3 = "
                """{"small", "medium", 'x' <repeats 30 times>}""") in frame_of(report, "main")
        assert_nothing_of_the_newer_version(report)

    def test_665_011_a_library_without_debug_information(self, depot, client_system, thrown):
        """Its frames have their names, those on both sides of it have all; the log and the report
        say what was not found, and who was asked."""
        log, report = depot.retrace(thrown.upload)
        names = [name for _, name in next(iter(frames(backtraces(report)).values()))]
        assert names[-4:] == ["std::terminate()", "__cxa_throw", "shop::ship_0", "main"]
        assert any("raise" in name for name in names) and any("abort" in name for name in names)
        assert re.search(r"^#\d+ .*raise \(sig=sig@entry=6\) at .*raise\.c:\d+$", report, re.M)
        libraries = ("/usr/lib64/libgcc_s.so.1", "/usr/lib64/libstdc++.so.6")
        told = sorted(re.search(r"Not found: debuginfo with build-id \w+ of (\S+) \(no package has "
                                rf"it; {ASKED}\)$", line).group(1) for line in missing(log))
        assert len(told) == len(libraries)
        for path, library in zip(told, libraries):
            assert path.startswith(library)
            build_id = client_system.build_id(path)
            assert f"debuginfo with build-id {build_id} of {path} (" in log
            assert f"{path}\n    {build_id}: executable, debug info MISSING; {ASKED}\n" in report

    def test_665_012_as_where_all_is_installed(self, depot, thrown, developer):
        _, report = depot.retrace(thrown.upload)
        assert_same(report, thrown.in_gdb(developer))
