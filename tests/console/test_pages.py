"""Every page says what the API says, and so do the commands that it shows."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from clients.console import Console

from .story import Story
from .visitor import Visitor

STATUS_WORDS = {"pending": "waiting"}


Visit = Callable[[str], Visitor]


@pytest.fixture(scope="module")
def visit(story: Story) -> Iterator[Visit]:
    """A function that gives the visitor of an account; each signs in once."""
    with ExitStack() as stack:

        @cache
        def visit_as(account: str) -> Visitor:
            visitor = stack.enter_context(Visitor(story.service))
            visitor.sign_in(story.service.clouds[account])
            return visitor

        yield visit_as


# ---- facts: what the page has to say of the body of the call


def _offers(body: Any) -> list[str]:
    found = []
    for one in body["items"]:
        thing, sender = one[one["kind"]], one["from"]
        found += [thing["name"], sender["name"], sender["domain_name"], one["message"] or ""]
        found += [sender["publisher"]["name"]] if sender["publisher"] else ["not verified"]
    return found


def _images(body: Any) -> list[str]:
    found = [f"{len(body['images'])} image"]
    for one in body["images"]:
        found += [one["name"], one["status"], one["disk_format"], one["visibility"], *one["tags"]]
    return found


def _recipients(body: Any) -> list[str]:
    found = [f"{len(body['items'])} recipients shown"]
    for one in body["items"]:
        numbers = {status: count + one["families"][status] for status, count in one["images"].items()}
        found += [one["name"], one["recipient"]["project"][-4:], f">{sum(one['images'].values())}<"]
        found += [f"{n} {STATUS_WORDS.get(status, status)}" for status, n in numbers.items() if n]
    return found


def _image(body: Any) -> list[str]:
    own = [body["name"], body["status"], body["visibility"], body["os_hash_value"], body["id"]]
    return [*own, *body["tags"], body.get("os_distro", ""), f"{body['min_ram']} MB memory"]


def _shares(body: Any) -> list[str]:
    found = [f"{len(body['items'])} shares shown"]
    for one in body["items"]:
        found += [one["name"], STATUS_WORDS.get(one["status"], one["status"])]
    return found


def _given(body: Any) -> list[str]:
    return [one[one["kind"]]["name"] for one in body["items"]] + [f"{len(body['items'])} shares shown"]


def _counts(body: Any) -> list[str]:
    accepted, pending, rejected = body["accepted"], body["pending"], body["rejected"]
    return [f"{accepted} accepted · {pending} waiting · {rejected} rejected"]


def _families(body: Any) -> list[str]:
    return [
        word
        for one in body["items"]
        for word in (one["title"], one["name"], f"version {one['current_number']}")
    ]


def _owned_families(body: Any) -> list[str]:
    found = _families(body)
    for one in body["items"]:
        counts = one["members"]
        found += [
            f">{counts['accepted']}</td>",
            f">{counts['pending']}</td>",
            f'datetime="{one["promoted_at"][:19]}',
        ]
    return found


def _versions(body: Any) -> list[str]:
    return [
        word
        for one in body["items"]
        # A recipient sees no images of versions that it was never given.
        for word in (
            (one["image"] or {"name": f"version {one['number']}"})["name"],
            one["state"],
            one["revoke_reason"] or one["notes"],
        )
    ]


def _members(body: Any) -> list[str]:
    ids = [one["recipient"]["project"] for one in body["items"]]
    return [*ids, *(STATUS_WORDS.get(one["status"], one["status"]) for one in body["items"])]


def _events(body: Any) -> list[str]:
    # Of those about a family its name is shown.
    kinds = ["family" if one["type"].startswith("transom.family.") else "image" for one in body["events"]]
    things = [one["data"].get(kind) for one, kind in zip(body["events"], kinds, strict=True)]
    return [f"{len(body['events'])} events shown", *(thing["name"] for thing in things if thing)]


def _hooks(body: Any) -> list[str]:
    states = ["working" if one["enabled"] and not one["failed_tries"] else "" for one in body["items"]]
    disabled = ["disabled" for one in body["items"] if not one["enabled"]]
    return [one["url"] for one in body["items"]] + states + disabled


def _hook(body: Any) -> list[str]:
    return [body["url"], body["id"], ", ".join(body["types"])]


def _operation(body: Any) -> list[str]:
    up, jobs = body["uploads"], body["jobs"]
    stores = [word for one in body["stores"] for word in (one["id"], f">{one['images']:,}<")]
    return [
        f"{up['saving']} running",
        f"{up['uploading']} staged, {up['importing']} importing",
        f"{jobs['waiting']} waiting",
        f"{jobs['running']} running, {jobs['failed']} failed",
        f"{body['hooks']['disabled']} disabled",
        *stores,
    ]


def _projects(body: Any) -> list[str]:
    found = [f"{len(body['items'])} projects shown"]
    for one in body["items"]:
        found.append(one["name"])
        found += [
            f'title="{one["bytes"]:,} bytes"',
            *(f">{one[key]:,}<" for key in ("images", "given", "taken")),
        ]
    return found


def _publisher(body: Any) -> list[str]:
    return [f'value="{body["name"]}"', f'value="{body["url"]}"', body["project"]]


def _rules(body: Any) -> list[str]:
    words = {"accepted": "accepted", "rejected": "blocked"}
    return [word for one in body["items"] for word in (one["publisher"]["project"], words[one["answer"]])]


def _offer(body: Any) -> list[str]:
    return [body[body["kind"]]["name"], body["from"]["publisher"]["name"]]


def _offered_family(body: Any) -> list[str]:
    current = f"version {body['family']['current_number']}"
    return [body["message"], body["from"]["name"], current, STATUS_WORDS[body["status"]]]


def _family(body: Any) -> list[str]:
    return [body["name"], body["title"], body["description"]]


def _family_fields(body: Any) -> list[str]:
    return [f'value="{body["title"]}"', f">{body['description']}</textarea>"]


def _own_projects(body: Any) -> list[str]:
    return [word for one in body["projects"] for word in (one["name"], one["id"])]


def _fields(body: Any) -> list[str]:
    return [f'value="{value}"' for value in (body["name"], body["min_ram"], *body["tags"], body["os_distro"])]


def _name(body: Any) -> list[str]:
    return [f"<bdi>{body['name']}</bdi>"]


def _whose_end(body: Any) -> list[str]:
    return [f"share with <bdi>{body['name']}</bdi> end?"]


def _last_use(body: Any) -> list[str]:
    return [f'datetime="{body["usage"]["last_used_at"][:19]}', f"by <bdi>{body['name']}</bdi>"]


def _last_use_of_all(body: Any) -> list[str]:
    used = [one for one in body["items"] if one["usage"]["last_used_at"]]
    return _last_use(max(used, key=lambda one: str(one["usage"]["last_used_at"])))


def _who_loses(body: Any) -> list[str]:
    return [f"{body['accepted']} project has</strong> accepted it, {body['pending']} was asked"]


def _who_stays(body: Any) -> list[str]:
    return [f"{body['members']['accepted']} member gets no new versions", f"os_share_family={body['name']}"]


def _free_images(body: Any) -> list[str]:
    free = [one for one in body["images"] if "os_share_family" not in one and one["status"] == "active"]
    return [f'<option value="{one["id"]}">{one["name"]}' for one in free]


def _pointing(body: Any) -> list[str]:
    now = body["current_number"]
    return [f"{body['members']['accepted']} project</strong> gets access", f"Version {now} leaves the lists"]


def _version(body: Any) -> list[str]:
    reason = [f"“<bdi>{body['revoke_reason']}</bdi>”"] if body["revoke_reason"] else []
    return [f"ersion {body['number']}", *reason]


def _how_much(body: Any) -> list[str]:
    return [f"<strong>{len(body['items'])}</strong> things"]


def _url(body: Any) -> list[str]:
    return [f"<bdi>{body['url']}</bdi>"]


def _stores(body: Any) -> list[str]:
    return [word for one in body["stores"] for word in (one["id"], one["type"], f"<dd>{one['weight']}</dd>")]


_SHARE, _MEMBER = "/share/v1/images/{image}/shares", "/share/v1/families/{family}/members/projects/{web-team}"
#: Account, name of the page in the story, call, what it says.
FACTS: list[tuple[str, str, str, Callable[[Any], list[str]]]] = [
    ("web-ops", "inbox", "/share/v1/inbox", _offers),
    ("web-ops", "inbox-accepted", "/share/v1/inbox?status=accepted", _offers),
    ("shop-ops", "inbox-accepted-family", "/share/v1/inbox?status=accepted", _offers),
    ("shop-ops", "family-accepted", "/share/v1/families/{family}/versions", _versions),
    ("web-ops", "images", "/v2/images?owner={project}", _images),
    ("web-ops", "images-shared", "/v2/images?visibility=shared", _images),
    ("web-ops", "image-given", "/v2/images/{image}", _image),
    ("web-ops", "families-member", "/share/v1/families?role=member", _families),
    ("web-ops", "family-given", "/share/v1/families/{family}", _family),
    ("web-ops", "family-given", "/share/v1/inbox/families/{family}", _offered_family),
    ("web-ops", "leave", "/share/v1/inbox/images/{image}", _offer),
    ("web-ops", "leave-family", "/share/v1/inbox/families/{family}", _offer),
    ("web-ops", "rules", "/share/v1/rules", _rules),
    ("web-ops", "account", "/identity/v3/auth/projects", _own_projects),
    ("web-ops", "project", "/identity/v3/auth/projects", _own_projects),
    ("web-ops", "activity", "/share/v1/events?order=desc", _events),
    ("image-builder", "image", "/v2/images/{image}", _image),
    ("image-builder", "image", "/share/v1/images/{image}/shares", _shares),
    ("image-builder", "image", "/share/v1/images/{image}/shares/summary", _counts),
    ("image-builder", "image-edit", "/v2/images/{image}", _fields),
    ("image-builder", "offer", "/v2/images/{image}", _name),
    ("image-builder", "withdraw", _SHARE + "/projects/{web-team}", _last_use),
    ("image-builder", "terms", _SHARE + "/projects/{web-team}", _whose_end),
    ("image-builder", "delete", _SHARE + "/summary", _who_loses),
    ("image-builder", "delete", _SHARE, _last_use_of_all),
    ("image-builder", "deactivate", _SHARE, _last_use_of_all),
    ("image-builder", "families", "/share/v1/families?role=owner", _owned_families),
    ("image-builder", "family", "/share/v1/families/{family}/versions", _versions),
    ("image-builder", "family-members", "/share/v1/families/{family}/members", _members),
    ("image-builder", "family-history", "/share/v1/events?family={family}&order=desc", _events),
    ("image-builder", "family-settings", "/share/v1/families/{family}", _family_fields),
    ("image-builder", "family-offer", "/share/v1/families/{family}", _name),
    ("image-builder", "family-terms", _MEMBER, _whose_end),
    ("image-builder", "family-withdraw", _MEMBER, _name),
    ("image-builder", "family-delete", "/share/v1/families/{family}", _who_stays),
    ("image-builder", "version-add", "/v2/images?owner={project}", _free_images),
    ("image-builder", "promote", "/share/v1/families/{family}", _pointing),
    ("image-builder", "revoke", "/share/v1/families/{family}/versions/3", _version),
    ("image-builder", "restore", "/share/v1/families/{family}/versions/1", _version),
    ("image-builder", "take-out", "/share/v1/families/{family}/versions/4", _version),
    ("image-builder", "shared", "/share/v1/recipients", _recipients),
    ("image-builder", "shared-to", "/share/v1/shares?to=projects/{web-team}", _given),
    ("image-builder", "withdraw-all", "/share/v1/shares?to=projects/{web-team}", _how_much),
    ("image-builder", "hooks", "/share/v1/hooks", _hooks),
    ("image-builder", "hook", "/share/v1/hooks/{hook}", _hook),
    ("image-builder", "hook-secret", "/share/v1/hooks/{hook}", _url),
    ("image-builder", "hook-delete", "/share/v1/hooks/{hook}", _url),
    ("admin", "health", "/share/v1/operation", _operation),
    ("admin", "stores", "/v2/info/stores/detail", _stores),
    ("admin", "projects", "/share/v1/projects", _projects),
    ("admin", "audit", "/share/v1/events?order=desc&all=true", _events),
    ("admin", "publishers", "/share/v1/publishers/{golden-images}", _publisher),
]


#: Pages that say nothing of the API's but in words of their own, beside the empty ones.
WITHOUT = {"images-public", "upload", "family-new", "hook-new", "error"}


def test_every_page_is_compared(story: Story) -> None:
    pages = {name for pages in story.pages().values() for name in pages if not name.endswith("-empty")}

    assert pages - WITHOUT == {name for _, name, _, _ in FACTS}


@pytest.mark.parametrize(
    ("account", "name", "call", "say"), FACTS, ids=[f"{one[1]} {one[2]}" for one in FACTS]
)
def test_a_page_says_what_the_api_says(
    story: Story, visit: Visit, account: str, name: str, call: str, say: Callable[[Any], list[str]]
) -> None:
    fills = {
        "image": story.image,
        "family": story.family,
        "hook": story.hook,
        "project": story.service.clouds[account].project_id,
        "web-team": story.project("web-team"),
        "golden-images": story.service.clouds["image-builder"].project_id,
    }
    path = re.sub(r"\{([a-z-]+)\}", lambda found: fills[found[1]], call)

    answer = visit(account).get(story.pages()[account][name])
    facts = say(story.service.client(account).get(path).json())

    assert answer.status_code == 200
    shown = html.unescape(answer.text)
    assert facts
    assert [fact for fact in facts if fact not in shown] == []
    # As a command, too.
    assert path.partition("?")[0] in shown


@pytest.mark.parametrize("account", ["web-ops", "image-builder"])
def test_the_commands_of_every_page_run_and_show_its_facts(
    story: Story, visit: Visit, tmp_path: Path, account: str
) -> None:
    cloud = story.service.clouds[account]
    environment = {
        "OS_AUTH_URL": cloud.auth_url,
        "OS_USERNAME": cloud.username,
        "OS_PASSWORD": cloud.password,
        "OS_PROJECT_NAME": cloud.project_name,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    lines: dict[str, str] = {}
    for name, path in story.pages()[account].items():
        if name != "error":
            text = html.unescape(visit(account).see(path).text)
            lines |= dict.fromkeys(
                re.findall(r"(transom (?:image|share|family|hook|rule) .+?) (?:curl|$)", text), name
            )
    found = sorted({one for line in lines for one in re.split(r"(?<=\S) (?=transom )", line)})
    found = [re.sub(r" (?:openstack|curl) .*", "", line) for line in found]
    # Those with a word to be replaced make something.
    found = [line for line in found if not {"NAME", "URL"} & set(line.split())]
    assert len(found) > 5

    with Console("transom", "image list", tmp_path, environment) as console:
        for line in found:
            done = console.run(f"{line.removeprefix('transom ')} -f json")
            assert done.status == 0, f"{line}: {done.stderr}"
            assert isinstance(json.loads(done.stdout), list | dict), line


def test_every_page_ends_with_its_commands(story: Story, visit: Visit) -> None:
    without = {
        path
        for account, pages in story.pages().items()
        for path in _paths_without_commands(visit(account), pages)
    }

    assert without == {"/images/nonexistent"}


def _paths_without_commands(visitor: Visitor, pages: dict[str, str]) -> list[str]:
    return [path for path in pages.values() if "As commands</summary>" not in visitor.get(path).text]


def test_a_page_asks_for_no_more_than_three_files(story: Story, visit: Visit) -> None:
    asked = {
        name: len(re.findall(r"/console/static/", visit("web-ops").get(path).text))
        for name, path in story.pages()["web-ops"].items()
    }

    assert {name: count for name, count in asked.items() if count != 3} == {}
