"""Pages speak of things and people by their names and numbers, and take names for ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from harness.service import Service

from .story import Story
from .visitor import Visitor

OpenVisitor = Callable[[Service, str], Visitor]
BY_NAMES = [("with", "web-team"), ("image", "postgres-17"), ("family", "debian")]


@pytest.fixture
def builder(story: Story, open_visitor: OpenVisitor) -> Visitor:
    return open_visitor(story.service, "image-builder")


def _id_of(story: Story, field: str) -> str:
    ids = {"with": story.project("web-team"), "image": story.image, "family": story.family}
    return ids[field]


@pytest.mark.parametrize(("field", "name"), BY_NAMES)
def test_the_history_is_filtered_by_a_name_as_by_an_id(
    story: Story, builder: Visitor, field: str, name: str
) -> None:
    exports = [
        builder.get(f"/activity/export?{field}={wanted}").text for wanted in (name, _id_of(story, field), "")
    ]
    assert exports[0] == exports[1] != exports[2]
    page = builder.get(f"/activity?{field}={name}")
    assert f'value="{name}"' in page.text
    assert "filters leave" not in page.text


@pytest.mark.parametrize("field", [field for field, _ in BY_NAMES])
def test_a_name_that_there_is_not_is_told_and_filters_nothing_else(builder: Visitor, field: str) -> None:
    page = builder.see(f"/activity?{field}=nobody-and-nothing")
    assert "nobody-and-nothing:" in page.text
    assert builder.get(f"/activity/export?{field}=nobody-and-nothing").status_code == 400


def test_a_name_of_two_images_is_not_guessed(story: Story, builder: Visitor) -> None:
    for _ in range(2):
        story.make_image("image-builder", "twice", 1)
    assert "twice: several have this name." in builder.see("/activity?image=twice").text


def test_an_answer_to_all_of_a_sender_says_how_many_they_are(story: Story, open_visitor: OpenVisitor) -> None:
    offers = story.service.client("web-ops").get("/share/v1/inbox?status=pending").json()["items"]
    waiting = Counter(one["from"]["name"] for one in offers)
    assert max(waiting.values()) > 1
    buttons = open_visitor(story.service, "web-ops").see("/inbox").buttons
    for sender, number in waiting.items():
        assert (f"Accept all {number} from {sender}" in buttons) == (number > 1)


def test_a_part_of_the_list_does_not_pass_for_all(story: Story, open_visitor: OpenVisitor) -> None:
    buttons = open_visitor(story.service, "web-ops").see("/inbox?kind=image").buttons
    assert "Accept all that wait from golden-images" in buttons


@pytest.mark.parametrize("act", ["delete", "deactivate"])
def test_who_ends_an_image_is_told_who_used_it_last(story: Story, builder: Visitor, act: str) -> None:
    assert " by web-team." in builder.see(f"/images/{story.image}/{act}").text
