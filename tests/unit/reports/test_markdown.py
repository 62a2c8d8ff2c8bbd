"""The Markdown report: the verdict first, a table by cause, nothing that breaks out of it, and never too long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace
from tests.unit.plan.sample_documents import planned, service, shop
from tests.unit.reports.sample_contents import CONTENTS, PLANS
from tests.unit.reports.sample_proofs import PROOFS

from cloison.plan.schema import Plan
from cloison.proof.schema import SkippedPart, TolerationPart
from cloison.reports import markdown
from cloison.reports.content import Content
from cloison.reports.markdown_text import code, fenced, sentence
from cloison_view.labels import counted

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
TAGS = {"code", "/code", "details", "/details", "summary", "/summary", "sub", "/sub", "br", "span", "/span"}


def html(text: str) -> str:
    """Return Markdown as HTML."""
    return str(MARKDOWN.render(text))


@pytest.mark.parametrize("content", CONTENTS)
def test_the_verdict_and_the_counts_come_first(content: Content) -> None:
    text = markdown.render(content)

    assert text.startswith(f"### {markdown.MARKS[content.exit_code]} {content.headline} · ")
    assert counted(content.summary.connection_counts, "connection") in text


@pytest.mark.parametrize("content", CONTENTS)
def test_its_only_html_is_its_own_and_closed(content: Content) -> None:
    text = re.sub(r"```.*?```", "", markdown.render(content), flags=re.DOTALL)
    tags = re.findall(r"<([^>]*)>", text)

    assert set(tags) <= TAGS
    assert all(tags.count(tag) == tags.count(f"/{tag}") for tag in ("code", "details", "summary", "sub", "span"))


@pytest.mark.parametrize("content", CONTENTS)
def test_the_table_has_a_row_for_each_cause_and_remedy(content: Content) -> None:
    rows = html(markdown.render(content)).count("<tr>")

    assert (rows > 1) == (content.exit_code != 0 and bool(content.document.flows) and content.document.totals != {})


def test_a_strict_report_says_why_it_fails() -> None:
    assert "With --strict, a tolerated flow counts as a breach." in markdown.render(
        Content(PLANS["sound"](), strict=True)
    )


def test_a_file_without_a_policy_is_told() -> None:
    assert "nothing is proven of it" in markdown.render(Content(PLANS["without-policy"]()))


def test_a_proposal_is_a_block_of_yaml() -> None:
    plan = PLANS["breached"]()
    assert plan.proposal

    assert f"```yaml\n{plan.proposal.yaml}```" in markdown.render(Content(plan))


def test_risks_and_gaps_are_named() -> None:
    proof = PROOFS["misused"]()
    coverage = replace(proof.coverage, skipped=[SkippedPart("db", "it has completed")])
    text = markdown.render(Content(replace(proof, coverage=coverage)))

    assert "<summary>Security risks (they do not change the verdict) (9)</summary>" in text
    assert "- <code>db</code>: it has completed" in text


def crowded(services: int) -> Plan:
    """Return a plan in which every service has a published port that nothing needs."""
    many = {f"service-{i}": service("back", expose=(80 + i,), ports=(f"{9000 + i}:{80 + i}",)) for i in range(services)}
    return planned(shop({"allow": []}, **many))


def test_a_large_report_fits_and_counts_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "MAX_BYTES", 12_000)
    monkeypatch.setattr(markdown, "MAX_ROWS", 2)
    text = markdown.render(Content(crowded(6)))

    assert len(text.encode()) <= 12_000
    assert "left out: the comment has a limit, and <code>--format json</code> has all." in text
    assert text.count("<details>") == text.count("</details>")
    assert re.search(r"and [0-9]+ more entries", text)


def test_sections_without_any_room_are_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "MAX_BYTES", 3_000)
    text = markdown.render(Content(PLANS["breached"]()))

    assert "<details>" not in text
    assert "More details are left out: the comment has a limit, and <code>--format json</code> has all." in text


def test_a_report_fits_whatever_the_names_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "MAX_TABLE_BYTES", 20_000)  # the table has few rows, one for each cause
    plan = PLANS["breached"]()
    long = "@" * 5_000
    flows = [replace(flow, reason=f"{long} {i}", rule=f"{i}") for i, flow in enumerate(plan.flows)]
    named = replace(plan, flows=flows, project=replace(plan.project, name=long))
    text = markdown.render(Content(named))

    assert len(text.encode()) <= markdown.MAX_BYTES
    assert re.search(r"and [0-9]+ more entries", text)


HOSTILE = "x|y `z` </details> @team #12 **b** [l](https://e.example) www.evil.example ![i](u) \n# h\n\u202e<img>"


def test_no_name_or_reason_breaks_out_of_the_report() -> None:
    proof = PROOFS["tolerated"]()
    assert proof.policy
    part = TolerationPart(HOSTILE, HOSTILE)
    policy = replace(proof.policy, tolerate=[part, *proof.policy.tolerate[1:]])
    named = replace(proof, policy=policy, project=replace(proof.project, name=HOSTILE))
    text = markdown.render(Content(named))

    assert html(text).count("<h1>") + html(text).count("<a ") + html(text).count("<img") == 0
    assert text.count("</details>") == text.count("<details>")
    assert not re.search(r"@\w|(?<!&)#\d|\u202e|www\.|://", text)


@given(st.text())
def test_a_text_is_shown_as_it_is(text: str) -> None:
    page = html(f"start {sentence(text)} {code(text)}")

    tags = set(re.findall(r"<([^>]*)>", page)) - {"p", "/p", "span", "/span", "code", "/code"}
    assert tags == set()
    assert page.count("<p>") == 1


def test_a_block_of_code_ends_where_its_text_does() -> None:
    lines = fenced("a\n```\n`````\nb", "yaml")

    assert ["``````yaml", "a", "```", "`````", "b", "``````"] == lines
