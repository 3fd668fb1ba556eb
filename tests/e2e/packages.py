# SPDX-License-Identifier: Apache-2.0
"""A program with threads and a plugin, packaged as Fedora does: two versions, each with packages of
debug information that share a dwz file, signed with keys made here. Debian's rpmbuild makes no
-debuginfo packages, so that they are laid out by hand."""
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import crash

ARCH = platform.machine()
RELEASE = f"fedora-36-{ARCH}"
PACKAGES = ("will-crash", "will-crash-plugin", "will-crash-debuginfo",
            "will-crash-plugin-debuginfo")

PROGRAM = """#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
struct job { int number; const char *name; };
typedef int (*boom_fn)(const struct job *job, int depth);
static void *idle(void *data) { pthread_barrier_wait(data); for (;;) { pause(); } return NULL; }
static int load_and_run(const char *path, const struct job *job)
{
    void *plugin = dlopen(path, RTLD_NOW);
    boom_fn boom = plugin ? (boom_fn)dlsym(plugin, "boom") : NULL;
    int depth = 3 + VERSION;
    return boom ? boom(job, depth) : 1;
}
int main(int argc, char *argv[])
{
    struct job job = { 40 + VERSION, "the job" };
    pthread_t threads[3];
    pthread_barrier_t all;
    pthread_barrier_init(&all, NULL, 4);
    for (int i = 0; i < 3; i++) { pthread_create(&threads[i], NULL, idle, &all); }
    pthread_barrier_wait(&all);
    return argc > 1 ? load_and_run(argv[1], &job) : 0;
}
"""
PLUGIN = """#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
struct job { int number; const char *name; };
static int fall_VERSION(const struct job *job, int left)
{
    int step = left * 10;
    if (left == 0) { return *(volatile int *)(long)step; }
    return fall_VERSION(job, left - 1) + job->number;
}
int boom(const struct job *job, int depth) { return fall_VERSION(job, depth) + 1; }
"""
SPEC = """%define debug_package %{{nil}}
%define _build_id_links none
%define __os_install_post %{{nil}}
%define _binary_payload {payload}
Name: will-crash
Version: {version}
Release: 1.fc36
Summary: A program that crashes
License: Apache-2.0
AutoReqProv: no
%description
It crashes.
{packages}
%files
{main}
"""
SUBPACKAGE = """%package -n {name}
Summary: Part of it
%description -n {name}
Part of it.
%files -n {name}
{files}
"""


TINY = """Name: {name}
Version: {version}
Release: {release}
{epoch}Summary: Nothing
License: Apache-2.0
AutoReqProv: no
%description
Nothing is in it.
%files
"""


class Keys:
    """Keys that packages are signed with, in a keyring of their own."""

    def __init__(self, place):
        self.home = Path(place)
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.environment = {**os.environ, "GNUPGHOME": str(self.home)}

    def _gpg(self, *arguments, **how):
        return subprocess.run(["gpg", "--batch", "--quiet", "--passphrase", "", *arguments],
                              env=self.environment, check=True, capture_output=True, **how).stdout

    def make(self, name, *how, lifetime="never"):
        """Returns the armored public key. @param how  more options of gpg"""
        self._gpg(*how, "--quick-generate-key", f"{name}@example.com", "rsa2048", "sign", lifetime)
        return self.public(name)

    def public(self, name):
        return self._gpg("--armor", "--export", f"{name}@example.com")

    def _fingerprint(self, name):
        listed = self._gpg("--list-keys", "--with-colons", f"{name}@example.com").decode()
        return re.search(r"^fpr:+(\w+):", listed, re.M).group(1)

    def expire(self, name, *how):
        """@param how  options of gpg, which say when this is done, then the new lifetime"""
        self._gpg(*how[:-1], "--quick-set-expire", self._fingerprint(name), how[-1])
        return self.public(name)

    def revoke(self, name):
        """By the certificate that gpg makes beside each key; it is made useless by a colon."""
        certificate = self.home / "openpgp-revocs.d" / f"{self._fingerprint(name)}.rev"
        self._gpg("--import", input=certificate.read_bytes().replace(b":-----", b"-----"))
        return self.public(name)

    def make_with_subkey(self, name):
        """The key itself only certifies, its subkey signs."""
        self._gpg("--quick-generate-key", f"{name}@example.com", "rsa2048", "cert", "never")
        self._gpg("--quick-add-key", self._fingerprint(name), "rsa2048", "sign", "never")
        return self.public(name)

    def revoke_subkey(self, name):
        """In a dialogue, as it goes only there: yes, for no reason, without a comment, yes."""
        subprocess.run(["gpg", "--no-tty", "--command-fd", "0", "--status-fd", "2",
                        "--pinentry-mode", "loopback", "--passphrase", "", "--edit-key",
                        self._fingerprint(name)], env=self.environment, check=True,
                       capture_output=True, input=b"key 1\nrevkey\ny\n0\n\ny\nsave\n")
        return self.public(name)

    def sign(self, name, *files, how=""):
        """rpmsign ends with 0 even where gpg could not be run, and leaves files unsigned. @param how
        more options of gpg"""
        extra = ["--define", f"_gpg_sign_cmd_extra_args {how}"] if how else []
        subprocess.run(["rpmsign", "--addsign", "--define", "__gpg /usr/bin/gpg", "--define",
                        f"_gpg_path {self.home}", "--define", f"_gpg_name {name}@example.com",
                        *extra, *files], env=self.environment, check=True, capture_output=True)
        for file in files:
            shown = subprocess.run(["rpm", "-qp", "--nosignature", "--qf", "%{RSAHEADER:pgpsig}",
                                    file], check=True, capture_output=True, text=True).stdout
            assert "Key ID" in shown, f"{file} is not signed: {shown}"

    def close(self):
        subprocess.run(["gpgconf", "--kill", "all"], env=self.environment, check=False)


class Build:
    """One version of the program: its files below `root`, and its packages."""

    def __init__(self, place, version):
        self.place, self.version = Path(place), version
        self.root = self.place / "root"
        self.program = self.root / "usr/bin/will_crash"
        self.plugin = self.root / "usr/lib64/plugin-boom.so"
        self.ids = {}
        for directory in (self.program.parent, self.plugin.parent):
            directory.mkdir(parents=True)
        self._compile(PROGRAM, self.program, "-pthread")
        self._compile(PLUGIN, self.plugin, "-shared", "-fPIC")
        self.core = crash.core_of(self.program, self.plugin)
        self.debug = [self._split(file) for file in (self.program, self.plugin)]
        self.dwz = self._share()
        self.packages = self.package()

    def _compile(self, source, target, *how):
        file = self.place / f"{target.stem}.c"
        file.write_text(source.replace("VERSION", self.version.replace("1.", "")), encoding="ascii")
        subprocess.run(["cc", "-g", "-O0", "-Wl,--build-id", *how, "-o", target, file], check=True)
        self.ids[target.name] = crash.build_id(target)

    def _split(self, file):
        debug = self.root / "usr/lib/debug" / f"{file.relative_to(self.root)}.debug"
        debug.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["objcopy", "--only-keep-debug", file, debug], check=True)
        subprocess.run(["strip", "--strip-all", file], check=True)
        build_id = self.ids[file.name]
        self._link(f"usr/lib/.build-id/{build_id[:2]}/{build_id[2:]}", file)
        self._link(f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug", debug)
        return debug

    def _link(self, name, target):
        link = self.root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))

    def _share(self):
        """What both files of debug information have in common goes into a third one."""
        dwz = self.root / f"usr/lib/debug/.dwz/will-crash-{self.version}-1.fc36.{ARCH}"
        dwz.parent.mkdir()
        subprocess.run(["dwz", "-m", dwz, "-r", *self.debug], check=True,
                       capture_output=True)
        altlink = subprocess.run(["readelf", "-p", ".gnu_debugaltlink", self.debug[1]],
                                 check=True, capture_output=True).stdout
        assert dwz.name.encode() in altlink
        return dwz

    def files(self, package):
        """Paths of what a package holds."""
        program, plugin = self.debug
        own = {"will-crash": [self.program], "will-crash-plugin": [self.plugin],
               "will-crash-debuginfo": [program, self.dwz],
               "will-crash-plugin-debuginfo": [plugin]}[package]
        links = [path for path in self.root.rglob("*")
                 if path.is_symlink() and path.resolve() in own]
        return "\n".join(f"/{path.relative_to(self.root)}" for path in own + links)

    def package(self, name="top", is_split=True, payload="w3.zstdio"):
        """Returns the packages by their names; the first one has all files if it is not split."""
        top = self.place / name
        top.mkdir()
        names = PACKAGES if is_split else PACKAGES[:1]
        main = "\n".join(self.files(part) for part in (names[:1] if is_split else PACKAGES))
        parts = [SUBPACKAGE.format(name=part, files=self.files(part)) for part in names[1:]]
        spec = top / "will-crash.spec"
        spec.write_text(SPEC.format(version=self.version, payload=payload,
                                    packages="".join(parts), main=main),
                        encoding="ascii")
        buildroot = top / "buildroot"
        shutil.copytree(self.root, buildroot, symlinks=True)
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--noclean", "--define", f"_topdir {top}",
                        "--buildroot", buildroot, spec], check=True, capture_output=True)
        return {name: top / "RPMS" / ARCH / f"{name}-{self.version}-1.fc36.{ARCH}.rpm"
                for name in names}

    def members(self):
        return {**crash.members_of(self.core, self.program),
                "package": f"will-crash-{self.version}-1.fc36".encode()}


def tiny(place, name, version, release, epoch=None, arch=ARCH):
    """A package without files."""
    top = Path(place) / f"{name}-{version}-{release}.{arch}"
    top.mkdir(parents=True)
    spec = top / "tiny.spec"
    spec.write_text(TINY.format(name=name, version=version, release=release,
                                epoch="" if epoch is None else f"Epoch: {epoch}\n"),
                    encoding="ascii")
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--target", arch, "--define", f"_topdir {top}",
                    "--buildroot", top / "buildroot", spec], check=True, capture_output=True)
    return top / "RPMS" / arch / f"{name}-{version}-{release}.{arch}.rpm"


def package_tree(place, root, arch, files):
    """One package of any architecture, with these files of `root` and links to them by build-id: of
    debug information for those named *.debug. Returns its path."""
    buildroot, top = place / "buildroot", place / "top"
    names = [path.relative_to(root) for path in files]
    for name in names:
        (buildroot / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, buildroot / name)
        build_id = crash.build_id(root / name)
        link = (Path("usr/lib/debug/.build-id", build_id[:2], f"{build_id[2:]}.debug")
                if name.suffix == ".debug" else
                Path("usr/lib/.build-id", build_id[:2], build_id[2:]))
        (buildroot / link).parent.mkdir(parents=True, exist_ok=True)
        (buildroot / link).symlink_to(os.path.relpath(buildroot / name, (buildroot / link).parent))
    spec = place / "will-crash.spec"
    links = [path.relative_to(buildroot) for path in buildroot.rglob("*") if path.is_symlink()]
    spec.write_text(SPEC.format(version="1.0", payload="w3.zstdio", packages="",
                                main="\n".join(f"/{name}" for name in names + links)),
                    encoding="ascii")
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--noclean", "--target", f"{arch}-linux",
                    "--define", f"_topdir {top}", "--buildroot", buildroot, spec], check=True,
                   capture_output=True)
    return top / "RPMS" / arch / f"will-crash-1.0-1.fc36.{arch}.rpm"


def missing(log):
    return [line for line in log.splitlines() if "Not found: " in line]


def unused(log):
    """Of packages that are not used: what is told about them, by the package's name."""
    return dict(re.findall(r"Package (\S+\.rpm) is not used: (.*)", log))


def unpacked(log):
    """How many files came out of which package."""
    return re.findall(r"(\d) files out of package \S+/(\S+?)-\d[^-/]*-1", log)


def add_metadata(repository):
    subprocess.run(["createrepo_c", "--quiet", repository], check=True, capture_output=True)
