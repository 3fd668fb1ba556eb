# SPDX-License-Identifier: Apache-2.0
"""Real cores of other architectures: Debian's kernel of one boots in an emulated machine whose only
program (tests/data/guest/init.c) lets programs crash and tells their cores on the console.

The kernel's package is fetched by apt-get into build/tests/guests once, with lists of its own: what
this machine's apt knows and has installed stays as it is."""
import base64
import fcntl
import os
import shutil
import stat
import subprocess
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import crash
from serve.server import TREE

SOURCES = TREE / "tests" / "data" / "guest"
BOOT_S = 180  # until a machine has ended
FETCH_S = 300  # of each step of fetching a kernel
MAX_CORE = 64 * 1024 * 1024

APT_CONF = """APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "{user}";
Acquire::Languages "none";
Dir::State "{place}/state";
Dir::State::status "{place}/status";
Dir::Cache "{place}/cache";
"""


class Unavailable(Exception):
    """What is needed is not on this machine; the text says what."""


@dataclass(frozen=True)
class Machine:
    """An emulated machine: Debian's name of its architecture, its kernel, how to start it."""
    debian: str
    kernel: str  # a package that depends on the newest kernel
    compiler: str  # of its first program
    console: str
    qemu: tuple
    output: tuple = ("-serial", "file:{}")


@dataclass(frozen=True)
class Abi:
    """What programs are made for: `loader` is what they name, `libraries` where its system has
    them, as Fedora does."""
    triplet: str
    machine: str
    loader: str
    libraries: str


# The slowest first.
MACHINES = {
    "ppc64le": Machine("ppc64el", "linux-image-powerpc64le", "powerpc64le-linux-gnu", "hvc0",
                       ("qemu-system-ppc64", "-machine", "pseries,cap-cfpc=broken,cap-sbbc=broken,"
                        "cap-ibs=broken", "-cpu", "power9")),
    "aarch64": Machine("arm64", "linux-image-cloud-arm64", "aarch64-linux-gnu", "ttyAMA0",
                       ("qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a57")),
    "s390x": Machine("s390x", "linux-image-s390x", "s390x-linux-gnu", "ttysclp0",
                     ("qemu-system-s390x", "-machine", "s390-ccw-virtio"),
                     ("-chardev", "file,id=out,path={}", "-device", "sclpconsole,chardev=out")),
}

ABIS = {
    "aarch64": Abi("aarch64-linux-gnu", "aarch64", "lib/ld-linux-aarch64.so.1", "usr/lib64"),
    "armhfp": Abi("arm-linux-gnueabihf", "aarch64", "lib/ld-linux-armhf.so.3", "usr/lib"),
    "ppc64le": Abi("powerpc64le-linux-gnu", "ppc64le", "lib64/ld64.so.2", "usr/lib64"),
    "s390x": Abi("s390x-linux-gnu", "s390x", "lib/ld64.so.1", "usr/lib64"),
    "i386": Abi("i686-linux-gnu", "x86_64", "lib/ld-linux.so.2", "usr/lib"),
}


def run(*words, **how):
    """What a tool prints that is there and has to succeed."""
    done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True,
                          **how)
    assert done.returncode == 0, f"{words[0]} failed: {done.stderr.strip() or done.stdout}"
    return done.stdout


def require(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed")


# --- Programs --------------------------------------------------------------------------------------

class Program:
    """parcel.c and its library for one ABI, stripped, with their debug information beside them, in a
    directory `root` that looks like their system: the program is at `path` there. One that is to run
    on this machine, where it is, names its loader and libraries below `root`."""

    def __init__(self, root, arch, at, is_native=False):
        self.root, self.arch, self.abi = Path(root), arch, ABIS[arch]
        self.prefix = str(root) if is_native else ""
        self.path = f"{self.prefix}{at}/parcel"
        require(self._tool("gcc"), self._tool("objcopy"), self._tool("strip"))
        self._find("crt1.o")
        self._build(self.root / at.lstrip("/"), at)
        self._add_system()

    def _tool(self, name):
        return f"{self.abi.triplet}-{name}"

    def _compile(self, *words):
        run(self._tool("gcc"), "-g", "-O0", f"-ffile-prefix-map={SOURCES}/=", "-Wl,--build-id",
            *words)

    def _build(self, directory, at):
        directory.mkdir(parents=True)
        library, program = directory / "libparcel.so.1.2", directory / "parcel"
        self._compile("-shared", "-fPIC", "-Wl,-soname,libparcel.so.1", "-o", library,
                      SOURCES / "libparcel.c")
        (directory / "libparcel.so.1").symlink_to(library.name)
        here = [f"-Wl,--dynamic-linker={self.prefix}/{self.abi.loader}"] if self.prefix else []
        self._compile("-pthread", *here,
                      f"-Wl,-rpath,{self.prefix}{at}:{self.prefix}/{self.abi.libraries}",
                      "-o", program, SOURCES / "parcel.c", library)
        for file in (library, program):
            self._split(file)

    def _split(self, file):
        debug = f"{file.name}.debug"
        run(self._tool("objcopy"), "--only-keep-debug", file.name, debug, cwd=file.parent)
        run(self._tool("strip"), "--strip-all", file)
        run(self._tool("objcopy"), f"--add-gnu-debuglink={debug}", file.name, cwd=file.parent)

    def _add_system(self):
        """The C library and the loader of the cross compiler; /lib is a link, as everywhere today."""
        for name in ("lib", "lib64"):
            (self.root / "usr" / name).mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(self.root / name):
                (self.root / name).symlink_to(f"usr/{name}")
        libraries = self.root / self.abi.libraries
        for name in (Path(self.abi.loader).name, "libc.so.6", "libgcc_s.so.1"):
            shutil.copy2(self._find(name), libraries / name)
        loader = self.root / self.abi.loader
        if not loader.exists():
            loader.symlink_to(os.path.relpath(libraries / loader.name, loader.parent.resolve()))

    def _find(self, name):
        found = run(self._tool("gcc"), f"-print-file-name={name}").strip()
        if not Path(found).is_file():
            raise Unavailable(f"there is no {name} for {self.abi.triplet}")
        return found

    def add_kinds(self):
        """data/kinds.c as well, linked statically; returns its path."""
        path = self.path.removesuffix("parcel") + "kinds"
        self._compile("-static", "-w", "-fstack-protector-all", "-o", self.root / path.lstrip("/"),
                      SOURCES.parent / "kinds.c")
        return path

    def files(self):
        """Those that its cores need, debug information among them; no links."""
        here = self.root / self.path.removeprefix(self.prefix).lstrip("/")
        return [path for place in (here.parent, self.root / self.abi.libraries)
                for path in place.iterdir() if path.is_file() and not path.is_symlink()]

    def build_ids(self):
        """Of the program, its library and the C library."""
        program = self.root / self.path.removeprefix(self.prefix).lstrip("/")
        return [crash.build_id(file) for file in
                (program, program.with_name("libparcel.so.1.2"),
                 self.root / self.abi.libraries / "libc.so.6")]


# --- The kernel ------------------------------------------------------------------------------------

def fetch_kernel(machine):
    """The path of the kernel, which is fetched once, whoever asks at the same time."""
    place = TREE / "build" / "tests" / "guests" / machine.debian
    kernel = place / "kernel"
    if kernel.exists():
        return kernel
    require("apt-get", "apt-cache", "dpkg-deb")
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = open(place / "lock", "w", encoding="ascii")
    except PermissionError as error:
        raise Unavailable(f"no place for a kernel: {error}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kernel.exists():
            unpack_kernel(place, download_kernel(place, machine)).rename(kernel)
            for name in ("state", "cache"):
                shutil.rmtree(place / name)
    return kernel


def ask_apt(place, *words):
    """What apt-get or apt-cache says that looks at nothing but `place` and the archive."""
    environment = {**os.environ, "APT_CONFIG": str(place / "apt.conf")}
    try:
        return subprocess.run(words, check=False, capture_output=True, text=True, cwd=place,
                              env=environment, timeout=FETCH_S)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{' '.join(words)} has not ended in {FETCH_S} s") from error


def download_kernel(place, machine):
    for name in ("state/lists/partial", "cache/archives/partial"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "status").touch()
    (place / "apt.conf").write_text(
        APT_CONF.format(arch=machine.debian, place=place,
                        user="root" if os.geteuid() == 0 else ""), encoding="ascii")
    # A mirror that is just being renewed lacks some lists: what counts is whether ours has the kernel.
    ask_apt(place, "apt-get", "-qq", "update")
    depends = ask_apt(place, "apt-cache", "depends", "--important", machine.kernel).stdout
    names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
    if not names:
        raise Unavailable(f"the archive of {machine.debian} cannot be reached, or has no "
                          f"{machine.kernel}")
    said = ask_apt(place, "apt-get", "-qq", "download", names[0])
    if said.returncode != 0:
        raise Unavailable(f"{names[0]} cannot be fetched: {said.stderr.strip()}")
    return max(place.glob("*.deb"), key=lambda path: path.stat().st_mtime)


def unpack_kernel(place, package):
    """Debian calls it vmlinuz or vmlinux."""
    tree = place / "package"
    shutil.rmtree(tree, ignore_errors=True)
    run("dpkg-deb", "-x", package, tree)
    kernel, = tree.glob("boot/vmlinu*")
    new = kernel.rename(place / "kernel.new")
    shutil.rmtree(tree)
    package.unlink()
    return new


# --- The machine -----------------------------------------------------------------------------------

def cpio_entry(number, name, mode, content=b"", device=(0, 0)):
    """cpio(5), "new ASCII format", which the kernel takes for an initrd."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def make_initrd(root):
    entries = [("dev", stat.S_IFDIR | 0o755, b"", (0, 0)),
               ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1))]
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        content = (os.readlink(path).encode() if path.is_symlink()
                   else path.read_bytes() if path.is_file() else b"")
        entries.append((str(path.relative_to(root)), info.st_mode, content, (0, 0)))
    packed = [cpio_entry(number, *entry) for number, entry in enumerate(entries, 1)]
    return b"".join([*packed, cpio_entry(0, "TRAILER!!!", 0)])


def read_cores(console):
    """Cores by what was run, out of what the machine has said."""
    cores, name, core = {}, None, None
    for line in console.splitlines():
        word, *rest = line.strip().split(" ")
        if word == "@core":
            assert int(rest[-1]) <= MAX_CORE, line
            name, core = " ".join(rest[:-1]), bytearray(int(rest[-1]))
        elif word == "@end":
            assert zlib.adler32(core) == int(rest[0], 16), f"the core of {name} came damaged"
            cores[name], core = bytes(core), None
        elif word.startswith("@") and core is not None and len(rest) == 1:
            offset, chunk = int(word[1:], 16), base64.b64decode(rest[0])
            end = min(offset + len(chunk), len(core))
            core[offset:end] = chunk[:end - offset]
    return cores


def boot(place, root, machine, lines):
    """Run what `lines` say, each a path below `root` and an argument, in a machine; returns the cores
    by lines."""
    require(machine.qemu[0], f"{machine.compiler}-gcc")
    kernel = fetch_kernel(machine)
    run(f"{machine.compiler}-gcc", "-O1", "-static", "-o", root / "init", SOURCES / "init.c")
    (root / "programs").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    initrd, console = place / "initrd", place / "console"
    initrd.write_bytes(make_initrd(root))
    start = time.monotonic()
    run(*machine.qemu, "-m", "512", "-accel", "tcg", "-nodefaults", "-nographic", "-no-reboot",
        "-kernel", kernel, "-initrd", initrd, "-append", f"console={machine.console} quiet panic=-1",
        *(word.format(console) for word in machine.output), timeout=BOOT_S)
    print(f"{len(lines)} cores of {machine.debian}: {time.monotonic() - start:.1f} s")
    cores = read_cores(console.read_text(encoding="ascii", errors="replace"))
    assert list(cores) == lines, f"the machine made cores of {list(cores)} only"
    return cores
