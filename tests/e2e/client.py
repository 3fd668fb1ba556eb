# SPDX-License-Identifier: Apache-2.0
"""A client of the retrace server that sends exactly what a test tells it to."""
import http.client
import socket
import ssl
import time
from dataclasses import dataclass

import crash

TIMEOUT_S = 40
POLL_S = 0.05


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8")


@dataclass
class Task:
    id: str
    password: str
    estimate: str


def read_reply(connection):
    answer = connection.getresponse()
    return Reply(answer.status, answer.headers, answer.read())


class Client:
    def __init__(self, server):
        self.address = (server.host, server.port)
        self.prefix = server.location.rstrip("/")
        self.tls = None
        self.certificate = server.dir / "tls" / "cert.pem"
        if server.tls:
            self.tls = ssl.create_default_context(cafile=self.certificate)

    def connect(self, timeout=TIMEOUT_S):
        """A keep-alive connection of http.client."""
        if self.tls is None:
            return http.client.HTTPConnection(*self.address, timeout=timeout)
        return http.client.HTTPSConnection(*self.address, context=self.tls, timeout=timeout)

    def open(self, timeout=TIMEOUT_S):
        """A bare connection, for bytes that http.client would not send."""
        plain = socket.create_connection(self.address, timeout=timeout)
        if self.tls is None:
            return plain
        return self.tls.wrap_socket(plain, server_hostname=self.address[0])

    def request(self, method, path, headers=None, body=None):
        connection = self.connect()
        connection.putrequest(method, self.prefix + path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        reply = read_reply(connection)
        connection.close()
        return reply

    def create(self, upload, content=crash.XZ, headers=None):
        fields = {"Content-Type": content, "Content-Length": str(len(upload)), "X-Task-Type": "0",
                  **(headers or {})}
        return self.request("POST", "/create",
                            {name: value for name, value in fields.items() if value is not None},
                            upload)

    def submit(self, upload, **how):
        """An upload that must be accepted."""
        return task_of(self.create(upload, **how))

    def get(self, task, what="", method="GET", password=None):
        return self.request(method, f"/{task.id}{what}",
                            {"X-Task-Password": password or task.password})

    def word(self, task):
        return self.get(task).headers["X-Task-Status"]

    def wait(self, task, timeout=60):
        """Poll until the task has ended; returns the final word."""
        return poll(lambda: self._final_word(task), timeout, f"task {task.id} has not ended")

    def _final_word(self, task):
        word = self.word(task)
        return word if word != "PENDING" else None

    def backtrace(self, task):
        return self.get(task, "/backtrace")

    def log(self, task):
        return self.get(task, "/log")


def task_of(reply):
    assert reply.status == 201, f"{reply.status} {reply.text}"
    return Task(reply.headers["X-Task-Id"], reply.headers["X-Task-Password"],
                reply.headers["X-Task-Est-Time"])


def poll(probe, timeout, complaint):
    """The first true answer of `probe`; fails with the complaint when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{complaint} in {timeout} s"
        time.sleep(POLL_S)
