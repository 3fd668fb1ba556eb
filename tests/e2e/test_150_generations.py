# SPDX-License-Identifier: Apache-2.0
"""Deployed clients work unchanged: each generation of ABRT's client, libsoup itself, and the tool
of the old retrace server, each from its first question to its result."""
import json
import os
import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest

import crash
import generations
import soup_client
from gate import Gate
from generations import GENERATIONS, Batch, generation_of, knowing
from task_tool import TaskTool
from transports import Fatal, Nss, Soup

MIB = 1024 * 1024
HERE = Path(__file__).resolve().parent
BASE = "/crashes/retrace"
RELEASES = sorted({generation.system.release for generation in GENERATIONS})
MORE_RELEASES = [f"alma-{number}-x86_64" for number in range(1, 41)]
# What an admin may set and load, and what breaks old clients if it reaches them: sizes that
# overflow their integers, a body that comes with the task, more releases than they hold, compressed
# replies.
HARSH = "MaxPackedSize = 3000\nMaxUnpackedSize = 3000\nSynchronousDefault = 1\nMaxQueuedTasks = 100"
DEFLATE = """LoadModule deflate_module {modules}/mod_deflate.so
SetOutputFilter DEFLATE
"""
ENDPOINTS = {"/settings", "/checkpackage", "/create", "/<id>", "/<id>/backtrace",
             "/<id>/exploitable", "/<id>/log"}


def name_of(value):
    return str(value) if isinstance(value, generations.Generation) else None


def each(*words):
    """Each generation that knows all of this."""
    return pytest.mark.parametrize("generation", knowing(*words), ids=name_of)


@pytest.fixture(scope="module")
def repositories(farm):
    """The package that crashed, for each release and architecture that clients name: empty files,
    whose names count where there is no index."""
    place = farm.place / "generations-repositories"
    for release in RELEASES + MORE_RELEASES:
        (place / release / "repodata").mkdir(parents=True)
    for generation in GENERATIONS:
        system = generation.system
        (place / system.release / f"tiny-1.0-1.{system.arch}.rpm").touch()
    return place


def start(farm, repositories, settings, **how):
    return farm.start(f"RepoDir = {repositories}\n{settings}",
                      stand_ins={"retrace-server-index": None}, **how)


def start_harsh(farm, repositories, **how):
    modules = farm.make().values["HTTPD_MODULES"]
    return start(farm, repositories, HARSH, extra_httpd=DEFLATE.format(modules=modules), **how)


@pytest.fixture(scope="module")
def root(farm, repositories):
    """At the only path that clients before 2.11.1 know."""
    return start_harsh(farm, repositories)


@pytest.fixture(scope="module")
def below(farm, repositories):
    return start_harsh(farm, repositories, location=f"{BASE}/")


@pytest.fixture(scope="module")
def small(farm, repositories):
    return start(farm, repositories, "MaxPackedSize = 1\nMaxUnpackedSize = 2")


@pytest.fixture(scope="module")
def full(farm, repositories, upload, clean_logs):  # ends before clean_logs stops its server
    gate = Gate(farm, "generations")
    env = start(farm, repositories, f"MaxParallelTasks = 1\n{gate.setting}")
    env.client.submit(upload)
    yield env
    gate.open()
    env.wait_idle(60)


def transport_of(env, generation):
    if generation.is_nss:
        return Nss(env.client, generation)
    return Soup(env.client, generation, env.client.prefix)


def batch(env, generation, directory):
    return Batch(generation, transport_of(env, generation), directory)


def shown(env, generation, directory):
    """What the client's user reads when it gives up."""
    with pytest.raises(Fatal) as fatal:
        batch(env, generation, directory).run()
    return str(fatal.value)


def claim_refusal(env, status):
    env.log.expect("RT0001", f"refused with {status}")


# --- The whole way --------------------------------------------------------------------------------

class Walks:
    """Each generation's batch with a sound crash and with a broken one, when first asked for."""

    def __init__(self, place, members, root, below):
        self.place, self.members, self.root, self.below = place, members, root, below
        self.made = {}

    def of(self, generation, kind):
        """The batch, and its outcome."""
        if (generation, kind) not in self.made:
            self.made[generation, kind] = self._walk(generation, kind)
        return self.made[generation, kind]

    def _walk(self, generation, kind):
        sound = kind == "sound"
        others = {} if sound else {"coredump": b"this is no core"}
        directory = generations.write_crash(self.place / f"{generation}-{kind}", generation,
                                            self.members, **others)
        env = self.root if sound or generation.is_nss else self.below
        work = batch(env, generation, directory)
        return work, work.run()


@pytest.fixture(scope="module")
def walks(tmp_path_factory, members, root, below):
    return Walks(tmp_path_factory.mktemp("walks"), members, root, below)


class TestBatch:
    @each()
    def test_150_001_backtrace(self, walks, generation):
        _, outcome = walks.of(generation, "sound")
        assert outcome.exit_code == 0
        assert re.search(r"^#0 .*\bread_null\b", outcome.backtrace, re.M)
        if "message" in generation.knows:
            assert outcome.messages[-1] == "Retrace job finished successfully"
        if "rating" in generation.knows:
            assert outcome.rating in range(0, 10)

    @each()
    def test_150_002_failed_task(self, walks, generation):
        """The client prints the log; its last line is the reason."""
        _, outcome = walks.of(generation, "broken")
        assert (outcome.exit_code, outcome.backtrace) == (1, None)
        assert re.search(r"\[E\] .*core", outcome.log.splitlines()[-1])
        if "message" in generation.knows:
            assert outcome.messages[-1] == "Retrace job failed"

    @pytest.mark.parametrize("generation", [g for g in GENERATIONS if not g.is_nss], ids=name_of)
    def test_150_003_connection_is_kept(self, walks, generation):
        """From the first question to the result: nothing here is refused."""
        work, _ = walks.of(generation, "sound")
        assert work.transport.connections == 1

    @each("rating")
    def test_150_004_no_rating(self, root, walks, generation):
        """Most crashes of the world have one; the client knows what 404 means."""
        work, outcome = walks.of(generation, "sound")
        rating = root.server.spool / work.task / "results" / "exploitable"
        rating.rename(rating.with_name("hidden"))
        assert outcome.rating is not None and work.ask_rating() is None
        rating.with_name("hidden").rename(rating)
        claim_refusal(root, 404)

    def test_150_005_replies_fit_all_clients(self, walks):
        """Of all endpoints, to all clients: no chunks, an exact length, nothing compressed, and
        nothing that a client which reads C strings and lines would misread."""
        seen = set()
        for generation in GENERATIONS:
            for kind in ("sound", "broken"):
                work, _ = walks.of(generation, kind)
                for exchange in work.transport.exchanges:
                    check_exchange(exchange)
                    seen.add((generation.is_nss, endpoint_of(exchange)))
        assert seen == {(is_nss, endpoint) for is_nss in (True, False) for endpoint in ENDPOINTS}


def endpoint_of(exchange):
    path = exchange.path.replace(BASE, "").replace("//", "/")
    return re.sub(r"^/\d{9}\b", "/<id>", path)


def check_exchange(exchange):
    names = [name.lower() for name, _ in exchange.headers]
    for name in ("transfer-encoding", "content-encoding", "location"):
        assert name not in names, exchange
    assert names.count("content-length") == 1, exchange
    assert exchange.header("Content-Length") == str(len(exchange.content)), exchange
    assert b"\0" not in exchange.content and b"\r" not in exchange.content, exchange
    assert exchange.content or exchange.path.endswith("/create"), exchange


# --- What clients say when they are refused -------------------------------------------------------

@pytest.fixture
def crash_of(tmp_path, members):
    """Writes a directory with a crash."""
    def write(generation, **others):
        return generations.write_crash(tmp_path / "crash", generation, members, **others)
    return write


class TestRefusals:
    @each("settings")
    def test_150_010_full_server_is_left_alone(self, full, crash_of, generation):
        text = shown(full, generation, crash_of(generation))
        assert text == "The server is fully occupied. Try again later."

    def test_150_011_full_server_to_the_oldest(self, full, crash_of):
        generation = generation_of("2.0.0")
        text = shown(full, generation, crash_of(generation))
        assert text.startswith("Unexpected HTTP response from server: 503\nThe server is ")
        claim_refusal(full, 503)

    @each("lists")
    def test_150_012_unknown_release(self, root, crash_of, generation):
        generation = generation.on(generations.System("plan-9-x86_64", "Plan 9"))
        text = shown(root, generation, crash_of(generation))
        assert text == "The release 'plan-9-x86_64' is not supported by the Retrace server."

    def test_150_013_release_with_blanks(self, root, crash_of):
        """No list that is divided by blanks can name what this client makes of RHEL."""
        generation = generation_of("2.14.3").on(generations.RHEL_8_BY_BUGZILLA)
        assert "is not supported" in shown(root, generation, crash_of(generation))

    @each("package")
    def test_150_014_unknown_package(self, root, crash_of, generation):
        text = shown(root, generation, crash_of(generation, package=b"other-1.0-1"))
        assert text == "Unknown package sent to Retrace server."
        claim_refusal(root, 404)

    @each()
    def test_150_015_crash_too_large(self, small, crash_of, generation):
        text = shown(small, generation, crash_of(generation, coredump=bytes(3 * MIB)))
        if "settings" in generation.knows:
            assert f"only accepts crashes smaller or equal to {2 * MIB}." in text
        else:
            assert "server: 413\n" in text and "2 MB" in text
            claim_refusal(small, 413)

    @pytest.mark.parametrize("version", ["2.0.0", "2.0.1", "2.6.3", "2.12.1", "2.15-dev"])
    def test_150_016_archive_too_large(self, small, crash_of, version):
        generation = generation_of(version)
        text = shown(small, generation, crash_of(generation, coredump=os.urandom(MIB)))
        if "settings" in generation.knows:
            assert f"only accepts archives smaller or equal to {MIB}." in text
        else:
            assert "server: 413\n" in text and "1 MB" in text
            claim_refusal(small, 413)

    @each()
    def test_150_017_link_in_the_archive(self, root, crash_of, generation):
        """The client looks through a link, tar packs it as what it is."""
        directory = crash_of(generation)
        (directory / "executable").rename(directory / "elsewhere")
        (directory / "executable").symlink_to("elsewhere")
        text = shown(root, generation, directory)
        assert "malicious" in text if "explains" in generation.knows else "server: 403\n" in text
        claim_refusal(root, 403)

    @each("type")
    def test_150_018_kernel_dump(self, root, crash_of, generation):
        text = shown(root, generation, crash_of(generation, vmcore=b"KDUMP   "))
        assert text == ("Unexpected HTTP response from server: 409\n"
                        "This server does not analyse kernel dumps.")
        claim_refusal(root, 409)

    @each("explains")
    def test_150_019_no_room(self, farm, repositories, crash_of, generation, crammed):
        """The body of a 507 is shown; some print it as a format."""
        text = shown(crammed, generation, crash_of(generation))
        assert "free space" in text and "%" not in text
        claim_refusal(crammed, 507)

    @pytest.fixture(scope="class")
    def crammed(self, farm, repositories):
        return start(farm, repositories, "MinStorageLeft = 16000000")


class TestLimitsOfClients:
    """That the server does what these tests are for; it must be possible to do otherwise."""

    @pytest.mark.parametrize("version,works", [("2.1.8", False), ("2.6.3", True)])
    def test_150_020_sizes_of_32_bits(self, farm, repositories, crash_of, version, works):
        env = start(farm, repositories, "MaxPackedSize = 2048\nMaxUnpackedSize = 2048\n"
                                        "MaxAdvertisedSize = 2048")
        generation = generation_of(version)
        if works:
            assert batch(env, generation, crash_of(generation)).run().exit_code == 0
        else:
            assert f"equal to {-2048 * MIB}." in shown(env, generation, crash_of(generation))
        farm.stop(env)

    def test_150_021_hello_of_ssl_2(self, farm):
        """So clients up to 2.1.11 begin, without a list of signatures: OpenSSL 3 answers where the
        admin lets it."""
        env = farm.start("", extra_httpd="SSLCipherSuite DEFAULT:@SECLEVEL=0")
        suites = b"".join(struct.pack(">I", suite)[1:] for suite in (0xC02F, 0x9C, 0x2F, 0x35))
        hello = struct.pack(">BHHHH", 1, 0x0303, len(suites), 0, 32) + suites + os.urandom(32)
        with socket.create_connection(env.client.address, timeout=20) as connection:
            connection.sendall(struct.pack(">H", 0x8000 | len(hello)) + hello)
            assert connection.recv(1) == b"\x16"  # a handshake; an alert would be 0x15
        farm.stop(env)

    def test_150_022_chunks_are_taken_literally(self, root, upload):
        """No old client asks for this body, and the check of all replies would find it."""
        transport = transport_of(root, generation_of("2.10.9"))
        exchange = transport.ask("POST", "/create", [("Content-Type", crash.XZ),
                                                     ("X-Task-Sync", "1")], upload)
        assert re.match("[0-9a-f]+\r\n", exchange.body)
        with pytest.raises(AssertionError, match="transfer-encoding' not in"):
            check_exchange(exchange)

    def test_150_023_list_of_releases_is_cut(self, root):
        """31 fit; the last one that all clients see is one that the server offers."""
        transport = transport_of(root, generation_of("2.0.4.980"))
        told = generations.parse_settings(transport.ask("GET", "/settings").body, 32)
        assert len(told["supported_releases"]) == 31
        assert set(RELEASES) <= set(told["supported_releases"])
        assert told["supported_releases"][-1] in MORE_RELEASES


# --- Refused while they send ----------------------------------------------------------------------

BODY = 8 * MIB
EARLY = {413: ("small", crash.XZ), 415: ("root", "text/plain"), 503: ("full", crash.XZ)}


@pytest.fixture(params=EARLY)
def early(request):
    """A status, who gives it, and for which content type."""
    name, content = EARLY[request.param]
    return request.param, request.getfixturevalue(name), content


class TestEarlyRefusal:
    @pytest.mark.parametrize("generation", [generation_of("2.0.8"), generation_of("2.12.1")],
                             ids=name_of)
    def test_150_030_answer_waits_for_the_client(self, early, generation):
        """It is refused before its body begins, and reads that when all of it is sent."""
        status, env, content = early
        transport = transport_of(env, generation)
        answer = transport.ask("POST", "/create", [("Content-Type", content)], os.urandom(BODY),
                               before_body=lambda: claim_refusal(env, status))
        assert answer.code == status and answer.body
        assert not transport.broke_off

    @pytest.mark.parametrize("library", ["2.4", "3.0"])
    def test_150_031_libsoup(self, early, library):
        status, env, content = early
        result = run_soup(library, env, "post", content, BODY)
        assert result["fatal"] is None
        (exchange,) = result["exchanges"]
        assert exchange["code"] == status and exchange["body"]
        claim_refusal(env, status)


# --- libsoup itself -------------------------------------------------------------------------------

def run_soup(library, env, action, what, which):
    """What soup_client.py says."""
    environment = {**os.environ, "LANGUAGE": "cs_CZ:en", "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        ["/usr/bin/python3", HERE / "soup_client.py", library, env.server.url.replace(
            env.server.host, "localhost"), env.client.certificate, action, what, str(which)],
        capture_output=True, text=True, timeout=120, env=environment)
    if done.returncode == soup_client.NO_LIBRARY and library == "2.4":
        pytest.skip(done.stdout)  # distributions drop it
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


REAL = [("2.4", "2.12.1"), ("2.4", "2.14.3"), ("3.0", "2.15-dev")]


@pytest.fixture(scope="module")
def offering_http2(farm, repositories):
    return start(farm, repositories, "MaxQueuedTasks = 10", extra_httpd=farm.http2_conf())


class TestLibsoup:
    @pytest.mark.parametrize("library,version", REAL)
    @pytest.mark.parametrize("where", ["root", "below"])
    def test_150_040_backtrace(self, request, crash_of, library, version, where):
        env = request.getfixturevalue(where)
        result = run_soup(library, env, "batch", version, crash_of(generation_of(version)))
        check_soup(result, "http-1-1")

    @pytest.mark.parametrize("library,version", REAL[1:])
    def test_150_041_failed_task(self, root, crash_of, library, version):
        directory = crash_of(generation_of(version), coredump=b"this is no core")
        result = run_soup(library, root, "batch", version, directory)
        assert result["outcome"]["exit_code"] == 1
        assert re.search(r"\[E\] .*core", result["outcome"]["log"].splitlines()[-1])

    @pytest.mark.parametrize("library,version", REAL[1:])
    def test_150_042_unknown_package(self, root, crash_of, library, version):
        """404 is as good an answer as 302."""
        directory = crash_of(generation_of(version), package=b"other-1.0-1")
        result = run_soup(library, root, "batch", version, directory)
        assert result["fatal"] == "Unknown package sent to Retrace server."
        claim_refusal(root, 404)

    def test_150_043_http2(self, offering_http2, crash_of):
        version = "2.15-dev"
        directory = crash_of(generation_of(version))
        check_soup(run_soup("3.0", offering_http2, "batch", version, directory), "http-2-0")


    def test_150_044_early_refusal_over_http2(self, offering_http2):
        result = run_soup("3.0", offering_http2, "post", "text/plain", BODY)
        assert result["fatal"] is None
        (exchange,) = result["exchanges"]
        assert (exchange["code"], exchange["protocol"]) == (415, "http-2-0")
        claim_refusal(offering_http2, 415)


def check_soup(result, protocol):
    assert result["fatal"] is None
    assert "read_null" in result["outcome"]["backtrace"]
    assert result["outcome"]["messages"][-1] == "Retrace job finished successfully"
    assert {exchange["protocol"] for exchange in result["exchanges"]} == {protocol}
    assert [exchange["code"] for exchange in result["exchanges"][:3]] == [200, 302, 201]


# --- The old server's own tool --------------------------------------------------------------------

class TestTaskTool:
    @pytest.fixture
    def described(self, members):
        """In the order of the tool: the core comes last."""
        return {"kernelver": b"tiny-1.0-1.x86_64",
                **{name: members[name] for name in ("os_release", "package", "executable",
                                                    "coredump")}}

    def test_150_050_backtrace(self, env, described, tmp_path):
        tool = TaskTool(env.client)
        texts, backtrace = tool.run(tool.pack(tmp_path, described))
        assert "read_null" in backtrace
        assert texts[-1] == "Retrace job finished successfully"

    def test_150_051_failed_task(self, env, described, tmp_path):
        tool = TaskTool(env.client)
        with pytest.raises(Fatal, match="^Retrace job failed$"):
            tool.run(tool.pack(tmp_path, {**described, "coredump": b"this is no core"}))

    def test_150_052_refusal(self, env, described, tmp_path):
        del described["executable"]
        tool = TaskTool(env.client)
        with pytest.raises(Fatal, match="^Status code 403 .*'The file executable is missing.'$"):
            tool.run(tool.pack(tmp_path, described))
        claim_refusal(env, 403)
