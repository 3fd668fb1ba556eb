# SPDX-License-Identifier: Apache-2.0
"""What all parts of `make bench` share: one line a figure, with its goal, and small uploads."""
import re
import statistics
import subprocess
import time

from serve.server import ServerError

WIDTH = 48


def note(text):
    print(text, flush=True)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def report(name, figures, value, goal, least=False):
    """One line. `value` is what counts: at most the goal, or at least."""
    met = value >= goal if least else value <= goal
    note(f"{name:<{WIDTH}} {figures} (goal {'at least ' if least else ''}{goal:g}) "
         f"{'met' if met else 'NOT met'}")


def report_ratio(name, ours, reference, goal):
    """Medians of the seconds that paired runs took, and the median of their ratios."""
    ratio = statistics.median(a / b for a, b in zip(ours, reference))
    report(name, f"{statistics.median(ours):8.3f} s {statistics.median(reference):8.3f} s "
           f"{ratio:6.2f}", ratio, goal)


def timed(command, **options):
    start = time.monotonic()
    subprocess.run(command, check=True, **options)
    return time.monotonic() - start


class Task:
    def __init__(self, headers, server):
        self.id = re.search(r"X-Task-Id: (\d+)", headers).group(1)
        self.password = re.search(r"X-Task-Password: (\w+)", headers).group(1)
        self.dir = server.spool / self.id

    def wait(self):
        while not (self.dir / "finished_time").exists():
            time.sleep(0.001)
        return time.monotonic()

    def log(self):
        return (self.dir / "retrace_log").read_text(encoding="utf-8")


def upload(server, path, content_type, *options):
    """Returns the task and the seconds until its 201."""
    start = time.monotonic()
    result = subprocess.run(
        ["curl", "-sk", "-D", "-", "-o", "/dev/null", "-X", "POST", "-T", path, "-H",
         f"Content-Type: {content_type}", "-H", "Expect:", *options, server.url + "create"],
        check=True, capture_output=True, text=True)
    took = time.monotonic() - start
    if " 201 " not in result.stdout.splitlines()[0]:
        raise ServerError(f"upload of {path} refused: {result.stdout}")
    return Task(result.stdout, server), took
