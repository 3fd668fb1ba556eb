# SPDX-License-Identifier: Apache-2.0
"""retrace-server-task against servers that answer anything: what it makes of answers to /settings
and /create, how `batch` waits, and how certificates are checked."""
import json
import signal
import socket
import subprocess
import threading

import pytest

from fake_server import (CREATED, FAILURE, ID, NEW, OLD, PASSWORD, PENDING, SUCCESS, Answer,
                         FakeServer, json_state, make_certificate, state)
from task_client import (CLIENT, FAILED, INTERRUPTED, IO, OK, PROTOCOL, REFUSED, SOURCE,
                         UNAVAILABLE, client, core, environment, refused, sentence)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


# --- What is no retrace server ------------------------------------------------------------------


@pytest.mark.parametrize("answer, code, text", [
    (Answer(404, b"<html>not here"), PROTOCOL, "no retrace server at http://127.0.0.1"),
    (Answer(200, b"<html>hello"), PROTOCOL, "no retrace server"),
    (Answer(200, b""), PROTOCOL, "no retrace server"),
    (Answer(200, b"x" * (64 * 1024 + 1)), PROTOCOL, "longer than 65536 bytes"),
    (Answer(200, b"x", {"X-Long": "x" * (65 * 1024)}), PROTOCOL, "longer than"),
    (Answer(302, b"", {"Location": "https://example.org/\x1b[2J"}), PROTOCOL,
     "the address is another one, https://example.org/?[2J"),
    (Answer(500, b"The server failed."), UNAVAILABLE, "answers 500: The server failed"),
    (Answer(200, b"max_run", cut=True), UNAVAILABLE, "no answer from"),
    (Answer(silent=True), UNAVAILABLE, "no answer from"),
])
def test_910_001_wrong_settings(core, answer, code, text):
    with FakeServer(settings=OLD) as server:
        server.answers["settings"] = [answer]
        refused(client(server, "create", core), code, text)
    assert not server.asked("create")


def test_910_002_the_longest_settings_are_read(core):
    settings = OLD + "\nmore " + "x" * (64 * 1024 - len(OLD) - 6)
    assert len(settings) == 64 * 1024
    with FakeServer(settings) as server:
        assert client(server, "create", core).returncode == OK


def test_910_003_nobody_listens(core):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
        refused(client(url, "create", core), UNAVAILABLE, f"no answer from {url}/: ")


def test_910_004_a_server_that_says_nothing(core):
    hold = threading.Event()
    with FakeServer() as server:
        server.answers["settings"] = [Answer(hold=hold)]
        refused(client(server, "--timeout", "1", "create", core), UNAVAILABLE, "Timeout")
        hold.set()


# --- What the server answers to an upload -------------------------------------------------------


@pytest.mark.parametrize("status, code", [
    (400, PROTOCOL), (401, REFUSED), (403, REFUSED), (404, PROTOCOL), (408, UNAVAILABLE),
    (409, REFUSED), (411, PROTOCOL), (413, SOURCE), (415, PROTOCOL), (429, UNAVAILABLE),
    (500, UNAVAILABLE), (503, UNAVAILABLE), (507, UNAVAILABLE), (200, PROTOCOL), (301, PROTOCOL),
])
def test_910_005_refusals(core, status, code):
    answer = Answer(status, b"Not \x1b]0;owned\x07this %s one.\n")
    with FakeServer(OLD, create=[answer]) as server:
        refused(client(server, "create", core), code,
                f"the server answers {status}: Not ?]0;owned?this %s one")
    assert len(server.asked("create")) == 1


def test_910_006_the_page_of_a_proxy_is_not_shown(core):
    with FakeServer(OLD, create=[Answer(502, b"<html>much</html>")]) as server:
        refused(client(server, "create", core), UNAVAILABLE, "answers 502: it gives no reason")


def receipt(**headers):
    return Answer(201, headers={**CREATED.headers,
                                **{k.replace("_", "-"): v for k, v in headers.items()}})


@pytest.mark.parametrize("answer, text", [
    (receipt(X_Task_Id="12345678"), "proper id"), (receipt(X_Task_Id="023456789"), "proper id"),
    (receipt(X_Task_Id="../../etc"), "proper id"), (Answer(201), "proper id"),
    (receipt(X_Task_Password="two words"), "proper password"),
    (receipt(X_Task_Password="esc\x1b[2J"), "proper password"),
    (receipt(X_Task_Password="x" * 129), "proper password"),
    (receipt(X_Task_Password=None), "proper password"),
])
def test_910_007_a_receipt_that_is_none(core, answer, text):
    with FakeServer(OLD, create=[answer]) as server:
        refused(client(server, "create", core), PROTOCOL, text)


def test_910_008_the_longest_password(core):
    with FakeServer(OLD, create=[receipt(X_Task_Password="x" * 128)]) as server:
        assert client(server, "create", core).stdout.endswith("x" * 128 + "\n")


def test_910_009_the_receipt_as_json_in_a_file(core, tmp_path):
    with FakeServer(OLD, create=[receipt(X_Task_Est_Time="42")]) as server:
        result = client(server, "create", core, "--json", "-o", tmp_path / "receipt")
    assert (result.returncode, result.stdout, result.stderr) == (OK, "", "")
    assert json.loads((tmp_path / "receipt").read_text(encoding="ascii")) == {
        "id": ID, "password": PASSWORD, "server": server.url + "/", "estimated_seconds": 42}


def test_910_010_a_stream_that_nobody_asked_for_is_left(core):
    """SynchronousDefault of the server: the body ends with the task, not before."""
    hold = threading.Event()
    streaming = Answer(201, b"X-Task-Status: FINISHED_SUCCESS\n", CREATED.headers, hold_body=hold)
    with FakeServer(OLD, create=[streaming]) as server:
        assert client(server, "create", core).returncode == OK
        hold.set()


# --- Batch --------------------------------------------------------------------------------------


def test_910_011_batch_with_an_old_server(core):
    with FakeServer(OLD, state=[PENDING, PENDING, SUCCESS]) as server:
        result = client(server, "batch", core, "--delay", "1")
    assert (result.returncode, result.stdout) == (OK, "#0 main\n")
    assert result.stderr == f"Task Id: {ID}\nTask Password: {PASSWORD}\n"
    assert {r.path for r in server.asked(ID)} == {f"/some/where/{ID}"}
    assert len(server.asked(ID)) == 3


def test_910_012_batch_with_a_new_server_polls_long(core):
    pending = json_state("PENDING", b'{"text": "Generating backtrace", "percent": 50}')
    with FakeServer(NEW, state=[pending, SUCCESS]) as server:
        result = client(server, "batch", "-q", core, "--delay", "3600")
    assert (result.returncode, result.stdout, result.stderr) == (OK, "#0 main\n", "")
    assert {r.path for r in server.asked(ID)} == {f"/some/where/{ID}?wait=30"}
    assert server.asked(ID)[0].headers["Accept"] == "application/json"


def test_910_013_a_failed_task_shows_its_log(core):
    log = Answer(body=b"[E] no \x1b[31mdebug information\nend\n")
    with FakeServer(OLD, state=[FAILURE], log=[log]) as server:
        result = client(server, "batch", core, "--delay", "1")
    assert (result.returncode, result.stdout) == (FAILED, "")
    assert "[E] no ?[31mdebug information\nend\n" in result.stderr
    assert sentence(result) == f"task {ID} failed"


def test_910_014_the_backtrace_in_a_file(core, tmp_path):
    target = tmp_path / "backtrace"
    target.write_text("old", encoding="ascii")
    raw = b"#0 \x1b[1mmain\x00\n"
    with FakeServer(OLD, backtrace=[Answer(body=raw)]) as server:
        result = client(server, "batch", core, "--delay", "1", "-o", target)
    assert (result.returncode, result.stdout) == (OK, "")
    assert target.read_bytes() == raw
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backtrace", "core.1234"]


def test_910_015_a_full_server_is_tried_again(core):
    full = Answer(503, b"The server is fully occupied.", {"Retry-After": "1"})
    with FakeServer(OLD, create=[full, full, CREATED]) as server:
        assert client(server, "batch", core, "--delay", "1").stdout == "#0 main\n"
    bodies = {request.body for request in server.asked("create")}
    assert (len(server.asked("create")), len(bodies)) == (3, 1)


def test_910_016_three_times_and_no_more(core):
    full = Answer(503, b"Full.", {"Retry-After": "1"})
    with FakeServer(OLD, create=[full]) as server:
        refused(client(server, "batch", core, "--delay", "1"), UNAVAILABLE, "answers 503: Full")
    assert len(server.asked("create")) == 3


def test_910_017_other_refusals_are_final(core):
    with FakeServer(OLD, create=[Answer(403, b"No.", {"Retry-After": "1"})]) as server:
        refused(client(server, "batch", core), REFUSED, "answers 403: No")
    assert len(server.asked("create")) == 1


def test_910_018_a_server_that_restarts_meanwhile(core):
    gone = Answer(silent=True)
    with FakeServer(OLD, state=[gone, Answer(502, b"<html>"), gone, PENDING, gone,
                                SUCCESS]) as server:
        assert client(server, "batch", core, "--delay", "1").stdout == "#0 main\n"


def test_910_019_a_server_that_stays_away(core):
    with FakeServer(OLD, state=[Answer(503, b"Gone.")]) as server:
        result = client(server, "batch", core, "--delay", "1")
    refused(result, UNAVAILABLE, "answers 503: Gone")
    assert f"retrace-server-task -s {server.url}/ status {ID}\n" in result.stderr
    assert len(server.asked(ID)) == 5


@pytest.mark.parametrize("answer", [
    Answer(body=b"PENDING"), state("DONE"), state("PENDING\x1b", "x"),
    json_state("PENDING", b"[1]"), state("PENDING", "x" * (64 * 1024 + 1)),
])
def test_910_020_a_state_that_is_none(core, answer):
    with FakeServer(OLD, state=[answer]) as server:
        refused(client(server, "batch", "-q", core, "--delay", "1"), PROTOCOL, "server")


SYNC = NEW.replace("features", "features sync")


def test_910_021_the_answer_on_the_same_connection(core):
    body = b"X-Task-Status: PENDING\n[I] log\nX-Task-Status: FINISHED_SUCCESS\n#0 streamed\n"
    with FakeServer(SYNC, create=[Answer(201, body, CREATED.headers)]) as server:
        result = client(server, "batch", core)
    assert (result.returncode, result.stdout) == (OK, "#0 streamed\n")
    assert server.asked("create")[0].headers["X-Task-Sync"] == "1"
    assert not server.asked(ID)


def test_910_022_it_is_not_asked_for_with_no_sync(core):
    with FakeServer(SYNC) as server:
        assert client(server, "batch", "--no-sync", core).stdout == "#0 main\n"
    assert "X-Task-Sync" not in server.asked("create")[0].headers


def test_910_023_a_stream_that_breaks_off_is_asked_after(core):
    body = b"X-Task-Status: PENDING\nX-Task-Status: FINISHED_SUCCESS\n#0 ha"
    with FakeServer(SYNC, create=[Answer(201, body, CREATED.headers, cut=True)]) as server:
        assert client(server, "batch", core).stdout == "#0 main\n"


def test_910_024_a_stream_that_says_failure(core):
    body = b"X-Task-Status: FINISHED_FAILURE\n"
    with FakeServer(SYNC, create=[Answer(201, body, CREATED.headers)]) as server:
        result = client(server, "batch", core)
    assert (result.returncode, result.stdout) == (FAILED, "")
    assert "it went wrong" in result.stderr


def test_910_025_json_that_the_server_cannot_give_is_refused_at_once(core):
    with FakeServer(OLD) as server:
        refused(client(server, "batch", "--json", core), UNAVAILABLE, "the server gives no JSON")
    assert not server.asked("create")


def test_910_026_the_backtrace_as_json(core):
    answer = Answer(body=b'{"threads": []}', headers={"Content-Type": "application/json"})
    with FakeServer(SYNC, backtrace=[answer]) as server:
        result = client(server, "batch", "--json", core)
    assert json.loads(result.stdout) == {"threads": []}
    assert "X-Task-Sync" not in server.asked("create")[0].headers


@pytest.mark.parametrize("settings", [OLD, NEW, SYNC])
def test_910_027_ctrl_c_says_how_to_go_on(core, settings):
    hold = threading.Event()
    slow = Answer(201, b"X-Task-Status: PENDING\n", CREATED.headers, hold_body=hold)
    held = state("PENDING", hold=hold)
    with FakeServer(settings, create=[slow if settings is SYNC else CREATED],
                    state=[held]) as server:
        process = subprocess.Popen([CLIENT, "-s", server.url, "batch", core, "--delay", "3600"],
                                   stderr=subprocess.PIPE, text=True, env=environment())
        try:
            assert process.stderr.readline() == f"Task Id: {ID}\n"
            process.send_signal(signal.SIGINT)
            text = process.communicate(timeout=20)[1]
        finally:
            process.kill()
            hold.set()
    assert process.returncode == INTERRUPTED
    assert f"retrace-server-task -s {server.url}/ status {ID}\n" in text
    assert text.endswith("retrace-server-task: interrupted\n")


# --- TLS ----------------------------------------------------------------------------------------


def test_910_028_the_certificate_is_checked(core, tls, tmp_path):
    (tmp_path / "bad.pem").write_text("no certificate", encoding="ascii")
    with FakeServer(OLD, tls=tls) as server:
        refused(client(server, "create", core), UNAVAILABLE, "is not trusted here")
        assert client(server, "create", core, "--cacert", tls / "cert.pem").returncode == OK
        assert client(server, "create", core, "-k").returncode == OK
        refused(client(server, "create", core, "--cacert", tmp_path / "bad.pem"), IO,
                "holds no certificates")
        refused(client(f"https://localhost:{server.httpd.server_port}", "create", core, "--cacert",
                       tls / "cert.pem"), UNAVAILABLE, "is not trusted here")


def test_910_029_https_is_meant_without_a_scheme(core, tls):
    with FakeServer(OLD, tls=tls) as server:
        assert client(server.url.removeprefix("https://"), "create", core, "-k").returncode == OK
