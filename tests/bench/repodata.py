# SPDX-License-Identifier: Apache-2.0
"""Metadata of a repository that does not exist, as createrepo_c writes them, of any size: of ten packages
six have programs and libraries, four their debug information. Directories have as many entries as
in Fedora; at 100,000 packages there are 5.2 million files and a third of a million build-ids.

    repodata.py [--packages N] [--compression gz|zst|xz|bz2|none] [--seed N] DIRECTORY
"""
import argparse
import bz2
import gzip
import hashlib
import lzma
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ARCH = "x86_64"
LANGUAGES = [f"{a}{b}" for a in "abcdefghijklmnop" for b in "aeinrstu"]
WORDS = ("core common utils tools data server client plugin extra base api legacy compat shared "
         "engine driver bridge parser runtime support").split()
LOCALES = 40  # files of a package at most that are translations

PRIMARY_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" \
packages="{count}">
"""
FILELISTS_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="{count}">
"""
PRIMARY = """<package type="rpm">
  <name>{name}</name>
  <arch>{arch}</arch>
  <version epoch="{epoch}" ver="{version}" rel="{release}"/>
  <checksum type="sha256" pkgid="YES">{checksum}</checksum>
  <summary>The {name} part of a system that does not exist</summary>
  <description>{name} does what its name says &amp; nothing else.

It comes with &lt;documentation&gt;, and with this text, which goes on over
several lines as those of real packages do, so that what reads it has
to find its end.</description>
  <packager>Nobody</packager>
  <url>https://{name}.example.org/</url>
  <time file="1654041600" build="1654000000"/>
  <size package="{size}" installed="{installed}" archive="{installed}"/>
  <location href="{location}"/>
  <format>
    <rpm:license>Apache-2.0</rpm:license>
    <rpm:vendor>Nobody</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>build.example.org</rpm:buildhost>
    <rpm:sourcerpm>{source}</rpm:sourcerpm>
    <rpm:header-range start="4504" end="{size}"/>
    <rpm:provides>
{provides}
    </rpm:provides>
    <rpm:requires>
      <rpm:entry name="libc.so.6(GLIBC_2.34)(64bit)"/>
      <rpm:entry name="libm.so.6()(64bit)"/>
      <rpm:entry name="rtld(GNU_HASH)"/>
    </rpm:requires>
  </format>
</package>
"""
PROVIDES = '      <rpm:entry name="{}" flags="EQ" epoch="{}" ver="{}" rel="{}"/>'
PROVIDES_ID = '      <rpm:entry name="debuginfo(build-id)" flags="EQ" epoch="0" ver="{}"/>'


@dataclass
class Package:
    name: str
    version: str
    source: str
    ids: list = field(default_factory=list)
    files: list = field(default_factory=list)
    is_debuginfo: bool = False

    @property
    def nevra(self):
        return f"{self.name}-{self.version}-1.fc36.{ARCH}"

    @property
    def location(self):
        return f"Packages/{self.name[0]}/{self.nevra}.rpm"

    @property
    def checksum(self):
        return hashlib.sha256(self.nevra.encode()).hexdigest()


def build_id_links(root, build_id, suffix=""):
    return [f'  <file type="dir">{root}/{build_id[:2]}</file>',
            f"  <file>{root}/{build_id[:2]}/{build_id[2:]}{suffix}</file>"]


def fill_binary(package, chance):
    name, files = package.name, package.files
    for number, build_id in enumerate(package.ids):
        files += build_id_links("/usr/lib/.build-id", build_id)
        files.append(f"  <file>/usr/lib64/lib{name}-{number}.so.1</file>" if number
                     else f"  <file>/usr/bin/{name}</file>")
    for number in range(chance.randint(20, 36)):
        files.append(f"  <file>/usr/share/{name}/{WORDS[number % 19]}-{number}.dat</file>")
    for language in chance.sample(LANGUAGES, chance.randint(0, LOCALES)):
        files.append(f"  <file>/usr/share/locale/{language}/LC_MESSAGES/{name}.mo</file>")
    for word in ("README", "LICENSE", "NEWS", "AUTHORS"):
        files.append(f"  <file>/usr/share/doc/{name}/{word}</file>")


def fill_debuginfo(package, chance):
    name, files = package.name.removesuffix("-debuginfo"), package.files
    for number, build_id in enumerate(package.ids):
        files += build_id_links("/usr/lib/debug/.build-id", build_id)
        files += build_id_links("/usr/lib/debug/.build-id", build_id, ".debug")[1:]
        files.append(f"  <file>/usr/lib/debug/usr/lib64/lib{name}-{number}.so.1.debug</file>")
    files.append(f"  <file>/usr/lib/debug/.dwz/{name}-{package.version}-1.fc36.{ARCH}</file>")
    for number in range(chance.randint(10, 58)):
        files.append(f"  <file>/usr/src/debug/{name}-{package.version}/{WORDS[number % 19]}/"
                     f"{WORDS[number % 7]}-{number}.c</file>")


def make_packages(count, seed):
    """A source has up to two packages of debug information for each three of programs."""
    chance = random.Random(seed)
    packages = []
    for number in range(count * 6 // 10):
        name = f"{chance.choice('abcdefghijklmnopqrstuvwxyz')}{chance.choice(WORDS)}-{number}"
        version = f"{chance.randint(0, 9)}.{chance.randint(0, 30)}"
        source = f"{name}-{version}-1.fc36.src.rpm"
        ids = [f"{chance.getrandbits(160):040x}" for _ in range(chance.choice((1, 2, 2, 3, 4)))]
        packages.append(Package(name, version, source, ids))
        fill_binary(packages[-1], chance)
        if number % 3 < 2:
            extra = [f"{chance.getrandbits(160):040x}" for _ in range(chance.choice((1, 2, 2, 3)))]
            packages.append(Package(f"{name}-debuginfo", version, source, ids + extra,
                                    is_debuginfo=True))
            fill_debuginfo(packages[-1], chance)
    return packages


def primary_of(package):
    provides = [PROVIDES.format(package.name, 0, package.version, "1.fc36")]
    if package.is_debuginfo:
        provides += [PROVIDES_ID.format(build_id) for build_id in package.ids]
    return PRIMARY.format(name=package.name, arch=ARCH, epoch=0, version=package.version,
                          release="1.fc36", checksum=package.checksum, location=package.location,
                          size=100000 + len(package.files), installed=1000000,
                          source=package.source, provides="\n".join(provides))


def filelists_of(package):
    files = "\n".join(package.files)
    return (f'<package pkgid="{package.checksum}" name="{package.name}" arch="{ARCH}">\n'
            f'  <version epoch="0" ver="{package.version}" rel="1.fc36"/>\n{files}\n</package>\n')


def zstd(data):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=data, check=True,
                          capture_output=True).stdout


PACKERS = {"gz": lambda data: gzip.compress(data, 6, mtime=0), "zst": zstd,
           "xz": lambda data: lzma.compress(data, preset=0), "bz2": bz2.compress,
           "none": lambda data: data}


def write_metadata(directory, texts, compression):
    """Files of these types, and the repomd.xml that names them."""
    repodata = Path(directory) / "repodata"
    repodata.mkdir(parents=True, exist_ok=True)
    entries = []
    for kind, text in texts.items():
        packed = PACKERS[compression](text)
        checksum = hashlib.sha256(packed).hexdigest()
        suffix = "" if compression == "none" else f".{compression}"
        name = f"{checksum}-{kind}.xml{suffix}"
        (repodata / name).write_bytes(packed)
        entries.append(
            f'  <data type="{kind}">\n    <checksum type="sha256">{checksum}</checksum>\n'
            f'    <open-checksum type="sha256">{hashlib.sha256(text).hexdigest()}</open-checksum>\n'
            f'    <location href="repodata/{name}"/>\n    <timestamp>1654041600</timestamp>\n'
            f"    <size>{len(packed)}</size>\n    <open-size>{len(text)}</open-size>\n  </data>\n")
    (repodata / "repomd.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo" '
        'xmlns:rpm="http://linux.duke.edu/metadata/rpm">\n'
        f"  <revision>1654041600</revision>\n{''.join(entries)}</repomd>\n", encoding="ascii")


def make_repository(directory, count, compression="gz", seed=36):
    """Returns the packages."""
    packages = make_packages(count, seed)
    primary = PRIMARY_HEAD.format(count=len(packages)) + "".join(map(primary_of, packages))
    filelists = FILELISTS_HEAD.format(count=len(packages)) + "".join(map(filelists_of, packages))
    texts = {"primary": f"{primary}</metadata>\n".encode(),
             "filelists": f"{filelists}</filelists>\n".encode()}
    write_metadata(directory, texts, compression)
    return packages


def main():
    parser = argparse.ArgumentParser(description="Metadata of a repository that does not exist.")
    parser.add_argument("--packages", type=int, default=100000)
    parser.add_argument("--compression", choices=PACKERS, default="gz")
    parser.add_argument("--seed", type=int, default=36)
    parser.add_argument("directory")
    options = parser.parse_args()
    packages = make_repository(options.directory, options.packages, options.compression,
                               options.seed)
    print(f"{len(packages)} packages, {sum(len(p.files) for p in packages)} files, "
          f"{sum(len(p.ids) for p in packages)} build-ids")
    return 0


if __name__ == "__main__":
    sys.exit(main())
