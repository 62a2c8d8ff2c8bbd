"""The ledger's page as a tutorial would build it: what `bench` compares the stack with."""

import pymysql
from flask import Flask, render_template
from ledger.store import Answer

from ledger import pages

app = Flask("ledger")
app.register_blueprint(pages.bp)  # for the page's own links; its routes come second


def visit() -> Answer:
    """Open a connection, count, read, close."""
    connection = pymysql.connect(host="db", user="ledger", password="naive", database="ledger")  # noqa: S106
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE visits SET seen = seen + 1")
            cursor.execute("SELECT seen, @@hostname, @@version, DATABASE(), USER() FROM visits")
            row = cursor.fetchone()
        connection.commit()
    finally:
        connection.close()
    assert row is not None  # noqa: S101 - visits.sql inserts it
    return Answer(*row)


@app.get("/naive")
def index() -> str:
    """Show the same page."""
    return render_template("index.html", answer=visit())
