"""A cell shows intended, predicted and observed, in this order, and the worst judgement."""

from __future__ import annotations

import re

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, large_document

from cloison_view.matrix import ConnectionTable, build_table, matrix
from cloison_view.summary import summarize


def made(scene: str) -> ConnectionTable:
    proof = document(scene)
    return build_table(proof, summarize(proof))


def cells(found: ConnectionTable) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Return the marks and the word of every cell by source, target and port."""
    return {
        (row.source, column.place, column.port_label): (cell.symbols, cell.judgement)
        for row in found.rows
        for column, cell in zip(found.columns, row.cells, strict=True)
        if cell
    }


def test_marks_stand_for_intended_predicted_observed() -> None:
    found = cells(made("breach"))

    assert ("●●●", "holds") == found["app", "db", "3306"]
    assert ("◐●●", "tolerated") == found["app", "db", "*"]
    assert ("○●●", "breach") == found["outside", "db", "3306"]
    assert ("○○○", "holds") == found["outside", "db", "*"]
    assert ("-●●", "unjudged") == found["host", "db", "3306"]


def test_the_host_and_the_outside_are_the_last_columns_and_numbered_ports_come_first() -> None:
    columns = [(column.place, column.port_label) for column in made("tolerated").columns]

    assert ("app", "5000") == columns[0]
    assert ["host", "outside"] == [target for target, _ in columns[-2:]]


@pytest.mark.parametrize("scene", ["tolerated", "udp"])
def test_the_canaries_of_tcp_and_udp_share_a_column(scene: str) -> None:
    assert ["3306", "*"] == [c.port_label for c in made(scene).columns if c.place == "db"]


def test_a_judgement_over_one_protocol_only_names_it() -> None:
    scopes = {cell.scope for row in made("udp").rows for cell in row.cells if cell and cell.judgement == "breach"}

    assert {"over UDP only"} == scopes
    assert "<i>breach over UDP only</i>" in matrix(document("udp"))


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_connection_that_needs_action_has_a_cell_with_its_judgement(scene: str) -> None:
    found = made(scene)
    wanted = {
        (d.source, d.target)
        for d in summarize(document(scene)).connections
        if d.judgement in ("breach", "broken", "unknown")
    }

    assert wanted == {
        (row.source, column.place)
        for row in found.rows
        for column, cell in zip(found.columns, row.cells, strict=True)
        if cell and cell.needs_action
    }


def test_the_filter_leaves_rows_and_columns_that_need_action() -> None:
    found = made("breach")

    assert {"outside", "app", "db", "proxy"} == {row.source for row in found.rows if row.needs_action}
    actionable_columns = {
        (c.place, c.port_label) for c, is_busy in zip(found.columns, found.actionable_columns, strict=True) if is_busy
    }
    assert {("app", "*"), ("db", "3306"), ("proxy", "80"), ("proxy", "*"), ("outside", "any")} == actionable_columns


def test_there_is_no_filter_where_nothing_needs_action() -> None:
    assert "checkbox" not in matrix(document("holds"))
    assert "checkbox" in matrix(document("breach"))


def test_every_name_stands_above_its_own_columns_with_the_filter_and_without_it() -> None:
    for scene in SAMPLE_NAMES:
        found = made(scene)
        busy = [
            column.place for column, is_busy in zip(found.columns, found.actionable_columns, strict=True) if is_busy
        ]

        assert [column.place for column in found.columns] == [name for name, n in found.groups for _ in range(n)]
        assert busy == [name for name, width in found.actionable_groups for _ in range(width)]


def test_a_cell_has_the_shape_and_the_word_of_its_judgement() -> None:
    shapes = {
        (cell.mark, cell.words)
        for scene in ("breach", "holds")
        for row in made(scene).rows
        for cell in row.cells
        if cell
    }

    assert {("●", "needed"), ("◐", "tolerated"), ("·", "closed"), ("-", "not judged"), ("○●●", "breach")} <= shapes


def test_a_table_of_too_many_cells_has_what_needs_action(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloison_view.matrix.MAX_CELLS", 10)
    found = made("breach")

    assert all(row.needs_action for row in found.rows)
    assert all(found.actionable_columns)
    assert found.left_out
    assert f"{found.left_out} connections left out" in matrix(document("breach"))


def test_many_columns_are_dense() -> None:
    assert "pv-dense" in matrix(large_document(20))
    assert "pv-dense" not in matrix(document("holds"))


def test_a_table_of_nothing_has_no_columns() -> None:
    assert not re.search("<td", matrix({**document("holds"), "flows": []}))
