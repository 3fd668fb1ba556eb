# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the server's figures, each as a ratio to something that runs beside it.

Nothing here passes or fails: machines differ and are busy. Quote the ratios.
"""
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "serve"))

import crash  # noqa: E402
from server import Server, ServerError  # noqa: E402

RUNS = 5
PASSES = 20
REQUESTS = 20000
SLOW_RATE = 15e6  # bytes per second of the slow upload: 120 Mbit/s
SLOW_STEP = 16384
SETTINGS = """MaxPackedSize = 1024
MaxUnpackedSize = 2048
MinStorageLeft = 100
MaxQueuedTasks = 100
"""
TYPES = {"tar": "application/x-tar", "tar.gz": "application/x-gzip",
         "tar.xz": "application/x-xz-compressed-tar"}
GOALS = {"tar": 2.5, "tar.gz": 1.0, "tar.xz": 1.15}


def note(text):
    print(text, flush=True)


def timed(command, **options):
    start = time.monotonic()
    subprocess.run(command, check=True, **options)
    return time.monotonic() - start


def show(name, ours, reference, goal):
    """Medians of paired runs, and the median of their ratios."""
    ratio = statistics.median(a / b for a, b in zip(ours, reference))
    note(f"{name:<44} {statistics.median(ours):8.3f} s {statistics.median(reference):8.3f} s "
         f"{ratio:6.2f} (goal {goal})")


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


# --- What is uploaded --------------------------------------------------------------------------------

def make_crash(place):
    """The crash data and its three archives."""
    program = place / "big"
    subprocess.run(["cc", "-g", "-O0", "-Wl,--build-id", "-o", program, HERE / "big.c"], check=True)
    data = place / "data"
    data.mkdir()
    shutil.move(crash.crash([program], place), data / "coredump")
    (data / "executable").write_text(str(program))
    (data / "package").write_text("big-1.0-1")
    subprocess.run(["tar", "cf", "../up.tar", "coredump", "executable", "package"], cwd=data,
                   check=True)
    subprocess.run(["gzip", "-k", "-6", "up.tar"], cwd=place, check=True)
    subprocess.run(["xz", "-k", "-2", "up.tar"], cwd=place, check=True)
    for suffix in TYPES:
        note(f"  up.{suffix:<7} {(place / ('up.' + suffix)).stat().st_size / 2**20:7.1f} MB")
    make_small_crash(place, program)
    return program, data


def make_small_crash(place, program):
    """A core of a third of the size, to show what does not depend on it."""
    data = place / "small"
    data.mkdir()
    shutil.move(crash.crash([program, "22"], place), data / "coredump")
    for name in ("executable", "package"):
        (data / name).write_text("big")
    subprocess.run(["tar", "cJf", "../small.tar.xz", "coredump", "executable", "package"], cwd=data,
                   check=True, env={"XZ_OPT": "-2", "PATH": "/usr/bin:/bin"})


# --- Figures -----------------------------------------------------------------------------------------

def bench_uploads(server, place, scheme):
    for suffix, content_type in TYPES.items():
        ours, reference = [], []
        for _ in range(RUNS):
            out = place / "unpacked"
            out.mkdir()
            reference.append(timed(["tar", "xf", place / f"up.{suffix}", "-C", out]))
            shutil.rmtree(out)
            task, took = upload(server, place / f"up.{suffix}", content_type)
            ours.append(took)
            task.wait()
        show(f"upload of {suffix} over {scheme}, against tar -x", ours, reference, GOALS[suffix])


class Memory(threading.Thread):
    """Watches the peak resident memory of ingest and of httpd's children."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.peaks, self.done = server, {}, threading.Event()

    def run(self):
        while not self.done.is_set():
            for pid, name in self.server.programs().items():
                if name == "retrace-ingest":
                    self.note(pid)
            time.sleep(0.02)

    def note(self, pid):
        try:
            text = Path(f"/proc/{pid}/status").read_text()
            self.peaks[pid] = int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) / 1024
        except (OSError, AttributeError):
            pass


def bench_memory(server, place, archive, what):
    memory = Memory(server)
    memory.start()
    task, _ = upload(server, place / archive, TYPES["tar.xz"], "--limit-rate", "20M")
    memory.done.set()
    memory.join()
    task.wait()
    ingest = sum(memory.peaks.values())
    children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True,
                              text=True).stdout.split()
    memory.peaks.clear()
    for pid in children:
        memory.note(int(pid))
    child = max(memory.peaks.values())
    note(f"{'peak memory, httpd child and ingest, ' + what:<44} {child:8.1f} MB {ingest:7.1f} MB "
         f"{child + ingest:6.1f} MB together (goal 40)")


def bench_last_byte(server, place):
    """A slow upload: what is left to do when its last byte has come?"""
    import http.client
    import ssl
    body = (place / "up.tar.xz").read_bytes()
    times = []
    for _ in range(RUNS):
        connection = http.client.HTTPSConnection(server.host, server.port,
                                                 context=ssl._create_unverified_context())
        connection.putrequest("POST", "/create")
        connection.putheader("Content-Type", TYPES["tar.xz"])
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        start = time.monotonic()
        for at in range(0, len(body), SLOW_STEP):
            time.sleep(max(0, start + at / SLOW_RATE - time.monotonic()))
            connection.send(body[at:at + SLOW_STEP])
        start = time.monotonic()
        reply = connection.getresponse()
        times.append(time.monotonic() - start)
        Task("\n".join(f"{k}: {v}" for k, v in reply.getheaders()), server).wait()
    note(f"{'last byte of a slow upload to the 201':<44} {statistics.median(times) * 1000:8.1f} ms"
         f" (goal 50)")


def requests_per_second(url, *headers):
    arguments = [word for header in headers for word in ("-H", header)]
    result = subprocess.run(["ab", "-q", "-k", "-c", "8", "-n", str(REQUESTS), *arguments, url],
                            capture_output=True, text=True, check=True)
    if "Non-2xx" in result.stdout:
        raise ServerError(f"{url} did not answer 200")
    return float(re.search(r"Requests per second:\s+([\d.]+)", result.stdout).group(1))


def bench_status(server, task):
    (server.dir / "htdocs" / "static").mkdir(exist_ok=True)
    (server.dir / "htdocs" / "static" / "file.txt").write_text("Retrace job finished successfully")
    ours, static = [], []
    for _ in range(RUNS):
        static.append(requests_per_second(f"http://{server.host}:{server.port}/static/file.txt"))
        ours.append(requests_per_second(server.url + task.id,
                                        f"X-Task-Password: {task.password}"))
    ratio = statistics.median(a / b for a, b in zip(ours, static))
    note(f"{'status requests per second, against a file':<44} {statistics.median(ours):8.0f} /s "
         f"{statistics.median(static):7.0f} /s {ratio:6.2f} (goal at least 0.7)")


def bench_retrace(server, place, program, data):
    gdb, ours, tasks = [], [], []
    for _ in range(RUNS):
        gdb.append(timed(["gdb", "-q", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex",
                          "thread apply all backtrace full", "-ex", "info sharedlibrary", "-ex",
                          "info registers", program, data / "coredump"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        task, _ = upload(server, place / "up.tar.gz", TYPES["tar.gz"])
        start = time.monotonic()
        ours.append(task.wait() - start)
        tasks.append(task)
    extra = statistics.median(a - b for a, b in zip(ours, gdb))
    note(f"{'201 to finished, against gdb alone':<44} {statistics.median(ours):8.3f} s "
         f"{statistics.median(gdb):8.3f} s {extra * 1000:+5.0f} ms (goal at most +300)")
    for line in re.findall(r"\] (.*: \d+ ms)$", tasks[-1].log(), re.M):
        note(f"    {line}")
    return tasks[-1]


def bench_nothing(server, place):
    """A task whose core is no core: all the ways, none of the work."""
    empty = place / "empty"
    empty.mkdir()
    for name in ("coredump", "executable", "package"):
        (empty / name).write_text("nothing")
    subprocess.run(["tar", "cf", "../empty.tar", "coredump", "executable", "package"], cwd=empty,
                   check=True)
    times = []
    for _ in range(PASSES):
        start = time.monotonic()
        task, _ = upload(server, place / "empty.tar", TYPES["tar"])
        times.append(task.wait() - start)
    curl = [timed(["curl", "-sk", "-o", "/dev/null", server.url + "create"])
            for _ in range(PASSES)]
    own = statistics.median(times) - statistics.median(curl)
    note(f"{'no core at all, through helper, queue, worker':<44} {own * 1000:8.1f} ms besides curl's "
         f"{statistics.median(curl) * 1000:.1f} ms (goal 20)")


def run(place):
    note("A core of about 200 MB: zeros, text, random")
    program, data = make_crash(place)
    settings = f"{SETTINGS}HostDirs = /usr:{place}\n"
    note(f"\n{'':<44} {'ours':>10} {'beside':>10}")
    for tls in (False, True):
        directory = place / f"server-{int(tls)}"
        directory.mkdir()
        with Server(directory, tls=tls, settings=settings, location="/") as server:
            bench_uploads(server, place, "TLS" if tls else "plain HTTP")
            if tls:
                bench_last_byte(server, place)
    directory = place / "server-2"
    directory.mkdir()
    with Server(directory, tls=False, settings=settings, location="/r/") as server:
        bench_memory(server, place, "small.tar.xz", "66 MB")
        bench_memory(server, place, "up.tar.xz", "198 MB")
        task = bench_retrace(server, place, program, data)
        bench_nothing(server, place)
        bench_status(server, task)


def main():
    try:
        with tempfile.TemporaryDirectory(prefix="retrace-bench-") as directory:
            Path(directory).chmod(0o755)
            run(Path(directory))
    except (ServerError, RuntimeError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
