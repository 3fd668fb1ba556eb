# SPDX-License-Identifier: Apache-2.0
"""Small programs that crash for real, their cores, and uploads as ABRT and others pack them."""
import gzip
import io
import lzma
import subprocess
import tarfile
from pathlib import Path

from serve.crash import as_abrt, crash

XZ = "application/x-xz-compressed-tar"
TAR = "application/x-tar"
CORE = "application/x-coredump"

# Without a C library: a core of some ten KB, and little work for gdb.
TINY = """static long {inner}(const long *address) {{ return *address; }}
static long {outer}(int depth) {{ return depth > 0 ? {outer}(depth - 1) : {inner}(0); }}
void _start(void) {{ {outer}(2); }}
"""


def build(directory, name="tiny", inner="read_null", outer="walk_down"):
    """Compile a tiny program whose crash happens in `inner`, called by `outer`."""
    directory = Path(directory)
    directory.mkdir(mode=0o755, exist_ok=True)
    source = directory / f"{name}.c"
    program = directory / name
    source.write_text(TINY.format(inner=inner, outer=outer), encoding="ascii")
    subprocess.run(["cc", "-g", "-O0", "-static", "-nostdlib", "-fno-stack-protector", "-no-pie",
                    "-Wl,--build-id", "-o", program, source], check=True)
    return program


def split(program):
    """Take the debug information out of a program, into `<program>.debug`."""
    debug = program.with_suffix(".debug")
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "--strip-all", program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug.name}", program.name], check=True,
                   cwd=program.parent)
    return debug


def build_id(program):
    text = subprocess.run(["readelf", "-n", program], check=True, capture_output=True,
                          text=True).stdout
    return text.split("Build ID:")[1].split()[0]


def core_of(program, *arguments):
    """Let the program crash; returns the content of its core."""
    core = crash([program, *arguments], program.parent)
    content = core.read_bytes()
    core.unlink()
    return content


def members_of(core, executable):
    """What ABRT sends of a crash, in its order."""
    return {"coredump": core, "executable": str(executable).encode(), "package": b"tiny-1.0-1",
            "os_release": b"Fedora release 36 (Thirty Six)"}


def tar(members, *entries):
    """A tar of regular files {name: content}, then of `entries`: TarInfo without content."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            info = as_abrt(tarfile.TarInfo(name))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in entries:
            archive.addfile(info)
    return plain.getvalue()


def symlink(name, target):
    info = as_abrt(tarfile.TarInfo(name))
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def xz(plain):
    return lzma.compress(plain, preset=2)


def gz(plain):
    return gzip.compress(plain, 1)


def zst(plain):
    return pack("zstd", plain)


def lz4(plain):
    return pack("lz4", plain)


def pack(program, plain):
    return subprocess.run([program, "-q", "-1", "-c"], input=plain, stdout=subprocess.PIPE,
                          check=True).stdout
