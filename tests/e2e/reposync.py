# SPDX-License-Identifier: Apache-2.0
"""What the tests of retrace-server-reposync share: packages, a place to mirror to, and repositories to
mirror."""
import hashlib
import shutil

import pytest

import packages
from fake_server import make_certificate
from mirror import Stage, build, run

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
