# SPDX-License-Identifier: Apache-2.0
"""A small client distribution, made by rpmbuild as Fedora makes its own: programs and a library in
two versions, this machine's C and C++ libraries as packages, all signed. It is kept below the build
directory until a source of it changes. A root directory that its packages are installed into, in
which programs crash, and the kernel writes their cores."""
import concurrent.futures
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import crash
from packages import RELEASE, Keys, add_metadata
from serve.crash import allow_cores, kernel_writes_here
from serve.server import TREE

SOURCES = TREE / "tests" / "data" / "distribution"
SPECS = ("libwork", "will-crash", "will-crash-cpp")
SYSTEM = ("libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6")
TOOLS = ("rpmbuild", "rpmsign", "createrepo_c", "dwz", "gpg", "debugedit", "find-debuginfo",
         "eu-strip", "c++")
LIBRARIES = "usr/lib64"
# Nothing of this machine may be used.
BARE = "HostDirs =\nHostDebugDir = /nonexistent\n"
LOADER = re.compile(r"program interpreter: (\S+?)\]")


FRAME = re.compile(r"^#\d+ +(?:(0x[0-9a-f]+) in )?(.*?) \(.*", re.M)
SECTION = re.compile(r"== Backtraces of all threads\n\n(.*?)\n\n== ", re.S)
THREAD = re.compile(r"^Thread \d+ \(LWP (\d+)\):\n(.*?)(?=^Thread |\Z)", re.M | re.S)


def missing_tool():
    """Why the distribution cannot be made or run here; None: it can."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if not debug_file(library("libc.so.6")).exists():
        return "the debug information of the C library is not installed"
    if os.geteuid() != 0:
        return "only root can change the root directory"
    if not kernel_writes_here():
        return "the kernel hands cores to another program"
    return None


def run(*words, **how):
    """A tool that fails is told with what it said."""
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                            check=False, **how)
    assert result.returncode == 0, f"{words[0]}: {result.stdout}{result.stderr}"
    return result.stdout


def printers():
    """The directory of gdb's printers of the C++ library, which the default of PrintersDir finds."""
    found = sorted(Path("/usr/share").glob("gcc*/python"))
    return found[-1] if found else None


def library(name):
    return Path(run("c++", f"-print-file-name={name}").strip()).resolve()


def loader():
    return Path(LOADER.search(run("readelf", "-l", shutil.which("readelf"))).group(1))


def debug_file(path):
    build_id = crash.build_id(path)
    return Path("/usr/lib/debug/.build-id") / build_id[:2] / f"{build_id[2:]}.debug"


# --- Making it -----------------------------------------------------------------------------------

def lay_out_system(root):
    """Where Fedora has what this machine has elsewhere."""
    libraries = root / LIBRARIES
    for directory in (libraries, root / "usr/bin", root / "tmp"):
        directory.mkdir(parents=True)
    for name, target in (("lib", "usr/lib"), ("lib64", LIBRARIES), ("bin", "usr/bin"),
                         ("sbin", "usr/bin")):
        (root / name).symlink_to(target)
    for name, path in [(name, library(name)) for name in SYSTEM] + [(loader().name, loader())]:
        file = libraries / path.resolve().name
        shutil.copyfile(path.resolve(), file)
        file.chmod(0o755)
        if name != file.name:
            (libraries / name).symlink_to(file.name)
        if debug_file(path).exists() and not name.startswith(SYSTEM[2:]):
            # rpmbuild makes links for what can be executed only.
            debug = root / "usr/lib/debug" / LIBRARIES / f"{file.name}.debug"
            debug.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(debug_file(path), debug)
            debug.chmod(0o755)


def rpmbuild(spec, top, **defines):
    """Returns the packages that come of it."""
    top.mkdir(parents=True)
    words = [word for name, value in {**defines, "_topdir": top, "_sourcedir": SOURCES}.items()
             for word in ("--define", f"{name} {value}")]
    run("rpmbuild", "--load", SOURCES / "macros", "-bb", "--quiet", *words, SOURCES / f"{spec}.spec")
    packages = list((top / "RPMS").rglob("*.rpm"))
    assert packages, f"{spec} gives no package"
    return packages


def key_of_sources():
    """What a distribution that is made already must have been made of."""
    digest = hashlib.sha256()
    for path in [*sorted(SOURCES.iterdir()), Path(__file__)]:
        digest.update(path.read_bytes())
    for path in (*map(library, SYSTEM), loader()):
        digest.update(crash.build_id(path).encode())
    digest.update(run("cc", "--version").encode())
    return digest.hexdigest()[:16]


def build(place):
    """All packages into <place>/1.0, 1.1 and system, signed; the keyring into <place>/gnupg."""
    keys = Keys(place / "gnupg")
    (place / "good.key").write_bytes(keys.make("good"))
    keys.close()
    lay_out_system(place / "root")
    jobs = [("system", "glibc", {"tree": place / "root", "ver": platform.libc_ver()[1]})]
    jobs += [(f"1.{minor}", spec, {"minor": minor}) for minor in (0, 1) for spec in SPECS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(lambda job: rpmbuild(job[1], place / "top" / "-".join(job[:2]),
                                                  **job[2]), jobs))
    for (directory, _, _), packages in zip(jobs, made):
        (place / directory).mkdir(exist_ok=True)
        for package in packages:
            package.rename(place / directory / package.name)
    shutil.rmtree(place / "top")
    keys.sign("good", *place.glob("*/*.rpm"))
    keys.close()


def cached():
    """The directory of the distribution, made by whoever comes first."""
    top = Path(os.environ.get("RETRACE_BUILD", TREE / "build")).resolve() / "tests/distribution"
    top.mkdir(parents=True, exist_ok=True)
    place = top / key_of_sources()
    with open(top / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            for old in top.glob("*/"):
                shutil.rmtree(old)
            fresh = top / "new"
            fresh.mkdir()
            build(fresh)
            fresh.rename(place)
    return place


# --- Using it ------------------------------------------------------------------------------------

class Distribution:
    """The packages, and the crashes of version 1.0."""

    def __init__(self, place):
        self.packages = cached()
        self.place = Path(place)
        self.place.mkdir(mode=0o755)
        self.root = self.place / "client"
        self.public_key = (self.packages / "good.key").read_bytes()
        shutil.copytree(self.packages / "gnupg", self.place / "gnupg",
                        ignore=shutil.ignore_patterns("S.*"))
        self.keys = Keys(self.place / "gnupg")
        self.install("1.0")

    def files(self, version):
        """Packages of this version, and those that are of no version of ours."""
        return sorted([*(self.packages / version).iterdir(),
                       *(self.packages / "system").iterdir()])

    def _rpm(self, root, *arguments):
        run("rpm", f"--root={root}", "--dbpath=/var/lib/rpm", "--define", "_pkgverify_level all",
            *arguments)

    def install(self, version):
        """What a user would have: no debug information."""
        (self.root / "var/lib/rpm").mkdir(parents=True)
        self._rpm(self.root, "--import", self.packages / "good.key")
        self._rpm(self.root, "-i", *[file for file in self.files(version)
                                     if "-debug" not in file.name])

    def install_debug_packages(self):
        """In another root directory: what a developer would have."""
        root = self.place / "developer"
        shutil.copytree(self.root, root, symlinks=True, ignore=shutil.ignore_patterns("core*"))
        self._rpm(root, "-i", *[file for file in self.files("1.0")
                                if "-debuginfo" in file.name])
        return root

    def extract(self, version, *names):
        """Files of packages, into a new directory."""
        root = Path(tempfile.mkdtemp(prefix="extracted-", dir=self.place))
        for name in names:
            file, = (self.packages / version).glob(f"{name}-{version}-*")
            package = subprocess.run(["rpm2cpio", file], check=True, capture_output=True).stdout
            subprocess.run(["cpio", "-idm", "--quiet"], input=package, cwd=root, check=True)
        return root

    def crash(self, program):
        """Returns the core that the kernel writes."""
        for old in self.root.glob("core*"):
            old.unlink()
        # Its loader may have been built to look elsewhere.
        subprocess.run([shutil.which("chroot"), self.root, program], check=False,
                       env={"LD_LIBRARY_PATH": f"/{LIBRARIES}"}, capture_output=True,
                       preexec_fn=allow_cores)
        core, = self.root.glob("core*")
        return core.read_bytes()

    def upload(self, core, program):
        """As ABRT sends it, of a package with the name of its program."""
        name = Path(program).name.replace("_", "-")
        members = {**crash.members_of(core, program), "package": f"{name}-1.0-1.fc36".encode()}
        return crash.gz(crash.tar(members))

    def build_id(self, path):
        return crash.build_id(self.root / path.lstrip("/"))

    def close(self):
        self.keys.close()


class Crash:
    """One crash of version 1.0, and what gdb says of it where all packages are installed."""

    def __init__(self, distribution, program):
        core = distribution.crash(program)
        self.program = program
        self.upload = distribution.upload(core, program)
        self.file = distribution.place / f"core-of-{Path(program).name}"
        self.file.write_bytes(core)

    def in_gdb(self, root):
        """The backtraces of all threads, as developers get them."""
        settings = [word for setting in (f"set sysroot {root}", "set debuginfod enabled off",
                                         f"set debug-file-directory {root}/usr/lib/debug",
                                         "set source open off", "set print elements 200",
                                         f"python import sys; sys.path.insert(0, '{printers()}')",
                                         "python from libstdcxx.v6.printers import *",
                                         "python register_libstdcxx_printers(None)", "set width 0")
                    for word in ("-iex", setting)]
        said = run("gdb", "-q", "-nx", "-batch", "-iex", "set auto-load off", *settings,
                   root / self.program.lstrip("/"), self.file, "-ex", "echo \\n== begin\\n",
                   "-ex", "thread apply all -ascending -c backtrace full")
        said = said.split("\n== begin\n")[1].replace(f"{root}/", "/sysroot/").strip()
        said = re.sub(r"^warning: Section .* too small\.\n", "", said, flags=re.M)
        # No library from outside that knows threads is loaded into the sandboxed one.
        return re.sub(r"\(Thread 0x\w+ (\(LWP \d+\))\)", r"\1", said)


def backtraces(report):
    """The part of a report that has them."""
    return SECTION.search(report).group(1).strip()


def known(text):
    """Backtraces without those frames that are said to be guesses."""
    return re.sub(r"^MISSING: [^\n]*: the frames below are guesses\.\n.*?(?=^Thread |\Z)", "", text,
                  flags=re.M | re.S)


def frames(text):
    """(address, function) of each frame, for each LWP; the address of an inlined one is ""."""
    return {lwp: FRAME.findall(thread) for lwp, thread in THREAD.findall(text)}


class Depot:
    """A server that knows the client's files from a repository only: all packages of both versions,
    no files of this machine."""

    def __init__(self, farm, distribution, settings=""):
        self.distribution = distribution
        self.place = Path(tempfile.mkdtemp(prefix="depot-", dir=farm.place))
        self.place.chmod(0o755)
        self.repository = self.place / "repos" / RELEASE
        self.packages = self.repository / "Packages"
        self.key_file = self.place / "keys" / "fedora-36"
        self.key_file.parent.mkdir()
        self.key_file.write_bytes(distribution.public_key)
        self.fill()
        self.env = farm.start(f"{BARE}RepoDir = {self.repository.parent}\n"
                              f"GPGKeyDir = {self.key_file.parent}\n"
                              f"MaxParallelTasks = 4\nMaxQueuedTasks = 20\n{settings}")

    def fill(self):
        """As it was in the beginning."""
        shutil.rmtree(self.repository, ignore_errors=True)
        self.packages.mkdir(parents=True)
        for file in self.distribution.packages.glob("*/*.rpm"):
            shutil.copy2(file, self.packages)
        add_metadata(self.repository)

    def forget(self):
        """No cache, no index."""
        self.env.forget_cache()

    def package(self, name, version="1.0"):
        """Of the repository."""
        file, = self.packages.glob(f"{name}-{version}-*.rpm")
        return file

    def without(self, *names):
        """As a repository that has never had the 1.0 of these (or what has one version only)."""
        self.fill()
        for name in names:
            for file in self.packages.glob(f"{name}-[0-9]*"):
                if "-1.1-" not in file.name:
                    file.unlink()
        add_metadata(self.repository)
        self.forget()

    def submit(self, upload):
        return self.env.client.submit(upload, content="application/x-gzip")

    def result(self, task):
        """The log and the backtrace of a task that succeeds."""
        assert self.env.client.wait(task) == "FINISHED_SUCCESS", self.env.client.log(task).text
        return self.env.client.log(task).text, self.env.client.backtrace(task).text

    def retrace(self, upload):
        return self.result(self.submit(upload))

    def retrace_all(self, uploads):
        """At once."""
        return [self.result(task) for task in [self.submit(upload) for upload in uploads]]
