# SPDX-License-Identifier: Apache-2.0
"""The module inside httpd: each MPM, restarts, virtual hosts, and configurations that must not
start."""
import contextlib
import os
import pwd
import signal
import subprocess

import pytest

from client import poll
from gate import Gate
from serve.server import ServerError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


# --- The main flow --------------------------------------------------------------------------------

class TestMpm:
    @pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
    def test_400_001_main_flow(self, farm, upload, mpm):
        env = farm.start("MaxParallelTasks = 2\nMaxQueuedTasks = 2", mpm=mpm)
        assert mpm in loaded_mpm(env.server)
        tasks = [env.client.submit(upload) for _ in range(3)]
        for task in tasks:
            assert env.client.wait(task) == "FINISHED_SUCCESS"
            assert "read_null" in env.client.backtrace(task).text
        assert env.client.create(b"x").status == 403
        env.wait_idle()
        assert zombies_of(env.server) == []
        farm.stop(env)


def loaded_mpm(server):
    text = subprocess.run(server.httpd("-V"), capture_output=True, text=True, check=True).stdout
    return next(line for line in text.splitlines() if line.startswith("Server MPM:"))


def children_of(pid):
    text = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(pid)], capture_output=True,
                          text=True).stdout
    return [line.split() for line in text.splitlines()]


def zombies_of(server):
    """Helpers that httpd's children have not waited for."""
    return [pid for child, _ in children_of(server.process.pid)
            for pid, state in children_of(child) if state.startswith("Z")]


# --- Restarts -------------------------------------------------------------------------------------

def config_generation(env):
    return len(env.log.find("AH00493")) + len(env.log.find("AH00494"))


class TestRestart:
    @pytest.mark.parametrize("kind", [signal.SIGUSR1, signal.SIGHUP], ids=["graceful", "hard"])
    def test_400_010_running_task_goes_on(self, farm, upload, kind):
        """The task waits in gdb's place while httpd restarts."""
        gate = Gate(farm, f"restart-{kind}")
        env = farm.start(gate.setting)
        task = env.client.submit(upload)
        poll(env.workers, 10, "no worker runs")
        before = env.workers()
        env.server.process.send_signal(kind)
        poll(lambda: config_generation(env) == 1, 10, "httpd did not restart")
        poll(lambda: is_pending(env, task), 10, "the new generation does not serve")
        assert env.workers() == before
        gate.open()
        assert env.client.wait(task) == "FINISHED_SUCCESS"
        env.wait_idle()

    def test_400_011_stopped_httpd_leaves_the_task(self, farm, upload):
        gate = Gate(farm, "stop")
        env = farm.start(gate.setting)
        task = env.client.submit(upload)
        poll(env.workers, 10, "no worker runs")
        env.server.process.terminate()
        env.server.process.wait(20)
        gate.open()
        poll(env.task_file(task, "retrace_backtrace").exists, 20, "the task was lost")

    def test_400_012_settings_are_read_again(self, farm, upload):
        env = farm.start()
        assert not is_too_long(env, 2 << 20)  # it also means that httpd takes signals now
        text = env.server.config.read_text()
        env.server.config.write_text(text + "MaxPackedSize = 1\n")
        env.server.process.send_signal(signal.SIGUSR1)
        poll(lambda: is_too_long(env, 2 << 20), 10, "the new limit does not hold")


def is_too_long(env, length):
    """Refused for its length, or later for its type; while httpd restarts, connections may be cut."""
    headers = {"Content-Type": "application/x-tar", "Content-Length": str(length),
               "X-Task-Type": "3"}
    with contextlib.suppress(OSError):
        return env.client.request("POST", "/create", headers).status == 413
    return False


def is_pending(env, task):
    with contextlib.suppress(OSError):
        return env.client.word(task) == "PENDING"
    return False


# --- Virtual hosts --------------------------------------------------------------------------------

class TestVirtualHost:
    def test_400_020_location_of_the_main_server(self, farm, upload):
        """A virtual host without a word of ours inherits it all."""
        env = farm.start(extra_httpd="<VirtualHost *>\nServerName localhost\n</VirtualHost>")
        assert env.client.wait(env.client.submit(upload)) == "FINISHED_SUCCESS"

    def test_400_021_location_of_its_own(self, farm, upload):
        """What an admin writes beside `SSLEngine on`: Retrace On in the virtual host."""
        env = farm.start(extra_httpd=OWN_LOCATION.format(farm.make().build))
        env.client.prefix = "/own"
        assert env.client.wait(env.client.submit(upload)) == "FINISHED_SUCCESS"


OWN_LOCATION = """LoadModule retrace_module {}/mod_retrace.so
<VirtualHost *>
    ServerName localhost
    <Location /own>
        Retrace On
        Require all granted
    </Location>
</VirtualHost>"""


# --- What must not start --------------------------------------------------------------------------

class Checker:
    """`httpd -t` on a server that is laid out once, with more lines in its files."""

    def __init__(self, server):
        server.prepare()
        self.server = server
        self.conf = server.dir / "httpd.conf"
        self.texts = {path: path.read_text() for path in (server.config, self.conf)}

    def complaint(self, settings="", conf=""):
        """What httpd says, or None; the settings file is called CONFIG, its last line is LAST."""
        self.server.config.write_text(self.texts[self.server.config] + settings + "\n")
        self.conf.write_text(self.texts[self.conf] + conf + "\n")
        last = len(self.server.config.read_text().splitlines())
        try:
            self.server.check()
        except ServerError as error:
            return str(error).replace(f"{self.server.config}", "CONFIG") \
                .replace(f"CONFIG:{last}:", "CONFIG:LAST:")
        return None


@pytest.fixture(scope="module")
def checker(farm):
    return Checker(farm.make(tls=False))


class TestSyntaxCheck:
    def test_400_030_good_settings(self, checker):
        assert checker.complaint("maxqueuedtasks = 3\n; comment\n\nMAXPARALLELTASKS=1") is None

    @pytest.mark.parametrize("line,words", [
        ("NoSuchOption = 1", "there is no option NoSuchOption"),
        ("MaxParallelTasks = 0", "MaxParallelTasks must be between 1 and 1000"),
        ("MaxParallelTasks = 1001", "MaxParallelTasks must be between 1 and 1000"),
        ("MaxQueuedTasks = -1", "MaxQueuedTasks must be between 0 and"),
        ("MaxPackedSize = ten", "MaxPackedSize must be a whole number"),
        ("MaxPackedSize = 99999999999999999999", "MaxPackedSize must be"),
        ("MaxPackedSize =", "MaxPackedSize must be a whole number"),
        ("RequireHTTPS = yes", "RequireHTTPS must be 0 or 1"),
        ("RequiredFiles = all", "RequiredFiles must be one of"),
        ("SaveDir = relative", "SaveDir must be an absolute path"),
        ("[other]", "the only section is [retrace]"),
        ("no equals sign", "a line must be"),
    ])
    def test_400_031_bad_line(self, checker, line, words):
        complaint = checker.complaint(line)
        assert complaint is not None and f"CONFIG:LAST: {words}" in complaint

    def test_400_032_no_file(self, checker):
        checker.complaint()
        checker.server.config.unlink()
        with pytest.raises(ServerError, match="RT0003: .*retrace-server.conf: No such file"):
            checker.server.check()

    @pytest.mark.parametrize("section", [
        "<Directory /srv>", "<Files x>", "<LocationMatch ^/x>", "<Location ~ ^/x>",
        "<Location /x*>", "<Location /x?>", "<Location /[xy]>", "<Location ~ /x>", "<If true>"])
    def test_400_033_retrace_without_a_plain_path(self, checker, section):
        name = section[1:].split()[0].rstrip(">")
        complaint = checker.complaint(conf=f"{section}\nRetrace On\n</{name}>")
        assert complaint is not None and "Retrace must be in a <Location>" in complaint

    def test_400_034_retrace_outside_of_sections(self, checker):
        complaint = checker.complaint(conf="Retrace On")
        assert complaint is not None and "Retrace not allowed here" in complaint

    def test_400_035_retrace_in_a_plain_location(self, checker):
        assert checker.complaint(conf="<Location /x/y>\nRetrace On\n</Location>") is None

    @pytest.mark.parametrize("line", ["RetraceConfig relative.conf",
                                      "<VirtualHost *>\nRetraceConfig /x\n</VirtualHost>"])
    def test_400_036_retrace_config(self, checker, line):
        complaint = checker.complaint(conf=line)
        assert complaint is not None and "RetraceConfig" in complaint


def refuses_to_start(server, tag, prefix=()):
    """httpd ends at once, and its log says why."""
    server.prepare()
    with open(server.dir / "logs" / "stderr", "ab") as errors:
        code = subprocess.run([*prefix, *server.httpd("-D", "FOREGROUND")], stdout=errors,
                              stderr=errors, timeout=20).returncode
    said = "".join(path.read_text() for path in (server.error_log, server.dir / "logs" / "stderr")
                   if path.exists())
    assert code != 0 and f"{tag}: " in said, said
    return next(line for line in said.splitlines() if f"{tag}: " in line)


class Spoiled:
    """Makes a server whose settings file is changed after it was laid out."""

    def __init__(self, farm, spoil):
        self.server = farm.make(tls=False)
        self.original = self.server.prepare
        self.spoil = spoil
        self.server.prepare = self.prepare

    def prepare(self):
        self.original()
        self.spoil(self.server)


class TestStart:
    def test_400_040_other_settings_file(self, farm):
        """The helper was linked for another path."""
        def move(server):
            other = server.dir / "other.conf"
            other.write_text(server.config.read_text())
            conf = server.dir / "retrace.conf"
            conf.write_text(conf.read_text().replace(str(server.config), str(other)))

        line = refuses_to_start(Spoiled(farm, move).server, "RT0005")
        assert "other.conf" in line and "retrace-server.conf" in line

    @pytest.mark.parametrize("mode", [0o664, 0o646])
    def test_400_041_writable_by_others(self, farm, mode):
        spoiled = Spoiled(farm, lambda server: server.config.chmod(mode))
        assert "writable by others" in refuses_to_start(spoiled.server, "RT0003")

    @as_root
    def test_400_042_of_another_user(self, farm):
        nobody = pwd.getpwnam("nobody").pw_uid
        spoiled = Spoiled(farm, lambda server: os.chown(server.config, nobody, -1))
        assert "must belong to root" in refuses_to_start(spoiled.server, "RT0003")

    def test_400_043_symbolic_link(self, farm):
        def link(server):
            real = server.config.rename(server.dir / "real.conf")
            server.config.symlink_to(real)

        assert "symbolic link" in refuses_to_start(Spoiled(farm, link).server, "RT0003")

    @as_root
    def test_400_044_no_new_privileges(self, farm):
        line = refuses_to_start(farm.make(tls=False), "RT0004", ("setpriv", "--no-new-privs"))
        assert "NoNewPrivileges" in line

    @as_root
    def test_400_045_helper_without_its_capability(self, farm):
        def strip(server):
            subprocess.run(["setcap", "-r", server.dir / "libexec" / "retrace-helper"], check=True)

        assert "exit code" in refuses_to_start(Spoiled(farm, strip).server, "RT0005")

    @as_root
    def test_400_046_helper_that_is_not_setuid(self, farm):
        def strip(server):
            (server.dir / "libexec" / "retrace-helper").chmod(0o755)

        assert "exit code" in refuses_to_start(Spoiled(farm, strip).server, "RT0005")

    def test_400_047_no_helper(self, farm):
        def remove(server):
            (server.dir / "libexec" / "retrace-helper").unlink()

        assert "retrace-helper" in refuses_to_start(Spoiled(farm, remove).server, "RT0005")
