"""The target of the redirect after a login."""

import pytest

from ledger.accounts.safe_redirect import safe_path


@pytest.mark.parametrize("path", ["/", "/projects/a?only=changes", "/projects/a%2Fb", "/a//b", "/?next=//x"])
def test_a_path_of_this_ledger_is_followed(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "projects",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/path\r\nSet-Cookie: a=b",
        "//[evil",
    ],
)
def test_anything_else_leads_to_the_front_page(path: str | None) -> None:
    assert safe_path(path) == "/"
