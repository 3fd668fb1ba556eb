# SPDX-License-Identifier: Apache-2.0
"""Runs retrace-server-task, for the tests of it: crashes to send, and what it says."""
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

import crash
from fake_server import ID, PASSWORD

TREE = Path(__file__).resolve().parents[2]
CLIENT = TREE / os.environ.get("RETRACE_BUILD", "build") / "retrace-server-task"
SENT_BYTES = 300000

OK, FAILED, NOT_ENDED, USAGE, SOURCE, NO_TASK = 0, 1, 2, 64, 65, 66
UNAVAILABLE, IO, PROTOCOL, REFUSED, INTERRUPTED = 69, 74, 76, 77, 130


def fake_core(size=SENT_BYTES):
    """The beginning of an ELF core, and something behind it."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (4).to_bytes(2, "little") + b"\x3e\x00"
    return head + b"memory " * ((size - len(head)) // 7)


@pytest.fixture
def core(tmp_path):
    path = tmp_path / "core.1234"
    path.write_bytes(fake_core())
    return path


@pytest.fixture
def problem(tmp_path):
    """A problem directory of ABRT."""
    directory = tmp_path / "ccpp-2026"
    directory.mkdir()
    for name, content in {**crash.members_of(fake_core(), "/usr/bin/tiny"),
                          "cmdline": b"tiny --secret", "pid": b"7"}.items():
        (directory / name).write_bytes(content)
    return directory


def environment(**more):
    return {"PATH": os.environ["PATH"], "TMPDIR": os.environ.get("TMPDIR", "/tmp"), **more}


def client(server, *arguments, **variables):
    """Run it; `server` is a FakeServer, a URL or None."""
    url = getattr(server, "url", server)
    options = ["-s", url] if url is not None else []
    return subprocess.run([CLIENT, *options, *map(str, arguments)], capture_output=True, timeout=60,
                          text=True, env=environment(**variables), check=False)


def ask(server, command, *arguments, **variables):
    """A command about the task."""
    return client(server, command, ID, *arguments, RETRACE_TASK_PASSWORD=PASSWORD, **variables)


def members_of(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}


def unzstd(data):
    return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout


def sentence(result):
    """What it complains about, in one line."""
    lines = result.stderr.splitlines()
    assert lines and lines[-1].startswith("retrace-server-task: "), result.stderr
    return lines[-1].removeprefix("retrace-server-task: ")


def refused(result, code, text):
    assert (result.returncode, result.stdout) == (code, ""), result
    assert text in sentence(result)
