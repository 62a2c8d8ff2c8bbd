"""The one image that a project builds."""

import pytest

from cloison.commands.publish import built_image
from cloison.errors import UsageError

BUILD = {"context": "."}


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ({"app": {"build": BUILD, "image": "me/app:1"}, "db": {"image": "db"}}, "me/app:1"),
        ({"app": {"build": BUILD}}, "shop-app"),
        ({"app": {"build": BUILD, "image": "one"}, "worker": {"build": BUILD, "image": "one"}}, "one"),
    ],
)
def test_the_one_built_image_is_found(services: dict[str, object], expected: str) -> None:
    assert built_image({"name": "shop", "services": services}) == expected


def test_several_are_listed() -> None:
    services = {"web": {"build": BUILD, "image": "z"}, "app": {"build": BUILD}, "job": {"build": BUILD, "image": "z"}}

    with pytest.raises(UsageError) as error_advice:
        built_image({"name": "shop", "services": services})

    assert str(error_advice.value).endswith("name one with --from: shop-app (app), z (web, job)")


@pytest.mark.parametrize("document", [{"name": "shop"}, {"name": "shop", "services": {"db": {"image": "db"}}}])
def test_none_asks_for_a_name(document: dict[str, object]) -> None:
    with pytest.raises(UsageError) as error_advice:
        built_image(document)

    assert "--from LOCAL_IMAGE" in str(error_advice.value)
