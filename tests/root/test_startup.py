# SPDX-License-Identifier: Apache-2.0
"""What httpd's root parent trusts at its start, and what it must not."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from serve.server import Server, ServerError


@pytest.fixture
def server():
    directory = Path(tempfile.mkdtemp(prefix="retrace-startup-"))
    directory.chmod(0o755)
    server = Server(directory, tls=False)
    server.prepare()
    yield server
    server.stop()
    shutil.rmtree(directory)


def replace_helper(server, script):
    """As the spool's owner could, to whom the file belongs."""
    helper = server.dir / "libexec" / "retrace-helper"
    helper.unlink()
    helper.write_text(script, encoding="utf-8")
    os.chown(helper, server.owner().pw_uid, server.httpd_group().gr_gid)
    helper.chmod(0o750)


def test_root_never_runs_the_helper(server):
    """The owner's program would be root's at the next reload."""
    seen = server.dir / "seen"
    seen.mkdir()
    seen.chmod(0o777)
    replace_helper(server, f"#!/bin/sh\nid -u > {seen}/uid\nid -G > {seen}/groups\n")
    with pytest.raises(ServerError):
        server.check()
    httpd = server.httpd_user()
    assert (seen / "uid").read_text().strip() == str(httpd.pw_uid)
    assert "0" not in (seen / "groups").read_text().split()


@pytest.mark.parametrize("spoil", ["owner", "group-writable", "world-writable"])
def test_settings_that_others_could_write_stop_httpd(server, spoil):
    """ProgramDir in it names what is started."""
    if spoil == "owner":
        os.chown(server.config, server.owner().pw_uid, 0)
    else:
        server.config.chmod(0o664 if spoil == "group-writable" else 0o646)
    sentence = "must belong to root" if spoil == "owner" else "must not be writable by others"
    with pytest.raises(ServerError, match=f"RT0003.*{sentence}"):
        server.check()
