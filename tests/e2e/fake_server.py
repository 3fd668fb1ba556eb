# SPDX-License-Identifier: Apache-2.0
"""A retrace server that answers what a test tells it to, also what no real one would: for tests of
our client."""
import contextlib
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ID = "123456789"
PASSWORD = "correct-horse"
WAIT_S = 60

# What the last Python server says of itself, and what ours does.
OLD = ("running_tasks 1\nmax_running_tasks 5\nmax_packed_size 50\nmax_unpacked_size 1024\n"
       "supported_formats application/x-xz-compressed-tar application/x-xz\n"
       "supported_releases fedora-36-x86_64 rhel-7-x86_64")
NEW = OLD.replace("application/x-xz\n", "application/x-xz application/zstd application/x-coredump\n"
                  ) + "\nfeatures long-poll json cancel delete teleport\n"


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    cut: bool = False         # end the connection before the body is whole
    silent: bool = False      # end it without an answer
    hold: object = None       # an Event to wait for before answering
    hold_body: object = None  # the same, between headers and body


def state(word, text="", **more):
    return Answer(body=(text or word).encode(), headers={"X-Task-Status": word}, **more)


CREATED = Answer(201, headers={"X-Task-Id": ID, "X-Task-Password": PASSWORD})
PENDING = state("PENDING", "Generating backtrace")
SUCCESS = state("FINISHED_SUCCESS", "Retrace job finished successfully")
FAILURE = state("FINISHED_FAILURE", "Retrace job failed")


def json_state(word, body):
    return Answer(body=body, headers={"X-Task-Status": word, "Content-Type": "application/json"})


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, dict(self.headers), body)
        fake.requests.append(request)
        with contextlib.suppress(OSError):
            self.reply(fake.answer(request))

    do_POST = do_GET

    def reply(self, answer):
        if answer.hold is not None:
            answer.hold.wait(WAIT_S)
        if answer.silent:
            self.close_connection = True
            return
        self.send_response(answer.status)
        length = len(answer.body) + (100 if answer.cut else 0)
        for name, value in {"Content-Length": length, **answer.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if answer.hold_body is not None:
            answer.hold_body.wait(WAIT_S)
        self.wfile.write(answer.body)
        if answer.cut or answer.headers.get("Content-Length", 0) is None:
            self.close_connection = True


class FakeServer:
    """`answers`: by what is asked for (settings, create, state, backtrace, log, delete, cancel) a
    list of answers, of which the last one stays."""

    def __init__(self, settings=OLD, tls=None, **answers):
        self.answers = {"settings": [Answer(body=settings.encode())], "create": [CREATED],
                        "state": [SUCCESS], "backtrace": [Answer(body=b"#0 main\n")],
                        "log": [Answer(body=b"[2026] [E] it went wrong\n")],
                        "delete": [Answer(body=b"")], "cancel": [Answer(body=b"")], **answers}
        self.requests = []
        self.lock = threading.Lock()
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.fake = self
        self.scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.httpd.server_port}/some/where"

    def answer(self, request):
        what = request.path.removeprefix("/some/where/").split("?")[0]
        if what.startswith(ID):
            if request.headers.get("X-Task-Password") != PASSWORD:
                return Answer(403, b"The password of this task is another one.")
            what = what.removeprefix(ID).removeprefix("/") or "state"
        with self.lock:
            answers = self.answers.get(what)
            if answers is None:
                return Answer(404, b"There is no such task.")
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def asked(self, what):
        """Requests whose path ends so, without the query."""
        return [request for request in self.requests
                if request.path.split("?")[0].endswith("/" + what)]

    def __enter__(self):
        threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.httpd.shutdown()
        self.httpd.server_close()


def make_certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         str(directory / "key.pem"), "-out", str(directory / "cert.pem")],
        check=True, capture_output=True)
    return directory
