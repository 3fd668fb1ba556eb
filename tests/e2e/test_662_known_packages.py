# SPDX-License-Identifier: Apache-2.0
"""Which packages and releases are known: the index is made by itself when the server starts and when a
repository changes, and httpd answers from what it publishes."""
import json
import os
import shutil
import subprocess
import time

import pytest

import packages
from client import poll
from gate import Gate
from packages import ARCH, RELEASE

INDEXER = "retrace-server-index"
SOON_S = 15  # a child looks once a second
# Tells that it was started, waits until it is let go, and becomes the real one, or dies.
WRAPPER = """#!/bin/sh
place=$(dirname "$0")/../cache
echo start >> "$place/starts"
until [ -e "$place/go" ]; do sleep 0.02; done
{command}
"""


class Store:
    """Signed packages, made once, and repositories of them."""

    def __init__(self, place):
        self.place = place
        place.mkdir(mode=0o755)
        self.keys = packages.Keys(place / "gnupg")
        self.key = self.keys.make("good")
        make = lambda *what, **how: packages.tiny(place / "built", *what, **how)
        self.vim = make("vim", "9.0", "1.fc36", epoch=2)
        self.caret = make("caret", "1.0^git1", "1.fc36")
        self.tilde = make("tilde", "2.0~rc1", "1.fc36", arch="noarch")
        self.gedit = make("gedit", "3.2", "1.fc36", arch="i686")
        self.late = make("late", "1.0", "1.fc36")
        self.unsigned = make("unsigned", "1.0", "1.fc36")
        self.keys.sign("good", self.vim, self.caret, self.tilde, self.gedit, self.late)

    def repository(self, repos, release, *files):
        directory = repos / release / "Packages" / "p"
        directory.mkdir(parents=True)
        for file in files:
            shutil.copy2(file, directory)
        packages.add_metadata(repos / release)
        return directory

    def key_dir(self, name, *releases):
        directory = self.place / name
        directory.mkdir()
        for release in releases:
            (directory / release).write_bytes(self.key)
        return directory


@pytest.fixture(scope="module")
def store(farm, clean_logs):
    for tool in ("rpmbuild", "rpmsign", "createrepo_c", "gpg"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    store = Store(farm.place / "known")
    yield store
    store.keys.close()


@pytest.fixture(scope="module")
def known(farm, store):
    """A server of four releases, with all that is known there."""
    repos = store.place / "repos"
    store.repository(repos, RELEASE, store.vim, store.caret, store.tilde, store.unsigned)
    store.repository(repos, "fedora-36-i386", store.gedit)
    store.repository(repos, f"rhel-8-{ARCH}", store.vim)
    store.repository(repos, f"centos-stream-9-{ARCH}", store.caret)
    keys = store.key_dir("keys", "fedora-36", "rhel-8", "centos-stream-9")
    env = farm.start(f"RepoDir = {repos}\nGPGKeyDir = {keys}\nHostDirs =")
    env.repos = repos
    wait_for_lists(env, 4)
    return env


def lists(env):
    place = env.server.spool / "packages"
    return sorted(path.name for path in place.glob("[!.]*")) if place.exists() else []


def wait_for_lists(env, count):
    poll(lambda: len(lists(env)) == count, SOON_S, f"lists: {lists(env)}")


def settings(env):
    reply = env.client.request("GET", "/settings")
    return dict(line.split(" ", 1) for line in reply.text.split("\n"))


def check(env, package, arch=ARCH, release=RELEASE):
    headers = {"X-Package-NVR": package, "X-Package-Arch": arch}
    if release is not None:
        headers["X-OS-Release"] = release
    return env.client.request("GET", "/checkpackage", headers)


def is_known(env, package, **how):
    """A refusal is in the log as information, which is no fault."""
    reply = check(env, package, **how)
    assert reply.status in (302, 404), reply.text
    return reply.status == 302


def become(env, what, package, **how):
    poll(lambda: is_known(env, package, **how) == what, SOON_S,
         f"{package} does not become {'known' if what else 'unknown'}")


def as_owner_command(env, *command):
    prefix = ["runuser", "-u", env.server.owner().pw_name, "--"] * env.server.is_root
    return prefix + [str(part) for part in command]


def as_owner(env, *command):
    return subprocess.run(as_owner_command(env, *command), capture_output=True, text=True,
                          check=False)


def sweep(env):
    """As httpd has it done. Returns when the dispatcher has left."""
    result = as_owner(env, env.server.dir / "libexec" / "retrace-dispatch", env.server.config,
                      "sweep")
    assert result.returncode == 0, result.stderr
    env.wait_idle()


class TestByItself:
    def test_662_001_at_the_start(self, known):
        """Nobody has sent a task; the unsigned package is left out, and the lines are in order."""
        assert lists(known) == sorted(path.name for path in known.repos.iterdir())
        file = known.server.spool / "packages" / RELEASE
        header, *lines = file.read_text().splitlines()
        assert header.startswith("retrace-packages 1 ")
        assert lines == [f"caret-1.0^git1-1.fc36.{ARCH} 0", "tilde-2.0~rc1-1.fc36.noarch 0",
                         f"vim-9.0-1.fc36.{ARCH} 2"]
        assert file.stat().st_mode & 0o777 == 0o640
        assert file.stat().st_uid == known.server.owner().pw_uid
        assert file.stat().st_gid == known.server.httpd_group().gr_gid

    @pytest.mark.parametrize("package, arch, release", [
        ("vim-9.0-1.fc36", ARCH, RELEASE), ("2:vim-9.0-1.fc36", ARCH, RELEASE),
        ("vim-2:9.0-1.fc36", ARCH, RELEASE), ("vim-9.0-1.fc36", ARCH, None),
        ("caret-1.0^git1-1.fc36", ARCH, RELEASE), ("tilde-2.0~rc1-1.fc36", ARCH, RELEASE),
        ("tilde-2.0~rc1-1.fc36", "s390x", RELEASE),
        ("gedit-3.2-1.fc36", "i386", "fedora-36-i386"), ("gedit-3.2-1.fc36", "i686", None),
        ("vim-9.0-1.fc36", ARCH, f"rhel-8-{ARCH}"), ("vim-9.0-1.fc36", ARCH, f"rhel-8.6-{ARCH}"),
        ("caret-1.0^git1-1.fc36", ARCH, f"centos-9-{ARCH}"),
        ("caret-1.0^git1-1.fc36", ARCH, f"centos-stream-9-{ARCH}"),
    ])
    def test_662_002_known(self, known, package, arch, release):
        reply = check(known, package, arch, release)
        assert reply.status == 302 and "Location" not in reply.headers

    @pytest.mark.parametrize("package, arch, release", [
        ("unsigned-1.0-1.fc36", ARCH, RELEASE), ("unsigned-1.0-1.fc36", ARCH, None),
        ("vim-9.0-2.fc36", ARCH, RELEASE), ("vim-9.0-1.fc3", ARCH, RELEASE),
        ("vi-9.0-1.fc36", ARCH, RELEASE), ("vim-9.0-1.fc36", "s390x", RELEASE),
        ("gedit-3.2-1.fc36", ARCH, None), ("vim-9.0-1.fc36", ARCH, f"rhel-80-{ARCH}"),
        ("vim-9.0-1.fc36", ARCH, f"rhel-8.6-{ARCH}x"), ("vim-9.0-1.fc36", ARCH, f"fedora-36.1-{ARCH}"),
        ("vim-9.0-1.fc36", ARCH, "fedora-36-i386"), ("late-1.0-1.fc36", ARCH, None),
        ("retrace-packages-1", ARCH, RELEASE),
    ])
    def test_662_003_unknown(self, known, package, arch, release):
        known.expect_refusal(check(known, package, arch, release), 404, "not known")

    @pytest.mark.parametrize("package", [
        "", "-", "--", "vim", "vim-9.0", "vim-9.0-", "-9.0-1", "a b-1-1", "a-1-1/..", "../../x-1-1",
        ".a-1-1", "a-.1-1", "a-1-1\t0", "x:a-1-1", "2:a-2:1-1", "a-1:2:3-1", "99999999999999999:a-1-1",
        "%s-%n-1", "a-1-1\\", "a-1-1;id", "'a'-1-1", "\xe4-1-1", "a-1-" + "1" * 300, "a-1-1" * 1000,
    ], ids=lambda package: repr(package[:20]))
    def test_662_004_hostile_names(self, known, package):
        known.expect_refusal(check(known, package), 403, "X-Package-NVR")

    def test_662_005_a_package_that_comes_and_goes(self, known, store):
        directory = known.repos / RELEASE / "Packages" / "p"
        assert not is_known(known, "late-1.0-1.fc36")
        shutil.copy2(store.late, directory)
        packages.add_metadata(known.repos / RELEASE)
        become(known, True, "late-1.0-1.fc36")
        assert is_known(known, "vim-9.0-1.fc36")
        (directory / store.late.name).unlink()
        packages.add_metadata(known.repos / RELEASE)
        become(known, False, "late-1.0-1.fc36")

    def test_662_006_a_release_that_comes_and_goes(self, known, store):
        store.repository(known.repos, "fedora-37-i386", store.gedit)
        sweep(known)
        assert "fedora-37-i386" in lists(known)
        assert is_known(known, "gedit-3.2-1.fc36", arch="i386", release="fedora-37-i386") is False
        assert "fedora-37-i386" not in settings(known)["all_releases"].split(), "it has no keys"
        shutil.rmtree(known.repos / "fedora-37-i386")
        sweep(known)
        assert "fedora-37-i386" not in lists(known)

    def test_662_007_aliases_are_told_behind_all_releases(self, known):
        told = settings(known)["supported_releases"].split()
        assert told[:4] == [f"rhel-8-{ARCH}", RELEASE, "fedora-36-i386", f"centos-stream-9-{ARCH}"]
        assert told[4:] == [f"rhel-8.{minor}-{ARCH}" for minor in range(10, -1, -1)] \
            + [f"centos-9-{ARCH}"]

    def test_662_008_damaged_lists(self, known):
        """They count as none, and are made again."""
        file = known.server.spool / "packages" / RELEASE
        for content in (b"", b"\0" * 1000, file.read_bytes()[:-5]):
            file.write_bytes(content)
            assert is_known(known, "vim-9.0-1.fc36") is False, "Packages/p is not where vim belongs"
            sweep(known)
            assert is_known(known, "vim-9.0-1.fc36")


class TestMany:
    def test_662_010_no_more_than_old_clients_can_hold(self, farm, store):
        """The newest ones; those without a package that is used are not told at all."""
        repos = store.place / "many"
        store.repository(repos, f"fedora-1-{ARCH}", store.vim)
        for number in range(2, 33):
            shutil.copytree(repos / f"fedora-1-{ARCH}", repos / f"fedora-{number}-{ARCH}")
        store.repository(repos, f"fedora-99-{ARCH}")
        env = farm.start(f"RepoDir = {repos}\nGPGKeyDir = {store.key_dir('one', 'fedora')}\n"
                         "HostDirs =")
        wait_for_lists(env, 33)
        told = settings(env)
        assert told["supported_releases"].split() == \
            [f"fedora-{number}-{ARCH}" for number in range(32, 1, -1)]
        assert len(told["all_releases"].split()) == 32
        reply = env.client.request("GET", "/settings", {"Accept": "application/json"})
        assert len(json.loads(reply.text)["supported_releases"]) == 32
        assert is_known(env, "vim-9.0-1.fc36", release=f"fedora-1-{ARCH}")
        farm.stop(env)


class Watched:
    """A server with one release, whose indexer is counted, and waits to be let go. A command instead of
    the real one gets its arguments."""

    def __init__(self, farm, store, name, settings="", command=None, keys=("fedora",), **how):
        self.repos = store.place / name / "repos"
        self.directory = store.repository(self.repos, RELEASE, store.vim, store.unsigned)
        real = farm.make().build / INDEXER
        self.env = farm.start(
            f"RepoDir = {self.repos}\nHostDirs =\n{settings}\n"
            f"GPGKeyDir = {store.key_dir(f'{name}-keys', *keys)}",
            stand_ins={INDEXER: WRAPPER.format(command=command or f'exec {real} "$@"')}, **how)

    def starts(self):
        file = self.env.server.dir / "cache" / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def wait_for_start(self):
        poll(self.starts, SOON_S, "the indexer is not started")

    def let_go(self):
        (self.env.server.dir / "cache" / "go").touch()
        self.env.wait_idle()


class TestIndexer:
    """How often it is started, and what happens while it runs."""

    @pytest.mark.parametrize("mpm", ["event", "prefork"])
    def test_662_020_one_for_all_children(self, farm, store, mpm):
        """While the index is made, what the directory shows counts, and the answer comes at once."""
        watched = Watched(farm, store, f"gate-{mpm}", mpm=mpm)
        env = watched.env
        watched.wait_for_start()
        begin = time.monotonic()
        for _ in range(20):
            assert not is_known(env, "vim-9.0-1.fc36")  # not in a place where mirrors have it
        shutil.move(watched.directory / store.vim.name, watched.repos / RELEASE)
        assert is_known(env, "vim-9.0-1.fc36")
        assert settings(env)["supported_releases"] == RELEASE
        assert time.monotonic() - begin < 2
        assert [name for name in env.server.programs().values()] == ["retrace-dispatch"]
        watched.let_go()
        assert lists(env) == [RELEASE]
        assert watched.starts() == 1
        assert is_known(env, "vim-9.0-1.fc36") and not is_known(env, "unsigned-1.0-1.fc36")
        farm.stop(env)

    def test_662_021_without_keys(self, farm, store):
        """Nothing is known, and it is not tried again and again; with keys it is."""
        watched = Watched(farm, store, "keyless", keys=())
        env = watched.env
        watched.wait_for_start()
        watched.let_go()
        assert not is_known(env, "vim-9.0-1.fc36")
        assert settings(env)["supported_releases"] == ""
        for _ in range(3):
            sweep(env)
        assert watched.starts() == 1
        (store.place / "keyless-keys" / "fedora").write_bytes(store.key)
        long_ago = time.time() - 601
        os.utime(env.server.spool / "packages" / RELEASE, (long_ago, long_ago))
        sweep(env)
        assert watched.starts() == 2
        assert is_known(env, "vim-9.0-1.fc36")
        sweep(env)
        assert watched.starts() == 2
        farm.stop(env)

    def test_662_022_with_damaged_metadata(self, farm, store):
        watched = Watched(farm, store, "damaged")
        env = watched.env
        watched.wait_for_start()
        watched.let_go()
        metadata = watched.repos / RELEASE / "repodata"
        (metadata / "repomd.xml").write_text("<nonsense")
        sweep(env)
        started = watched.starts()
        assert started == 2
        for _ in range(3):
            sweep(env)
        assert watched.starts() == started
        farm.stop(env)

    @pytest.mark.parametrize("command", ["kill -SEGV $$", "exit 111", "exit 0"])
    def test_662_023_one_that_brings_nothing(self, farm, store, command):
        """Given up until a repository changes, whatever its exit code."""
        watched = Watched(farm, store, f"broken-{command[-3:].strip()}", command=command)
        env = watched.env
        watched.wait_for_start()
        watched.let_go()
        for _ in range(3):
            sweep(env)
        assert watched.starts() == 1
        assert lists(env) == []
        packages.add_metadata(watched.repos / RELEASE)
        sweep(env)
        assert watched.starts() == 2
        given_up = env.server.spool / "packages" / ".gave_up"
        long_ago = time.time() - 601
        os.utime(given_up, (long_ago, long_ago))
        sweep(env)
        assert watched.starts() == 3
        farm.stop(env)

    def test_662_027_given_up_while_a_task_runs(self, farm, store, upload):
        """The dispatcher that gave up tries again, too, though it has not left since."""
        gate = Gate(farm, "given-up")
        watched = Watched(farm, store, "given-up", command="exit 111",
                          settings=f"{gate.setting}\nHostDirs = /usr:{farm.programs}")
        env = watched.env
        watched.wait_for_start()
        task = env.client.submit(upload)
        given_up = env.server.spool / "packages" / ".gave_up"
        (env.server.dir / "cache" / "go").touch()
        poll(given_up.exists, SOON_S, "it is not given up")
        long_ago = time.time() - 601
        os.utime(given_up, (long_ago, long_ago))
        os.utime(env.server.spool / "queue")
        poll(lambda: watched.starts() == 2, SOON_S, "it is not started again")
        gate.open()
        assert env.client.wait(task) == "FINISHED_SUCCESS"
        env.wait_idle()
        assert watched.starts() == 2
        farm.stop(env)

    def test_662_024_what_changes_meanwhile(self, farm, store):
        """The list of what was there before is stale as soon as it is made."""
        watched = Watched(farm, store, "meanwhile")
        env = watched.env
        watched.wait_for_start()
        watched.let_go()
        (env.server.dir / "cache" / "go").unlink()
        packages.add_metadata(watched.repos / RELEASE)
        become(env, True, "vim-9.0-1.fc36")
        poll(lambda: is_known(env, "vim-9.0-1.fc36") and watched.starts() == 2, SOON_S, "no start")
        shutil.copy2(store.late, watched.directory)
        packages.add_metadata(watched.repos / RELEASE)
        watched.let_go()
        assert is_known(env, "late-1.0-1.fc36")
        farm.stop(env)

    def test_662_025_beside_the_tasks(self, farm, store, upload):
        """A task does not wait for it, and it does not wait for a task."""
        watched = Watched(farm, store, "beside", settings="MaxParallelTasks = 1\nHostDirs = /usr:"
                          f"{farm.programs}\nRepoDir = {store.place}/beside/repos")
        env = watched.env
        watched.wait_for_start()
        task = env.client.submit(upload)
        assert env.client.wait(task) == "FINISHED_SUCCESS"
        assert watched.starts() == 1 and lists(env) in ([], [RELEASE])
        watched.let_go()
        assert lists(env) == [RELEASE]
        farm.stop(env)

    def test_662_026_under_a_service_manager(self, farm, store):
        """To touch the queue is what the path unit sees; the service does the rest."""
        watched = Watched(farm, store, "service", settings="Dispatcher = systemd")
        env = watched.env
        queue = env.server.spool / "queue"
        os.utime(queue, (0, 0))
        sweep(env)
        assert time.time() - queue.stat().st_mtime < 10
        assert watched.starts() == 0
        (env.server.dir / "cache" / "go").touch()
        result = as_owner(env, env.server.dir / "libexec" / "retrace-dispatch", env.server.config,
                          "run")
        assert result.returncode == 0
        assert lists(env) == [RELEASE]
        farm.stop(env)

    def test_662_028_an_index_in_the_way(self, farm, store):
        """An index that cannot be opened is no fault of the repository: the list stays as it was, and
        one of a repository that has changed since is made when it can be."""
        watched = Watched(farm, store, "repaired")
        env = watched.env
        watched.wait_for_start()
        watched.let_go()
        index = env.server.dir / "cache" / "index"
        before = (env.server.spool / "packages" / RELEASE).read_text()
        for file in index.glob(f"{RELEASE}.db*"):
            file.unlink()
        (index / f"{RELEASE}.db" / "in the way").mkdir(parents=True)
        packages.add_metadata(watched.repos / RELEASE)
        result = as_owner(env, env.server.build / INDEXER, f"--config={env.server.config}", "--quiet")
        assert result.returncode == 111
        metadata = (watched.repos / RELEASE / "repodata" / "repomd.xml").stat()
        new = f"{metadata.st_mtime_ns // 10**9}.{metadata.st_mtime_ns % 10**9:09}.{metadata.st_size}"
        file = env.server.spool / "packages" / RELEASE
        assert file.read_text() == before and before.split()[3] != new
        assert is_known(env, "vim-9.0-1.fc36")
        shutil.rmtree(index / f"{RELEASE}.db")
        sweep(env)
        assert file.read_text().split()[3] == new
        farm.stop(env)


class TestProgram:
    def test_662_029_json(self, known):
        """Counts; a release that cannot be used says why, here and on standard error."""
        result = as_owner(known, known.server.build / INDEXER, f"--config={known.server.config}",
                          "--json", RELEASE, f"rhel-8-{ARCH}", "suse-1-i386")
        assert result.returncode == 111 and "suse-1-i386" in result.stderr
        *good, bad = json.loads(result.stdout)
        assert good == [{"release": RELEASE, "packages": 3, "refused": 1, "remote": 0},
                        {"release": f"rhel-8-{ARCH}", "packages": 1, "refused": 0, "remote": 0}]
        assert set(bad) == {"release", "error"} and "suse-1-i386" in bad["error"]
        result = as_owner(known, known.server.build / INDEXER, f"--config={known.server.config}",
                          "--json", "--quiet")
        assert result.returncode == 100 and result.stdout == ""

    def test_662_030_quiet(self, known):
        """No output, whatever there is to tell."""
        result = as_owner(known, known.server.build / INDEXER, f"--config={known.server.config}",
                          "--quiet")
        assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
        result = as_owner(known, known.server.build / INDEXER, "--config=/nonexistent", "--quiet")
        assert (result.returncode, result.stdout, result.stderr) == (111, "", "")
