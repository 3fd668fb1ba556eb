# SPDX-License-Identifier: Apache-2.0
"""Real servers for the tests. At the end of each module the error log of each server that it used
must hold no error that no test has claimed by its tag."""
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import crash
import distribution
from client import Client, poll
from serve.server import LOUD, Server, make_values

HTTP2 = """LoadModule http2_module {modules}/mod_http2.so
<VirtualHost *>
    ServerName localhost
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile tls/cert.pem
    SSLCertificateKeyFile tls/key.pem
</VirtualHost>
"""


class ErrorLog:
    """An error log, of which each module reads what is new."""

    def __init__(self, path):
        self.path = path
        self.module_start = self.test_start = 0
        self.claimed = set()

    def _read(self, start):
        if not self.path.exists():
            return []
        with open(self.path, encoding="utf-8", errors="replace") as log:
            log.seek(start)
            return log.readlines()

    def _end(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def begin_module(self):
        self.module_start = self._end()
        self.claimed.clear()

    def begin_test(self):
        self.test_start = self._end()

    def find(self, tag, text=""):
        """Lines of this test with this tag and text."""
        return [line for line in self._read(self.test_start) if f"{tag}:" in line and text in line]

    def expect(self, tag, text=""):
        """This test makes the server log that: it must be there, and is no fault."""
        self.tolerate(tag)
        return poll(lambda: self.find(tag, text), 5, f"the log has no {tag} with '{text}'")

    def tolerate(self, tag):
        """It may be there or not."""
        self.claimed.add(tag)

    def unclaimed(self):
        return [line for line in self._read(self.module_start)
                if LOUD.search(line) and not any(f"{tag}:" in line for tag in self.claimed)]


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


class Env:
    """One running server, with what a test needs around it."""

    def __init__(self, server):
        self.server = server
        self.log = ErrorLog(server.error_log)
        self.client = Client(server)

    def entries(self, directory):
        """Names in a directory of the spool; '.' stands for the spool itself."""
        place = self.server.spool / directory
        return sorted(path.name for path in place.iterdir()) if place.exists() else []

    def leftovers(self):
        """Everything that is there only while an upload or a task is under way."""
        return [f"{name}/{entry}" for name in (".incoming", "queue", "running")
                for entry in self.entries(name)]

    def workers(self):
        """Workers, without what they have forked and what has not become another program yet."""
        found = {pid for pid, name in self.server.programs().items()
                 if name == "retrace-server-worker"}
        # Who is alive after the look around was there together with all others that it met.
        parents = {pid: parent_of(pid) for pid in found}
        alive = {pid for pid in found if Path(f"/proc/{pid}/exe").exists()}
        return {pid for pid in alive if parents[pid] not in found}

    def wait_idle(self, timeout=20):
        """Until no program of the server runs and nothing is queued."""
        poll(lambda: not self.server.programs() and not self.leftovers(), timeout,
             f"not idle: {self.server.programs()}, {self.leftovers()}")

    def forget_cache(self, *kept):
        """What the cache has but these, once nobody uses it."""
        self.wait_idle()
        for entry in (self.server.dir / "cache").iterdir():
            if entry.name not in kept:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def expect_refusal(self, reply, status, *words):
        """A refusal says why, and the log has it."""
        assert reply.status == status, reply.text
        assert all(word in reply.text for word in words), reply.text
        assert reply.headers["Content-Length"] == str(len(reply.body))
        self.log.expect("RT0001", f"refused with {status}: {reply.text.rstrip('.')}")

    def task_file(self, task, name=""):
        return self.server.spool / task.id / name


class Farm:
    """Starts servers, each in a directory of its own, and ends them."""

    def __init__(self, place):
        self.place = place
        self.programs = place / "programs"
        self.programs.mkdir(mode=0o755)
        self.shared = []
        self.module = []
        self.made = []  # of these some never became one of the above
        self.complaints = []

    def make(self, settings="", **how):
        """A server that is not started. Of two equal settings the last one counts."""
        directory = Path(tempfile.mkdtemp(prefix="server-", dir=self.place))
        directory.chmod(0o755)
        ours = (f"HostDirs = /usr:{self.programs}", "MinStorageLeft = 100", "MaxParallelUploads = 0",
                "MaxClientUploads = 0",                 "MaxPasswordFailures = 0", settings)
        self.made.append(Server(directory, settings="\n".join(ours), **how))
        return self.made[-1]

    def start(self, settings="", **how):
        """A server that ends with the module, or earlier by `stop`."""
        server = self.make(settings, **how)
        server.start()
        self.module.append(Env(server))
        return self.module[-1]

    def share(self, settings):
        self.shared.append(self.start(settings))
        self.module.remove(self.shared[-1])
        self.made.remove(self.shared[-1].server)
        return self.shared[-1]

    def http2_conf(self):
        """Offers HTTP/2, too. <If> is read when a request comes; a virtual host's Protocols counts
        for its connections."""
        return HTTP2.format(modules=make_values("HTTPD_MODULES")["HTTPD_MODULES"])

    def logs(self):
        return [env.log for env in self.shared + self.module]

    def stop(self, env):
        self.complaints += env.log.unclaimed()
        self.module.remove(env)
        env.server.stop()

    def end_module(self):
        while self.module:
            self.stop(self.module[-1])
        while self.made:
            self.made.pop().stop()
        for env in self.shared:
            self.complaints += env.log.unclaimed()
        complaints, self.complaints = self.complaints, []
        return complaints

    def close(self):
        for server in self.made + [env.server for env in self.shared]:
            server.stop()


@pytest.fixture(scope="session")
def farm():
    with tempfile.TemporaryDirectory(prefix="retrace-e2e-") as name:
        place = Path(name)
        place.chmod(0o755)
        farm = Farm(place)
        yield farm
        farm.close()


@pytest.fixture(scope="session")
def env(farm):
    """The server that most tests share: two tasks at once, and room for all others."""
    return farm.share("MaxParallelTasks = 2\nMaxQueuedTasks = 100")


@pytest.fixture(scope="session")
def program(farm):
    return crash.build(farm.programs)


@pytest.fixture(scope="session")
def members(program):
    """What an upload holds; its core is made once."""
    return crash.members_of(crash.core_of(program, "shared"), program)


@pytest.fixture(scope="session")
def upload(members):
    return crash.xz(crash.tar(members))


@pytest.fixture(scope="session")
def client_system(farm):
    """Packages of a small distribution, and a root directory with it; see distribution.py."""
    reason = distribution.missing_tool()
    if reason is not None:
        pytest.skip(reason)
    made = distribution.Distribution(farm.place / "distribution")
    yield made
    made.close()


@pytest.fixture(scope="module")
def done(env, upload):
    """A task that has succeeded."""
    task = env.client.submit(upload)
    assert env.client.wait(task) == "FINISHED_SUCCESS"
    env.wait_idle()
    return task


@pytest.fixture(scope="module")
def failed(env, members):
    """A task that has failed: its core is none."""
    task = env.client.submit(crash.xz(crash.tar({**members, "coredump": b"no core"})))
    assert env.client.wait(task) == "FINISHED_FAILURE"
    env.wait_idle()
    return task


@pytest.fixture(scope="module", autouse=True)
def clean_logs(farm):
    """Rule 17: what is in an error log is either expected by a test or a failure."""
    for log in farm.logs():
        log.begin_module()
    yield
    complaints = farm.end_module()
    assert not complaints, "unexpected in the error log:\n" + "".join(complaints)


@pytest.fixture(autouse=True)
def mark_logs(farm, clean_logs):
    for log in farm.logs():
        log.begin_test()
