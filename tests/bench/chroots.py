# SPDX-License-Identifier: Apache-2.0
"""`make bench PART=mock`: the same crash, its files extracted by build-id, and its packages installed
in a chroot. Alternating, so that both meet the same load."""
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import crash
from client import Client
from figures import note, report
from mock_stage import Stage, missing_reason
from serve.server import Server, ServerError

RUNS = 5
BARE = "MinStorageLeft = 100\nMaxClientUploads = 0\nMaxQueuedTasks = 100\nHostDirs =\n"


class Maker:
    """Servers in directories of their own; what tests call a farm."""

    def __init__(self, place):
        self.place = place

    def make(self, settings):
        directory = Path(tempfile.mkdtemp(prefix="server-", dir=self.place))
        directory.chmod(0o755)
        return Server(directory, settings=BARE + settings)


def wait_for(server, task):
    finished = server.spool / task.id / "finished_time"
    while not finished.exists():
        time.sleep(0.002)
    took = time.monotonic()
    if not (server.spool / task.id / "retrace_backtrace").exists():
        raise ServerError((server.spool / task.id / "retrace_log").read_text(encoding="utf-8"))
    return took


def forget_files(server):
    """The cache, but not the index of the packages: mock's server has one, too."""
    for entry in (server.dir / "cache").iterdir():
        if entry.is_dir() and entry.name != "index":
            shutil.rmtree(entry)


def time_extract(server, client, upload):
    start = time.monotonic()
    task = client.submit(upload, content="application/x-gzip")
    return wait_for(server, task) - start


def time_mock(stage):
    """To the result, and until the chroot is removed."""
    start = time.monotonic()
    task = stage.submit()
    result = wait_for(stage.server, task) - start
    stage.end_dispatcher()
    return result, time.monotonic() - start


def compare(stage, server):
    client = Client(server)
    upload = crash.gz(crash.tar(stage.old.members()))
    time_extract(server, client, upload)  # makes the index
    time_mock(stage)
    cold, warm, mock, whole = [], [], [], []
    for _ in range(RUNS):
        forget_files(server)
        cold.append(time_extract(server, client, upload))
        warm.append(time_extract(server, client, upload))
        result, all_of_it = time_mock(stage)
        mock.append(result)
        whole.append(all_of_it)
    note(f"    mock cycle {statistics.median(mock):.3f} s to the result, "
         f"{statistics.median(whole):.3f} s until the chroot is removed")
    for name, ours in (("cold", cold), ("warm", warm)):
        ratio = statistics.median(a / b for a, b in zip(mock, ours))
        report(f"extract, {name} cache, times faster than mock",
               f"{statistics.median(ours):8.3f} s {statistics.median(mock):8.3f} s {ratio:6.1f}",
               ratio, 8, least=True)


def bench_mock(place):
    reason = missing_reason()
    if reason:
        note(f"mock: not measured: {reason}")
        return
    maker = Maker(place)
    stage = Stage(maker, place / "stage")
    try:
        stage.lay_out()
        stage.start()
        note(stage.distribution.describe())
        with maker.make(f"RepoDir = {stage.repository.parent}\nGPGKeyDir = {stage.key_dir}") \
                as server:
            compare(stage, server)
    finally:
        stage.close()
        stage.server.stop()
