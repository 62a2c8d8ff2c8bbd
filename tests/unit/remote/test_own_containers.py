"""A label alone never makes a container, network or image ours."""

from __future__ import annotations

from typing import Any

import pytest

from cloison.rehearse.resources import is_of_rehearsal
from cloison.remote.agent_container import is_own_container
from cloison.remote.agent_image import VERSION_COMMAND

TOKEN = "0123456789abcdef"
HOST: dict[str, Any] = {"NetworkMode": "host", "PidMode": "host", "AutoRemove": True, "ReadonlyRootfs": True}
AGENT: dict[str, Any] = {
    "Name": f"/cloison-agent-{TOKEN}",
    "HostConfig": HOST,
    "Config": {"Image": "localhost/cloison/agent:0.1.0-abc", "Entrypoint": ["python"]},
}
READER: dict[str, Any] = {
    "Name": f"/cloison-agent-{TOKEN}",
    "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": True},
    "Config": {"Image": "python:3.11-slim", "Entrypoint": VERSION_COMMAND},
}


@pytest.mark.parametrize("document", [AGENT, READER], ids=["agent", "reader"])
def test_a_container_of_this_program_is_its_own(document: dict[str, Any]) -> None:
    assert is_own_container(document, TOKEN)


@pytest.mark.parametrize(
    "document",
    [
        {},
        AGENT | {"Name": "/db"},
        AGENT | {"Name": "/cloison-agent-0"},
        AGENT | {"Config": {"Image": "mariadb:11"}},
        AGENT | {"HostConfig": HOST | {"AutoRemove": False}},
        AGENT | {"HostConfig": HOST | {"PidMode": ""}},
        AGENT | {"HostConfig": HOST | {"ReadonlyRootfs": False}},
        AGENT | {"HostConfig": HOST | {"NetworkMode": "shop_backend_net"}},
        READER | {"Config": {"Entrypoint": ["mariadbd"]}},
    ],
)
def test_a_foreign_container_is_not(document: dict[str, Any]) -> None:
    assert not is_own_container(document, TOKEN)


REHEARSAL = "shop-rehearsal-a1b2c3"
IMAGE = "localhost/cloison/idle-a1b2c3"


@pytest.mark.parametrize(
    ("item", "is_own"),
    [
        ({"Names": [f"/{REHEARSAL}-db-1"], "Image": IMAGE}, True),
        ({"Names": [f"/{REHEARSAL}-db-1"], "Image": f"{IMAGE}:latest"}, True),
        ({"Names": [f"/{REHEARSAL}-db-1"], "Image": "mariadb:11"}, False),
        ({"Names": ["/shop-db-1"], "Image": IMAGE}, False),
        ({"Name": f"{REHEARSAL}_back"}, True),
        ({"Name": "shop_back"}, False),
        ({"RepoTags": [f"{IMAGE}:latest"]}, True),
        ({"RepoTags": None}, True),
        ({"RepoTags": ["<none>:<none>"]}, True),
        ({"RepoTags": [f"{IMAGE}:latest", "shop/db:1"]}, False),
    ],
)
def test_a_left_over_of_a_rehearsal_has_its_name_and_its_image(item: dict[str, Any], is_own: bool) -> None:
    assert is_own is is_of_rehearsal(item, REHEARSAL)
