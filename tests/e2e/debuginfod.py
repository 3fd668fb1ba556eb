# SPDX-License-Identifier: Apache-2.0
"""A real debuginfod(8), and packages for it, made as Debian makes them: a stripped program in one,
its debug information in the other, what two programs share in a dwz file."""
import contextlib
import os
import pwd
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import crash
from client import poll
from serve.server import free_port

READY_S = 60

# Crashes in a function that the C library calls.
SORTER = """#include <stdio.h>
#include <stdlib.h>
struct item { const char *name; int weight; };
static int compare_items(const void *left, const void *right)
{
    const struct item *a = left;
    int surplus = a->weight - LIMIT;
    int *nowhere = NULL;
    *nowhere = surplus;
    return right != NULL;
}
int main(int argc, char **argv)
{
    struct item items[] = { { argv[0], 42 }, { "second", 2 }, { "third", 3 } };
    qsort(items, 3, sizeof(items[0]), compare_items);
    return argc + puts(items[0].name);
}
"""


def run(*words, **how):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True,
                          **how).stdout


def debug_path(build_id):
    return Path("usr/lib/debug/.build-id") / build_id[:2] / f"{build_id[2:]}.debug"


def make_package(root, name, target):
    control = root / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(f"Package: {name}\nVersion: 1.0-1\nArchitecture: all\n"
                                     "Maintainer: nobody <nobody@example.org>\n"
                                     "Description: for a test\n", encoding="ascii")
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", root, target)


class Packages:
    """sorter_1.0-1_all.deb and sorter-dbgsym_1.0-1_all.deb in `packages`, what is in them at
    `program` and `build_ids` (of the program, and of the dwz file)."""

    def __init__(self, place):
        self.packages = place / "packages"
        self.packages.mkdir(parents=True)
        self.root, self.debug = place / "sorter", place / "sorter-dbgsym"
        self.program = self.root / "usr" / "bin" / "sorter"
        self.program.parent.mkdir(parents=True)
        (place / "sorter.c").write_text(SORTER, encoding="ascii")
        debugs = [self._build(place, name) for name in ("sorter", "other-sorter")]
        common = self.debug / "usr" / "lib" / "debug" / ".dwz" / "sorter.debug"
        common.parent.mkdir()
        run("dwz", "-m", common, "-M", "/usr/lib/debug/.dwz/sorter.debug", *debugs)
        self.build_ids = [crash.build_id(self.program), crash.build_id(common)]

    def _build(self, place, name):
        program = self.program.with_name(name)
        run("cc", "-g", "-O0", f"-DLIMIT={30 + len(name)}", f"-ffile-prefix-map={place}=.",
            "-Wl,--build-id", "-o", program, place / "sorter.c")
        debug = self.debug / debug_path(crash.build_id(program))
        debug.parent.mkdir(parents=True)
        run("objcopy", "--only-keep-debug", program, debug)
        run("strip", program)
        return debug

    def pack(self):
        """Into packages; then there is nothing else left of the program."""
        make_package(self.root, "sorter", self.packages / "sorter_1.0-1_all.deb")
        make_package(self.debug, "sorter-dbgsym", self.packages / "sorter-dbgsym_1.0-1_all.deb")
        shutil.rmtree(self.root)
        shutil.rmtree(self.debug)


def copy_library(path, directory, debug_dir=Path("/")):
    """A library of this machine and its debug information; returns its build-id."""
    build_id = crash.build_id(path)
    directory.mkdir(exist_ok=True)
    shutil.copy2(path, directory / Path(path).name)
    shutil.copy2(debug_dir / debug_path(build_id), directory / f"{build_id}.debug")
    return build_id


class Debuginfod:
    """Serves packages and single files, as an ordinary user. Not by -U, which needs bsdtar(1)."""

    def __init__(self, place, packages, files):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = place / "debuginfod.log"
        account = {"user": pwd.getpwnam("nobody").pw_uid, "group": pwd.getpwnam("nobody").pw_gid,
                   "extra_groups": []} if os.geteuid() == 0 else {}
        scratch = place / "scratch"
        scratch.mkdir()
        scratch.chmod(0o777)
        # Nothing of DEBUGINFOD_URLS: it would ask the servers there.
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["debuginfod", "-d", scratch / "index.sqlite", "-p", str(self.port), "-Z",
                 ".deb=dpkg-deb --fsys-tarfile", "-F", packages, files],
                stdout=log, stderr=log, cwd=scratch,
                env={"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(scratch)},
                **account)

    def has(self, build_id, kind):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{self.url}/buildid/{build_id}/{kind}", timeout=5) as answer:
                return bool(answer.read())
        return False

    def wait_for(self, *wanted):
        for build_id, kind in wanted:
            poll(lambda: self.has(build_id, kind), READY_S, f"debuginfod has no {kind} {build_id}")

    def requests(self):
        """How many files it was asked for."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            text = answer.read().decode("ascii")
        return sum(int(number) for number in
                   re.findall(r'^http_requests_total{type="(?:debuginfo|executable)"} (\d+)$', text,
                              re.M))

    def stop(self):
        self.process.terminate()
        self.process.wait()
