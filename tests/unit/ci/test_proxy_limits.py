"""The proxy's limits: with all connections and both file systems full it stays below its memory limit."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NGINX = (ROOT / "proxy/nginx.conf").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yml").read_text(encoding="utf-8")
TLS = (ROOT / "compose.tls.yml").read_text(encoding="utf-8")
STACK = (ROOT / "docs/stack.md").read_text(encoding="utf-8")
UNITS = {"": 1, "k": 2**10, "m": 2**20}
# The defaults of connection_pool_size and request_pool_size (ngx_http_core_module.c). A header takes the 56 bytes of an
# ngx_table_elt_t (ngx_hash.h).
POOLS = 512 + 4096
HEADER = 56 + 32  # and the lower-case copy of its name
OF_TLS = 60 * 2**10  # twice what an idle connection with TLS 1.3 was measured to take, for the buffers of one with data
ITSELF = 24 * 2**20  # the processes and their shared zones


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([km]?)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def setting(name: str, where: str = NGINX) -> list[str]:
    """Return the words of the only line of a directive outside of a location, which is indented by 16 characters."""
    lines = re.findall(rf"^ {{0,8}}{name}:? ([^;#\n]+)", where, re.MULTILINE)
    assert len(lines) == 1, (name, lines)
    return str(lines[0]).split()


def connections() -> int:
    return int(setting("worker_processes")[0]) * int(setting("worker_connections")[0])


def one_connection() -> int:
    """Return the bytes of a client that has sent all that it may without a token."""
    many, each = setting("large_client_header_buffers")
    headers = size(setting("client_header_buffer_size")[0]) + int(many) * size(each)
    headers += int(setting("max_headers")[0]) * HEADER
    return POOLS + headers + size(setting("client_body_buffer_size")[0])


def file_systems() -> int:
    found = re.findall(r"uid=101,gid=101,mode=0700,size=(\d+m)", COMPOSE)
    assert len(found) == 2
    return sum(map(size, found))


def memory_limit(where: str) -> int:
    return size(re.findall(r"mem_limit: (\d+m)", where)[-1])


def test_everything_full_fits_into_the_memory_limit() -> None:
    assert connections() * one_connection() + file_systems() + ITSELF <= memory_limit(COMPOSE)


def test_with_tls_as_well() -> None:
    assert connections() * (one_connection() + OF_TLS) + file_systems() + ITSELF <= memory_limit(TLS)


def test_a_body_without_a_token_is_never_written_to_a_file() -> None:
    assert size(setting("client_max_body_size")[0]) <= size(setting("client_body_buffer_size")[0])


def test_the_bodies_of_all_places_fit_into_their_file_system() -> None:
    large, medium = (int(re.findall(rf"limit_conn {kind} (\d+);", NGINX)[0]) for kind in ("large", "medium"))
    room = size(re.findall(r"/run/bodies:\S+size=(\d+m)", COMPOSE)[0])

    assert large * 8 * 2**20 + medium * 1_000_000 <= room


@pytest.mark.parametrize("number", [connections(), memory_limit(COMPOSE) // 2**20, memory_limit(TLS) // 2**20])
def test_the_documentation_has_the_numbers(number: int) -> None:
    assert f"{number:,}" in STACK
