# SPDX-License-Identifier: Apache-2.0
"""Runs in gdb, in the sandbox, when all text is there: prints the backtraces once more, in parts, as
one line of JSON. worker/frames.h says what of it is taken, and sets the MAX_ limits."""
import gdb
import json
import os
import resource
import time

TYPES = {gdb.NORMAL_FRAME: "normal", gdb.INLINE_FRAME: "inline", gdb.SIGTRAMP_FRAME: "signal",
         gdb.TAILCALL_FRAME: "tailcall", gdb.ARCH_FRAME: "arch"}


class Budget:
    """What may still be spent, in bytes and in time."""

    def __init__(self):
        self.bytes = MAX_BYTES
        self.deadline = time.monotonic() + MAX_SECONDS

    def is_spent(self):
        return self.bytes <= 0 or time.monotonic() > self.deadline

    def pay(self, part):
        """Is there enough for this part? If not, there will not be for any other."""
        self.bytes -= len(json.dumps(part)) + 2
        return self.bytes > 0


def take(part, key, read):
    """What gdb says when it is asked; of the core, so anything may be wrong with it."""
    try:
        text = read()
    except Exception as error:
        text = "<error: %s>" % error
    if text:
        part[key] = text[:MAX_TEXT]
        if len(text) > MAX_TEXT:
            part["truncated"] = True


def describe_variable(frame, block, symbol):
    variable = {"name": "", "value": ""}
    take(variable, "name", lambda: symbol.print_name)
    take(variable, "value", lambda: str(frame.read_var(symbol, block)))
    return variable


def add_variables(frame, part, budget):
    """From the innermost block out to the function, as `backtrace full` has them."""
    block = frame.block()
    while block is not None:
        for symbol in block:
            kind = "args" if symbol.is_argument else "locals" if symbol.is_variable else None
            if kind is None:
                continue
            if len(part[kind]) == MAX_VARIABLES or budget.is_spent():
                part["truncated"] = True
                continue
            part[kind].append(describe_variable(frame, block, symbol))
        block = block.superblock if block.function is None else None


def describe_frame(frame, level, budget):
    kind = TYPES.get(frame.type(), "other")
    part = {"level": level, "pc": hex(frame.pc()), "type": kind, "inlined": kind == "inline"}
    take(part, "function", frame.name)
    place = frame.find_sal()
    if place.symtab is not None:
        take(part, "file", lambda: place.symtab.filename)
        if place.line > 0:
            part["line"] = place.line
    part["args"] = []
    part["locals"] = []
    try:
        add_variables(frame, part, budget)
    except RuntimeError:
        pass  # no debug information here
    return part


def add_frames(part, budget):
    frame = gdb.newest_frame()
    while frame is not None:
        if len(part["frames"]) == MAX_FRAMES or budget.is_spent():
            part["truncated"] = True
            return
        described = describe_frame(frame, len(part["frames"]), budget)
        if not budget.pay(described):
            part["truncated"] = True
            return
        part["frames"].append(described)
        last, frame = frame, frame.older()
    if last.unwind_stop_reason() >= gdb.FRAME_UNWIND_UNAVAILABLE:  # the first that is an error
        take(part, "error", lambda: gdb.frame_stop_reason_string(last.unwind_stop_reason()))


def add_python(part, budget):
    """What gdb_python.py has found, if it ran."""
    found = globals().get("PYTHON_FRAMES", {}).get(part["id"])
    if found is None:
        return
    part["python"] = []
    for file, line, function in found:
        described = {"file": file[:MAX_TEXT], "line": int(line), "function": function[:MAX_TEXT]}
        if len(part["python"]) == MAX_FRAMES or not budget.pay(described):
            part["truncated"] = True
            return
        part["python"].append(described)


def describe_thread(thread, is_crashed, budget):
    part = {"id": thread.num, "lwp": thread.ptid[1], "crashed": is_crashed, "frames": []}
    take(part, "name", lambda: thread.name)
    budget.pay(part)
    add_python(part, budget)
    try:
        thread.switch()
        add_frames(part, budget)
    except Exception as error:  # one broken thread does not end the others
        take(part, "error", lambda: str(error))
    return part


def describe_crash():
    budget = Budget()
    crashed = gdb.selected_thread().num
    crash = {"version": 1, "crash_thread": crashed, "threads": []}
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        if len(crash["threads"]) == MAX_THREADS or budget.is_spent():
            crash["truncated"] = True
            break
        crash["threads"].append(describe_thread(thread, thread.num == crashed, budget))
    return crash


def limit_time():
    """Against what the budget cannot end: a single value or frame that takes for ever."""
    limit = int(time.process_time()) + 2 * MAX_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


limit_time()
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # gdb would complain a second time of the same
gdb.write(json.dumps(describe_crash(), separators=(",", ":")) + "\n")
