# SPDX-License-Identifier: Apache-2.0
"""A double of mock(1) for machines whose distribution does not have it: the same command line, exit
codes, identities and locks, on the real `dnf --installroot`. Started by launcher.c. What a test wants
of it besides is in the file `behaviour` beside it."""
import contextlib
import ctypes
import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

BASE = Path(__file__).resolve().parent
BEHAVIOUR = BASE / "behaviour"
VERBS = ("init", "chroot", "shell", "install", "copyin", "copyout", "clean", "scrub")
OLD_STYLE = ("init", "chroot", "shell", "install", "clean")
WITH_VALUE = ("-r", "--root", "--configdir", "--resultdir", "--cwd")
MOCK_GID = 135
ENVIRONMENT = {"HOME": "/builddir", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TERM": "vt100",
               "LANG": "C.UTF-8", "SHELL": "/bin/bash"}
CLONE_IPC_PID_NET = 0x08000000 | 0x20000000 | 0x40000000
DEVICES = ("null", "zero", "full", "random", "urandom")
# What takes the place of gdb: one that hangs, and one that was taken over.
GDBS = {"hanging-gdb": "exec sleep 3600\n",
        "spying-gdb": """for process in /proc/[0-9]*; do
  read -r name < "$process/comm" || continue
  signal=no; kill -0 "${process#/proc/}" && signal=yes
  echo "sees $name: root $(stat -L -c %i "$process/root" || echo closed), signal $signal" >&4
done 4>&2 2>/dev/null
while read -r line; do
  case $line in NoNewPrivs:*) echo "has" $line >&2;; esac
done < /proc/self/status
"""}


class MockError(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def behaves(word):
    return BEHAVIOUR.exists() and word in BEHAVIOUR.read_text(encoding="ascii").split()


# --- What it was called with -------------------------------------------------------------------

def require_caller():
    """Root is refused unless a helper says for whom it is."""
    for name in ("SUDO_UID", "USERHELPER_UID"):
        if name in os.environ:
            return int(os.environ[name])
    if os.getuid() == 0:
        raise MockError(1, "mock will not run from the root account (needs an unprivileged uid so "
                           "it can drop privs)")
    raise MockError(1, "mock must be started by its helper")


def parse(words):
    """Returns verb, options, arguments. What is unknown is an argument; the first `--` is dropped."""
    verb, options, arguments = None, {}, []
    words = list(words)
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if word == "--" and verb is not None:
            return verb, options, arguments + words
        if name in WITH_VALUE:
            options["-r" if name == "--root" else name] = value or words.pop(0)
        elif name.removeprefix("--") in VERBS and name.startswith("--"):
            verb = name.removeprefix("--")
        elif word in ("-q", "--quiet", "--unpriv", "-u"):
            options[{"-u": "--unpriv", "-q": "--quiet"}.get(word, word)] = True
        elif word == "-l":
            raise MockError(1, "there are no snapshots")
        elif verb is None and word in OLD_STYLE:
            verb = word
        else:
            arguments.append(word)
    return verb, options, arguments


def as_user(uid, work):
    """What `work` returns, done by a process with this identity; its failure is ours."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(MOCK_GID, MOCK_GID, MOCK_GID)
            os.setresuid(uid, uid, uid)
            try:
                reply = {"value": work()}
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            os.write(writer, json.dumps(reply).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        reply = json.loads(file.read() or b'{"error": "it died"}')
    os.waitpid(pid, 0)
    if "error" in reply:
        raise MockError(1, reply["error"])
    return reply["value"]


def read_config(options, uid):
    """Executed as Python by the caller's identity; templates in the values would be expanded."""
    name = options.get("-r", "default")
    place = options.get("--configdir", "/etc/mock")
    if "--configdir" in options and not any(
            (Path(path) / "logging.ini").exists() for path in (place, "/etc/mock")):
        raise MockError(50, "Could not find required logging config file")
    path = Path(name if name.endswith(".cfg") else f"{place}/{name}.cfg")
    if not path.is_file():
        raise MockError(3, f"Could not find required config file: {path}")

    def execute():
        config = {"plugin_conf": {}, "isolation": None, "use_nspawn": None}
        if behaves("site-simple"):
            config["isolation"] = "simple"
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"),
             {"config_opts": config})
        return config

    config = as_user(uid, execute)
    if any("{{" in value or "{%" in value for value in config.values() if isinstance(value, str)):
        raise MockError(3, "a template would be expanded")
    if config.get("use_bootstrap", True):
        raise MockError(1, "Command failed: cp -a /usr/share/distribution-gpg-keys")
    return config


# --- A chroot ----------------------------------------------------------------------------------

class Root:
    def __init__(self, config, uid, options):
        self.config, self.uid, self.options = config, uid, options
        self.place = BASE / "lib" / config["root"]
        self.root = self.place / "root"
        self.cache = BASE / "cache" / config["root"]
        self.lock_file = None
        self.is_container = config["isolation"] == "nspawn"

    def say(self, text):
        if "--quiet" not in self.options:
            print(f"INFO: {text}", file=sys.stderr, flush=True)

    def lock(self, how):
        self.place.mkdir(parents=True, exist_ok=True)
        self.lock_file = open(self.place / "buildroot.lock", "a", encoding="ascii")
        try:
            fcntl.flock(self.lock_file, how | fcntl.LOCK_NB)
        except OSError as error:
            raise MockError(60, f"Build root is locked by another process: {self.place}") from error

    def _others(self):
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and Path(os.readlink(entry / "root")) == self.root:
                    yield int(entry.name)

    def kill_orphans(self):
        """What a killed mock has left in the chroot."""
        for pid in self._others():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def clean(self):
        self.kill_orphans()
        shutil.rmtree(self.root, ignore_errors=True)

    def mount(self):
        """Seen by the processes of the command: what /proc shows depends on who mounts it."""
        self.root.joinpath("proc").mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "proc", "proc", self.root / "proc"], check=True)
        self.root.joinpath("dev").mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.root / "dev"], check=True)
        for name in DEVICES:
            (self.root / "dev" / name).touch()
            subprocess.run(["mount", "--bind", f"/dev/{name}", self.root / "dev" / name], check=True)

    def dnf(self, *words):
        conf = self.config.get("dnf.conf", self.config.get("yum.conf"))
        (self.place / "dnf.conf").write_text(conf, encoding="ascii")
        home = BASE / "home"
        home.mkdir(exist_ok=True)
        (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n", encoding="ascii")
        done = subprocess.run(
            ["dnf", "-y", "-c", self.place / "dnf.conf", f"--installroot={self.root}",
             f"--releasever={self.config['releasever']}", "--disableplugin=*",
             f"--setopt=cachedir={self.cache}", "--setopt=logdir=/var/log", *words],
            env={"HOME": str(home), "PATH": ENVIRONMENT["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        sys.stdout.buffer.write(done.stdout)
        if done.returncode != 0:
            raise MockError(30, f"Command failed: dnf {' '.join(map(str, words))}")

    def init(self, _):
        self.lock(fcntl.LOCK_EX)
        self.clean()
        if behaves("slow-init"):
            time.sleep(3600)
        self.root.mkdir()
        self.dnf(*self.config["chroot_setup_cmd"].split())
        self._add_user()
        for name, script in GDBS.items():
            if behaves(name):
                (self.root / "usr/bin/gdb").write_text(f"#!/bin/bash\n{script}", encoding="ascii")

    def _add_user(self):
        with open(self.root / "etc/passwd", "a", encoding="ascii") as file:
            file.write(f"mockbuild:x:{self.uid}:{MOCK_GID}::/builddir:/bin/bash\n")
        with open(self.root / "etc/group", "a", encoding="ascii") as file:
            file.write(f"mock:x:{MOCK_GID}:\n")
        (self.root / "builddir").mkdir(exist_ok=True)
        os.chown(self.root / "builddir", self.uid, MOCK_GID)

    def install(self, words):
        self.lock(fcntl.LOCK_EX)
        self.dnf("install", *words)

    def _enter(self, words, in_shell, default_cwd):
        """Becomes the command, in the chroot."""
        os.chroot(self.root)
        os.chdir(self.options.get("--cwd", default_cwd))
        os.umask(0o022)
        os.setgroups([])
        if "--unpriv" in self.options:
            os.setresgid(MOCK_GID, MOCK_GID, MOCK_GID)
            os.setresuid(self.uid, self.uid, self.uid)
        if in_shell:
            words = ["/bin/sh", "-c", " ".join(words)]
        os.execvpe(words[0], words, ENVIRONMENT)

    def _run(self, words, in_shell, cwd, merge):
        self.lock(fcntl.LOCK_SH)
        if not self.root.is_dir():
            raise MockError(1, f"{self.root} does not exist")
        if self.is_container and ctypes.CDLL(None).unshare(CLONE_IPC_PID_NET) != 0:
            raise MockError(1, "no container")
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self.mount()
                if merge:
                    null = os.open("/dev/null", os.O_RDONLY)
                    os.dup2(null, 0)
                    os.dup2(1, 2)
                self._enter(words, in_shell, cwd)
            except Exception as error:
                os.write(writer, str(error).encode())
            os._exit(1)
        os.close(writer)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
        with open(reader, "rb") as file:
            failure = file.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if failure:
            raise MockError(1, failure.decode())
        return 255 if self.is_container and status < 0 else status % 256

    def chroot(self, words):
        if not words:
            raise MockError(50, "You must specify a command to run with --chroot")
        return self._run(words, len(words) == 1, "/", True)

    def shell(self, words):
        return self._run(words or ["sh -i -l"], True, "/builddir", False)

    def copyin(self, words):
        """As root, whoever asks."""
        self.lock(fcntl.LOCK_SH)
        if len(words) < 2:
            raise MockError(50, "Must have source and destinations for copyin")
        *sources, target = words
        place = self.root / target.lstrip("/")
        for source in sources:
            if Path(source).is_dir():
                shutil.copytree(source, place, symlinks=True)
            else:
                shutil.copy(source, place)
        if target.startswith("/builddir"):
            for path in [place, *place.rglob("*")]:
                os.chown(path, self.uid, MOCK_GID, follow_symlinks=False)

    def _plant(self):
        """What a chroot that was taken over may do to what is copied out of it."""
        file = self.root / "builddir/backtrace"
        if behaves("plant-link"):
            file.unlink()
            file.symlink_to("/etc/passwd")
        if behaves("plant-big"):
            with open(file, "ab") as out:
                out.truncate(64 * 1024 * 1024)

    def copyout(self, words):
        """By the caller; links are copied as such."""
        self.lock(fcntl.LOCK_SH)
        if len(words) < 2:
            raise MockError(50, "Must have source and destinations for copyout")
        self._plant()
        *patterns, target = words
        sources = [path for pattern in patterns
                   for path in glob.glob(str(self.root / pattern.lstrip("/")))]
        if not sources:
            raise MockError(50, f"{patterns[0]} not found")

        def copy():
            for source in sources:
                if os.path.islink(source):
                    name = os.path.join(target, os.path.basename(source)) \
                        if os.path.isdir(target) else target
                    os.symlink(os.readlink(source), name)
                elif os.path.isdir(source):
                    shutil.copytree(source, target, symlinks=True)
                else:
                    shutil.copy(source, target)

        as_user(self.uid, copy)

    def remove(self, _):
        if self.place.exists():
            self.lock(fcntl.LOCK_EX)
            self.clean()

    def scrub(self, _):
        self.remove(_)
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)


def log_call(verb, words):
    """For the tests: who called what."""
    with open(BASE / "calls", "a", encoding="utf-8") as file:
        file.write(json.dumps([verb, words]) + "\n")


def main():
    uid = require_caller()
    verb, options, words = parse(sys.argv[1:])
    config = read_config(options, uid)
    root = Root(config, uid, options)
    log_call(verb, words)
    verbs = {"init": root.init, "chroot": root.chroot, "shell": root.shell,
             "install": root.install, "copyin": root.copyin, "copyout": root.copyout,
             "clean": root.remove, "scrub": root.scrub}
    root.say(f"Start({config['root']}): {verb}")
    return verbs[verb](words) or 0


if __name__ == "__main__":
    try:
        code = main()
    except MockError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        code = error.code
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.exit(code)
