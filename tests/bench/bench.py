# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the server's figures, each as a ratio to something that runs beside it.

Nothing here passes or fails: machines differ and are busy. Quote the ratios.
"""
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e")]

import crash as tiny  # noqa: E402
from chroots import bench_mock  # noqa: E402
from extract import bench_extract  # noqa: E402
from figures import note  # noqa: E402
from flatness import bench_flatness  # noqa: E402
from index import bench_index  # noqa: E402
from rates import bench_long_poll, bench_status  # noqa: E402
from retrace import bench_nothing, bench_retrace  # noqa: E402
from serve.server import Server, ServerError  # noqa: E402
from uploads import bench_last_byte, bench_memory, bench_uploads, make_crash  # noqa: E402
from waiting import bench_waiting  # noqa: E402

SETTINGS = """MaxPackedSize = 1024
MaxUnpackedSize = 2048
MinStorageLeft = 100
MaxQueuedTasks = 100
MaxClientUploads = 0
"""


def start(place, name, tls=False):
    directory = place / name
    directory.mkdir()
    return Server(directory, tls=tls, location="/r/",
                  settings=f"{SETTINGS}HostDirs = /usr:{place}\n")


def run_uploads(place):
    note("A core of about 200 MB: zeros, text, random")
    program, data = make_crash(place)
    with start(place, "plain") as server:
        bench_uploads(server, place, "plain HTTP")
    with start(place, "tls", tls=True) as server:
        bench_uploads(server, place, "TLS")
        bench_last_byte(server, place)
    with start(place, "memory") as server:
        bench_memory(server, place, "small.tar.xz", "66 MB")
        bench_memory(server, place, "up.tar.xz", "198 MB")
        bench_retrace(server, place, program, data)


def run_requests(place):
    with start(place, "requests") as server:
        task = bench_nothing(server, place)
        bench_status(server, task)
        bench_long_poll(server)


PARTS = {"uploads": run_uploads, "requests": run_requests, "waiting": bench_waiting,
         "flatness": bench_flatness, "extract": bench_extract, "index": bench_index,
         "mock": bench_mock}


def run_part(name):
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="retrace-bench-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        nothing = {name: b"nothing" for name in ("coredump", "executable", "package")}
        (place / "empty.tar").write_bytes(tiny.tar(nothing))
        PARTS[name](place)
    note(f"  {name}: {time.monotonic() - begin:.0f} s\n")


def main(names):
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"make bench: no part {unknown[0]}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    try:
        for name in names or PARTS:
            run_part(name)
    except (ServerError, RuntimeError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
