# SPDX-License-Identifier: Apache-2.0
"""Frames of Python programs, by CPython's own helper for gdb: of the right version, and root's, or
none."""
import glob
import json
import os
import re

import pytest

import crash

PYTHON = os.path.realpath("/usr/bin/python3")
VERSION = os.path.basename(PYTHON).removeprefix("python")
HELPERS = [name for pattern in ("/usr/share/gdb/auto-load/usr/*/*", "/usr/lib/debug/usr/lib*/*")
           for name in glob.glob(f"{pattern}python{VERSION}*-gdb.py")]

SCRIPT = """import ctypes, threading, time
def idle():
    started.set()
    time.sleep(100)
def fall(depth, what):
    local = [depth, what]
    if depth == 0:
        ctypes.string_at(0)
    return fall(depth - 1, what) + len(local)
started = threading.Event()
threading.Thread(target=idle, daemon=True).start()
started.wait()
fall(2, {"key": "a value"})
"""
# A helper that tells that it ran.
HELPER = """import gdb
class Backtrace(gdb.Command):
    def __init__(self):
        super().__init__("py-bt", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)
    def invoke(self, argument, from_tty):
        BODY
Backtrace()
"""
SAYS_SO = """print('  File "it ran", line 1, in helper')"""


def crash_of(place, text, name):
    """The members of an upload: Python has run this script."""
    script = place / f"{name}.py"
    script.write_text(text, encoding="ascii")
    where = place / name
    where.mkdir()
    core = crash.crash([PYTHON, script], where)
    return crash.gz(crash.tar(crash.members_of(core.read_bytes(), PYTHON)))


@pytest.fixture(scope="module")
def place(farm):
    directory = farm.place / "python"
    directory.mkdir(mode=0o755)
    return directory


@pytest.fixture(scope="module")
def fallen(place):
    return crash_of(place, SCRIPT, "boom")


def retrace(env, upload):
    """The task and its backtrace and log."""
    task = env.client.submit(upload, content="application/x-gzip")
    assert env.client.wait(task) == "FINISHED_SUCCESS", env.client.log(task).text
    return task, env.client.backtrace(task).text, env.client.log(task).text


def section(backtrace):
    """What the report says of Python; empty without such a section."""
    return backtrace.partition("\n== Python backtrace\n")[2].partition("\n== ")[0]


def threads_of(env, task):
    text = env.task_file(task, "results/backtrace.json").read_text(encoding="utf-8")
    return json.loads(text)["threads"]


needs_helper = pytest.mark.skipif(
    not HELPERS, reason=f"needs gdb's helper for Python {VERSION} and its debug information")


@pytest.fixture(scope="module")
def retraced(env, fallen):
    return retrace(env, fallen)


@needs_helper
def test_610_001_real_crash(retraced, place):
    _, backtrace, log = retraced
    text = section(backtrace)
    crashed, idle = (part for part in text.split("Python in thread ")[1:])
    if ", which crashed:" not in crashed:
        crashed, idle = idle, crashed
    assert ", which crashed:" in crashed.splitlines()[0]
    frames = re.findall(r'File "(.*)", line (\d+), in (.*)', crashed)
    script = str(place / "boom.py")
    assert [frame for frame in frames if frame[0] == script] == [
        (script, "8", "fall"), (script, "9", "fall"), (script, "9", "fall"), (script, "13", "<module>")]
    assert frames[0][2] == "string_at"
    assert f'File "{script}", line 4, in idle' in idle
    assert "No Python frames" not in log
    # The frames of C are as they were without it.
    assert "#0 " in backtrace.partition("== Backtraces of all threads")[2]


@needs_helper
def test_610_002_in_parts(env, place, retraced):
    one = next(thread for thread in threads_of(env, retraced[0]) if thread["crashed"])
    assert {"file": str(place / "boom.py"), "line": 8, "function": "fall"} in one["python"]
    assert one["frames"]


@needs_helper
def test_610_003_no_source_is_read(env, place):
    """The core says which file a function is of: one of the sandbox, for instance."""
    script = ('code = compile("import ctypes\\ndef fall():\\n    ctypes.string_at(0)\\nfall()",'
              ' "/debugger/python-gdb.py", "exec")\nexec(code)\n')
    _, backtrace, _ = retrace(env, crash_of(place, script, "liar"))
    lines = section(backtrace).splitlines()
    at = lines.index('  File "/debugger/python-gdb.py", line 3, in fall')
    assert lines[at + 1].startswith("  File ")


def test_610_004_another_program(env, upload):
    task = env.client.submit(upload)
    assert env.client.wait(task) == "FINISHED_SUCCESS"
    assert "== Python" not in env.client.backtrace(task).text
    assert "Python frames" not in env.client.log(task).text
    assert all("python" not in thread for thread in threads_of(env, task))


# --- Helpers that are not the distribution's -----------------------------------------------------

class Helpers:
    """A server that looks for helpers in a directory of the test's."""

    def __init__(self, farm, place):
        self.place = place
        self.env = farm.start(f"PythonHelpers = {place}/*-gdb.py")

    def write(self, body, version=VERSION):
        for old in self.place.iterdir():
            old.unlink()
        file = self.place / f"python{version}-gdb.py"
        file.write_text(HELPER.replace("BODY", body), encoding="ascii")
        file.chmod(0o644)
        return file


@pytest.fixture(scope="module")
def helpers(farm, place, clean_logs):
    if os.geteuid() != 0:
        pytest.skip("needs root: makes files of root and of another user")
    directory = place / "helpers"
    directory.mkdir(mode=0o755)
    return Helpers(farm, directory)


def test_610_010_roots_helper_is_used(helpers, fallen):
    """So that the next tests prove something."""
    helpers.write(SAYS_SO)
    _, backtrace, _ = retrace(helpers.env, fallen)
    assert 'File "it ran", line 1, in helper' in section(backtrace)


@pytest.mark.parametrize("how", ["owner", "group", "others"])
def test_610_011_untrusted(helpers, fallen, how):
    file = helpers.write(SAYS_SO)
    if how == "owner":
        os.chown(file, helpers.env.server.owner().pw_uid, 0)
    else:
        file.chmod(0o664 if how == "group" else 0o646)
    _, backtrace, log = retrace(helpers.env, fallen)
    assert "it ran" not in backtrace and not section(backtrace)
    assert f"[W] No Python frames: {file} is not root's alone to write" in log
    assert "in fall" not in section(backtrace)


def test_610_012_another_version(helpers, fallen):
    helpers.write(SAYS_SO, version="3.99")
    _, backtrace, log = retrace(helpers.env, fallen)
    assert "it ran" not in backtrace and not section(backtrace)
    assert f"[I] No Python frames: PythonHelpers has none for Python {VERSION}" in log


@pytest.mark.parametrize("body, words", [
    ("raise RuntimeError('broken')", "No Python frames in thread 1: error: "),
    ("syntax error", "No Python frames at all: SyntaxError: "),
    ("return nothing", "No Python frames in thread 1: error: "),
])
def test_610_013_broken(helpers, fallen, body, words):
    """It costs a line in the log, and neither the backtrace nor its parts."""
    helpers.write(body)
    task, backtrace, log = retrace(helpers.env, fallen)
    assert not section(backtrace)
    assert any("gdb: " in line and words in line for line in log.splitlines()), log
    assert any(thread["frames"] for thread in threads_of(helpers.env, task))


def test_610_014_endless(helpers, fallen):
    helpers.write("while True: len(SystemExit.__name__)")
    task, backtrace, _ = retrace(helpers.env, fallen)
    assert "<out of time>" in section(backtrace)
    assert any(thread["frames"] for thread in threads_of(helpers.env, task))


def test_610_015_switched_off(farm, fallen):
    env = farm.start("PythonHelpers =")
    _, backtrace, log = retrace(env, fallen)
    assert not section(backtrace) and "Python frames" not in log


def test_610_016_a_name_with_a_newline_is_no_heading(helpers, fallen):
    helpers.write(SAYS_SO + """; print('  File "a\\n\\n== Registers\\nx", line 2, in f')""")
    _, backtrace, _ = retrace(helpers.env, fallen)
    assert "\n  == Registers\n" in section(backtrace)
    assert backtrace.count("\n== Registers") == 1
