"""The usual ports of well-known images and URL schemes, for services that declare none.

Input: the reference of an image. Output: its port, and the name under which it is known.
Rule: a row is a port that the image itself exposes (EXPOSE), so that a proof of the running service knows it too.
Source: the pages of the official images, https://hub.docker.com/search?image_filter=official; the schemes are those of
https://www.iana.org/assignments/service-names-port-numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

IMAGE_PORTS: Final[Mapping[str, int]] = {
    "adminer": 8080, "cassandra": 9042, "clickhouse-server": 8123, "consul": 8500, "couchdb": 5984,
    "eclipse-mosquitto": 1883, "elasticsearch": 9200, "grafana": 3000, "httpd": 80, "influxdb": 8086, "keydb": 6379,
    "mariadb": 3306, "meilisearch": 7700, "memcached": 11211, "mongo": 27017, "mysql": 3306, "nats": 4222,
    "nginx": 80, "opensearch": 9200, "pgvector": 5432, "phpmyadmin": 80, "postgis": 5432, "postgres": 5432,
    "prometheus": 9090, "rabbitmq": 5672, "redis": 6379, "timescaledb": 5432, "valkey": 6379, "vault": 8200,
    "zookeeper": 2181,
}  # fmt: skip
"""The last part of an image's name to its port of TCP."""
SCHEME_PORTS: Final[Mapping[str, int]] = {
    "amqp": 5672, "amqps": 5671, "http": 80, "https": 443, "ldap": 389, "ldaps": 636, "mariadb": 3306,
    "mongodb": 27017, "mqtt": 1883, "mysql": 3306, "nats": 4222, "postgres": 5432, "postgresql": 5432,
    "redis": 6379, "rediss": 6379, "smtp": 25, "smtps": 465, "ws": 80, "wss": 443,
}  # fmt: skip


def image_name(image: str) -> str:
    """Return the last part of an image's name: `postgres` of `registry:5000/library/postgres:16@sha256:…`."""
    path = image.partition("@")[0].rpartition("/")[2]
    return path.partition(":")[0]


def scheme_port(scheme: str) -> int:
    """Return the port of a URL's scheme, 0 for an unknown one; `postgresql+asyncpg` is a `postgresql`."""
    return SCHEME_PORTS.get(scheme.casefold().partition("+")[0], 0)
