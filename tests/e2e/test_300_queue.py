# SPDX-License-Identifier: Apache-2.0
"""Many at once: the queue, its limits, and tasks that do not end by themselves."""
import os
import concurrent.futures
import re
import subprocess
import threading
from pathlib import Path

import pytest

import crash
from client import poll, task_of

BURST = 20
RUNTIME_S = 3
SLEEPER = "#include <poll.h>\nint main(void) { for (;;) poll(0, 0, 1000); }\n"


@pytest.fixture(scope="module")
def sleeper(farm):
    """A program that takes gdb's place, and never ends."""
    program = farm.programs / "sleeper"
    subprocess.run(["cc", "-o", program, "-x", "c", "-"], input=SLEEPER, text=True, check=True)
    return program


def hanging(farm, sleeper, settings):
    return farm.start(f"GdbPath = {sleeper}\nMaxTaskRuntime = {RUNTIME_S}\n{settings}")


def at_once(work, items):
    """What `work` gives for each item, all of them at the same time."""
    gate = threading.Barrier(len(items))

    def wait_and_work(item):
        gate.wait()
        return work(item)

    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(wait_and_work, items))


def maps_of(entry):
    try:
        return (entry / "maps").read_text(errors="replace")
    except OSError:
        return ""


def processes_of(program):
    """Processes that have this very file in memory, whatever started it and under whatever name."""
    info = program.stat()
    inode = f" {os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x} {info.st_ino} "
    return [int(entry.name) for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and inode in maps_of(entry)]


class Most:
    """The highest of many samples."""

    def __init__(self, sample):
        self.sample = sample
        self.value = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stop.wait(0.01):
            self.value = max(self.value, self.sample())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class TestBurst:
    def test_300_001_none_lost_none_mixed_up(self, farm):
        env = farm.start(f"MaxParallelTasks = 2\nMaxQueuedTasks = {BURST}\nMaxParallelUploads = 0")
        uploads = [self.make_upload(farm, number) for number in range(BURST)]
        with Most(lambda: len(env.workers())) as most:
            tasks = at_once(env.client.submit, uploads)
            for task in tasks:
                assert env.client.wait(task) == "FINISHED_SUCCESS"
        assert len({task.id for task in tasks}) == BURST
        for number, task in enumerate(tasks):
            text = env.client.backtrace(task).text
            assert set(re.findall(r"marker-\d\d", text)) == {f"marker-{number:02}"}
            assert set(re.findall(r"crash_of_\d\d", text)) == {f"crash_of_{number:02}"}
        assert most.value == 2
        env.wait_idle()

    @staticmethod
    def make_upload(farm, number):
        program = crash.build(farm.programs, f"burst{number:02}", inner=f"crash_of_{number:02}")
        core = crash.core_of(program, f"marker-{number:02}")
        return crash.xz(crash.tar(crash.members_of(core, program)))

    @pytest.mark.parametrize("parallel,queued", [(3, 0), (2, 3)])
    def test_300_002_surplus_is_refused(self, farm, sleeper, upload, parallel, queued):
        env = hanging(farm, sleeper,
                      f"MaxParallelTasks = {parallel}\nMaxQueuedTasks = {queued}")
        replies = at_once(lambda _: env.client.create(upload), range(12))
        assert sorted(reply.status for reply in replies) \
            == [201] * (parallel + queued) + [503] * (12 - parallel - queued)
        poll(lambda: len(env.workers()) == parallel, 5, "they do not run")
        assert len(env.entries("running")) == parallel and len(env.entries("queue")) == queued
        assert env.entries(".incoming") == []
        farm.stop(env)


class TestRuntime:
    def test_300_010_hanging_task_is_ended(self, farm, sleeper, upload):
        env = hanging(farm, sleeper, "MaxParallelTasks = 1")
        task = env.client.submit(upload)
        poll(lambda: processes_of(sleeper), 10, "it does not run")
        assert env.client.wait(task, RUNTIME_S + 10) == "FINISHED_FAILURE"
        last = env.client.log(task).text.splitlines()[-1]
        assert f"MaxTaskRuntime ({RUNTIME_S} s)" in last and "[E]" in last
        env.wait_idle()
        poll(lambda: not processes_of(sleeper), 5, "it still runs")
        assert not env.task_file(task, "crash").exists()
        again = env.client.submit(upload)
        assert env.client.wait(again, RUNTIME_S + 10) == "FINISHED_FAILURE"

    def test_300_011_control_group_of_an_ended_task(self, farm, sleeper, upload):
        """It is removed whoever ended the task."""
        env = hanging(farm, sleeper, "MaxParallelTasks = 1")
        task = env.client.submit(upload)
        assert env.client.wait(task, RUNTIME_S + 10) == "FINISHED_FAILURE"
        env.wait_idle()
        assert control_groups_of(env, task) == []

    def test_300_012_queued_task_after_a_hanging_one(self, farm, sleeper, upload):
        """The slot is given on; the time counts from the start, not from the upload."""
        env = hanging(farm, sleeper, "MaxParallelTasks = 1\nMaxQueuedTasks = 1")
        first, second = env.client.submit(upload), env.client.submit(upload)
        assert env.client.wait(first, RUNTIME_S + 10) == "FINISHED_FAILURE"
        poll(env.task_file(second, "started_time").exists, 5, "the second was not started")
        assert env.client.wait(second, RUNTIME_S + 10) == "FINISHED_FAILURE"
        started = int(env.task_file(second, "started_time").read_text())
        finished = int(env.task_file(second, "finished_time").read_text())
        assert finished - started >= RUNTIME_S - 1

    def test_300_013_restart_of_the_machine(self, farm, sleeper, upload):
        env = hanging(farm, sleeper, "MaxParallelTasks = 1\nMaxQueuedTasks = 1")
        first, second = env.client.submit(upload), env.client.submit(upload)
        poll(lambda: env.entries("queue") == [second.id], 5, "the second is not queued")
        with open(env.task_file(second, "boot_id"), "r+", encoding="ascii") as file:
            file.write("f" * 8)
        assert env.client.wait(second, RUNTIME_S + 10) == "FINISHED_FAILURE"
        assert env.client.log(second).text.rstrip().endswith(
            "The server restarted, send it again")
        assert not env.task_file(second, "started_time").exists()
        assert env.client.wait(first, RUNTIME_S + 10) == "FINISHED_FAILURE"
        env.wait_idle()


def control_groups_of(env, task):
    return [place for group in env.server.cgroups for place in group.glob(f"**/{task.id}")]


DYING = """#!/bin/sh
case "$*" in *coredump*) {} ;; esac
exec /usr/bin/bwrap "$@"
"""


class TestDyingSandbox:
    @pytest.mark.parametrize("end", ["kill -9 $$", "exit 1"])
    def test_300_014_failure_has_a_reason(self, farm, upload, end):
        """The sandbox ends before it has said anything, as when its first process is killed."""
        script = farm.programs / "bwrap-dying"
        script.write_text(DYING.format(end), encoding="ascii")
        script.chmod(0o755)
        env = farm.start(f"BubblewrapPath = {script}")
        task = env.client.submit(upload)
        assert env.client.wait(task) == "FINISHED_FAILURE"
        last = env.client.log(task).text.splitlines()[-1]
        assert "[E]" in last and not last.rstrip().endswith(":"), last


class TestDispatcher:
    def test_300_020_leaves_when_idle(self, env, upload):
        task = env.client.submit(upload)
        assert env.client.wait(task) == "FINISHED_SUCCESS"
        env.wait_idle(5)
        assert env.server.programs() == {}

    def test_300_021_starts_again(self, env, upload):
        for _ in range(2):
            assert env.client.wait(task_of(env.client.create(upload))) == "FINISHED_SUCCESS"
            env.wait_idle(5)
