# SPDX-License-Identifier: Apache-2.0
"""The command line of the old retrace server, in so far as it speaks to /create."""
import tarfile
import time

import crash
from transports import Fatal

DELAY_S = 0.05  # between two polls; the tool's 10 s
TASK_S = 60


class TaskTool:
    """`retrace-server-task batch`, in Python with requests: http mode, the only one without the
    manager. Its tar is compressed although its label says nothing of it."""

    HEADERS = {"User-Agent": "python-requests/2.28.1", "Accept-Encoding": "gzip, deflate",
               "Accept": "*/*"}

    def __init__(self, client):
        self.client = client

    def _ask(self, method, path, fields=None, body=None):
        answer = self.client.request(method, path, {**self.HEADERS, **(fields or {})}, body)
        if answer.status not in (200, 201):
            raise Fatal(f"Status code {answer.status} was returned with message: '{answer.text}'")
        return answer

    @staticmethod
    def pack(place, members):
        """tarfile's own format: pax, with times of fractions of a second."""
        with tarfile.open(place / "archive.tar.gz", "w:gz") as archive:
            for name, content in members.items():
                (place / name).write_bytes(content)
                archive.add(place / name, arcname=name)
        return (place / "archive.tar.gz").read_bytes()

    def run(self, archive, task_type=0):
        """@return the texts that it prints, and the backtrace"""
        self._ask("GET", "/", {"Connection": "keep-alive"})
        answer = self._ask("POST", "/create", {
            "Content-Type": crash.TAR, "Content-Length": str(len(archive)),
            "X-Task-Type": str(task_type), "Connection": "close"}, archive)
        self.task = answer.headers["X-Task-ID"]
        self.fields = {"Connection": "keep-alive",
                       "X-Task-Password": answer.headers["X-Task-Password"]}
        texts = self._follow()
        return texts, self._ask("GET", f"/{self.task}/backtrace", self.fields).text

    def _follow(self):
        """Until one of two texts comes; no other words, no line feed."""
        texts = []
        deadline = time.monotonic() + TASK_S
        while not texts or texts[-1] != "Retrace job finished successfully":
            assert time.monotonic() < deadline, f"the tool does not see the end: {texts}"
            text = self._ask("GET", f"/{self.task}", self.fields).text
            if text == "Retrace job failed":
                raise Fatal(text)
            if texts[-1:] != [text]:
                texts.append(text)
            time.sleep(DELAY_S)
        return texts
