"""A project's page as in a tutorial, for comparison: a connection for each request, no cache, no login."""

import json

import pymysql
from flask import Flask, render_template_string, request

from cloison_view.diagram import diagram
from cloison_view.evidence import evidence
from cloison_view.matrix import matrix

app = Flask(__name__)

PAGE = """<!doctype html><title>{{ proof.project.name }}</title>
<h1>{{ proof.project.name }}: {{ proof.verdict.word }}</h1><p>{{ proof.started }}, {{ number }} proofs</p>
{{ pieces[0] }}{{ pieces[1] }}{{ pieces[2] }}"""


def connect() -> "pymysql.Connection[pymysql.cursors.Cursor]":
    """Open a connection, as every request does."""
    return pymysql.connect(host="db", user="ledger", password="naive", database="ledger")  # noqa: S106


@app.post("/naive")
def add() -> str:
    """Keep a proof."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO proof (body) VALUES (%s)", (request.get_data(as_text=True),))
        connection.commit()
    return "kept"


@app.get("/naive")
def index() -> str:
    """Show the last proof: the same picture, matrix and evidence."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM proof")
        (number,) = cursor.fetchone() or (0,)
        cursor.execute("SELECT body FROM proof ORDER BY id DESC LIMIT 1")
        (body,) = cursor.fetchone() or ("",)
    proof = json.loads(body)
    pieces = [make(proof) for make in (diagram, matrix, evidence)]
    return render_template_string(PAGE, proof=proof, number=number, pieces=pieces)
