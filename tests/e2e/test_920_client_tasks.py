# SPDX-License-Identifier: Apache-2.0
"""retrace-server-task: the commands about a task, its files and terminals, its completion; and
against our server."""
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from client import poll
from fake_server import (FAILURE, ID, NEW, OLD, PASSWORD, PENDING, SUCCESS, Answer, FakeServer,
                         json_state, state)
from task_client import (CLIENT, FAILED, IO, NO_TASK, NOT_ENDED, OK, PROTOCOL, REFUSED, TREE,
                         UNAVAILABLE, USAGE, ask, client, core, environment, refused, sentence)

# --- A task that is there -----------------------------------------------------------------------


@pytest.mark.parametrize("answer, code, text", [
    (SUCCESS, OK, "FINISHED_SUCCESS\nRetrace job finished successfully\n"),
    (FAILURE, FAILED, "FINISHED_FAILURE\nRetrace job failed\n"),
    (PENDING, NOT_ENDED, "PENDING\nGenerating backtrace\n"),
    (state("PENDING", "Gen\x1b[2J\n\x9b"), NOT_ENDED, "PENDING\nGen?[2J ?\n"),
])
def test_920_001_status(answer, code, text):
    with FakeServer(OLD, state=[answer]) as server:
        result = ask(server, "status")
    assert (result.returncode, result.stdout) == (code, "Task Status: " + text)
    assert result.stderr == ""


def test_920_002_status_as_json():
    body = '{"text": "Gen\\u001b[2J", "percent": 7, "more": ["ü"]}'.encode()
    with FakeServer(NEW, state=[json_state("PENDING", body)]) as server:
        result = ask(server, "status", "--json")
    assert result.returncode == NOT_ENDED
    assert json.loads(result.stdout) == {"text": "Gen\x1b[2J", "percent": 7, "more": ["ü"]}
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("command", ["status", "backtrace"])
def test_920_003_no_json_from_an_old_server(command):
    with FakeServer(OLD) as server:
        refused(ask(server, command, "--json"), UNAVAILABLE, "the server gives no JSON")


@pytest.mark.parametrize("command, text", [("backtrace", "#0 main\n"),
                                           ("log", "[2026] [E] it went wrong\n")])
def test_920_004_results(command, text):
    with FakeServer(OLD) as server:
        result = ask(server, command)
    assert (result.returncode, result.stdout, result.stderr) == (OK, text, "")


MISSING = Answer(404, b"There is no backtrace.")


@pytest.mark.parametrize("answer, code, text", [
    (PENDING, NOT_ENDED, f"task {ID} has not ended: Generating backtrace"),
    (FAILURE, FAILED, f"task {ID} has failed: Retrace job failed"),
    (SUCCESS, PROTOCOL, "answers 404: There is no backtrace"),
    (Answer(404, b"There is no such task."), NO_TASK, "There is no such task"),
])
def test_920_005_no_result(answer, code, text):
    with FakeServer(OLD, backtrace=[MISSING], state=[answer]) as server:
        refused(ask(server, "backtrace"), code, text)


@pytest.mark.parametrize("command", ["status", "backtrace", "log", "delete", "cancel"])
def test_920_006_no_such_task_and_wrong_password(command):
    with FakeServer(NEW) as server:
        refused(client(server, command, "987654321", "-p", "x"), NO_TASK, "no such task")
        refused(client(server, command, ID, "-p", "wrong"), REFUSED, "password of this task")


LIMIT = 16 * 1024 * 1024


def test_920_007_the_longest_backtrace_and_one_byte_more(tmp_path):
    with FakeServer(OLD, backtrace=[Answer(body=b"x" * LIMIT), Answer(body=b"x" * (LIMIT + 1))]
                    ) as server:
        assert ask(server, "backtrace", "-o", tmp_path / "a").returncode == OK
        refused(ask(server, "backtrace", "-o", tmp_path / "b"), PROTOCOL,
                f"longer than {LIMIT} bytes")
    assert (tmp_path / "a").stat().st_size == LIMIT
    assert not (tmp_path / "b").exists()


def test_920_008_a_backtrace_that_breaks_off_is_none(tmp_path):
    with FakeServer(OLD, backtrace=[Answer(body=b"#0", cut=True)]) as server:
        refused(ask(server, "backtrace", "-o", tmp_path / "b"), UNAVAILABLE, "no answer")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("command", ["delete", "cancel"])
def test_920_009_changes_are_posts(command):
    with FakeServer(NEW) as server:
        result = ask(server, command)
    assert (result.returncode, result.stdout, result.stderr) == (OK, "", "")
    assert server.asked(command)[0].method == "POST"


def test_920_010_what_a_server_does_not_announce():
    """The old one may delete, and cannot cancel; a new one says what it can."""
    with FakeServer(OLD) as server:
        assert ask(server, "delete").returncode == OK
        refused(ask(server, "cancel"), UNAVAILABLE, "the server does not cancel tasks")
    with FakeServer(NEW.replace("cancel delete", "")) as server:
        refused(ask(server, "delete"), UNAVAILABLE, "the server does not delete tasks")
        refused(ask(server, "cancel"), UNAVAILABLE, "the server does not cancel tasks")


# --- Passwords, files, terminals ----------------------------------------------------------------


def test_920_011_where_the_password_comes_from(tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="ascii")
    with FakeServer(OLD) as server:
        assert client(server, "status", ID, "-p", PASSWORD).returncode == OK
        assert client(server, "status", ID, "--password-file",
                      tmp_path / "password").returncode == OK
        assert client(server, "status", ID, "-p", PASSWORD,
                      RETRACE_TASK_PASSWORD="other").returncode == OK
        assert client(server, "status", ID, RETRACE_TASK_PASSWORD="other").returncode == REFUSED
        refused(client(server, "status", ID), USAGE, "the password is missing")
        refused(client(server, "status", ID, "--password-file", "/absent"), IO, "No such file")


def test_920_012_verbose_tells_no_password(core):
    with FakeServer(OLD) as server:
        result = ask(server, "status", "-v")
        created = client(server, "create", "-v", core)
    assert f"GET {server.url}/{ID}: 200, 33 bytes\n" in result.stderr
    assert "bytes of application/x-xz-compressed-tar\n" in created.stderr
    assert f"POST {server.url}/create: 201, 0 bytes\n" in created.stderr
    assert PASSWORD not in result.stderr + created.stderr


def test_920_013_the_server_from_the_environment():
    with FakeServer(OLD) as server:
        assert ask(None, "status", RETRACE_SERVER_URL=server.url).returncode == OK


@pytest.mark.parametrize("target", ["/dev/null", "link", "absent/file", ""])
def test_920_014_what_is_no_file_is_not_replaced(tmp_path, target):
    (tmp_path / "link").symlink_to("/dev/null")
    path = tmp_path / target
    with FakeServer(OLD) as server:
        assert ask(server, "backtrace", "-o", path).returncode == IO
    assert (tmp_path / "link").is_symlink()
    assert Path("/dev/null").is_char_device()


def test_920_015_a_full_disk_and_a_reader_that_is_gone():
    with FakeServer(OLD) as server, open("/dev/full", "wb") as full:
        result = subprocess.run([CLIENT, "-s", server.url, "status", ID, "-p", PASSWORD],
                                stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (result.returncode, sentence(result)) == (
            IO, "write to standard output: No space left on device")
        reading, writing = os.pipe()
        os.close(reading)
        result = subprocess.run([CLIENT, "-s", server.url, "status", ID, "-p", PASSWORD],
                                stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writing)
        assert result.returncode == IO


def on_a_terminal(*arguments):
    """Both outputs on one terminal; returns exit code and what it got."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([CLIENT, *map(str, arguments)], stdin=follower, stdout=follower,
                               stderr=follower, env=environment())
    os.close(follower)
    text = b""
    while True:
        try:
            some = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        text += some
    os.close(leader)
    return process.wait(60), text


def test_920_016_a_terminal_gets_no_escapes_and_a_bar(core):
    hostile = Answer(body=b"#0 \x1b]52;c;eHh4\x07 \xc2\x9b2J\n\ttab\n")
    pending = json_state("PENDING", b'{"text": "Gen\\u001b[2J", "percent": 50}')
    queued = json_state("PENDING", b'{"queue_position": 3}')
    with FakeServer(NEW, state=[queued, pending, SUCCESS], backtrace=[hostile]) as server:
        code, text = on_a_terminal("-s", server.url, "batch", core)
    assert code == OK
    assert b"#0 ?]52;c;eHh4? ?2J\r\n\ttab\r\n" in text
    assert b"Waiting, number 3 in the queue" in text
    assert b"[###############...............]  50 % Gen?[2J" in text
    assert text.replace(b"\r\x1b[K", b"").count(b"\x1b") == 0


def test_920_017_quiet_shows_no_bar_on_a_terminal(core):
    with FakeServer(NEW, state=[PENDING, SUCCESS]) as server:
        assert on_a_terminal("-q", "-s", server.url, "batch", core) == (OK, b"#0 main\r\n")


def test_920_018_usage(core):
    for arguments in ([], ["fly"], ["create"], ["create", core, core], ["status", "12"],
                      ["--fly", "create", core], ["-t", "5", "create", core]):
        refused(client(None, *arguments), USAGE, "")
    assert client(None, "--help").stdout.startswith("usage: retrace-server-task ")
    assert client(None, "--version").stdout.startswith("retrace-server-task ")


# --- Completion ---------------------------------------------------------------------------------


def complete(line, directory):
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    script = (f". {TREE}/helpers/task/retrace-server-task.bash; COMP_WORDS=({' '.join(words[:-1])} "
              f"'{words[-1]}'); COMP_CWORD={len(words) - 1}; _retrace_server_task; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"; complete -p retrace-server-task >/dev/null")
    result = subprocess.run(["bash", "-u", "-c", script], capture_output=True, text=True,
                            cwd=directory, check=True)
    assert result.stderr == ""
    return result.stdout.split()


def test_920_019_completion(core, tmp_path):
    name = "retrace-server-task"
    assert complete(f"{name} ", tmp_path) == ["create", "batch", "status", "backtrace", "log",
                                              "cancel", "delete"]
    assert complete(f"{name} ba", tmp_path) == ["batch", "backtrace"]
    assert complete(f"{name} -k create co", tmp_path) == [core.name]
    assert complete(f"{name} create -o co", tmp_path) == [core.name]
    assert complete(f"{name} status co", tmp_path) == []
    assert complete(f"{name} -t ", tmp_path) == ["0", "1", "2", "3", "4"]
    assert complete(f"{name} -s ", tmp_path) == []


def test_920_020_completion_help_and_page_know_the_same_options(tmp_path):
    offered = set(complete("retrace-server-task --", tmp_path))
    helped = {word.rstrip(",") for word in client(None, "--help").stdout.split()
              if word.startswith("--")}
    page = (TREE / "helpers/task/retrace-server-task.1").read_text(encoding="ascii")
    described = {"-" + word for line in page.splitlines() if line.startswith(".It Fl")
                 for word in line.split() if word.startswith("-")}
    assert offered == helped == described


# --- Our server ---------------------------------------------------------------------------------


def secure(env, *arguments, **variables):
    return client(env.server.url, "--cacert", env.server.dir / "tls" / "cert.pem", *arguments,
                  **variables)


@pytest.fixture
def real_core(members, tmp_path):
    path = tmp_path / "core"
    path.write_bytes(members["coredump"])
    return path


@pytest.mark.parametrize("how", [(), ("--no-sync",)])
def test_920_021_our_server_from_core_to_backtrace(env, real_core, program, how):
    result = secure(env, "batch", *how, "--executable", program, "--package", "tiny-1.0-1",
                    real_core)
    assert result.returncode == OK, result.stderr
    assert result.stdout.startswith("== Crash\n")
    assert "read_null" in result.stdout
    env.wait_idle()


def test_920_022_our_server_needs_nothing_but_the_core(env, real_core, program):
    subprocess.run(["xz", "-k", real_core], check=True)
    for path in (real_core, f"{real_core}.xz"):
        result = secure(env, "batch", path)
        assert result.returncode == OK, result.stderr
        assert "read_null" in result.stdout
    env.wait_idle()


def test_920_023_our_server_step_by_step(env, members, tmp_path):
    for name, content in members.items():
        (tmp_path / name).write_bytes(content)
    made = json.loads(secure(env, "create", "--json", tmp_path).stdout)
    key = {"RETRACE_TASK_PASSWORD": made["password"]}

    def final_status():
        result = secure(env, "status", made["id"], "--json", **key)
        return None if result.returncode == NOT_ENDED else result

    status = poll(final_status, 60, "the task has not ended")
    assert (status.returncode, json.loads(status.stdout)["status"]) == (OK, "FINISHED_SUCCESS")
    for what in ("backtrace", "log"):
        assert secure(env, what, made["id"], **key).returncode == OK
    parts = secure(env, "backtrace", "--json", made["id"], **key)
    assert parts.returncode == OK, parts.stderr
    assert json.loads(parts.stdout)["threads"]
    refused(secure(env, "log", made["id"], "-p", "wrong"), REFUSED, "password of this task")
    refused(secure(env, "cancel", made["id"], **key), REFUSED, "has ended already")
    env.log.expect("RT0001")
    env.wait_idle()


def test_920_024_our_server_says_what_is_missing(env, real_core):
    refused(secure(env, "create", "--package", "tiny-1.0-1", real_core), REFUSED, "executable")
    env.log.expect("RT0001")


def test_920_025_our_server_deletes_if_it_may(farm, members, tmp_path):
    env = farm.start("AllowApiDelete = 1")
    for name, content in members.items():
        (tmp_path / name).write_bytes(content)
    made = json.loads(secure(env, "create", "--json", tmp_path).stdout)
    key = {"RETRACE_TASK_PASSWORD": made["password"]}
    poll(lambda: secure(env, "status", made["id"], **key).returncode == OK, 60, "has not ended")
    env.wait_idle()
    assert secure(env, "delete", made["id"], **key).returncode == OK
    refused(secure(env, "status", made["id"], **key), NO_TASK, "no such task")
