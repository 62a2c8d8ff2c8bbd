"""The health check of the application's container: exit code 0 while the ledger's process answers.

It asks `/healthz`, not `/readyz`: a database that is away makes the application not ready, and a restart of the
application would not bring the database back. `python -m ledger` listens only after it has reached the database and
brought the tables up to date, so a first answer also says that the start is complete: this is what
`depends_on: {condition: service_healthy}` of the proxy waits for.

Imports little, since it runs every few seconds.
"""

import http.client
import sys


def is_alive() -> bool:
    """Return whether the ledger answers `/healthz` with status 200 within three seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", 5000, timeout=3)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_alive() else 1)
