# SPDX-License-Identifier: Apache-2.0
"""POST /create: what is accepted, what is refused with which status, and which refusal wins."""
import os

import pytest

import crash

MIB = 1024 * 1024
ALLOWED_TYPES = ("application/x-xz-compressed-tar", "application/x-xz", "application/x-gzip",
                 "application/gzip", "application/zstd", "application/x-zstd", "application/x-tar")


def check_headers(reply):
    """Every reply that is ours has these."""
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def check_refusal(reply, status, *words):
    """A refusal says why in one sentence."""
    assert (reply.status, reply.text) == (status, reply.text)
    check_headers(reply)
    assert len(reply.text) > 10
    for word in words:
        assert word in reply.text
    if status in (500, 507):
        assert "%" not in reply.text
    assert "X-Task-Id" not in reply.headers


def expect_refusal(env, reply, status, *words):
    check_refusal(reply, status, *words)
    logged = reply.text.rstrip(".").replace("\\", "\\\\")  # as httpd writes it
    env.log.expect("RT0001", f"refused with {status}: {logged}")


@pytest.fixture(scope="module")
def small(farm):
    """A server with small limits; LimitRequestBody follows MaxPackedSize."""
    return farm.start("MaxPackedSize = 1\nMaxUnpackedSize = 2\nMaxSmallFileSize = 2\n"
                      "MaxQueuedTasks = 100")


@pytest.fixture
def post(env):
    """A POST /create with just these headers and no body."""
    return lambda headers: env.client.request("POST", "/create", headers)


# --- Accepted ------------------------------------------------------------------------------------

class TestAccepted:
    def test_100_001_answer_of_a_created_task(self, env, upload):
        reply = env.client.create(upload)
        assert reply.status == 201
        check_headers(reply)
        assert reply.body == b""
        task = reply.headers["X-Task-Id"]
        assert len(task) == 9 and task.isdigit() and task[0] != "0"
        assert len(reply.headers["X-Task-Password"]) == 32
        assert reply.headers["X-Task-Password"].isalnum()
        assert int(reply.headers["X-Task-Est-Time"]) >= 1

    @pytest.mark.parametrize("content", ALLOWED_TYPES)
    @pytest.mark.parametrize("spell", [str, str.upper, "{}; charset=binary".format,
                                       "{};x".format, " {} ".format])
    def test_100_002_spelling_of_content_type(self, env, content, spell):
        """An upload of one byte gets past the type, and is refused for what it is."""
        expect_refusal(env, env.client.create(b"x", content=spell(content)), 403, "format")

    @pytest.mark.parametrize("label", ALLOWED_TYPES)
    @pytest.mark.parametrize("encode", [crash.xz, crash.gz, bytes], ids=["xz", "gz", "tar"])
    def test_100_003_magic_wins_over_label(self, env, members, label, encode):
        tiny = {**members, "coredump": members["coredump"][:4096]}
        env.client.submit(encode(crash.tar(tiny)), content=label)

    @pytest.mark.parametrize("wanted", ["9", "-1", "text", "", "0x2", "2 or so"])
    def test_100_004_unknown_type_is_0(self, env, upload, wanted):
        task = env.client.submit(upload, headers={"X-Task-Type": wanted})
        assert env.task_file(task, "type").read_text() == "0\n"

    def test_100_005_no_type_is_0(self, env, upload):
        task = env.client.submit(upload, headers={"X-Task-Type": None})
        assert env.task_file(task, "type").read_text() == "0\n"

    @pytest.mark.parametrize("path", ["//create", "/create?x=1"])
    def test_100_006_path_with_more(self, env, upload, path):
        headers = {"Content-Type": crash.XZ, "Content-Length": str(len(upload))}
        assert env.client.request("POST", path, headers, upload).status == 201

    def test_100_007_second_set_of_files(self, env, members):
        names = {"coredump": members["coredump"], "architecture": b"x86_64",
                 "release": b"Fedora release 36", "packages": b"tiny-1.0-1\n"}
        env.client.submit(crash.xz(crash.tar(names)))

    def test_100_008_leading_dot_slash(self, env, members):
        env.client.submit(crash.xz(crash.tar({f"./{name}": content
                                              for name, content in members.items()})))


# --- Refused by the headers -----------------------------------------------------------------------

class TestHeaders:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "PROPFIND",
                                        "BREW"])
    def test_100_010_method(self, env, method):
        reply = env.client.request(method, "/create")
        assert reply.status == 405
        assert reply.headers["Allow"] == "POST, OPTIONS"
        if method != "HEAD":
            expect_refusal(env, reply, 405)

    def test_100_011_length_missing(self, env, post):
        expect_refusal(env, post({"Content-Type": crash.XZ}), 411, "Content-Length")

    def test_100_012_length_0(self, env, post):
        expect_refusal(env, post({"Content-Type": crash.XZ, "Content-Length": "0"}), 411)

    def test_100_013_chunked(self, env):
        connection = env.client.open()
        connection.sendall(b"POST /create HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n"
                           b"\r\n4\r\nabcd\r\n0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 411 ")
        connection.close()
        env.log.expect("RT0001", "refused with 411")

    @pytest.mark.parametrize("length", ["abc", "-5", "+5", "1.5", "0x10", "5 5", "9" * 20,
                                        "1" + "0" * 30])
    def test_100_014_length_malformed(self, post, length):
        """httpd itself refuses most of them; none may get further."""
        assert post({"Content-Type": crash.XZ, "Content-Length": length}).status == 400

    def test_100_015_two_lengths(self, env):
        connection = env.client.open()
        connection.sendall(b"POST /create HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Type: application/x-tar\r\nContent-Length: 4\r\n"
                           b"Content-Length: 5\r\n\r\nabcde")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
        connection.close()

    @pytest.mark.parametrize("content", [None, "", "text/plain", "application/x-bzip2",
                                         "multipart/form-data; boundary=x", "application/x-tarx",
                                         "x-tar", ";application/x-tar"])
    def test_100_016_content_type(self, env, post, content):
        headers = {"Content-Length": "5", **({"Content-Type": content} if content is not None
                                             else {})}
        expect_refusal(env, post(headers), 415, "Content-Type")

    @pytest.mark.parametrize("header", ["X-CoreFileDirectory", "X-Task-Managed"])
    def test_100_017_not_offered(self, env, post, header):
        reply = post({"Content-Type": crash.XZ, "Content-Length": "5", header: "/var/crash"})
        expect_refusal(env, reply, 403)

    @pytest.mark.parametrize("wanted", ["2", "3", "4"])
    def test_100_018_type_not_offered(self, env, post, wanted):
        reply = post({"Content-Type": crash.XZ, "Content-Length": "5", "X-Task-Type": wanted})
        expect_refusal(env, reply, 409)


# Each line breaks one rule; what stands higher must win over all that is below it.
ORDER = [(405, "method", "GET"), (411, "Content-Length", "0"), (415, "Content-Type", "text/plain"),
         (413, "Content-Length", str(2 * MIB)), (403, "X-CoreFileDirectory", "/x"),
         (409, "X-Task-Type", "3")]
PAIRS = [(first, second) for at, first in enumerate(ORDER) for second in ORDER[at + 1:]
         if first[1] != second[1]]


class TestOrder:
    @pytest.mark.parametrize("first,second", PAIRS,
                             ids=[f"{a[0]}-before-{b[0]}" for a, b in PAIRS])
    def test_100_020_first_refusal_wins(self, small, first, second):
        headers = {"method": "POST", "Content-Type": crash.XZ, "Content-Length": "5",
                   second[1]: second[2], first[1]: first[2]}
        method = headers.pop("method")
        expect_refusal(small, small.client.request(method, "/create", headers), first[0])

    def test_100_021_all_at_once(self, small):
        headers = {name: value for _, name, value in reversed(ORDER)}
        method = headers.pop("method")
        expect_refusal(small, small.client.request(method, "/create", headers), 405)

    def test_100_022_headers_before_a_full_server(self, full):
        reply = full.client.create(b"x", headers={"X-Task-Type": "3"})
        expect_refusal(full, reply, 409)

    def test_100_023_full_server_before_storage(self, full):
        """`full` has too little storage as well."""
        expect_refusal(full, full.client.create(b"x"), 503)


# --- Refused by limits ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def full(farm):
    """One slot, which is taken; and a second reason to refuse."""
    env = farm.start(f"MaxParallelTasks = 1\nMinStorageLeft = {16 * MIB}")
    env.server.spool.joinpath("123456789").mkdir(mode=0o750)
    queue = env.server.spool / "queue"
    queue.mkdir(mode=0o750, exist_ok=True)
    (queue / "123456789").write_text("192.0.2.1 1\n")
    owner = env.server.owner()
    for path in (env.server.spool / "123456789", queue, queue / "123456789"):
        os.chown(path, owner.pw_uid, env.server.httpd_group().gr_gid)
    return env


class TestLimits:
    def test_100_030_length_at_the_limit(self, small):
        """Its length is allowed, so that its content decides."""
        check_refusal(small.client.create(b"x" * MIB), 403, "format")

    def test_100_031_length_beyond_the_limit(self, small):
        reply = small.client.request("POST", "/create", {"Content-Type": crash.XZ,
                                                         "Content-Length": str(MIB + 1)})
        expect_refusal(small, reply, 413, "1 MB")

    def test_100_032_limit_of_httpd(self, farm):
        """<If> is merged last: LimitRequestBody is lower than MaxPackedSize."""
        env = farm.start(extra_httpd='<If "true">\nLimitRequestBody 1000\n</If>')
        check_refusal(env.client.create(b"x" * 1000), 403)
        expect_refusal(env, env.client.create(b"x" * 1001), 413, "LimitRequestBody", "1000 bytes")

    def test_100_033_storage(self, farm, upload):
        env = farm.start(f"MinStorageLeft = {16 * MIB}")
        expect_refusal(env, env.client.create(upload), 507, f"{16 * MIB} MB")
        assert env.leftovers() == []
        farm.stop(env)

    def test_100_034_full(self, full, upload):
        expect_refusal(full, full.client.create(upload), 503)
        assert full.leftovers() == ["queue/123456789"]

    def test_100_035_unpacked(self, small, members):
        big = {**members, "coredump": bytes(2 * MIB)}
        expect_refusal(small, small.client.create(crash.xz(crash.tar(big))), 413, "2 MB")

    def test_100_036_unpacked_at_the_limit(self, small, members):
        others = sum(len(content) for name, content in members.items() if name != "coredump")
        exact = {**members, "coredump": bytes(2 * MIB - others)}
        small.client.submit(crash.xz(crash.tar(exact)))
        more = {**members, "coredump": bytes(2 * MIB - others + 1)}
        expect_refusal(small, small.client.create(crash.xz(crash.tar(more))), 413, "2 MB")

    def test_100_037_small_file(self, small, members):
        exact = {**members, "package": b"p" * 2048}
        small.client.submit(crash.xz(crash.tar(exact)))
        more = {**members, "package": b"p" * 2049}
        expect_refusal(small, small.client.create(crash.xz(crash.tar(more))), 413, "package",
                       "2 KB")


# --- Refused by content ---------------------------------------------------------------------------

class TestContent:
    @pytest.mark.parametrize("missing", ["coredump", "executable", "package"])
    def test_100_040_required_file(self, env, members, missing):
        rest = {name: content for name, content in members.items() if name != missing}
        expect_refusal(env, env.client.create(crash.xz(crash.tar(rest))), 403, missing)

    def test_100_041_names_the_first_that_is_missing(self, env, members):
        reply = env.client.create(crash.xz(crash.tar({"os_release": members["os_release"]})))
        expect_refusal(env, reply, 403, "coredump")

    @pytest.mark.parametrize("name", ["evil", "../coredump", "/etc/passwd", "dir/coredump",
                                      "coredump/", "COREDUMP", "vmcore", "core%sdump"])
    def test_100_042_foreign_member(self, env, members, name):
        reply = env.client.create(crash.xz(crash.tar({**members, name: b"x"})))
        expect_refusal(env, reply, 403)
        assert "%" not in reply.text

    def test_100_043_duplicate(self, env, members):
        reply = env.client.create(crash.xz(crash.tar({**members, "./package": b"other"})))
        expect_refusal(env, reply, 403, "package")

    @pytest.mark.parametrize("target", ["/etc/passwd", "coredump"])
    def test_100_044_symlink(self, env, members, target):
        rest = {name: content for name, content in members.items() if name != "package"}
        packed = crash.xz(crash.tar(rest, crash.symlink("package", target)))
        expect_refusal(env, env.client.create(packed), 403, "package")

    @pytest.mark.parametrize("content", [b"hello", bytes(10000), b"\x1f\x8b" + bytes(100),
                                         b"\xfd7zXZ\0" + bytes(100)],
                             ids=["text", "zeros", "gz", "xz"])
    def test_100_045_no_archive(self, env, content):
        expect_refusal(env, env.client.create(content), 403)

    def test_100_046_truncated(self, env, upload):
        expect_refusal(env, env.client.create(upload[:-100]), 403)

    def test_100_047_nothing_is_left(self, env):
        env.wait_idle(60)
        assert env.entries(".incoming") == []


# What each part of the server says when it refuses.
REASONS = {
    "method": lambda c, m: c.request("GET", "/create"),
    "length": lambda c, m: c.request("POST", "/create"),
    "content type": lambda c, m: c.create(b"x", content="text/plain"),
    "packed": lambda c, m: c.create(b"x", headers={"Content-Length": str(MIB + 1)}),
    "managed": lambda c, m: c.create(b"x", headers={"X-Task-Managed": "1"}),
    "interactive": lambda c, m: c.create(b"x", headers={"X-Task-Type": "3"}),
    "kernel": lambda c, m: c.create(b"x", headers={"X-Task-Type": "2"}),
    "no archive": lambda c, m: c.create(b"x"),
    "missing": lambda c, m: c.create(crash.tar({"coredump": b"x"})),
    "foreign": lambda c, m: c.create(crash.tar({"evil": b"x"})),
    "link": lambda c, m: c.create(crash.tar({}, crash.symlink("package", "/etc/passwd"))),
    "small file": lambda c, m: c.create(crash.tar({**m, "package": b"x" * 4096})),
    "unpacked": lambda c, m: c.create(crash.gz(crash.tar({**m, "coredump": bytes(4 * MIB)}))),
    "truncated": lambda c, m: c.create(crash.xz(crash.tar(m))[:-100]),
}


class TestReasons:
    @pytest.mark.parametrize("why", REASONS)
    def test_100_060_reason_is_one_sentence(self, small, members, why):
        reply = REASONS[why](small.client, members)
        check_refusal(reply, reply.status)
        assert not reply.text[0].islower() and reply.text.endswith("."), reply.text
        assert "\n" not in reply.text


class TestHttps:
    @pytest.mark.parametrize("path", ["/create", "/123456789", "/123456789/log", "/nonsense"])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_100_050_https_is_required(self, plain, path, method):
        expect_refusal(plain, plain.client.request(method, path), 403, "HTTPS")

    def test_100_051_https_is_not_required(self, farm, upload):
        env = farm.start(tls=False)
        task = env.client.submit(upload)
        assert env.client.wait(task) == "FINISHED_SUCCESS"


@pytest.fixture(scope="module")
def plain(farm):
    return farm.start("RequireHTTPS = 1", tls=False)
