# SPDX-License-Identifier: Apache-2.0
"""The setuid helper: each of its refusals, and what the program that it starts has inherited."""
import contextlib
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess

import pytest

from conftest import TREE, compile_c

ID = "123456789"
MIB = 1024 * 1024
CLEAN_ENVIRONMENT = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"}
NO_CAPABILITY = "0000000000000000"
# Of each verb: the program, and what follows the settings file.
VERBS = {
    ("receive",): ("retrace-ingest",),
    ("start", ID): ("retrace-dispatch", "start", ID),
    ("sweep",): ("retrace-dispatch", "sweep"),
    ("cancel", ID): ("retrace-task-edit", "cancel", ID),
    ("delete", ID): ("retrace-task-edit", "delete", ID),
    ("set", ID, "notes"): ("retrace-task-edit", "set", ID, "notes"),
    ("count",): ("retrace-task-edit", "count"),
}


def read_exits():
    """The codes by name, from the header that the manual page follows too."""
    text = (TREE / "helpers" / "helper_exit.h").read_text(encoding="utf-8")
    return {name: int(code) for name, code in re.findall(r"HELPER_EXIT_(\w+) = (\d+)", text)}


EXIT = read_exits()


class State:
    """What the probe has written about itself."""

    def __init__(self, path):
        self.lines = [line.split(" ", 1) for line in path.read_text().splitlines()]
        path.unlink()

    def all(self, key):
        return [value for name, value in self.lines if name == key]

    def status(self, field):
        """A line of /proc/self/status: its words."""
        for line in self.all("status"):
            name, _, value = line.partition(":")
            if name == field:
                return value.split()
        return None

    def limit(self, name):
        for line in self.all("limits"):
            if line.startswith(name):
                return line[len(name):].split()[:2]
        return None

    def descriptors(self):
        return dict(line.split(" ", 1) for line in self.all("fd"))


def state_after(helper, *arguments, **how):
    """The state of the program that this call starts; the probe's own exit code is 0."""
    result = helper.run(*(arguments or ("receive",)), **how)
    assert result.returncode == 0, result.stderr
    return State(helper.dumps / "state")


def is_clean(state, users):
    """No identity but the owner's, no group, no capability, no way back."""
    return (state.status("Uid") == [str(users.owner.pw_uid)] * 4
            and state.status("Gid") == [str(users.owner.pw_gid)] * 4
            and state.status("Groups") == []
            and all(state.status(name) == [NO_CAPABILITY]
                    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
            and state.all("back") == [f"{call} -1" for call in
                                      ("setgid", "setegid", "setgroups", "setuid", "seteuid")])


# --- Arguments -----------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [
    (), ("",), ("Check",), ("check", "x"), ("check", ""), ("receive", ID), ("start",),
    ("start", ID, ID), ("set", ID), ("set", ID, "notes", "x"), ("sweep", ID), ("count", ID),
    ("--help",), ("run",), ("receive\n",)])
def test_usage(helper, arguments):
    assert helper.code(*arguments) == EXIT["USAGE"]


@pytest.mark.parametrize("text", [
    "", "0", "12345678", "1234567890", "012345678", "12345678x", " 123456789", "123456789 ",
    "123456789\n", "-12345678", "+12345678", "0x1234567", "../123456", "123456789/..",
    "१२३४५६७८९", pytest.param("1" * 100000, id="long")])
@pytest.mark.parametrize("verb", ["start", "cancel", "delete"])
def test_id(helper, verb, text):
    assert helper.code(verb, text) == EXIT["ID"]


@pytest.mark.parametrize("key", ["", "password", "../notes", "notes/", "Notes", "notes\n", "lock"])
def test_key(helper, key):
    assert helper.code("set", ID, key) == EXIT["KEY"]


def kernel_adds_an_argument():
    """Linux 5.18 and later start a program with an empty argument vector with one empty text."""
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (5, 18)


def test_empty_argument_vector(helper, place):
    source = place / "empty.c"
    source.write_text("#include <unistd.h>\n"
                      "int main(int argc, char *argv[])\n"
                      "{ char *none[] = { 0 }; char *env[] = { \"check\", \"check\", 0 };\n"
                      "  (void)argc; return execve(argv[1], none, env); }\n", encoding="ascii")
    compile_c(place / "empty", source)
    caller = helper.users.caller
    result = subprocess.run([place / "empty", helper.helper], user=caller.pw_uid,
                            group=caller.pw_gid, extra_groups=[helper.users.httpd_group.gr_gid],
                            capture_output=True)
    expected = "USAGE" if kernel_adds_an_argument() else "NO_ARGUMENTS"
    assert (result.returncode, result.stdout) == (EXIT[expected], b"")


@pytest.mark.parametrize("step, name", [
    ("arguments", "NO_ARGUMENTS"), ("environment", "ENVIRONMENT"), ("drop", "DROP")])
def test_steps_that_no_caller_can_make_fail(other_helper, step, name):
    other_helper.link_with_failing_steps()
    assert other_helper.code(step, "check") == EXIT[name]


def test_broken_helper_is_the_real_one_otherwise(other_helper):
    other_helper.link_with_failing_steps()
    assert other_helper.code("nothing", "check") == EXIT["OK"]


# --- The process ---------------------------------------------------------------------------------

def test_process_cannot_be_reset(helper):
    """Without /dev/null a closed descriptor could not be filled."""
    caller, group = helper.users.caller, helper.users.httpd_group
    script = ("mount -t tmpfs none /dev && exec setpriv --reuid=$0 --regid=$1 --groups=$2 "
              "\"$3\" check")
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(caller.pw_uid),
         str(caller.pw_gid), str(group.gr_gid), helper.helper], capture_output=True, text=True)
    assert result.returncode == EXIT["PROCESS"], result.stderr


# --- Who calls, and whom it becomes --------------------------------------------------------------

def test_caller_is_no_user(other_helper):
    other_helper.link(CALLER="retrace-nobody-has-this-name")
    assert other_helper.code("check") == EXIT["NO_CALLER"]


@pytest.mark.parametrize("verb", ["check", "receive", "start", "no-verb"])
def test_wrong_caller(helper, verb):
    result = helper.run(verb, *([ID] if verb == "start" else []), user=helper.users.stranger)
    assert (result.returncode, result.stdout) == (EXIT["CALLER"], "")


@pytest.mark.parametrize("arguments", list(VERBS))
def test_root_may_only_check(helper, arguments):
    assert helper.code(*arguments, user=pwd.getpwnam("root")) == EXIT["CALLER"]


def test_owner_may_not_call(helper):
    assert helper.code("check", user=helper.users.owner) == EXIT["CALLER"]


def test_without_the_group_it_cannot_even_be_started(helper):
    owner, stranger = helper.users.owner, helper.users.stranger
    with pytest.raises(PermissionError):
        subprocess.run([helper.helper, "check"], user=stranger.pw_uid, group=owner.pw_gid,
                       extra_groups=[])


@pytest.mark.parametrize("policy", [
    {"OWNER": "retrace-nobody-has-this-name"}, {"OWNER": "root"},
    {"GROUP": "retrace-nobody-has-this-name"}, {"GROUP": "root"}], ids=str)
def test_owner_is_unknown_or_root(other_helper, policy):
    other_helper.link(**policy)
    assert other_helper.code("check") == EXIT["NO_OWNER"]


def test_not_setuid(other_helper):
    other_helper.link()
    other_helper.helper.chmod(0o750)
    assert other_helper.code("check") == EXIT["NOT_SETUID"]


def test_setuid_of_somebody_else(other_helper):
    other_helper.link()
    os.chown(other_helper.helper, other_helper.users.stranger.pw_uid,
             other_helper.users.httpd_group.gr_gid)
    other_helper.helper.chmod(0o4750)
    assert other_helper.code("check") == EXIT["NOT_SETUID"]


def test_no_new_privileges(helper):
    """As when httpd's service says NoNewPrivileges=yes."""
    caller, group = helper.users.caller, helper.users.httpd_group
    result = subprocess.run(
        ["setpriv", f"--reuid={caller.pw_uid}", f"--regid={caller.pw_gid}",
         f"--groups={group.gr_gid}", "--no-new-privs", helper.helper, "check"])
    assert result.returncode == EXIT["NOT_SETUID"]


def test_no_capability(other_helper):
    other_helper.link()
    subprocess.run(["setcap", "-r", other_helper.helper], check=True)
    assert other_helper.code("check") == EXIT["NO_CAPABILITY"]


def test_another_capability_is_not_enough(other_helper):
    other_helper.link()
    subprocess.run(["setcap", "cap_net_raw=ep", other_helper.helper], check=True)
    assert other_helper.code("check") == EXIT["NO_CAPABILITY"]


# --- The settings file ---------------------------------------------------------------------------

@contextlib.contextmanager
def config_replaced(helper, make):
    """`make` puts something else in the place of the settings file."""
    helper.config.unlink()
    try:
        make(helper.config)
        yield
    finally:
        if helper.config.is_dir():
            helper.config.rmdir()
        helper.config.unlink(missing_ok=True)
        helper.write_config()


def make_unreadable(path):
    path.touch(0o600)


def make_link_to_a_good_file(path):
    target = path.with_name("good")
    target.write_text("[retrace]\n", encoding="ascii")
    path.symlink_to(target)


@pytest.mark.parametrize("make", [lambda path: None, make_unreadable, make_link_to_a_good_file],
                         ids=["missing", "unreadable", "symlink"])
def test_config_cannot_be_opened(helper, make):
    with config_replaced(helper, make):
        assert helper.code("check") == EXIT["CONFIG_OPEN"]


@pytest.mark.parametrize("make", [lambda path: path.mkdir(0o755), os.mkfifo],
                         ids=["directory", "fifo"])
def test_config_is_no_regular_file(helper, make):
    with config_replaced(helper, make):
        helper.config.chmod(0o755)
        assert helper.code("check") == EXIT["CONFIG_TYPE"]


def test_config_is_a_device(other_helper):
    """Where the directory of the test does not allow devices, one of the system does as well."""
    other_helper.link(CONFIG="/dev/null")
    assert other_helper.code("check") == EXIT["CONFIG_TYPE"]


def test_config_of_somebody_else(helper):
    with config_replaced(helper, lambda path: path.touch(0o644)):
        os.chown(helper.config, helper.users.stranger.pw_uid, 0)
        assert helper.code("check") == EXIT["CONFIG_OWNER"]


def test_config_of_httpd(helper):
    """httpd must not choose what its own helper reads."""
    with config_replaced(helper, lambda path: path.touch(0o644)):
        os.chown(helper.config, helper.users.caller.pw_uid, 0)
        assert helper.code("check") == EXIT["CONFIG_OWNER"]


@pytest.mark.parametrize("mode", [0o664, 0o620 | 0o044, 0o646, 0o666, 0o777], ids=oct)
def test_config_that_others_can_write(helper, mode):
    with config_replaced(helper, lambda path: path.touch()):
        helper.config.chmod(mode)
        assert helper.code("check") == EXIT["CONFIG_MODE"]


@pytest.mark.parametrize("mode", [0o644, 0o444, 0o604, 0o755], ids=oct)
def test_config_that_is_good(helper, mode):
    with config_replaced(helper, lambda path: path.touch()):
        helper.config.chmod(mode)
        assert helper.code("check") == EXIT["OK"]


# --- The program ---------------------------------------------------------------------------------

def test_programs_directory_is_missing(other_helper):
    other_helper.link(PROGRAMS="/nonexistent")
    assert other_helper.code("receive") == EXIT["EXEC"]


@pytest.mark.parametrize("arguments", list(VERBS))
def test_program_is_missing(other_helper, arguments):
    other_helper.link()
    assert other_helper.code(*arguments) == EXIT["EXEC"]


def test_program_is_not_executable(other_helper, probe):
    other_helper.link()
    shutil.copy(probe, other_helper.programs / "retrace-ingest")
    (other_helper.programs / "retrace-ingest").chmod(0o644)
    assert other_helper.code("receive") == EXIT["EXEC"]


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o4755, 0o2755])
def test_program_that_others_could_change_or_that_changes_users(other_helper, probe, mode):
    other_helper.link()
    shutil.copy(probe, other_helper.programs / "retrace-ingest")
    (other_helper.programs / "retrace-ingest").chmod(mode)
    assert other_helper.code("receive") == EXIT["PROGRAM"]


def test_program_of_somebody_else(other_helper, probe):
    other_helper.link()
    shutil.copy(probe, other_helper.programs / "retrace-ingest")
    os.chown(other_helper.programs / "retrace-ingest", other_helper.users.caller.pw_uid, 0)
    assert other_helper.code("receive") == EXIT["PROGRAM"]


def test_program_that_is_no_file(other_helper):
    other_helper.link()
    (other_helper.programs / "retrace-ingest").mkdir()
    assert other_helper.code("receive") == EXIT["PROGRAM"]


def test_path_of_the_program_is_too_long(other_helper):
    other_helper.link(PROGRAMS="/" + "x" * 4090)
    assert other_helper.code("receive") == EXIT["EXEC"]


@pytest.mark.parametrize("arguments", list(VERBS))
def test_arguments_of_the_program(helper, arguments):
    program, *rest = VERBS[arguments]
    state = state_after(helper, *arguments)
    assert state.all("argument") == [str(helper.programs / program), str(helper.config), *rest]


# --- check ---------------------------------------------------------------------------------------

def expected_answer(helper):
    info = helper.config.stat()
    return f"{helper.config} {info.st_dev} {info.st_ino}\n"


def test_check_by_httpd(helper):
    result = helper.run("check")
    assert (result.returncode, result.stdout) == (EXIT["OK"], expected_answer(helper))


def test_root_may_not_ask(helper):
    """The file belongs to the spool's owner: what root runs of it, that user would run as root."""
    result = helper.run("check", user=pwd.getpwnam("root"))
    assert (result.returncode, result.stdout) == (EXIT["CALLER"], "")


def test_check_of_a_config_of_the_owner(helper):
    with config_replaced(helper, lambda path: path.touch(0o644)):
        os.chown(helper.config, helper.users.owner.pw_uid, 0)
        result = helper.run("check")
        assert (result.returncode, result.stdout) == (EXIT["OK"], expected_answer(helper))


def test_check_that_cannot_answer(helper):
    with open("/dev/full", "wb") as full:
        caller = helper.users.caller
        result = subprocess.run([helper.helper, "check"], user=caller.pw_uid, group=caller.pw_gid,
                                extra_groups=[helper.users.httpd_group.gr_gid], stdout=full)
    assert result.returncode == EXIT["EXEC"]


# --- What the program inherits -------------------------------------------------------------------

@pytest.mark.parametrize("arguments", list(VERBS))
def test_identity(helper, arguments):
    assert is_clean(state_after(helper, *arguments), helper.users)


def test_dumpable_and_privileges_are_the_programs_own_affair(helper):
    """bwrap below must be dumpable, and mock's setuid program below must work."""
    state = state_after(helper)
    assert (state.all("dumpable"), state.status("NoNewPrivs")) == (["1"], ["0"])


def test_hostile_capabilities(helper):
    """A caller with capabilities (a container's httpd, say) does not hand them on."""
    caller, group = helper.users.caller, helper.users.httpd_group
    subprocess.run(
        ["setpriv", f"--reuid={caller.pw_uid}", f"--regid={caller.pw_gid}",
         f"--groups={group.gr_gid}", "--inh-caps=+setuid,+net_raw,+dac_override",
         "--ambient-caps=+setuid,+net_raw,+dac_override", "--securebits=+no_setuid_fixup",
         helper.helper, "receive"], check=True)
    assert is_clean(State(helper.dumps / "state"), helper.users)


def test_hostile_groups(helper):
    """As many as a caller can have, root's and the owner's among them."""
    caller, owner = helper.users.caller, helper.users.owner
    groups = [0, owner.pw_gid, helper.users.httpd_group.gr_gid, *range(70000, 70200)]
    subprocess.run([helper.helper, "receive"], user=caller.pw_uid, group=caller.pw_gid,
                   extra_groups=groups, check=True)
    assert is_clean(State(helper.dumps / "state"), helper.users)


@pytest.fixture
def library(place):
    """Leaves a mark wherever it is loaded."""
    source = place / "evil.c"
    source.write_text("#include <fcntl.h>\n#include <unistd.h>\n"
                      "__attribute__((constructor)) static void leave_mark(void)\n"
                      f"{{ close(open(\"{place}/mark\", O_CREAT | O_WRONLY, 0666)); }}\n",
                      encoding="ascii")
    place.chmod(0o777)
    compile_c(place / "evil.so", "-shared", "-fPIC", source)
    return place / "evil.so"


def test_hostile_library_works_otherwise(library):
    subprocess.run(["true"], env={"LD_PRELOAD": str(library), "PATH": "/usr/bin:/bin"}, check=True)
    assert (library.parent / "mark").exists()


def test_hostile_environment(helper, library):
    evil = str(library)
    names = ("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "LD_DEBUG_OUTPUT", "LD_PROFILE", "TZ",
             "TZDIR", "LOCPATH", "NLSPATH", "GCONV_PATH", "GETCONF_DIR", "PATH", "IFS", "ENV",
             "BASH_ENV", "HOME", "TMPDIR", "MALLOC_CHECK_", "MALLOC_TRACE", "HOSTALIASES",
             "RESOLV_HOST_CONF", "RES_OPTIONS", "GLIBC_TUNABLES", "PYTHONPATH", "HTTP_PROXY")
    environment = dict.fromkeys(names, evil)
    environment.update({f"X{i}": "x" * 1000 for i in range(500)}, **{"LANG": "../../" + evil})
    state = state_after(helper, env=environment)
    assert set(state.all("environment")) == CLEAN_ENVIRONMENT
    assert not (library.parent / "mark").exists()


def test_empty_environment(helper):
    assert set(state_after(helper, env={}).all("environment")) == CLEAN_ENVIRONMENT


def test_hostile_descriptors(helper):
    """Some hundred open ones, among them one that is far above the others."""
    opened = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(200)]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened.append(os.dup2(opened[0], min(hard, 100000) - 1))
    try:
        state = state_after(helper, pass_fds=opened)
    finally:
        for fd in opened:
            os.close(fd)
    assert set(state.descriptors()) == {"0", "1", "2"}


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_standard_descriptors(helper, closed):
    """The first file that is opened must not become the standard output."""
    caller = helper.users.caller
    subprocess.run([helper.helper, "receive"], user=caller.pw_uid, group=caller.pw_gid,
                   extra_groups=[helper.users.httpd_group.gr_gid], check=True,
                   preexec_fn=lambda: [os.close(fd) for fd in closed])
    descriptors = State(helper.dumps / "state").descriptors()
    assert set(descriptors) == {"0", "1", "2"}
    # The C library of a setuid program opens /dev/full first.
    assert {descriptors[str(fd)] for fd in closed} <= {"/dev/null", "/dev/full"}


def ignore_and_block_all():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def test_hostile_signals(helper):
    state = state_after(helper, preexec_fn=ignore_and_block_all)
    none = ["0" * 16]
    assert [state.status(name) for name in ("SigBlk", "SigIgn", "SigCgt")] == [none] * 3


SOFT_LIMITS = {
    "Max cpu time": (resource.RLIMIT_CPU, 20),
    "Max file size": (resource.RLIMIT_FSIZE, 0),
    "Max data size": (resource.RLIMIT_DATA, 64 * MIB),
    "Max stack size": (resource.RLIMIT_STACK, MIB // 4),
    "Max processes": (resource.RLIMIT_NPROC, 1),
    "Max open files": (resource.RLIMIT_NOFILE, 16),
    "Max address space": (resource.RLIMIT_AS, 256 * MIB),
}


def lower_soft_limits():
    for which, value in SOFT_LIMITS.values():
        resource.setrlimit(which, (value, resource.getrlimit(which)[1]))
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def test_hostile_limits(helper):
    state = state_after(helper, preexec_fn=lower_soft_limits)
    for name in SOFT_LIMITS.keys() - {"Max stack size"}:
        soft, hard = state.limit(name)
        assert soft == hard, name
    assert state.limit("Max core file size") == ["0", "0"]
    assert state.limit("Max stack size")[0] == str(8 * MIB)


def test_hostile_mask_and_directory(helper, place):
    state = state_after(helper, umask=0, cwd=place)
    assert (state.status("Umask"), state.all("directory")) == (["0027"], ["/"])
