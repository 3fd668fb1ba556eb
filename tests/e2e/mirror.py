# SPDX-License-Identifier: Apache-2.0
"""Mirrors of package repositories for tests of retrace-server-reposync: an HTTP server that knows ranges
and can be told to misbehave, a real rsync daemon, and packages small enough to be made in a moment."""
import contextlib
import os
import re
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from client import poll
from serve.server import free_port

RELEASE = "fedora-36-x86_64"
BLOCK = 16384
SPEC = """%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%define _build_id_links none
%define _binary_payload w.ufdio
Name: {name}
Version: {version}
Release: 1
Summary: x
License: x
AutoReqProv: no
%description
x
%install
mkdir -p %{{buildroot}}/usr/share/{name}
head -c {size} /dev/urandom >%{{buildroot}}/usr/share/{name}/data
%files
/usr/share/{name}
"""


def run(*words, **how):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True,
                          **how).stdout


def build(place, name, version, size=2000):
    """A package without anything that a retrace could use."""
    spec = place / f"{name}-{version}.spec"
    spec.write_text(SPEC.format(name=name, version=version, size=size), encoding="ascii")
    run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {place / 'top'}", spec)
    return next((place / "top/RPMS").rglob(f"{name}-{version}-1.*.rpm"))


class Handler(BaseHTTPRequestHandler):
    """Files below server.root; server.faults has what else a path that ends so gets."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        self.server.logins.append(self.headers.get("Authorization", ""))
        with contextlib.suppress(OSError):
            for ending, fault in self.server.faults.items():
                if self.path.partition("?")[0].endswith(ending):
                    fault(self)
                    return
            self.send_file()

    def send_file(self, pause_s=0, ranges=True):
        path = self.server.root / self.path.lstrip("/").partition("?")[0]
        if not path.is_file():
            self.send_error(404)
            return
        self.send_bytes(path.read_bytes(), pause_s, ranges)

    def send_bytes(self, content, pause_s=0, ranges=True):
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if ranges else None
        first = int(start.group(1)) if start else 0
        if start and first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        for at in range(first, len(content), BLOCK):
            self.wfile.write(content[at:at + BLOCK])
            self.wfile.flush()
            time.sleep(pause_s)


def hang(handler):
    """Until the client gives up."""
    handler.server.over.wait(60)


def slow(handler):
    handler.send_file(pause_s=0.02)


def without_ranges(handler):
    handler.send_file(ranges=False)


def missing(handler):
    handler.send_error(404)


def with_bytes(content):
    return lambda handler: handler.send_bytes(content)


class Mirror(contextlib.ExitStack):
    """An HTTP server over a directory, TLS with a certificate."""

    def __init__(self, root, certificate=None):
        super().__init__()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.root, self.server.asked, self.server.faults = Path(root), [], {}
        self.logins = self.server.logins = []  # of each request; "": without
        self.server.over = threading.Event()
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        port = self.server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        self.asked, self.faults = self.server.asked, self.server.faults
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.callback(self.close_server)

    def close_server(self):
        self.server.over.set()
        self.server.shutdown()
        self.server.server_close()

    def ranges(self, name):
        """Of each time that a file was asked for."""
        return [asked for path, asked in self.asked if path.endswith(name)]


@contextlib.contextmanager
def rsync_daemon(place, root):
    """Its URL, and its log."""
    port, log = free_port(), place / "rsyncd.log"
    config = place / "rsyncd.conf"
    config.write_text(f"port = {port}\naddress = 127.0.0.1\nuse chroot = no\nlog file = {log}\n"
                      f"[repo]\npath = {root}\ntransfer logging = yes\n", encoding="ascii")
    daemon = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={config}"])
    try:
        poll(lambda: subprocess.run(["rsync", f"rsync://127.0.0.1:{port}/"], check=False,
                                    capture_output=True).returncode == 0, 10, "rsync is not there")
        yield f"rsync://127.0.0.1:{port}/repo", log
    finally:
        daemon.terminate()
        daemon.wait()


FTP = """import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_anonymous(sys.argv[2])
FTPServer(("127.0.0.1", int(sys.argv[1])), FTPHandler).serve_forever()
"""


@contextlib.contextmanager
def ftp_server(root):
    """Its URL. In a process of its own: it cannot be stopped otherwise."""
    port = free_port()
    server = subprocess.Popen(["/usr/bin/python3", "-c", FTP, str(port), str(root)],
                              stderr=subprocess.DEVNULL)
    try:
        poll(lambda: subprocess.run(["curl", "-s", f"ftp://127.0.0.1:{port}/"], check=False,
                                    capture_output=True).returncode == 0, 10, "FTP is not there")
        yield f"ftp://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def metalink(urls, content_digest):
    """As the mirror manager of Fedora writes it; the last URL is preferred."""
    resources = "".join(
        f'<url protocol="http" type="http" location="US" preference="{number + 1}">'
        f"{url}/repodata/repomd.xml</url>" for number, url in enumerate(urls))
    return (f'<?xml version="1.0" encoding="utf-8"?><metalink version="3.0" '
            f'xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">'
            f'<files><file name="repomd.xml"><mm0:timestamp>1</mm0:timestamp><size>1</size>'
            f'<verification><hash type="md5">00</hash><hash type="sha256">{content_digest}</hash>'
            f'</verification><resources maxconnections="1">{resources}</resources></file></files>'
            f"</metalink>")


class Stage:
    """Settings, RepoDir, RepoConfigDir and keys of one test, and the program."""

    def __init__(self, place):
        self.place = place
        self.repo_dir, self.config_dir, self.key_dir = (place / name for name in
                                                        ("repos", "repos.d", "keys"))
        for directory in (self.repo_dir, self.config_dir, self.key_dir):
            directory.mkdir(mode=0o755)
        self.config = place / "retrace-server.conf"
        self.settings()
        self.program = Path(os.environ.get("RETRACE_BUILD", "build")).resolve() \
            / "retrace-server-reposync"

    def settings(self, **more):
        lines = [f"RepoDir = {self.repo_dir}", f"RepoConfigDir = {self.config_dir}",
                 f"GPGKeyDir = {self.key_dir}", *(f"{key} = {value}" for key, value in more.items())]
        self.config.write_text("\n".join(["[retrace]", *lines, ""]), encoding="ascii")

    def repo(self, text, release=RELEASE):
        (self.config_dir / f"{release}.repo").write_text(text, encoding="ascii")

    def base(self, *urls, more="gpgcheck = 0", release=RELEASE):
        urls = "\n    ".join(str(url) for url in urls)
        self.repo(f"[updates]\nbaseurl = {urls}\n{more}\n", release)

    def words(self, *arguments):
        return [str(self.program), f"--config={self.config}", *arguments]

    def start(self, *arguments, **how):
        return subprocess.Popen(self.words(*arguments), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **how)

    def run(self, *arguments, code=0):
        result = subprocess.run(self.words(*arguments), capture_output=True, text=True, check=False,
                                timeout=50)
        assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
        return result.stderr

    def directory(self, release=RELEASE):
        return self.repo_dir / release

    def packages(self, release=RELEASE):
        """Names of files, below Packages/<letter>/."""
        found = sorted(self.directory(release).glob("Packages/?/*"))
        assert all(file.parent.name == file.name[0].lower() for file in found)
        return [file.name for file in found]

    def file(self, name, release=RELEASE):
        return self.directory(release) / "Packages" / name[0] / name

    def described(self, release=RELEASE):
        """Files that the release's own repodata names."""
        text = run("sh", "-c", "zcat repodata/*-primary.xml.gz", cwd=self.directory(release))
        return sorted(re.findall(r'<location href="([^"]*)"', text))
