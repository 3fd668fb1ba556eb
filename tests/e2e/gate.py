# SPDX-License-Identifier: Apache-2.0
"""Holding a task where it would run gdb, for as long as a test wants."""
import re


class Gate:
    """A stand-in for bubblewrap that starts gdb only once the gate is open; anything else at once."""

    def __init__(self, farm, name):
        name = re.sub(r"\W", "-", name)
        self.key = farm.programs / f"gate-{name}"
        self.script = farm.programs / f"bwrap-{name}"
        self.script.write_text("#!/bin/sh\ncase \"$*\" in *coredump*)\n"
                               f"    until [ -e {self.key} ]; do sleep 0.1; done\nesac\n"
                               "exec /usr/bin/bwrap \"$@\"\n", encoding="ascii")
        self.script.chmod(0o755)

    @property
    def setting(self):
        return f"BubblewrapPath = {self.script}"

    def open(self):
        self.key.touch()
