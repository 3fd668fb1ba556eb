# SPDX-License-Identifier: Apache-2.0
"""GET /<id>, /<id>/backtrace and /<id>/log: who may read what, and what a finished task looks like
on the wire and on the disk."""
import os
import re
import stat

import pytest

import crash
from client import poll

TEXTS = ("Analyzing crash data", "Preparing environment for backtrace generation",
         "Generating backtrace", "Cleaning environment after backtrace generation",
         "Saving crash statistics", "Finishing task", "Retrace job finished successfully",
         "Retrace job failed", "Downloading remote resources", "Post-processing downloaded file",
         "Calculating md5sum")
WHATS = ("", "/backtrace", "/log")


@pytest.fixture(scope="module")
def quiet(farm):
    return farm.start()


@pytest.fixture(scope="module")
def pending(quiet, upload):
    """A task that looks as if it had not ended, and of which no dispatcher knows."""
    task = quiet.client.submit(upload)
    assert quiet.client.wait(task) == "FINISHED_SUCCESS"
    quiet.wait_idle()
    for name in ("finished_time", "retrace_log", "retrace_backtrace", "status"):
        quiet.task_file(task, name).unlink()
    return task


def beat(env):
    """As if a dispatcher were at work: no poll starts one."""
    (env.server.spool / "heartbeat").touch()


def check_headers(reply):
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def check_refusal(env, reply, status):
    assert reply.status == status
    check_headers(reply)
    assert reply.text.endswith(".")
    assert "X-Task-Status" not in reply.headers
    env.log.expect("RT0001", f"refused with {status}: {reply.text.rstrip('.')}")


# --- Who may read ---------------------------------------------------------------------------------

class TestAddress:
    @pytest.mark.parametrize("path", [
        "/12345678", "/1234567890", "/012345678", "/000000000", "/12345678a", "/abcdefghi",
        "/-12345678", "/+12345678", "/%2012345678", "/12345678%2e", "/123456789/nothing",
        "/123456789/logs", "/123456789/log/", "/123456789/log/x", "/123456789x", "/123456789%00",
        "/123456789/password", "/123456789/crash/coredump", "/heartbeat", "/queue", "/.incoming",
        "/settings/", "/creat", "/create/", "/createx"])
    def test_200_001_nothing_there(self, env, done, path):
        """Also with a password that is right for the task whose id is used."""
        path = path.replace("123456789", done.id) if len(path) > 11 else path
        reply = env.client.request("GET", path, {"X-Task-Password": done.password})
        assert reply.status == 404

    def test_200_002_no_such_task(self, env):
        reply = env.client.request("GET", "/999999999", {"X-Task-Password": "x" * 32})
        check_refusal(env, reply, 404)

    @pytest.mark.parametrize("before", ["//", "///"])
    @pytest.mark.parametrize("after", ["", "/", "?x=1"])
    def test_200_003_more_slashes(self, env, done, before, after):
        reply = env.client.request("GET", before + done.id + after,
                                   {"X-Task-Password": done.password})
        assert (reply.status, reply.headers["X-Task-Status"]) == (200, "FINISHED_SUCCESS")

    @pytest.mark.parametrize("what", WHATS)
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
    def test_200_004_method(self, env, done, method, what):
        reply = env.client.get(done, what, method=method)
        check_refusal(env, reply, 405)
        assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}

    @pytest.mark.parametrize("path", ["/%2e%2e/{}", "/{}/../../../etc/passwd", "/{}/%2e%2e/%2e%2e"])
    def test_200_005_climbing(self, env, done, path):
        """httpd refuses that itself."""
        reply = env.client.request("GET", path.format(done.id),
                                   {"X-Task-Password": done.password})
        assert reply.status == 400
        env.log.expect("AH10244")


def broken(password):
    """Passwords that are nearly right."""
    return {"other": "x" * 32, "empty": "", "short": password[:-1], "long": password + "x",
            "case": password.swapcase(), "twice": f"{password}, {password}"}


class TestPassword:
    @pytest.mark.parametrize("what", WHATS)
    @pytest.mark.parametrize("kind", broken(""))
    def test_200_010_wrong(self, env, done, what, kind):
        reply = env.client.request("GET", f"/{done.id}{what}",
                                   {"X-Task-Password": broken(done.password)[kind]})
        check_refusal(env, reply, 403)

    @pytest.mark.parametrize("what", WHATS)
    def test_200_011_missing(self, env, done, what):
        check_refusal(env, env.client.request("GET", f"/{done.id}{what}"), 403)

    def test_200_012_hash_is_no_password(self, env, done):
        stored = env.task_file(done, "password").read_text().strip()
        reply = env.client.get(done, password=stored)
        check_refusal(env, reply, 403)

    def test_200_013_of_another_task(self, env, done, failed):
        check_refusal(env, env.client.get(done, password=failed.password), 403)

    def test_200_014_is_in_no_file(self, env, done, failed):
        """Neither in a log nor in the spool."""
        passwords = [task.password.encode() for task in (done, failed)]
        for path in env.server.dir.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(password in content for password in passwords), path


# --- What they read -------------------------------------------------------------------------------

class TestPending:
    def test_200_020_before_the_first_stage(self, quiet, pending):
        beat(quiet)
        reply = quiet.client.get(pending)
        assert (reply.status, reply.text) == (200, "PENDING")
        assert reply.headers["X-Task-Status"] == "PENDING"
        check_headers(reply)

    @pytest.mark.parametrize("stage", range(11))
    def test_200_021_texts(self, quiet, pending, stage):
        beat(quiet)
        quiet.task_file(pending, "status").write_text(f"{stage}\n")
        reply = quiet.client.get(pending)
        assert (reply.headers["X-Task-Status"], reply.text) == ("PENDING", TEXTS[stage])

    @pytest.mark.parametrize("content", ["", "11\n", "-1\n", "text\n"])
    def test_200_022_no_stage(self, quiet, pending, content):
        beat(quiet)
        quiet.task_file(pending, "status").write_text(content)
        assert quiet.client.get(pending).text == "PENDING"

    @pytest.mark.parametrize("what", ["/backtrace", "/log"])
    def test_200_023_results_are_not_there(self, quiet, pending, what):
        """Not even when the file is there already: finished_time comes last."""
        beat(quiet)
        quiet.task_file(pending, "retrace_backtrace").write_text("half")
        quiet.task_file(pending, "retrace_log").write_text("half")
        check_refusal(quiet, quiet.client.get(pending, what), 404)

    def test_200_024_all_that_a_client_sees(self, env, upload):
        task = env.client.submit(upload)
        seen = []
        poll(lambda: seen.append(env.client.get(task))
             or seen[-1].headers["X-Task-Status"] != "PENDING", 30, "not ended")
        assert {reply.text for reply in seen} <= {"PENDING", *TEXTS}
        assert seen[-1].headers["X-Task-Status"] == "FINISHED_SUCCESS"


class TestFinished:
    def test_200_030_success(self, env, done):
        reply = env.client.get(done)
        assert reply.headers["X-Task-Status"] == "FINISHED_SUCCESS"
        assert reply.text == "Retrace job finished successfully"
        check_headers(reply)

    def test_200_031_backtrace(self, env, done, program):
        reply = env.client.backtrace(done)
        assert reply.status == 200
        check_headers(reply)
        frames = re.findall(r"^#\d+ .*", reply.text, re.M)
        assert "in read_null (address=0x0) at" in frames[0] and "tiny.c:1" in frames[0]
        assert all("in walk_down (depth=" in frame for frame in frames[1:3])
        assert str(program) in reply.text and crash.build_id(program) in reply.text
        assert "11 (SIGSEGV)" in reply.text and "\0" not in reply.text

    def test_200_032_log(self, env, done):
        reply = env.client.log(done)
        assert reply.status == 200
        check_headers(reply)
        lines = reply.text.splitlines()
        assert all(re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[[IWE]\] \S", line)
                   for line in lines)
        assert lines[-1].endswith("Retrace job finished successfully")
        assert not any("[E]" in line for line in lines)

    def test_200_033_failure(self, env, failed):
        reply = env.client.get(failed)
        assert reply.headers["X-Task-Status"] == "FINISHED_FAILURE"
        assert reply.text == "Retrace job failed"
        check_refusal(env, env.client.backtrace(failed), 404)
        last = env.client.log(failed).text.splitlines()[-1]
        assert "[E]" in last and len(last) > len("[2026-01-01 00:00:00] [E] ")

    @pytest.mark.parametrize("what", WHATS)
    def test_200_034_head(self, env, done, what):
        get, head = env.client.get(done, what), env.client.get(done, what, method="HEAD")
        assert head.body == b"" and head.status == get.status
        assert without_date(head) == without_date(get)


def without_date(reply):
    return [(name, value) for name, value in reply.headers.items() if name != "Date"]


# --- Elsewhere ------------------------------------------------------------------------------------

class TestLocation:
    @pytest.mark.parametrize("location", ["/a/b", "/a/b/"])
    def test_200_040_below_a_path(self, farm, upload, location):
        env = farm.start(location=location)
        task = env.client.submit(upload)
        assert env.client.wait(task) == "FINISHED_SUCCESS"
        assert env.client.backtrace(task).status == 200
        assert env.client.request("GET", f"//{task.id}", {"X-Task-Password": task.password}) \
            .status == 200
        env.client.prefix = ""
        for path in (f"/{task.id}", f"/a/{task.id}", f"/a/b{task.id}", f"/a/b/c/{task.id}"):
            reply = env.client.request("GET", path, {"X-Task-Password": task.password})
            assert reply.status in (403, 404) and "X-Task-Status" not in reply.headers

    def test_200_041_https_is_required(self, farm):
        env = farm.start("RequireHTTPS = 1", tls=False)
        reply = env.client.request("GET", "/123456789", {"X-Task-Password": "x"})
        check_refusal(env, reply, 403)
        assert "HTTPS" in reply.text


# --- On the disk ----------------------------------------------------------------------------------

def describe(path):
    info = path.lstat()
    kind = "d" if stat.S_ISDIR(info.st_mode) else "f"
    return f"{kind} {stat.S_IMODE(info.st_mode):04o}"


def modes_below(directory):
    return {str(path.relative_to(directory)): describe(path) for path in directory.rglob("*")}


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user there is one user only")
class TestFiles:
    def test_200_050_of_a_finished_task(self, env, done):
        place = env.task_file(done)
        assert describe(place) == "d 2750"
        assert modes_below(place) == {
            "lock": "f 0600", "results": "d 2750",
            **{name: "f 0640" for name in ("password", "type", "status", "retrace_log",
                                           "retrace_backtrace", "started_time",
                                           "finished_time", "facts", "results/backtrace.json",
                                           "results/exploitable")}}

    def test_200_051_of_a_failed_task(self, env, failed):
        names = {path.name for path in env.task_file(failed).iterdir()}
        assert "retrace_backtrace" not in names and "crash" not in names
        assert {"retrace_log", "finished_time"} <= names

    def test_200_052_of_an_upload(self, env, upload):
        """While it arrives and after: a task of type 1 keeps its crash data."""
        task = env.client.submit(upload, headers={"X-Task-Type": "1"})
        assert env.client.wait(task) == "FINISHED_SUCCESS"
        env.wait_idle()
        place = env.task_file(task, "crash")
        assert describe(place) in ("d 2700", "d 0700")
        assert set(modes_below(place).values()) == {"f 0600"}
        assert {path.name for path in place.iterdir()} == {"coredump", "executable", "package",
                                                           "os_release"}

    def test_200_053_of_the_spool(self, env, done):
        spool = env.server.spool
        assert describe(spool) == "d 2750" and describe(spool / ".incoming") == "d 2710"
        for name in ("queue", "running"):
            assert describe(spool / name) == "d 2750"
        for name in ("queue.lock", "dispatch.lock"):
            assert describe(spool / name) == "f 0600"

    def test_200_054_owners(self, env, done):
        owner, group = env.server.owner().pw_uid, env.server.httpd_group().gr_gid
        for path in [env.server.spool, *env.server.spool.rglob("*")]:
            assert path.lstat().st_uid == owner, path
            if describe(path) != "f 0600" and "crash" not in path.parts:
                assert path.lstat().st_gid == group, path

    def test_200_055_cache_is_the_owners(self, env, done):
        for path in (env.server.dir / "cache").rglob("*"):
            info = path.lstat()
            assert info.st_uid == env.server.owner().pw_uid
            assert not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
