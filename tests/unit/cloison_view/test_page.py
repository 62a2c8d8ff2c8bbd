"""The page of a proof needs nothing but itself, tells everything, and obeys nobody's names."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.unit.cloison_view.sample_documents import HOSTILE, SAMPLE_NAMES, document, large_document, renamed

from cloison_view.action_list import action_list
from cloison_view.page import body, render_page
from cloison_view.policy_section import policy_rows, risk_section
from cloison_view.summary import summarize

NAME = "ab" * 32


class Page(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  # the parser's signature
        """Be outside of it again."""
        self.inside = ""

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.setdefault(self.inside, []).append(data)

    def all(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def page(proof: dict[str, Any]) -> Page:
    return Page(render_page(proof, NAME))


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_it_refers_to_nothing_but_itself_and_to_nothing_that_is_not_there(scene: str) -> None:
    found = page(document(scene))

    anchors = set(found.all("id"))
    assert len(anchors) == len(found.all("id"))
    assert set() == {link for link in found.all("href") if link[:1] != "#" or link[1:] not in anchors}
    assert [] == found.all("src") + found.all("style") + found.all("srcset")


def test_its_policy_names_style_and_script_by_their_checksums() -> None:
    found = page(document("breach"))
    (policy,) = [a["content"] or "" for tag, a in found.tags if tag == "meta" and "http-equiv" in a]

    for tag in ("style", "script"):
        (text,) = found.texts[tag]
        checksum = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{checksum}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


@pytest.mark.parametrize("evil", HOSTILE)
@pytest.mark.parametrize("scene", ["breach", "stranger", "unknown", "misused"])
def test_no_name_makes_markup(scene: str, evil: str) -> None:
    tame = page(document(scene))
    found = page(renamed(document(scene), evil))

    assert {tag for tag, _ in tame.tags} == {tag for tag, _ in found.tags}
    assert [1, 1] == [sum(tag == name for tag, _ in found.tags) for name in ("script", "style")]
    assert {name for _, a in tame.tags for name in a} == {name for _, a in found.tags for name in a}
    assert all(re.fullmatch(r"#[a-z0-9-]+", link) for link in found.all("href"))


def test_no_name_is_run_as_a_template() -> None:
    assert "{{ 7 * 7 }}" in render_page(renamed(document("breach"), "{{ 7 * 7 }}"), NAME)


def test_nothing_unseen_gets_onto_the_page() -> None:
    assert not re.search("[\u202e\u2066\u0000]", render_page(renamed(document("stranger"), HOSTILE[5]), NAME))


def test_the_body_is_the_same_in_a_page_of_somebody_elses() -> None:
    proof = document("twelve")

    assert body(proof, NAME) in render_page(proof, NAME)


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_it_tells_what_the_document_tells(scene: str) -> None:
    proof = document(scene)
    text = " ".join(part for texts in page(proof).texts.values() for part in texts)

    words = [NAME, proof["project"]["name"], *proof["notes"], *(part["sentence"] for part in proof["findings"])]
    words += [part["why"] for part in (proof["policy"] or {"tolerate": []})["tolerate"]]
    words += [part["why"] for part in proof["coverage"]["skipped"]] + proof["coverage"]["absent"]
    assert [] == [word for word in words if word not in text]


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_the_picture_comes_before_what_to_act_on(scene: str) -> None:
    text = render_page(document(scene), NAME)

    assert text.index('<h2 id="diagram">') < text.index('<h2 id="to-act-on">') < text.index('<h2 id="matrix">')


def test_entries_beyond_a_few_are_collapsed() -> None:
    proof = document("breach")

    assert "and 2 entries more" in action_list(proof, summarize(proof), most=1)
    assert "pv-more-items" not in action_list(proof, summarize(proof))


def test_the_tolerations_stand_with_their_reasons_and_their_use() -> None:
    proof = {**document("tolerated"), "in_use": []}
    proof["in_use"] = [{"source": "proxy", "target": "app", "protocol": "tcp", "port": 5000, "connections": 3}]
    rows = {row.text: row for row in policy_rows(proof, summarize(proof))}

    assert ("proxy -> app:5000: 3 connections",) == rows["proxy -> app:5000"].used_by
    assert "front must not be internal, or nothing could be published" == rows["proxy -> outside"].why
    assert "open because of it" in rows["network back"].covers
    assert "In use when the proof began" in render_page(proof, NAME)
    assert "In use when the proof began" not in render_page(document("tolerated"), NAME)


def test_the_last_use_of_each_line_is_shown_where_it_is_recorded() -> None:
    proof = document("tolerated")
    last = {"allow[0]": "2026-01-31T10:00:00.000Z"}
    learned = {"since": "2026-01-01T00:00:00.000Z", "watched_s": 30 * 24 * 3600 + 5, "last_used": last}
    page = render_page({**proof, "learned": learned}, NAME)

    assert 1 == page.count("<td>2026-01-31")
    assert "<td>never" in page
    assert "The last use is recorded since 2026-01-01; 30 whole days of it were watched." in page
    assert "Last used" not in render_page(proof, NAME)


def test_a_risk_of_every_container_is_one_line() -> None:
    text = risk_section(document("misused"))

    every = [line for line in text.splitlines() if "every container (3)" in line]
    assert len(every) == len(set(every)) < len(document("misused")["findings"]) / 3 + 1
    assert not risk_section({**document("misused"), "findings": []})


def test_a_proof_without_a_policy_says_so() -> None:
    assert "The file has no policy" in render_page(document("no-policy"), NAME)
    assert "The file has no policy" not in render_page(document("holds"), NAME)


def test_a_proof_of_nothing_is_a_page_too() -> None:
    proof = {**document("holds"), "vantages": [], "endpoints": [], "flows": []}
    proof["verdict"] = {"word": "unproven", "exit_code": 3}
    proof["coverage"] = {**proof["coverage"], "complete": False, "skipped": [{"what": "app", "why": "it is new"}]}

    text = render_page(proof, NAME)
    assert "No flow was judged" in text
    assert "not complete" in text
    assert "it is new" in text


def test_the_same_proof_gives_the_same_bytes() -> None:
    assert render_page(document("twelve"), NAME) == render_page(document("twelve"), NAME)


@pytest.mark.slow
def test_sixty_services_stay_below_six_megabytes() -> None:
    assert len(render_page(large_document(60), NAME).encode()) < 6_000_000
