#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ABRT's newer clients with the real libsoup, in a process of their own: two versions of the
library do not fit into one. The result is JSON.

    soup_client.py 3.0 URL CERTIFICATE batch VERSION DIRECTORY
    soup_client.py 3.0 URL CERTIFICATE post CONTENT-TYPE BYTES"""
import dataclasses
import json
import os
import sys

import gi

from generations import Batch, generation_of
from transports import SOUP_READ_S, Exchange, Fatal

NO_LIBRARY = 77  # the exit code


class Soup2:
    """libsoup 2.4"""

    def __init__(self, library, certificate):
        self.soup = library
        self.session = library.Session(ssl_strict=True, ssl_ca_file=certificate,
                                       accept_language_auto=True)
        assert self.session.props.timeout == SOUP_READ_S

    def new(self, method, url, content, body):
        message = self.soup.Message.new(method, url)
        if body is not None:
            message.set_request(content, self.soup.MemoryUse.COPY, body)
        return message, message.props.request_headers

    def send(self, message):
        code = self.session.send_message(message)
        if code < self.soup.Status.CONTINUE:  # a transport error
            raise Fatal(message.props.reason_phrase)
        version = message.get_http_version().value_nick
        return code, message.props.response_headers, \
            message.props.response_body.flatten().get_data(), version


class Soup3:
    """libsoup 3.0"""

    def __init__(self, library, certificate):
        from gi.repository import Gio, GLib
        self.soup, self.glib = library, GLib
        self.session = library.Session(tls_database=Gio.TlsFileDatabase.new(certificate),
                                       accept_language_auto=True)
        assert self.session.props.timeout == SOUP_READ_S

    def new(self, method, url, content, body):
        message = self.soup.Message.new(method, url)
        if body is not None:
            message.set_request_body_from_bytes(content, self.glib.Bytes.new(body))
        return message, message.get_request_headers()

    def send(self, message):
        try:
            content = self.session.send_and_read(message, None).get_data()
        except self.glib.Error as error:
            raise Fatal(error.message) from error
        return int(message.get_status()), message.get_response_headers(), content, \
            message.get_http_version().value_nick


class Transport:
    """What generations.Batch speaks through."""

    def __init__(self, library, url):
        self.library, self.url = library, url
        self.exchanges = []
        self.broke_off = False

    def ask(self, method, path, fields=(), body=None):
        fields = dict(fields)
        message, headers = self.library.new(method, self.url + path,
                                            fields.pop("Content-Type", None), body)
        for name, value in fields.items():
            headers.append(name, str(value))
        headers.append("Accept-Charset", "UTF-8")
        code, answered, content, version = self.library.send(message)
        pairs = []
        answered.foreach(lambda name, value: pairs.append((name, value)))
        text = content.decode("utf-8") if content else None
        self.exchanges.append(Exchange(method, path, code, pairs, content or b"", text, version))
        return self.exchanges[-1]


def do(transport, action, what, which):
    """@return what becomes of it"""
    if action == "batch":
        return dataclasses.asdict(Batch(generation_of(what), transport, which).run())
    transport.ask("POST", "/create", [("Content-Type", what)], os.urandom(int(which)))
    return None


def main():
    version, url, certificate, action, what, which = sys.argv[1:]
    try:
        gi.require_version("Soup", version)
        from gi.repository import Soup
    except (ValueError, ImportError) as error:
        print(error)
        sys.exit(NO_LIBRARY)
    library = {"2.4": Soup2, "3.0": Soup3}[version](Soup, certificate)
    transport = Transport(library, url.rstrip("/"))
    result = {"outcome": None, "fatal": None}
    try:
        result["outcome"] = do(transport, action, what, which)
    except Fatal as error:
        result["fatal"] = str(error)
    result["exchanges"] = [{**dataclasses.asdict(exchange), "content": exchange.content.decode()}
                           for exchange in transport.exchanges]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
