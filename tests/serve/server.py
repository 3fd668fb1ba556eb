# SPDX-License-Identifier: Apache-2.0
"""A private httpd with mod_retrace: everything that it writes is below one directory.

Used by `make serve`, `make demo` and the end-to-end tests. It uses the configuration files that are
installed, with paths substituted. As root, httpd, the spool's owner and the setuid helper are three
parties as on a real server; as an ordinary user they are one, and nothing is setuid.
"""
import contextlib
import grp
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
CGROUPS = Path("/sys/fs/cgroup")
DEV_LOG = Path("/dev/log")
SYSLOG_SOCKET = "retrace-serve.log"
V1_CONTROLLERS = ("memory", "pids", "freezer")
PROGRAMS = ("retrace-ingest", "retrace-dispatch", "retrace-server-worker", "retrace-resolve",
            "retrace-server-index", "retrace-task-edit")
START_S = 20
STOP_S = 20
# What the error log of a healthy server does not hold. AH00052: a child of httpd was ended by a
# signal, which httpd finds worth a notice only.
LOUD = re.compile(r"\[[a-z0-9_]*:(error|crit|alert|emerg)\]|AH00052:")


class ServerError(Exception):
    """The server cannot be started; the text says why in one sentence."""


def make_values(*names):
    """Values of make's variables: the one place that knows the distribution."""
    words = subprocess.run(
        ["make", "--no-print-directory", "-s", "-C", str(TREE), "print-values",
         "NAMES=" + " ".join(names)], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in words.splitlines() if "=" in line)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def forbidden_parent(path, user):
    """The first directory on the way to `path` that this user cannot enter, or None."""
    groups = {g.gr_gid for g in grp.getgrall() if user.pw_name in g.gr_mem} | {user.pw_gid}
    for parent in [*reversed(Path(path).parents), Path(path)]:
        info = parent.stat()
        if info.st_uid == user.pw_uid:
            allowed = info.st_mode & stat.S_IXUSR
        elif info.st_gid in groups:
            allowed = info.st_mode & stat.S_IXGRP
        else:
            allowed = info.st_mode & stat.S_IXOTH
        if not allowed:
            return parent
    return None


def remove_stale_cgroups():
    """Empty groups of servers that were killed."""
    for place in [*CGROUPS.glob("retrace-*-*"), *CGROUPS.glob("*/retrace-*-*")]:
        pid = place.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            remove_cgroup(place)


def remove_cgroup(place):
    for child in sorted(place.glob("**/"), key=lambda path: -len(path.parts)):
        with contextlib.suppress(OSError):
            child.rmdir()


class Syslog:
    """Takes what the server's programs say to /dev/log where nobody else does."""

    def __init__(self, directory):
        self.path = directory / "logs" / "syslog"
        self.place = directory / "run" / SYSLOG_SOCKET
        self.socket = None

    def start(self):
        if os.geteuid() != 0 or not self._may_take_over():
            return
        with contextlib.suppress(FileNotFoundError):
            self.place.unlink()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.place))
        self.place.chmod(0o666)
        DEV_LOG.symlink_to(self.place)
        threading.Thread(target=self._copy, args=(self.socket,), daemon=True).start()

    @staticmethod
    def _may_take_over():
        """Only where nothing is, or what a server like this one left when it was killed."""
        if not os.path.lexists(DEV_LOG):
            return True
        if not (DEV_LOG.is_symlink() and os.readlink(DEV_LOG).endswith(SYSLOG_SOCKET)):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            if probe.connect_ex(str(DEV_LOG)) == 0:
                return False
        DEV_LOG.unlink()
        return True

    def _copy(self, source):
        with open(self.path, "a", encoding="utf-8", buffering=1) as out:
            while True:
                try:
                    data = source.recv(8192)
                except OSError:
                    return
                if not data:
                    return
                out.write(data.decode("utf-8", "replace").rstrip("\0\n") + "\n")

    def stop(self):
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
            with contextlib.suppress(OSError):
                if os.readlink(DEV_LOG) == str(self.place):
                    DEV_LOG.unlink()
            self.socket = None


class Server:
    """One private server. `directory` must exist; `settings` overrides the defaults."""

    def __init__(self, directory, listen="127.0.0.1:0", tls=True, settings="", location="/",
                 mpm="event", build=None, extra_httpd="", settings_name=None, stand_ins=None):
        self.dir = Path(directory).resolve()
        host, port = listen.rsplit(":", 1)
        self.host, self.port = host, int(port) or free_port()
        self.tls = tls
        self.settings = settings
        self.settings_name = settings_name  # of the file that they came from, for error messages
        self.location = location
        self.mpm = mpm
        self.extra_httpd = extra_httpd
        self.stand_ins = stand_ins or {}  # a script instead of a program; None: it is not installed
        self.build = Path(build or os.environ.get("RETRACE_BUILD", TREE / "build")).resolve()
        self.values = make_values("HTTPD", "HTTPD_USER", "HTTPD_GROUP", "HTTPD_MODULES", "OWNER")
        self.is_root = os.geteuid() == 0
        self.process = None
        self.cgroups = []
        self.syslog = Syslog(self.dir)

    # --- What it is called -----------------------------------------------------------------------

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.location}"

    @property
    def spool(self):
        return self.dir / "spool"

    @property
    def config(self):
        return self.dir / "retrace-server.conf"

    @property
    def error_log(self):
        return self.dir / "logs" / "error_log"

    def owner(self):
        name = self.values["OWNER"] if self.is_root else pwd.getpwuid(os.geteuid()).pw_name
        return pwd.getpwnam(name)

    def httpd_user(self):
        return pwd.getpwnam(self.values["HTTPD_USER"]) if self.is_root else self.owner()

    def httpd_group(self):
        if self.is_root:
            return grp.getgrnam(self.values["HTTPD_GROUP"])
        return grp.getgrgid(os.getegid())

    # --- Laying it out ---------------------------------------------------------------------------

    def prepare(self):
        self._make_owner()
        self._check_parents()
        for name in ("logs", "run", "tls", "htdocs", "libexec"):
            (self.dir / name).mkdir(exist_ok=True)
        self._make_spool()
        self._make_cgroups()
        self._install_programs()
        if self.tls:
            self._make_certificate()
        self._write_settings()
        self._write_httpd_conf()

    def _make_owner(self):
        if not self.is_root:
            return
        with contextlib.suppress(KeyError):
            pwd.getpwnam(self.values["OWNER"])
            return
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
                        "/nonexistent", "--shell", "/usr/sbin/nologin", self.values["OWNER"]],
                       check=True)

    def _check_parents(self):
        if not self.is_root:
            return
        for user in (self.httpd_user(), self.owner()):
            parent = forbidden_parent(self.dir, user)
            if parent is not None:
                raise ServerError(f"the user {user.pw_name} cannot enter the directory {parent}: "
                                  f"allow it (chmod o+x {parent}) or choose another DIR")

    def _own(self, path, uid, gid, mode):
        path.mkdir(exist_ok=True)
        os.chown(path, uid, gid)
        path.chmod(mode)

    def _make_spool(self):
        uid, gid = self.owner().pw_uid, self.httpd_group().gr_gid
        self._own(self.spool, uid, gid, 0o2750)
        self._own(self.spool / ".incoming", uid, gid, 0o2710)
        self._own(self.dir / "cache", uid, self.owner().pw_gid, 0o750)

    def _make_cgroups(self):
        """A group of the owner's, so that tasks can be limited and killed as a whole."""
        if not self.is_root:
            return
        remove_stale_cgroups()
        name = f"retrace-{os.getpid()}-{self.port}"
        if (CGROUPS / "cgroup.controllers").exists():
            places = [CGROUPS / name]
        else:
            places = [CGROUPS / c / name for c in V1_CONTROLLERS if (CGROUPS / c).is_dir()]
        for place in places:
            try:
                place.mkdir(exist_ok=True)
            except OSError:
                continue
            self.cgroups.append(place)
            for path in [place, *place.iterdir()]:
                os.chown(path, self.owner().pw_uid, self.owner().pw_gid)
        self.cgroup_name = name if self.cgroups else None

    def _install_programs(self):
        libexec = self.dir / "libexec"
        for program in PROGRAMS:
            target = libexec / program
            with contextlib.suppress(FileNotFoundError):
                target.unlink()
            if program not in self.stand_ins:
                shutil.copy2(self.build / program, target)
            elif self.stand_ins[program] is None:
                continue
            else:
                target.write_text(self.stand_ins[program], encoding="utf-8")
            target.chmod(0o755)
        self._link_helper(libexec / "retrace-helper")

    def _link_helper(self, helper):
        owner, caller = self.owner(), self.httpd_user()
        subprocess.run(
            ["make", "--no-print-directory", "-s", "-C", str(TREE), "policy-helper",
             f"HELPER={helper}", f"POLICY_CONFIG={self.config}", f"POLICY_CALLER={caller.pw_name}",
             f"POLICY_OWNER={owner.pw_name}", f"POLICY_GROUP={grp.getgrgid(owner.pw_gid).gr_name}",
             f"POLICY_PROGRAMS={helper.parent}"], check=True)
        if not self.is_root:
            helper.chmod(0o700)
            return
        os.chown(helper, owner.pw_uid, self.httpd_group().gr_gid)
        helper.chmod(0o4750)
        # Last: chown clears it.
        subprocess.run(["setcap", "cap_setgid=ep", str(helper)], check=True)

    def _make_certificate(self):
        if (self.dir / "tls" / "cert.pem").exists():
            return
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
             str(self.dir / "tls" / "key.pem"), "-out", str(self.dir / "tls" / "cert.pem")],
            check=True, capture_output=True)

    def _write_settings(self):
        """Ours first: what the caller sets comes later, and the last of two equal keys counts."""
        ours = {"SaveDir": self.spool, "CacheDir": self.dir / "cache",
                "ProgramDir": self.dir / "libexec", "RequireHTTPS": int(self.tls)}
        if self.cgroups:
            ours["CgroupPath"] = "/" + self.cgroup_name
        lines = ["[retrace]", *(f"{key} = {value}" for key, value in ours.items())]
        self.own_lines = len(lines)
        lines.append(self.settings)
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.config.chmod(0o644)

    def _max_packed_bytes(self):
        """As the real code reads it; a bad file is httpd's to report."""
        result = subprocess.run([self.build / "retrace-server-config", self.config],
                                capture_output=True, text=True)
        match = re.search(r"^MaxPackedSize = (\d+)$", result.stdout, re.M)
        return (int(match.group(1)) + 1) * 1024 * 1024 if match else 0

    def _write_httpd_conf(self):
        ours = (TREE / "conf.d" / "retrace.conf.in").read_text(encoding="utf-8")
        for key, value in (("@MODULES@", self.build), ("@CONFIG@", self.config),
                           ("@LOCATION@", self.location), ("@LIMIT@", self._max_packed_bytes())):
            ours = ours.replace(key, str(value))
        (self.dir / "retrace.conf").write_text(ours, encoding="utf-8")
        (self.dir / "httpd.conf").write_text(self._main_conf(), encoding="utf-8")

    def _main_conf(self):
        modules = [f"mpm_{self.mpm}", "authz_core", "log_config", "unixd", "reqtimeout", "env",
                   *(["socache_shmcb", "ssl"] if self.tls else [])]
        lines = [f"ServerRoot {self.dir}", "ServerName localhost",
                 f"Listen {self.host}:{self.port}", f"PidFile {self.dir}/run/httpd.pid",
                 f"DefaultRuntimeDir {self.dir}/run", f"DocumentRoot {self.dir}/htdocs",
                 f"ErrorLog {self.error_log}", "LogLevel warn retrace:info"]
        for module in modules:
            path = Path(self.values["HTTPD_MODULES"]) / f"mod_{module}.so"
            if path.exists():  # others are built in
                lines.append(f"LoadModule {module}_module {path}")
        lines += ['LogFormat "%h %t \\"%r\\" %>s %O" short',
                  f"CustomLog {self.dir}/logs/access_log short"]
        if self.is_root:
            lines += [f"User {self.values['HTTPD_USER']}", f"Group {self.values['HTTPD_GROUP']}"]
        if self.tls:
            lines += ["SSLEngine on", f"SSLCertificateFile {self.dir}/tls/cert.pem",
                      f"SSLCertificateKeyFile {self.dir}/tls/key.pem",
                      f"SSLSessionCache shmcb:{self.dir}/run/ssl(512000)"]
        return "\n".join([*lines, self.extra_httpd, f"Include {self.dir}/retrace.conf"]) + "\n"

    # --- Running it ------------------------------------------------------------------------------

    def httpd(self, *arguments):
        return [self.values["HTTPD"], "-d", str(self.dir), "-f", str(self.dir / "httpd.conf"),
                *arguments]

    def check(self):
        """`httpd -t`: raises with what it says about the configuration."""
        result = subprocess.run(self.httpd("-t"), capture_output=True, text=True)
        if result.returncode != 0:
            text = result.stderr.strip() or "httpd refuses its configuration"
            raise ServerError(self._name_settings(text))

    def _name_settings(self, text):
        """An error in the caller's settings names the caller's file and line."""
        if self.settings_name is None:
            return text
        return re.sub(re.escape(str(self.config)) + r":(\d+):",
                      lambda m: f"{self.settings_name}:{int(m.group(1)) - self.own_lines}:", text)

    def _require_free_address(self):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise ServerError(f"cannot listen on {self.host}:{self.port}: "
                                  f"{error.strerror}") from error

    def start(self):
        self._require_free_address()
        self.prepare()
        self.check()
        self.syslog.start()
        with open(self.dir / "logs" / "stderr", "ab") as errors:
            self.process = subprocess.Popen(self.httpd("-D", "FOREGROUND"), stdout=errors,
                                            stderr=errors, preexec_fn=self._become_httpd)
        self._wait_until_it_serves()

    def _become_httpd(self):
        """In cgroup v2 a process can only be moved within what was handed over to its user."""
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.setpgid(0, 0)  # prefork signals all of its group when it ends
        if self.cgroups and self.cgroups[0].parent == CGROUPS:
            group = self.cgroups[0] / "httpd"
            group.mkdir(exist_ok=True)
            (group / "cgroup.procs").write_text("0")

    def _wait_until_it_serves(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.02)
        self.stop()
        raise ServerError("httpd did not start: " + self._last_error())

    def _answers(self):
        """Any answer will do: the socket alone is open long before somebody serves it."""
        with contextlib.suppress(OSError):
            with socket.create_connection((self.host, self.port), timeout=1) as plain:
                if not self.tls:
                    plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    return plain.recv(1) != b""
                context = ssl._create_unverified_context()
                with context.wrap_socket(plain) as connection:
                    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    return connection.recv(1) != b""
        return False

    def _last_error(self):
        for name in ("error_log", "stderr"):
            path = self.dir / "logs" / name
            if path.exists():
                lines = [line for line in path.read_text(errors="replace").splitlines()
                         if "RT0" in line] or path.read_text(errors="replace").splitlines()[-3:]
                if lines:
                    return lines[-1]
        return "see " + str(self.dir / "logs")

    def require_alive(self):
        if self.process.poll() is not None:
            raise ServerError("httpd has ended: " + self._last_error())

    def programs(self):
        """Process ids of the server's own programs that are alive: {pid: name}."""
        found = {}
        libexec = str(self.dir / "libexec")
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    target = os.readlink(entry / "exe").removesuffix(" (deleted)")
                    if target.startswith(libexec + "/"):
                        found[int(entry.name)] = os.path.basename(target)
        return found

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        for pid in self.programs():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.syslog.stop()
        self._remove_cgroups()

    def _remove_cgroups(self):
        deadline = time.monotonic() + 5
        while self.cgroups and time.monotonic() < deadline:
            for place in list(self.cgroups):
                remove_cgroup(place)
                if not place.exists():
                    self.cgroups.remove(place)
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def say(text):
    print(text, flush=True)


def complain(text):
    print(text, file=sys.stderr, flush=True)
