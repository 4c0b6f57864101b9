"""Calls of sharing as steps: how to make each over HTTP, and what the specification (`shares.py`) says of it.

A step is made once and judged against a world, or against many when an order is sought that explains what
several clients were told at once. Start reading at `Step`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
from harness.service import Service

from . import shares
from .calls import add_member, remove_member, set_member_status, update_image
from .shares import Actor, Image, Offer, Results, World

BATCH = "/v1/cloudimages/members"
#: How long an outcome may be in a failure's text.
_SHOWN = 600

#: Of a single call: the status answered and the membership's; of a batch: its job's, or its refusal.
Outcome = str | Results


class Step(NamedTuple):
    """`model`: the world after the step and its outcome. `is_batch`: its outcome is in the job it answers.
    `image_id`: the image that a single offer is about."""

    text: str
    caller: str
    send: Callable[[httpx.Client], httpx.Response]
    model: Callable[[World], tuple[World, Outcome]]
    is_batch: bool = False
    image_id: str = ""

    def is_full(self, world: World) -> bool:
        image = shares.find(world, self.image_id)
        return image is not None and len(image.offers) >= shares.MOST


class Steps:
    """The steps that the callers of a service can take. Recipients are `member_id`s as the database has them:
    a domain's stands with `domain/` before it. `limit`: recipients a batch may give an image."""

    def __init__(self, service: Service, limit: int = shares.MOST) -> None:
        self._service = service
        self._limit = limit

    def actor(self, caller: str) -> Actor:
        return Actor(self.project(caller), is_admin=caller == "admin")

    def project(self, caller: str) -> str:
        return self._service.clouds[caller].project_id

    def share(self, caller: str, images: list[str], recipients: list[str]) -> Step:
        body = _batch(images, recipients)
        return Step(
            f"{caller} shares {images} with {recipients}",
            caller,
            lambda client: client.post(BATCH, json=body),
            lambda world: _refuse_unknown(
                shares.share(world, self.actor(caller), images, recipients, self._limit)
            ),
            is_batch=True,
        )

    def withdraw(self, caller: str, images: list[str], recipients: list[str]) -> Step:
        body = _batch(images, recipients)
        return Step(
            f"{caller} withdraws {images} from {recipients}",
            caller,
            lambda client: client.request("DELETE", BATCH, json=body),
            lambda world: _refuse_unknown(shares.withdraw(world, self.actor(caller), images, recipients)),
            is_batch=True,
        )

    def answer(self, caller: str, images: list[str], status: str, vault: str | None = None) -> Step:
        body = {"images": images, "project_id": self.project(caller), "status": status, "vault_id": vault}
        return Step(
            f"{caller} answers {images} with {status} {vault}",
            caller,
            lambda client: client.put(BATCH, json=body),
            lambda world: _refuse_unknown(shares.answer(world, self.actor(caller), images, status, vault)),
            is_batch=True,
        )

    def add_native(self, caller: str, image_id: str, member_id: str) -> Step:
        return Step(
            f"{caller} adds {member_id} to {image_id}",
            caller,
            lambda client: add_member(client, image_id, member_id),
            lambda world: shares.add_native(world, self.actor(caller), image_id, member_id),
            image_id=image_id,
        )

    def set_native(self, caller: str, image_id: str, status: str) -> Step:
        return Step(
            f"{caller} sets {image_id} to {status}",
            caller,
            lambda client: set_member_status(client, image_id, self.project(caller), status),
            lambda world: shares.set_native(world, self.actor(caller), image_id, status),
        )

    def remove_native(self, caller: str, image_id: str, member_id: str) -> Step:
        return Step(
            f"{caller} removes {member_id} from {image_id}",
            caller,
            lambda client: remove_member(client, image_id, member_id),
            lambda world: shares.remove_native(world, self.actor(caller), image_id, member_id),
        )

    def add_ims(self, caller: str, image_id: str, member_id: str) -> Step:
        return Step(
            f"{caller} adds {member_id} to {image_id} (ims)",
            caller,
            lambda client: client.post(f"/ims/v2/images/{image_id}/members", json={"member": member_id}),
            lambda world: shares.add_ims(world, self.actor(caller), image_id, member_id),
            image_id=image_id,
        )

    def set_ims(self, caller: str, image_id: str, status: str) -> Step:
        path = f"/ims/v2/images/{image_id}/members/{self.project(caller)}"
        return Step(
            f"{caller} sets {image_id} to {status} (ims)",
            caller,
            lambda client: client.put(path, json={"status": status}),
            lambda world: shares.set_ims(world, self.actor(caller), image_id, status),
        )

    def remove_ims(self, caller: str, image_id: str, member_id: str) -> Step:
        path = f"/ims/v2/images/{image_id}/members/{member_id.removeprefix('domain/')}"
        return Step(
            f"{caller} removes {member_id} from {image_id} (ims)",
            caller,
            lambda client: client.delete(path),
            lambda world: shares.remove_native(world, self.actor(caller), image_id, member_id),
        )

    def set_visibility(self, caller: str, image_id: str, visibility: str) -> Step:
        operation = {"op": "replace", "path": "/visibility", "value": visibility}
        return Step(
            f"{caller} makes {image_id} {visibility}",
            caller,
            lambda client: update_image(client, image_id, operation),
            lambda world: shares.set_visibility(world, self.actor(caller), image_id, visibility),
        )

    def delete(self, caller: str, image_id: str) -> Step:
        return Step(
            f"{caller} deletes {image_id}",
            caller,
            lambda client: client.delete(f"/v2/images/{image_id}"),
            lambda world: shares.delete(world, self.actor(caller), image_id),
        )


def _refuse_unknown(modelled: tuple[World, Results]) -> tuple[World, Outcome]:
    """A batch none of whose images is known to the caller is refused and is no job (docs/ims.md, Batches)."""
    world, results = modelled
    codes = {code for _image, _member, code in results}
    unknown = [code for code in ("IMG.0027", "IMG.9002") if code in codes]
    return (world, f"400 {unknown[0]}") if unknown and codes == set(unknown) else (world, results)


def _batch(images: list[str], recipients: list[str]) -> dict[str, list[str]]:
    """The projects before the domains: results come in that order."""
    domains = [one.removeprefix("domain/") for one in recipients if one.startswith("domain/")]
    projects = [one for one in recipients if not one.startswith("domain/")]
    assert recipients == [*projects, *(f"domain/{one}" for one in domains)]
    return {"images": images, "projects": projects, "domains": domains}


def create_image(
    client: httpx.Client, owner: str, visibility: str = "private", kind: dict[str, str] | None = None
) -> Image:
    response = client.post("/v2/images", json={"visibility": visibility, **(kind or {})})
    assert response.status_code == 201, response.text
    return shares.new_image(str(response.json()["id"]), owner, visibility, kind or {})


# ---- outcomes


def outcome_of(step: Step, service: Service, response: httpx.Response) -> Outcome:
    """What the step came to; of a batch, as its job tells."""
    if response.status_code >= 500:
        raise AssertionError(f"{step.text}: {response.status_code} {response.text}")
    if step.is_batch and response.status_code == 400:
        return f"400 {response.json()['error']['code']}"
    if step.is_batch:
        assert response.status_code == 200, f"{step.text}: {response.status_code} {response.text}"
        return job_results(service, step.caller, response.json()["job_id"])
    if response.status_code == 200 and "/members" in response.request.url.path:
        return f"200 {response.json()['status']}"
    return str(response.status_code)


def job_results(service: Service, caller: str, job_id: str) -> Results:
    """The results of a job that is over; its own state must agree with them."""
    path = f"/v1/{service.clouds[caller].project_id}/jobs/{job_id}"
    response = service.client(caller).get(path)
    assert response.status_code == 200, response.text
    job = response.json()
    results = tuple(map(_result, job["entities"]["results"]))
    codes = [code for _image, _member, code in results if code is not None]
    assert job["status"] == ("FAIL" if codes else "SUCCESS"), job
    assert job["end_time"] is not None, job
    assert (job["error_code"] in codes) if codes else (job["error_code"] is None), job
    return results


def _result(result: dict[str, Any]) -> tuple[str, str, str | None]:
    member_id = result["project_id"] if "project_id" in result else f"domain/{result['domain_id']}"
    assert result["status"] == ("FAIL" if "error_code" in result else "SUCCESS"), result
    return result["image_id"], member_id, result.get("error_code")


def brief(outcome: Outcome) -> str:
    """For the reader of a failed test."""
    if isinstance(outcome, str):
        return outcome
    return " ".join(code or "done" for _image, _member, code in outcome)[:_SHOWN]


# ---- looking


def look(client: httpx.Client, image_id: str) -> tuple[str, frozenset[tuple[str, Offer]]] | None:
    """(visibility, offers) as the owner is shown them, `shares.shown`; None when the image is gone. In two
    calls: nobody may be changing it."""
    image = client.get(f"/v2/images/{image_id}")
    if image.status_code == 404:
        return None
    members = client.get(f"/ims/v2/images/{image_id}/members")
    assert (image.status_code, members.status_code) == (200, 200), members.text
    found = (
        (_member_id(one), Offer(one["status"], one.get("vault_id"))) for one in members.json()["members"]
    )
    return image.json()["visibility"], frozenset(found)


def look_at_vault(client: httpx.Client, image_id: str, own_project: str) -> str | None:
    """The vault that the caller's project named for an image that it is offered, `shares.vault_of`."""
    response = client.get(f"/ims/v2/images/{image_id}/members/{own_project}")
    assert response.status_code in (200, 404), response.text
    return response.json().get("vault_id") if response.status_code == 200 else None


def _member_id(member: dict[str, str]) -> str:
    return ("domain/" if member["member_type"] == "domain" else "") + member["member_id"]


def look_at_list(client: httpx.Client, own_project: str, status: str) -> frozenset[str]:
    """The images of others that are shared with the caller, whose membership has this status."""
    response = client.get(f"/v2/images?visibility=shared&member_status={status}&limit=1000")
    assert response.status_code == 200, response.text
    assert "next" not in response.json()
    return frozenset(image["id"] for image in response.json()["images"] if image["owner"] != own_project)
