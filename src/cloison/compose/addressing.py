"""Checks the addresses that a Compose file configures: subnets of networks and static addresses of services.

Input: a project. Output: nothing, or a FileError with the position of the first address that an engine refuses.
Rule: networks of the file that are not external share one address space, so their subnets must not overlap.
Source: https://docs.docker.com/reference/compose-file/networks/#ipam
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import combinations

from cloison.compose.project import Network, Project
from cloison.errors import FileError

Subnet = IPv4Network | IPv6Network


def check_addresses(project: Project) -> None:
    """Raise FileError when a subnet is invalid or overlaps another, or a static address is in no subnet or taken."""
    own = [network for network in project.networks.values() if not network.external]
    subnets = {network.key: [*_subnets(network)] for network in own}
    for (first, of_first), (second, of_second) in combinations(subnets.items(), 2):
        for one in of_first:
            for other in of_second:
                if one.version == other.version and one.overlaps(other):
                    raise FileError(
                        f"networks.{second}.ipam: the subnet {other} overlaps {one} of the network {first}, "
                        "so the engine refuses the second network; choose another subnet"
                    )
    for network in own:
        _check_static_addresses(project, network, subnets[network.key])


def _subnets(network: Network) -> Iterator[Subnet]:
    for text in network.subnets:
        try:
            yield ip_network(text, strict=False)
        except ValueError:
            raise FileError(
                f'networks.{network.key}.ipam: "{text}" is no subnet; write it like 172.28.0.0/16'
            ) from None


def _check_static_addresses(project: Project, network: Network, subnets: list[Subnet]) -> None:
    owners: dict[object, str] = {}
    for service in project.services.values():
        for text in service.static_addresses.get(network.name, ()):
            where = f"services.{service.name}.networks.{network.key}"
            try:
                address = ip_address(text)
            except ValueError:
                raise FileError(f'{where}: "{text}" is not an address; write one of the network\'s subnet') from None
            if not any(address in subnet for subnet in subnets):
                raise FileError(
                    f"{where}: {address} is in no subnet of the network; configure one that holds it under "
                    f"networks.{network.key}.ipam"
                )
            if address in owners:
                raise FileError(f"{where}: {owners[address]} has the address {address}, too; choose another one")
            owners[address] = service.name
