# SPDX-License-Identifier: Apache-2.0
"""retrace-server-task: what it sends of which crash, and what it does not send."""
import gzip
import io
import json
import lzma
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

import crash
from fake_server import ID, NEW, OLD, PASSWORD, Answer, FakeServer
from task_client import (OK, SOURCE, UNAVAILABLE, client, core, fake_core, members_of, problem,
                         refused, sentence, unzstd)

# --- What is sent -------------------------------------------------------------------------------


def test_900_001_an_old_server_gets_what_abrt_sends(problem):
    with FakeServer(OLD) as server:
        result = client(server, "create", problem)
    assert result.stdout == f"Task Id: {ID}\nTask Password: {PASSWORD}\n", result
    request, = server.asked("create")
    assert request.headers["Content-Type"] == crash.XZ
    assert request.headers["X-Task-Type"] == "0"
    assert members_of(lzma.decompress(request.body)) == crash.members_of(
        fake_core(), "/usr/bin/tiny")
    assert [r.path for r in server.requests] == ["/some/where/settings", "/some/where/create"]


def test_900_002_members_are_as_abrts(problem):
    with FakeServer(OLD) as server:
        assert client(server, "create", problem).returncode == OK
    plain = lzma.decompress(server.asked("create")[0].body)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert {(info.mode, info.uid, info.uname) for info in tar} == {(0o640, 0, "")}
        assert tar.getnames()[0] == "coredump"


def test_900_003_a_new_server_gets_zstd(problem):
    with FakeServer(NEW) as server:
        assert client(server, "-t", "1", "create", problem).returncode == OK
    request, = server.asked("create")
    assert request.headers["Content-Type"] == "application/zstd"
    assert request.headers["X-Task-Type"] == "1"
    assert members_of(unzstd(request.body))["package"] == b"tiny-1.0-1"


def test_900_004_a_core_alone_goes_bare(core):
    with FakeServer(NEW) as server:
        assert client(server, "create", core).returncode == OK
    request, = server.asked("create")
    assert request.headers["Content-Type"] == "application/x-coredump"
    assert unzstd(request.body) == core.read_bytes()


def test_900_005_a_core_of_which_something_is_known_goes_with_it(core):
    with FakeServer(NEW) as server:
        assert client(server, "create", core, "--package", "a-1-2", "--executable", "/bin/a",
                      "--os-release", "Fedora release 40").returncode == OK
    assert members_of(unzstd(server.asked("create")[0].body)) == {
        "coredump": core.read_bytes(), "executable": b"/bin/a", "package": b"a-1-2",
        "os_release": b"Fedora release 40"}


def test_900_006_options_take_the_place_of_what_is_found(problem):
    with FakeServer(OLD) as server:
        assert client(server, "create", problem, "--package", "b-1-2").returncode == OK
    sent = members_of(lzma.decompress(server.asked("create")[0].body))
    assert (sent["package"], sent["executable"]) == (b"b-1-2", b"/usr/bin/tiny")


def test_900_007_the_package_of_a_program_is_asked_of_the_package_manager(core, tmp_path):
    (tmp_path / "rpm").write_text("#!/bin/sh\necho ${5#/bin/}-1-2.fc36\n", encoding="ascii")
    (tmp_path / "rpm").chmod(0o755)
    with FakeServer(OLD) as server:
        assert client(server, "create", core, "--executable", "/bin/a",
                      PATH=f"{tmp_path}:{os.environ['PATH']}").returncode == OK
    assert members_of(lzma.decompress(server.asked("create")[0].body))["package"] == b"a-1-2.fc36"


def test_900_008_a_problem_from_elsewhere_gets_nothing_of_this_machine(problem):
    for name in ("package", "os_release"):
        (problem / name).unlink()
    with FakeServer(OLD) as server:
        assert client(server, "create", problem).returncode == OK
    assert set(members_of(lzma.decompress(server.asked("create")[0].body))) == {
        "coredump", "executable"}


PACKERS = {".gz": ["gzip", "-kf"], ".xz": ["xz", "-kf"], ".zst": ["zstd", "-qkf"],
           ".lz4": ["lz4", "-qkf"]}


@pytest.mark.parametrize("suffix", sorted(PACKERS))
def test_900_009_a_packed_core_is_unpacked_for_an_old_server(core, suffix):
    subprocess.run([*PACKERS[suffix], core] + ([f"{core}.lz4"] if suffix == ".lz4" else []),
                   check=True)
    with FakeServer(OLD) as server:
        assert client(server, "create", f"{core}{suffix}").returncode == OK
    sent = members_of(lzma.decompress(server.asked("create")[0].body))
    assert sent == {"coredump": core.read_bytes()}


@pytest.mark.parametrize("suffix", sorted(PACKERS))
def test_900_010_a_packed_core_stays_so_for_a_new_one(core, suffix):
    subprocess.run([*PACKERS[suffix], core] + ([f"{core}.lz4"] if suffix == ".lz4" else []),
                   check=True)
    packed = Path(f"{core}{suffix}")
    with FakeServer(NEW) as server:
        assert client(server, "create", packed).returncode == OK
        assert client(server, "create", packed, "--executable", "/absent").returncode == OK
    bare, archive = server.asked("create")
    assert bare.headers["Content-Type"] == "application/x-coredump"
    assert bare.body == packed.read_bytes()
    assert members_of(unzstd(archive.body))[f"coredump{suffix}"] == packed.read_bytes()


def test_900_011_a_problem_with_a_packed_core(problem):
    subprocess.run(["zstd", "-q", "--rm", problem / "coredump"], check=True)
    with FakeServer(OLD) as server:
        assert client(server, "create", problem).returncode == OK
    assert members_of(lzma.decompress(server.asked("create")[0].body))["coredump"] == fake_core()


def test_900_012_nothing_is_left_in_the_temporary_directory(problem, tmp_path):
    place = tmp_path / "tmp"
    place.mkdir()
    with FakeServer(OLD) as server:
        assert client(server, "create", problem, TMPDIR=str(place)).returncode == OK
    assert not list(place.iterdir())


# --- coredumpctl ------------------------------------------------------------------------------

DOUBLE = """#!/bin/sh
# A double of coredumpctl: it knows one crash.
echo "$@" >>"$(dirname "$0")/calls"
case "$*" in
"--no-pager info -1 /usr/bin/tiny")
    printf '           PID: 4711 (tiny)\\n    Executable: /usr/bin/tiny\\n'
    printf '       Package: tiny/1.0-1.fc36\\n       Message: Process 4711 (tiny) dumped core.\\n'
    ;;
"--no-pager dump 4711") cat "$(dirname "$0")/core" ;;
*)
    echo "No coredumps found." >&2
    exit 1
    ;;
esac
"""


@pytest.fixture
def coredumpctl(tmp_path):
    """PATH with a double of coredumpctl in it."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "core").write_bytes(fake_core())
    (place / "coredumpctl").write_text(DOUBLE, encoding="ascii")
    (place / "coredumpctl").chmod(0o755)
    return place


def test_900_013_a_crash_that_systemd_has_taken(coredumpctl):
    with FakeServer(OLD) as server:
        result = client(server, "create", "coredumpctl:/usr/bin/tiny",
                        PATH=f"{coredumpctl}:{os.environ['PATH']}")
    assert result.returncode == OK, result
    sent = members_of(lzma.decompress(server.asked("create")[0].body))
    assert (sent["coredump"], sent["executable"], sent["package"]) == (
        fake_core(), b"/usr/bin/tiny", b"tiny-1.0-1.fc36")
    assert sent["os_release"]


def test_900_014_a_crash_of_no_package_goes_bare_where_that_is_possible(coredumpctl):
    double = coredumpctl / "coredumpctl"
    double.write_text(DOUBLE.replace("Package:", "Nothing:"), encoding="ascii")
    with FakeServer(NEW) as server:
        result = client(server, "create", "coredumpctl:/usr/bin/tiny",
                        PATH=f"{coredumpctl}:{os.environ['PATH']}")
    assert result.returncode == OK, result
    assert server.asked("create")[0].headers["Content-Type"] == "application/x-coredump"


def test_900_015_no_such_crash(coredumpctl):
    with FakeServer(OLD) as server:
        result = client(server, "create", "coredumpctl:99",
                        PATH=f"{coredumpctl}:{os.environ['PATH']}")
    refused(result, SOURCE, "coredumpctl has no core of 99")
    assert not server.asked("create")


def test_900_016_a_crash_without_its_core(coredumpctl):
    (coredumpctl / "core").unlink()
    with FakeServer(OLD) as server:
        result = client(server, "create", "coredumpctl:/usr/bin/tiny",
                        PATH=f"{coredumpctl}:{os.environ['PATH']}")
    refused(result, SOURCE, "coredumpctl has no core of 4711: cat:")


def test_900_017_no_option_reaches_coredumpctl(coredumpctl):
    with FakeServer(OLD) as server:
        result = client(server, "create", "coredumpctl:--directory=/",
                        PATH=f"{coredumpctl}:{os.environ['PATH']}")
    refused(result, SOURCE, "wants a process id or a program")
    assert not (coredumpctl / "calls").exists()


def test_900_018_no_coredumpctl(tmp_path):
    with FakeServer(OLD) as server:
        result = client(server, "create", "coredumpctl:1", PATH=str(tmp_path))
    refused(result, SOURCE, "start coredumpctl: No such file")


# --- What is not sent ---------------------------------------------------------------------------


def test_900_019_no_core_at_all(tmp_path):
    (tmp_path / "text").write_text("no core", encoding="ascii")
    (tmp_path / "empty").mkdir()
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "vmcore").write_bytes(b"KDUMP")
    os.mkfifo(tmp_path / "fifo")
    with FakeServer(OLD) as server:
        for name, text in (("text", "is no core file"), ("empty", "holds no core"),
                           ("kernel", "holds a kernel dump"), ("fifo", "is no regular file"),
                           ("absent", "No such file")):
            refused(client(server, "create", tmp_path / name), SOURCE, text)
    assert not server.asked("create")


def test_900_020_a_link_in_a_problem_directory(problem):
    (problem / "package").unlink()
    (problem / "package").symlink_to("/etc/hostname")
    with FakeServer(OLD) as server:
        refused(client(server, "create", problem), SOURCE, "package")
    assert not server.asked("create")


def test_900_021_a_broken_packed_core(core):
    packed = lzma.compress(core.read_bytes())
    core.write_bytes(packed[:-40])
    with FakeServer(OLD) as server:
        refused(client(server, "create", core), SOURCE, "unpack the core")
    assert not server.asked("create")


def limits(settings, packed, unpacked):
    return settings.replace("max_packed_size 50", f"max_packed_size {packed}").replace(
        "max_unpacked_size 1024", f"max_unpacked_size {unpacked}")


@pytest.mark.parametrize("extra, code", [(0, OK), (1, SOURCE)])
def test_900_022_the_unpacked_limit(tmp_path, extra, code):
    core = tmp_path / "core"
    core.write_bytes(fake_core().ljust(2**20 + extra, b"\0"))
    with FakeServer(limits(OLD, 50, 1)) as server:
        result = client(server, "create", core)
    assert result.returncode == code, result
    assert len(server.asked("create")) == 1 - extra
    if extra:
        assert "1048577 bytes, the server takes at most 1 MB" in sentence(result)


@pytest.mark.parametrize("extra, code", [(0, OK), (1, SOURCE)])
def test_900_023_the_unpacked_limit_of_a_packed_core(tmp_path, extra, code):
    core = tmp_path / "core.xz"
    core.write_bytes(lzma.compress(fake_core().ljust(2**20 + extra, b"\0")))
    with FakeServer(limits(OLD, 50, 1)) as server:
        result = client(server, "create", core)
    assert result.returncode == code, result
    assert len(server.asked("create")) == 1 - extra


def test_900_024_the_packed_limit(tmp_path):
    core = tmp_path / "core"
    core.write_bytes(fake_core() + os.urandom(2**20))
    with FakeServer(limits(OLD, 1, 50)) as server:
        refused(client(server, "create", core), SOURCE, "larger than the 1 MB")
    assert not server.asked("create")


def test_900_025_the_packed_limit_of_a_bare_core(tmp_path):
    core = tmp_path / "core.gz"
    core.write_bytes(gzip.compress(fake_core() + os.urandom(2**20)))
    with FakeServer(limits(NEW, 1, 50)) as server:
        refused(client(server, "create", core), SOURCE, "larger than the 1 MB")
    assert not server.asked("create")


def test_900_026_a_full_server_is_spared_the_upload(core):
    with FakeServer(OLD.replace("running_tasks 1", "running_tasks 5", 1)) as server:
        refused(client(server, "create", core), UNAVAILABLE, "fully occupied: 5 tasks run")
    assert not server.asked("create")


def test_900_027_no_common_format(core):
    with FakeServer(OLD.replace("application/x-xz", "application/x-rar")) as server:
        refused(client(server, "create", core), UNAVAILABLE, "none of the formats")
    assert not server.asked("create")


def test_900_028_settings_as_json_have_the_real_sizes(tmp_path):
    """The lines stop below 2 GB, for clients that are older."""
    core = tmp_path / "core"
    core.write_bytes(fake_core().ljust(2**20 + 1, b"\0"))
    settings = {"running_tasks": 9, "max_running_tasks": 5, "is_full": False,
                "max_packed_size_mb": 50, "max_unpacked_size_mb": 2,
                "supported_formats": ["application/x-xz-compressed-tar"], "features": ["json"]}
    answer = Answer(body=json.dumps(settings).encode(),
                    headers={"Content-Type": "application/json"})
    with FakeServer(settings=limits(OLD, 50, 1)) as server:
        server.answers["settings"] = [answer]
        assert client(server, "create", core).returncode == OK
    assert server.asked("settings")[0].headers["Accept"] == "application/json"
