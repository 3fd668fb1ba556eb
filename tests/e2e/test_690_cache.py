# SPDX-License-Identifier: Apache-2.0
"""The cache stays below CacheSize, whatever crashes come, and never loses what a task uses. Its command
tells what is there."""
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import crash
from client import poll

MB = 1024 * 1024
PADDING = 700 * 1024  # of each program: two fit into 2 MB and its 90 %, three do not
LIMIT_MB = 2
NAMES = ("one", "two", "three", "four", "five")


@dataclass
class Crash:
    function: str
    build_id: str
    upload: bytes


def make_crash(directory, name):
    """Of a program that has its debug information itself: one file of the cache."""
    program = crash.build(directory, f"cached_{name}", inner=f"fall_{name}")
    with open(program, "ab") as file:
        file.write(os.urandom(PADDING))
    core = crash.core_of(program)
    return Crash(f"fall_{name}", crash.build_id(program),
                 crash.gz(crash.tar(crash.members_of(core, program))))


class Cache:
    """The cache of a server, looked at by its command."""

    def __init__(self, env):
        self.env = env
        self.path = env.server.dir / "cache"

    def run(self, *arguments, as_owner=True):
        owner = ["runuser", "-u", self.env.server.owner().pw_name, "--"]
        return subprocess.run(
            owner * (self.env.server.is_root and as_owner)
            + [str(self.env.server.build / "retrace-server-cache"),
               f"--config={self.env.server.config}", *arguments],
            capture_output=True, text=True, check=False)

    def json(self, command):
        result = self.run("--json", command)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def list(self):
        return {entry["build_id"]: entry for entry in self.json("list")}

    def bytes(self):
        return self.json("show")["bytes"]

    def place(self, build_id):
        return self.path / build_id[:2] / build_id[2:]

    def submit(self, one):
        return self.env.client.submit(one.upload, content="application/x-gzip")

    def check(self, one, task):
        assert self.env.client.wait(task) == "FINISHED_SUCCESS", self.env.client.log(task).text
        assert one.function in self.env.client.backtrace(task).text
        return self.env.client.log(task).text

    def retrace(self, one):
        """The log of a task that succeeds, once its worker has ended."""
        log = self.check(one, self.submit(one))
        self.env.wait_idle()
        return log

    def empty(self):
        self.env.wait_idle()
        assert self.run("trim", "--size=0").returncode == 0


@pytest.fixture(scope="module")
def crashes(farm):
    return [make_crash(farm.programs, name) for name in NAMES]


@pytest.fixture(scope="module")
def server(farm, clean_logs):
    return Cache(farm.start(f"CacheSize = {LIMIT_MB}\nMaxParallelTasks = 2\nMaxQueuedTasks = 20"))


@pytest.fixture
def cache(server):
    server.empty()
    return server


# --- What stays ----------------------------------------------------------------------------------

def test_690_001_never_above_the_limit(cache, crashes):
    for one in crashes:
        cache.retrace(one)
        assert cache.bytes() <= LIMIT_MB * MB
        assert one.build_id in cache.list()
    kept = cache.list()
    assert crashes[-2].build_id in kept
    assert crashes[0].build_id not in kept and not cache.place(crashes[0].build_id).exists()


def test_690_002_what_went_comes_again(cache, crashes):
    for one in crashes[:3]:
        cache.retrace(one)
    assert crashes[0].build_id not in cache.list()
    cache.retrace(crashes[0])
    assert crashes[0].build_id in cache.list()


def test_690_003_least_recently_used_first(cache, crashes):
    for number in (0, 1, 0, 2):  # the first one is older, and used again
        cache.retrace(crashes[number])
    kept = cache.list()
    assert crashes[0].build_id in kept and crashes[1].build_id not in kept


def test_690_004_larger_than_the_cache(farm, crashes):
    """Nothing fits; the task that needs it has it."""
    small = Cache(farm.start("CacheSize = 1"))
    program = crash.build(farm.programs, "cached_giant", inner="fall_giant")
    with open(program, "ab") as file:
        file.write(bytes(2 * MB))
    giant = Crash("fall_giant", crash.build_id(program),
                  crash.gz(crash.tar(crash.members_of(crash.core_of(program), program))))
    small.retrace(crashes[0])
    small.retrace(giant)
    assert giant.build_id not in small.list()
    assert small.bytes() <= MB


# --- In use --------------------------------------------------------------------------------------

def stop_in_use(cache, one):
    """A task that is stopped while it uses its file, and its worker."""
    for _ in range(10):
        task = cache.submit(one)
        try:
            worker = poll(cache.env.workers, 10, "no worker").pop()
            poll(lambda: cache.list().get(one.build_id, {}).get("in_use"), 2, "not in use")
            os.kill(worker, signal.SIGSTOP)
        except (AssertionError, ProcessLookupError):  # it was faster
            cache.check(one, task)
            continue
        if cache.list()[one.build_id]["in_use"]:
            return task, worker
        os.kill(worker, signal.SIGCONT)
        cache.check(one, task)
    pytest.fail("no task could be stopped in time")


def test_690_010_in_use_during_a_long_task(cache, crashes):
    """Others crowd it out, the admin wants all of it away: what the task uses stays."""
    one = crashes[0]
    task, worker = stop_in_use(cache, one)
    try:
        for other in crashes[1:]:
            cache.check(other, cache.submit(other))
        trimmed = cache.run("trim", "--size=0")
        assert trimmed.returncode == 1 and "in use" in trimmed.stdout, trimmed.stdout
        removed = cache.run("remove", one.build_id)
        assert removed.returncode == 1
        assert removed.stdout == f"not removed: {one.build_id} is in use\n"
        assert cache.list()[one.build_id]["in_use"]
        assert cache.json("show")["in_use"]["count"] == 1
    finally:
        os.kill(worker, signal.SIGCONT)
    cache.check(one, task)
    cache.env.wait_idle()
    assert not cache.list()[one.build_id]["in_use"]
    assert cache.run("remove", one.build_id).returncode == 0
    assert not cache.place(one.build_id).exists()


def test_690_011_killed_worker_uses_nothing(cache, crashes):
    task, worker = stop_in_use(cache, crashes[0])
    os.kill(worker, signal.SIGKILL)
    assert cache.env.client.wait(task) == "FINISHED_FAILURE"
    cache.env.wait_idle()
    assert cache.json("show")["in_use"]["count"] == 0
    assert cache.run("remove", crashes[0].build_id).returncode == 0


def test_690_012_two_tasks_at_once(farm, crashes):
    """Each needs more than the other leaves."""
    small = Cache(farm.start("CacheSize = 1\nMaxParallelTasks = 2\nMaxQueuedTasks = 20"))
    tasks = [(one, small.submit(one)) for one in [*crashes[:3], *crashes[:3], *crashes[:2]]]
    for one, task in tasks:
        small.check(one, task)
    small.env.wait_idle()
    assert small.bytes() <= MB
    assert small.json("show")["in_use"]["count"] == 0


# --- Space ---------------------------------------------------------------------------------------

def test_690_020_disk_full(farm, crashes):
    """MinStorageLeft holds for the cache, too: files are used where they are."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small file system")
    full = Cache(farm.start("MinStorageLeft = 2"))
    owner = full.env.server.owner()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=3m,uid={owner.pw_uid},gid={owner.pw_gid},mode=0750",
         "retrace-test", full.path], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr}")
    try:
        assert "The cache does not keep" not in full.retrace(crashes[0])
        log = full.retrace(crashes[1])
        assert ("The cache does not keep all files: less than MinStorageLeft (2 MB) would be free "
                "in CacheDir") in log
        assert list(full.list()) == [crashes[0].build_id]
        # Really full: not even the account can be written.
        with pytest.raises(OSError):
            (full.path / "index").mkdir()
            (full.path / "index" / "filler").write_bytes(bytes(4 * MB))
        assert "The cache does not keep all files" in full.retrace(crashes[2])
        full.retrace(crashes[0])
    finally:
        full.env.wait_idle()
        subprocess.run(["umount", full.path], check=True)


# --- The command ---------------------------------------------------------------------------------

def test_690_030_show(cache, crashes):
    cache.retrace(crashes[0])
    missing = cache.path / "missing"
    missing.mkdir(exist_ok=True)
    (missing / f"{crashes[0].build_id}.debuginfo").write_text("", encoding="ascii")
    (cache.path / "notes").write_text("whose?", encoding="ascii")
    told = cache.json("show")
    assert told["limit_bytes"] == LIMIT_MB * MB
    assert told["files"]["executable"]["count"] == 1
    assert told["files"]["executable"]["bytes"] >= PADDING
    assert told["files"]["debuginfo"] == {"count": 0, "bytes": 0}
    assert told["oldest"]["build_id"] == crashes[0].build_id
    assert told["negative_answers"] == 1
    assert told["unknown"] == ["notes"]
    text = cache.run().stdout
    assert text == cache.run("show").stdout
    assert f"of {LIMIT_MB} MB" in text and "executable        1 files" in text
    assert crashes[0].build_id in text and "unknown           notes" in text
    (cache.path / "notes").unlink()


def test_690_031_list_by_last_use(cache, crashes):
    for number in (1, 0):
        cache.retrace(crashes[number])
    lines = cache.run("list").stdout.splitlines()
    assert [line.split()[3] for line in lines] == [crashes[1].build_id, crashes[0].build_id]
    assert all(line.split()[4] == "executable" for line in lines)
    assert [entry["build_id"] for entry in cache.json("list")] == \
        [crashes[1].build_id, crashes[0].build_id]


def test_690_032_trim_to_a_size(cache, crashes):
    for number in (0, 1):
        cache.retrace(crashes[number])
    result = cache.run("trim", "--size=1")
    assert result.returncode == 0
    assert result.stdout.startswith("1 build-ids removed, 0.7 MB; 0.7 MB left")
    assert list(cache.list()) == [crashes[1].build_id]


def test_690_033_verify(cache, crashes):
    for number in (0, 1):
        cache.retrace(crashes[number])
    good, bad = (cache.place(crashes[number].build_id) / "executable" for number in (0, 1))
    assert cache.run("verify").returncode == 0
    bad.unlink()
    bad.write_bytes(good.read_bytes())
    result = cache.run("verify")
    assert result.returncode == 1
    assert f"executable of {crashes[1].build_id} is removed: " in result.stdout
    assert f"has build-id {crashes[0].build_id}" in result.stdout
    assert good.exists() and not bad.exists()
    assert cache.run("verify").returncode == 0
    cache.retrace(crashes[1])


def test_690_034_remove(cache, crashes):
    cache.retrace(crashes[0])
    assert cache.run("remove", crashes[0].build_id).returncode == 0
    again = cache.run("remove", crashes[0].build_id)
    assert again.returncode == 1 and "is not in the cache" in again.stdout


@pytest.mark.parametrize("arguments", [
    ("eat",), ("show", "more"), ("remove",), ("remove", "../../../../etc/passwd"),
    ("remove", "0123"), ("--json", "trim"), ("--size=1", "show"), ("trim", "--size=-1"),
    ("trim", "--size=1x"), ("trim", "--size=16777217"), ("--bad",)], ids=" ".join)
def test_690_035_wrong_usage(cache, arguments):
    result = cache.run(*arguments)
    assert result.returncode == 100 and "usage: " in result.stderr


def test_690_036_only_its_owner(cache):
    if os.geteuid() != 0:
        pytest.skip("needs root: one user is owner and caller here")
    result = cache.run("show", as_owner=False)
    assert result.returncode == 111
    assert "is not yours: run this as its owner" in result.stderr


def test_690_037_without_settings(cache):
    program = Path(cache.env.server.build) / "retrace-server-cache"
    result = subprocess.run([program, "--config=/nonexistent"], capture_output=True, text=True,
                            check=False)
    assert result.returncode == 111 and "/nonexistent" in result.stderr
