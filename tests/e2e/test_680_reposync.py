# SPDX-License-Identifier: Apache-2.0
"""retrace-server-reposync against real mirrors: http and https with ranges, file, a real rsync daemon; and
against those that lie, hang or are gone. Packages are made by rpmbuild and signed by rpmsign."""
import contextlib
import hashlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import crash
import mirror
import packages
from client import poll
from fake_server import make_certificate
from mirror import RELEASE, Mirror, Stage, build, hang, missing, run, slow, with_bytes, without_ranges

FAILED, BUSY, USAGE, SYSTEM, INTERRUPTED = 1, 2, 100, 111, 130
RAWHIDE = "fedora-rawhide-x86_64"
BIG_BYTES = 1_500_000
WEEK_S = 7 * 24 * 3600


class Made:
    """Packages that all tests share."""

    def __init__(self, place):
        self.place = place
        self.keys = packages.Keys(place / "gnupg")
        self.good_key, self.evil_key = self.keys.make("good"), self.keys.make("evil")
        self.small = {version: build(place, "small", version) for version in
                      ("1.0", "1.1", "1.2", "1.3", "1.10")}
        self.big = build(place, "big", "1.0", BIG_BYTES)
        self.signed = {key: self.sign(key) for key in ("good", "evil")}
        self.certificate = make_certificate(place)

    def sign(self, key):
        target = self.place / key / self.small["1.0"].name
        target.parent.mkdir()
        shutil.copy2(self.small["1.0"], target)
        self.keys.sign(key, target)
        return target


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    for tool in ("rpmbuild", "rpmsign", "rpmkeys", "createrepo_c", "gpg", "rsync", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    made = Made(tmp_path_factory.mktemp("packages"))
    yield made
    made.keys.close()


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.fixture
def remote(tmp_path, made):
    """Makes a repository of packages, and says where."""
    def make(*files, name="remote", more=()):
        root = tmp_path / name
        (root / "Packages").mkdir(parents=True, exist_ok=True)
        for old in (root / "Packages").iterdir():
            old.unlink()
        for file in files or (made.small["1.0"],):
            shutil.copy2(file, root / "Packages")
        run("createrepo_c", "--quiet", *more, root)
        return root
    return make


def name_of(file):
    return file.name


def describe_otherwise(root, old, new):
    """Writes a primary.xml of other words, with a repomd.xml that fits."""
    primary = next((root / "repodata").glob("*-primary.xml.gz"))
    text = run("zcat", primary).replace(old, new)
    plain = root / "primary.xml"
    plain.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    (root / "repodata/repomd.xml").write_text(
        f'<repomd><data type="primary"><checksum type="sha256">{digest}</checksum>'
        f'<location href="primary.xml"/></data></repomd>', encoding="ascii")


class TestRefusals:
    @pytest.mark.parametrize("text, words", [
        ("[a]\nenabled = perhaps\n", ".repo:2: enabled is neither 0 nor 1"),
        ("baseurl = x\n", ".repo:1: a value before the first [section]"),
        ("[a\n", ".repo:1: a section's name has no ]"),
        ("[a]\ngpgcheck=0\n", "a failed: it has neither baseurl nor mirrorlist nor metalink"),
        ("[a]\ngpgcheck=0\nbaseurl = gopher://x/\n",
         "gopher://x/ is no URL of https, http, ftp, file or rsync"),
        ("[a]\ngpgcheck=0\nbaseurl = http://x/$planet/\n", "has a variable that is not known"),
    ])
    def test_680_001_wrong_repo_file(self, stage, text, words):
        stage.repo(text)
        assert words in stage.run(code=FAILED)

    @pytest.mark.parametrize("arguments, code, words", [
        (["--other"], USAGE, "usage:"), (["../x-1-y"], USAGE, "usage:"), (["name"], USAGE, "usage:"),
        (["--timeout=0"], USAGE, "usage:"), (["--timeout=3601"], USAGE, "usage:"),
        (["--timeout=1x"], USAGE, "usage:"), (["--config=/none"], SYSTEM, "/none"),
        (["none-1-x"], FAILED, "there is no "),
    ])
    def test_680_002_wrong_usage(self, stage, arguments, code, words):
        assert words in stage.run(*arguments, code=code)

    def test_680_003_repo_file_of_no_release(self, stage, remote):
        """The others are mirrored all the same."""
        stage.base(f"file://{remote()}")
        stage.base("http://127.0.0.1:1", release="updates")
        assert "updates.repo: its name is no <distribution>-<version>-<architecture>.repo" \
            in stage.run(code=FAILED)
        assert len(stage.packages()) == 1

    def test_680_004_no_directory(self, stage):
        stage.config_dir.rmdir()
        assert "open RepoConfigDir" in stage.run(code=SYSTEM)

    @pytest.mark.parametrize("old, new, words", [
        ('href="Packages/', 'href="../Packages/', "it is at no place below the repository"),
        ('href="Packages/', 'href="/Packages/', "it is at no place below the repository"),
        ('href="Packages/', 'href="http://127.0.0.1:1/', "it is at no place below the repository"),
        ('href="Packages/', 'href="%2e%2e/Packages/', "it is at no place below the repository"),
        ('<location href', '<location xml:base="http://127.0.0.1:1" href',
         "it is at no place below the repository"),
        ('href="Packages/', 'href="Packages/.', "it is at no place below the repository"),
        ('href="Packages/small', 'href="Packages/-small', "its name is no name of a package's file"),
        ('type="sha256" pkgid="YES"', 'type="md5" pkgid="YES"', "it has no SHA checksum"),
        ('<size package="', '<size package="1', "its size is not the one that is told"),
        ('<size package="', '<size package="9999999999', "its size is missing, or too large"),
    ])
    def test_680_005_lying_list(self, stage, remote, old, new, words):
        root = remote()
        describe_otherwise(root, old, new)
        stage.base(f"file://{root}")
        told = stage.run(code=FAILED)
        assert words in told and "0 new, 0 kept, 1 refused, 0 failed" in told
        assert stage.packages() == []
        assert not (stage.directory() / "repodata").exists()

    def test_680_011_packages_elsewhere(self, stage, remote):
        """Not one is downloaded in vain."""
        stage.directory().mkdir()
        (stage.directory() / "Packages").symlink_to(stage.place)
        with Mirror(remote()) as server:
            stage.base(server.url)
            assert "/Packages must be a directory, and no link" in stage.run(code=FAILED)
            assert server.asked == []

    def test_680_010_name_that_a_terminal_obeys(self, stage, remote):
        """U+009B begins a command as ESC [ does; U+202E turns the direction of writing."""
        root = remote()
        describe_otherwise(root, "<name>small</name>", "<name>s\u009b2J\u202e</name>")
        primary = root / "primary.xml"
        text = primary.read_text(encoding="utf-8").replace('href="Packages/', 'href="/Packages/')
        primary.write_text(text, encoding="utf-8")
        digest = hashlib.sha256(primary.read_bytes()).hexdigest()
        (root / "repodata/repomd.xml").write_text(
            f'<repomd><data type="primary"><checksum type="sha256">{digest}</checksum>'
            f'<location href="primary.xml"/></data></repomd>', encoding="ascii")
        stage.base(f"file://{root}")
        told = stage.run(code=FAILED)
        assert "updates: s?2J?: it is at no place below the repository" in told

    @pytest.mark.parametrize("list_text, words", [
        ("<metadata>", "no element found"),
        ("no XML", "line 1: "),
        ("", "its checksum is not the one that is told"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><metadata>&a;</metadata>', "it has a document type"),
        ("<a>" * 40 + "</a>" * 40, "too many elements within each other"),
    ])
    def test_680_006_malformed_list(self, stage, remote, list_text, words):
        root = remote()
        (root / "primary.xml").write_text(list_text, encoding="ascii")
        digest = hashlib.sha256((list_text or "x").encode()).hexdigest()
        (root / "repodata/repomd.xml").write_text(
            f'<repomd><data type="primary"><checksum type="sha256">{digest}</checksum>'
            f'<location href="primary.xml"/></data></repomd>', encoding="ascii")
        stage.base(f"file://{root}")
        assert words in stage.run(code=FAILED)

    def test_680_007_of_another_user(self, stage, remote):
        """What root made, the workers' user could not go on with."""
        if os.geteuid() != 0:
            pytest.skip("for root")
        stage.base(f"file://{remote()}")
        os.chown(stage.repo_dir, 65534, 65534)
        assert "is not yours: run this as its owner" in stage.run(code=FAILED)
        assert not stage.directory().exists()

    def test_680_008_second_instance(self, stage, remote, made):
        root = remote(made.big)
        with Mirror(root) as server:
            server.faults[".rpm"] = slow
            stage.base(server.url)
            first = stage.start()
            poll(lambda: server.ranges(".rpm"), 10, "the package is not asked for")
            assert f"another instance is at {RELEASE}" in stage.run(code=BUSY)
            assert first.wait(30) == 0
        assert stage.packages() == [name_of(made.big)]

    def test_680_009_no_room(self, stage, remote, made, tmp_path):
        """Known before the first byte comes."""
        if shutil.disk_usage(tmp_path).free > 150_000_000_000:
            pytest.skip("there is room for 150 GB")
        root = remote(*made.small.values())
        describe_otherwise(root, '<size package="', '<size package="33000000000" old="')
        stage.base(f"file://{root}")
        assert "updates failed: 157356 MB are to come, " in stage.run(code=FAILED)


class TestSignatures:
    def key(self, stage, content, name="fedora-36"):
        (stage.key_dir / name).write_bytes(content)

    @pytest.mark.parametrize("how, words", [("unsigned", "it is not signed"),
                                            ("evil", "it is not signed with a key of ")])
    def test_680_020_refused(self, stage, remote, made, how, words):
        self.key(stage, made.good_key)
        stage.base(f"file://{remote(made.signed.get(how, made.small['1.0']))}", more="gpgcheck=1")
        told = stage.run(code=FAILED)
        assert f"small-1.0-1.{packages.ARCH}.rpm: {words}" in told and "1 refused" in told
        assert stage.packages() == []

    def test_680_021_good(self, stage, remote, made):
        """Keys that were there before do not count: the second run has others."""
        self.key(stage, made.good_key, "fedora")
        stage.base(f"file://{remote(made.signed['good'])}", more="gpgcheck=1")
        assert "1 new, 0 kept, 0 refused" in stage.run()
        (stage.key_dir / "fedora").unlink()
        self.key(stage, made.evil_key)
        stage.file(stage.packages()[0]).unlink()
        assert "it is not signed with a key of " in stage.run(code=FAILED)

    def fake_rpmkeys(self, stage, script):
        """In front of the real one, which imports the keys."""
        real, fake = shutil.which("rpmkeys"), stage.place / "bin/rpmkeys"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\ncase $* in *--import*) exec {real} \"$@\" ;; esac\n{script}\n",
                        encoding="ascii")
        fake.chmod(0o755)
        return {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}

    @pytest.mark.parametrize("script, code, words", [
        ("kill -9 $$", FAILED, "signal 9 has ended rpmkeys"),
        ("kill -INT $PPID; kill -INT $$", INTERRUPTED, "interrupted; what was downloaded stays"),
        ("test $LC_ALL = C || exit 3; kill -9 $$", FAILED, "signal 9 has ended rpmkeys")])
    def test_680_023_rpmkeys_is_killed(self, stage, remote, made, script, code, words):
        """For want of memory, or with this program by a terminal: the package is as good as before."""
        self.key(stage, made.good_key)
        stage.base(f"file://{remote(made.signed['good'])}", more="gpgcheck=1")
        result = subprocess.run(stage.words(), capture_output=True, text=True, check=False,
                                env=self.fake_rpmkeys(stage, script))
        assert result.returncode == code and words in result.stderr
        assert "not signed" not in result.stderr and " 0 refused" in result.stderr
        assert len(list((stage.directory() / ".sync").glob("*.rpm.part"))) == 1

    @pytest.mark.parametrize("content, words", [(None, "there is no file of keys for"),
                                                (b"none", "holds no key that rpmkeys takes")])
    def test_680_022_no_keys(self, stage, remote, made, content, words):
        if content is not None:
            self.key(stage, content)
        stage.base(f"file://{remote(made.signed['good'])}", more="gpgcheck=1")
        assert words in stage.run(code=FAILED)
        assert stage.packages() == []


    def lie(self, root, here, other):
        """A repository that calls one package by another one's name."""
        shutil.copy2(other, root / "Packages" / here.name)
        run("createrepo_c", "--quiet", root)

    def test_680_024_another_package_under_this_name(self, stage, remote, made):
        """It is signed as well, but what is here stays."""
        here, other = made.small["1.0"], made.big
        root = remote(here)
        stage.base(f"file://{root}")
        stage.run()
        self.lie(root, here, other)
        told = stage.run(code=FAILED)
        assert f"{here.name}: it is another package than this one, which is here" in told
        assert "1 refused" in told and stage.file(here.name).read_bytes() == here.read_bytes()

    def test_680_025_this_package_once_more(self, stage, remote, made, tmp_path):
        """Built again since then; also in place of one that had its name without right."""
        here = build(tmp_path, "small", "1.0", 5000)
        root = remote(made.small["1.0"])
        stage.base(f"file://{root}")
        for other in (made.small["1.0"], made.big):
            self.lie(root, here, other)
            shutil.rmtree(stage.directory(), ignore_errors=True)
            stage.run()
            assert stage.file(here.name).read_bytes() == other.read_bytes()
            self.lie(root, here, here)
            assert "1 new, 0 kept, 0 refused" in stage.run()
            assert stage.file(here.name).read_bytes() == here.read_bytes()


class TestTransfer:
    def test_680_030_http(self, stage, remote, made):
        """Two repositories in one directory; the second run finds everything here."""
        first, second = remote(made.small["1.0"]), remote(made.small["1.1"], name="second")
        with Mirror(first) as server, Mirror(second) as other:
            stage.repo(f"[one]\nbaseurl={server.url}/\ngpgcheck=0\n[two]\nbaseurl={other.url}\n"
                       "gpgcheck=0\n[off]\nbaseurl=http://127.0.0.1:1\nenabled=0\n")
            told = stage.run()
            assert f"{RELEASE} one: 1 new, 0 kept, 0 refused, 0 failed" in told
            assert f"{RELEASE} two: 1 new" in told and "off" not in told
            before = len(server.asked)
            made_at = (stage.directory() / "repodata/repomd.xml").stat().st_mtime_ns
            assert "one: 0 new, 1 kept" in stage.run()
            assert [path for path, _ in server.asked[before:]] == ["/repodata/repomd.xml"]
        assert stage.packages() == [name_of(made.small["1.0"]), name_of(made.small["1.1"])]
        assert stage.described() == [f"Packages/s/{name}" for name in stage.packages()]
        assert (stage.directory() / "repodata/repomd.xml").stat().st_mtime_ns == made_at
        for file in (made.small["1.0"], made.small["1.1"]):
            assert stage.file(file.name).read_bytes() == file.read_bytes()
            assert stage.file(file.name).stat().st_mode & 0o777 == 0o644

    def test_680_031_https(self, stage, remote, made):
        key, cert = made.certificate / "key.pem", made.certificate / "cert.pem"
        with Mirror(remote(), (cert, key)) as server:
            stage.base(server.url)
            assert "certificate" in stage.run(code=FAILED)
            stage.base(server.url, more=f"gpgcheck=0\nsslcacert={cert}")
            assert "1 new" in stage.run()
            shutil.rmtree(stage.directory())
            stage.base(server.url, more="gpgcheck=0\nsslverify=0")
            assert "1 new" in stage.run()

    def test_680_032_rsync(self, stage, remote, made, tmp_path):
        root = remote(made.small["1.0"], made.big)
        with mirror.rsync_daemon(tmp_path, root) as (url, log):
            stage.base(url)
            assert "2 new, 0 kept, 0 refused, 0 failed" in stage.run()
            assert "0 new, 2 kept" in stage.run()
            assert log.read_text().count(f"Packages/{made.big.name}") == 1
            (root / "Packages" / made.big.name).write_bytes(b"x" * made.big.stat().st_size)
            stage.file(made.big.name).unlink()
            told = stage.run(code=FAILED)
            assert f"{made.big.name}: {url}: its checksum is not the one" in told
        assert stage.file(made.small["1.0"].name).read_bytes() == made.small["1.0"].read_bytes()

    def test_680_042_rsync_goes_on(self, stage, remote, made, tmp_path):
        """What a killed run has got is not asked for again; what is wrong of it comes once more."""
        root = remote(made.small["1.0"], made.small["1.1"], made.big)
        staged = stage.directory() / ".sync/rsync"
        staged.mkdir(parents=True)
        shutil.copy(made.big, staged)
        (staged / made.small["1.1"].name).write_bytes(b"x" * made.small["1.1"].stat().st_size)
        with mirror.rsync_daemon(tmp_path, root) as (url, log):
            stage.base(url)
            assert "3 new, 0 kept, 0 refused, 0 failed" in stage.run()
            sent = re.findall(r" send .* Packages/(\S+)-1\.\d-1\.", log.read_text())
        assert sorted(sent) == ["small", "small"]
        for file in (made.small["1.0"], made.small["1.1"], made.big):
            assert stage.file(file.name).read_bytes() == file.read_bytes()
        assert not staged.exists()

    def test_680_040_ftp(self, stage, remote, made):
        """Goes on with what was begun, too."""
        pytest.importorskip("pyftpdlib")
        with mirror.ftp_server(remote(made.small["1.0"], made.big)) as url:
            stage.base(url)
            (stage.directory() / ".sync").mkdir(parents=True)
            (stage.directory() / ".sync" / f"{made.big.name}.part").write_bytes(
                made.big.read_bytes()[:1000])
            assert "2 new" in stage.run()
            (stage.place / "remote/Packages" / made.big.name).unlink()
            stage.file(made.big.name).unlink()
            assert f"{made.big.name}: {url}: the server does not have it" in stage.run(code=FAILED)
        assert stage.file(made.small["1.0"].name).read_bytes() == made.small["1.0"].read_bytes()

    def test_680_041_progress_on_a_terminal(self, stage, remote, made):
        with Mirror(remote(made.small["1.0"], made.big)) as server:
            server.faults[".rpm"] = slow
            stage.base(server.url)
            ours, its = pty.openpty()
            process = subprocess.Popen(stage.words(), stdin=subprocess.DEVNULL, stderr=its)
            os.close(its)
            shown = b""
            with contextlib.suppress(OSError):  # how a terminal says that nobody is there
                while part := os.read(ours, 4096):
                    shown += part
            os.close(ours)
            assert process.wait() == 0
        shown = shown.decode()
        assert re.search(rf"\[#+\.*\] +\d+ % \d+\.\d MB/s 1/2 {made.big.name[:7]}", shown)
        assert all(len(line) < 80 for line in re.split("\r\\x1b\\[K", shown)[:-1])

    def test_680_033_zstd(self, stage, remote, made):
        """Repodata as Fedora has it since 41; createrepo_c of older systems cannot write it."""
        root = remote()
        primary = next((root / "repodata").glob("*-primary.xml.gz"))
        run("sh", "-c", f"zcat {primary} | zstd -q >{root}/primary.xml.zst")
        digest = hashlib.sha256((root / "primary.xml.zst").read_bytes()).hexdigest()
        (root / "repodata/repomd.xml").write_text(
            f'<repomd><data type="primary"><checksum type="sha256">{digest}</checksum>'
            f'<location href="primary.xml.zst"/></data></repomd>', encoding="ascii")
        stage.base(f"file://{root}")
        assert "1 new" in stage.run()
        assert stage.packages() == [name_of(made.small["1.0"])]

    def test_680_043_rsync_with_a_directory(self, stage, remote, made, tmp_path):
        """In place of a package. Later, with the package, all is well; so it is with a larger file."""
        root = remote(made.small["1.0"], made.small["1.1"])
        package, larger = (root / "Packages" / made.small[version].name for version in ("1.0", "1.1"))
        content = larger.read_bytes()
        package.unlink()
        package.mkdir()
        larger.write_bytes(bytes(4_000_000))
        with mirror.rsync_daemon(tmp_path, root) as (url, _):
            stage.base(url)
            assert "0 new, 0 kept, 2 refused, 0 failed" in stage.run(code=FAILED)
            staged = stage.directory() / ".sync/rsync" / larger.name
            assert not staged.exists()
            package.rmdir()
            shutil.copy2(made.small["1.0"], package)
            larger.write_bytes(content)
            assert "2 new, 0 kept, 0 refused, 0 failed" in stage.run()

    @pytest.mark.parametrize("compression", ["xz", "bz2"])
    def test_680_034_other_compressions(self, stage, remote, compression):
        stage.base(f"file://{remote(more=(f'--general-compress-type={compression}', '--no-database'))}")
        assert "1 new" in stage.run()

    def test_680_035_variables(self, stage, remote, tmp_path):
        remote(name="fedora/36/x86_64")
        stage.base(f"file://{tmp_path}/fedora/$releasever/${{basearch}}")
        assert "1 new" in stage.run()

    def test_680_036_dry_run(self, stage, remote, made):
        stage.base(f"file://{remote()}")
        result = subprocess.run(stage.words("--dry-run"), capture_output=True, text=True, check=True)
        assert result.stdout == f"{RELEASE} updates {name_of(made.small['1.0'])}\n"
        assert "1 new" in result.stderr and "(dry run)" in result.stderr
        assert not stage.directory().exists()

    def test_680_037_quiet(self, stage, remote):
        stage.base(f"file://{remote()}")
        assert stage.run("--quiet") == ""
        assert stage.run("--quiet", RELEASE) == ""

    def test_680_038_old_packages_stay(self, stage, remote, made):
        stage.base(f"file://{remote(made.small['1.0'])}")
        stage.run()
        remote(made.small["1.1"])
        os.utime(stage.file(name_of(made.small["1.0"])), (0, 0))
        assert "1 new" in stage.run()
        assert len(stage.packages()) == len(stage.described()) == 2

    @pytest.mark.parametrize("update", [0, 1])
    def test_680_039_repodata_of_a_run_that_was_killed(self, stage, remote, made, update):
        """Packages that came are told in the next run, which gets none."""
        stage.settings(UseCreateRepoUpdate=update)
        stage.base(f"file://{remote(made.small['1.0'])}")
        stage.run()
        remote(made.small["1.0"], made.small["1.1"])
        environment = {**os.environ, "PATH": str(stage.place / "bin") + ":" + os.environ["PATH"]}
        (stage.place / "bin").mkdir()
        (stage.place / "bin/createrepo_c").write_text("#!/bin/sh\necho no repodata today >&2\nexit 1\n")
        (stage.place / "bin/createrepo_c").chmod(0o755)
        result = subprocess.run(stage.words(), env=environment, capture_output=True, text=True,
                                check=False)
        assert result.returncode == FAILED and "createrepo_c: no repodata today" in result.stderr
        assert len(stage.described()) == 1
        (stage.directory() / ".repodata").mkdir()  # of a createrepo_c that was killed
        assert "0 new, 2 kept" in stage.run()
        assert len(stage.described()) == 2


    def test_680_044_createrepo_is_killed_by_a_terminal(self, stage, remote):
        """Which ends it together with this program: that is no failure of createrepo_c."""
        stage.base(f"file://{remote()}")
        (stage.place / "bin").mkdir()
        (stage.place / "bin/createrepo_c").write_text("#!/bin/sh\nkill -INT $PPID; kill -INT $$\n")
        (stage.place / "bin/createrepo_c").chmod(0o755)
        environment = {**os.environ, "PATH": str(stage.place / "bin") + ":" + os.environ["PATH"]}
        result = subprocess.run(stage.words(), env=environment, capture_output=True, text=True,
                                check=False)
        assert result.returncode == INTERRUPTED and " failed: " not in result.stderr
        assert "interrupted; what was downloaded stays" in result.stderr
        assert "1 kept" in stage.run() and len(stage.described()) == 1


def onward_to(other):
    def onward(handler):
        handler.send_response(302)
        handler.send_header("Location", other.url + handler.path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return onward


class TestMirrors:
    def test_680_050_hanging_before_a_good_one(self, stage, remote, made):
        root = remote(made.small["1.0"], made.small["1.1"])
        with Mirror(root) as bad, Mirror(root) as good:
            bad.faults[".rpm"] = hang
            stage.base(bad.url, good.url)
            start = time.monotonic()
            assert "2 new, 0 kept, 0 refused, 0 failed" in stage.run("--timeout=1")
            assert time.monotonic() - start < 8
            # It is not asked again as long as the other one answers.
            assert len(bad.ranges(".rpm")) == 1

    def test_680_060_hanging_rsync(self, stage, remote):
        with socket.create_server(("127.0.0.1", 0)) as server:
            stage.base(f"rsync://127.0.0.1:{server.getsockname()[1]}/repo", f"file://{remote()}")
            assert "1 new" in stage.run("--timeout=1")

    def test_680_061_a_signal_ends_rsync_too(self, stage):
        with socket.create_server(("127.0.0.1", 0)) as server:
            stage.base(f"rsync://127.0.0.1:{server.getsockname()[1]}/repo")
            process = stage.start()
            client, _ = server.accept()
            process.terminate()
            assert process.wait(10) == INTERRUPTED
            assert "interrupted; what was downloaded stays" in process.stderr.read()
            client.settimeout(5)
            while client.recv(4096):  # rsync is gone, too
                pass
            client.close()

    def test_680_051_refusing_connections(self, stage, remote):
        with Mirror(remote()) as good:
            stage.base("http://127.0.0.1:1", good.url)
            assert "1 new" in stage.run()

    def test_680_052_without_a_package(self, stage, remote):
        root = remote()
        with Mirror(root) as bad, Mirror(root) as good:
            bad.faults[".rpm"] = missing
            stage.base(bad.url, good.url)
            assert "1 new" in stage.run()

    def test_680_053_no_mirror_has_it(self, stage, remote, made):
        root = remote(made.small["1.0"], made.small["1.1"])
        with Mirror(root) as bad:
            bad.faults[name_of(made.small["1.0"])] = missing
            stage.base(bad.url)
            told = stage.run(code=FAILED)
        assert f"{name_of(made.small['1.0'])}: {bad.url}: the server does not have it" in told
        assert "1 new, 0 kept, 0 refused, 1 failed" in told
        assert stage.described() == [f"Packages/s/{name_of(made.small['1.1'])}"]

    def test_680_054_mirrorlist(self, stage, remote, tmp_path):
        root = remote()
        with Mirror(root) as server:
            (root / "list").write_text(f"# mirrors\nhttp://127.0.0.1:1/\nnonsense\n{server.url}/\n")
            stage.repo(f"[r]\ngpgcheck=0\nmirrorlist={server.url}/list?release=$releasever\n")
            assert "1 new" in stage.run()
            assert server.asked[0][0] == "/list?release=36"
            (root / "list").write_text("nonsense\n")
            assert "the list of mirrors has no URL" in stage.run(code=FAILED)

    def test_680_055_metalink(self, stage, remote):
        """The preferred mirror lies about repomd.xml: the next one is asked."""
        root = remote()
        digest = hashlib.sha256((root / "repodata/repomd.xml").read_bytes()).hexdigest()
        with Mirror(root) as good, Mirror(root) as bad:
            bad.faults["repomd.xml"] = with_bytes(b"<repomd/>")
            (root / "metalink").write_text(mirror.metalink([good.url, bad.url], digest))
            stage.repo(f"[r]\ngpgcheck=0\nmetalink=file://{root}/metalink\n")
            assert "1 new" in stage.run()
            assert bad.asked[0][0] == "/repodata/repomd.xml"
            (root / "metalink").write_text(mirror.metalink([bad.url], digest))
            shutil.rmtree(stage.directory())
            assert "its checksum is not the one that is told" in stage.run(code=FAILED)

    def test_680_056_redirect_to_another_scheme(self, stage, remote):
        """A mirror must not make this machine read its own files."""
        root = remote()

        def to_file(handler):
            handler.send_response(302)
            handler.send_header("Location", f"file://{root}/repodata/repomd.xml")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with Mirror(root) as server:
            server.faults["repomd.xml"] = to_file
            stage.base(server.url)
            assert "Protocol \"file\" not supported" in stage.run(code=FAILED)


    def test_680_057_redirects(self, stage, remote, made):
        """To another mirror, as those of Fedora do; but from https not to http."""
        root = remote()
        key, cert = made.certificate / "key.pem", made.certificate / "cert.pem"

        with Mirror(root) as other, Mirror(root) as plain, Mirror(root, (cert, key)) as secure:
            plain.faults[""] = secure.faults[""] = onward_to(other)
            stage.base(secure.url, more="gpgcheck=0\nsslverify=0")
            assert "Protocol \"http\" not supported or disabled" in stage.run(code=FAILED)
            assert other.asked == []
            stage.base(plain.url)
            assert "1 new" in stage.run()
            assert len(other.asked) == 3

    def test_680_058_too_many_redirects(self, stage, remote):
        def around(handler):
            handler.send_response(302)
            handler.send_header("Location", handler.path)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with Mirror(remote()) as server:
            server.faults["repomd.xml"] = around
            stage.base(server.url)
            assert "Maximum (5) redirects followed" in stage.run(code=FAILED)
            assert len(server.asked) == 3 * 6

    def test_680_059_what_is_under_way_is_in_no_repodata(self, stage, remote, made):
        staged = stage.directory() / ".sync/rsync"
        staged.mkdir(parents=True)
        shutil.copy(made.small["1.3"], staged)
        stage.base(f"file://{remote()}")
        with open(stage.config_dir / f"{RELEASE}.repo", "a", encoding="ascii") as file:
            file.write("[gone]\nbaseurl=file:///none\ngpgcheck=0\n")
        stage.run(code=FAILED)
        assert staged.exists()
        assert stage.described() == [f"Packages/s/{name_of(made.small['1.0'])}"]


    @pytest.mark.parametrize("fault", [missing, with_bytes(b"x"), with_bytes(b"x" * 100_000)])
    def test_680_062_a_bad_one_does_not_stay_first(self, stage, remote, made, fault):
        """It answers, but not one package is right: each is asked for once, and of three packages."""
        root = remote(*made.small.values())
        with Mirror(root) as bad, Mirror(root) as good:
            bad.faults[".rpm"] = fault
            stage.base(bad.url, good.url)
            assert "5 new, 0 kept, 0 refused, 0 failed" in stage.run()
            assert len(bad.ranges(".rpm")) == 3 and len(good.ranges(".rpm")) == 5

    def test_680_063_the_only_one_is_asked_for_all(self, stage, remote, made):
        """However many it does not have."""
        root = remote(*made.small.values())
        with Mirror(root) as bad:
            for version in ("1.0", "1.1", "1.2", "1.3"):
                bad.faults[name_of(made.small[version])] = missing
            stage.base(bad.url)
            assert "1 new, 0 kept, 0 refused, 4 failed" in stage.run(code=FAILED)

    @pytest.mark.parametrize("content", [None, "<metalink/>", "no sum"])
    def test_680_064_without_the_metalink(self, stage, remote, content):
        """What is left is used, but not without a word; when nothing else is named it fails."""
        root = remote()
        with Mirror(root) as server:
            if content is not None:
                text = mirror.metalink([server.url], "00") if content == "no sum" else content
                (root / "metalink").write_text(text)
            link = f"gpgcheck=0\nmetalink=file://{root}/metalink\n"
            stage.repo(f"[r]\n{link}")
            assert f"{RELEASE} r failed: " in stage.run(code=FAILED) and stage.packages() == []
            assert server.asked == []
            stage.repo(f"[r]\nbaseurl={server.url}\n{link}")
            told = stage.run("--quiet")
            assert f"{RELEASE} r: repomd.xml is not checked, the metalink cannot be used: " in told
            assert re.search(r" r: 0 new, 1 kept.* s, repomd.xml unchecked", stage.run())

    @pytest.mark.parametrize("kind", ["mirrorlist", "metalink"])
    def test_680_065_who_gets_the_password(self, stage, remote, kind):
        """Who is named in the file of repositories, not who is named by a server."""
        root = remote()
        digest = hashlib.sha256((root / "repodata/repomd.xml").read_bytes()).hexdigest()
        with Mirror(root) as ours, Mirror(root) as other:
            (root / "mirrorlist").write_text(other.url)
            (root / "metalink").write_text(mirror.metalink([other.url], digest))
            login = "gpgcheck=0\nusername=me\npassword=secret\n"
            stage.repo(f"[r]\n{kind}={ours.url}/{kind}\n{login}")
            assert "1 new" in stage.run()
            assert [bool(text) for text in ours.logins] == [True]
            assert len(other.logins) == 3 and not any(other.logins)
            shutil.rmtree(stage.directory())
            stage.base(ours.url, more=login)
            assert "1 new" in stage.run()
            assert len(ours.logins) == 4 and all(ours.logins)
            before = len(other.logins)
            ours.faults[""] = onward_to(other)
            shutil.rmtree(stage.directory())
            assert "1 new" in stage.run()
            assert len(other.logins) == before + 3 and not any(other.logins)

    @pytest.mark.parametrize("url, words", [
        ("http://me:sec@ret@127.0.0.1:1", "updates failed: http://127.0.0.1:1: "),
        ("http://me:sec@ret@x/$no", "http://x/$no has a variable that is not known"),
        ("gopher://me:sec@ret@x", "gopher://x is no URL of https"),
        ("rsync://me:sec@ret@x/y", "rsync://x/y: a password would stand in the list of processes")])
    def test_680_066_passwords_are_not_told(self, stage, url, words):
        stage.base(url)
        told = stage.run(code=FAILED)
        assert words in told and "ret@" not in told and "sec" not in told


class TestResume:
    def interrupt(self, stage, server, number):
        """Ends the program in the middle of the big package. @return bytes that had come"""
        process = stage.start()
        part = stage.directory() / ".sync" / f"{self.name}.part"
        poll(lambda: part.exists() and part.stat().st_size > BIG_BYTES // 5, 20, "nothing comes")
        process.send_signal(number)
        code = process.wait(10)
        assert BIG_BYTES // 5 < part.stat().st_size < BIG_BYTES
        assert stage.packages() == []
        return code, part.stat().st_size

    @pytest.fixture
    def server(self, stage, remote, made):
        self.name = name_of(made.big)
        with Mirror(remote(made.big)) as server:
            server.faults[".rpm"] = slow
            stage.base(server.url)
            yield server

    @pytest.mark.parametrize("number, expected", [(signal.SIGKILL, -9), (signal.SIGTERM, INTERRUPTED),
                                                  (signal.SIGINT, INTERRUPTED)])
    def test_680_070_only_the_rest_is_asked_for(self, stage, server, made, number, expected):
        code, had = self.interrupt(stage, server, number)
        assert code == expected
        server.faults.clear()
        assert "1 new" in stage.run()
        assert server.ranges(".rpm") == ["", f"bytes={had}-"]
        assert stage.file(self.name).read_bytes() == made.big.read_bytes()
        assert not list((stage.directory() / ".sync").glob("*.part"))

    def test_680_071_server_without_ranges(self, stage, server, made):
        self.interrupt(stage, server, signal.SIGKILL)
        server.faults[".rpm"] = without_ranges
        assert "1 new" in stage.run()
        assert stage.file(self.name).read_bytes() == made.big.read_bytes()

    def test_680_072_rest_of_something_else(self, stage, server, made):
        """Its checksum tells, and all of it comes once more."""
        (stage.directory() / ".sync").mkdir(parents=True)
        (stage.directory() / ".sync" / f"{self.name}.part").write_bytes(b"x" * 1000)
        server.faults.clear()
        assert "1 new" in stage.run()
        assert server.ranges(".rpm") == ["bytes=1000-", ""]
        assert stage.file(self.name).read_bytes() == made.big.read_bytes()

    def test_680_073_wrong_checksum(self, stage, server, made):
        content = bytearray(made.big.read_bytes())
        content[-1] ^= 1
        server.faults[".rpm"] = with_bytes(bytes(content))
        told = stage.run(code=FAILED)
        assert f"{self.name}: {server.url}: its checksum is not the one that is told" in told
        assert server.ranges(".rpm") == [""]
        assert stage.packages() == []
        server.faults.clear()
        assert "1 new" in stage.run()

    def test_680_074_longer_than_it_says(self, stage, server, made):
        """No more is written than the list announces."""
        server.faults[".rpm"] = with_bytes(made.big.read_bytes() + b"x")
        assert f"it has more than {made.big.stat().st_size} bytes" in stage.run(code=FAILED)
        assert stage.packages() == []

    def test_680_075_all_of_it_had_come(self, stage, server, made):
        (stage.directory() / ".sync").mkdir(parents=True)
        shutil.copy(made.big, stage.directory() / ".sync" / f"{self.name}.part")
        assert "1 new" in stage.run()
        assert server.ranges(".rpm") == []


class Documented(packages.Build):
    """Packages as they really are: with something that no retrace needs."""

    def files(self, package):
        text = self.root / f"usr/share/doc/{package}/README"
        if package.endswith("debuginfo"):
            return super().files(package)
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("words\n" * 5000, encoding="ascii")
        return super().files(package) + f"\n/{text.relative_to(self.root)}"


class Farm:
    """A server whose packages come from a mirror, reduced."""

    def __init__(self, farm, made, stage):
        self.stage, self.made = stage, made
        self.build = Documented(made.place / "documented", "1.0")
        made.keys.sign("good", *self.build.packages.values())
        (stage.key_dir / "fedora-36").write_bytes(made.good_key)
        self.env = farm.start(f"RepoDir = {stage.repo_dir}\nGPGKeyDir = {stage.key_dir}")

    def retrace(self):
        self.env.wait_idle()
        for entry in (self.env.server.dir / "cache").iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        task = self.env.client.submit(crash.gz(crash.tar(self.build.members())),
                                      content="application/x-gzip")
        assert self.env.client.wait(task) == "FINISHED_SUCCESS"
        return self.env.client.log(task).text, self.env.client.backtrace(task).text


class TestStrip:
    @pytest.fixture(scope="class")
    def shared(self, farm, clean_logs, made):
        if shutil.which("dwz") is None:
            pytest.skip("dwz is not installed")
        place = farm.place / "stripped"
        place.mkdir(mode=0o755)
        return Farm(farm, made, Stage(place))

    @pytest.fixture
    def served(self, shared, remote, made):
        stage = shared.stage
        shutil.rmtree(stage.directory(), ignore_errors=True)
        stage.settings(StripPackages=1)
        stage.base(f"file://{remote(made.small['1.0'], *shared.build.packages.values())}",
                   more="gpgcheck=1")
        return shared

    def test_680_090_not_when_it_is_of_no_use(self, served):
        """The unsigned package without build-ids is not even asked for. Of the others only those are
        reduced that have something to lose; a second run finds them all."""
        told = served.stage.run()
        assert "updates: 4 new, 0 kept, 1 of no use, 0 refused" in told
        endings = {name.split("-1.0-1")[0]: name.endswith(".stripped.rpm")
                   for name in served.stage.packages()}
        assert endings == {"will-crash": True, "will-crash-plugin": True,
                           "will-crash-debuginfo": False, "will-crash-plugin-debuginfo": False}
        assert len(served.stage.described()) == 4
        assert "0 new, 4 kept, 1 of no use" in served.stage.run()

    def test_680_091_a_retrace_with_reduced_packages(self, served):
        served.stage.run()
        log, backtrace = served.retrace()
        assert "is not used" not in log and "Not found: " not in log
        assert log.count("files out of package") >= 4 and ".stripped.rpm" in log
        assert "fall_0 (job=" in backtrace and "left=0)" in backtrace and "in load_and_run (" in backtrace

    def tamper(self, served, change):
        """Another content behind the same signed header."""
        served.stage.run()
        file = next(served.stage.directory().rglob("will-crash-plugin-1*.stripped.rpm"))
        content = file.read_bytes()
        start = content.index(b"\x28\xb5\x2f\xfd", 1000)
        payload = subprocess.run(["zstd", "-dcq"], input=content[start:], capture_output=True,
                                 check=True).stdout
        packed = subprocess.run(["zstd", "-cq"], input=change(payload), capture_output=True,
                                check=True).stdout
        file.write_bytes(content[:start] + packed)
        log, backtrace = served.retrace()
        assert "fall_0 (" not in backtrace
        return log

    def test_680_092_another_content_is_refused(self, served):
        """A byte at the end of the plugin: its build-id is still right."""
        def change(payload):
            end = payload.index(b"\0.shstrtab") + 1
            return payload[:end] + b"?" + payload[end + 1:]

        log = self.tamper(served, change)
        assert ("stripped.rpm is not used: /usr/lib64/plugin-boom.so: its checksum is not the one that is "
                "told") in log

    def test_680_093_another_header_is_refused(self, served):
        served.stage.run()
        file = next(served.stage.directory().rglob("will-crash-plugin-1*.stripped.rpm"))
        content = bytearray(file.read_bytes())
        content[content.find(b"/usr/lib64/") + 1] ^= 1
        file.write_bytes(content)
        log, _ = served.retrace()
        assert "stripped.rpm is not used: it is damaged: Header" in log

    def test_680_094_a_mirror_cannot_call_a_package_reduced(self, served, remote):
        """Its content would not be verified as a whole."""
        root = remote(*served.build.packages.values())
        describe_otherwise(root, f".{packages.ARCH}.rpm", f".{packages.ARCH}.stripped.rpm")
        served.stage.settings(StripPackages=0)
        assert "its name is no name of a package's file" in served.stage.run(code=FAILED)
        assert served.stage.packages() == []

    def test_680_095_what_is_reduced_is_kept(self, served):
        """Also when the option goes; the package that was of no use then comes, and is refused."""
        served.stage.run()
        served.stage.settings(StripPackages=0)
        told = served.stage.run(code=FAILED)
        assert "0 new, 4 kept, 1 refused" in told and "it is not signed" in told


class TestRawhide:
    VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.10")

    @pytest.fixture
    def full(self, stage, remote, made):
        """Five versions came over a month ago; the repository still has the newest."""
        stage.settings(KeepRawhideLatest=2)
        stage.base(f"file://{remote(*made.small.values())}", release=RAWHIDE)
        stage.run()
        remote(made.small["1.10"])
        for version in self.VERSIONS:
            self.age(stage, made, version, 40)
        return stage

    def age(self, stage, made, version, days):
        then = time.time() - days * 24 * 3600
        os.utime(stage.file(name_of(made.small[version]), RAWHIDE), (then, then))

    def left(self, stage):
        return {name.split("-")[1] for name in stage.packages(RAWHIDE)}

    def test_680_080_superseded_for_a_week(self, full):
        assert f"{RAWHIDE}: 3 superseded packages removed" in full.run()
        assert self.left(full) == {"1.3", "1.10"}
        assert len(full.described(RAWHIDE)) == 2

    def test_680_081_not_yet_for_a_week(self, full, made):
        """1.2 was superseded by 1.3, six days ago."""
        self.age(full, made, "1.3", 6)
        self.age(full, made, "1.10", 5)
        full.run()
        assert self.left(full) == {"1.2", "1.3", "1.10"}

    def test_680_082_still_offered(self, full, remote, made):
        remote(made.small["1.0"], made.small["1.10"])
        full.run()
        assert self.left(full) == {"1.0", "1.3", "1.10"}

    def test_680_083_not_when_a_repository_fails(self, full):
        """Who knows what it offers."""
        with open(full.config_dir / f"{RAWHIDE}.repo", "a", encoding="ascii") as file:
            file.write("[gone]\nbaseurl=file:///none\ngpgcheck=0\n")
        full.run(code=FAILED)
        assert self.left(full) == set(self.VERSIONS)

    def test_680_084_dry_run(self, full):
        told = full.run("--dry-run")
        assert "3 superseded packages would go" in told
        assert self.left(full) == set(self.VERSIONS)

    def test_680_085_nothing_behind_a_link(self, full):
        """An admin has linked another release's packages into this one: createrepo_c follows."""
        there = full.repo_dir / "fedora-36-x86_64"
        (full.directory(RAWHIDE) / "Packages").rename(there)
        (full.directory(RAWHIDE) / "more").symlink_to(there)
        run("createrepo_c", "--quiet", full.directory(RAWHIDE))
        assert len(full.described(RAWHIDE)) == 5
        full.run()
        assert {file.name.split("-")[1] for file in there.rglob("*.rpm")} == set(self.VERSIONS)

    def test_680_086_not_when_nothing_is_offered(self, full):
        """All sections are disabled, say."""
        full.base("file:///none", more="enabled = 0", release=RAWHIDE)
        full.run()
        assert self.left(full) == set(self.VERSIONS)
