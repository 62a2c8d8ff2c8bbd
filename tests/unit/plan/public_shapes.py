"""The shapes of twenty well-known kinds of Compose projects: services, networks, ports, and a policy for each.

Only the shape is that of public files: which services there are, and on which networks. Names and policies are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tests.unit.plan.sample_documents import service

Services = dict[str, dict[str, Any]]


def _project(name: str, services: Services, allow: Iterable[str], **networks: dict[str, Any]) -> dict[str, Any]:
    used = {key for body in services.values() for key in body.get("networks", {})}
    return {
        "name": name,
        "services": {key: {"image": "example", **body} for key, body in services.items()},
        "networks": {key: {"name": f"{name}_{key}", **networks.get(key, {})} for key in sorted(used)},
        "x-cloison": {"allow": [*allow]},
    }


def _on_default(**exposed: int) -> Services:
    return {name.replace("_", "-"): service("default", expose=(port,)) for name, port in exposed.items()}


def _published(port: int, target: int, *networks: str) -> dict[str, Any]:
    return service(*(networks or ("default",)), expose=(target,), ports=(f"{port}:{target}",))


SHAPES: Final[dict[str, dict[str, Any]]] = {
    shape["name"]: shape
    for shape in (
        _project(
            "blog",
            {**_on_default(db=3306), "wordpress": _published(8080, 80)},
            ["outside -> wordpress:80", "wordpress -> db:3306", "wordpress -> outside"],
        ),
        _project(
            "cloud",
            {
                "app": _published(80, 80, "cachenet", "dbnet"),
                "cache": service("cachenet", expose=(6379,)),
                "db": service("dbnet", expose=(3306,)),
            },
            ["outside -> app:80", "app -> db:3306", "app -> cache:6379", "app -> outside"],
        ),
        _project(
            "social",
            {
                "db": service("internal", expose=(5432,)),
                "redis": service("internal", expose=(6379,)),
                "web": _published(3000, 3000, "external", "internal"),
                "streaming": _published(4000, 4000, "external", "internal"),
                "sidekiq": service("external", "internal"),
            },
            [
                "outside -> web:3000",
                "outside -> streaming:4000",
                "web, streaming, sidekiq -> db:5432",
                "web, streaming, sidekiq -> redis:6379",
                "web, sidekiq -> outside",
            ],
            internal={"internal": True},
        ),
        _project(
            "photos",
            {**_on_default(learning=3003, redis=6379, database=5432), "server": _published(2283, 2283)},
            ["outside -> server:2283", "server -> learning:3003", "server -> redis:6379", "server -> database:5432"],
        ),
        _project(
            "papers",
            {**_on_default(broker=6379, db=5432, gotenberg=3000, tika=9998), "webserver": _published(8000, 8000)},
            [
                "outside -> webserver:8000",
                "webserver -> broker:6379",
                "webserver -> db:5432",
                "webserver -> gotenberg:3000",
                "webserver -> tika:9998",
            ],
        ),
        _project(
            "edge",
            {
                "traefik": service("proxy", expose=(80, 443), ports=("80:80", "443:443")),
                "whoami": service("proxy", expose=(80,)),
                "wiki": service("proxy", "wikidb", expose=(3000,)),
                "wikidb": service("wikidb", expose=(5432,)),
            },
            [
                "outside -> traefik:80,443",
                "traefik -> whoami:80",
                "traefik -> wiki:3000",
                "wiki -> wikidb:5432",
                "traefik -> outside",
            ],
            wikidb={"internal": True},
        ),
        _project(
            "forge",
            {
                "gitlab": service("default", expose=(80, 22), ports=("80:80", "2222:22")),
                "runner": service("default"),
                **_on_default(registry=5000),
            },
            [
                "outside -> gitlab:80,22",
                "runner -> gitlab:80",
                "runner -> outside",
                "gitlab -> outside",
                "gitlab -> registry:5000",
            ],
        ),
        _project(
            "errors",
            {
                **_on_default(kafka=9092, redis=6379, postgres=5432, clickhouse=9000, web=9000, relay=3000),
                "nginx": _published(9000, 80),
                "worker": service("default"),
                "consumer": service("default"),
                "cron": service("default"),
            },
            [
                "outside -> nginx:80",
                "nginx -> web:9000",
                "nginx -> relay:3000",
                "relay -> kafka:9092",
                "relay -> redis:6379",
                "relay -> web:9000",
                "web, worker, cron -> postgres:5432",
                "web, worker, cron -> redis:6379",
                "consumer -> kafka:9092",
                "consumer -> clickhouse:9000",
                "web -> clickhouse:9000",
                "worker -> outside",
            ],
        ),
        _project(
            "identity",
            {
                **_on_default(postgresql=5432, redis=6379),
                "server": service("default", expose=(9000, 9443), ports=("9000:9000", "9443:9443")),
                "worker": service("default"),
            },
            [
                "outside -> server:9000,9443",
                "server, worker -> postgresql:5432",
                "server, worker -> redis:6379",
                "worker -> outside",
            ],
        ),
        _project(
            "vault",
            {
                **_on_default(vaultwarden=80),
                "caddy": service("default", expose=(80, 443), ports=("80:80", "443:443", "443:443/udp")),
            },
            ["outside -> caddy:80,443", "outside -> caddy:443/udp", "caddy -> vaultwarden:80", "caddy -> outside"],
        ),
        _project(
            "analytics",
            {**_on_default(db=5432, events=8123), "plausible": service("default", ports=("127.0.0.1:8000:8000",))},
            ["plausible -> db:5432", "plausible -> events:8123", "plausible -> outside"],
        ),
        _project(
            "statistics",
            {**_on_default(db=3306, app=9000), "web": _published(8080, 80), "cron": service("default")},
            ["outside -> web:80", "web -> app:9000", "app, cron -> db:3306", "cron -> outside"],
        ),
        _project(
            "meetings",
            {
                "web": service("meet", expose=(80, 443), ports=("8000:80", "8443:443")),
                "prosody": service("meet", expose=(5222, 5280)),
                "jicofo": service("meet"),
                "bridge": service("meet", ports=("10000:10000/udp",)),
            },
            [
                "outside -> web:80,443",
                "outside -> bridge:10000/udp",
                "web -> prosody:5280",
                "jicofo -> prosody:5222",
                "bridge -> prosody:5222",
                "bridge -> outside",
            ],
        ),
        _project(
            "mail",
            {
                **_on_default(mysql=3306, redis=6379, clamd=3310, rspamd=11332, php=9002),
                "postfix": service("default", expose=(25, 587), ports=("25:25", "587:587")),
                "dovecot": service("default", expose=(24, 143, 993), ports=("143:143", "993:993")),
                "nginx": _published(443, 443),
            },
            [
                "outside -> postfix:25,587",
                "outside -> dovecot:143,993",
                "outside -> nginx:443",
                "postfix -> rspamd:11332",
                "postfix -> dovecot:24",
                "postfix, dovecot, php -> mysql:3306",
                "rspamd, php -> redis:6379",
                "rspamd -> clamd:3310",
                "nginx -> php:9002",
                "postfix, clamd -> outside",
            ],
        ),
        _project(
            "downloads",
            {
                "vpn": service("default", expose=(8080,), ports=("8080:8080",)),
                "torrent": {"network_mode": "service:vpn"},
                "sonarr": _published(8989, 8989),
                "prowlarr": _published(9696, 9696),
            },
            [
                "outside -> vpn:8080",
                "outside -> sonarr:8989",
                "outside -> prowlarr:9696",
                "sonarr -> vpn:8080",
                "sonarr -> prowlarr:9696",
                "prowlarr -> sonarr:8989",
                "vpn, torrent, sonarr, prowlarr -> outside",
            ],
        ),
        _project(
            "monitoring",
            {
                **_on_default(prometheus=9090, alertmanager=9093, exporter=9100, cadvisor=8080),
                "grafana": _published(3000, 3000),
            },
            [
                "outside -> grafana:3000",
                "grafana -> prometheus:9090",
                "prometheus -> alertmanager:9093",
                "prometheus -> exporter:9100",
                "prometheus -> cadvisor:8080",
                "alertmanager -> outside",
            ],
        ),
        _project(
            "logs",
            {
                "elasticsearch": service("elk", expose=(9200,)),
                "logstash": _published(5044, 5044, "elk"),
                "kibana": _published(5601, 5601, "elk"),
            },
            [
                "outside -> logstash:5044",
                "outside -> kibana:5601",
                "logstash -> elasticsearch:9200",
                "kibana -> elasticsearch:9200",
            ],
        ),
        _project(
            "events",
            {
                "broker1": service("default", expose=(9092, 9093)),
                "broker2": service("default", expose=(9092, 9093)),
                "broker3": service("default", expose=(9092, 9093)),
                "schemas": service("default", expose=(8081,)),
                "console": service("default", ports=("127.0.0.1:8080:8080",)),
            },
            [
                "broker1 -> broker2, broker3:9093",
                "broker2 -> broker1, broker3:9093",
                "broker3 -> broker1, broker2:9093",
                "schemas, console -> broker1, broker2, broker3:9092",
                "console -> schemas:8081",
            ],
        ),
        _project(
            "game",
            {
                "server": service("default", expose=(25565,), ports=("25565:25565", "19132:19132/udp")),
                "backup": service("default"),
                **_on_default(rcon_web=4326),
            },
            ["outside -> server:25565", "outside -> server:19132/udp", "backup, rcon-web -> server:25565"],
        ),
        _project(
            "automation",
            {
                **_on_default(postgres=5432, redis=6379),
                "n8n": _published(5678, 5678),
                "worker": service("default", scale=2),
            },
            [
                "outside -> n8n:5678",
                "n8n, worker -> postgres:5432",
                "n8n, worker -> redis:6379",
                "n8n, worker -> outside",
            ],
        ),
    )
}
