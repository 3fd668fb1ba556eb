# SPDX-License-Identifier: Apache-2.0
"""Cores of other architectures: a debugger that knows them reads them, with files of their system,
and there is no chroot and no emulator of it. All cores are real: those of i386 are made by this
machine's kernel, the others by theirs in an emulated machine (guests.py); armhfp is a 32-bit program
on the 64-bit kernel of aarch64."""
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import crash
import guests
import packages
from debuginfod import Debuginfod
from runs import RATINGS, Run, check_agreement, variables

MULTIARCH = "/usr/bin/gdb-multiarch"
FOREIGN = ("aarch64", "armhfp", "ppc64le", "s390x")
# What of data/kinds.c is the same for all: of them divides by zero without a crash who likes.
KINDS = [kind for kind in RATINGS if kind != "d"] + ["f", "o"]
# The instruction that writes the 32 bits of `twice`, and its operands.
STORES = {"i386": r"mov +%\w+,\(%\w+\)", "aarch64": r"str\tw\d+, \[x\d+\]",
          "armhfp": r"str\tr\d+, \[r\d+, #0\]", "ppc64le": r"stw +r\d+,0\(r\d+\)",
          "s390x": r"st\t%r\d+,0\(%r\d+\)"}


class Cores:
    """Programs that crashed, and their cores, by architecture; or why there is none."""

    def __init__(self, place, at):
        self.place, self.at = place, at
        self.programs, self.cores, self.reasons = {}, {}, {}

    def make(self, machine):
        """Cores of all ABIs that this machine runs. Each machine has one directory of files."""
        arches = [arch for arch in FOREIGN if guests.ABIS[arch].machine == machine]
        root = self.place / machine / "root"
        lines = {}
        try:
            for arch in arches:
                program = guests.Program(root, arch, f"{self.at}/{arch}")
                lines[f"{program.path} fragile"] = (arch, "parcel")
                kinds = program.add_kinds()
                lines.update({f"{kinds} {kind}": (arch, kind) for kind in KINDS})
                self.programs[arch] = program
            cores = guests.boot(root.parent, root, guests.MACHINES[machine], list(lines))
        except guests.Unavailable as error:
            self.reasons.update(dict.fromkeys(arches, f"no core of {', '.join(arches)}: {error}"))
            return
        self.cores.update({lines[line]: (core, line.split()[0]) for line, core in cores.items()})

    def members(self, arch, what="parcel"):
        if arch in self.reasons:
            pytest.skip(self.reasons[arch])
        return crash.members_of(*self.cores[(arch, what)])


@pytest.fixture(scope="module")
def cores(farm):
    """Machines run side by side."""
    place = farm.place / "guests"
    place.mkdir(mode=0o755)
    made = Cores(place, str(farm.programs))
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(made.make, guests.MACHINES))
    return made


@pytest.fixture(scope="module")
def debuginfod(cores):
    """Has all files of all these systems."""
    if shutil.which("debuginfod") is None:
        pytest.skip("debuginfod is not installed")
    programs = [cores.programs[arch] for arch in FOREIGN if arch not in cores.reasons]
    if not programs:
        pytest.skip("; ".join(set(cores.reasons.values())))
    none = cores.place / "packages"
    none.mkdir()
    server = Debuginfod(cores.place, none, cores.place)
    try:
        for program in programs:
            binary, library, libc = program.build_ids()
            server.wait_for((binary, "executable"), (binary, "debuginfo"), (library, "executable"),
                            (library, "debuginfo"), (libc, "executable"))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def mixed(farm, debuginfod):
    """A server for all architectures."""
    if not Path(MULTIARCH).exists():
        pytest.skip(f"{MULTIARCH} is not installed")
    return farm.start(f"DebuginfodURLs = {debuginfod.url}\nMaxParallelTasks = 2\n"
                      "MaxQueuedTasks = 100")


@pytest.fixture(scope="module")
def runs(mixed, cores):
    """The result for an architecture, retraced once."""
    done = {}

    def get(arch):
        if arch not in done:
            done[arch] = Run(mixed, cores.members(arch))
        return done[arch]
    return get


@pytest.fixture(scope="module")
def i386(env, farm):
    """Of a program that runs where it is, retraced by the server that has only native cores."""
    try:
        program = guests.Program(farm.programs / "i386", "i386", "/opt", is_native=True)
        core = crash.core_of(Path(program.path), "fragile")
    except guests.Unavailable as error:
        pytest.skip(f"no core of i386: {error}")
    except OSError as error:
        pytest.skip(f"this machine runs no i386 programs: {error}")
    return Run(env, crash.members_of(core, program.path))


def crashed_frames(run):
    thread = next(each for each in run.frames()["threads"] if each["crashed"])
    return [frame for frame in thread["frames"] if frame.get("line")]


def assert_right(run, arch):
    """Functions, lines, arguments and local variables of the library and of both threads."""
    assert f"The core is of {arch}, 2 threads" in run.log, run.log
    for words in (r"#0 .*put_on_scale \(parcel=0x[0-9a-f]+, left=0\) at libparcel.c:20$",
                  r"^ +twice = 42$", r"^ +scale = 0x10$",
                  r"in put_on_scale \(parcel=0x[0-9a-f]+, left=2\) at libparcel.c:18$",
                  r"in parcel_weigh \(parcel=0x[0-9a-f]+, rounds=2\) at libparcel.c:26$",
                  r"in deliver \(data=0x[0-9a-f]+\) at parcel.c:20$", r"^ +rounds = 2$"):
        assert re.search(words, run.text, re.M), (words, run.text)


def assert_other_thread(run):
    for words in (r"in wait_for \(courier=\w+, parcel=0x[0-9a-f]+\) at parcel.c:2[89]$",
                  r"in main \(argc=2, argv=0x[0-9a-f]+\) at parcel.c:39$",
                  r'parcel = \{weight = 21, label = 0x[0-9a-f]+ "fragile", price = 4.5\}'):
        assert re.search(words, run.text, re.M), (words, run.text)


def assert_parts(run):
    """The same once more, as JSON."""
    check_agreement(run)
    frames = crashed_frames(run)
    assert [frame["function"] for frame in frames] == [*["put_on_scale"] * 3, "parcel_weigh",
                                                       "deliver"]
    assert variables(frames[0], "args")["left"] == "0"
    assert variables(frames[0], "locals") == {"scale": "0x10", "twice": "42"}
    assert frames[0]["file"].endswith("libparcel.c") and frames[0]["line"] == 20


def assert_instruction(run, arch):
    assert re.search(rf"^=> 0x[0-9a-f]+ <\+\d+>:\t{STORES[arch]}", run.text, re.M), run.text


def assert_rated(run):
    rating, text = run.rating()
    assert rating == 3 and "wrote through a null pointer" in text


class TestI386:
    def test_710_001_frames(self, i386):
        assert "The debugger is" not in i386.log
        assert_right(i386, "i386")
        assert_other_thread(i386)
        assert_parts(i386)

    def test_710_002_instruction(self, i386):
        assert_instruction(i386, "i386")
        assert re.search(r"^eip +0x[0-9a-f]+", i386.text, re.M), i386.text
        assert_rated(i386)


@pytest.mark.parametrize("arch", FOREIGN)
class TestForeign:
    def test_710_010_frames(self, runs, arch):
        assert f"The debugger is {MULTIARCH}" in runs(arch).log
        assert_right(runs(arch), arch)
        if arch == "armhfp":  # whose C library has nothing to unwind by but debug information
            assert re.search(r"^Thread 2 .*\n#0 .* from /sysroot/usr/lib/libc.so.6$", runs(arch).text,
                             re.M), runs(arch).text
        else:
            assert_other_thread(runs(arch))

    def test_710_011_frames_in_parts(self, runs, arch):
        assert_parts(runs(arch))

    def test_710_012_instruction(self, runs, arch):
        assert_instruction(runs(arch), arch)
        register = {"armhfp": "r7", "ppc64le": "r31", "s390x": "r11"}.get(arch, "x29")
        assert re.search(rf"^{register} +0x[0-9a-f]+", runs(arch).text, re.M), runs(arch).text

    def test_710_013_rating(self, runs, arch):
        assert_rated(runs(arch))

    def test_710_014_process(self, runs, arch):
        """What the notes of each ABI say, in either byte order."""
        run = runs(arch)
        at = "0x0" if arch == "s390x" else "0x10"  # which tells the page only
        for words in (rf"^Architecture {arch}$", r"^Signal +11 \(SIGSEGV\): .*, address " + at + "$",
                      rf"^Command +\S+/{arch}/parcel fragile *$", r"^Process +\d\d$"):
            assert re.search(words, run.text, re.M), (words, run.text)
        frames = run.frames()
        assert frames["fault_address"] == at and frames["signal_name"] == "SIGSEGV"
        assert all(1 < thread["lwp"] < 32768 for thread in frames["threads"])

    def test_710_015_libraries(self, runs, arch):
        """The loader, too, under the name that the program has for it."""
        part = runs(arch).text.split("== Shared libraries")[1].split("\n== ")[0]
        for name in ("libparcel.so.1", "libc.so.6", Path(guests.ABIS[arch].loader).name):
            line = next((each for each in part.splitlines() if name in each), "")
            assert " Yes " in line, (name, part)


@pytest.fixture(scope="module")
def crashes(mixed, cores):
    """Tasks by architecture and kind of crash, submitted all at once."""
    return {key: mixed.client.submit(crash.gz(crash.tar(cores.members(*key))),
                                     content="application/x-gzip")
            for key in cores.cores if key[1] in KINDS}


@pytest.mark.parametrize("arch", FOREIGN)
class TestRating:
    """By what the instructions of each architecture do."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_710_016_of(self, mixed, cores, crashes, arch, kind):
        cores.members(arch, kind)
        rating, text = Run(mixed, task=crashes[(arch, kind)]).rating()
        wanted, words = {"f": (7, "heap's checks"), "o": (2, "stack"), **RATINGS}[kind]
        assert rating == wanted and words in text, text


class TestRepository:
    def test_710_017_of_its_architecture(self, farm, cores):
        """Packages of the crash's release, of its architecture; those of another one lie beside."""
        if not Path(MULTIARCH).exists() or shutil.which("rpmbuild") is None:
            pytest.skip(f"{MULTIARCH} or rpmbuild is not installed")
        members = cores.members("s390x")
        program = cores.programs["s390x"]
        repositories = cores.place / "repositories"
        for arch, files in (("s390x", program.files()), ("x86_64", [Path(shutil.which("true"))])):
            place = repositories / f"fedora-36-{arch}"
            (place / "Packages").mkdir(parents=True)
            (cores.place / arch).mkdir(exist_ok=True)
            root = program.root if arch == "s390x" else Path("/")
            shutil.copy2(packages.package_tree(cores.place / arch, root, arch, files),
                         place / "Packages")
            packages.add_metadata(place)
        env = farm.start(f"RepoDir = {repositories}\nRequireGPGCheck = 0")
        run = Run(env, members)
        assert_right(run, "s390x")
        assert "of package fedora-36-s390x/" in run.log, run.log
        assert "of package fedora-36-x86_64/" not in run.log, run.log
        farm.stop(env)


class TestHostFiles:
    def test_710_020_same_paths(self, cores, mixed):
        """This machine has files of its own architecture where the core says that its files were."""
        members = cores.members("aarch64")
        place = Path(cores.programs["aarch64"].path).parent
        place.mkdir(mode=0o755)
        for name in ("parcel", "libparcel.so.1.2"):
            shutil.copy2(shutil.which("true"), place / name)
        run = Run(mixed, members)
        shutil.rmtree(place)
        assert_right(run, "aarch64")
        assert not re.search(r"Not found: executable", run.log), run.log

    def test_710_021_nothing_else(self, cores, env):
        """Without any file of its system a core still shows where it crashed, by the right debugger,
        and no file of this machine is taken for one of them."""
        if not Path(MULTIARCH).exists():
            pytest.skip(f"{MULTIARCH} is not installed")
        run = Run(env, cores.members("s390x"))
        assert re.search(r"^#0 +0x[0-9a-f]+ in \?\? \(\)", run.text, re.M), run.text
        assert re.search(r"^pc +0x[0-9a-f]+", run.text, re.M), run.text
        assert len(re.findall(r"Not found: executable", run.log)) == 4, run.log
        assert "/sysroot" not in run.text and "put_on_scale" not in run.text


def fail(env, members):
    """The log of a task that must fail."""
    task = env.client.submit(crash.xz(crash.tar(members)))
    assert env.client.wait(task) == "FINISHED_FAILURE", env.client.backtrace(task).text
    return env.client.log(task).text


def knows(gdb, name):
    """Asked in another way than the server does."""
    said = subprocess.run([gdb, "-nx", "-batch", "-ex", f"set architecture {name}"],
                          capture_output=True, text=True, check=False)
    return "Undefined item" not in said.stdout + said.stderr


class TestDebugger:
    """Of a core that GdbPath does not know it would print nonsense."""

    @pytest.fixture(scope="class")
    def native_only(self):
        if knows("/usr/bin/gdb", "aarch64"):
            pytest.skip("this machine's gdb knows all architectures")

    @pytest.mark.parametrize("arch", FOREIGN)
    def test_710_030_missing(self, farm, cores, native_only, arch):
        env = farm.start("GdbMultiarchPath = /nonexistent/gdb")
        log = fail(env, cores.members(arch))
        assert (f"there is no gdb for a core of the architecture {arch}: GdbMultiarchPath "
                "(/nonexistent/gdb) is not there, GdbPath (/usr/bin/gdb) does not know it") in log
        assert "Run gdb" not in log
        farm.stop(env)

    def test_710_031_empty(self, farm, cores, native_only):
        env = farm.start("GdbMultiarchPath =")
        assert "GdbMultiarchPath is empty" in fail(env, cores.members("s390x"))
        farm.stop(env)

    def test_710_032_the_only_one_knows_all(self, farm, cores, debuginfod):
        """As where the distribution's gdb is built for all architectures."""
        if not Path(MULTIARCH).exists():
            pytest.skip(f"{MULTIARCH} is not installed")
        env = farm.start(f"GdbMultiarchPath =\nGdbPath = {MULTIARCH}\n"
                         f"DebuginfodURLs = {debuginfod.url}")
        assert_right(Run(env, cores.members("s390x")), "s390x")
        farm.stop(env)

    def test_710_033_native_core_needs_no_other(self, farm, program, members):
        env = farm.start("GdbMultiarchPath = /nonexistent/gdb")
        assert "in read_null (address=0x0)" in Run(env, members).text
        farm.stop(env)

    def test_710_034_false_machine(self, env, members):
        """A core of this machine that says it were another one's: the task ends, whatever of it."""
        core = bytearray(members["coredump"])
        core[18:20] = (183).to_bytes(2, "little")  # e_machine: EM_AARCH64
        task = env.client.submit(crash.xz(crash.tar({**members, "coredump": bytes(core)})))
        assert env.client.wait(task) in ("FINISHED_SUCCESS", "FINISHED_FAILURE")
        assert "The core is of aarch64" in env.client.log(task).text
