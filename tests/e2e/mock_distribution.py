# SPDX-License-Identifier: Apache-2.0
"""A small RPM distribution: what bash, coreutils, gdb and a crashing program need of this machine's
Debian packages, one RPM package for each of those. Made once, kept below build/ for these versions."""
import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

from packages import Keys

TREE = Path(__file__).resolve().parents[2]
ARCH = platform.machine()
RENAMED = {"libc6": "glibc", "libc-bin": "glibc", "passwd": "shadow-utils"}
# Maintainer scripts do not run: what they would make, and what an empty root needs, is here.
ETC = {"passwd": "root:x:0:0:root:/root:/bin/bash\n", "group": "root:x:0:\n",
       "shadow": "root:*:19000:0:99999:7:::\n",
       "os-release": 'ID=test\nNAME=test\nVERSION_ID=36\nPRETTY_NAME="Test 36"\n'}
MERGED = ("bin", "sbin", "lib", "lib64")
PROGRAMS = {"bash": ["bash"], "gdb": ["gdb"], "getent": ["getent"],
            "coreutils": ["cat", "chmod", "chown", "cp", "env", "id", "ln", "ls", "mkdir", "mktemp",
                          "mv", "rm", "sleep", "sort", "stat", "timeout", "touch", "true"],
            "util-linux": ["setpriv"],
            "passwd": ["useradd", "userdel", "groupadd", "groupdel"]}
KEYED_BY = ("bash", "coreutils", "gdb", "libc6", "libc6-dbg", "passwd", "util-linux")
NO_TESTS = re.compile(r"/(test|tests|idlelib|tkinter|lib2to3|ensurepip|distutils)/|/config-")
SPEC = """%define debug_package %{nil}
%define _build_id_links none
%define __os_install_post %{nil}
%define _binary_payload w1.gzdio
Name: filesystem
Version: 1
Release: 1.fc36
Summary: Directories and links
License: Apache-2.0
AutoReqProv: no
%description
Directories and links.
%files -f filesystem.list
"""
# What rpmbuild finds that other packages need of the C library; the other edges are drawn by ldd.
NOTHING = "AutoReqProv: no"
PROVIDES = {"glibc": "AutoReq: no\nProvides: rtld(GNU_HASH)"}
PART = """
%package -n {name}
Version: {version}
Summary: {name}
{provides}
{requires}
%description -n {name}
{name}.
%files -n {name} -f {name}.list
"""


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def real(path):
    """Where a file is, below /usr. Packages still name /lib."""
    path = os.path.realpath(path)
    return path if path.startswith("/usr/") else "/usr" + path


def owner_of(path):
    """The package that a file came with; it may know it without the /usr."""
    for name in (path, path.removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise RuntimeError(f"no package has {path}")


def build_id(path):
    found = re.search(r"Build ID: ([0-9a-f]+)", subprocess.run(
        ["readelf", "-n", path], check=False, capture_output=True, text=True).stdout)
    return found.group(1) if found else None


def rpm_version(package):
    """Without the epoch; a dash parts version and release in RPM."""
    version = output("dpkg-query", "-W", "-f", "${Version}", package).split("\n")[0]
    return re.sub(r"[^A-Za-z0-9.+~]", "_", version.split(":", 1)[-1])


class Content:
    """Which file goes into which package."""

    def __init__(self):
        self.files = {}     # package → {path in the chroot: file of this machine}
        self.links = {}     # package → {path: target}
        self.requires = {}  # package → packages
        self.owners = {}
        for program in [name for names in PROGRAMS.values() for name in names]:
            self.add_program(real(shutil.which(program)))
        self.add_link("bash", "/usr/bin/sh", "bash")  # the usual one is dash's
        self.add_python()
        self.add_tree("gdb", "/usr/share/gdb")
        self.add_build_ids()

    def package(self, path):
        if path not in self.owners:
            self.owners[path] = owner_of(path)
        return self.owners[path]

    def add(self, package, path, source):
        self.files.setdefault(package, {})[path] = source
        self.requires.setdefault(package, set())

    def add_link(self, package, path, target):
        self.links.setdefault(package, {})[path] = target

    def add_program(self, path):
        package = self.package(path)
        self.add(package, path, path)
        self.add_libraries(package, path)

    def add_libraries(self, package, path):
        """All that the loader would load, each under the names that it is known by."""
        listed = subprocess.run(["ldd", path], check=False, capture_output=True, text=True).stdout
        for name, file in re.findall(r"(?:(\S+) => )?(/\S+) \(0x", listed):
            library = real(file)
            owner = self.package(library)
            self.add(owner, library, library)
            if name and name != os.path.basename(library):
                self.add_link(owner, f"{os.path.dirname(library)}/{name}",
                              os.path.basename(library))
            if owner != package:
                self.requires[package].add(owner)
        interpreter = re.search(r"^\s*(/lib\S*/ld\S+) ", listed, re.M)
        if interpreter and real(interpreter[1]) != "/usr" + interpreter[1]:
            self.add_link(self.package(real(interpreter[1])), "/usr" + interpreter[1],
                          real(interpreter[1]))

    def add_tree(self, package, below):
        """Of an installed package, what is below a directory."""
        for path in output("dpkg", "-L", package).splitlines():
            if path.startswith(below + "/") and os.path.isfile(path) \
                    and not os.path.islink(path) and not NO_TESTS.search(path):
                self.add(package, path, path)

    def add_python(self):
        """gdb's: the standard library is in packages beside that of the library."""
        library = next(name for name in self.files if name.startswith("libpython3"))
        for package in (f"{library}-minimal", f"{library}-stdlib"):
            self.add_tree(package, f"/usr/lib/{library.removeprefix('lib')}")
            self.requires[library].add(package)
            for path in [path for path in self.files[package] if path.endswith(".so")]:
                self.add_libraries(package, path)

    def add_build_ids(self):
        """Of the C library, with debug information where libc6-dbg is installed."""
        for path in list(self.files["libc6"]):
            number = build_id(path)
            if number is None:
                continue
            name = f"{number[:2]}/{number[2:]}"
            self.add_link("libc6", f"/usr/lib/.build-id/{name}", path)
            debug = f"/usr/lib/debug/.build-id/{name}.debug"
            if os.path.exists(debug):
                self.add("libc6-debuginfo", debug, os.path.realpath(debug))

    def versions(self):
        return {package: rpm_version(package.removesuffix("-debuginfo"))
                for package in sorted(self.files)}


def rpm_name(package):
    base = package.removesuffix("-debuginfo")
    return RENAMED.get(base, base) + ("-debuginfo" if base != package else "")


class Distribution:
    """`files` are the packages, `key` is the public key that they are signed with."""

    def __init__(self, build):
        begin = time.monotonic()
        self.place = Path(build).resolve() / f"distribution-{self._digest()}"
        self.was_made = not (self.place / "key").exists()
        if self.was_made:
            for old in self.place.parent.glob("distribution-*"):
                shutil.rmtree(old, ignore_errors=True)
            self._make()
        self.files = sorted((self.place / "RPMS").rglob("*.rpm"))
        self.key = (self.place / "key").read_bytes()
        self.seconds = time.monotonic() - begin

    def describe(self):
        size = sum(file.stat().st_size for file in self.files) / 2**20
        how = "made" if self.was_made else "taken from " + self.place.name
        return f"distribution of {len(self.files)} packages, {size:.0f} MB, {how}: " \
               f"{self.seconds:.1f} s"

    @staticmethod
    def _digest():
        text = output("dpkg-query", "-W", *KEYED_BY) + Path(__file__).read_text(encoding="utf-8")
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _make(self):
        work = self.place.with_suffix(".part")
        (work / "root").mkdir(parents=True)
        self._build(work)
        keys = Keys(work / "gnupg")
        try:
            key = keys.make("distribution")
            keys.sign("distribution", *(work / "RPMS").rglob("*.rpm"))
        finally:
            keys.close()
        (work / "key").write_bytes(key)
        for name in ("root", "BUILD", "BUILDROOT", "gnupg"):
            shutil.rmtree(work / name, ignore_errors=True)
        work.rename(self.place)

    def _lay_out_filesystem(self, root):
        for name in MERGED:
            (root / "usr" / name).mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(f"usr/{name}")
        for name in ("etc", "tmp", "root", "proc", "sys", "dev", "var/lib/rpm", "var/log"):
            (root / name).mkdir(parents=True)
        (root / "etc/rpm").mkdir()
        (root / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n", encoding="ascii")
        for name, text in ETC.items():
            (root / "etc" / name).write_text(text, encoding="ascii")
        lines = [f"/{name}" for name in MERGED] + ["/etc/rpm/macros"] \
            + [f"/etc/{name}" for name in ETC] + ["%dir %attr(1777,root,root) /tmp"] \
            + [f"%dir /{name}" for name in ("root", "proc", "sys", "dev", "var/lib/rpm", "var/log")]
        (root.parent / "filesystem.list").write_text("\n".join(lines) + "\n", encoding="ascii")

    @staticmethod
    def _lay_out(work, name, content, package):
        root = work / "root"
        listed = []
        for path, source in content.files.get(package, {}).items():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            listed.append(path)
        for path, to in content.links.get(package, {}).items():
            target = root / path.lstrip("/")
            if path in listed:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(to)
            listed.append(path)
        with open(work / f"{name}.list", "a", encoding="utf-8") as file:
            file.writelines(f'"{path}"\n' for path in listed)

    def _build(self, work):
        content = Content()
        self._lay_out_filesystem(work / "root")
        parts = {}
        for package, version in content.versions().items():
            name = rpm_name(package)
            self._lay_out(work, name, content, package)
            requires = {rpm_name(other) for other in content.requires[package]} | {"filesystem"}
            parts.setdefault(name, [version, set()])[1].update(requires - {name})
        spec = SPEC + "".join(
            PART.format(name=name, version=version, provides=PROVIDES.get(name, NOTHING),
                        requires="\n".join(f"Requires: {other}" for other in sorted(requires)))
            for name, (version, requires) in parts.items())
        (work / "distribution.spec").write_text(spec, encoding="utf-8")
        (work / "BUILD").mkdir()
        for listed in work.glob("*.list"):
            shutil.copy(listed, work / "BUILD")
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--noclean", "--target", ARCH, "--define",
                        f"_topdir {work}", "--buildroot", work / "root",
                        work / "distribution.spec"], check=True, capture_output=True)
