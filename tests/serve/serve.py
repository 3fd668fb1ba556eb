# SPDX-License-Identifier: Apache-2.0
"""`make serve`: the private server in the foreground until Ctrl-C.

Prints `ready <url>` on standard output when it serves; everything else goes to standard error.
"""
import argparse
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from server import Server, ServerError, complain, say

ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def parse():
    parser = argparse.ArgumentParser(prog="make serve")
    parser.add_argument("--listen", default="127.0.0.1:8181", help="address:port")
    parser.add_argument("--dir", help="where everything goes; kept if given")
    parser.add_argument("--conf", help="a file of options that override the defaults")
    parser.add_argument("--tls", choices=("0", "1"), default="1")
    return parser.parse_args()


def read_settings(path):
    """The options of a file, without the section line: ours begins it already."""
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ServerError(f"CONF cannot be read: {error}") from error


@contextlib.contextmanager
def place(path):
    if path:
        Path(path).mkdir(parents=True, exist_ok=True)
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="retrace-serve-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def check_listen(listen):
    """LISTEN must be an address and a port."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ServerError(f"LISTEN must be <address>:<port>, not {listen}")


def serve(args):
    check_listen(args.listen)
    with place(args.dir) as directory:
        server = Server(directory, listen=args.listen, tls=args.tls == "1",
                        settings=read_settings(args.conf), settings_name=args.conf)
        if not server.is_root:
            complain("Not root: httpd, the helper and the workers are all this user; nothing is "
                     "setuid, and there is no control group.")
        try:
            with server:
                say(f"ready {server.url}")
                complain(f"Everything is in {server.dir}; Ctrl-C ends it.")
                while signal.sigwait(ENDS | {signal.SIGCHLD}) == signal.SIGCHLD:
                    server.require_alive()
        finally:
            server.stop()


def main():
    args = parse()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS | {signal.SIGCHLD})
    try:
        serve(args)
    except (ServerError, OSError) as error:
        complain(f"make serve: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
