"""The dearest forms of each call: what a user may send, or ask for, that costs the service most.

`forms_of` gives each route the usual request and those that may be dear of any call of its kind; `FORMS` has
more for calls whose bodies say how much is to be done.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from access.routes import ALL, BODIES, QUEUED, World

from transom.api.bodies import MOST_VALUES
from transom.api.heads import MOST_PARAMETERS
from transom.domain.patch import MOST_OPERATIONS

_BODY_BYTES = (1 << 20) - 1024


class Form(NamedTuple):
    """content: makes the body; None for the usual one. headers: beside the usual ones."""

    name: str
    query: str = ""
    content: Callable[[World], bytes] | None = None
    headers: Mapping[str, str] = MappingProxyType({})


USUAL = Form("as usual")
_LONG_PAGE = Form("longest page", "limit=1000")
_FILTERS = Form("many filters", "&".join(f"p{number}=v&tag=t{number}" for number in range(25)))
#: As much of one kind as the head of a request has room for.
_OF_ANY_QUERY = [
    _LONG_PAGE,
    _FILTERS,
    Form("sort keys", "sort=" + ",".join(["id"] * 20_000)),
    Form("escaped names", "name=in:%22" + "%5C%22" * 10_000 + "%22"),
    Form("encoded text", "name=" + "%C3%A9" * 10_000),
    Form("many parameters", "&".join(["created_at=gt:2020-01-01"] * (MOST_PARAMETERS - 1))),
    Form("tags of versions", headers={"If-None-Match": ",".join(['W/"a"'] * 10_000)}),
    Form("cookies", headers={"Cookie": ";".join(["a=b"] * 15_000)}),
]


def _filled(start: str, item: Callable[[int], str], end: str, limit: int = 1_000_000) -> bytes:
    """As many items between start and end as a body may have, or `limit`."""
    items, size = [], len(start) + len(end)
    for number in range(limit):
        text = item(number)
        if size + len(text) + 1 > _BODY_BYTES:
            break
        items.append(text)
        size += len(text) + 1
    return (start + ",".join(items) + end).encode()


def _constant(body: bytes) -> Callable[[World], bytes]:
    return lambda _world: body


_OF_ANY_BODY = [
    Form(
        "as many keys as may be",
        content=_constant(_filled("{", lambda n: f'"k{n}":"v"', "}", MOST_VALUES // 2 - 10)),
    ),
    Form(
        "as many elements as may be",
        content=_constant(_filled('{"images":[', lambda n: f'"i{n}"', '],"tags":[]}', MOST_VALUES - 10)),
    ),
    Form("many keys", content=_constant(_filled("{", lambda n: f'"k{n}":""', "}"))),
    Form("many elements", content=_constant(_filled('{"images":[', lambda n: f'"i{n}"', "]}"))),
    Form("long text", content=_constant(json.dumps({"name": "x" * _BODY_BYTES}).encode())),
    Form("escaped text", content=_constant(b'{"name":"' + rb"\u00e9" * (_BODY_BYTES // 6) + b'"}')),
    Form("deep", content=_constant(b'{"a":' * 90 + b"1" + b"}" * 90)),
    Form("very deep", content=_constant(b"[" * (_BODY_BYTES // 2) + b"]" * (_BODY_BYTES // 2))),
]


def _dumps(body: Any) -> bytes:
    return json.dumps(body).encode()


def _patches(_world: World) -> bytes:
    operation = '{"op":"add","path":"/p%d","value":"v"}'
    return _filled("[", lambda n: operation % (n % 100), "]", MOST_OPERATIONS)


def _patches_of_tags(_world: World) -> bytes:
    tags = json.dumps([f"t{number}" for number in range(100)])
    count = MOST_VALUES // 107
    return _filled("[", lambda _n: f'{{"op":"replace","path":"/tags","value":{tags}}}', "]", count)


def _large_image(_world: World) -> bytes:
    return _dumps({f"property_{number}": "x" * 460 for number in range(120)})


def _share_many(world: World) -> bytes:
    images = [world.make_image() for _ in range(4)]
    return _dumps({"images": images, "projects": [f"project-{number}" for number in range(250)]})


def _share_absent(_world: World) -> bytes:
    return _dumps(
        {"images": [f"image-{number}" for number in range(100)], "projects": [f"p-{n}" for n in range(100)]}
    )


def _answer_absent(world: World) -> bytes:
    images = [f"image-{number}" for number in range(10_000)]
    return _dumps({"images": images, "project_id": world.project["recipient"], "status": "accepted"})


def _offer_many(world: World) -> bytes:
    return _dumps({"images": [world.make_image()], "projects": [f"p-{number}" for number in range(120)]})


def _answers_many(_world: World) -> bytes:
    return _dumps({"images": [f"image-{number}" for number in range(1000)], "answer": "accepted"})


def _namespace(world: World) -> bytes:
    head = json.dumps({"namespace": f"OS::Large{next(world.numbers)}"})[:-1] + ',"objects":['
    return _filled(head, lambda n: f'{{"name":"o{n}"}}', "]}")


def _search_tags(_world: World) -> bytes:
    pairs = [{"key": f"k{n}", "values": [f"v{one}" for one in range(10)]} for n in range(10)]
    return _dumps({"action": "filter", "limit": "1000", "tags": pairs, "not_tags": pairs})


def _credential(world: World) -> bytes:
    rules = [{"service": "image", "method": "GET", "path": f"/v2/{'**/' * 20}{n}"} for n in range(40)]
    named = {"name": f"c{next(world.numbers)}", "description": "x" * 1000, "access_rules": rules}
    return _dumps({"application_credential": named})


def _hook(world: World) -> bytes:
    return _dumps({"url": f"https://ci.example.org/{'x' * 2000}/{next(world.numbers)}"})


#: Forms of single calls, beside those that all of a kind have.
FORMS: dict[str, list[Form]] = {
    "POST /v2/images": [Form("as large as allowed", content=_large_image)],
    "POST /ims/v2/images": [Form("as large as allowed", content=_large_image)],
    **{
        f"PATCH {path}": [
            Form("as many operations as may be", content=_patches),
            Form("as many lists of tags as may be", content=_patches_of_tags),
        ]
        for path in ("/v2/images/{image_id}", "/ims/v2/images/{image_id}", "/v2/cloudimages/{image_id}")
    },
    "POST /v1/cloudimages/members": [
        Form("a thousand pairs", content=_share_many),
        Form("ten thousand pairs of nothing", content=_share_absent),
    ],
    "PUT /v1/cloudimages/members": [Form("ten thousand images of nobody", content=_answer_absent)],
    "DELETE /v1/cloudimages/members": [Form("ten thousand pairs of nothing", content=_share_absent)],
    "POST /share/v1/offers": [Form("as many as an image takes", content=_offer_many)],
    "POST /share/v1/answers": [Form("a thousand images of nobody", content=_answers_many)],
    "POST /share/v1/withdrawals": [Form("ten thousand pairs of nothing", content=_share_absent)],
    "POST /v2/metadefs/namespaces": [Form("many objects", content=_namespace)],
    "POST /v2/{project_id}/images/resource_instances/action": [Form("many tags", content=_search_tags)],
    "POST /identity/v3/users/{id}/application_credentials": [Form("many rules", content=_credential)],
    "POST /share/v1/hooks": [Form("a long address", content=_hook)],
}


def forms_of(key: str) -> list[Form]:
    """The forms in which the call is measured: of each route, those of its kind and its own."""
    forms = [USUAL, *FORMS.get(key, ())]
    method = key.partition(" ")[0]
    if method == "GET":
        forms += _OF_ANY_QUERY
    elif method in ("POST", "PUT", "PATCH") and (ALL[key].takes_body is not False or key in BODIES):
        forms += _OF_ANY_BODY if key not in QUEUED else []
    return forms
