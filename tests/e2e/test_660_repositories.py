# SPDX-License-Identifier: Apache-2.0
"""Files out of signed RPM packages below RepoDir. The program that crashes is not below HostDirs, and
a newer version of it is in the repository, too."""
import contextlib
import re
import shutil
import subprocess

import pytest

import crash
import packages
from packages import RELEASE, missing, unpacked, unused


class Stage:
    """A server with a repository, of which each test puts together what it needs."""

    def __init__(self, farm, place):
        self.place = place
        self.repository = place / "repos" / RELEASE
        self.key_dir = place / "keys"
        self.key_dir.mkdir(parents=True)
        self.keys = packages.Keys(place / "gnupg")
        self.good_key = self.keys.make("good")
        (self.key_dir / "fedora-36").write_bytes(self.good_key)
        self.evil_key = self.keys.make("evil")
        self.old = packages.Build(place / "1.0", "1.0")
        self.new = packages.Build(place / "1.1", "1.1")
        self.unsigned = {name: self._copy(file, "unsigned")
                         for name, file in self.old.packages.items()}
        self.keys.sign("good", *self.old.packages.values(), *self.new.packages.values())
        self.env = farm.start(f"MaxParallelTasks = 2\nMaxQueuedTasks = 10\n{self.settings()}")

    def settings(self):
        return f"RepoDir = {self.repository.parent}\nGPGKeyDir = {self.key_dir}"

    def _copy(self, file, directory):
        target = self.place / directory / file.name
        target.parent.mkdir(exist_ok=True)
        return shutil.copy2(file, target)

    def reset(self):
        """Both versions, whole and signed; no cache, no index. Below Packages/<letter>/."""
        shutil.rmtree(self.repository, ignore_errors=True)
        packages_dir = self.repository / "Packages" / "w"
        packages_dir.mkdir(parents=True)
        for file in [*self.old.packages.values(), *self.new.packages.values()]:
            shutil.copy2(file, packages_dir)
        packages.add_metadata(self.repository)
        self.forget()

    def forget(self):
        self.env.forget_cache()

    @contextlib.contextmanager
    def other_keys(self, content=None, name="fedora-36"):
        """The file of keys has another content (None: there is none), or another name."""
        keys, other = self.key_dir / "fedora-36", self.key_dir / name
        good = keys.read_bytes()
        keys.unlink()
        if content is not None:
            other.write_bytes(content)
        yield
        other.unlink(missing_ok=True)
        keys.write_bytes(good)

    def file(self, name, version="1.0"):
        return next((self.repository / "Packages").rglob(f"{name}-{version}-*.rpm"))

    def retrace(self, members=None):
        """The log and the backtrace of a crash of 1.0."""
        task = self.env.client.submit(crash.gz(crash.tar(members or self.old.members())),
                                      content="application/x-gzip")
        return self.result(task)

    def result(self, task):
        assert self.env.client.wait(task) == "FINISHED_SUCCESS", self.env.client.log(task).text
        return self.env.client.log(task).text, self.env.client.backtrace(task).text

    def last_facts(self, count):
        """The files of the last tasks, the oldest first."""
        return sorted(self.env.server.spool.glob("*/facts"),
                      key=lambda path: path.stat().st_mtime)[-count:]

    def index(self, *names):
        return subprocess.run(
            ["runuser", "-u", self.env.server.owner().pw_name, "--"] * self.env.server.is_root
            + [str(self.env.server.build / "retrace-server-index"),
               f"--config={self.env.server.config}", *names],
            capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(farm, clean_logs):
    for tool in ("rpmbuild", "rpmsign", "createrepo_c", "dwz", "gpg"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    place = farm.place / "packages"
    place.mkdir(mode=0o755)
    stage = Stage(farm, place)
    yield stage
    stage.keys.close()


@pytest.fixture
def stage(made):
    made.reset()
    return made


def assert_complete(log, backtrace):
    """Functions, lines, arguments and locals of both files, of the right version."""
    assert missing(log) == []
    for words in (r"in fall_0 \(job=0x[0-9a-f]+, left=0\)", r"in boom \(job=0x[0-9a-f]+, depth=3\)",
                  r"in load_and_run \(path=0x[0-9a-f]+ \"[^\"]*plugin-boom.so\", job=",
                  r"#\d+ .*fall_0 .* at .*plugin-boom.c:\d+", r"step = 0", r"depth = 3",
                  r'job = \{number = 40, name = 0x[0-9a-f]+ "the job"\}', r"in idle \(data="):
        assert re.search(words, backtrace), (words, backtrace)
    assert "fall_1" not in backtrace


def assert_no_wrong_frame(backtrace):
    assert not re.search("fall_|load_and_run|depth = ", backtrace)


class TestRefusals:
    @pytest.mark.parametrize("how, words", [
        ("unsigned", "it is not signed"),
        ("other key", "it is not signed with a key of"),
        ("tampered header", "it is damaged: Header"),
        ("truncated header", "it is damaged: signature hdr"),
        ("text", "it is no RPM package"),
        ("empty", "it is no RPM package"),
        ("directory", "it is not a regular file"),
    ])
    def test_660_001_not_indexed(self, stage, how, words):
        """The plugin's package is bad: the log says so, and its frames are those without a file."""
        file = stage.file("will-crash-plugin")
        content = bytearray(file.read_bytes())
        if how == "unsigned":
            shutil.copy2(stage.unsigned["will-crash-plugin"], file)
        elif how == "other key":
            shutil.copy2(stage.unsigned["will-crash-plugin"], file)
            stage.keys.sign("evil", file)
        elif how == "tampered header":
            content[content.find(b"/usr/lib64/") + 1] ^= 1
            file.write_bytes(content)
        elif how == "directory":
            file.unlink()
            file.mkdir()
        else:
            file.write_bytes({"truncated header": content[:2000], "text": b"no package",
                              "empty": b""}[how])
        stage.forget()
        log, backtrace = stage.retrace()
        (name, reason), = unused(log).items()
        assert name == f"{RELEASE}/Packages/w/{file.name}"
        assert words in reason, reason
        assert any(stage.old.ids["plugin-boom.so"] in line for line in missing(log))
        assert "fall_1" not in backtrace

    @pytest.mark.parametrize("how", ["tampered", "truncated"])
    def test_660_002_not_unpacked(self, stage, how):
        """Its header is good and signed, its payload is not what the header says."""
        for name in ("will-crash", "will-crash-plugin"):
            file = stage.file(name)
            content = bytearray(file.read_bytes())
            if how == "tampered":
                content[-30] ^= 0x55
            file.write_bytes(content if how == "tampered" else content[:-40])
        stage.forget()
        log, backtrace = stage.retrace()
        assert len(unused(log)) == 2, log
        assert all(reason.startswith("it is damaged: Payload SHA256")
                   for reason in unused(log).values())
        assert len(re.findall("is not used: ", log)) == 2
        assert any(f"executable with build-id {stage.old.ids['will_crash']}" in line
                   for line in missing(log))
        assert "fall_1" not in backtrace

    def test_660_003_other_build_id(self, stage):
        """A signed package whose links lead to files of another build."""
        liar = packages.Build(stage.place / "liar", "1.2")
        for file, name in ((liar.program, "will_crash"), (liar.plugin, "plugin-boom.so")):
            link = next(path for path in liar.root.rglob(".build-id/*/*")
                        if path.is_symlink() and path.resolve() == file)
            wanted = stage.old.ids[name]
            target = liar.root / f"usr/lib/.build-id/{wanted[:2]}/{wanted[2:]}"
            target.parent.mkdir(exist_ok=True)
            link.rename(target)
        lies = liar.package("lies")
        stage.keys.sign("good", *lies.values())
        for name in packages.PACKAGES[:2]:
            stage.file(name).unlink()
            shutil.copy2(lies[name], stage.repository / "Packages" / "w")
        shutil.rmtree(liar.place)
        stage.forget()
        log, backtrace = stage.retrace()
        assert re.search(rf"/usr/bin/will_crash of package {RELEASE}/Packages/w/will-crash-1.2-1\S* "
                         rf"is not the executable with build-id {stage.old.ids['will_crash']}", log)
        assert len(missing(log)) >= 2
        assert "fall_2" not in backtrace and "fall_1" not in backtrace

    def test_660_004_no_keys(self, stage):
        with stage.other_keys():
            log, backtrace = stage.retrace()
        assert f"The packages of {RELEASE} are not used: there is no file of keys" in log
        assert_no_wrong_frame(backtrace)

    def test_660_005_no_key_in_the_file(self, stage):
        with stage.other_keys(b"no key\n"):
            log, backtrace = stage.retrace()
        assert f"{stage.key_dir}/fedora-36 holds no public key" in log
        assert_no_wrong_frame(backtrace)


class TestFound:
    def test_660_010_right_version(self, stage):
        log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        assert unused(log) == {}
        # The dwz file is in a pass of its own: only the other one's debug information names it.
        assert sorted(unpacked(log)) == [("1", "will-crash"), ("1", "will-crash-debuginfo"),
                                         ("1", "will-crash-debuginfo"), ("1", "will-crash-plugin"),
                                         ("1", "will-crash-plugin-debuginfo")]

    def test_660_011_from_the_cache_the_next_time(self, stage):
        stage.retrace()
        shutil.rmtree(stage.repository)
        log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        assert unpacked(log) == []

    def test_660_012_the_other_version(self, stage):
        _, backtrace = stage.retrace(stage.new.members())
        assert "in fall_1 (" in backtrace and "number = 41" in backtrace

    def test_660_013_two_tasks_at_once(self, stage):
        """Each package is unpacked by one of them."""
        upload = crash.gz(crash.tar(stage.old.members()))
        tasks = [stage.env.client.submit(upload, content="application/x-gzip") for _ in range(2)]
        results = [stage.result(task) for task in tasks]
        for log, backtrace in results:
            assert_complete(log, backtrace)
        every = [pair for log, _ in results for pair in unpacked(log)]
        assert len(every) == 5, every

    def test_660_014_release_unknown(self, stage):
        """Then all releases are looked at."""
        members = {**stage.old.members(), "package": b"will-crash-1.0-1", "os_release": b"unknown"}
        assert_complete(*stage.retrace(members))

    def test_660_015_without_the_dwz_file_there_is_no_debug_information(self, stage):
        stage.file("will-crash-debuginfo").unlink()
        log, backtrace = stage.retrace()
        assert any("Not found: dwz " in line for line in missing(log))
        assert "step = 0" not in backtrace and "fall_1" not in backtrace

    def test_660_016_keys_of_the_distribution(self, stage):
        with stage.other_keys(stage.good_key, "fedora"):
            log, backtrace = stage.retrace()
        assert_complete(log, backtrace)

    def test_660_017_rawhide_is_exempt(self, stage):
        for file in stage.repository.rglob("*-1.0-*.rpm"):
            name = next(n for n, f in stage.unsigned.items() if f.name == file.name)
            shutil.copy2(stage.unsigned[name], file)
        rawhide = stage.repository.rename(
            stage.repository.with_name(RELEASE.replace("36", "rawhide")))
        stage.forget()
        result = stage.retrace({**stage.old.members(), "os_release": b"Fedora release Rawhide"})
        shutil.rmtree(rawhide)
        assert_complete(*result)

    def test_660_018_all_files_of_a_package_in_one_pass(self, stage):
        """What came along is no hit of the cache."""
        package = stage.old.package("one", is_split=False)["will-crash"]
        stage.keys.sign("good", package)
        shutil.rmtree(stage.old.place / "one" / "buildroot")
        for name in packages.PACKAGES:
            stage.file(name).unlink()
        shutil.copy2(package, stage.repository)
        stage.forget()
        log, backtrace = stage.retrace()
        assert_complete(log, backtrace)
        assert unpacked(log) == [("4", "will-crash"), ("1", "will-crash")]
        assert_complete(*stage.retrace())
        first, second = [re.search(r"^cache_hits (\d+)$", facts.read_text(), re.M).group(1)
                         for facts in stage.last_facts(2)]
        assert int(first) == 0 and int(second) >= 5


class TestIndex:
    def test_660_020_follows_the_directory(self, stage):
        """A package that comes later, one that goes."""
        plugin = stage.file("will-crash-plugin")
        aside = shutil.move(plugin, stage.place / plugin.name)
        log, _ = stage.retrace()
        assert any(stage.old.ids["plugin-boom.so"] in line for line in missing(log))
        shutil.move(aside, plugin)
        assert_complete(*stage.retrace())

    def test_660_021_new_keys(self, stage):
        """What was refused with the old keys is taken with the new ones, and the reverse."""
        with stage.other_keys(stage.evil_key):
            log, backtrace = stage.retrace()
        assert len(unused(log)) == 8
        assert_no_wrong_frame(backtrace)
        assert_complete(*stage.retrace())

    def test_660_022_damaged(self, stage):
        stage.retrace()
        stage.env.forget_cache("index")
        (stage.env.server.dir / "cache" / "index" / f"{RELEASE}.db").write_bytes(b"no database" * 1000)
        assert_complete(*stage.retrace())

    def test_660_023_many_refusals_are_cut(self, stage):
        for number in range(12):
            (stage.repository / f"bad-{number}.rpm").write_text("no package")
        log, backtrace = stage.retrace()
        assert len(unused(log)) == 10
        assert f"More packages of {RELEASE} are not used" in log
        assert_complete(log, backtrace)


class TestProgram:
    def test_660_030_all_is_well(self, stage):
        result = stage.index()
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        index = stage.env.server.dir / "cache" / "index" / f"{RELEASE}.db"
        assert index.exists()
        assert_complete(*stage.retrace())

    def test_660_031_refused_packages_are_listed(self, stage):
        for number in range(12):
            (stage.repository / f"bad-{number:02}.rpm").write_text("no package")
        result = stage.index(RELEASE)
        assert result.returncode == 1 and result.stderr == ""
        assert result.stdout.splitlines() == [f"{RELEASE}/bad-{number:02}.rpm: it is no RPM package"
                                              for number in range(12)]

    def test_660_032_without_a_change_of_the_directory(self, stage):
        """What is written into a file changes no directory: the program looks at every file."""
        stage.index()
        file = stage.file("will-crash")
        file.write_text("no package")
        result = stage.index()
        assert f"{file.name}: it is no RPM package" in result.stdout

    @pytest.mark.parametrize("arguments, code, words", [
        (["--other"], 100, "usage:"), (["no_release"], 100, "usage:"), (["../x-1-y"], 100, "usage:"),
        (["fedora-1-none"], 111, "fedora-1-none"),
    ])
    def test_660_033_wrong_usage(self, stage, arguments, code, words):
        result = stage.index(*arguments)
        assert result.returncode == code
        assert words in result.stderr

    def test_660_034_for_its_owner_only(self, stage):
        """What root made in the cache, the workers could not write to."""
        if not stage.env.server.is_root:
            pytest.skip("for root")
        result = subprocess.run([stage.env.server.build / "retrace-server-index",
                                 f"--config={stage.env.server.config}"], capture_output=True,
                                text=True, check=False)
        assert result.returncode == 111 and "run this as its owner" in result.stderr
        assert not (stage.env.server.dir / "cache" / "index").exists()
