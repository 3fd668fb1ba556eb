# SPDX-License-Identifier: Apache-2.0
"""`make install DESTDIR=` puts everything in its place, with modes, groups and the capability."""
import grp
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "serve"))
from server import make_values  # noqa: E402

LAYOUTS = {"debian": ("usr/lib/apache2/modules", "etc/apache2/conf-available"),
           "fedora": ("usr/lib64/httpd/modules", "etc/httpd/conf.d")}
PROGRAMS = {"coredump2packages",
            "retrace-dispatch", "retrace-helper", "retrace-ingest", "retrace-resolve",
            "retrace-server-cache", "retrace-server-config", "retrace-server-index",
            "retrace-server-reposync", "retrace-server-task",
            "retrace-server-worker", "retrace-task-edit"}


def install(destination, distro):
    """The group of this machine's httpd stands for the other distribution's."""
    group = make_values("HTTPD_GROUP")["HTTPD_GROUP"]
    subprocess.run(["make", "-s", "-C", str(TREE), "install", f"DESTDIR={destination}",
                    f"DISTRO={distro}", f"HTTPD_GROUP={group}"], check=True, capture_output=True)
    return group


def facts(path):
    info = path.stat()
    return (oct(stat.S_IMODE(info.st_mode)), pwd.getpwuid(info.st_uid).pw_name,
            grp.getgrgid(info.st_gid).gr_name)


@pytest.mark.parametrize("distro", sorted(LAYOUTS))
def test_everything_is_in_its_place(tmp_path, distro):
    group = install(tmp_path, distro)
    modules, confdir = LAYOUTS[distro]
    libexec = tmp_path / "usr/libexec/retrace"
    spool = tmp_path / "var/spool/retrace-server"
    owner = make_values("OWNER")["OWNER"]

    assert {path.name for path in libexec.iterdir()} == PROGRAMS
    assert facts(libexec / "retrace-helper") == ("0o4750", owner, group)
    assert facts(libexec / "retrace-ingest") == ("0o755", "root", "root")
    assert facts(spool) == ("0o2750", owner, group)
    assert facts(spool / ".incoming") == ("0o2710", owner, group)
    assert facts(tmp_path / "var/cache/retrace-server/buildid") == ("0o750", owner, owner)
    assert facts(tmp_path / "var/cache/retrace-server") == ("0o755", owner, owner)
    assert (tmp_path / "etc/retrace-server.repos.d/fedora.repo.example").is_file()
    assert facts(tmp_path / modules / "mod_retrace.so") == ("0o644", "root", "root")
    assert facts(tmp_path / "etc/retrace-server.conf") == ("0o644", "root", "root")
    assert (tmp_path / confdir / "retrace.conf").is_file()
    assert (tmp_path / "usr/share/man/man8/retrace-helper.8").is_file()
    assert (tmp_path / "usr/share/man/man1/retrace-server-task.1").is_file()
    assert (tmp_path / "usr/share/bash-completion/completions/retrace-server-task").is_file()
    assert facts(tmp_path / "usr/share/retrace-server/gpg") == ("0o755", "root", "root")
    reposync = tmp_path / "usr/sbin/retrace-server-reposync"
    assert reposync.resolve() == (libexec / "retrace-server-reposync").resolve()
    for program in ("retrace-server-task", "retrace-server-worker"):
        assert (tmp_path / "usr/bin" / program).resolve() == (libexec / program).resolve()


def test_the_helper_gets_exactly_cap_setgid(tmp_path):
    install(tmp_path, "debian")
    helper = tmp_path / "usr/libexec/retrace/retrace-helper"
    found = subprocess.run(["getcap", str(helper)], capture_output=True, text=True, check=True)
    assert found.stdout.split()[-1] == "cap_setgid=ep"


def test_no_placeholder_is_left(tmp_path):
    install(tmp_path, "debian")
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix in (".conf", ".service", ".path"):
            lines = path.read_text(encoding="utf-8").splitlines()
            assert not [line for line in lines if line.count("@") > 1], path


def test_an_admins_settings_are_kept(tmp_path):
    settings = tmp_path / "etc/retrace-server.conf"
    settings.parent.mkdir()
    settings.write_text("[retrace]\nMaxParallelTasks = 7\n", encoding="utf-8")
    install(tmp_path, "debian")
    assert "MaxParallelTasks = 7" in settings.read_text(encoding="utf-8")
    assert (tmp_path / "etc/retrace-server.conf.new").is_file()
