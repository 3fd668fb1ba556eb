# SPDX-License-Identifier: Apache-2.0
"""retrace-resolve by itself: what it may not do, whatever a package or a server makes of it."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

PROGRAM = pathlib.Path(os.environ.get("RETRACE_BUILD", "build"), "retrace-resolve").resolve()
BUILD_ID = "11" * 20
SANITIZED = b"__asan_init" in PROGRAM.read_bytes()


@pytest.fixture
def config(tmp_path):
    for name in ("cache", "repos", "keys"):
        (tmp_path / name).mkdir()
    path = tmp_path / "retrace-server.conf"
    path.write_text(f"[retrace]\nCacheDir = {tmp_path}/cache\nRepoDir = {tmp_path}/repos\n"
                    f"GPGKeyDir = {tmp_path}/keys\n")
    path.chmod(0o644)
    return path


@pytest.fixture
def resolve(config):
    process = subprocess.Popen([PROGRAM, f"--config={config}", f"--parent={os.getpid()}"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    process.stdin.write(f"find\texecutable\t{BUILD_ID}\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith("missing\t\t")
    yield process
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


def limit_of(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            return line[len(name):].split()[:2]
    raise AssertionError(name)


@pytest.mark.skipif(SANITIZED, reason="the sanitizer needs all addresses")
def test_its_memory_is_limited(resolve):
    assert limit_of(resolve.pid, "Max address space") == [str(2 << 30)] * 2


def test_it_leaves_no_core_and_gets_no_privilege(resolve):
    assert limit_of(resolve.pid, "Max core file size") == ["0", "0"]
    assert "NoNewPrivs:\t1" in pathlib.Path(f"/proc/{resolve.pid}/status").read_text()


def test_what_a_library_prints_is_no_answer(resolve):
    """Descriptor 1 is the same as descriptor 2: not the worker's pipe."""
    assert os.readlink(f"/proc/{resolve.pid}/fd/1") == "/dev/null"


def test_a_reader_that_is_gone_does_not_kill_it(resolve):
    ignored = next(line for line in pathlib.Path(f"/proc/{resolve.pid}/status").read_text().splitlines()
                   if line.startswith("SigIgn:"))
    assert int(ignored.split()[1], 16) & 1 << (signal.SIGPIPE - 1)


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_dies_with_its_worker(config):
    """The worker is a shell here, which is killed while its child waits for a question."""
    script = f'exec 3<&0; {PROGRAM} --config={config} --parent=$$ <&3 & echo $!; wait'
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as worker:
        child = int(worker.stdout.readline())
        time.sleep(0.5)
        assert is_alive(child)
        worker.kill()
        deadline = time.monotonic() + 10
        while is_alive(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_alive(child)


def test_without_the_parent_it_was_told_it_does_not_start(config):
    done = subprocess.run([PROGRAM, f"--config={config}", f"--parent={os.getppid()}"],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 111
