# SPDX-License-Identifier: Apache-2.0
"""The pages for people, in a real browser, and what is told in other forms: /, /stats, /metrics."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as plain_text

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EVIL = "<script>alert(1)</script>\"'&]]>"
XHTML = "{http://www.w3.org/1999/xhtml}"


def sample():
    """Statistics as the dispatcher writes them, with a name that somebody made up."""
    days = [{"day": f"2026-11-{day:02d}", "success": day % 7, "failure": day % 3,
             "denied": day % 2} for day in range(1, 31)]
    return {"version": 1, "generated": 1795500000, "average_seconds": 4.25,
            "totals": {"tasks": 123, "success": 99, "failure": 24, "denied": 15,
                       "first_task": 1790000000},
            "days": days,
            "durations": [{"le": le, "count": count} for le, count in
                          ((0.5, 20), (2, 44), (5, 61), (10, 100), (60, 119), (3600, 123))],
            "stages": [], "architectures": [{"arch": "x86_64", "count": 120}],
            "releases": [{"release": "fedora-36", "count": 100, "success": 90}],
            "packages": [{"package": "bash", "count": 55, "success": 50},
                         {"package": EVIL, "count": 7, "success": 1},
                         {"package": "a-package-with-a-name-that-does-not-fit-into-the-chart-ö",
                          "count": 1, "success": 1}],
            "missing": [{"kind": "debuginfo", "build_id": "ab" * 20, "path": EVIL, "count": 3}],
            "refusals": [{"status": 413, "reason": "size", "count": 2}]}


def put_statistics(env, name, text):
    place = env.server.spool / "statistics"
    place.mkdir(mode=0o750, exist_ok=True)
    (place / name).write_text(text, encoding="utf-8")
    for path in (place, place / name):
        os.chown(path, env.server.owner().pw_uid, env.server.httpd_group().gr_gid)


@pytest.fixture(scope="module")
def empty(farm):
    return farm.start("AllowMetrics = 1", tls=False, location="/r/")


@pytest.fixture(scope="module")
def busy(farm):
    env = farm.start("AllowMetrics = 1", tls=False, location="/r/")
    put_statistics(env, "stats.json", json.dumps(sample()))
    return env


def get(env, path, accept=None):
    reply = env.client.request("GET", path, {"Accept": accept} if accept else {})
    assert reply.status == 200
    assert reply.headers["Content-Length"] == str(len(reply.body))
    return reply


# --- In a browser ---------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def browser():
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip("there is no Chromium")
    return found


def browse(browser, url, *options):
    """Runs Chromium; returns what it prints and what it complains of."""
    with tempfile.TemporaryDirectory(prefix="retrace-browser-") as profile:
        result = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-extensions", "--enable-logging=stderr", "--v=0",
             f"--user-data-dir={profile}", "--window-size=900,1800", *options, url],
            capture_output=True, text=True, timeout=120)
    complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return result.stdout, complaints


class TestBrowser:
    @pytest.mark.parametrize("which,path,words", [
        ("empty", "/r/", ["Retrace server", "new crashes are accepted", "Your data"]),
        ("empty", "/r/stats", ["nothing to show"]),
        ("busy", "/r/stats", ["123", "4.25 s", "Busiest packages", "Missing files", "<svg"])])
    def test_250_001_shows_the_page(self, browser, request, tmp_path, which, path, words):
        """The page's own style is applied, and nothing is refused by its policy."""
        env = request.getfixturevalue(which)
        url = f"http://{env.server.host}:{env.server.port}{path}"
        dom, complaints = browse(browser, url, "--dump-dom")
        assert all(word in dom for word in words)
        assert complaints == []
        picture = tmp_path / "page.png"
        browse(browser, url, f"--screenshot={picture}")
        assert picture.stat().st_size > 5000

    def test_250_002_text_of_others_stays_text(self, browser, busy):
        dom, complaints = browse(browser,
                                 f"http://{busy.server.host}:{busy.server.port}/r/stats",
                                 "--dump-dom")
        assert "<script" not in dom and "&lt;script&gt;alert(1)&lt;/script&gt;" in dom
        assert complaints == []


# --- Headers --------------------------------------------------------------------------------------

class TestPages:
    def test_250_009_a_column_for_each_duration(self, busy):
        """The file counts what is at most so long; the chart shows what is between."""
        text = get(busy, "/stats", "text/html").text
        assert [int(count) for count in re.findall(r"<title>[\d.]+: tasks (\d+)</title>", text)] == \
            [20, 24, 17, 39, 19, 4]

    @pytest.mark.parametrize("path", ["/", "/stats"])
    def test_250_010_policy(self, busy, path):
        reply = get(busy, path, "text/html")
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "script-src" not in reply.headers["Content-Security-Policy"]
        assert reply.headers["Referrer-Policy"] == "no-referrer"

    def test_250_011_links_stay_below_the_location(self, busy):
        links = re.findall(r'(?:href|src)="([^"]*)"', get(busy, "/").text)
        assert links and all(link.startswith("/r/") for link in links)
        for link in links:
            busy.client.prefix, prefix = "", busy.client.prefix
            assert get(busy, link, "text/html").status == 200
            busy.client.prefix = prefix

    def test_250_012_tells_the_load(self, farm, upload):
        env = farm.start("MaxParallelTasks = 1\nHostDirs =\nRepoDir = /nonexistent")
        text = get(env, "/").text
        assert "0 of 1" in text and "None yet" in text
        env.server.spool.joinpath("queue").mkdir(exist_ok=True)
        (env.server.spool / "queue" / "123456789").write_text("- 0\n")
        assert "new crashes are refused for now" in get(env, "/").text
        (env.server.spool / "queue" / "123456789").unlink()
        farm.stop(env)

    def test_250_013_tells_the_policy(self, busy, env):
        assert "without HTTPS" in get(busy, "/").text
        assert "over HTTPS only" in get(env, "/").text


# --- Statistics -----------------------------------------------------------------------------------

class TestStats:
    def test_250_020_json_is_what_was_written(self, busy):
        assert json.loads(get(busy, "/stats", "application/json").text) == sample()

    def test_250_021_xml_for_old_readers(self, busy):
        """Well-formed, with the headings that scripts look for."""
        root = ET.fromstring(get(busy, "/stats").text)
        headings = [heading.text for heading in root.iter(XHTML + "h3")]
        assert headings == ["Global statistics", "Releases", "Retraced packages", "Architectures",
                            "Required packages", "Missing build-ids"]
        cells = [[cell.text for cell in row] for row in root.iter(XHTML + "tr")]
        for row in (["Total", "123"], ["Successful", "99"], ["Failed", "24"],
                    ["Denied jobs", "15"], ["bash", "55"], [EVIL, "7"], ["fedora-36", "100"],
                    ["ab" * 20, EVIL, "3"]):
            assert row in cells

    @pytest.mark.parametrize("accept,kind", [
        (None, "text/xml"), ("*/*", "text/xml"), ("text/xml", "text/xml"),
        ("application/xml", "text/xml"), ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html;q=0.1, application/json", "application/json")])
    def test_250_022_by_accept(self, busy, accept, kind):
        assert get(busy, "/stats", accept).headers["Content-Type"].split(";")[0] == kind

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"days": 5, "totals": []}',
                                      '{"totals": {"tasks": "x"}, "days": [5, null]}', "\0",
                                      '{"packages": [{"package": 5}], "totals": {"tasks": 1}}',
                                      # numbers without end, and what XML cannot hold
                                      '{"totals": {"tasks": 9223372036854775807}, "durations": '
                                      '[{"le": 1, "count": 9223372036854775807}, {"count": -5}], '
                                      '"days": [{"success": 9223372036854775807, "failure": '
                                      '9223372036854775807}], "packages": [{"package": "a\\u0001b",'
                                      ' "count": 1e300}]}'])
    def test_250_023_a_broken_file_breaks_nothing(self, farm, empty, text):
        put_statistics(empty, "stats.json", text)
        for accept in ("text/html", "application/json", "text/xml"):
            reply = get(empty, "/stats", accept)
        ET.fromstring(reply.text)
        (empty.server.spool / "statistics" / "stats.json").unlink()


# --- Metrics --------------------------------------------------------------------------------------

OLD_NAMES = {"retrace_savedir_free_bytes", "retrace_tasks_running", "retrace_tasks_overload"}


def families(reply, parser):
    return {family.name: family for family in parser.text_string_to_metric_families(reply.text)}


class TestMetrics:
    def test_250_030_openmetrics(self, busy):
        reply = get(busy, "/metrics", "application/openmetrics-text; version=1.0.0")
        found = families(reply, openmetrics)
        assert OLD_NAMES <= set(found)
        assert found["retrace_savedir_free_bytes"].samples[0].value > 0
        assert {sample.name for sample in found["retrace_refusals"].samples} == \
            {"retrace_refusals_total"}

    def test_250_031_older_text_format(self, busy):
        assert OLD_NAMES <= set(families(get(busy, "/metrics"), plain_text))

    def test_250_034_what_the_dispatcher_wrote(self, busy):
        put_statistics(busy, "metrics", "# HELP retrace_tasks_finished Tasks.\n"
                       "# TYPE retrace_tasks_finished unknown\n"
                       'retrace_tasks_finished{result="success"} 7\n')
        for accept, parser in (("application/openmetrics-text", openmetrics), (None, plain_text)):
            reply = get(busy, "/metrics", accept)
            finished = families(reply, parser)["retrace_tasks_finished"]
            assert finished.samples[0].value == 7
            assert (" unknown\n" in reply.text) == (parser is openmetrics)

    def test_250_032_counts_refusals_and_uploads(self, farm, upload):
        env = farm.start("AllowMetrics = 1\nMaxQueuedTasks = 5")
        before = counters(env)
        env.client.create(b"junk")
        env.client.request("POST", "/create", {"Content-Type": "text/plain",
                                               "Content-Length": "5"}, b"12345")
        env.client.request("PUT", "/create")
        env.client.submit(upload)
        after = counters(env)
        changed = {key: after[key] - before[key] for key in after if after[key] != before[key]}
        assert changed == {"content": 1, "content_type": 1, "method": 1, "uploads": 1}
        env.log.expect("RT0001", "refused with 415")
        env.wait_idle(60)
        farm.stop(env)

    def test_250_033_counted_over_all_children(self, farm):
        env = farm.start("AllowMetrics = 1", mpm="prefork",
                         extra_httpd="StartServers 3\nMaxConnectionsPerChild 1\n")
        for _ in range(6):
            env.client.create(b"junk")
        assert counters(env)["content"] == 6
        env.log.expect("RT0001", "refused with 403")
        env.wait_idle()
        farm.stop(env)


def counters(env):
    found = families(get(env, "/metrics", "application/openmetrics-text"), openmetrics)
    values = {one.labels["reason"]: one.value for one in found["retrace_refusals"].samples}
    values["uploads"] = found["retrace_uploads"].samples[0].value
    return values
