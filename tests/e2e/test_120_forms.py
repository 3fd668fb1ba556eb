# SPDX-License-Identifier: Apache-2.0
"""What an upload may be: packed in other ways, a bare core, a directory of this machine; and tasks
that wait until an admin starts them."""
import gzip
import os
import subprocess

import pytest

import crash
from client import poll, task_of
from test_100_create import MIB, check_refusal, expect_refusal

PACKERS = {"xz": crash.xz, "gz": crash.gz, "zst": crash.zst, "lz4": crash.lz4}
TYPES = ("application/x-xz-compressed-tar, application/x-xz, application/x-gzip, "
         "application/gzip, application/zstd, application/x-zstd, application/x-tar, "
         "application/x-coredump or application/x-core")


def expect_success(env, task):
    assert env.client.wait(task) == "FINISHED_SUCCESS", env.client.log(task).text
    assert "read_null" in env.client.backtrace(task).text


def expect_sentence(env, reply, status, sentence):
    expect_refusal(env, reply, status)
    assert reply.text == sentence


# --- Packed in other ways ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def core(members):
    return members["coredump"]


def packed_member(members, suffix):
    rest = {name: content for name, content in members.items() if name != "coredump"}
    return crash.tar({f"coredump.{suffix}": PACKERS[suffix](members["coredump"]), **rest})


class TestForms:
    @pytest.mark.parametrize("content", ["application/x-coredump", "application/x-core",
                                         "Application/X-Coredump; charset=binary"])
    def test_120_001_bare_core(self, env, core, content):
        task = env.client.submit(core, content=content)
        assert env.entries(f"{task.id}/crash") in (["coredump"], [])
        expect_success(env, task)

    @pytest.mark.parametrize("suffix", PACKERS)
    def test_120_002_packed_bare_core(self, env, core, suffix):
        expect_success(env, env.client.submit(PACKERS[suffix](core), content=crash.CORE))

    @pytest.mark.parametrize("content", ["application/zstd", "application/x-zstd"])
    def test_120_003_archive_in_zstd(self, env, members, content):
        expect_success(env, env.client.submit(crash.zst(crash.tar(members)), content=content))

    def test_120_004_archive_in_lz4(self, env, members):
        """There is no type for it, and none is needed."""
        expect_success(env, env.client.submit(crash.lz4(crash.tar(members)), content=crash.TAR))

    @pytest.mark.parametrize("suffix", PACKERS)
    def test_120_005_packed_member(self, env, members, suffix):
        expect_success(env, env.client.submit(packed_member(members, suffix), content=crash.TAR))

    def test_120_006_packed_member_in_packed_archive(self, env, members):
        upload = crash.xz(packed_member(members, "zst"))
        expect_success(env, env.client.submit(upload))


# --- Refused by content ---------------------------------------------------------------------------

def window_of_128_mib(_):
    """A zstd frame with that window in its header, and one raw block (RFC 8878, 3.1.1)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([17 << 3]) + b"\x09\x00\x00x"


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0hide"

REFUSED = {
    "core as archive": (lambda m: m["coredump"], crash.TAR, 403,
                        "The upload is a bare core: send it as application/x-coredump."),
    "packed core as archive": (lambda m: crash.zst(m["coredump"]), "application/zstd", 403,
                               "The upload is a bare core: send it as application/x-coredump."),
    "archive as core": (crash.tar, crash.CORE, 403,
                        "The upload is a tar archive: send it as application/x-tar."),
    "packed archive as core": (lambda m: crash.xz(crash.tar(m)), crash.CORE, 403,
                               "The upload is a tar archive: send it as application/x-tar."),
    "text as core": (lambda m: b"hello", crash.CORE, 403,
                     "The upload is not a core: an ELF file of type ET_CORE is expected."),
    "program as core": (lambda m: m["coredump"][:16] + b"\2\0" + m["coredump"][18:], crash.CORE,
                        403, "The upload is not a core: an ELF file of type ET_CORE is expected."),
    "core packed twice": (lambda m: crash.gz(crash.xz(m["coredump"])), crash.CORE, 403,
                          "The upload is not a core: an ELF file of type ET_CORE is expected."),
    "cut zstd": (lambda m: crash.zst(m["coredump"])[:-9], crash.CORE, 403,
                 "The zstd stream is cut off."),
    "cut lz4": (lambda m: crash.lz4(m["coredump"])[:-9], crash.CORE, 403,
                "The lz4 stream is cut off."),
    "junk behind zstd": (lambda m: crash.zst(crash.tar(m)) + b"junk", crash.TAR, 403,
                         "Other bytes follow the zstd stream."),
    "frame to skip": (lambda m: crash.zst(crash.tar(m)) + SKIPPABLE, crash.TAR, 403,
                      "Other bytes follow the zstd stream."),
    "junk behind lz4": (lambda m: crash.lz4(crash.tar(m)) + b"junk", crash.TAR, 403,
                        "Other bytes follow the lz4 stream."),
    "broken zstd": (lambda m: crash.zst(crash.tar(m))[:8] + b"\xff" * 500, crash.TAR, 403,
                    "The zstd stream is broken."),
    "broken lz4": (lambda m: crash.lz4(crash.tar(m))[:6] + bytes(500), crash.TAR, 403,
                   "The lz4 stream is broken."),
    "great window": (window_of_128_mib, "application/zstd", 403,
                     "The zstd stream needs a window of more than 64 MB to decode."),
    "member not packed": (lambda m: crash.tar({"coredump.xz": m["coredump"]}), crash.TAR, 403,
                          "The file coredump.xz is not packed."),
    "member twice": (lambda m: crash.tar({**m, "coredump.gz": crash.gz(b"x")}), crash.TAR, 403,
                     "The file coredump comes twice."),
    "member cut": (lambda m: crash.tar({"coredump.gz": crash.gz(m["coredump"])[:-9]}), crash.TAR,
                   403, "The file coredump.gz cannot be decoded: the gzip stream is cut off."),
    "member in a packing that nobody knows": (lambda m: crash.tar({"coredump.bz2": b"x"}),
                                              crash.TAR, 403,
                                              'The file "coredump.bz2" does not belong here.'),
    "unpacked member": (lambda m: crash.tar({"coredump.zst": crash.zst(bytes(2 * MIB + 1))}),
                        crash.TAR, 413, "The unpacked files are larger than 2 MB."),
    "unpacked core": (lambda m: crash.lz4(m["coredump"] + bytes(2 * MIB)), crash.CORE, 413,
                      "The unpacked files are larger than 2 MB."),
    "type": (lambda m: b"x", "application/x-lz4", 415, f"Content-Type must be {TYPES}."),
}


@pytest.fixture(scope="module")
def small(farm):
    return farm.start("MaxUnpackedSize = 2\nMaxQueuedTasks = 100")


class TestRefused:
    @pytest.mark.parametrize("what", REFUSED)
    def test_120_010_refused(self, small, members, what):
        build, content, status, sentence = REFUSED[what]
        reply = small.client.create(build(members), content=content)
        expect_sentence(small, reply, status, sentence)
        assert small.entries(".incoming") == []


# --- X-CoreFileDirectory --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def places(farm):
    """What clients may name; named `allowed`, so that `allowed2` begins like it."""
    place = farm.place / "external" / "allowed"
    place.mkdir(mode=0o755, parents=True)
    return place


@pytest.fixture(scope="module")
def local(farm, places):
    return farm.start(f"AllowExternalDir = 1\nExternalDirs = /nonexistent:{places}\n"
                      "MaxPackedSize = 1\nMaxQueuedTasks = 100")


def put(place, **files):
    place.mkdir(mode=0o755)
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def ask(env, directory, content=crash.XZ, body=b"", **headers):
    return env.client.create(body, content, {"X-CoreFileDirectory": str(directory), **headers})


class TestDirectory:
    def test_120_020_its_file_is_the_upload(self, local, places, upload):
        expect_success(local, task_of(ask(local, put(places / "archive", upload=upload))))
        assert (places / "archive" / "upload").read_bytes() == upload

    def test_120_021_a_core(self, local, places, core):
        place = put(places / "core", core=crash.zst(core))
        expect_success(local, task_of(ask(local, place, crash.CORE)))

    def test_120_022_the_body_is_ignored(self, local, places, upload):
        place = put(places / "body", upload=upload)
        task_of(ask(local, place, body=b"no archive" * 90000))

    def test_120_023_a_body_that_does_not_come_is_not_waited_for(self, local, places, upload):
        place = put(places / "silent", upload=upload)
        connection = local.client.open()
        connection.sendall(f"POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: {crash.XZ}\r\n"
                           f"X-CoreFileDirectory: {place}\r\nContent-Length: 1000\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
        connection.close()

    def test_120_024_its_content_is_checked_as_any(self, local, places):
        place = put(places / "foreign", file=crash.tar({"evil": b"x"}))
        expect_sentence(local, ask(local, place, crash.TAR), 403,
                        'The file "evil" does not belong here.')

    def test_120_025_length_is_required_all_the_same(self, local):
        reply = local.client.request("POST", "/create", {"Content-Type": crash.XZ,
                                                         "X-CoreFileDirectory": "/x"})
        expect_refusal(local, reply, 411)

    def test_120_026_off(self, env):
        """Whatever the path is, and its directory."""
        expect_sentence(env, ask(env, "../x", body=b"x"), 403,
                        "X-CoreFileDirectory is off on this server.")
        expect_refusal(env, ask(env, "/x"), 411)

    @pytest.mark.parametrize("path", ["", "x", "{}/../x", "{}/x/..", "..", "/" + "a" * 1024,
                                      "/\xe4"])
    def test_120_027_malformed(self, local, places, path):
        expect_sentence(local, ask(local, path.format(places)), 403,
                        "X-CoreFileDirectory must be an absolute path of at most 1024 printable "
                        'ASCII characters, without "..".')

    @pytest.mark.parametrize("path", ["/", "/etc", "{}", "{}/", "{}2", "{}2/x"])
    def test_120_028_outside(self, local, places, path):
        expect_sentence(local, ask(local, path.format(places)), 403,
                        "The directory is not below one of the ExternalDirs.")

    def test_120_029_missing(self, local, places):
        for path in (places / "missing", "/nonexistent/x", places / ("a" * 900)):
            expect_sentence(local, ask(local, path), 404,
                            "There is no such directory on this server.")

    def test_120_030_symbolic_links(self, local, places, upload):
        put(places.parent / "outside", upload=upload)
        (places / "link").symlink_to(places.parent / "outside")
        expect_sentence(local, ask(local, places / "link"), 403,
                        "A symbolic link is on the way to the directory.")
        (put(places / "file-link") / "link").symlink_to(places.parent / "outside" / "upload")
        expect_refusal(local, ask(local, places / "file-link"), 501, "regular")

    def test_120_031_not_one_file(self, local, places, upload):
        sentence = "The directory must hold one file and nothing else."
        expect_sentence(local, ask(local, put(places / "none")), 501, sentence)
        expect_sentence(local, ask(local, put(places / "two", a=upload, b=upload)), 501, sentence)

    def test_120_032_not_a_file(self, local, places):
        os.mkfifo(put(places / "fifo") / "fifo")
        (put(places / "dir") / "dir").mkdir()
        for name in ("fifo", "dir"):
            expect_sentence(local, ask(local, places / name), 501,
                            "What the directory holds is not a regular file.")

    def test_120_033_at_and_beyond_the_size(self, local, places):
        place = put(places / "size", file=b"x" * MIB)
        expect_refusal(local, ask(local, place, crash.TAR), 403, "not a sound tar archive")
        (place / "file").write_bytes(b"x" * (MIB + 1))
        expect_sentence(local, ask(local, place, crash.TAR), 413,
                        "The file in the directory is larger than the limit of 1 MB.")

    @pytest.mark.parametrize("content", ["application/zstd", "application/x-tar",
                                         "application/gzip", crash.CORE + "; x=y"])
    def test_120_034_another_type(self, local, places, members, content):
        place = put(places / content.replace("/", "-"))
        packer = crash.tar if content.startswith(crash.CORE) else lambda m: crash.xz(crash.tar(m))
        (place / "file").write_bytes(packer(members))
        expect_sentence(local, ask(local, place, content), 409,
                        "The file in the directory is not what Content-Type says.")

    def test_120_035_unreadable(self, local, places, upload):
        """The server's user, not httpd's and not the client's, must be able to read it."""
        place = put(places / "secret", upload=upload)
        place.chmod(0o700)
        if os.geteuid() != 0:
            pytest.skip("all are one user")
        expect_sentence(local, ask(local, place), 403, "The server may not read the directory.")

    def test_120_036_nothing_is_left(self, local):
        local.wait_idle(60)


# --- Managed tasks --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def manager(farm):
    """One slot: what waits must not hold it."""
    return farm.start("AllowTaskManager = 1\nMaxParallelTasks = 1")


def edit(env, *arguments):
    """retrace-task-edit as the spool's owner."""
    owner = env.server.owner()
    how = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} \
        if os.geteuid() == 0 else {}
    return subprocess.run([env.server.dir / "libexec" / "retrace-task-edit", env.server.config,
                           *arguments], cwd="/", capture_output=True, text=True, check=False, **how)


def edit_well(env, *arguments):
    result = edit(env, *arguments)
    assert (result.returncode, result.stderr) == (0, "")


def submit_managed(env, upload):
    env.wait_idle()
    return env.client.submit(upload, headers={"X-Task-Managed": "1"})


def forget_dispatcher(env):
    """As if the last one had left long ago: the next status request starts one."""
    (env.server.spool / "heartbeat").unlink(missing_ok=True)


def end(env, task):
    """A word of a status request starts a dispatcher at most every ten seconds."""
    def final_word():
        forget_dispatcher(env)
        word = env.client.word(task)
        return word if word != "PENDING" else None
    return poll(final_word, 60, f"task {task.id} has not ended")


class TestManaged:
    def test_120_040_it_waits_and_then_succeeds(self, manager, upload):
        task = submit_managed(manager, upload)
        for _ in range(5):
            forget_dispatcher(manager)
            reply = manager.client.get(task)
            assert (reply.headers["X-Task-Status"], reply.text) == ("PENDING", "PENDING")
        manager.wait_idle()
        assert {"managed", "waiting"} <= set(manager.entries(task.id))
        assert not manager.task_file(task, "attempts").exists()
        edit_well(manager, "start", task.id)
        assert "waiting" not in manager.entries(task.id)
        assert end(manager, task) == "FINISHED_SUCCESS"
        assert "managed" in manager.entries(task.id)

    def test_120_041_it_holds_no_slot(self, manager, upload):
        tasks = [submit_managed(manager, upload) for _ in range(3)]
        assert manager.leftovers() == []
        expect_success(manager, manager.client.submit(upload))
        for task in tasks:
            assert manager.client.word(task) == "PENDING"

    def test_120_042_it_needs_a_slot_while_it_is_received(self, manager, upload):
        manager.wait_idle()
        queue = manager.server.spool / "queue" / "123456789"
        (manager.server.spool / "123456789").mkdir()
        queue.write_text("192.0.2.1 1\n")
        reply = manager.client.create(upload, headers={"X-Task-Managed": "1"})
        queue.unlink()
        (manager.server.spool / "123456789").rmdir()
        expect_refusal(manager, reply, 503)

    def test_120_043_it_may_wait_over_a_restart(self, manager, upload):
        task = submit_managed(manager, upload)
        manager.task_file(task, "boot_id").write_text("another boot\n")
        edit_well(manager, "start", task.id)
        assert end(manager, task) == "FINISHED_SUCCESS"

    def test_120_044_it_can_be_cancelled(self, manager, upload):
        task = submit_managed(manager, upload)
        edit_well(manager, "cancel", task.id)
        assert end(manager, task) == "FINISHED_FAILURE"
        assert "Cancelled by its owner" in manager.client.log(task).text
        assert manager.entries(f"{task.id}/crash") == []
        manager.wait_idle()

    def test_120_045_it_starts_once(self, manager, upload):
        task = submit_managed(manager, upload)
        edit_well(manager, "start", task.id)
        for _ in range(2):
            result = edit(manager, "start", task.id)
            assert result.returncode == 73
            assert f"task {task.id} does not wait to be started" in result.stderr
            end(manager, task)

    def test_120_046_other_tasks_cannot_be_started(self, manager, upload):
        manager.wait_idle()
        task = manager.client.submit(upload)
        assert edit(manager, "start", task.id).returncode == 73
        assert edit(manager, "start", "999999999").returncode == 66
        assert edit(manager, "start").returncode == 100
        expect_success(manager, task)

    def test_120_047_it_is_deleted_only_when_it_has_ended(self, manager, upload):
        task = submit_managed(manager, upload)
        assert edit(manager, "delete", task.id).returncode == 75
        assert manager.client.word(task) == "PENDING"

    def test_120_048_httpd_cannot_start_it(self, manager, upload):
        """The verb `start` of its helper is another one."""
        task = submit_managed(manager, upload)
        helper = manager.server.dir / "libexec" / "retrace-helper"
        user = manager.server.httpd_user()
        how = {"user": user.pw_uid, "group": manager.server.httpd_group().gr_gid,
               "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run([helper, "start", task.id], cwd="/", check=True, **how)
        manager.wait_idle()
        assert "waiting" in manager.entries(task.id)

    def test_120_049_off(self, env):
        expect_sentence(env, env.client.create(b"x", headers={"X-Task-Managed": "1"}), 403,
                        "Managed tasks are off on this server.")


# --- Types and estimates --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def interactive(farm):
    return farm.start("AllowInteractive = 1\nMaxQueuedTasks = 100")


class TestTypes:
    def test_120_060_interactive(self, interactive, upload):
        task = interactive.client.submit(upload, headers={"X-Task-Type": "3"})
        assert interactive.task_file(task, "type").read_text() == "3\n"
        expect_success(interactive, task)
        assert "coredump" in interactive.entries(f"{task.id}/crash")

    @pytest.mark.parametrize("wanted", ["2", "4"])
    def test_120_061_kernel(self, interactive, wanted):
        expect_sentence(interactive,
                        interactive.client.create(b"x", headers={"X-Task-Type": wanted}), 409,
                        "This server does not analyse kernel dumps.")

    @pytest.mark.parametrize("wanted", ["3", "4"])
    def test_120_062_interactive_is_off(self, env, wanted):
        expect_sentence(env, env.client.create(b"x", headers={"X-Task-Type": wanted}), 409,
                        "Interactive tasks are off on this server.")


class TestEstimate:
    def test_120_070_default(self, farm, upload):
        env = farm.start()
        assert env.client.submit(upload).estimate == "180"
        env.wait_idle()
        farm.stop(env)

    def test_120_071_from_the_statistics(self, interactive, members):
        """Those that the dispatcher has written are replaced before each upload."""
        upload = crash.xz(crash.tar(members))
        other = crash.xz(crash.tar({**members, "package": b"other-1.0-1"}))
        core = members["coredump"]
        interactive.client.wait(interactive.client.submit(upload))
        for body, content, estimate in ((upload, crash.XZ, "7"), (other, crash.XZ, "8"),
                                        (core, crash.CORE, "50")):
            interactive.wait_idle()
            (interactive.server.spool / "statistics" / "estimates").write_text(
                "- - 50\ntiny fedora-36 7\n- fedora-36 8\n")
            assert interactive.client.submit(body, content=content).estimate == estimate


def test_120_080_a_gzip_name_in_the_header_is_no_matter(env, core):
    """`gzip core` keeps the file's name and time in the stream."""
    packed = gzip.compress(core, 1, mtime=1)
    check = env.client.create(packed, content=crash.CORE)
    assert check.status == 201
    check_refusal(env.client.create(packed[:-1], content=crash.CORE), 403, "gzip stream")
