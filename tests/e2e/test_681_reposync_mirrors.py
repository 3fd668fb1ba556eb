# SPDX-License-Identifier: Apache-2.0
"""retrace-server-reposync against mirrors that lie, hang or are gone, and after an interruption."""
import hashlib
import re
import shutil
import signal
import socket
import time

import pytest

import mirror
from client import poll
from mirror import RELEASE, Mirror, hang, missing, slow, with_bytes, without_ranges
from reposync import BIG_BYTES, FAILED, INTERRUPTED, made, name_of, remote, stage  # noqa: F401


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
