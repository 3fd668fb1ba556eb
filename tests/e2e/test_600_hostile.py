# SPDX-License-Identifier: Apache-2.0
"""Hostile cores, programs and debug information against gdb in the sandbox (tests/e2e/gdb_probe.c).

Each test first shows that plain gdb is hit, so that none can pass because its attack is broken.
As root the probe runs as user `retrace`, as the worker does. No web server is needed here."""

import os
import pathlib
import pwd
import re
import resource
import shutil
import subprocess
import tempfile
import time

import pytest

PROBE = pathlib.Path(os.environ.get("RETRACE_BUILD", "build"), "tests", "gdb_probe").resolve()
USER = "retrace"
SECRET = "TOPSECRET-host-content"
HIT = "PWNED"
V1 = pathlib.Path("/sys/fs/cgroup")
MIB = 1 << 20

# Maps the file that it is given and dies in a frame that has its text for an argument. Unwritten
# pages of a file are not in a core: debuggers take them from the file that NT_FILE names.
PROGRAM = r"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
%s
__attribute__((noinline)) static void show(const char *text)
{
    *(volatile char *)0 = text[0];
}
int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    puts("INFERIOR RAN");
    fflush(stdout);
    show(fd < 0 ? "nothing" : mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    return 0;
}
"""

# What gdb calls inline Python in .debug_gdb_scripts: kind 4, a name and the text.
SCRIPT = r"""
__asm__(".pushsection \".debug_gdb_scripts\", \"MS\",%progbits,1\n"
        ".byte 4\n.ascii \"inline\\n\"\n.ascii \"print('PW' + 'NED')\\n\"\n.byte 0\n.popsection\n");
"""


def as_worker():
    """Words before a command that make it run as the worker would."""
    if os.getuid() != 0:
        return []
    try:
        pwd.getpwnam(USER)
    except KeyError:
        pytest.skip(f"there is no user {USER}")
    return ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]


def page(text):
    """A file's content that fills a page: gdb reads ahead, but not past the end of a file."""
    return text.encode().ljust(4096, b"\0")


class Case:
    """A directory that everybody may read, with a probe, a program and its core."""

    def __init__(self, directory):
        self.path = directory
        self.probe = directory / "gdb_probe"
        self.program = directory / "victim"
        self.core = directory / "victim.core"
        self.secret = directory / "secret"
        shutil.copy(PROBE, self.probe)
        self.secret.write_bytes(page(SECRET))

    def compile(self, extra=""):
        source = self.path / "victim.c"
        source.write_text(PROGRAM % extra)
        subprocess.run(["cc", "-g", "-O0", "-o", self.program, source], check=True)

    def make_core(self, *args):
        """A core of the program; by the kernel where it writes files, else by gdb."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        subprocess.run(
            [self.program, *args], cwd=self.path, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited))
        written = [file for file in self.path.glob("core*") if file.is_file()]
        if written:
            written[0].rename(self.core)
        else:
            subprocess.run(
                ["gdb", "-q", "-nx", "-batch", "-ex", "run", "-ex",
                 f"generate-core-file {self.core}", "--args", self.program, *args],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        self.core.chmod(0o644)

    def make_core_naming(self, path):
        """A core whose NT_FILE names this path for the mapped page."""
        decoy_dir = self.path / ("d" * 80)
        decoy = decoy_dir / "decoy"
        decoy_dir.mkdir()
        decoy.write_text("decoy\n")
        self.make_core(decoy)
        shutil.rmtree(decoy_dir)
        old = bytes(decoy)
        new = os.fsencode(path)
        start = re.match(rb"(/\.\.)?", new).group()
        new = start + b"/" * (len(old) - len(new)) + new[len(start):]
        content = self.core.read_bytes()
        assert old + b"\0" in content
        self.core.write_bytes(content.replace(old + b"\0", new + b"\0"))
        return new.decode()

    def plain(self, *options, timeout=30, env=None, cwd=None, nx=True):
        """gdb as it is, on this core: all that it prints."""
        words = ["gdb", "-q", "-batch", *(["-nx"] if nx else []),
                 "-iex", "set debuginfod enabled off", *options, self.program, self.core]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, env=env,
                              cwd=cwd or self.path)
        return done.stdout.decode(errors="replace")

    def sandboxed(self, *options, env=None, cwd=None):
        """The probe: its sections by name, with its whole output as "all"."""
        words = [*as_worker(), self.probe, self.core, "/victim",
                 "--bind", f"{self.program}:/sysroot/victim", *options]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, env=env, cwd=cwd or "/")
        text = done.stdout.decode()
        parts = re.split(r"^== (\w+)\n", text, flags=re.M)
        sections = dict(zip(parts[1::2], parts[2::2]), all=text)
        assert "end" in sections, text
        return sections

    def command(self, command, *options):
        """The probe with one command of a gdb that has been taken over."""
        return self.sandboxed("--command", command, *options)


@pytest.fixture
def case():
    if not PROBE.exists():
        pytest.fail(f"{PROBE} has not been built")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hostile-", dir="/tmp"))
    directory.chmod(0o755)
    yield Case(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def victim(case):
    """A case with a harmless core."""
    case.compile()
    case.make_core()
    return case


def end_of(sections):
    return sections["end"].split()[0]


def test_600_harmless_core(victim):
    """What the other tests would look like without an attack."""
    sections = victim.sandboxed()
    assert end_of(sections) == "exited"
    assert "SIGSEGV" in sections["head"]
    assert "show (text=" in sections["backtrace"]
    assert '"nothing"' in sections["backtrace"]
    assert "rip" in sections["registers"] or "pc" in sections["registers"]
    assert "=> 0x" in sections["disassembly"]
    assert sections["threads"].lstrip().startswith("Id")


# --- files of this machine, named by a core -----------------------------------------------------

def test_601_core_names_a_host_file(case):
    case.compile()
    case.make_core_naming(case.secret)
    assert SECRET in case.plain("-iex", "set auto-load off", "-ex", "bt full")
    sections = case.sandboxed()
    assert SECRET not in sections["all"]
    assert "show (text=" in sections["backtrace"]


def test_602_dots_lead_out_of_the_sysroot(case):
    case.compile()
    named = case.make_core_naming(f"{'/..' * 8}/.{case.secret}")
    assert named.startswith("/../")
    sysroot = case.path / "sysroot"
    sysroot.mkdir()
    assert SECRET in case.plain("-iex", f"set sysroot {sysroot}", "-ex", "bt full")
    assert SECRET not in case.sandboxed()["all"]


def test_603_link_leads_out_of_the_sysroot(case):
    case.compile()
    case.make_core_naming("/link")
    sysroot = case.path / "sysroot"
    sysroot.mkdir()
    shutil.copy(case.program, sysroot / "victim")
    (sysroot / "link").symlink_to(case.secret)
    assert SECRET in case.plain("-iex", f"set sysroot {sysroot}", "-ex", "bt full")
    words = [*as_worker(), case.probe, case.core, "/victim", "--bind", f"{sysroot}:/sysroot"]
    text = subprocess.run(words, stdout=subprocess.PIPE, timeout=60).stdout.decode()
    assert "show (text=" in text
    assert SECRET not in text


def test_604_sysroot_serves_its_own_file(case):
    """The same core is answered when the file is the crashed system's."""
    case.compile()
    named = case.make_core_naming("/data")
    own = case.path / "own"
    own.write_bytes(page("text-of-the-sysroot"))
    sections = case.sandboxed("--bind", f"{own}:/sysroot/data")
    assert named.endswith("/data")
    assert "text-of-the-sysroot" in sections["backtrace"]


def test_605_core_names_a_fifo(case):
    case.compile()
    fifo = case.path / "fifo"
    os.mkfifo(fifo, 0o666)
    case.make_core_naming(fifo)
    with pytest.raises(subprocess.TimeoutExpired):
        case.plain("-ex", "bt full", timeout=3)
    assert end_of(case.sandboxed()) == "exited"  # there is no such file
    begun = time.monotonic()
    sections = case.sandboxed("--bind", f"{fifo}:/sysroot{fifo}", "--wall", "3")
    assert end_of(sections) == "time"
    assert 3 <= time.monotonic() - begun < 5


# --- code in files that gdb reads ---------------------------------------------------------------

def test_610_script_in_an_executable(case):
    case.compile(SCRIPT)
    case.make_core()
    assert HIT in case.plain("-iex", "set auto-load safe-path /")
    debug = "/sysroot/usr/lib/debug/victim.debug"
    sections = case.sandboxed("--bind", f"{case.program}:{debug}")
    assert "show (text=" in sections["backtrace"]
    assert HIT not in sections["all"]


def test_611_gdbinit(victim):
    (victim.path / ".gdbinit").write_text(f"echo {HIT}\\n\n")
    (victim.path / ".gdbearlyinit").write_text("set startup-quietly on\n")
    env = {**os.environ, "HOME": str(victim.path)}
    assert HIT in victim.plain(env=env, nx=False, cwd="/")
    sections = victim.sandboxed("--bind", f"{victim.path}:/sysroot/home", env=env, cwd=victim.path)
    assert HIT not in sections["all"]


# --- gdb taken over: anything that it can be told ------------------------------------------------

def test_620_shell(victim):
    command = "!echo PW''NED"
    assert HIT in victim.plain("-ex", command)
    sections = victim.command(command)
    assert HIT not in sections["all"]
    assert "annot exec" in sections["messages"]


def test_621_socket(victim):
    command = "python import socket; socket.socket(); print('PW' + 'NED')"
    assert HIT in victim.plain("-ex", command)
    sections = victim.command(command)
    assert HIT not in sections["all"]
    assert end_of(sections) == "forbidden"


def test_622_namespace(victim):
    """unshare(CLONE_FILES): the one that needs no privilege and works with threads."""
    command = "python import ctypes; print('PW' 'NED', ctypes.CDLL(None).unshare(0x400))"
    assert f"{HIT} 0" in victim.plain("-ex", command)
    sections = victim.command(command)
    assert HIT not in sections["all"]
    assert end_of(sections) == "forbidden"


@pytest.mark.parametrize("place", ["/sysroot/file", "/debugger/file", "/box/file", "/file",
                                   "/dev/file", "/dev/shm/file"])
def test_623_write(victim, place):
    command = "python open('%s', 'w').write('x'); print('PW' + 'NED')"
    assert HIT in victim.plain("-ex", command % (victim.path / "file"))
    sections = victim.command(command % place)
    assert HIT not in sections["all"]
    assert "Read-only file system" in sections["messages"]


def test_624_read(victim):
    command = f"python print(open('{victim.secret}').read(22))"
    assert SECRET in victim.plain("-ex", command)
    sections = victim.command(command)
    assert SECRET not in sections["output"]
    assert "No such file" in sections["messages"]


def test_625_memory(victim):
    command = "python import mmap; mmap.mmap(-1, 3 << 30); print('PW' + 'NED')"
    assert HIT in victim.plain("-ex", command)
    sections = victim.command(command)
    assert HIT not in sections["all"]
    assert "Cannot allocate memory" in sections["messages"]
    assert "MemoryError" in victim.command("python bytearray(3 << 30)")["messages"]


def test_626_large_file(victim):
    command = "python open('%s', 'wb').write(bytes(32 << 20)); print('PW' + 'NED')"
    assert HIT in victim.plain("-ex", command % (victim.path / "large"))
    sections = victim.command(command % "/tmp/large")
    assert HIT not in sections["all"]
    assert re.search("File too large|No space left", sections["messages"])


def test_627_run(victim):
    assert "INFERIOR RAN" in victim.plain("-ex", "run")
    sections = victim.command("run")
    assert "INFERIOR RAN" not in sections["all"]


def test_628_flood(victim):
    command = "python\nwhile True: print('x' * 65536)\n"
    sections = victim.command(command)
    assert end_of(sections) == "output"
    assert len(sections["output"]) <= 16 * MIB + 1


def test_629_what_is_visible(victim):
    command = "python import os; print(sorted(os.listdir('/')), sorted(os.environ), os.getpid())"
    output = victim.command(command)["output"]
    assert "['box', 'debugger', 'dev', 'sysroot', 'tmp']" in output
    assert "RETRACE" not in output and "PATH'" not in output.replace("GCONV_PATH'", "").replace(
        "LOCPATH'", "")
    assert int(output.split()[-1]) < 10


def test_630_other_processes(victim):
    """There is nobody to kill but oneself."""
    sections = victim.command("python import os; os.kill(-1, 9)")
    assert end_of(sections) in ("signalled", "exited")
    command = f"python import os; os.kill({os.getpid()}, 0); print('PW' + 'NED')"
    assert HIT not in victim.command(command)["all"]


# --- control groups ------------------------------------------------------------------------------

@pytest.fixture
def cgroup():
    """A v1 group that belongs to the worker's user; its path as CgroupPath."""
    if os.getuid() != 0 or not (V1 / "memory" / "cgroup.procs").exists():
        pytest.skip("needs root and control groups of version 1")
    as_worker()
    user = pwd.getpwnam(USER)
    name = f"retrace-e2e-{os.getpid()}"
    groups = [V1 / controller / name for controller in ("memory", "pids", "freezer")]
    for group in groups:
        group.mkdir()
        for path in (group, group / "cgroup.procs"):
            os.chown(path, user.pw_uid, user.pw_gid)
    yield f"/{name}"
    for group in groups:
        assert [entry for entry in group.iterdir() if entry.is_dir()] == []
        group.rmdir()


def test_640_memory_of_the_group(victim, cgroup):
    command = "python x = bytearray(b'x' * (400 << 20)); print('PW' + 'NED')"
    assert HIT in victim.command(command)["output"]
    sections = victim.command(command, "--cgroup", cgroup, "--cgroup-memory", str(200 * MIB))
    assert HIT not in sections["all"]
    assert end_of(sections) == "memory"
    assert int(re.search(r"peak (\d+)", sections["end"]).group(1)) <= 200 * MIB


def test_641_processes_of_the_group(victim, cgroup):
    bomb = """python
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        count += 1
except OSError:
    pass
print('children', count)
"""
    sections = victim.command(bomb, "--cgroup", cgroup)
    assert end_of(sections) == "exited"
    assert 10 < int(sections["output"].split()[-1]) < 64


def test_642_harmless_core_in_a_group(victim, cgroup):
    sections = victim.sandboxed("--cgroup", cgroup)
    assert end_of(sections) == "exited"
    assert "show (text=" in sections["backtrace"]
