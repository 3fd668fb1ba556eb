# SPDX-License-Identifier: Apache-2.0
"""A server with `RetraceEnvironment = mock` and `Dispatcher = systemd`: mock (the one that MOCK names,
else the double in mock/), a distribution to install from, and what systemd does with our units."""
import grp
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import crash
import packages
from client import Client, poll
from conftest import Env
from mock_distribution import Distribution
from packages import RELEASE
from serve.server import TREE

HERE = Path(__file__).resolve().parent
TOOLS = ("dpkg", "rpmbuild", "rpmsign", "createrepo_c", "dwz", "gpg", "dnf", "gdb", "cc")
MOCK_GID = 135  # of the double
UNIT = TREE / "rpm" / "retrace-dispatch.service.in"


def missing_reason():
    """Why these tests cannot run here; None when they can."""
    if os.geteuid() != 0:
        return "needs root: mock is a setuid program, and has its own user"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(absent)} not installed" if absent else None


class Double:
    """mock with its launcher, in a directory of its own; or the real one."""

    def __init__(self, place, owner):
        self.place = Path(place)
        self.is_real = "MOCK" in os.environ
        if self.is_real:
            self.program = Path(os.environ["MOCK"])
            self.roots = Path("/var/lib/mock")
            return
        self.place.mkdir(mode=0o755)
        self.program = self.place / "mock"
        self.roots = self.place / "lib"
        script = self.place / "mock.py"
        shutil.copy(HERE / "mock" / "mock.py", script)
        script.chmod(0o644)
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2",
                        f'-DSCRIPT="{script}"', "-o", self.program, HERE / "mock" / "launcher.c"],
                       check=True)
        os.chown(self.program, 0, owner.pw_gid)
        self.program.chmod(0o4750)

    def behave(self, *words):
        (self.place / "behaviour").write_text(" ".join(words), encoding="ascii")

    def calls(self):
        """Verbs of all calls since the last time."""
        file = self.place / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def left(self):
        """Names of the chroots that are there."""
        return sorted(path.name for path in self.roots.glob("retrace-*"))

    def processes(self):
        """Processes of mock and of its chroots."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (
                        str(self.place) in os.readlink(entry / "root")
                        or str(self.place / "mock.py").encode() in
                        (entry / "cmdline").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
            except OSError:
                pass
        return found


def unit_settings():
    """[Service] of the unit as {key: value}."""
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.M))


class Stage:
    def __init__(self, farm, place, settings=""):
        self.farm, self.place = farm, Path(place)
        self.distribution = Distribution(os.environ.get("RETRACE_BUILD", TREE / "build"))
        self.repository = self.place / "repos" / RELEASE
        self.key_dir = self.place / "keys"
        self.key_dir.mkdir(parents=True)
        self.keys = packages.Keys(self.place / "gnupg")
        (self.key_dir / "fedora-36").write_bytes(self.keys.make("good") + self.distribution.key)
        self.old = packages.Build(self.place / "1.0", "1.0")
        self.new = packages.Build(self.place / "1.1", "1.1")
        self.keys.sign("good", *self.old.packages.values(), *self.new.packages.values())
        self.dispatcher = None
        self.server = farm.make(
            f"Dispatcher = systemd\nRetraceEnvironment = mock\nMaxParallelTasks = 2\n"
            f"MaxQueuedTasks = 10\nMockPath = {self.place}/mock/mock\n"
            f"RepoDir = {self.repository.parent}\nGPGKeyDir = {self.key_dir}\n{settings}")
        self.server._make_owner()
        self.mock = Double(self.place / "mock", self.server.owner())
        if self.mock.is_real:
            self.server.settings += f"\nMockPath = {self.mock.program}"

    def start(self):
        self.server.start()
        self.env = Env(self.server)
        self.client = Client(self.server)
        return self

    def lay_out(self):
        """Both versions and the distribution; no index."""
        shutil.rmtree(self.repository, ignore_errors=True)
        for name, files in (("w", [*self.old.packages.values(), *self.new.packages.values()]),
                            ("d", self.distribution.files)):
            directory = self.repository / "Packages" / name
            directory.mkdir(parents=True)
            for file in files:
                shutil.copy2(file, directory)
        packages.add_metadata(self.repository)

    def file(self, name):
        return next((self.repository / "Packages").rglob(f"{name}-[0-9]*.rpm"))

    # --- What systemd does ------------------------------------------------------------------------

    def start_dispatcher(self):
        """As the service does: user, groups, mask and directory; no terminal, little environment."""
        unit = unit_settings()
        owner = self.server.owner()
        groups = os.getgrouplist(owner.pw_name, owner.pw_gid)
        self.dispatcher = subprocess.Popen(
            [self.server.dir / "libexec" / "retrace-dispatch", self.server.config, "run"],
            user=owner.pw_uid, group=grp.getgrgid(owner.pw_gid).gr_gid, extra_groups=groups,
            umask=int(unit["UMask"], 8), cwd="/", start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.dispatcher

    def end_dispatcher(self, timeout=60):
        self.dispatcher.wait(timeout)

    # --- Tasks ------------------------------------------------------------------------------------

    def submit(self, members=None, **how):
        task = self.client.submit(crash.gz(crash.tar(members or self.old.members())),
                                  content="application/x-gzip", **how)
        self.start_dispatcher()
        return task

    def retrace(self, members=None, word="FINISHED_SUCCESS", **how):
        """Returns task, log and backtrace of a crash of 1.0."""
        task = self.submit(members, **how)
        assert self.client.wait(task) == word, self.client.log(task).text
        self.end_dispatcher()
        backtrace = self.client.backtrace(task).text if word == "FINISHED_SUCCESS" else ""
        return task, self.client.log(task).text, backtrace

    def wait_for_call(self, verb):
        poll(lambda: any(call[0] == verb for call in self.mock.calls()), 30, f"no mock --{verb}")

    def chroot_of(self, task):
        return self.mock.roots / f"retrace-{task.id}" / "root"

    def close(self):
        if self.dispatcher is not None and self.dispatcher.poll() is None:
            self.dispatcher.kill()
            self.dispatcher.wait()
        for pid in [] if self.mock.is_real else self.mock.processes():
            os.kill(pid, signal.SIGKILL)  # of a test that has failed
        self.keys.close()
