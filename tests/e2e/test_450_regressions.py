# SPDX-License-Identifier: Apache-2.0
"""Faults that were found once, each with its one-line story."""
import os
import stat
import subprocess

import pytest

from client import Client, poll


def descriptors(server):
    """Open descriptors of all children of httpd."""
    children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True,
                              text=True, check=True).stdout.split()
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in children)


def test_results_leave_no_descriptor_open(env, upload):
    """Each GET of a result left its file open, until httpd could open no more."""
    task = env.client.submit(upload)
    env.client.wait(task)
    env.client.backtrace(task)
    before = descriptors(env.server)
    for _ in range(50):
        assert env.client.backtrace(task).status == 200
        assert env.client.log(task).status == 200
    poll(lambda: descriptors(env.server) < before + 20, 5, "results stay open")


@pytest.fixture
def virtual_host(farm):
    """Retrace On within a <VirtualHost> instead of the main server."""
    env = farm.make(tls=False, location="/main")
    host = f"""<VirtualHost {env.host}:{env.port}>
    ServerName other
    <Location "/hosted">
        Retrace On
        Require all granted
    </Location>
</VirtualHost>"""
    env.extra_httpd = f"LoadModule retrace_module {env.build}/mod_retrace.so\n{host}"
    env.start()
    yield env
    env.stop()


def test_retrace_works_in_a_virtual_host(virtual_host, upload):
    """It had a record of its own there, without settings, and each request ended a child."""
    client = Client(virtual_host)
    client.prefix = "/hosted"
    task = client.submit(upload)
    assert client.wait(task) == "FINISHED_SUCCESS"


@pytest.fixture
def partly_off(farm):
    """Retrace Off below a <Location> with Retrace On."""
    server = farm.make(tls=False, location="/main")
    server.extra_httpd = f"""LoadModule retrace_module {server.build}/mod_retrace.so
<Location "/outer">
    Retrace On
    Require all granted
</Location>
<Location "/outer/static">
    Retrace Off
</Location>"""
    server.start()
    yield server
    server.stop()


def test_retrace_off_leaves_a_path_to_others(partly_off):
    """It was ignored: the outer Location went on answering."""
    place = partly_off.dir / "htdocs" / "outer" / "static"
    place.mkdir(parents=True)
    (place / "page").write_text("somebody else's", encoding="ascii")
    client = Client(partly_off)
    client.prefix = "/outer"
    assert client.request("GET", "/static/page").text == "somebody else's"
    assert client.request("GET", "/123456789").text == "There is no such task."


def task_groups(server):
    return [path for place in server.cgroups for path in place.iterdir()
            if path.is_dir() and path.name.isdigit()]


@pytest.mark.skipif(os.geteuid() != 0, reason="control groups need root")
def test_a_killed_task_leaves_no_control_group(farm, members, upload):
    """A worker that was killed for its time could not remove its group, and nobody else did."""
    sleeper = farm.programs / "sleeping-bwrap"
    sleeper.write_text("#!/bin/sh\n[ \"$1\" = --help ] && exec bwrap --help\nexec sleep 60\n",
                       encoding="utf-8")
    sleeper.chmod(sleeper.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    env = farm.start(f"BubblewrapPath = {sleeper}\nMaxTaskRuntime = 1")
    task = env.client.submit(upload)
    assert env.client.wait(task) == "FINISHED_FAILURE"
    assert "MaxTaskRuntime" in env.client.log(task).text
    assert task_groups(env.server) == []
