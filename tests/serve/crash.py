# SPDX-License-Identifier: Apache-2.0
"""Making programs crash for real, and packing what is left as ABRT does."""
import io
import lzma
import os
import resource
import subprocess
import tarfile
import tempfile
from pathlib import Path

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


def build_split(source, directory, name):
    """Compile with debug information, then split it: a stripped program and `<name>.debug`."""
    program = Path(directory) / name
    debug = program.with_suffix(".debug")
    prefix = f"-ffile-prefix-map={Path(source).parent}/="
    subprocess.run(["cc", "-g", "-O0", prefix, "-pthread", "-Wl,--build-id", "-o", program, source],
                   check=True)
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "--strip-all", program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug.name}", program.name],
                   check=True, cwd=directory)
    return program


def kernel_writes_here():
    """Does the kernel put a core into the working directory, or hand it to another program?"""
    pattern = CORE_PATTERN.read_text(encoding="ascii").strip()
    return not pattern.startswith("|") and "/" not in pattern


def crash(arguments, directory):
    """Run a program until it dies; returns the path of its core, in a directory of its own."""
    place = Path(tempfile.mkdtemp(prefix="core-", dir=directory))
    if not kernel_writes_here():
        return crash_in_gdb(arguments, place)
    subprocess.run(arguments, cwd=place, preexec_fn=allow_cores, check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cores = list(place.iterdir())
    if len(cores) != 1:
        raise RuntimeError(f"{arguments[0]} left no core in {place}")
    return cores[0]


def allow_cores():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def crash_in_gdb(arguments, directory):
    """Where another program takes the kernel's cores, gdb writes one at the moment of the crash."""
    core = directory / "core.gdb"
    subprocess.run(["gdb", "-q", "-nx", "-batch", "-ex", "run", "-ex",
                    f"generate-core-file {core}", "--args", *map(str, arguments)],
                   cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return core


def pack(core, executable, package):
    """An upload as ABRT makes it: tar of the crash's files, `xz -2`."""
    members = {"executable": str(executable), "package": package, "os_release": os_release()}
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(core, arcname="coredump", filter=as_abrt)
        for name, text in members.items():
            info = as_abrt(tarfile.TarInfo(name))
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return lzma.compress(plain.getvalue(), preset=2)


def as_abrt(info):
    info.mode, info.uid, info.gid, info.uname, info.gname = 0o640, 0, 173, "root", "abrt"
    return info


def os_release():
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return os.uname().sysname
