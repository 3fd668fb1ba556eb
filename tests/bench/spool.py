# SPDX-License-Identifier: Apache-2.0
"""Tasks that never were: directories in a server's spool, made fast. For `make bench`."""
import hashlib
import multiprocessing
import os

PASSWORD = "bench"
FINISHED = {
    "password": hashlib.sha256(PASSWORD.encode()).hexdigest().encode(), "type": b"0\n",
    "status": b"7\n", "lock": b"", "started_time": b"1795535357\n",
    "finished_time": b"1795535359\n",
    "retrace_log": b"[2026-11-24 15:49:19] [I] nothing happened\n" * 8,
    "retrace_backtrace": b"#0  0x0000000000401132 in down (depth=0) at a.c:1\n" * 60,
    "facts": b"package bench\nversion 1.0-1\nrelease fedora-36\narch x86_64\ntime debugger 400\n",
}
# A managed task that nobody has started: it stays as it is.
WAITING = {name: FINISHED[name] for name in ("password", "type")} | {"managed": b"", "waiting": b""}
SHARE = 1000  # tasks that share their files' inodes: making a million of those takes minutes
FIRST = 100000000


def make_task(root, name, files):
    """Returns the open directory of the new task. Its group comes from the spool."""
    os.mkdir(name, 0o750, dir_fd=root)
    task = os.open(name, os.O_RDONLY, dir_fd=root)
    for file, content in files.items():
        fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=task)
        os.write(fd, content)
        os.close(fd)
    return task


def set_stage(root, name, stage):
    """As a worker does."""
    task = os.open(name, os.O_RDONLY, dir_fd=root)
    fd = os.open(".status.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=task)
    os.write(fd, b"%d\n" % stage)
    os.close(fd)
    os.rename(".status.new", "status", src_dir_fd=task, dst_dir_fd=task)


def link_task(root, name, original):
    os.mkdir(name, 0o750, dir_fd=root)
    task = os.open(name, os.O_RDONLY, dir_fd=root)
    for file in FINISHED:
        os.link(file, file, src_dir_fd=original, dst_dir_fd=task)
    os.close(task)


def as_owner(server, work, *arguments):
    """In a process that is the spool's owner, whose files they are."""
    def run():
        owner = server.owner()
        if server.is_root:
            os.setgroups([server.httpd_group().gr_gid])
            os.setresgid(owner.pw_gid, owner.pw_gid, owner.pw_gid)
            os.setresuid(owner.pw_uid, owner.pw_uid, owner.pw_uid)
        os.umask(0o027)
        work(os.open(server.spool, os.O_RDONLY), *arguments)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError("the spool could not be filled")


def make_finished(root, since, until):
    original = -1
    for number in range(since, until):
        if original < 0 or number % SHARE == 0:
            original = make_task(root, str(FIRST + number), FINISHED)
        else:
            link_task(root, str(FIRST + number), original)


def fill(server, since, until):
    """Finished tasks, FIRST + since to FIRST + until - 1, all with PASSWORD."""
    as_owner(server, make_finished, since, until)
    os.sync()  # the figures that follow must not pay for it


def remove(server, count):
    """As fast as they were made."""
    def work(root):
        for number in range(count):
            task = os.open(str(FIRST + number), os.O_RDONLY, dir_fd=root)
            for file in FINISHED:
                os.unlink(file, dir_fd=task)
            os.close(task)
            os.rmdir(str(FIRST + number), dir_fd=root)

    as_owner(server, work)
