# SPDX-License-Identifier: Apache-2.0
"""retrace-server-reposync: what it refuses, signatures, transfers from http and https with ranges, ftp, file
and a real rsync daemon."""
import contextlib
import hashlib
import os
import pty
import re
import shutil
import subprocess

import pytest

import mirror
import packages
from client import poll
from mirror import RELEASE, Mirror, build, run, slow
from reposync import (  # noqa: F401
    BUSY, FAILED, INTERRUPTED, SYSTEM, USAGE, describe_otherwise, made, name_of, remote, stage)


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
