# SPDX-License-Identifier: Apache-2.0
"""Keys that have expired go on to count: releases outlive them, and rpm does the same. Keys that were
revoked do not count, even where rpm itself would not care."""
import re
import subprocess

import pytest

from distribution import Crash, Depot
from packages import Keys, missing, unpacked, unused

LIBRARY = ("libwork", "libwork-debuginfo")
THEN = "--faked-system-time=20200101T000000"
LATER = "--faked-system-time=20200102T000000"


@pytest.fixture(scope="module")
def depot(farm, client_system):
    return Depot(farm, client_system)


@pytest.fixture(scope="module")
def crashed(client_system):
    return Crash(client_system, "/usr/bin/will_crash")


@pytest.fixture
def signed(depot):
    """Sign the library's packages anew, and set the server's keys."""
    def sign(name, *keys, how=""):
        depot.fill()
        depot.distribution.keys.sign(name, *[depot.package(part) for part in LIBRARY], how=how)
        depot.key_file.write_bytes(b"".join(keys))
        depot.forget()

    yield sign
    depot.key_file.write_bytes(depot.distribution.public_key)


def assert_library_is_used(log):
    assert missing(log) == [] and unused(log) == {}
    assert {name for _, name in unpacked(log)} >= set(LIBRARY)


def rpm_takes(file, key, place):
    """What rpm itself says of a signature, with no other key than this."""
    (place / "key").write_bytes(key)
    rpmkeys = ["rpmkeys", "--dbpath", place / "db", "--define", "_pkgverify_level all"]
    subprocess.run([*rpmkeys, "--import", place / "key"], check=False, capture_output=True)
    return subprocess.run([*rpmkeys, "--checksig", file], check=False,
                          capture_output=True).returncode == 0


def assert_as_rpm(depot, log, key, place):
    """Who has a newer rpm may find it stricter."""
    if rpm_takes(depot.package("libwork"), key, place):
        assert_library_is_used(log)
    else:
        assert len(unused(log)) == len(LIBRARY)


class TestExpired:
    def test_667_001_after_the_package_was_signed(self, depot, crashed, signed, client_system,
                                                  tmp_path):
        key = client_system.keys.make("short-lived", THEN, lifetime="4w")
        signed("short-lived", client_system.public_key, key, how=THEN)
        log, _ = depot.retrace(crashed.upload)
        assert_as_rpm(depot, log, key, tmp_path)

    def test_667_002_before_the_package_was_signed(self, depot, crashed, signed, client_system,
                                                   tmp_path):
        """gpg would not sign with it: here it gets its end afterwards."""
        keys = client_system.keys
        signed("backdated", client_system.public_key, keys.make("backdated", THEN))
        key = keys.expire("backdated", LATER, "4w")
        depot.key_file.write_bytes(client_system.public_key + key)
        depot.forget()
        log, _ = depot.retrace(crashed.upload)
        assert_as_rpm(depot, log, key, tmp_path)


class TestRevoked:
    @pytest.mark.parametrize("make, revoke", [(Keys.make, Keys.revoke),
                                              (Keys.make_with_subkey, Keys.revoke_subkey)])
    def test_667_010_does_not_count(self, depot, crashed, signed, client_system, make, revoke):
        """While it is good its packages are used; then they are refused, those of other keys not."""
        keys, name = client_system.keys, make.__name__
        signed(name, client_system.public_key, make(keys, name))
        log, _ = depot.retrace(crashed.upload)
        assert_library_is_used(log)
        depot.key_file.write_bytes(client_system.public_key + revoke(keys, name))
        depot.forget()
        log, report = depot.retrace(crashed.upload)
        assert len(unused(log)) == len(LIBRARY)
        assert all(re.match(rf"it is not signed with a key of {depot.key_file}: .*NOKEY", reason)
                   for reason in unused(log).values()), unused(log)
        assert {name for _, name in unpacked(log)} >= {"glibc", "will-crash"}
        assert "in put_in_order_0" not in report

    def test_667_011_the_only_one(self, depot, crashed, signed, client_system):
        keys = client_system.keys
        key = keys.make("lonely")
        signed("lonely", key)
        depot.key_file.write_bytes(keys.revoke("lonely"))
        log, _ = depot.retrace(crashed.upload)
        assert f"{depot.key_file} holds no public key that was not revoked" in log
        assert unpacked(log) == []
