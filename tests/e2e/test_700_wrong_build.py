# SPDX-License-Identifier: Apache-2.0
"""A program or its debug information was replaced between the crash and the retrace: what does not
belong to the core must not be used, and the log says what is missing."""
import re

import crash

LINES = re.compile(r"\w+\.c:\d+")


def retrace(env, core, program):
    """The log and the backtrace of a crash."""
    task = env.client.submit(crash.xz(crash.tar(crash.members_of(core, program))))
    assert env.client.wait(task) == "FINISHED_SUCCESS"
    return env.client.log(task).text, env.client.backtrace(task).text


def frames(backtrace):
    return "\n".join(line for line in backtrace.splitlines() if line.startswith("#"))


def missing(log):
    return [line for line in log.splitlines() if "Not found: " in line]


class TestProgram:
    def test_700_001_right_build(self, env, farm):
        """What the others are compared with."""
        program = crash.build(farm.programs, "right", "right_inner", "right_outer")
        log, backtrace = retrace(env, crash.core_of(program), program)
        assert "right_inner" in frames(backtrace) and LINES.search(frames(backtrace))
        assert missing(log) == []

    def test_700_002_replaced(self, env, farm):
        program = crash.build(farm.programs, "replaced", "old_inner", "old_outer")
        core, wanted = crash.core_of(program), crash.build_id(program)
        crash.build(farm.programs, "replaced", "new_inner", "new_outer")
        assert crash.build_id(program) != wanted
        log, backtrace = retrace(env, core, program)
        assert any(f"executable with build-id {wanted} of {program} " in line
                   for line in missing(log)), log
        assert not re.search("new_inner|new_outer|old_inner|old_outer", backtrace)
        assert frames(backtrace).startswith("#0 ") and not LINES.search(frames(backtrace))

    def test_700_003_removed(self, env, farm):
        program = crash.build(farm.programs, "removed")
        core, wanted = crash.core_of(program), crash.build_id(program)
        program.unlink()
        log, backtrace = retrace(env, core, program)
        assert any(f"executable with build-id {wanted}" in line for line in missing(log)), log
        assert "read_null" not in backtrace

    def test_700_004_outside_of_host_dirs(self, env, farm):
        """The right build, at a place whose files may not be used."""
        program = crash.build(farm.place / "elsewhere", "hidden", "hidden_inner")
        log, backtrace = retrace(env, crash.core_of(program), program)
        assert any(crash.build_id(program) in line for line in missing(log)), log
        assert "hidden_inner" not in backtrace


class TestDebugInformation:
    def test_700_010_right_build(self, env, farm):
        program = crash.build(farm.programs, "split", "split_inner")
        crash.split(program)
        log, backtrace = retrace(env, crash.core_of(program), program)
        assert "split_inner" in frames(backtrace)
        assert missing(log) == []

    def test_700_011_replaced(self, env, farm):
        program = crash.build(farm.programs, "swapped", "old_inner", "old_outer")
        other = crash.build(farm.programs, "swapping", "new_inner", "new_outer")
        debug = crash.split(program)
        crash.split(other).replace(debug)
        log, backtrace = retrace(env, crash.core_of(program), program)
        assert any(f"debuginfo with build-id {crash.build_id(program)} of {program} " in line
                   for line in missing(log)), log
        assert not re.search("new_inner|new_outer|old_inner|old_outer", backtrace)
        assert not LINES.search(frames(backtrace))
