# SPDX-License-Identifier: Apache-2.0
"""Statistics: what the dispatcher records of real tasks, the files that it leaves for others, and
that no state of the database costs a task anything."""
import json
import os
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import \
    text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

import crash
from client import poll


class Statistics:
    """The statistics of one server, seen from outside."""

    def __init__(self, env):
        self.env = env
        self.directory = env.server.spool / "statistics"
        self.database = env.server.spool / "stats.db"

    def read(self, name):
        return (self.directory / name).read_text(encoding="ascii")

    def page(self):
        return json.loads(self.read("stats.json"))

    def rows(self, statement):
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def program(self, name, *arguments, **how):
        """Run one of the server's programs as the spool's owner."""
        if self.env.server.is_root:
            owner = self.env.server.owner()
            how.update(user=owner.pw_uid, group=owner.pw_gid, extra_groups=[])
        return subprocess.run([self.env.server.dir / "libexec" / name, self.env.server.config,
                               *arguments], capture_output=True, text=True, **how)

    def count(self, text):
        return self.program("retrace-task-edit", "count", input=text)

    def dispatch(self):
        assert self.program("retrace-dispatch", "run").returncode == 0

    def run_task(self, upload, word="FINISHED_SUCCESS"):
        task = self.env.client.submit(upload)
        assert self.env.client.wait(task) == word
        self.env.wait_idle()
        return task


class Syslog:
    """What dispatchers say about the statistics, wherever a server of ours takes it."""

    def __init__(self, farm):
        place = os.readlink("/dev/log") if os.path.islink("/dev/log") else ""
        if not place.startswith(f"{farm.place}/"):
            pytest.skip(f"/dev/log is not ours, but {place or 'something else'}")
        self.path = Path(place).parents[1] / "logs" / "syslog"
        self.start = len(self._lines())

    def _lines(self):
        return self.path.read_text().splitlines() if self.path.exists() else []

    def expect(self, *sentences):
        """These lines since the beginning, and no others."""
        poll(lambda: len(self.find()) >= len(sentences), 5, f"the log has not {sentences}")
        assert len(self.find()) == len(sentences), self.find()
        for line, sentence in zip(self.find(), sentences):
            assert sentence in line

    def find(self):
        return [line for line in self._lines()[self.start:]
                if "retrace-dispatch[" in line and "statistics: " in line]


@pytest.fixture
def fresh(farm):
    """A server that has seen no task yet."""
    env = farm.start("MaxParallelTasks = 2\nMaxQueuedTasks = 20", tls=False)
    yield Statistics(env)
    env.wait_idle()
    farm.stop(env)


@pytest.fixture(scope="module")
def used(farm, members, upload):
    """A server that has seen two tasks: one succeeded, the core of the other is none."""
    env = farm.start("MaxParallelTasks = 1\nMaxQueuedTasks = 20\nAllowMetrics = 1", tls=False)
    statistics = Statistics(env)
    statistics.success = statistics.run_task(upload)
    statistics.failure = statistics.run_task(
        crash.xz(crash.tar({**members, "coredump": b"no core"})), "FINISHED_FAILURE")
    return statistics


class TestRecording:
    def test_220_001_each_task_is_a_row(self, used):
        rows = used.rows("SELECT taskid, status, package, release, arch, endtime FROM tasks")
        assert sorted(row[0] for row in rows) == sorted(int(task.id) for task in
                                                        (used.success, used.failure))
        row = next(row for row in rows if row[0] == int(used.success.id))
        assert row[1:5] == ("success", "tiny", "fedora-36", os.uname().machine)
        assert row[5] == int(used.env.task_file(used.success, "finished_time").read_text())

    def test_220_002_success_is_experience(self, used):
        rows = used.rows("SELECT package, release, time FROM package_time")
        assert len(rows) == 1 and rows[0][:2] == ("tiny", "fedora-36") and rows[0][2] >= 1

    def test_220_003_page_for_people(self, used):
        page = used.page()
        totals = page["totals"]
        assert (totals["tasks"], totals["success"], totals["failure"]) == (2, 1, 1)
        assert totals["first_task"] \
            == min(int(used.env.task_file(task, "started_time").read_text())
                   for task in (used.success, used.failure))
        assert len(page["days"]) == 30
        assert sum(day["success"] for day in page["days"]) == 1
        assert sum(day["failure"] for day in page["days"]) == 1
        assert [stage["stage"] for stage in page["stages"]] \
            == ["analyze", "environment", "debugger", "report"]
        assert sum(arch["count"] for arch in page["architectures"]) == 2

    def test_220_004_estimates(self, used):
        lines = used.read("estimates").splitlines()
        package, release, seconds = lines[0].split(" ")
        assert (package, release) == ("-", "-") and int(seconds) >= 1

    def test_220_005_metrics_are_openmetrics(self, used):
        httpd = "# HELP retrace_tasks_running Tasks.\n# TYPE retrace_tasks_running gauge\n" \
                "retrace_tasks_running 0\n"
        families = {family.name: family
                    for family in parse_openmetrics(httpd + used.read("metrics") + "# EOF\n")}
        assert families["retrace_tasks_finished"].type == "unknown"
        assert families["retrace_tasks_ended"].type == "counter"
        for name in ("retrace_task_duration_seconds", "retrace_stage_duration_seconds"):
            assert families[name].type == "histogram" and families[name].unit == "seconds"
        samples = {(sample.name, sample.labels.get("result")): sample.value
                   for family in families.values() for sample in family.samples}
        assert samples["retrace_tasks_finished", "success"] == 1
        assert samples["retrace_tasks_finished", "fail"] == 1
        assert samples["retrace_tasks_ended_total", "failure"] == 1
        assert samples["retrace_task_duration_seconds_count", None] == 2
        assert all(family.documentation for family in families.values())

    def test_220_006_metrics_are_prometheus_text(self, used):
        names = {sample.name for family in parse_prometheus(used.read("metrics"))
                 for sample in family.samples}
        assert {"retrace_tasks_finished", "retrace_cache_hits_total", "retrace_cache_misses_total",
                "retrace_missing_files_total", "retrace_task_duration_seconds_bucket"} <= names

    def test_220_007_nothing_is_httpds_to_write(self, used):
        server = used.env.server
        places = [used.database, used.directory, *used.directory.iterdir()]
        assert {path.name for path in used.directory.iterdir()} \
            == {"estimates", "metrics", "stats.json"}
        for path in places:
            info = path.stat()
            assert info.st_uid == server.owner().pw_uid
            assert info.st_gid == server.httpd_group().gr_gid
            mode = stat.S_IMODE(info.st_mode)
            assert mode == (0o2750 if path.is_dir() else 0o640), f"{path}: {mode:o}"

    def test_220_008_nothing_is_left_open_or_unfinished(self, used):
        assert not Path(f"{used.database}-journal").exists()
        assert used.rows("PRAGMA journal_mode") == [("delete",)]
        assert used.rows("PRAGMA integrity_check") == [("ok",)]


class TestShown:
    """What httpd makes of it."""

    def test_220_010_stats(self, used):
        reply = used.env.client.request("GET", "/stats", {"Accept": "application/json"})
        assert json.loads(reply.text) == used.page()
        page = used.env.client.request("GET", "/stats", {"Accept": "text/html"}).text
        assert "<b>2</b>tasks" in page and ">tiny<" in page

    @pytest.mark.parametrize("accept,parser", [("application/openmetrics-text", parse_openmetrics),
                                               ("text/plain", parse_prometheus)])
    def test_220_011_metrics(self, used, accept, parser):
        """Its part and httpd's are one text, in which no family comes twice."""
        text = used.env.client.request("GET", "/metrics", {"Accept": accept}).text
        families = list(parser(text))
        names = [family.name for family in families]
        assert len(names) == len(set(names))
        values = {(sample.name, sample.labels.get("result")): sample.value
                  for family in families for sample in family.samples}
        assert values["retrace_tasks_finished", "success"] == 1
        assert values["retrace_tasks_running", None] == 0

    def test_220_012_estimate(self, used, upload):
        """Of an upload like the one that is known; tasks that take long are told to."""
        (seconds,) = used.rows("SELECT time FROM package_time")[0]
        assert used.env.client.submit(upload).estimate == str(seconds)
        used.env.wait_idle()

    def test_220_013_times_of_a_task(self, used):
        task = used.success
        told = used.env.client.request("GET", f"/{task.id}", {"X-Task-Password": task.password,
                                                              "Accept": "application/json"})
        told = json.loads(told.text)
        assert (told["package"], told["release"]) == ("tiny", "fedora-36")
        assert set(told["timings_ms"]) == {"analyze", "environment", "debugger", "report"}
        assert told["timings_ms"]["debugger"] > 0 and told["missing_files"] == 0

    def test_220_014_refused_uploads(self, fresh, upload):
        """httpd's counts get into the database by way of the helper."""
        assert fresh.env.client.create(b"junk").status == 403
        poll(lambda: fresh.env.entries("counts"), 10, "httpd does not deliver")
        fresh.run_task(upload)
        assert fresh.page()["totals"]["denied"] == 1
        assert fresh.page()["refusals"] == [{"status": 403, "reason": "content", "count": 1}]
        assert fresh.page()["days"][-1]["denied"] == 1
        fresh.env.log.expect("RT0001", "refused with 403")


class TestBadDatabase:
    """The task succeeds, the log gets one line, and what was not recorded is caught up with."""

    def expect_caught_up(self, statistics, upload, task):
        later = statistics.run_task(upload)
        assert sorted(statistics.rows("SELECT taskid FROM tasks")) \
            == sorted((int(one.id),) for one in (task, later))
        assert not (statistics.directory / "error").exists()

    def test_220_020_locked_all_the_time(self, farm, fresh, upload):
        fresh.dispatch()
        log = Syslog(farm)
        holder = sqlite3.connect(fresh.database, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        task = fresh.run_task(upload)
        holder.execute("ROLLBACK")
        holder.close()
        log.expect("statistics: stats.db: database is locked")
        self.expect_caught_up(fresh, upload, task)

    def test_220_021_two_dispatchers_say_it_once(self, farm, fresh, upload):
        log = Syslog(farm)
        fresh.database.mkdir()
        fresh.run_task(upload)
        fresh.run_task(upload)
        log.expect("statistics: open stats.db: Is a directory")
        assert fresh.read("error") == "open stats.db: Is a directory"

    def test_220_022_directory_in_its_place(self, fresh, upload):
        fresh.database.mkdir()
        task = fresh.run_task(upload)
        assert fresh.env.entries("statistics/unrecorded") == [task.id]
        fresh.database.rmdir()
        self.expect_caught_up(fresh, upload, task)

    def test_220_023_garbage_in_its_place(self, farm, fresh, upload):
        log = Syslog(farm)
        fresh.database.write_bytes(b"no database " * 1000)
        os.chown(fresh.database, fresh.env.server.owner().pw_uid, -1)
        task = fresh.run_task(upload)
        log.expect("statistics: stats.db: file is not a database; it is kept as")
        assert fresh.rows("SELECT taskid FROM tasks") == [(int(task.id),)]
        kept = [name for name in fresh.env.entries(".") if name.startswith("stats.db.corrupt-")]
        assert len(kept) == 1
        assert (fresh.env.server.spool / kept[0]).read_bytes() == b"no database " * 1000


    @pytest.mark.skipif(os.geteuid() != 0, reason="there is nobody else who could own it")
    def test_220_024_not_ours_to_write(self, farm, fresh, upload):
        """As an admin leaves it who has restored it from a backup."""
        fresh.dispatch()
        log = Syslog(farm)
        os.chown(fresh.database, 0, 0)
        fresh.database.chmod(0o644)
        task = fresh.run_task(upload)
        log.expect("statistics: ")
        os.chown(fresh.database, fresh.env.server.owner().pw_uid, -1)
        self.expect_caught_up(fresh, upload, task)


class TestCounts:
    def test_220_030_counts_of_httpd_are_taken(self, fresh):
        assert fresh.count("refused 413 too_big 3\nrefused 503 full 1\nuploads 9\n").returncode == 0
        assert fresh.count("refused 413 too_big 2\nthrottled 4\nnew word\n").returncode == 0
        fresh.dispatch()
        assert fresh.env.entries("counts") == []
        page = fresh.page()
        assert page["totals"]["denied"] == 6
        assert page["refusals"][0] == {"status": 413, "reason": "too_big", "count": 5}
        assert sum(day["denied"] for day in page["days"]) == 6
        assert "\nretrace_refusals_recorded_total{status=\"413\"} 5\n" in fresh.read("metrics")
        assert "\nretrace_uploads_recorded_total 9\n" in fresh.read("metrics")
        assert "\nretrace_throttled_recorded_total 4\n" in fresh.read("metrics")

    def test_220_031_malformed_counts_are_removed(self, farm, fresh):
        log = Syslog(farm)
        assert fresh.count("refused 413\n").returncode == 0
        assert fresh.count("uploads 1\n").returncode == 0
        fresh.dispatch()
        assert fresh.env.entries("counts") == []
        assert "\nretrace_uploads_recorded_total 1\n" in fresh.read("metrics")
        log.expect("statistics: 1 of 2 files in counts are malformed, they are removed")

    def test_220_032_counts_have_a_limit(self, fresh):
        assert fresh.count("uploads 1\n").returncode == 0
        counts = fresh.env.server.spool / "counts"
        for number in range(998):
            (counts / str(number)).write_bytes(b"")
        assert fresh.count("uploads 1\n").returncode == 0
        reply = fresh.count("uploads 1\n")
        assert reply.returncode == 74
        assert "1000 deliveries wait for the dispatcher" in reply.stderr
        assert len(fresh.env.entries("counts")) == 1000
        fresh.dispatch()
        assert fresh.env.entries("counts") == []
        assert "\nretrace_uploads_recorded_total 2\n" in fresh.read("metrics")
        assert fresh.count("uploads 1\n").returncode == 0

    def test_220_033_a_delivery_has_a_limit_of_bytes(self, fresh):
        assert fresh.count("x" * 4096).returncode == 0
        assert fresh.count("x" * 4097).returncode == 111
        assert len(fresh.env.entries("counts")) == 1
        fresh.dispatch()
