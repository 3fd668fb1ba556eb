# SPDX-License-Identifier: Apache-2.0
"""`make bench`: how many answers a second, and how soon a change of state is told."""
import re
import statistics
import subprocess
import threading
import time

import spool
from client import Client, Task
from figures import percentile, report
from serve.server import ServerError

RUNS = 5
REQUESTS = 20000
CHANGES = 20


def requests_per_second(url, *headers):
    arguments = [word for header in headers for word in ("-H", header)]
    result = subprocess.run(["ab", "-q", "-k", "-c", "8", "-n", str(REQUESTS), *arguments, url],
                            capture_output=True, text=True, check=True)
    if "Non-2xx" in result.stdout:
        raise ServerError(f"{url} did not answer 200")
    return float(re.search(r"Requests per second:\s+([\d.]+)", result.stdout).group(1))


def bench_status(server, task):
    """Of a finished task, as text and as JSON, and the settings."""
    (server.dir / "htdocs" / "static").mkdir(exist_ok=True)
    (server.dir / "htdocs" / "static" / "file.txt").write_text("Retrace job finished successfully")
    password = f"X-Task-Password: {task.password}"
    asked = {"status": (task.id, 0.8, password),
             "JSON status": (task.id, 0.5, password, "Accept: application/json"),
             "settings": ("settings", 0.5)}
    rates = {what: [] for what in ("file", *asked)}
    for _ in range(RUNS):
        rates["file"].append(
            requests_per_second(f"http://{server.host}:{server.port}/static/file.txt"))
        for what, (path, _, *headers) in asked.items():
            rates[what].append(requests_per_second(server.url + path, *headers))
    for what, (_, goal, *_) in asked.items():
        ratio = statistics.median(a / b for a, b in zip(rates[what], rates["file"]))
        report(f"{what} requests a second, against a file",
               f"{statistics.median(rates[what]):8.0f} /s "
               f"{statistics.median(rates['file']):7.0f} /s {ratio:6.2f}", ratio, goal, least=True)


def answer_time(client, task, answered):
    client.get(task, "?wait=30")
    answered.append(time.monotonic())


def bench_long_poll(server):
    """From the change of a task's state to the answer of a client that waits for it."""
    name = str(spool.FIRST)
    spool.as_owner(server, lambda root: spool.make_task(root, name, spool.WAITING))
    client, task = Client(server), Task(name, spool.PASSWORD, "")
    times = []
    for stage in range(CHANGES):
        answered = []
        waiter = threading.Thread(target=answer_time, args=(client, task, answered))
        waiter.start()
        time.sleep(0.2 + 0.013 * stage)  # it waits by now; at another moment of the server's ticks
        if answered:
            raise ServerError("a client was answered before there was a change")
        changed = time.monotonic()
        spool.as_owner(server, spool.set_stage, name, stage % 5)
        waiter.join()
        times.append(answered[0] - changed)
    median_ms, most_ms = statistics.median(times) * 1000, percentile(times, 100) * 1000
    report("change of a state to the answer, median and most",
           f"{median_ms:8.1f} ms {most_ms:8.1f} ms", median_ms, 60)
