"""A registry with a password, an image of a few bytes, and a person who publishes it.

Rule: registry and engine are real; only what stands between them (`Between`) is ours, and it may lie.
"""

import base64
import dataclasses
import hashlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

USERNAME_KEYS: Final = "me"
PASSWORD: Final = "q7-Überlang/€+secret"
MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
CLOISON: Final = Path(sys.executable).with_name("cloison")


def docker(*arguments: str, stdin: bytes = b"", config: Path | None = None) -> str:
    """Run docker, which must succeed, and return what it printed."""
    where = ("--config", str(config)) if config else ()
    done = subprocess.run(["docker", *where, *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
        return port


@dataclasses.dataclass(frozen=True, slots=True)
class Registry:
    """A registry that runs; `storage` is where it keeps what it was given."""

    port: int
    storage: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        """Host and port, as a reference begins."""
        return f"127.0.0.1:{self.port}"

    def manifest(self, path: str, tag: str) -> bytes:
        """Return the bytes that it hands out for a tag, asked without the engine."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        word = base64.b64encode(f"{USERNAME_KEYS}:{PASSWORD}".encode()).decode()
        try:
            connection.request(
                "GET", f"/v2/{path}/manifests/{tag}", headers={"Authorization": f"Basic {word}", "Accept": MANIFEST}
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, body
        return body

    def digest(self, path: str, tag: str) -> str:
        """Return the digest of those bytes, counted here."""
        return f"sha256:{hashlib.sha256(self.manifest(path, tag)).hexdigest()}"

    def blob(self, digest: str) -> Path:
        """Return the file in which it keeps some bytes."""
        name = digest.removeprefix("sha256:")
        return self.storage / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


@dataclasses.dataclass(slots=True)
class Answer:
    """What a registry answers."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Disconnect(Exception):  # noqa: N818  # it is an order
    """Raised by a rule to break the connection off."""


Rule = Callable[[str, str, Answer], Answer]


class TamperingProxy(ThreadingHTTPServer):
    """A machine between engine and registry: what it lets through is up to `rule`."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.rule: Rule = lambda _method, _path, answer: answer
        super().__init__(("127.0.0.1", 0), _ProxyHandler)

    @property
    def host(self) -> str:
        """Host and port, as a reference begins."""
        return f"127.0.0.1:{self.server_port}"


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TamperingProxy

    def _pass(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.registry.port, timeout=10)
        try:
            connection.request(self.command, self.path, body=self._body(), headers=self._headers())
            inspected = connection.getresponse()
            answer = self.server.rule(
                self.command, self.path, Answer(inspected.status, inspected.getheaders(), inspected.read())
            )
        except (Disconnect, OSError):
            self.close_connection = True
            return
        finally:
            connection.close()
        self._answer(answer)

    def _headers(self) -> dict[str, str]:
        kept = set(self.headers) - {"Transfer-Encoding", "Content-Length"}
        return {name: ", ".join(self.headers.get_all(name, ())) for name in kept}  # the engine sends several Accept

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name not in ("Transfer-Encoding", "Content-Length"):
                self.send_header(name, value)
        length = dict(answer.headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _pass  # noqa: N815  # the names are http.server's

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """A local image."""

    name: str
    image_id: str

    def names(self) -> set[str]:
        """Return every name that the engine has for it, by tag and by digest."""
        inspected = json.loads(docker("image", "inspect", self.image_id))[0]
        return {*(inspected["RepoTags"] or ()), *(inspected["RepoDigests"] or ())}

    def containers(self) -> str:
        """Return the containers that were made of it."""
        return docker("ps", "--all", "--quiet", "--filter", f"ancestor={self.image_id}")


def make_image(name: str) -> Image:
    """Make an image of a few bytes that no other has; without a name when `name` is empty."""
    content, archive = uuid.uuid4().bytes, io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return Image(name, docker("import", "-", *filter(None, (name,)), stdin=archive.getvalue()))


def remove_image(image: Image) -> None:
    """Remove an image with all its names."""
    subprocess.run(["docker", "rmi", "--force", image.image_id], capture_output=True, check=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """How a run ended and what it said."""

    code: int
    out: str
    err: str


@dataclasses.dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes, from an empty directory, with a Docker configuration of their own."""

    home: Path

    @property
    def config(self) -> Path:
        """The directory of Docker's configuration."""
        return self.home / "docker"

    def write_config(self, **settings: object) -> None:
        """Have Docker's configuration say this."""
        (self.config / "config.json").write_text(json.dumps(settings))

    def logged_in(self, host: str, password: str = PASSWORD) -> None:
        """Have Docker's configuration hold a password."""
        self.write_config(auths={host: {"auth": base64.b64encode(f"{USERNAME_KEYS}:{password}".encode()).decode()}})

    def environment(self) -> dict[str, str]:
        """Return the environment of a run."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "COV_"))}
        return kept | {"DOCKER_CONFIG": str(self.config), "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}"}

    def start(self, *arguments: str, **streams: int) -> subprocess.Popen[bytes]:
        """Start a run; the pipes are there unless `streams` says otherwise."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        work = self.home / "work"
        return subprocess.Popen([CLOISON, "publish", *arguments], cwd=work, env=self.environment(), **pipes)  # type: ignore[call-overload, no-any-return]

    def publishes(
        self, *arguments: str, password: str = "", settings: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> Result:
        """Publish; a password given here goes through standard input. No secret may ever be printed."""
        login = ("--username", USERNAME_KEYS, "--password-stdin") if password else ()
        done = subprocess.run(
            [CLOISON, "publish", *arguments, *login],
            cwd=self.home / "work",
            env=self.environment() | dict(settings or {}),
            input=f"{password}\n".encode() if password else stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert not [word for word in secrets(password or PASSWORD) if word in result.out + result.err]
        return result


def secrets(password: str) -> tuple[str, ...]:
    """Return the spellings of a password that must not be seen."""
    return password, base64.b64encode(f"{USERNAME_KEYS}:{password}".encode()).decode()
