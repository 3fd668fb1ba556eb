# SPDX-License-Identifier: Apache-2.0
"""Those who guess passwords, hold connections, or write into logs."""
import re
import subprocess

import pytest

from client import poll
from serve.server import ServerError


@pytest.fixture
def strict(farm):
    env = farm.start("MaxPasswordFailures = 3\nMaxQueuedTasks = 20")
    yield env
    env.wait_idle(60)
    farm.stop(env)


def guess(env, task, times, password="x" * 32):
    return [env.client.get(task, password=password) for _ in range(times)]


# --- Guessing -------------------------------------------------------------------------------------

class TestGuessing:
    def test_240_001_beyond_the_limit_all_are_refused(self, strict, upload):
        """Also the right password: otherwise the answer would tell."""
        task = strict.client.submit(upload)
        assert [reply.headers["Retry-After"] for reply in guess(strict, task, 3)] == [None] * 3
        for reply in (guess(strict, task, 1)[0], strict.client.get(task),
                      strict.client.backtrace(task)):
            assert reply.status == 403
            assert 1 <= int(reply.headers["Retry-After"]) <= 60
            assert "too many wrong passwords" in reply.text
        strict.log.expect("RT0001", "too many wrong passwords")

    def test_240_002_at_the_limit_the_right_one_counts(self, strict, upload):
        task = strict.client.submit(upload)
        guess(strict, task, 2)
        assert strict.client.get(task).status == 200
        strict.log.expect("RT0001", "refused with 403")

    def test_240_003_ids_are_guessed_too(self, strict, upload):
        task = strict.client.submit(upload)
        for number in range(3):
            reply = strict.client.request("GET", f"/99999999{number}", {"X-Task-Password": "x"})
            assert reply.status == 404
        assert "too many" in strict.client.get(task).text
        strict.log.expect("RT0001", "refused with 404")

    def test_240_004_uploads_and_settings_go_on(self, strict, upload):
        task = strict.client.submit(upload)
        guess(strict, task, 5)
        strict.client.submit(upload)
        assert strict.client.request("GET", "/settings").status == 200
        strict.log.expect("RT0001", "refused with 403")

    def test_240_005_counted_over_all_children(self, farm, upload):
        """prefork: each request of a new connection may meet another child."""
        env = farm.start("MaxPasswordFailures = 3", mpm="prefork",
                         extra_httpd="StartServers 4\nMaxConnectionsPerChild 1\n")
        task = env.client.submit(upload)
        replies = guess(env, task, 4)
        assert [("too many" in reply.text) for reply in replies] == [False] * 3 + [True]
        env.log.expect("RT0001", "too many wrong passwords")
        env.wait_idle(60)
        farm.stop(env)

    def test_240_006_no_limit(self, env, upload):
        task = env.client.submit(upload)
        assert not any("too many" in reply.text for reply in guess(env, task, 20))
        env.log.expect("RT0001", "refused with 403")


# --- Uploads --------------------------------------------------------------------------------------

def half_upload(env, upload):
    """An upload that has begun and does not go on."""
    connection = env.client.open()
    connection.sendall(b"POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-xz\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(upload) + upload[:100])
    return connection


class TestUploads:
    @pytest.mark.parametrize("setting,words", [
        ("MaxParallelUploads = 2", "Too many uploads are in progress"),
        ("MaxParallelUploads = 0\nMaxClientUploads = 2", "Too many uploads come from this network")])
    def test_240_010_one_more_than_allowed(self, farm, upload, setting, words):
        env = farm.start(f"MaxQueuedTasks = 20\n{setting}")
        held = [half_upload(env, upload) for _ in range(2)]
        poll(lambda: len(env.entries(".incoming")) == 2, 20, "they have not begun")
        reply = env.client.create(upload)
        assert reply.status == 503 and words in reply.text
        assert int(reply.headers["Retry-After"]) >= 10
        env.log.expect("RT0001", "refused with 503")
        for connection in held:
            connection.close()
        poll(lambda: env.client.create(upload).status == 201, 20, "the places are not given back")
        env.log.tolerate("RT0011")
        env.wait_idle(60)
        farm.stop(env)

    def test_240_011_a_killed_child_gives_its_places_back(self, farm, upload):
        env = farm.start("MaxQueuedTasks = 20\nMaxParallelUploads = 1",
                         extra_httpd="StartServers 1\nServerLimit 1\nThreadsPerChild 25\n"
                                     "MaxRequestWorkers 25\n")
        held = half_upload(env, upload)
        poll(lambda: len(env.entries(".incoming")) == 1, 20, "it has not begun")
        subprocess.run(["pkill", "-KILL", "-P", str(env.server.process.pid)], check=True)
        poll(lambda: accepted(env, upload), 20, "its place is not given back")
        held.close()
        env.log.tolerate("AH10159")
        env.wait_idle(60)
        farm.stop(env)

    def test_240_012_waiting_for_the_task_takes_no_place(self, farm, upload):
        """A synchronous body lasts as long as the task."""
        env = farm.start("MaxQueuedTasks = 20\nMaxParallelUploads = 1")
        connection = env.client.open()
        connection.sendall(b"POST /create?sync=1 HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Type: application/x-xz\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(upload) + upload)
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
        assert env.client.create(upload).status == 201
        connection.close()
        env.wait_idle(60)
        farm.stop(env)

    def test_240_013_slow_upload(self, farm, upload):
        """The shipped limits, but faster: a body that trickles ends with 408."""
        env = farm.start(extra_httpd="RequestReadTimeout body=1,MinRate=100000\n")
        conf = env.server.dir / "retrace.conf"
        assert "RequestReadTimeout" in conf.read_text()
        conf.write_text(re.sub(r"^ *RequestReadTimeout .*$", "", conf.read_text(), flags=re.M))
        env.server.process.send_signal(1)
        poll(lambda: env.log.find("AH00489") or env.log.find("AH00494"), 20, "no restart")
        poll(lambda: alive(env), 20, "no server")
        connection = half_upload(env, upload)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        env.log.expect("RT0011")
        connection.close()
        env.wait_idle()
        assert env.leftovers() == []
        farm.stop(env)


def accepted(env, upload):
    try:
        return env.client.create(upload).status == 201
    except OSError:
        return False


def alive(env):
    try:
        return env.client.request("GET", "/settings").status == 200
    except OSError:
        return False


# --- Logs -----------------------------------------------------------------------------------------

class TestLogs:
    def test_240_020_no_password_in_any_log(self, env, upload):
        task = env.client.submit(upload)
        env.client.wait(task)
        for what in ("", "/log", "?wait=1", "/results/x"):
            env.client.get(task, what)
        env.client.get(task, "/cancel", method="POST")
        for path in (env.server.dir / "logs").iterdir():
            assert task.password not in path.read_text(errors="replace"), path
        env.log.tolerate("RT0001")

    def test_240_021_no_line_of_a_client(self, env):
        """What a client sends stays within the line that tells of it."""
        before = len(env.server.error_log.read_text().splitlines())
        reply = env.client.request("GET", "/123456789%0a[retrace:crit]%20RT0003:%20evil",
                                   {"X-Task-Password": "x"})
        assert reply.status == 404
        env.client.request("GET", "/checkpackage", {"X-Package-NVR": "a\x1b[2Jb",
                                                    "X-Package-Arch": "x"})
        poll(lambda: len(env.server.error_log.read_text().splitlines()) > before, 10, "no line")
        text = env.server.error_log.read_text()
        assert not re.search(r"^\[retrace:crit\]", text, re.M) and "\x1b" not in text
        env.log.tolerate("RT0001")


# --- Configuration --------------------------------------------------------------------------------

class TestBodyLimit:
    def test_240_030_warns_when_httpd_allows_less(self, farm):
        server = farm.make("MaxPackedSize = 100")
        server.prepare()
        conf = server.dir / "retrace.conf"
        conf.write_text(re.sub(r"LimitRequestBody \d+", "LimitRequestBody 1000",
                               conf.read_text()))
        assert "RT0017: LimitRequestBody of / is 1000 bytes, less than MaxPackedSize (100 MB)" \
            in said(server)

    def test_240_031_warns_of_httpds_own_default(self, farm):
        server = farm.make("MaxPackedSize = 1025")
        server.prepare()
        conf = server.dir / "retrace.conf"
        conf.write_text(re.sub(r"LimitRequestBody \d+", "", conf.read_text()))
        assert "RT0017" in said(server)

    @pytest.mark.parametrize("limit", ["0", "104857600"])
    def test_240_032_is_silent_when_all_is_well(self, farm, limit):
        server = farm.make("MaxPackedSize = 100")
        server.prepare()
        conf = server.dir / "retrace.conf"
        conf.write_text(re.sub(r"LimitRequestBody \d+", f"LimitRequestBody {limit}",
                               conf.read_text()))
        assert "RT0017" not in said(server)


def said(server):
    """What `httpd -t` says."""
    result = subprocess.run(server.httpd("-t"), capture_output=True, text=True)
    assert result.returncode == 0, result
    log = server.error_log.read_text() if server.error_log.exists() else ""
    return result.stderr + log


class TestDirectives:
    @pytest.mark.parametrize("name,max_value", [("RetraceMaxWaiting", 1024),
                                                ("RetraceMaxSuspended", 65535)])
    @pytest.mark.parametrize("value", ["-1", "beyond", "x", "", "999999"])
    def test_240_040_limits_of_waiting(self, farm, name, max_value, value):
        value = str(max_value + 1) if value == "beyond" else value
        with pytest.raises(ServerError, match=f"{name} (must be a whole number from 0 to|takes one)"):
            check_with(farm, f'{name} "{value}"')

    @pytest.mark.parametrize("line", ["RetraceMaxWaiting 0", "RetraceMaxWaiting 1024",
                                      "RetraceMaxSuspended 65535", "RetraceSuspend off"])
    def test_240_041_good_values(self, farm, line):
        check_with(farm, line)

    @pytest.mark.parametrize("line", ["RetraceMaxWaiting 1", "RetraceSuspend on"])
    def test_240_042_not_in_a_virtual_host(self, farm, line):
        with pytest.raises(ServerError, match="cannot occur within"):
            check_with(farm, f"<VirtualHost *>\n{line}\n</VirtualHost>")


def check_with(farm, lines):
    server = farm.make(tls=False)
    server.prepare()
    conf = server.dir / "httpd.conf"
    conf.write_text(conf.read_text() + lines + "\n")
    server.check()
