# SPDX-License-Identifier: Apache-2.0
"""Runs in gdb, in the sandbox: prints the Python frames of each thread, by CPython's own helper for gdb,
and leaves them for gdb_frames.py in PYTHON_FRAMES. worker/gdb_private.h sets HELPER and the MAX_ limits.
The helper is of this machine; what it reads is of the core."""
import gdb
import re
import resource
import sys
import time

FRAME = re.compile(r'^  File "(.*)", line (\d{1,9}), in (.*)$', re.MULTILINE)
PYTHON_FRAMES = {}  # number of a thread -> (file, line, function), innermost first


class OutOfTime(BaseException):
    """No Exception: the helper catches many of these."""


def refuse_to_open(name, *how, **more):
    """The helper would show lines of source, from a path that the core names."""
    raise OSError("no file is opened")


def complain(where, error):
    """A line for the log."""
    sys.stderr.write("No Python frames %s: %s: %s\n" % (where, type(error).__name__, error))


def load_helper():
    with open(HELPER, encoding="utf-8") as helper:
        code = compile(helper.read(), HELPER, "exec")
    exec(code, {"__name__": "python_helper", "open": refuse_to_open})


class Clock:
    """Ends the helper at its next function call, once the time is over: it follows the pointers of a
    core, which may lead anywhere. What takes for ever in one call of gdb's is killed."""

    def __init__(self):
        now = time.process_time()
        self.deadline = now + MAX_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (int(now) + 2 * MAX_SECONDS,
                                                 resource.getrlimit(resource.RLIMIT_CPU)[1]))

    def check(self, *of_a_call):
        if time.process_time() > self.deadline:
            raise OutOfTime()


def indent(text):
    """A name of the core may have newlines: no line of it begins as one of ours."""
    return "".join(line if line.startswith(("  ", "Traceback (")) else "  " + line
                   for line in text.splitlines(True))


def describe_thread(thread, clock):
    """The Python frames of a thread; empty where it has none."""
    thread.switch()
    sys.setprofile(clock.check)
    try:
        text = gdb.execute("py-bt", False, True)
    except Exception as error:
        text = ""
        clock.check()  # gdb has made another error of it
        complain("in thread %d" % thread.num, error)
    finally:
        sys.setprofile(None)
    frames = FRAME.findall(text)
    if not frames:
        return ""
    PYTHON_FRAMES[thread.num] = frames
    text = indent(text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "\n<cut off>\n"


def show_threads(crashed, clock):
    left = MAX_BYTES
    threads = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
    for thread in threads[:MAX_THREADS]:
        text = describe_thread(thread, clock)
        left -= len(text)
        if left < 0:
            gdb.write("<cut off>\n")
            return
        if text:
            gdb.write("Python in thread %d (LWP %d)%s:\n%s\n" % (
                thread.num, thread.ptid[1], ", which crashed" if thread == crashed else "", text))


def show_all():
    crashed = gdb.selected_thread()
    printers = list(gdb.pretty_printers)
    try:
        load_helper()
        show_threads(crashed, Clock())
    except OutOfTime:
        gdb.write("<out of time>\n")
    finally:
        sys.setprofile(None)
        gdb.pretty_printers[:] = printers  # what follows shows values as before
        crashed.switch()


try:
    show_all()
except Exception as error:
    complain("at all", error)
