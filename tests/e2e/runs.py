# SPDX-License-Identifier: Apache-2.0
"""What a task has left: the text, the backtrace in parts, the rating, the facts."""
import json
import re

import crash

FRAME = re.compile(r"#(\d+) +(?:(0x[0-9a-f]+) in )?(?:(<signal handler called>)|(.+?) \()", re.M)
PLACE = re.compile(r" at (\S+?):(\d+)$")
# How crashes of data/kinds.c are rated, and why.
RATINGS = {"n": (2, "null pointer"), "w": (8, "wrote to an address"), "r": (4, "read at"),
           "j": (9, "holds no code"), "c": (3, "called a null pointer"), "a": (1, "by abort"),
           "s": (0, "assertion"), "d": (1, "divided"), "b": (8, "stack protector"),
           "u": (1, "is there to end it"), "k": (0, "came from a process")}


class Run:
    """A task that has succeeded, and what is in its directory; one that was submitted before, or a
    new one."""

    def __init__(self, env, members=None, task=None):
        self.env = env
        self.task = task or env.client.submit(crash.xz(crash.tar(members)))
        assert env.client.wait(self.task) == "FINISHED_SUCCESS", env.client.log(self.task).text
        self.text = env.client.backtrace(self.task).text
        self.log = env.client.log(self.task).text

    def file(self, name):
        return self.env.task_file(self.task, name)

    def frames(self):
        content = self.file("results/backtrace.json").read_bytes()
        assert content.endswith(b"}\n") and content.count(b"\n") == 1
        return json.loads(content.decode("utf-8"))

    def rating(self):
        text = self.file("results/exploitable").read_text(encoding="ascii")
        return int(text.rsplit(":", 1)[1]), text

    def facts(self):
        lines = self.file("facts").read_text(encoding="ascii").splitlines()
        return {tuple(line.split(" ")[:-1]): line.split(" ")[-1] for line in lines}


def threads_in(text):
    """Of the text: the frames of each thread as (level, pc or None, function or None, place)."""
    part = text.split("== Backtraces of all threads", 1)[1].split("\n== ", 1)[0]
    threads = {}
    for thread in re.split(r"^Thread ", part, flags=re.M)[1:]:
        frames = []
        for line in thread.splitlines():
            found = FRAME.match(line)
            if found:
                place = PLACE.search(line)
                name = found.group(4)
                frames.append((int(found.group(1)), found.group(2) and int(found.group(2), 16),
                               None if name in (None, "??") else name,
                               place and (place.group(1), int(place.group(2)))))
        threads[int(thread.split()[0])] = frames
    return threads


def check_agreement(run):
    """Frame by frame."""
    told = threads_in(run.text)
    threads = run.frames()["threads"]
    assert [thread["id"] for thread in threads] == sorted(told)
    for thread in threads:
        assert len(thread["frames"]) == len(told[thread["id"]])
        for frame, (level, address, function, place) in zip(thread["frames"], told[thread["id"]]):
            assert frame["level"] == level
            assert address in (None, int(frame["pc"], 16))
            if frame["type"] != "signal":
                assert frame.get("function") == function
            assert place in (None, (frame.get("file"), frame.get("line")))


def variables(frame, kind):
    return {each["name"]: each["value"] for each in frame[kind]}
