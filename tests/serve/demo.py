# SPDX-License-Identifier: Apache-2.0
"""`make demo`: two real crashes, from upload to backtrace, through a real httpd over HTTPS."""
import http.client
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crash
from server import Server, ServerError, say

HERE = Path(__file__).resolve().parent
CHUNK = 64 * 1024
WAIT_S = 120
RULE = "-" * 79


class Client:
    """What an ABRT client does: create, poll, fetch."""

    def __init__(self, server):
        self.address = (server.host, server.port)
        self.prefix = server.location.rstrip("/")
        self.tls = ssl.create_default_context(cafile=server.dir / "tls" / "cert.pem")
        self.task = self.password = None

    def _connect(self):
        return http.client.HTTPSConnection(*self.address, context=self.tls, timeout=60)

    def create(self, upload):
        connection = self._connect()
        connection.putrequest("POST", f"{self.prefix}/create")
        connection.putheader("Content-Type", "application/x-xz-compressed-tar")
        connection.putheader("Content-Length", str(len(upload)))
        connection.putheader("X-Task-Type", "0")
        connection.endheaders()
        for at in range(0, len(upload), CHUNK):
            connection.send(upload[at:at + CHUNK])
            show_bar(min(at + CHUNK, len(upload)), len(upload))
        reply = connection.getresponse()
        body = reply.read().decode()
        if reply.status != 201:
            raise ServerError(f"the upload was refused with {reply.status}: {body}")
        self.task, self.password = reply.headers["X-Task-Id"], reply.headers["X-Task-Password"]

    def get(self, what=""):
        connection = self._connect()
        connection.request("GET", f"{self.prefix}/{self.task}{what}",
                           headers={"X-Task-Password": self.password})
        reply = connection.getresponse()
        return reply, reply.read().decode()


def show_bar(done, total):
    width = 40
    filled = width * done // total
    end = "\n" if done == total else ""
    if sys.stdout.isatty() or done == total:
        print(f"\r  uploading [{'#' * filled}{'.' * (width - filled)}] {done / 1024:.0f} KiB",
              end=end, flush=True)


def wait_for_end(client):
    """Show each stage as it comes; returns the final word."""
    shown = None
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        reply, text = client.get()
        word = reply.headers["X-Task-Status"]
        if text != shown:
            say(f"  {text}")
            shown = text
        if word != "PENDING":
            return word
        time.sleep(0.05)
    raise ServerError(f"task {client.task} has not ended in {WAIT_S} s")


def retrace(server, title, core, executable, package):
    say(f"\n{RULE}\n{title}\n{RULE}")
    upload = crash.pack(core, executable, package)
    say(f"  core of {core.stat().st_size / 2**20:.1f} MB, packed to {len(upload) / 2**20:.2f} MB")
    client = Client(server)
    started = time.monotonic()
    client.create(upload)
    say(f"  task {client.task}")
    word = wait_for_end(client)
    say(f"  {word} after {time.monotonic() - started:.2f} s\n")
    log = client.get("/log")[1]
    if word != "FINISHED_SUCCESS":
        raise ServerError(f"task {client.task} failed; its log:\n{log}")
    say(client.get("/backtrace")[1])
    say(f"{RULE}\nIts log:\n{log}")


def package_of(path):
    for command in (["dpkg-query", "-S", path], ["rpm", "-qf", path]):
        try:
            result = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            continue
        if result.returncode == 0:
            return result.stdout.split(":")[0].strip()
    return Path(path).name


def explain_user(server):
    if server.is_root:
        say(f"As root: httpd runs as {server.httpd_user().pw_name}, helper and workers as "
            f"{server.owner().pw_name} (setuid, with cap_setgid).")
        if not server.cgroups:
            say("No control group could be made here: memory is limited per process only.")
    else:
        say("As an ordinary user: httpd, helper and workers are all you, nothing is setuid, and "
            "memory is limited per process only. Run it as root to see users kept apart.")


def demonstrate(directory):
    programs = directory / "programs"
    programs.mkdir()
    programs.chmod(0o755)
    with Server(directory, settings=f"HostDirs = /usr:{programs}\nMinStorageLeft = 100") as server:
        say(f"httpd with mod_retrace serves {server.url}; everything it writes is below "
            f"{server.dir}")
        explain_user(server)
        program = crash.build_split(HERE / "crashing.c", programs, "crashing")
        retrace(server, "A program of three threads, stripped, its debug information in a file of "
                "its own", crash.crash([program], programs), program, "crashing-1.0-1")
        bash = str(Path("/bin/bash").resolve())
        core = crash.crash([bash, "-c", "greeting=hello; kill -SEGV $$"], programs)
        retrace(server, "bash as the distribution ships it", core, bash, package_of(bash))


def end(number, _):
    raise ServerError(f"ended by signal {number}")


def main():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    try:
        with tempfile.TemporaryDirectory(prefix="retrace-demo-") as directory:
            Path(directory).chmod(0o755)
            demonstrate(Path(directory))
    except (ServerError, RuntimeError) as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    say(f"""{RULE}
What you saw: two crashes, packed as ABRT packs them, sent over HTTPS to a real httpd, unpacked by a
process that may do nothing else, queued, matched by build-id with the files of this machine, and
given to gdb in a sandbox without network, files or a shell. All of it is stopped and removed now.

Where to go next:
  make serve              the same server in the foreground, for clients of your own
  make test               all tests
  README, "Add it to an existing Apache"   the real thing""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
