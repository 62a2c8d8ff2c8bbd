"""Docker Engine.

`api` reads its HTTP API, `firewall` the rules that it has written, `daemon` the settings of `dockerd`, and `port_proxy`
the processes at published ports.
"""

from cloison.engine.docker.api import COMPONENT, NAME, PROGRAMS, TABLES, Docker, connect
from cloison.engine.docker.firewall import unreached_rules
from cloison.engine.docker.port_proxy import proxied_ports

__all__ = ["COMPONENT", "NAME", "PROGRAMS", "TABLES", "Docker", "connect", "proxied_ports", "unreached_rules"]
