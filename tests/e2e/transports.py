# SPDX-License-Identifier: Apache-2.0
"""How the generations of clients speak: what is on the wire, byte for byte, and no more forgiving
than the real ones are."""
import http.client
import re
import socket
import ssl
from dataclasses import dataclass

SOUP_READ_S = 60   # libsoup's limit for a single read
NSS_READ_S = 120   # stands for ever
NSS_PIECE = 32767  # bytes of one PR_Recv, which becomes a C string
LOCALE = "cs_CZ.UTF-8"
MIXED_LOCALE = "LC_CTYPE=cs_CZ.UTF-8;LC_NUMERIC=en_US.UTF-8;LC_TIME=C;LC_COLLATE=cs_CZ.UTF-8"
SOUP_LANGUAGE = "cs-cz, cs;q=0.9, en;q=0.8"


class Fatal(Exception):
    """The client ends here, and this is what its user sees."""


@dataclass
class Exchange:
    """A request and the answer to it."""
    method: str
    path: str
    code: int
    headers: list      # of (name, value)
    content: bytes     # of the body, as it was on the wire
    body: str          # as the client has it; may be None
    protocol: str = "1.1"

    def header(self, name):
        for other, value in self.headers:
            if other.lower() == name.lower():
                return value
        return None


class Transport:
    def __init__(self, client, generation, base=""):
        """@param client  tells address and certificate of the server"""
        self.address, self.base, self.generation = client.address, base, generation
        self.tls = ssl.create_default_context(cafile=client.certificate)
        self.exchanges = []
        self.connections = 0
        self.broke_off = False  # not all of a body could be sent

    def ask(self, method, path, fields=(), body=None, before_body=None):
        """@param before_body  called when the head has been sent"""
        self.exchanges.append(self._exchange(method, self.base + path, fields, body, before_body))
        return self.exchanges[-1]

    def _connect(self, limit_s):
        self.connections += 1
        plain = socket.create_connection(self.address, timeout=limit_s)
        return self.tls.wrap_socket(plain, server_hostname="localhost")

    def _send(self, connection, lines, body, before_body):
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        if before_body is not None:
            before_body()
        try:
            connection.sendall(body or b"")
        except OSError:
            self.broke_off = True


class Nss(Transport):
    """Before 2.11.1: a connection for each request, read to its end; the answer is a C string."""

    FIRST = ("Content-Type", "X-Task-Password")  # these come before Content-Length

    def __init__(self, client, generation):
        super().__init__(client, generation)
        self.tls.maximum_version = ssl.TLSVersion.TLSv1_2

    def _exchange(self, method, path, fields, body, before_body):
        with self._connect(NSS_READ_S) as connection:
            self._send(connection, self._head(method, path, fields, body), body, before_body)
            return self._parse(method, path, self._read(connection))

    def _head(self, method, path, fields, body):
        lines = [f"{name}: {value}" for name, value in fields if name in self.FIRST]
        rest = [f"{name}: {value}" for name, value in fields if name not in self.FIRST]
        languages = [] if path == "/settings" else self._languages()
        return [f"{method} {path} HTTP/1.1", "Host: localhost", *lines,
                f"Content-Length: {len(body or b'')}", "Connection: close", *rest, *languages]

    def _languages(self):
        knows = self.generation.knows
        if "language" not in knows:
            return []
        locale = MIXED_LOCALE if "locale" in knows else LOCALE
        short, charset = locale.split(".", 1)
        return [f"Accept-Charset: {charset}",
                f"Accept-Language: {locale if 'locale' in knows else short}"]

    @staticmethod
    def _read(connection):
        pieces = []
        try:
            while not pieces or pieces[-1]:
                pieces.append(connection.recv(NSS_PIECE))
        except OSError as error:
            raise Fatal(f"Receiving of data failed: {error}") from error
        return pieces

    @staticmethod
    def _parse(method, path, pieces):
        text = b"".join(piece.split(b"\0", 1)[0] for piece in pieces).decode("utf-8")
        code = re.match(r"HTTP/\S* +(\d+)", text)
        if code is None:
            raise Fatal("Invalid response from server: HTTP header not found.")
        if "\r\n\r\n" not in text:
            raise Fatal("Invalid response from server: missing HTTP message body.")
        head, body = text.split("\r\n\r\n", 1)
        headers = [tuple(part.strip(" ") for part in line.split(":", 1))
                   for line in head.split("\r\n")[1:]]
        return Exchange(method, path, int(code.group(1)), headers,
                        b"".join(pieces).split(b"\r\n\r\n", 1)[1], body.strip(" "))


class Soup(Transport):
    """libsoup, as far as it shows: connections are kept, redirects followed."""

    def __init__(self, client, generation, base=""):
        super().__init__(client, generation, base + ("/" if "slashes" in generation.knows else ""))
        self.connection = None

    def _exchange(self, method, path, fields, body, before_body):
        connection, self.connection = self.connection or self._connect(SOUP_READ_S), None
        self._send(connection, self._head(method, path, fields, body), body, before_body)
        try:
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Fatal(f"Connection terminated unexpectedly: {error!r}") from error
        if answer.will_close:
            connection.close()
        else:
            self.connection = connection
        if 300 <= answer.status < 400 and answer.headers["Location"]:
            raise Fatal("It follows the redirect, and fails there.")
        empty = None if self.generation.transport == "soup3" else ""
        return Exchange(method, path, answer.status, answer.headers.items(), content,
                        content.decode("utf-8") or empty)

    def _head(self, method, path, fields, body):
        length = [] if body is None else [f"Content-Length: {len(body)}"]
        common = [f"{name}: {value}" for name, value in fields if name[:2] != "X-"]
        ours = [f"{name}: {value}" for name, value in fields if name[:2] == "X-"]
        host = f"Host: localhost:{self.address[1]}"
        request = f"{method} {path} HTTP/1.1"
        if self.generation.transport == "soup2":
            return [request, host, *common, *ours, *self._accept("gzip, deflate"), *length]
        return [request, *common, *length, *self._accept("gzip, deflate, br"), host, *ours]

    @staticmethod
    def _accept(encodings):
        return ["Accept-Charset: UTF-8", f"Accept-Encoding: {encodings}",
                f"Accept-Language: {SOUP_LANGUAGE}", "Connection: Keep-Alive"]
