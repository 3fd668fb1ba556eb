# SPDX-License-Identifier: Apache-2.0
"""Real users, real modes, the real setuid helper: what only root can set up."""
import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests"))

from serve.server import make_values

STRANGER = "retrace-test"
PROBE = "probe.c"
PROGRAMS = ("retrace-ingest", "retrace-dispatch", "retrace-task-edit")
HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items):
    if os.geteuid() == 0:
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs root"))


def add_user(name, *options):
    subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent",
                    "--shell", "/usr/sbin/nologin", *options, name], check=True)


@dataclass
class Users:
    """The three parties of a real server, and somebody else."""
    owner: pwd.struct_passwd
    caller: pwd.struct_passwd
    stranger: pwd.struct_passwd
    httpd_group: grp.struct_group


@pytest.fixture(scope="session")
def users():
    values = make_values("HTTPD_USER", "HTTPD_GROUP", "OWNER")
    try:
        pwd.getpwnam(values["OWNER"])
    except KeyError:
        add_user(values["OWNER"], "--user-group")
    subprocess.run(["userdel", STRANGER], check=False, capture_output=True)
    add_user(STRANGER, "--gid", values["HTTPD_GROUP"])
    yield Users(pwd.getpwnam(values["OWNER"]), pwd.getpwnam(values["HTTPD_USER"]),
                pwd.getpwnam(STRANGER), grp.getgrnam(values["HTTPD_GROUP"]))
    subprocess.run(["userdel", STRANGER], check=True)


@pytest.fixture
def place():
    """A directory that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="retrace-root-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def compile_c(target, *arguments):
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", f"-I{TREE}",
                    "-o", target, *map(str, arguments)], check=True)
    target.chmod(0o755)


class Installation:
    """A helper in a directory of its own, which starts probes instead of the server's programs."""

    def __init__(self, directory, users):
        self.dir = directory
        self.users = users
        self.helper = directory / "retrace-helper"
        self.config = directory / "settings"
        self.programs = directory / "programs"
        self.dumps = directory / "dumps"

    def lay_out(self):
        for path in (self.dir, self.programs, self.dumps):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        os.chown(self.dumps, self.users.owner.pw_uid, self.users.owner.pw_gid)
        self.write_config()

    def write_config(self):
        self.config.write_text("[retrace]\n", encoding="ascii")
        self.config.chmod(0o644)

    def policy(self, **other):
        """Values of make for this installation's policy; other ones replace them."""
        ours = {"CONFIG": self.config, "CALLER": self.users.caller.pw_name,
                "OWNER": self.users.owner.pw_name,
                "GROUP": grp.getgrgid(self.users.owner.pw_gid).gr_name, "PROGRAMS": self.programs}
        return [f"POLICY_{name}={value}" for name, value in {**ours, **other}.items()]

    def make(self, goal, **policy):
        return subprocess.run(
            ["make", "--no-print-directory", "-s", "-C", TREE, f"B={build_directory()}", goal,
             f"HELPER={self.helper}", *self.policy(**policy)],
            check=True, capture_output=True, text=True).stdout

    def link(self, **policy):
        self.make("policy-helper", **policy)
        self.give_rights()

    def give_rights(self):
        os.chown(self.helper, self.users.owner.pw_uid, self.users.httpd_group.gr_gid)
        self.helper.chmod(0o4750)
        subprocess.run(["setcap", "cap_setgid=ep", self.helper], check=True)

    def link_with_failing_steps(self):
        """The helper's own code, but `broken.c` in place of lib/privileges.c."""
        policy = self.dir / "policy.c"
        policy.write_text(self.make("policy-source"), encoding="utf-8")
        compile_c(self.helper, HERE / "broken.c", TREE / "helpers" / "task_key.c",
                  TREE / "lib" / "id.c", policy)
        self.give_rights()

    def add_programs(self, probe):
        for name in PROGRAMS:
            shutil.copy(probe, self.programs / name)

    # --- Calling it ------------------------------------------------------------------------------

    def run(self, *arguments, user=None, **how):
        """Call it as httpd would, with httpd's groups; `user` is somebody else, `root` included."""
        user = user or self.users.caller
        groups = [self.users.httpd_group.gr_gid]
        return subprocess.run([self.helper, *arguments], user=user.pw_uid, group=user.pw_gid,
                              extra_groups=groups, capture_output=True, text=True, timeout=30,
                              **how)

    def code(self, *arguments, **how):
        return self.run(*arguments, **how).returncode


def build_directory():
    return os.environ.get("RETRACE_BUILD", "build")


@pytest.fixture(scope="session")
def probe():
    with tempfile.TemporaryDirectory(prefix="retrace-root-") as name:
        Path(name).chmod(0o755)
        program = Path(name) / "probe"
        compile_c(program, HERE / PROBE)
        yield program


@pytest.fixture(scope="module")
def helper(users, probe):
    """One installation that a module shares; a test undoes what it changes."""
    with tempfile.TemporaryDirectory(prefix="retrace-root-") as name:
        Path(name).chmod(0o755)
        installation = Installation(Path(name) / "main", users)
        installation.lay_out()
        installation.link()
        installation.add_programs(probe)
        yield installation


@pytest.fixture
def other_helper(users, place):
    """A fresh installation: the test links it with the policy that it wants."""
    installation = Installation(place / "other", users)
    installation.lay_out()
    return installation
