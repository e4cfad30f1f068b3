"""A web server on this machine that can be as bad as real ones, and a small catalogue of what it serves."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.models.catalogue import installed, models_folder
from Tell2RegLib.models.catalogue.entries import Catalog, Model, load_catalog
from Tell2RegLib.models.catalogue.installed import Store

DATA = np.random.default_rng(3).bytes(300_000)
OTHER = np.random.default_rng(4).bytes(300_000)

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the plan says; where there is none, as a good server does."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        with self.server.guard:
            self.server.asked.append((self.path, dict(self.headers.items())))
            answer = self.server.plan.popleft() if self.server.plan else well
        self.close_connection = True
        answer(self)

    def start(self, status: int, **headers: str | int) -> None:
        """Status line and headers; `Content_Length` for Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, data: bytes) -> None:
        """Send bytes, unless the other side has gone."""
        try:
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            pass

    def asked_from(self) -> int:
        """Where the body may begin: what Range asks for, if If-Range lets it."""
        detected = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", self.server.etag) == self.server.etag
        return int(detected[1]) if detected and same else 0

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """What it serves, what it was asked, and how it is to answer next."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.etag = DATA, '"one"'
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.plan: deque[Answer] = deque()
        self.guard = threading.Lock()

    def url(self, path: str = "/weights.pth") -> str:
        """An address of this server."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server for the length of the `with`."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- answers ---


def well(handler: Handler) -> None:
    """As a good server does, ranges included."""
    data, start = handler.server.data, handler.asked_from()
    if start >= len(data):
        return handler.start(416, Content_Range=f"bytes */{len(data)}", Content_Length=0)
    whole = {"ETag": handler.server.etag, "Content_Length": len(data) - start}
    if start:
        handler.start(206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}", **whole)
    else:
        handler.start(200, **whole)
    handler.send(data[start:])


def cut(after: int) -> Answer:
    """Promises all that is left and hangs up after so many bytes."""

    def answer(handler: Handler) -> None:
        data, start = handler.server.data, handler.asked_from()
        headers = {"ETag": handler.server.etag, "Content_Length": len(data) - start}
        if start:
            handler.start(206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}", **headers)
        else:
            handler.start(200, **headers)
        handler.send(data[start : start + after])
        handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


def without_ranges(handler: Handler) -> None:
    """Sends everything, whatever was asked for."""
    handler.start(200, Content_Length=len(handler.server.data))
    handler.send(handler.server.data)


def wrong_range(handler: Handler) -> None:
    """Says that it goes on from elsewhere."""
    data = handler.server.data
    handler.start(206, Content_Range=f"bytes 7-{len(data) - 1}/{len(data)}", Content_Length=len(data) - 7)
    handler.send(data[7:])


def of_length(said: int) -> Answer:
    """Says another length than that of what it sends."""

    def answer(handler: Handler) -> None:
        handler.start(200, Content_Length=said)
        handler.send(handler.server.data)

    return answer


def without_length(data: bytes) -> Answer:
    """Sends something and closes, without saying how long it is."""

    def answer(handler: Handler) -> None:
        handler.start(200, Connection="close")
        handler.send(data)

    return answer


def status(code: int) -> Answer:
    """Nothing but a status."""
    return lambda handler: handler.start(code, Content_Length=0)


def redirect(to: str, code: int = 302) -> Answer:
    """Sends elsewhere."""
    return lambda handler: handler.start(code, Location=to, Content_Length=0)


def portal(handler: Handler) -> None:
    """The page of a hotel's network, which answers for everyone."""
    page = b"<html>Please sign in.</html>"
    handler.start(200, Content_Type="text/html", Content_Length=len(page))
    handler.send(page)


def silent(gate: threading.Event, after: int = 0) -> Answer:
    """Sends so much, and the rest when the gate opens."""

    def answer(handler: Handler) -> None:
        data, start = handler.server.data, handler.asked_from()
        handler.start(200, ETag=handler.server.etag, Content_Length=len(data))
        handler.send(data[start : start + after])
        gate.wait(30)
        handler.send(data[start + after :])

    return answer


# --- what is served ---


def a_model(server: Server, name: str = "sam-vit-b", *, data: bytes = DATA, **changes: object) -> Model:
    """A model of the real catalogue that this server serves instead."""
    known = {
        "urls": (server.url(),),
        "bytes": len(data),
        "about_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "md5": None,
    }
    return replace(load_catalog().model(name), **{**known, **changes})


FAST = ("groundingdino-swin-t", "bert-vocabulary", "sam-vit-b")
"""The models of the set 'fast'."""


def an_empty_store(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The user's store from now on: empty, and the server has the models of the set 'fast'."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(models_folder.VARIABLE, str(folder))
    catalog = a_catalog(*(a_model(server, name) for name in FAST))
    monkeypatch.setattr(installed, "Store", lambda: Store(models_folder.models_folder(), catalog))
    return Store(folder, catalog)


def a_catalog(*models: Model) -> Catalog:
    """The real catalogue with some models replaced."""
    real = load_catalog()
    models_by_name = {model.name: model for model in models}
    return replace(real, models=tuple(models_by_name.get(model.name, model) for model in real.models))
