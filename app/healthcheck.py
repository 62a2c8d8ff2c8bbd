"""Exit code 0 when the ledger of this container is ready; imports little, since it runs every few seconds."""

import http.client
import sys


def is_ready() -> bool:
    """Ask the ledger itself whether its database answers."""
    connection = http.client.HTTPConnection("127.0.0.1", 5000, timeout=3)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready() else 1)
