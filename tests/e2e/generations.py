# SPDX-License-Identifier: Apache-2.0
"""The clients that are out there: what each generation of ABRT's `abrt-retrace-client batch` knows,
asks and believes. How it speaks is in transports.py.

A client is a generation, a transport and a directory with a crash."""
import re
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import crash
from transports import Fatal

DELAY_S = 0.05  # between two polls; the clients' 10 s
TASK_S = 60     # no client gives up; a test does
MIB = 1024 * 1024
MAX_FORMATS = 16
MAX_RELEASES = 32
REQUIRED = ("coredump", "executable", "package", "os_release")
OPTIONAL = ("rootdir", "os_release_in_rootdir")
TASK_RETRACE, TASK_VMCORE = 0, 2


# --- What each of them knows ----------------------------------------------------------------------

@dataclass(frozen=True)
class System:
    """Where the crash happened, as the client tells it."""
    release: str  # the id that the client makes of it
    text: str     # the file os_release
    arch: str = "x86_64"


FEDORA_15 = System("fedora-15-x86_64", "Fedora release 15 (Lovelock)")
FEDORA_17 = System("fedora-17-i386", "Fedora release 17 (Beefy Miracle)", "i686")
FEDORA_28 = System("fedora-28-x86_64", "Fedora release 28 (Twenty Eight)")
FEDORA_36 = System("fedora-36-x86_64", "Fedora Linux 36 (Thirty Six)")
RAWHIDE = System("fedora-rawhide-x86_64", "Fedora Linux 37 (Rawhide Prerelease)")
RHEL_6 = System("rhel-6.10-x86_64", "Red Hat Enterprise Linux Server release 6.10 (Santiago)")
RHEL_7 = System("rhel-7.9-x86_64", "Red Hat Enterprise Linux Server release 7.9 (Maipo)")
RHEL_8 = System("rhel-8.4-x86_64", "Red Hat Enterprise Linux release 8.4 (Ootpa)")
CENTOS_7 = System("centos-7-x86_64", "CentOS Linux release 7.9.2009 (Core)")
RHEL_8_BY_BUGZILLA = System("Red Hat Enterprise Linux 8-8.4-x86_64", RHEL_8.text)


@dataclass(frozen=True)
class Generation:
    version: str
    transport: str  # nss, soup2, soup3
    system: System
    knows: frozenset
    package: str

    def __str__(self):
        return self.version

    def on(self, system):
        return replace(self, system=system)

    @property
    def is_nss(self):
        return self.transport == "nss"

    @property
    def bits(self):
        """Width of the numbers of /settings."""
        return 64 if "wide" in self.knows else 32


# What each version has learned, and unlearned, since the one before:
# settings   GET /settings first; room and sizes are looked at before anything is sent
# message    prints the body of a status, which must not be empty
# explains   prints the body of 500 and 507
# language   Accept-Charset and Accept-Language
# lists      formats and releases must be among those of /settings
# type       X-Task-Type; can send a vmcore
# package    GET /checkpackage; sends what tells of a root directory
# rating     GET /<id>/exploitable
# locale     Accept-Language is all of the locale
# wide       sizes have 64 bits
# slashes    joins base and path with one slash too many
# epoch      behind the name of a package, not before it
HISTORY = (
    ("2.0.0", "nss", FEDORA_15, ""),
    ("2.0.1", "nss", FEDORA_15, "settings message"),
    ("2.0.2", "nss", FEDORA_15, "explains"),
    ("2.0.3", "nss", FEDORA_15, "language"),
    ("2.0.4.980", "nss", FEDORA_15, "lists"),
    ("2.0.8", "nss", RHEL_6, "type"),
    ("2.0.11", "nss", FEDORA_17, "package"),
    ("2.1.4", "nss", CENTOS_7, ""),
    ("2.1.8", "nss", RHEL_7, "rating locale"),
    ("2.6.3", "nss", FEDORA_28, "wide"),
    ("2.10.9", "nss", RHEL_8, ""),
    ("2.11.1", "soup2", FEDORA_28, "slashes"),
    ("2.12.1", "soup2", FEDORA_36, "-slashes"),
    ("2.14.3", "soup2", FEDORA_36, "epoch"),
    ("2.15-dev", "soup3", RAWHIDE, ""),
)


def _tell(history):
    knows = set()
    for version, transport, system, news in history:
        knows |= {word for word in news.split() if word[0] != "-"}
        knows -= {word[1:] for word in news.split() if word[0] == "-"}
        package = "tiny-2:1.0-1" if "epoch" in knows else "2:tiny-1.0-1"
        yield Generation(version, transport, system, frozenset(knows), package)


GENERATIONS = tuple(_tell(HISTORY))


def knowing(*words):
    return [generation for generation in GENERATIONS if set(words) <= generation.knows]


def generation_of(version):
    (found,) = [generation for generation in GENERATIONS if generation.version == version]
    return found


# --- A directory with a crash ---------------------------------------------------------------------

def write_crash(directory, generation, members, **others):
    """As abrtd leaves it, with things that are not sent. @param others  instead of what is usual"""
    text = generation.system.text.encode()
    files = {**members, "package": generation.package.encode(), "os_release": text,
             "architecture": generation.system.arch.encode(), "uid": b"1000", "count": b"1"}
    if "package" in generation.knows:
        files |= {"rootdir": b"/", "os_release_in_rootdir": text}
    directory.mkdir()
    for name, content in {**files, **others}.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o640)
    return directory


def pack(directory, names):
    """`tar cO --directory=… names | xz -2 -`, with the programs that the clients run."""
    tar = subprocess.Popen(["tar", "cO", f"--directory={directory}", *names],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    packed = subprocess.run(["xz", "-2", "-"], stdin=tar.stdout, stdout=subprocess.PIPE,
                            check=True).stdout
    tar.stdout.close()
    assert tar.wait() == 0
    return packed


# --- What they do ---------------------------------------------------------------------------------

@dataclass
class Outcome:
    exit_code: int
    messages: list = field(default_factory=list)  # of the task's status
    backtrace: str = None
    rating: int = None                            # how exploitable; None when nothing is told
    log: str = None


def atoi(text):
    number = re.match(r"\s*[+-]?\d+", text)
    return int(number.group()) if number else 0


def megabytes(text, bits):
    """In bytes, as an integer of so many bits has it."""
    half = 1 << (bits - 1)
    return (atoi(text) * MIB + half) % (2 * half) - half


def parse_settings(text, bits):
    """The last place of a list holds all that is left of its line."""
    readers = {"running_tasks": atoi, "max_running_tasks": atoi,
               "max_packed_size": lambda value: megabytes(value, bits),
               "max_unpacked_size": lambda value: megabytes(value, bits),
               "supported_formats": lambda value: value.split(" ", MAX_FORMATS - 1),
               "supported_releases": lambda value: value.split(" ", MAX_RELEASES - 1)}
    settings = {key: readers[key]("") for key in readers}
    for row in text.split("\n"):
        key, blank, value = row.partition(" ")
        if blank and key.lower() in readers:
            settings[key.lower()] = readers[key.lower()](value)
    return settings


class Batch:
    """`abrt-retrace-client batch --dir …`"""

    def __init__(self, generation, transport, directory):
        self.generation, self.transport, self.directory = generation, transport, Path(directory)
        self.knows = generation.knows
        self.type = TASK_RETRACE
        if "type" in self.knows and (self.directory / "vmcore").exists():
            self.type = TASK_VMCORE

    def run(self):
        limits = self._look_around() if "settings" in self.knows else None
        archive = pack(self.directory, self._names())
        if limits and len(archive) > limits["max_packed_size"]:
            raise Fatal(f"The size of your archive is {len(archive)}, but the retrace server only "
                        f"accepts archives smaller or equal to {limits['max_packed_size']}.")
        self._create(archive)
        if self.transport.broke_off:
            return Outcome(1)
        return self._follow()

    def _names(self):
        if self.type == TASK_VMCORE:
            return ["vmcore"]
        wanted = REQUIRED + (OPTIONAL if "package" in self.knows else ())
        return [name for name in wanted if (self.directory / name).exists()]

    def _expect(self, answer, code=200):
        if answer.code != code:
            raise Fatal(f"Unexpected HTTP response from server: {answer.code}\n{answer.body}")
        return answer

    def _expect_body(self, answer):
        if not self._expect(answer).body:
            raise Fatal(f"{answer.path} has an empty body")
        return answer.body

    def _look_around(self):
        text = self._expect_body(self.transport.ask("GET", "/settings"))
        settings = parse_settings(text, self.generation.bits)
        if settings["running_tasks"] >= settings["max_running_tasks"]:
            raise Fatal("The server is fully occupied. Try again later.")
        size = sum((self.directory / name).stat().st_size for name in self._names())
        if size > settings["max_unpacked_size"]:
            raise Fatal(f"The size of your crash is {size}, but the retrace server only accepts "
                        f"crashes smaller or equal to {settings['max_unpacked_size']}.")
        if "lists" in self.knows:
            self._check_lists(settings)
        if "package" in self.knows and self.type != TASK_VMCORE:
            self._check_package()
        return settings

    def _check_lists(self, settings):
        release = self.generation.system.release
        if crash.XZ not in settings["supported_formats"]:
            raise Fatal("The server does not support xz-compressed tarballs.")
        if self.type != TASK_VMCORE and release not in settings["supported_releases"]:
            raise Fatal(f"The release '{release}' is not supported by the Retrace server.")

    def _check_package(self):
        package, arch = ((self.directory / name).read_text(encoding="utf-8")
                         for name in ("package", "architecture"))
        answer = self.transport.ask("GET", "/checkpackage", [
            ("X-Package-NVR", package), ("X-Package-Arch", arch),
            ("X-OS-Release", self.generation.system.release)])
        if answer.code == 404:
            raise Fatal("Unknown package sent to Retrace server.")
        self._expect(answer, 302)

    def _create(self, archive):
        fields = [("Content-Type", crash.XZ)]
        if "type" in self.knows:
            fields.append(("X-Task-Type", self.type))
        answer = self.transport.ask("POST", "/create", fields, archive)
        if "explains" in self.knows and answer.code in (500, 507):
            if self.generation.is_nss and "%" in answer.body:
                raise Fatal("Segmentation fault")  # it is printf's format
            raise Fatal(answer.body)
        if "explains" in self.knows and answer.code == 403:
            raise Fatal("The archive contains malicious files (such as symlinks) and thus can not "
                        "be processed.")
        self._expect(answer, 201)
        self.task = self._need(answer, "X-Task-Id")
        self.password = self._need(answer, "X-Task-Password")

    @staticmethod
    def _need(answer, header):
        if answer.header(header) is None:
            raise Fatal(f"Invalid response from server: missing {header}.")
        return answer.header(header)

    def _get(self, what=""):
        return self.transport.ask("GET", f"/{self.task}{what}",
                                  [("X-Task-Password", self.password)])

    def _poll(self):
        """The state, and the text to it; a sleep comes first."""
        time.sleep(DELAY_S)
        answer = self._expect(self._get())
        message = self._expect_body(answer) if "message" in self.knows else None
        return self._need(answer, "X-Task-Status"), message

    def _follow(self):
        outcome = Outcome(0)
        deadline = time.monotonic() + TASK_S
        state = ""
        while not state.startswith("FINISHED"):
            assert time.monotonic() < deadline, "the task does not end"
            state, message = self._poll()
            outcome.messages.append(message)
        if state == "FINISHED_SUCCESS":
            outcome.backtrace = self._expect_body(self._get("/backtrace"))
            if "rating" in self.knows and self.type == TASK_RETRACE:
                outcome.rating = self.ask_rating()
        else:
            outcome.exit_code = 1
            outcome.log = self._expect_body(self._get("/log"))
        return outcome

    def ask_rating(self):
        """None when the server has none."""
        answer = self._get("/exploitable")
        if answer.code == 404:
            return None
        number = re.search(r":\s*([+-]?\d+)[^:]*$", self._expect_body(answer))
        return int(number.group(1)) if number else -1
