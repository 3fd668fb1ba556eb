# SPDX-License-Identifier: Apache-2.0
"""`make serve` and `make demo`: other tools are built on what they print and do."""
import os
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from client import poll

TREE = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("RETRACE_BUILD", "build")


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


class Serve:
    def __init__(self, **variables):
        words = [f"{name}={value}" for name, value in variables.items()]
        self.process = subprocess.Popen(
            ["make", "-s", "-C", str(TREE), f"B={BUILD}", "serve", *words], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def ready(self):
        return self.process.stdout.readline().rstrip("\n")

    def end(self, number=signal.SIGINT):
        os.killpg(self.process.pid, number)
        return self.process.communicate(timeout=60)[1]


def open_ports(address):
    with socket.socket() as s:
        host, port = address.split(":")
        return s.connect_ex((host, int(port))) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_800_001_ready_line_and_end(number):
    address = free_address()
    serve = Serve(LISTEN=address)
    assert serve.ready() == f"ready https://{address}/"
    place = re.search(r"Everything is in (\S+);", serve.end(number)).group(1)
    assert not Path(place).exists()
    poll(lambda: not open_ports(address), 10, "httpd is still there")


def test_800_002_without_tls_https_is_not_required():
    address = free_address()
    serve = Serve(LISTEN=address, TLS=0)
    try:
        assert serve.ready() == f"ready http://{address}/"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{address}/create", timeout=20)
        assert refused.value.code == 405
    finally:
        serve.end()


def test_800_003_directory_is_kept(farm):
    place = farm.place / "kept"
    place.mkdir(mode=0o755)
    serve = Serve(LISTEN=free_address(), DIR=place)
    assert serve.ready().startswith("ready ")
    serve.end()
    assert (place / "logs" / "error_log").is_file() and (place / "spool").is_dir()


def test_800_004_settings_override_the_defaults(farm):
    settings = farm.place / "options"
    settings.write_text("MaxPackedSize = 7\n", encoding="ascii")
    address = free_address()
    serve = Serve(LISTEN=address, TLS=0, CONF=settings)
    try:
        assert serve.ready().startswith("ready ")
        upload = urllib.request.Request(f"http://{address}/create", data=b"x" * (8 << 20),
                                        headers={"Content-Type": "application/x-tar"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(upload, timeout=20)
        assert refused.value.code == 413 and b"7 MB" in refused.value.read()
    finally:
        serve.end()


def test_800_005_bad_settings_name_the_callers_file_and_line(farm):
    settings = farm.place / "bad-options"
    settings.write_text("# mine\nMaxParallelTasks = none\n", encoding="ascii")
    serve = Serve(LISTEN=free_address(), CONF=settings)
    output, errors = serve.process.communicate(timeout=60)
    assert serve.process.returncode != 0 and output == ""
    assert f"{settings}:2: MaxParallelTasks must be a whole number" in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs httpd as itself")
def test_800_006_forbidden_parent_is_named(farm):
    parent = farm.place / "private"
    (parent / "below").mkdir(parents=True)
    parent.chmod(0o700)
    serve = Serve(LISTEN=free_address(), DIR=parent / "below")
    output, errors = serve.process.communicate(timeout=60)
    assert serve.process.returncode != 0 and output == ""
    assert f"cannot enter the directory {parent}" in errors


def test_800_010_demo():
    demo = subprocess.run(["make", "-s", "-C", str(TREE), f"B={BUILD}", "demo"], text=True,
                          capture_output=True, timeout=200)
    assert demo.returncode == 0, demo.stderr
    assert re.search(r"is_skipped \(skip=0x0, word=0x[0-9a-f]+ \"and\"\) at \S*crashing.c:\d+",
                     demo.stdout)
    assert "kill_builtin ()" in demo.stdout
    assert demo.stdout.count("FINISHED_SUCCESS") == 2
