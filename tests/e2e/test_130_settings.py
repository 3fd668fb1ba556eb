# SPDX-License-Identifier: Apache-2.0
"""GET /settings and GET /checkpackage: what clients ask before they send anything. The packages here
are empty files: without an index, their names count (test_662_known_packages.py has real ones)."""
import json
import os

import pytest

from gate import Gate

OLD_KEYS = ["running_tasks", "max_running_tasks", "max_packed_size", "max_unpacked_size",
            "supported_formats", "supported_releases"]
NO_INDEX = {"stand_ins": {"retrace-server-index": None}}


def settings(env):
    reply = env.client.request("GET", "/settings")
    assert reply.status == 200
    assert reply.headers["Content-Length"] == str(len(reply.body))
    return dict(line.split(" ", 1) for line in reply.text.split("\n"))


@pytest.fixture(scope="module")
def repositories(farm):
    """A RepoDir with releases in the layouts of mirrors, and things that are none."""
    place = farm.place / "repositories"
    for path in ("fedora-36-x86_64/repodata", "fedora-36-x86_64/Packages/b",
                 "fedora-9-i386/repodata", "fedora-9-i386/Packages", "fedora-10-x86_64/repodata",
                 "rhel-8-x86_64", "nonsense/repodata", ".hidden-1-x/repodata", "a-b/repodata"):
        (place / path).mkdir(parents=True)
    for file in ("fedora-36-x86_64/Packages/b/bash-5.1.8-2.fc36.x86_64.rpm",
                 "fedora-36-x86_64/tree-2.0~rc1^git-1.fc36.noarch.rpm",
                 "fedora-9-i386/Packages/gedit-3.2-1.fc9.i686.rpm"):
        (place / file).write_text("")
    return place


@pytest.fixture(scope="module")
def stocked(farm, repositories):
    return farm.start(f"RepoDir = {repositories}\nHostDirs =", **NO_INDEX)


# --- /settings ------------------------------------------------------------------------------------

class TestSettings:
    def test_130_001_old_keys_come_first(self, env):
        """In the order that all servers had; no line feed at the end, no carriage return."""
        reply = env.client.request("GET", "/settings")
        lines = reply.text.split("\n")
        assert [line.split(" ")[0] for line in lines[:6]] == OLD_KEYS
        assert "" not in lines and "\r" not in reply.text and "  " not in reply.text
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"

    def test_130_002_values(self, stocked):
        told = settings(stocked)
        assert (told["running_tasks"], told["max_running_tasks"]) == ("0", "5")
        assert (told["max_packed_size"], told["max_unpacked_size"]) == ("50", "1024")
        assert "application/x-xz-compressed-tar" in told["supported_formats"].split()
        assert len(told["supported_formats"].split()) <= 16

    def test_130_003_releases_are_directories_with_repodata(self, stocked):
        """Newest first."""
        assert settings(stocked)["supported_releases"] == \
            "fedora-36-x86_64 fedora-10-x86_64 fedora-9-i386"

    def test_130_004_no_more_releases_than_old_clients_can_hold(self, farm):
        place = farm.place / "many"
        for number in range(1, 34):
            (place / f"fedora-{number}-x86_64" / "repodata").mkdir(parents=True)
        env = farm.start(f"RepoDir = {place}\nHostDirs =", **NO_INDEX)
        told = settings(env)
        assert told["supported_releases"].split() == \
            [f"fedora-{number}-x86_64" for number in range(33, 2, -1)]
        assert len(told["all_releases"].split()) == 33
        farm.stop(env)

    def test_130_005_own_release_where_own_files_are_a_source(self, farm, repositories):
        env = farm.start(f"RepoDir = {repositories}/nothing")
        release = dict(line.rstrip().replace('"', "").split("=", 1)
                       for line in open("/etc/os-release", encoding="utf-8") if "=" in line)
        own = f"{release['ID']}-{release['VERSION_ID']}-{os.uname().machine}"
        assert settings(env)["supported_releases"] == own
        farm.stop(env)

    @pytest.mark.parametrize("size,told", [(2047, "2047"), (2048, "2047"), (100000, "2047")])
    def test_130_006_no_size_that_old_clients_overflow(self, farm, size, told):
        env = farm.start(f"MaxPackedSize = {size}\nMaxUnpackedSize = {size}")
        values = settings(env)
        assert (values["max_packed_size"], values["max_unpacked_size"]) == (told, told)
        farm.stop(env)

    def test_130_007_unless_the_admin_says_so(self, farm):
        env = farm.start("MaxPackedSize = 5000\nMaxAdvertisedSize = 9999")
        assert settings(env)["max_packed_size"] == "5000"
        farm.stop(env)

    def test_130_008_as_json(self, stocked):
        reply = stocked.client.request("GET", "/settings", {"Accept": "application/json"})
        assert reply.headers["Content-Type"] == "application/json"
        told = json.loads(reply.text)
        assert told["supported_releases"] == settings(stocked)["supported_releases"].split()
        assert told["supported_formats"] == settings(stocked)["supported_formats"].split()
        assert (told["is_full"], told["max_packed_size_mb"]) == (False, 50)

    def test_130_009_features(self, env, farm):
        assert {"long-poll", "sync", "json", "cancel"} <= set(settings(env)["features"].split())
        assert "delete" not in settings(env)["features"].split()
        deleting = farm.start("AllowApiDelete = 1")
        assert "delete" in settings(deleting)["features"].split()
        farm.stop(deleting)

    def test_130_010_without_https_too(self, farm):
        env = farm.start("RequireHTTPS = 1", tls=False)
        settings(env)
        farm.stop(env)


class TestLoad:
    """Clients send nothing unless running_tasks is below max_running_tasks."""

    @pytest.mark.parametrize("tasks,queue,running", [
        (1, 0, (1, 2)), (2, 0, (2, 2)), (2, 1, (1, 2)), (3, 1, (2, 2)), (5, 10, (1, 2))])
    def test_130_020_room_is_room(self, farm, upload, tasks, queue, running):
        gate = Gate(farm, f"load-{tasks}-{queue}")
        env = farm.start(f"MaxParallelTasks = 2\nMaxQueuedTasks = {queue}\n{gate.setting}")
        for _ in range(tasks):
            env.client.submit(upload)
        told = settings(env)
        assert (int(told["running_tasks"]), int(told["max_running_tasks"])) == running
        full = running[0] == running[1]
        assert env.client.create(upload).status == (503 if full else 201)
        gate.open()
        env.wait_idle(60)
        farm.stop(env)

    def test_130_021_full_server_says_when_to_come_back(self, farm, upload):
        gate = Gate(farm, "retry")
        env = farm.start(f"MaxParallelTasks = 1\n{gate.setting}")
        env.client.submit(upload)
        reply = env.client.create(upload)
        env.expect_refusal(reply, 503)
        assert int(reply.headers["Retry-After"]) >= 10
        gate.open()
        env.wait_idle(60)
        farm.stop(env)


# --- /checkpackage --------------------------------------------------------------------------------

def check(env, package, arch="x86_64", release=None):
    headers = {"X-Package-NVR": package, "X-Package-Arch": arch, "X-OS-Release": release}
    return env.client.request("GET", "/checkpackage",
                              {name: value for name, value in headers.items()
                               if value is not None})


class TestCheckPackage:
    @pytest.mark.parametrize("package,arch,release", [
        ("bash-5.1.8-2.fc36", "x86_64", None),
        ("bash-5.1.8-2.fc36", "x86_64", "fedora-36-x86_64"),
        ("bash-0:5.1.8-2.fc36", "x86_64", "fedora-36-x86_64"),
        ("2:bash-5.1.8-2.fc36", "x86_64", "fedora-36-x86_64"),
        ("tree-2.0~rc1^git-1.fc36", "x86_64", None),
        ("gedit-3.2-1.fc9", "i386", "fedora-9-i386")])
    def test_130_030_known(self, stocked, package, arch, release):
        """302 without Location: a client that follows redirects would leave."""
        reply = check(stocked, package, arch, release)
        assert reply.status == 302
        assert "Location" not in reply.headers
        assert reply.headers["Content-Length"] == str(len(reply.body))

    @pytest.mark.parametrize("package,arch,release", [
        ("bash-5.1.8-3.fc36", "x86_64", None), ("bash-5.1.8-2.fc36", "s390x", None),
        ("bash-5.1.8-2.fc36", "x86_64", "fedora-10-x86_64"),
        ("bash-5.1.8-2.fc36", "x86_64", "fedora-99-x86_64"),
        ("gedit-3.2-1.fc9", "x86_64", None)])
    def test_130_031_unknown(self, stocked, package, arch, release):
        stocked.expect_refusal(check(stocked, package, arch, release), 404)

    @pytest.mark.parametrize("package,arch,release,word", [
        (None, "x86_64", None, "X-Package-NVR"), ("bash", "x86_64", None, "X-Package-NVR"),
        ("../../etc-1-1", "x86_64", None, "X-Package-NVR"),
        ("b-1-1;id", "x86_64", None, "X-Package-NVR"), ("b-1-1", None, None, "X-Package-Arch"),
        ("b-1-1", "x86/64", None, "X-Package-Arch"), ("b-1-1", "x" * 17, None, "X-Package-Arch"),
        ("b-1-1", "x86_64", "../x-1-y", "X-OS-Release"), ("b-1-1", "x86_64", "f", "X-OS-Release"),
        ("b-1-1", "x86_64", "Red Hat Enterprise Linux 8-8.4-x86_64", "X-OS-Release")])
    def test_130_032_malformed(self, stocked, package, arch, release, word):
        stocked.expect_refusal(check(stocked, package, arch, release), 403, word)
