# SPDX-License-Identifier: Apache-2.0
"""retrace-server-reposync: packages that are reduced (StripPackages), and those of rawhide that go."""
import os
import shutil
import subprocess
import time

import pytest

import crash
import packages
from mirror import Stage, run
from reposync import FAILED, RAWHIDE, describe_otherwise, made, name_of, remote, stage  # noqa: F401


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
        self.env.forget_cache()
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
