# SPDX-License-Identifier: Apache-2.0
"""What the owner of a task's password sees and may do beyond state, backtrace and log: JSON, results,
cancelling and deleting."""
import json
import os

import pytest

from client import poll
from gate import Gate

JSON = {"Accept": "application/json"}


def ask_json(env, task, what=""):
    reply = env.client.request("GET", f"/{task.id}{what}",
                               {"X-Task-Password": task.password, **JSON})
    assert reply.headers["Content-Type"] == "application/json"
    return reply, json.loads(reply.text)


@pytest.fixture
def gated(farm, request):
    gate = Gate(farm, request.node.name)
    env = farm.start(f"MaxParallelTasks = 1\nMaxQueuedTasks = 5\nAllowApiDelete = 1\n{gate.setting}")
    env.gate = gate
    yield env
    gate.open()
    env.wait_idle(60)
    farm.stop(env)


def at_gdb(env, task):
    poll(lambda: env.client.get(task).text == "Generating backtrace", 20, "gdb is not reached")


# --- JSON -----------------------------------------------------------------------------------------

class TestJson:
    def test_230_001_created(self, env, upload):
        reply = env.client.create(upload, headers=JSON)
        told = json.loads(reply.text)
        assert reply.status == 201
        assert told["id"] == reply.headers["X-Task-Id"]
        assert told["password"] == reply.headers["X-Task-Password"]
        assert told["estimated_seconds"] == int(reply.headers["X-Task-Est-Time"])

    def test_230_002_finished(self, env, done):
        reply, told = ask_json(env, done)
        assert reply.headers["X-Task-Status"] == told["status"] == "FINISHED_SUCCESS"
        assert (told["state"], told["percent"]) == ("succeeded", 100)
        assert told["text"] == "Retrace job finished successfully"
        assert told["created"] <= told["started"] <= told["finished"]

    def test_230_003_failed(self, env, failed):
        _, told = ask_json(env, failed)
        assert (told["status"], told["state"]) == ("FINISHED_FAILURE", "failed")

    def test_230_004_running_and_queued(self, gated, upload):
        tasks = []
        for _ in range(3):
            tasks.append(gated.client.submit(upload))
            at_gdb(gated, tasks[0])
        _, told = ask_json(gated, tasks[0])
        assert (told["state"], told["text"]) == ("running", "Generating backtrace")
        assert 0 < told["percent"] < 100 and "queue_position" not in told
        for position, task in enumerate(tasks[1:], 1):
            reply, told = ask_json(gated, task)
            assert (told["state"], told["queue_position"]) == ("queued", position)
            assert told["estimated_seconds"] >= 1 and told["percent"] == 0
            assert gated.client.get(task).headers["X-Task-Queue-Position"] == str(position)

    def test_230_005_refusals(self, env, done):
        reply = env.client.request("GET", f"/{done.id}", {"X-Task-Password": "x", **JSON})
        told = json.loads(reply.text)
        assert reply.status == told["status"] == 403
        assert told["error"].endswith(".")
        env.log.expect("RT0001", "refused with 403")


# --- Results --------------------------------------------------------------------------------------

def put_result(env, task, name, text="content"):
    path = env.task_file(task, "results") / name
    path.write_text(text)
    os.chown(path, env.server.owner().pw_uid, env.server.httpd_group().gr_gid)
    return path


class TestResults:
    def test_230_010_by_its_key(self, env, done):
        put_result(env, done, "notes_1.txt", "Größe\n")
        reply = env.client.get(done, "/results/notes_1.txt")
        assert (reply.status, reply.text) == (200, "Größe\n")
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"

    def test_230_011_json(self, env, done):
        put_result(env, done, "x.json", "{}")
        assert env.client.get(done, "/results/x.json").headers["Content-Type"] == \
            "application/json"

    @pytest.mark.parametrize("key", ["", "nothing", ".hidden", "a/b", "-x", "x" * 65, "a%20b",
                                     "a%00", "../password", "%2e%2e%2fpassword"])
    def test_230_012_no_such_key(self, env, done, key):
        put_result(env, done, ".hidden")
        reply = env.client.get(done, f"/results/{key}")
        assert reply.status in (400, 404) and "content" not in reply.text
        env.log.tolerate("AH10244")

    def test_230_013_longest_key(self, env, done):
        put_result(env, done, "x" * 64)
        assert env.client.get(done, "/results/" + "x" * 64).text == "content"

    def test_230_014_only_regular_files(self, env, done):
        results = env.task_file(done, "results")
        (results / "link").symlink_to("../password")
        (results / "directory").mkdir()
        os.mkfifo(results / "fifo")
        replies = [env.client.get(done, f"/results/{key}") for key in ("link", "directory", "fifo")]
        (results / "link").unlink()
        (results / "directory").rmdir()
        (results / "fifo").unlink()
        for reply in replies:
            env.expect_refusal(reply, 404)

    @pytest.mark.parametrize("what", ["/exploitable", "/results/x", "/retrace_backtrace"])
    def test_230_015_not_before_the_end(self, gated, upload, what):
        task = gated.client.submit(upload)
        at_gdb(gated, task)
        put_result(gated, task, "x")
        put_result(gated, task, "exploitable")
        gated.expect_refusal(gated.client.get(task, what), 404)

    @pytest.mark.parametrize("what", ["/exploitable", "/results/x", "/retrace_backtrace",
                                      "/cancel", "/delete"])
    def test_230_016_wrong_password(self, gated, upload, what):
        task = gated.client.submit(upload)
        method = "POST" if what in ("/cancel", "/delete") else "GET"
        gated.expect_refusal(gated.client.get(task, what, method=method, password="x"), 403)

    def test_230_017_both_names_of_the_backtrace(self, env, done):
        assert env.client.get(done, "/retrace_backtrace").body == env.client.backtrace(done).body

    def test_230_018_rating(self, env, done):
        reply = env.client.get(done, "/exploitable")
        assert reply.status == 200
        assert 0 <= int(reply.text.rstrip().rsplit(":", 1)[1]) <= 9

    def test_230_019_no_rating(self, env, failed):
        env.expect_refusal(env.client.get(failed, "/exploitable"), 404, "rating")

    def test_230_020_frames(self, env, done):
        reply, told = ask_json(env, done, "/backtrace")
        assert reply.status == 200
        frames = told["threads"][0]["frames"]
        assert [frame["function"] for frame in frames[:2]] == ["read_null", "walk_down"]

    def test_230_021_no_frames(self, env, failed):
        reply, told = ask_json(env, failed, "/backtrace")
        assert reply.status == told["status"] == 404
        env.log.expect("RT0001", "refused with 404")

    def test_230_022_log_as_it_grows(self, gated, upload):
        task = gated.client.submit(upload)
        at_gdb(gated, task)
        gated.expect_refusal(gated.client.log(task), 404)
        assert "Read the core" in gated.client.get(task, "/log?follow=1").text
        gated.gate.open()
        gated.client.wait(task)
        assert gated.client.get(task, "/log?follow=1").text == gated.client.log(task).text


# --- Cancel and delete ----------------------------------------------------------------------------

def post(env, task, what):
    return env.client.get(task, what, method="POST")


class TestCancel:
    def test_230_030_running_task(self, gated, upload):
        task = gated.client.submit(upload)
        at_gdb(gated, task)
        reply = post(gated, task, "/cancel")
        assert (reply.status, reply.text) == (200, "The task will be cancelled.")
        assert gated.client.wait(task) == "FINISHED_FAILURE"
        assert "Cancelled by its owner" in gated.client.log(task).text
        poll(lambda: not gated.workers(), 20, "its worker goes on")

    def test_230_031_queued_task(self, gated, upload):
        first = gated.client.submit(upload)
        at_gdb(gated, first)
        task = gated.client.submit(upload)
        assert post(gated, task, "/cancel").status == 200
        gated.gate.open()
        assert gated.client.wait(task) == "FINISHED_FAILURE"
        assert gated.client.wait(first) == "FINISHED_SUCCESS"

    def test_230_032_finished_task(self, env, done):
        env.expect_refusal(post(env, done, "/cancel"), 409)
        assert env.client.word(done) == "FINISHED_SUCCESS"

    @pytest.mark.parametrize("what", ["/cancel", "/delete"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_230_033_not_by_get(self, gated, upload, method, what):
        """A link that somebody follows must change nothing."""
        task = gated.client.submit(upload)
        reply = gated.client.get(task, what, method=method)
        assert (reply.status, reply.headers["Allow"]) == (405, "POST, OPTIONS")
        assert not gated.task_file(task, "cancel").exists()


class TestDelete:
    def test_230_040_finished_task(self, gated, upload):
        gated.gate.open()
        task = gated.client.submit(upload)
        gated.client.wait(task)
        gated.wait_idle()
        assert (post(gated, task, "/delete").status, gated.client.get(task).status) == (200, 404)
        assert not gated.task_file(task).exists() and gated.leftovers() == []

    def test_230_041_unfinished_task(self, gated, upload):
        task = gated.client.submit(upload)
        at_gdb(gated, task)
        gated.expect_refusal(post(gated, task, "/delete"), 409, "cancel it first")

    def test_230_042_off_by_default(self, env, done):
        """Decided before the task is looked for."""
        env.expect_refusal(post(env, done, "/delete"), 403, "off")
        reply = env.client.request("POST", "/999999999/delete")
        env.expect_refusal(reply, 403, "off")


# --- OPTIONS --------------------------------------------------------------------------------------

@pytest.mark.parametrize("path,allowed", [
    ("/", "GET, HEAD, OPTIONS"), ("/create", "POST, OPTIONS"), ("/settings", "GET, HEAD, OPTIONS"),
    ("/stats", "GET, HEAD, OPTIONS"), ("/123456789", "GET, HEAD, OPTIONS"),
    ("/123456789/cancel", "POST, OPTIONS"), ("/123456789/results/x", "GET, HEAD, OPTIONS")])
def test_230_050_options(env, path, allowed):
    """Says nothing about a task."""
    reply = env.client.request("OPTIONS", path)
    assert (reply.status, reply.headers["Allow"]) == (200, allowed)
