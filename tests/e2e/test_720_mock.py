# SPDX-License-Identifier: Apache-2.0
"""RetraceEnvironment = mock: the exact packages of a crash in a chroot, and gdb in there. The program
that crashes is not below HostDirs, and a newer version of it is in the repository, too."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import crash
import packages
from client import poll
from mock_stage import MOCK_GID, Stage, missing_reason, unit_settings
from packages import RELEASE
from serve.server import ServerError
from test_660_repositories import assert_complete, assert_no_wrong_frame, missing

CYCLE = ["init", "copyin", "chroot", "copyout", "scrub"]
HOSTILE = "it's $(touch hacked) `touch hacked` ''' {{7*7}} \"x\\"
HOSTILE_NAMES = {"package": b"will-crash'+__import__('os').system('touch hacked')+'-1.0-1.fc36",
                 "os_release": b"Fedora release 36 '''\"; $(touch hacked) {{7*7}} /../../etc",
                 "executable": b"/usr/bin/'''$(touch hacked)" + b"x" * 90000}
TOOK = {}  # test → seconds, for whoever waits


@pytest.fixture(scope="module")
def made(farm, clean_logs):
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    place = farm.place / "mock"
    place.mkdir(mode=0o755)
    begin = time.monotonic()
    stage = Stage(farm, place, "AllowInteractive = 1\nAllowApiDelete = 1").start()
    stage.lay_out()
    print(f"\n{stage.distribution.describe()}; with the server {time.monotonic() - begin:.1f} s")
    yield stage
    for name, seconds in sorted(TOOK.items(), key=lambda item: -item[1])[:5]:
        print(f"\n{seconds:5.1f} s {name}", end="")
    stage.close()


@pytest.fixture
def stage(made, request):
    """Nothing is left of the test before, and nothing may be left of this one."""
    made.mock.behave()
    made.mock.calls()
    begin = time.monotonic()
    yield made
    TOOK[request.node.name] = time.monotonic() - begin
    poll(lambda: made.mock.processes() == [], 10, "mock is still at work")
    assert made.mock.left() == []


needs_double = pytest.mark.skipif("MOCK" in os.environ, reason="asks the double for something that "
                                  "the mock of MOCK does not do on demand")


@contextlib.contextmanager
def other_repository(stage, *removed):
    """Without packages, and as if they had never been there."""
    for name in removed:
        stage.file(name).unlink()
    packages.add_metadata(stage.repository)
    yield
    stage.lay_out()


@contextlib.contextmanager
def other_settings(stage, text):
    """For dispatcher and worker, which read them when they start."""
    config = stage.server.config
    good = config.read_text(encoding="utf-8")
    config.write_text(good + text + "\n", encoding="utf-8")
    yield
    config.write_text(good, encoding="utf-8")


@contextlib.contextmanager
def running(*command, **how):
    with subprocess.Popen(command, cwd="/", **how) as process:
        try:
            yield
        finally:
            process.kill()


def last_line(log):
    return log.rstrip().splitlines()[-1]


def verbs(stage):
    return [call[0] for call in stage.mock.calls()]


class TestRetrace:
    def test_720_001_exact_packages(self, stage):
        """Frames, arguments and locals of version 1.0, and then nothing is left."""
        task, log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        installed = re.findall(r"Package (will\S+) of (\S+) goes into the chroot", log)
        assert sorted(installed) == sorted(
            (f"{name}-1.0-1.fc36.{packages.ARCH}", RELEASE) for name in packages.PACKAGES)
        frames = json.loads(stage.env.task_file(
            task, "results/backtrace.json").read_text(encoding="utf-8"))
        assert [frame["function"] for frame in frames["threads"][0]["frames"]][:5] \
            == ["fall_0"] * 4 + ["boom"]
        assert "MISSING" not in backtrace
        if not stage.mock.is_real:
            assert verbs(stage) == CYCLE
        assert not stage.env.task_file(task, "mock").exists()
        assert stage.mock.left() == []

    @pytest.mark.parametrize("kind", ["1", "3"])
    def test_720_002_kept_chroot(self, stage, kind):
        """Of a task that keeps its core, for whoever looks further: mock finds it by its file. It
        is neither removed by the next run nor by a clean-up of this task."""
        task, log, backtrace = stage.retrace(headers={"X-Task-Type": kind})
        assert_complete(log, backtrace)
        config = stage.env.task_file(task, "mock/retrace.cfg")
        shown = as_owner(stage, stage.mock.program, "-r", config, "--unpriv", "--chroot", "--",
                         "ls", "-l", "/builddir/core", "/usr/bin/will_crash")
        assert shown.returncode == 0 and "mockbuild" in shown.stdout, shown
        if kind == "1":
            worker(stage, "--tidy", task.id)
        assert stage.mock.left() == [f"retrace-{task.id}"]
        as_owner(stage, stage.mock.program, "-r", config, "--scrub=all")

    def test_720_003_without_a_package(self, stage):
        """The plugin's is nowhere: told with its build-id, and no wrong frame is shown."""
        with other_repository(stage, "will-crash-plugin", "will-crash-plugin-debuginfo"):
            _, log, backtrace = stage.retrace()
        lines = missing(log)
        assert len(lines) == 2
        for line in lines:
            assert stage.old.ids["plugin-boom.so"] in line
            assert f"no package of {RELEASE} has it" in line
        assert re.search(r"plugin-boom\.so\n.*executable MISSING, debug info MISSING; asked: "
                         + RELEASE, backtrace)
        assert "fall_" not in backtrace and "in idle (data=" in backtrace

    def test_720_004_other_build_at_the_same_path(self, stage):
        """Of glibc another build is installed, since gdb needs one: its file is at the path that the
        core names, and gdb must not take it for the one that crashed."""
        with other_repository(stage, "glibc", "glibc-debuginfo"):
            other_glibc(stage)
            _, log, backtrace = stage.retrace()
        assert any("libc.so.6" in line and "executable with build-id" in line
                   for line in missing(log))
        assert re.search(r"^ +No +\S*/libc\.so\.6$", backtrace, re.M), backtrace
        assert "start_thread" not in backtrace and "pause" not in backtrace
        assert "in load_and_run (" in backtrace

    def test_720_005_shared_debug_information(self, stage):
        """It is in a package that no build-id of the core leads to, and comes along: without it gdb
        would have no symbols at all."""
        with other_repository(stage, *packages.PACKAGES, *packages.PACKAGES):
            for file in Apart(stage.old).package("apart").values():
                stage.keys.sign("good", file)
                shutil.copy2(file, stage.repository / "Packages" / "w")
            packages.add_metadata(stage.repository)
            _, log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        assert "Package will-crash-debuginfo-1.0-1" in log


class Apart(packages.Build):
    """A build packaged in another way: what both files of debug information share is alone."""

    def __init__(self, build):
        self.__dict__.update(build.__dict__)

    def files(self, package):
        if package == "will-crash-debuginfo":
            return super().files(package).replace(f"/{self.debug[0].relative_to(self.root)}\n", "") \
                .replace(self._debug_link(), "")
        if package == "will-crash-plugin-debuginfo":
            return "\n".join([super().files(package),
                              f"/{self.debug[0].relative_to(self.root)}" + self._debug_link()])
        return super().files(package)

    def _debug_link(self):
        number = self.ids["will_crash"]
        return f"\n/usr/lib/debug/.build-id/{number[:2]}/{number[2:]}.debug"


def other_glibc(stage):
    """The same files, but not known by their build-ids."""
    place = stage.place / "other"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    original = next(file for file in stage.distribution.files if file.name.startswith("glibc-2"))
    root = place / "root"
    root.mkdir()
    archive = subprocess.run(["rpm2cpio", original], check=True, capture_output=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet"], cwd=root, input=archive, check=True)
    shutil.rmtree(root / "usr/lib/.build-id")
    files = "\n".join(f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir()
                      or path.is_symlink())
    spec = place / "glibc.spec"
    spec.write_text(packages.SPEC.format(version="9", payload="w1.gzdio", packages="", main=files)
                    .replace("Name: will-crash", "Name: glibc").replace(
                        "AutoReqProv: no", "AutoReq: no\nProvides: rtld(GNU_HASH)"),
                    encoding="utf-8")
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--noclean", "--define", f"_topdir {place}",
                    "--buildroot", root, spec], check=True, capture_output=True)
    made = next((place / "RPMS").rglob("*.rpm"))
    stage.keys.sign("good", made)
    shutil.copy2(made, stage.repository / "Packages" / "d")
    packages.add_metadata(stage.repository)


def as_owner(stage, *command):
    """As a user of the group that may run mock."""
    owner = stage.server.owner()
    return subprocess.run(command, user=owner.pw_uid, group=owner.pw_gid,
                          extra_groups=os.getgrouplist(owner.pw_name, owner.pw_gid),
                          capture_output=True, text=True, check=False)


class TestHostile:
    def test_720_010_names(self, stage):
        """Of the package, of the release, of the program's directory: none is ever code. The core
        names its files in a directory whose name is hostile, and they are found all the same."""
        place = stage.place / HOSTILE
        place.mkdir()
        program, plugin = (shutil.copy2(file, place) for file in (stage.old.program,
                                                                  stage.old.plugin))
        core = crash.core_of(place / "will_crash", plugin)
        members = {**crash.members_of(core, program), **HOSTILE_NAMES}
        task, log, backtrace = stage.retrace(members, headers={"X-Task-Type": "1"})
        assert_complete(log, backtrace.replace('\\"', ""))  # as gdb writes it within a string
        assert HOSTILE.encode() in core
        config = stage.env.task_file(task, "mock/retrace.cfg")
        text = config.read_text(encoding="ascii")
        assert "hacked" not in text and "{" not in text and "$" not in text
        for directory in (stage.chroot_of(task), stage.server.spool, stage.mock.place):
            assert list(directory.rglob("hacked*")) == []
        as_owner(stage, stage.mock.program, "-r", config, "--scrub=all")

    @needs_double
    @pytest.mark.parametrize("what", ["plant-link", "plant-big"])
    def test_720_011_planted_result(self, stage, what):
        """A chroot that was taken over has a link to a file of ours where the result should be, or
        more than anybody wants."""
        stage.mock.behave(what)
        task, log, _ = stage.retrace(word="FINISHED_FAILURE")
        assert "what came out of the chroot is not used: " in last_line(log), log
        assert "backtrace" in last_line(log)
        assert not stage.env.task_file(task, "retrace_backtrace").exists()
        assert "root:" not in log
        assert not stage.env.task_file(task, "mock").exists()

    @needs_double
    def test_720_012_other_tasks(self, stage):
        """gdb that was taken over sees nobody but its own processes; where the admin has said that a
        bare chroot will do, those of other tasks are open to it (SECURITY.md)."""
        owner = stage.server.owner()
        with running("sleep", "3600", user=owner.pw_uid, group=MOCK_GID, extra_groups=[]):
            stage.mock.behave("spying-gdb")
            _, log, _ = stage.retrace(word="FINISHED_FAILURE")
            seen = re.findall(r"gdb: sees (\S+): root (\S+), signal (\S+)", log)
            assert re.search(r"gdb: has NoNewPrivs: 1$", log, re.M), log
            stage.mock.behave("spying-gdb", "site-simple")
            _, log, _ = stage.retrace(word="FINISHED_FAILURE")
        assert {name for name, _, _ in seen} <= {"timeout", "gdb", "sh", "bash", "stat"}, seen
        assert seen, log
        seen = re.findall(r"gdb: sees (\S+): root (\S+), signal (\S+)", log)
        assert any(name == "sleep" and root != "closed" and signal == "yes"
                   for name, root, signal in seen), seen
        assert ("retrace-dispatc", "closed", "yes") in seen, seen
        for name, root, _ in seen:  # the group mock is only gdb's own
            assert not name.startswith("retrace-") or root == "closed", seen


class TestFailures:
    def test_720_020_package_manager(self, stage):
        """There is no gdb to install: what the package manager says is in the log."""
        with other_repository(stage, "gdb"):
            _, log, _ = stage.retrace(word="FINISHED_FAILURE")
        assert "mock --init: the package manager failed (code 30)" in last_line(log)
        assert re.search(r"mock: .*gdb", log), log

    def test_720_021_signatures(self, stage):
        """What the distribution is signed with is no key of the release any more."""
        keys = stage.key_dir / "fedora-36"
        good = keys.read_bytes()
        keys.write_bytes(good.removesuffix(stage.distribution.key))
        _, log, _ = stage.retrace(word="FINISHED_FAILURE")
        keys.write_bytes(good)
        assert "the package manager failed (code 30)" in last_line(log)
        assert re.search(r"mock: .*(GPG|not signed|public key)", log, re.I), log

    @needs_double
    def test_720_022_locked_root(self, stage):
        """Another mock is at work in the chroot: tried again, then told."""
        task = stage.client.submit(crash.gz(crash.tar(stage.old.members())),
                                   content="application/x-gzip")
        place = stage.mock.roots / f"retrace-{task.id}"
        place.mkdir(parents=True)
        with open(place / "buildroot.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            stage.start_dispatcher()
            assert stage.client.wait(task) == "FINISHED_FAILURE"
            stage.end_dispatcher()
        log = stage.client.log(task).text
        assert "another mock is at work in the chroot (code 60)" in last_line(log)
        assert [verb for verb in verbs(stage) if verb == "init"] == ["init"] * 3
        worker(stage, "--tidy", task.id)  # as the dispatcher does after the death of one

    def test_720_023_no_mock(self, stage):
        with other_settings(stage, "MockPath = /nonexistent/mock"):
            _, log, _ = stage.retrace(word="FINISHED_FAILURE")
            checked = worker(stage, "--check")
            told = (stage.server.spool / "dispatcher_error").read_text(encoding="utf-8")
        words = "run /nonexistent/mock: must this user be in the group mock?"
        assert words in last_line(log) and words in told
        assert checked.returncode == 111 and words in checked.stderr
        assert worker(stage, "--check").returncode == 0
        assert not (stage.server.spool / "dispatcher_error").exists()

    def test_720_024_no_repository(self, stage):
        with other_settings(stage, f"RepoDir = {stage.place}/empty"):
            _, log, _ = stage.retrace(word="FINISHED_FAILURE")
        assert f"no repository below {stage.place}/empty has packages of the crash" in last_line(log)


def worker(stage, *words):
    return as_owner(stage, stage.server.dir / "libexec" / "retrace-server-worker",
                    f"--config={stage.server.config}", *words)


def cancel(stage, task):
    return stage.client.request("POST", f"/{task.id}/cancel", {"X-Task-Password": task.password,
                                                               "Content-Length": "0"})


def hanging(stage):
    """Processes in chroots: gdb, or what takes its place."""
    return [pid for pid in stage.mock.processes()
            if os.readlink(f"/proc/{pid}/root") != "/"]


@needs_double
class TestEnds:
    def test_720_030_time_limit(self, stage):
        """gdb in the chroot has what is left of the task's time, and is ended in there."""
        stage.mock.behave("hanging-gdb")
        with other_settings(stage, "MaxTaskRuntime = 20"):
            task, log, _ = stage.retrace(word="FINISHED_FAILURE")
        assert re.search(r"gdb was killed in the chroot after \d s$", last_line(log)), log
        assert stage.mock.left() == [] and not stage.env.task_file(task, "mock").exists()

    def test_720_031_cancel(self, stage):
        """While gdb hangs in the chroot: all of it is ended. On a busy machine the dispatcher's tidying
        may run out of its time; then the chroot is removed later, which is asked for here."""
        stage.mock.behave("hanging-gdb")
        task = stage.submit()
        poll(lambda: hanging(stage), 40, "gdb does not hang")
        assert cancel(stage, task).status in (200, 202, 204)
        assert stage.client.wait(task) == "FINISHED_FAILURE"
        stage.end_dispatcher()
        assert "cancelled" in last_line(stage.client.log(task).text).lower()
        poll(lambda: stage.mock.processes() == [], 10, "mock is still at work")
        worker(stage, "--tidy", task.id)
        assert stage.mock.left() == [] and not stage.env.task_file(task, "mock").exists()

    def test_720_032_killed_worker(self, stage):
        """It dies while mock, out of the reach of its signals, installs packages. The chroot cannot
        be removed then; the next task's run does it."""
        stage.mock.behave("slow-init")
        first = stage.submit()
        stage.wait_for_call("init")
        for pid in stage.env.workers():
            os.kill(pid, signal.SIGKILL)
        assert stage.client.wait(first) == "FINISHED_FAILURE"
        stage.end_dispatcher()
        assert stage.mock.left() == [f"retrace-{first.id}"]
        for pid in stage.mock.processes():
            os.kill(pid, signal.SIGKILL)
        stage.mock.behave()
        _, log, backtrace = stage.retrace()
        assert "A chroot that another task had left is removed" in log
        assert_complete(log, backtrace)
        assert stage.mock.left() == [] and not stage.env.task_file(first, "mock").exists()


class TestSettings:
    def test_720_040_helper_does_not_do(self, farm):
        """The helper drops all groups: httpd and everybody else says which two do not go together."""
        server = farm.make("RetraceEnvironment = mock")
        server.prepare()
        words = r"RetraceEnvironment = mock works only with Dispatcher = systemd"
        with pytest.raises(ServerError, match=words):
            server.check()
        told = subprocess.run([server.build / "retrace-server-config", server.config],
                              capture_output=True, text=True, check=False)
        assert told.returncode != 0 and re.search(words, told.stderr)

    def test_720_041_service_lets_setuid_work(self):
        """None of its settings implies NoNewPrivileges for a user (systemd.exec(5))."""
        implies = ("NoNewPrivileges", "SystemCall", "Restrict", "PrivateDevices", "ProtectKernel",
                   "MemoryDeny", "LockPersonality", "ProtectClock", "ProtectHostname",
                   "DynamicUser", "CapabilityBoundingSet", "SupplementaryGroups", "PrivateUsers")
        keys = unit_settings()
        assert "ExecStart" in keys and "UMask" in keys
        assert [key for key in keys if key.startswith(implies)] == []


@needs_double
class TestDouble:
    """That the double has the conventions of the real one."""

    def test_720_050_root_is_refused(self, stage):
        done = subprocess.run(["/usr/bin/python3", "-I", stage.mock.place / "mock.py", "--clean"],
                              env={}, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "will not run from the root account" in done.stderr

    def test_720_051_exit_codes(self, stage):
        config = stage.place / "double.cfg"
        config.write_text("config_opts['root'] = 'retrace-double'\nconfig_opts['use_bootstrap'] = "
                          "False\n", encoding="ascii")
        config.chmod(0o644)

        def code(*words, file=config):
            return as_owner(stage, stage.mock.program, "-q", "-r", file, *words).returncode

        assert code("--clean") == 0  # of nothing
        assert code("--clean", file=stage.place / "nothing.cfg") == 3
        assert code("--chroot", "--") == 50
        assert code("--copyout", "--", "/x") == 50
        assert code("--chroot", "ls", "-l", "/") == 1
        config.write_text("config_opts['root'] = '{{7*7}}'\n", encoding="ascii")
        assert code("--clean") == 3
        config.write_text("config_opts['root'] = 'x'\n", encoding="ascii")
        assert code("--clean") == 1  # the bootstrap chroot
        shutil.rmtree(stage.mock.roots / "retrace-double")
