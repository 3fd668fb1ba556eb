# SPDX-License-Identifier: Apache-2.0
"""What a run leaves beside the text: the backtrace in parts, the rating, the facts."""
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import crash
from runs import RATINGS, Run, check_agreement, threads_in, variables
from serve.crash import build_split

TESTS = Path(__file__).resolve().parents[1]
CRASHING = TESTS / "serve" / "crashing.c"
KINDS = (TESTS / "data" / "kinds.c").read_text(encoding="ascii")

HOSTILE = r"""
#include <string.h>
struct bag { char text[24]; unsigned char bytes[8]; const char *pointer; };
__attribute__((noinline)) static void fall(struct bag bag, const char *argument)
{
    char quotes[] = "\"},\"x\":[{\"\\\\";
    unsigned char broken[6] = { 0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0 };
    wchar_t_t wide[4] = { 0xd800, 0x202e, 0x1f41b, 0x9b };
    *(volatile char *)0 = quotes[0] + broken[0] + wide[0];
}
int main(void)
{
    struct bag bag = { "\033[2J\r\n\t\x7f\xc2\x9b</script>", { 1, 2, 200, 255 }, "\xff\x1b]0;x\x07" };
    fall(bag, "</script>\xe2\x80\xae\xf0\x9f\x90\x9b\x1b");
    return 0;
}
""".replace("wchar_t_t", "__WCHAR_TYPE__")

PRINTED = r"""
#include <string>
#include <vector>
#include <map>
namespace store {
template <typename T> __attribute__((noinline)) int find(const std::vector<T> &list, std::string word)
{
    std::map<int, std::string> names{ { 1, "one" }, { 2, "two" } };
    return *(volatile int *)nullptr + (int)names.size() + (int)list.size() + (int)word.size();
}
}
int main() { return store::find(std::vector<int>{ 1, 2, 3 }, "needle"); }
"""


def compile_program(farm, name, source, compiler="cc", *options):
    suffix = ".cc" if compiler == "g++" else ".c"
    path = farm.programs / (name + suffix)
    path.write_text(source, encoding="utf-8")
    program = farm.programs / name
    subprocess.run([compiler, "-g", "-O0", "-w", "-Wl,--build-id", *options, "-o", program, path],
                   check=True)
    return program


def retrace(env, program, *arguments):
    return Run(env, crash.members_of(crash.core_of(program, *arguments), program))


# --- The backtrace in parts --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def threaded(env, farm):
    program = build_split(CRASHING, farm.programs, "threaded")
    return Run(env, crash.members_of(crash.core_of(program), program)), program


class TestFrames:
    def test_210_001_of_several_threads(self, threaded):
        run, program = threaded
        frames = run.frames()
        assert frames["version"] == 1 and frames["signal_name"] == "SIGSEGV"
        assert frames["fault_address"] == "0x0" and frames["executable"] == str(program)
        assert frames["package"] == "tiny-1.0-1" and frames["release"] == "fedora-36"
        assert frames["crash_thread"] == 1 and len(frames["threads"]) == 4
        assert [thread["crashed"] for thread in frames["threads"]] == [True] + 3 * [False]
        assert len({thread["lwp"] for thread in frames["threads"]}) == 4
        assert "truncated" not in json.dumps(frames)

    def test_210_002_of_a_function(self, threaded):
        run, program = threaded
        lines = CRASHING.read_text(encoding="utf-8").splitlines()
        first, second = run.frames()["threads"][0]["frames"][:2]
        assert first["function"] == "is_skipped" and first["file"].endswith("crashing.c")
        assert "strcmp(skip->word" in lines[first["line"] - 1]
        assert first["type"] == "normal" and first["inlined"] is False
        assert variables(first, "args")["skip"] == "0x0"
        assert variables(first, "args")["word"].endswith(' "and"')
        assert second["function"] == "count_words"
        assert variables(second, "args")["depth"] == "0"
        assert variables(second, "locals")["count"] == "0"
        assert variables(second, "locals")["copy"].startswith('"and\\000nobody gave it a list"')

    def test_210_003_of_files(self, threaded):
        run, program = threaded
        frames = [frame for thread in run.frames()["threads"] for frame in thread["frames"]]
        assert frames[0]["module"] == str(program)
        assert frames[0]["build_id"] == crash.build_id(program)
        libc = {frame["module"] for frame in frames if "libc" in frame.get("module", "")}
        assert len(libc) == 1
        assert {frame["build_id"] for frame in frames if frame.get("module") in libc} == {
            crash.build_id(libc.pop())}

    def test_210_004_agree_with_the_text(self, threaded):
        run, _ = threaded
        assert sum(map(len, threads_in(run.text).values())) > 12
        check_agreement(run)

    def test_210_005_agree_without_debug_information(self, env, farm):
        program = compile_program(farm, "bare", KINDS)
        subprocess.run(["strip", program], check=True)
        run = retrace(env, program, "a")
        check_agreement(run)
        missing = run.frames()["missing"]
        assert {"kind": "debuginfo", "build_id": crash.build_id(program),
                "path": str(program)} in missing

    def test_210_006_of_inlined_functions_and_signal_handlers(self, env, farm):
        program = compile_program(farm, "handled", """
#include <signal.h>
static inline __attribute__((always_inline)) int inner(int *at) { int twice = *at * 2; return twice; }
static void handle(int number) { (void)number; inner(0); }
int main(void) { signal(SIGUSR1, handle); raise(SIGUSR1); return 0; }
""")
        run = retrace(env, program)
        frames = run.frames()["threads"][0]["frames"]
        assert [(frame["function"], frame["type"]) for frame in frames[:2]] == [
            ("inner", "inline"), ("handle", "normal")]
        assert frames[0]["inlined"] is True and frames[1]["inlined"] is False
        assert variables(frames[0], "args") == {"at": "0x0"}
        assert set(variables(frames[0], "locals")) == {"twice"}
        assert "signal" in [frame["type"] for frame in frames]
        check_agreement(run)

    def test_210_007_are_cut_when_they_are_many(self, env, farm):
        run = retrace(env, compile_program(farm, "deep", KINDS), "o")
        thread = run.frames()["threads"][0]
        assert len(thread["frames"]) == 1024 and thread["truncated"] is True
        assert "\n#1024 " in run.text
        assert run.rating()[0] == 2, run.rating()

    def test_210_008_of_hostile_values(self, env, farm):
        run = retrace(env, compile_program(farm, "hostile", HOSTILE))
        content = run.file("results/backtrace.json").read_text(encoding="utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", content)
        frame = run.frames()["threads"][0]["frames"][0]
        assert frame["function"] == "fall"
        assert set(variables(frame, "args")) == {"bag", "argument"}
        values = {**variables(frame, "args"), **variables(frame, "locals")}
        assert '\\033[2J\\r\\n\\t\\177' in values["bag"] and "</script>" in values["argument"]
        assert values["quotes"] == '"\\"},\\"x\\":[{\\"\\\\\\\\"'
        assert "\\377\\376" in values["broken"]

    @pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
    def test_210_009_of_cxx_values(self, env, farm):
        run = retrace(env, compile_program(farm, "printed", PRINTED, "g++"))
        frame = run.frames()["threads"][0]["frames"][0]
        assert frame["function"] == "store::find<int>"
        assert "std::vector of length 3" in variables(frame, "args")["list"]
        assert variables(frame, "args")["word"] == '"needle"'
        assert '[1] = "one"' in variables(frame, "locals")["names"]
        assert not re.search("<error|Python", json.dumps(frame))
        check_agreement(run)


# Stands in for the printers of C++ values, and so gets into gdb, where a core might: what it breaks
# is used by the last step only.
TAKEN_OVER = """
import gdb, os, resource, sys
set_limit = resource.setrlimit
def register_libstdcxx_printers(_):
    gdb.selected_thread = strike
def strike():
    %s
"""

STRIKES = {
    "hang": ("while True: pass", "gdb was killed at its time limit", "W"),
    "flood": ("while True: gdb.write(65536 * 'x')", "gdb was killed for more than", "W"),
    "signal": ("os.kill(os.getpid(), 9)", "gdb was killed by signal 9", "W"),
    "socket": ("import socket; socket.socket()", "gdb was killed for a forbidden system call", "W"),
    "lie": ("gdb.write('{\"version\":1,\"path\":\"/etc/passwd\"}'); sys.stdout.flush(); os._exit(0)",
            "dropped: it has an unknown key path", "W"),
    "silence": ("os._exit(0)", "gdb gave no backtrace in parts", "I"),
    "exception": ("raise ValueError('no')", "gdb gave no backtrace in parts", "I"),
}


class TestTakenOver:
    @pytest.mark.parametrize("strike", STRIKES)
    def test_210_015_the_text_is_not_lost(self, env, farm, members, strike):
        command, words, level = STRIKES[strike]
        place = farm.place / f"printers-{strike}" / "libstdcxx" / "v6"
        place.mkdir(parents=True)
        script = TAKEN_OVER % command
        if strike == "hang":  # not for as long as it may
            script += "resource.setrlimit = lambda what, limit: set_limit(what, (1, limit[1]))\n"
        (place / "printers.py").write_text(script, encoding="ascii")
        server = farm.start(f"PrintersDir = {place.parents[1]}")
        run, usual = Run(server, members), Run(env, members)
        assert run.text == usual.text
        assert any(words in line and f"[{level}]" in line for line in run.log.splitlines()), run.log
        assert not run.file("results/backtrace.json").exists()
        assert run.rating() == usual.rating() and run.facts()[("package",)] == "tiny"
        farm.stop(server)


# --- The rating --------------------------------------------------------------------------------------


class TestRating:
    @pytest.fixture(scope="class")
    def kinds(self, farm):
        return compile_program(farm, "kinds", KINDS, "cc", "-fstack-protector-all")

    @pytest.mark.parametrize("kind", RATINGS)
    def test_210_020_of(self, env, kinds, kind):
        rating, text = retrace(env, kinds, kind).rating()
        assert rating == RATINGS[kind][0] and RATINGS[kind][1] in text, text
        assert text.count("\n") == 1

    def test_210_021_of_a_heap_that_is_spoiled(self, env, kinds):
        """With or without debug information of the C library."""
        rating, text = retrace(env, kinds, "f").rating()
        assert rating in (6, 7), text

    def test_210_022_none_of_a_live_process(self, env, farm, kinds):
        if shutil.which("gcore") is None:
            pytest.skip("gcore is not installed")
        place = farm.place / "live"
        place.mkdir()
        with subprocess.Popen(["sleep", "60"]) as process:
            subprocess.run(["gcore", "-o", place / "core", str(process.pid)], check=True,
                           capture_output=True)
            process.kill()
        core = next(place.iterdir()).read_bytes()
        run = Run(env, crash.members_of(core, "/usr/bin/sleep"))
        assert "taken from a live process" in run.text
        assert not run.file("results/exploitable").exists()
        assert run.file("results/backtrace.json").exists()


# --- Facts -------------------------------------------------------------------------------------------

TIMES = ("analyze", "environment", "debugger", "report")


class TestFacts:
    def test_210_030_of_a_success(self, env, farm, members):
        program = crash.build(farm.programs, "factual")
        core = crash.core_of(program)
        members = {**crash.members_of(core, program), "package": b"factual-2:1.5-3.fc36\n"}
        first, second = Run(env, members).facts(), Run(env, members).facts()
        assert first[("package",)] == "factual" and first[("version",)] == "2:1.5-3.fc36"
        assert first[("release",)] == "fedora-36" and first[("arch",)] == "x86_64"
        assert int(first[("core_bytes",)]) == len(core)
        assert all(int(first[("time", name)]) >= 0 for name in TIMES)
        assert (first[("cache_hits",)], first[("cache_misses",)]) == ("0", "1")
        assert (second[("cache_hits",)], second[("cache_misses",)]) == ("1", "0")

    def test_210_031_of_missing_files(self, env, farm):
        program = crash.build(farm.programs, "lost")
        core, wanted = crash.core_of(program), crash.build_id(program)
        program.unlink()
        facts = Run(env, crash.members_of(core, program)).facts()
        assert facts[("missing", "executable", wanted)] == str(program)
        assert facts[("missing", "debuginfo", wanted)] == str(program)
        assert facts[("cache_misses",)] == "2"

    def test_210_032_of_a_failure(self, env, members):
        task = env.client.submit(crash.xz(crash.tar({**members, "coredump": b"no core"})))
        assert env.client.wait(task) == "FINISHED_FAILURE"
        facts = env.task_file(task, "facts").read_text(encoding="ascii")
        assert "package tiny\nversion 1.0-1\nrelease fedora-36\narch -\ncore_bytes 7\n" in facts
        assert "time environment -1\n" in facts
        assert list(env.task_file(task, "results").iterdir()) == []

    def test_210_033_of_a_root_directory(self, env, members):
        inside = {**members, "rootdir": b"/srv/chroot",
                  "os_release_in_rootdir": b"CentOS Linux release 7.9.2009 (Core)"}
        run = Run(env, inside)
        assert run.facts()[("release",)].startswith("centos-7")
        assert "System       CentOS Linux release 7.9.2009 (Core)\n" in run.text


# --- A core and nothing else --------------------------------------------------------------------------

NOTE = ('{"type":"rpm","name":"noted","version":"4.5-6.fc40","architecture":"x86_64",'
        '"osCpe":"cpe:/o:fedoraproject:fedora:40"}')


class TestBareCore:
    @pytest.fixture(scope="class")
    def bare(self, farm):
        return farm.start("RequiredFiles = core")

    def test_210_040_tells_of_itself(self, bare, farm):
        program = compile_program(farm, "noted", KINDS, "cc", "-Xlinker",
                                  f"--package-metadata={NOTE}")
        run = Run(bare, {"coredump": crash.core_of(program, "n")})
        assert f"Program      {program}\n" in run.text
        assert "Package note noted 4.5-6.fc40 x86_64 (says its package note)\n" in run.text
        assert "System       cpe:/o:fedoraproject:fedora:40 (says its package note)\n" in run.text
        facts = run.facts()
        assert facts[("package",)] == "noted" and facts[("version",)] == "4.5-6.fc40"
        assert facts[("release",)] == "fedora-40"
        assert run.frames()["package"] == "noted-4.5-6.fc40"

    def test_210_041_is_no_reason_to_complain(self, bare, program, members):
        run = Run(bare, {"coredump": members["coredump"]})
        assert not re.search(r"\[[WE]\]", run.log), run.log
        assert run.facts()[("package",)] == "tiny" and run.facts()[("version",)] == "-"
        assert f"Program      {program}\n" in run.text and "System " not in run.text
