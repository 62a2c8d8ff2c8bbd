"""The faults of the catalogue that enforcement does not close, or of which a proof cannot tell, and why.

docs/enforce.md has a row for each, and tests/unit/docs compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DIRECT: Final = "a cable from container to container passes no bridge"
NOT_ENTERED: Final = "a port that nobody knows is closed; what is behind it cannot be entered, so it is not proven"
UNMANAGED: Final = "the interface is not the engine's; what it carries is not proven"
NOT_CLOSED: Final[Mapping[str, tuple[str, str]]] = {
    "a container of another project in the database's namespace": (
        "breached",
        "two containers in one network namespace are not separated by packets",
    ),
    "a docker-proxy process that remained": (
        "breached",
        "a process of the host answers; its own connection to the database is closed, which a probe cannot tell",
    ),
    "a rule of nftables that writes into packets": (
        "unproven",
        "the rule is not understood: it may lead anywhere",
    ),
    "DNAT of an unused address to the database": ("unproven", "no namespace has the address, so it is not probed"),
    "two bridges joined by a veth pair": ("unproven", NOT_ENTERED),
    "two bridges joined without filtering": ("unproven", NOT_ENTERED),
    "a tunnel on the bridge": ("unproven", NOT_ENTERED),
    "an interface moved to the other bridge": ("unproven", UNMANAGED),
    "a veth pair between two containers": ("breached", DIRECT),
    "a veth pair between two containers over IPv6": ("breached", DIRECT),
    "a veth pair without addresses": ("unproven", UNMANAGED),
    "a veth pair to the host": ("breached", "the cable is no port of the project's bridges"),
    "a tun interface": ("unproven", UNMANAGED),
    "an address that the engine did not assign": (
        "breached",
        "the database is not known by its new address, so what needs it is broken, and nothing more is open",
    ),
}
"""By the fault: the word of the verdict, and the reason."""
