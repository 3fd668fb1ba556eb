# SPDX-License-Identifier: Apache-2.0
"""Files that are not on this machine come from debuginfod servers, once; without these servers a
task ends as well, with what there is."""
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import crash
from debuginfod import SORTER, Debuginfod, Packages, copy_library
from serve.server import free_port

LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
LOADER = Path("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")

pytestmark = pytest.mark.skipif(
    not (shutil.which("debuginfod") and shutil.which("dpkg-deb") and LIBC.exists()),
    reason="needs debuginfod, dpkg-deb and Debian's C library")

# Nothing of this machine may be used.
BARE = "HostDirs =\nHostDebugDir = /nonexistent\n"
FILES = 7  # executable and debug information of program, C library and loader; a dwz file


@dataclass
class Crash:
    upload: bytes
    program: str
    build_ids: list


@pytest.fixture(scope="module")
def place(farm):
    directory = farm.place / "debuginfod"
    directory.mkdir(mode=0o755)
    return directory


@pytest.fixture(scope="module")
def packages(place):
    return Packages(place)


@pytest.fixture(scope="module")
def sorted_crash(packages):
    """Of a program that is nowhere but in packages by now."""
    core = crash.core_of(packages.program)
    packages.pack()
    upload = crash.xz(crash.tar(crash.members_of(core, packages.program)))
    return Crash(upload, str(packages.program), packages.build_ids)


@pytest.fixture(scope="module")
def debuginfod(place, packages, sorted_crash):
    libraries = [copy_library(path, place / "files") for path in (LIBC, LOADER)]
    server = Debuginfod(place, packages.packages, place / "files")
    program, dwz = sorted_crash.build_ids
    try:
        server.wait_for((program, "executable"), (program, "debuginfo"), (dwz, "debuginfo"),
                        *[(one, kind) for one in libraries for kind in ("executable", "debuginfo")])
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def bare(farm, debuginfod):
    """A server that has nothing but debuginfod."""
    return farm.start(f"{BARE}DebuginfodURLs = {debuginfod.url}/")


def retrace(env, upload):
    """The log, the backtrace and the facts of a task that succeeds."""
    task = env.client.submit(upload)
    assert env.client.wait(task) == "FINISHED_SUCCESS"
    facts = env.task_file(task, "facts").read_text(encoding="ascii")
    return env.client.log(task).text, env.client.backtrace(task).text, facts


def missing(log):
    return [line for line in log.splitlines() if "Not found: " in line]


def line_of(words):
    return next(number for number, line in enumerate(SORTER.splitlines(), 1) if words in line)


def assert_complete(backtrace):
    """Functions, lines, arguments and locals, of the program and of the C library."""
    frame = re.search(r"^#0 .*compare_items \(left=0x[0-9a-f]+, right=0x[0-9a-f]+\) at "
                      rf"\./sorter\.c:{line_of('*nowhere = surplus')}\n(.*?)^#1 ", backtrace, re.M | re.S)
    assert frame, backtrace
    assert re.search(r"\bsurplus = -?\d+\n", frame.group(1)) and "nowhere = 0x0\n" in frame.group(1)
    assert re.search(r"^#[1-9] .*sort\w* \(.*=.*\) at \./stdlib/\w+\.c:\d+$", backtrace,
                     re.M), backtrace
    assert re.search(r"^#\d+ .*main \(argc=1, argv=0x[0-9a-f]+\) at "
                     rf"\./sorter\.c:{line_of('qsort(')}$", backtrace, re.M), backtrace
    assert '{name = 0x' in backtrace and '"third", weight = 3}}' in backtrace


def counts(facts):
    return {name: int(number) for name, number in re.findall(r"^(cache_\w+) (\d+)$", facts, re.M)}


class TestFetched:
    def test_650_001_all_comes_from_debuginfod(self, bare, debuginfod, sorted_crash):
        log, backtrace, facts = retrace(bare, sorted_crash.upload)
        assert missing(log) == []
        assert_complete(backtrace)
        program, dwz = sorted_crash.build_ids
        for path in (f"{program}/executable", f"{program}/debuginfo", f"{dwz}/debuginfo"):
            assert re.search(rf"\[I\] Fetched in \d+ ms: {debuginfod.url}/buildid/{path}$", log, re.M)
        assert log.count("Fetched in") == FILES
        assert counts(facts) == {"cache_hits": 0, "cache_misses": FILES}

    def test_650_002_what_it_does_not_have_is_told(self, bare, debuginfod, program, upload):
        before = debuginfod.requests()
        log, backtrace, facts = retrace(bare, upload)
        assert debuginfod.requests() == before + 2
        asked = f"asked: cache, host, {debuginfod.url}/"
        wanted = crash.build_id(program)
        assert [re.search(r"Not found: (\w+) with build-id (\w+) .*; (asked: .*)\)$", line).groups()
                for line in missing(log)] == [(kind, wanted, asked)
                                              for kind in ("executable", "debuginfo")]
        assert "the server does not have it" in log
        assert f"{wanted}: executable MISSING, debug info MISSING; {asked}\n" in backtrace
        assert counts(facts) == {"cache_hits": 0, "cache_misses": 2}

    def test_650_003_and_is_not_asked_for_again_at_once(self, bare, debuginfod, upload):
        before = debuginfod.requests()
        log, _, _ = retrace(bare, upload)
        assert len(missing(log)) == 2
        assert log.count("no debuginfod server had it less than 600 s ago") == 2
        assert debuginfod.requests() == before

    def test_650_004_a_native_environment_does_not_ask(self, farm, debuginfod, upload):
        env = farm.start(f"{BARE}RetraceEnvironment = native\nDebuginfodURLs = {debuginfod.url}")
        before = debuginfod.requests()
        log, _, _ = retrace(env, upload)
        assert debuginfod.requests() == before
        assert [line.rsplit("; ")[-1] for line in missing(log)] == ["asked: host)"] * 2
        farm.stop(env)

    def test_650_005_the_next_task_takes_all_from_the_cache(self, bare, debuginfod, sorted_crash):
        debuginfod.stop()
        log, backtrace, facts = retrace(bare, sorted_crash.upload)
        assert missing(log) == []
        assert_complete(backtrace)
        assert "Fetched" not in log and debuginfod.url not in log
        assert counts(facts) == {"cache_hits": FILES, "cache_misses": 0}


class TestDown:
    def test_650_010_without_its_server_a_task_ends_with_what_there_is(self, farm, sorted_crash):
        url = f"http://127.0.0.1:{free_port()}"
        env = farm.start(f"{BARE}DebuginfodURLs = {url}")
        log, backtrace, _ = retrace(env, sorted_crash.upload)
        assert len(re.findall(rf"\[W\] No answer: {url}/buildid/", log)) == 2
        assert log.count("; this server is not asked again") == 1
        first, *_, last = missing(log)
        assert first.endswith(f"; asked: cache, host, {url})")
        assert last.endswith("(no debuginfod server answers; asked: cache, host)")
        assert "executable MISSING, debug info MISSING; asked: cache, host\n" in backtrace
        assert re.search(r"^#0 ", backtrace, re.M)
