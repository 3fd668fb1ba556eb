# SPDX-License-Identifier: Apache-2.0
"""Packages that only the metadata of a repository name: they are found by build-id, and fetched over
HTTPS when a task needs them. What comes is believed for its checksum and its signature alone."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import crash
import packages
from packages import PACKAGES, RELEASE
from test_660_repositories import Stage, assert_complete, assert_no_wrong_frame, missing, unused

HANG_S = 3  # DebuginfodTimeout


class Handler(SimpleHTTPRequestHandler):
    """Files below a directory; what a test asks for, too."""

    def do_GET(self):
        upstream = self.server.upstream
        upstream.asked.append(self.path)
        answer = upstream.answers.get(self.path.rsplit("/", 1)[-1])
        if answer == "hang":
            upstream.released.wait(30)
        elif isinstance(answer, int):
            self.send_error(answer)
        elif answer is not None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


def make_certificate(place, name):
    certificate = place / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", place / f"{name}.key", "-out", certificate], check=True,
                   capture_output=True)
    certificate.chmod(0o644)
    return certificate


class Upstream:
    """An HTTPS server with a certificate of its own, and what it was asked for."""

    def __init__(self, place, directory):
        self.certificate = make_certificate(place, "upstream")
        self.asked, self.answers, self.released = [], {}, threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, place / "upstream.key")
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *words: Handler(*words, directory=str(directory)))
        self._server.daemon_threads = True
        self._server.upstream = self
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def forget(self):
        self.asked.clear()
        self.answers.clear()

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class RemoteStage(Stage):
    """A repository of which only the metadata are here."""

    def __init__(self, farm, place):
        self.repo_dir = place / "repos.d"
        self.repo_dir.mkdir()
        self.upstream_dir = place / "upstream"
        super().__init__(farm, place)
        directory = self.upstream_dir / "36" / packages.ARCH / "Packages" / "w"
        directory.mkdir(parents=True)
        for file in [*self.old.packages.values(), *self.new.packages.values()]:
            shutil.copy2(file, directory)
        packages.add_metadata(directory.parent.parent)
        self.origin = directory.parent.parent
        self.upstream = Upstream(place, self.upstream_dir)

    def settings(self):
        return (f"{super().settings()}\nRepoConfigDir = {self.repo_dir}\nFetchOnDemand = 1\n"
                f"DebuginfodTimeout = {HANG_S}\nMinStorageLeft = 1\n")

    def take_metadata(self, origin=None):
        shutil.rmtree(self.repository / "repodata", ignore_errors=True)
        shutil.copytree((origin or self.origin) / "repodata", self.repository / "repodata")

    def configure(self, *urls, certificate=None, more=""):
        (self.repo_dir / f"{RELEASE}.repo").write_text(
            f"[gone]\nenabled=0\nbaseurl=https://localhost:1/\n\n[fedora]\nname=Fedora $releasever\n"
            f"baseurl={' '.join(urls)}\nsslcacert={certificate or self.upstream.certificate}\n{more}",
            encoding="ascii")

    @property
    def url(self):
        return f"{self.upstream.url}/$releasever/$basearch/"

    def reset(self):
        shutil.rmtree(self.repository, ignore_errors=True)
        self.repository.mkdir(parents=True)
        self.take_metadata()
        self.own()
        self.upstream.forget()
        self.configure(self.url)
        self.forget()

    def own(self, uid=None):
        owner = self.env.server.owner()
        os.chown(self.repository, owner.pw_uid if uid is None else uid, owner.pw_gid)

    @contextlib.contextmanager
    def option(self, line):
        """Another value of an option, the last one counts."""
        config = self.env.server.config
        text = config.read_text(encoding="utf-8")
        config.write_text(f"{text}\n{line}\n", encoding="utf-8")
        yield
        config.write_text(text, encoding="utf-8")

    def here(self):
        return sorted(file.name for file in self.repository.rglob("*")
                      if file.is_file() and file.parent.name != "repodata")

    def listed(self):
        """What httpd believes to be there."""
        return (self.env.server.spool / "packages" / RELEASE).read_text("ascii").splitlines()[1:]

    def name(self, package, version="1.0"):
        return f"{package}-{version}-1.fc36.{packages.ARCH}.rpm"


@pytest.fixture(scope="module")
def made(farm, clean_logs):
    for tool in ("rpmbuild", "rpmsign", "createrepo_c", "dwz", "gpg", "openssl", "zstd"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    place = farm.place / "remote"
    place.mkdir(mode=0o755)
    stage = RemoteStage(farm, place)
    yield stage
    stage.upstream.stop()
    stage.keys.close()


@pytest.fixture
def stage(made):
    made.reset()
    return made


def fetched(log):
    return re.findall(r"Fetched in \d+ ms: \S+/(\S+?)-1\.\d-1\S*rpm", log)


class TestRefusals:
    @pytest.mark.parametrize("how, words", [
        ("other", "its checksum is not the one that is told"),
        ("longer", "the file has more than"),
        ("cut off", "it has another size than repodata say"),
        ("404", "the server does not have it"),
        ("500", "the server answers with 500"),
    ])
    def test_670_001_another_file(self, stage, how, words):
        """Nothing of it gets a place, and no frame is made up."""
        good = stage.old.packages["will-crash-plugin"].read_bytes()
        stage.upstream.answers[stage.name("will-crash-plugin")] = {
            "other": good[:-1] + bytes([good[-1] ^ 1]), "longer": good + b"x", "cut off": good[:-9],
            "404": 404, "500": 500}[how]
        log, backtrace = stage.retrace()
        (name, reason), = unused(log).items()
        assert name == f"{RELEASE}/Packages/w/{stage.name('will-crash-plugin')}"
        assert words in reason, reason
        assert re.search(r"Not fetched: https://\S+ \(" + re.escape(words), log)
        assert any(stage.old.ids["plugin-boom.so"] in line for line in missing(log))
        assert stage.name("will-crash-plugin") not in stage.here()
        assert not [name for name in stage.here() if name.startswith(".")]
        assert "fall_1" not in backtrace

    @pytest.mark.parametrize("signed", ["unsigned", "evil"])
    def test_670_002_metadata_that_lie(self, stage, signed):
        """They name a package that is not signed by the release's key, with its right checksum."""
        file = stage.old.packages["will-crash-plugin"]
        lie = stage.place / "lie" / signed
        shutil.copytree(stage.origin, lie)
        shutil.copy2(stage.unsigned["will-crash-plugin"], lie / "Packages" / "w" / file.name)
        if signed == "evil":
            stage.keys.sign("evil", lie / "Packages" / "w" / file.name)
        packages.add_metadata(lie)
        stage.take_metadata(lie)
        stage.configure(f"file://{lie}")
        log, _ = stage.retrace()
        (name, reason), = unused(log).items()
        assert name.endswith(file.name) and reason.startswith("it is not signed"), reason
        assert file.name not in stage.here()

    def test_670_003_silent_server(self, stage):
        """It costs its time twice, and then no more."""
        for package in PACKAGES:
            stage.upstream.answers[stage.name(package)] = "hang"
            stage.upstream.answers[stage.name(package, "1.1")] = "hang"
        begin = time.monotonic()
        log, backtrace = stage.retrace()
        assert 2 * HANG_S <= time.monotonic() - begin < 2 * HANG_S + 8
        assert "this server is not asked again" in log
        assert len(re.findall("Not fetched: ", log)) == 2
        assert fetched(log) == [] and stage.here() == []
        assert_no_wrong_frame(backtrace)

    def test_670_004_unknown_certificate(self, stage):
        other = make_certificate(stage.place, "other")
        stage.configure(stage.url, certificate=other)
        log, backtrace = stage.retrace()
        assert re.search(r"Not fetched: https://\S+ \(.*certificate", log) and fetched(log) == []
        assert stage.upstream.asked == []
        assert_no_wrong_frame(backtrace)

    def test_670_005_not_switched_on(self, stage):
        with stage.option("FetchOnDemand = 0"):
            log, backtrace = stage.retrace()
        assert stage.upstream.asked == []
        package = f"{RELEASE}/Packages/w/{stage.name('will-crash')}"
        assert any(f"package {package} would have it (FetchOnDemand = 0)" in line
                   for line in missing(log)), missing(log)
        assert_no_wrong_frame(backtrace)

    @pytest.mark.parametrize("content, words", [
        (None, "there is no "), ("[x]\nbaseurl", ".repo:2: neither [section] nor key = value"),
        ("[x]\nmirrorlist=https://localhost/\n", "no baseurl of an enabled section"),
        ("[x]\nbaseurl=ftp://localhost/\n", "is no URL of http, https or file"),
    ])
    def test_670_006_no_server(self, stage, content, words):
        file = stage.repo_dir / f"{RELEASE}.repo"
        file.unlink()
        if content is not None:
            file.write_text(content, encoding="ascii")
        log, backtrace = stage.retrace()
        assert any("it cannot be fetched: " in reason and words in reason
                   for reason in unused(log).values()), log
        assert_no_wrong_frame(backtrace)

    def test_670_007_not_writable(self, stage):
        if not stage.env.server.is_root:
            pytest.skip("for root")
        stage.own(0)
        log, _ = stage.retrace()
        assert any(f"{stage.repository} cannot be written to" in reason
                   for reason in unused(log).values()), log
        assert stage.upstream.asked == []


class TestMetadata:
    @pytest.mark.parametrize("how, words", [
        ("cut off", "primary.xml"), ("altered", "filelists.xml"), ("no xml", "repomd.xml is damaged")])
    def test_670_010_damaged(self, stage, how, words):
        """One clear sentence; the packages that are here stay usable."""
        shutil.copytree(stage.origin / "Packages", stage.repository / "Packages")
        repodata = stage.repository / "repodata"
        if how == "no xml":
            (repodata / "repomd.xml").write_text("<repomd", encoding="ascii")
        else:
            file = next(repodata.glob(f"*-{words}.gz"))
            content = file.read_bytes()
            file.write_bytes(content[:-20] if how == "cut off" else content[:-1] + b"\0\0")
        log, backtrace = stage.retrace()
        told = [line for line in log.splitlines() if f"The metadata of {RELEASE}: " in line]
        assert len(told) == 1 and words in told[0] and "is damaged" in told[0], log
        assert_complete(log, backtrace)
        result = stage.index()
        assert result.returncode == 1 and f"{RELEASE}: " in result.stdout, result.stdout

    def test_670_013_names_for_a_terminal(self, stage):
        """Who writes in RepoDir chooses names, but no colours and no lines."""
        (stage.repository / "y\033[31mred\r\nfake: line.rpm").write_bytes(b"no package")
        result = stage.index()
        assert result.returncode == 1, result.stderr
        told = [line for line in result.stdout.splitlines() if "red" in line]
        assert len(told) == 1 and "fake: line.rpm: " in told[0], result.stdout
        assert "\033" not in result.stdout and "\r" not in result.stdout

    def test_670_011_new_metadata(self, stage):
        """What the repository gets later is found at once, what it loses no longer."""
        other = stage.place / "only-new"
        shutil.copytree(stage.origin, other)
        for file in other.rglob("*-1.0-*.rpm"):
            file.unlink()
        packages.add_metadata(other)
        stage.take_metadata(other)
        log, backtrace = stage.retrace()
        assert fetched(log) == [] and stage.upstream.asked == []
        assert_no_wrong_frame(backtrace)
        stage.take_metadata()
        assert_complete(*stage.retrace())

    def test_670_012_packed_by_zstd(self, stage):
        """As Fedora's are: createrepo_c of some distributions cannot write it."""
        repodata = stage.repository / "repodata"
        repomd = (repodata / "repomd.xml").read_text(encoding="utf-8")
        for file in [*repodata.glob("*-primary.xml.gz"), *repodata.glob("*-filelists.xml.gz")]:
            packed = file.with_suffix(".zst")
            text = subprocess.run(["gzip", "-dc", file], check=True, capture_output=True).stdout
            subprocess.run(["zstd", "-q", "-o", packed], input=text, check=True)
            old, new = (hashlib.sha256(f.read_bytes()).hexdigest() for f in (file, packed))
            repomd = repomd.replace(f">{old}<", f">{new}<").replace(file.name, packed.name)
            file.unlink()
        (repodata / "repomd.xml").write_text(repomd, encoding="utf-8")
        assert_complete(*stage.retrace())


class TestKnown:
    def test_670_015_what_would_be_fetched(self, stage):
        """It is known as long as it would be; the option alone is enough for a new list."""
        names = [*stage.old.packages.values(), *stage.new.packages.values()]
        answer, = json.loads(stage.index("--json", RELEASE).stdout)
        assert answer == {"release": RELEASE, "packages": 0, "refused": 0, "remote": len(names)}
        assert stage.listed() == sorted(f"{file.name[:-4]} 0" for file in names)
        headers = {"X-Package-NVR": "will-crash-1.0-1.fc36", "X-Package-Arch": packages.ARCH,
                   "X-OS-Release": RELEASE}
        assert stage.env.client.request("GET", "/checkpackage", headers).status == 302
        with stage.option("FetchOnDemand = 0"):
            assert stage.index("--quiet", RELEASE).returncode == 0
            assert stage.listed() == []
        assert stage.index("--quiet", RELEASE).returncode == 0
        assert len(stage.listed()) == len(names)
        assert stage.upstream.asked == []


class TestFetched:
    def test_670_020_over_https(self, stage):
        """Only what is needed, each once, into its place; the next task finds it there."""
        log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        assert sorted(fetched(log)) == sorted(PACKAGES)
        assert stage.here() == sorted(stage.name(package) for package in PACKAGES)
        assert (stage.repository / "Packages" / "w" / stage.name("will-crash")).is_file()
        assert unused(log) == {}
        stage.forget()
        stage.upstream.forget()
        assert_complete(*stage.retrace())
        assert stage.upstream.asked == []

    def test_670_021_two_tasks_at_once(self, stage):
        """One fetches a package, the other one waits for it."""
        upload = crash.gz(crash.tar(stage.old.members()))
        tasks = [stage.env.client.submit(upload, content="application/x-gzip") for _ in range(2)]
        logs = [stage.result(task) for task in tasks]
        for log, backtrace in logs:
            assert_complete(log, backtrace)
        assert len(stage.upstream.asked) == len(PACKAGES), stage.upstream.asked

    def test_670_022_next_server(self, stage):
        """Of several the first one that has it."""
        stage.configure("https://localhost:1/x/", f"file://{stage.place}/none", stage.url)
        log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        assert "Not fetched: " in log and "not asked again" in log

    def test_670_023_from_a_directory(self, stage):
        stage.configure(f"file://{stage.upstream_dir}/$releasever/${{basearch}}")
        assert_complete(*stage.retrace())
        assert stage.upstream.asked == []

    def test_670_025_certificate_of_no_matter(self, stage):
        """The admin's word; checksums and signatures count all the same."""
        other = make_certificate(stage.place, "other")
        stage.configure(stage.url, certificate=other, more="sslverify=0\n")
        assert_complete(*stage.retrace())

    def test_670_024_packages_of_the_upload(self, stage):
        """They are a preference only: unknown ones and nonsense change nothing."""
        members = {**stage.old.members(), "packages": (
            f"will-crash-1.0-1.fc36.{packages.ARCH}\nno-such-1-1.{packages.ARCH}\n"
            "../../etc/passwd\n").encode()}
        log, backtrace = stage.retrace(members)
        assert f"No repository knows 1 packages of the upload: no-such-1-1.{packages.ARCH}" in log
        assert_complete(log, backtrace)


class TestCoredump2packages:
    def run(self, stage, *arguments):
        program = stage.env.server.build / "coredump2packages"
        return subprocess.run(
            ["runuser", "-u", stage.env.server.owner().pw_name, "--"] * stage.env.server.is_root
            + [str(program), f"--config={stage.env.server.config}", *map(str, arguments)],
            capture_output=True, text=True, check=False)

    def core(self, stage):
        file = stage.place / "coredump"
        file.write_bytes(stage.old.members()["coredump"])
        file.chmod(0o644)
        return file

    def test_670_030_text(self, stage):
        """The form of the tool of the same name."""
        result = self.run(stage, self.core(stage))
        assert result.returncode == 0, result.stderr
        owner, found, missed = result.stdout.split("\n\n")
        program = f"will-crash-1.0-1.fc36.{packages.ARCH}"
        assert owner == program
        names = found.splitlines()
        assert names == sorted(names) and set(names) == {stage.name(one)[:-4] for one in PACKAGES}
        assert all(re.fullmatch(r"/\S+ [0-9a-f]{40}", line) for line in missed.splitlines())
        assert not any(one in missed for one in stage.old.ids.values())
        assert stage.here() == [] and stage.upstream.asked == []

    def test_670_031_json(self, stage):
        shutil.copytree(stage.origin / "Packages", stage.repository / "Packages")
        stage.file("will-crash-plugin").unlink()
        stage.file("will-crash-plugin-debuginfo").unlink()
        result = self.run(stage, "--json", f"--repo={RELEASE}", self.core(stage))
        answer = json.loads(result.stdout)
        assert answer["package"] == f"will-crash-1.0-1.fc36.{packages.ARCH}"
        assert answer["architecture"] == packages.ARCH
        assert len(answer["packages"]) == len(PACKAGES)
        modules = {module["build_id"]: module for module in answer["modules"]}
        program, plugin = (modules[stage.old.ids[name]]["found"]
                           for name in ("will_crash", "plugin-boom.so"))
        assert [one["kind"] for one in program] == ["executable", "debuginfo"]
        assert program[0] == {"kind": "executable", "package": answer["package"], "here": True,
                              "repository": RELEASE, "path": "/usr/bin/will_crash",
                              "file": f"Packages/w/{stage.name('will-crash')}"}
        assert [(one["here"], one["path"]) for one in plugin] == [(False, None), (False, None)]
        for entry in answer["missing"]:
            assert entry["build_id"] not in stage.old.ids.values()

    @pytest.mark.parametrize("arguments, code, words", [
        ([], 100, "usage:"), (["--other", "core"], 100, "usage:"), (["a", "b"], 100, "usage:"),
        (["/nonexistent"], 111, "open /nonexistent"), (["/etc/passwd"], 1, "coredump2packages: "),
    ])
    def test_670_032_wrong_usage(self, stage, arguments, code, words):
        result = self.run(stage, *arguments)
        assert (result.returncode, result.stdout) == (code, "") and words in result.stderr

    def test_670_033_repositories(self, stage):
        core = self.core(stage)
        assert self.run(stage, "--release=fedora-36", core).returncode == 0
        result = self.run(stage, "--repo=fedora-3", core)
        assert result.returncode == 111 and "there is no repository fedora-3" in result.stderr
