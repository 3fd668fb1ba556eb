# SPDX-License-Identifier: Apache-2.0
"""How uploads travel: refusals that spare the body, refusals in its middle, clients that hang up,
old clients, and connections that are used again."""
import concurrent.futures
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

import crash
from client import poll, read_reply, task_of
from conftest import parent_of

MIB = 1024 * 1024
BIG = 120 * MIB
ZEROS = bytes(MIB)
LINGER_S = 45  # httpd reads on for 30 s at most


def head(*lines):
    return "\r\n".join([*lines, "", ""]).encode()


def create_head(length, *more):
    return head("POST /create HTTP/1.1", "Host: localhost", "Content-Type: application/x-tar",
                f"Content-Length: {length}", *more)


def read_to_end(connection):
    """Everything up to the end of the connection, however it ends."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except OSError:
            return received
        if not piece:
            return received
        received += piece


def read_status(connection):
    """The status of the one reply that comes; reads only as much as its first line needs."""
    received = b""
    while b"\r\n" not in received:
        piece = connection.recv(4096)
        assert piece, "the connection ended before a reply"
        received += piece
    return int(received.split()[1])


def bad_start():
    """The beginning of an upload that is refused for its first member."""
    return crash.tar({}, crash.symlink("coredump", "/etc/passwd"))[:512]


@pytest.fixture(scope="module")
def plain(farm):
    return farm.start("MaxPackedSize = 200\nMaxQueuedTasks = 100", tls=False)


@pytest.fixture(scope="module")
def secure(farm):
    return farm.start("MaxPackedSize = 200")


@pytest.fixture(scope="module")
def single(farm):
    """One slot and no queue: an upload that is not cleaned up makes the next one fail. Without TLS,
    whose tickets a client leaves unread: closing would always be a reset."""
    return farm.start("MaxParallelTasks = 1", tls=False)


# --- Expect: 100-continue -------------------------------------------------------------------------

class TestExpect:
    @pytest.mark.parametrize("status,lines", [
        (411, ["Content-Type: application/x-tar", "Content-Length: 0"]),
        (415, ["Content-Type: text/plain", "Content-Length: 1000"]),
        (413, ["Content-Type: application/x-tar", f"Content-Length: {300 * MIB}"]),
        (403, ["Content-Type: application/x-tar", "Content-Length: 1000", "X-Task-Managed: 1"]),
        (409, ["Content-Type: application/x-tar", "Content-Length: 1000", "X-Task-Type: 4"]),
    ])
    def test_110_001_refused_by_headers(self, plain, status, lines):
        """The first thing that comes is the final status, and then the connection ends."""
        with plain.client.open() as connection:
            connection.sendall(head("POST /create HTTP/1.1", "Host: localhost",
                                    "Expect: 100-continue", *lines))
            assert read_to_end(connection).startswith(f"HTTP/1.1 {status} ".encode())

    def test_110_002_refused_by_a_full_server(self, single):
        with single.client.open() as holder, single.client.open() as second:
            holder.sendall(create_head(1000))
            poll(lambda: single.entries(".incoming"), 5, "no upload began")
            second.sendall(create_head(1000, "Expect: 100-continue"))
            assert read_to_end(second).startswith(b"HTTP/1.1 503 ")
        poll(lambda: not single.leftovers(), 5, "the slot was not given back")

    def test_110_003_accepted(self, plain, members):
        packed = crash.tar(members)
        with plain.client.open() as connection:
            connection.sendall(create_head(len(packed), "Expect: 100-continue",
                                           "Connection: close"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
            connection.sendall(packed)
            assert read_to_end(connection).startswith(b"HTTP/1.1 201 ")


# --- Refused in the middle ------------------------------------------------------------------------

class TestEarlyRefusal:
    @pytest.mark.parametrize("kind", ["plain", "secure"])
    def test_110_010_client_that_sends_everything_first(self, request, kind):
        """libsoup 3 reads only then; a reset would lose the status."""
        env = request.getfixturevalue(kind)
        with env.client.open() as connection:
            connection.sendall(create_head(BIG) + bad_start())
            for _ in range(BIG // MIB):
                connection.sendall(ZEROS)
            assert read_status(connection) == 403
        env.log.expect("RT0001", "refused with 403")

    @pytest.mark.parametrize("kind", ["plain", "secure"])
    def test_110_011_client_that_stops(self, request, kind):
        env = request.getfixturevalue(kind)
        with env.client.open() as connection:
            started = time.monotonic()
            connection.sendall(create_head(BIG) + bad_start() + 8 * ZEROS)
            assert read_status(connection) == 403
            assert time.monotonic() - started < 5
        poll(lambda: not env.leftovers(), 5, "the refused upload was not removed")

    def test_110_012_refusal_closes_the_connection(self, plain):
        with plain.client.open() as connection:
            connection.sendall(create_head(BIG) + bad_start() + 8 * ZEROS)
            reply = read_to_end(connection)
        assert reply.startswith(b"HTTP/1.1 403 ")
        assert b"\r\nConnection: close\r\n" in reply


    def test_110_013_client_that_stops_after_the_offence(self, plain):
        """The verdict is known while httpd waits for more: it must not wait for that."""
        with plain.client.open(timeout=5) as connection:
            connection.sendall(create_head(BIG) + bad_start() + ZEROS[:65536])
            assert read_status(connection) == 403


@pytest.fixture(scope="module", autouse=True)
def trickle(plain):
    """A client that goes on sending after its refusal: began before the tests, judged last."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(send_slowly, plain.client)


def send_slowly(client):
    """Seconds until the server ended it."""
    started = time.monotonic()
    with client.open() as connection:
        connection.sendall(create_head(BIG) + bad_start() + 8 * ZEROS)
        while time.monotonic() - started < LINGER_S:
            try:
                connection.sendall(b"x")
            except OSError:
                break
            time.sleep(0.25)
    return time.monotonic() - started


# --- Hanging up -----------------------------------------------------------------------------------

def hang_up_by_fin(connection):
    connection.close()


def hang_up_by_reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class TestHangUp:
    @pytest.mark.parametrize("hang_up", [hang_up_by_fin, hang_up_by_reset])
    def test_110_020_leaves_nothing(self, single, upload, hang_up):
        connection = single.client.open()
        connection.sendall(create_head(len(upload)) + upload[:-1])
        poll(lambda: single.entries(".incoming") and single.entries("queue"), 5, "nothing began")
        hang_up(connection)
        poll(lambda: not single.leftovers() and not single.server.programs(), 5,
             "the upload was not cleaned up")
        single.log.expect("RT0011")
        assert single.client.wait(single.client.submit(upload)) == "FINISHED_SUCCESS"
        single.wait_idle()

    def test_110_021_before_the_first_byte(self, single):
        connection = single.client.open()
        connection.sendall(create_head(1000))
        poll(lambda: single.entries(".incoming"), 5, "nothing began")
        connection.close()
        poll(lambda: not single.leftovers() and not single.server.programs(), 5,
             "the upload was not cleaned up")

    def test_110_022_after_the_last_byte(self, single, upload):
        """The whole upload is there: the task is made and ends, though nobody asks for it."""
        before = set(single.entries("."))
        connection = single.client.open()
        connection.sendall(create_head(len(upload)) + upload)
        hang_up_by_fin(connection)
        new = poll(lambda: set(single.entries(".")) - before, 10, "no task was made")
        finished = single.server.spool / new.pop() / "finished_time"
        poll(finished.exists, 20, "the task has not ended")
        single.wait_idle()


# --- Slow uploads ---------------------------------------------------------------------------------

def stored_bytes(env):
    files = env.server.spool.glob(".incoming/*/crash/coredump")
    return sum(path.stat().st_size for path in files)


class TestSlow:
    def test_110_030_decodes_while_it_arrives(self, plain, members):
        """Nearly all is on the disk before the last byte is sent."""
        core = members["coredump"] + b"tail" * (8 * MIB)
        packed = crash.gz(crash.tar({**members, "coredump": core}))
        with plain.client.open() as connection:
            connection.sendall(create_head(len(packed), "Connection: close") + packed[:-4])
            poll(lambda: stored_bytes(plain) == len(core), 20, "the core was not unpacked")
            started = time.monotonic()
            connection.sendall(packed[-4:])
            assert read_to_end(connection).startswith(b"HTTP/1.1 201 ")
            assert time.monotonic() - started < 2

    def test_110_031_too_slow(self, farm):
        """A virtual host has a limit of its own; it shares everything else."""
        env = farm.start(extra_httpd="<VirtualHost *>\nRequestReadTimeout body=1\n</VirtualHost>")
        with env.client.open() as connection:
            started = time.monotonic()
            connection.sendall(create_head(1000) + b"x")
            reply = read_to_end(connection)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert b"text/plain; charset=utf-8" in reply
        assert 0.5 < time.monotonic() - started < 10
        env.log.expect("RT0011")
        poll(lambda: not env.leftovers(), 5, "the upload was not cleaned up")

    def test_110_032_shipped_limits(self, env):
        """What the installed file says: a slow line may be slow, a silent one ends."""
        text = (env.server.dir / "retrace.conf").read_text()
        assert "RequestReadTimeout handshake=5 header=10-20,MinRate=500 body=20,MinRate=20000" \
            in text


# --- Connections ----------------------------------------------------------------------------------

def post(connection, upload):
    connection.request("POST", "/create", upload, {"Content-Type": crash.XZ})
    return read_reply(connection)


class TestConnections:
    def test_110_040_two_uploads_on_one_connection(self, plain, upload):
        connection = plain.client.connect()
        first = task_of(post(connection, upload))
        used = connection.sock
        second = task_of(post(connection, upload))
        assert connection.sock is used and first.id != second.id
        connection.request("GET", f"/{second.id}", headers={"X-Task-Password": second.password})
        assert read_reply(connection).status == 200
        assert connection.sock is used
        connection.close()

    def test_110_041_connection_close(self, plain, upload):
        with plain.client.open() as connection:
            connection.sendall(create_head(len(upload), "Connection: close") + upload)
            reply = read_to_end(connection)
        assert reply.startswith(b"HTTP/1.1 201 ") and b"\r\nConnection: close\r\n" in reply

    def test_110_042_http_1_0(self, plain, upload):
        with plain.client.open() as connection:
            connection.sendall(head("POST /create HTTP/1.0", f"Content-Type: {crash.XZ}",
                                    f"Content-Length: {len(upload)}") + upload)
            reply = read_to_end(connection)
        assert reply.split()[1] == b"201"
        assert b"\r\nContent-Length: 0\r\n" in reply and b"chunked" not in reply

    def test_110_043_get_with_length_0(self, plain, upload):
        task = plain.client.submit(upload)
        reply = plain.client.request("GET", f"/{task.id}", {"X-Task-Password": task.password,
                                                            "Content-Length": "0"})
        assert reply.status == 200


class OldClient:
    """ABRT before 2.11.1: NSS, header order and all; reads until the server closes."""

    def __init__(self, client):
        self.client = client

    def _talk(self, request):
        with self.client.open() as connection:
            connection.sendall(request)
            header, body = read_to_end(connection).split(b"\r\n\r\n", 1)
        lines = header.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        assert "Transfer-Encoding" not in fields
        assert fields["Content-Length"] == str(len(body))
        return int(lines[0].split()[1]), fields, body.decode()

    def create(self, upload):
        return self._talk(head(
            "POST /create HTTP/1.1", "Host: localhost", f"Content-Type: {crash.XZ}",
            f"Content-Length: {len(upload)}", "Connection: close", "X-Task-Type: 0",
            "Accept-Charset: UTF-8", "Accept-Language: cs_CZ.UTF-8") + upload)

    def get(self, path, password):
        return self._talk(head(
            f"GET {path} HTTP/1.1", "Host: localhost", f"X-Task-Password: {password}",
            "Content-Length: 0", "Connection: close", "Accept-Charset: UTF-8",
            "Accept-Language: cs_CZ.UTF-8"))


class TestOldClient:
    @pytest.mark.parametrize("slash", ["/", "//"])
    def test_110_050_whole_conversation(self, secure, upload, slash):
        client = OldClient(secure.client)
        status, fields, _ = client.create(upload)
        assert status == 201
        path, password = slash + fields["X-Task-Id"], fields["X-Task-Password"]
        poll(lambda: client.get(path, password)[1]["X-Task-Status"] == "FINISHED_SUCCESS", 30,
             "no success")
        status, _, text = client.get(path + "/backtrace", password)
        assert status == 200 and "#0 " in text and "\0" not in text
        assert client.get(path + "/log", password)[0] == 200


def test_110_090_server_does_not_read_for_ever(trickle):
    assert trickle.result(LINGER_S) < LINGER_S - 5


# --- The program that receives --------------------------------------------------------------------

def readers(env):
    """Of the two processes of an upload the one that decodes it."""
    found = {pid for pid, name in env.server.programs().items() if name == "retrace-ingest"}
    return {pid for pid in found if parent_of(pid) in found}


def tasks(env):
    return [name for name in env.entries(".") if name.isdigit()]


def receive_unheard(env, upload):
    """What httpd does, but for the end: it is gone before it has written the last byte."""
    ingest = subprocess.Popen([env.server.dir / "libexec" / "retrace-ingest", env.server.config],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              user=env.server.owner().pw_uid, group=env.server.owner().pw_gid,
                              extra_groups=[])
    ingest.stdin.write(f"retrace-receive 2\nlength: {len(upload)}\ntype: 0\ncontent: {crash.XZ}\n"
                       "client: 192.0.2.1\nmanaged: 0\ndirectory: -\n\n".encode() + upload[:-1])
    ingest.stdin.flush()
    assert ingest.stdout.readline() == b"go\n"
    ingest.stdout.close()
    ingest.stdin.write(upload[-1:])
    ingest.stdin.close()
    ingest.wait(timeout=60)


class TestIngest:
    def test_110_070_takes_too_long_to_unpack(self, env, upload):
        """The signal of the limit, which itself is minutes away."""
        with env.client.open() as connection:
            connection.sendall(create_head(len(upload)) + upload[:-1])
            poll(lambda: readers(env), 10, "nobody reads the upload")
            for pid in readers(env):
                os.kill(pid, signal.SIGXCPU)
            poll(lambda: not readers(env), 10, "the reader goes on")
            connection.sendall(upload[-1:])
            assert read_status(connection) == 413
        env.log.expect("RT0001", "refused with 413: The upload takes too long to unpack")
        poll(lambda: not env.leftovers(), 5, "the upload was not cleaned up")

    def test_110_071_a_task_that_nobody_hears_of_is_none(self, env, upload):
        before = tasks(env)
        receive_unheard(env, upload)
        assert tasks(env) == before
        assert not env.leftovers()
