"""A service with something on every page: what the pictures show, and what looks at all pages looks at."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.service import Service

OCTETS = {"Content-Type": "application/octet-stream"}
_PATIENCE_S = 60
#: Account, project, role.
ACCOUNTS = [
    ("image-builder", "golden-images", "member"),
    ("web-ops", "web-team", "member"),
    ("shop-ops", "shop-eu", "member"),
    ("lab-ops", "research", "member"),
    ("new-ops", "new-team", "member"),
]
RECIPIENTS = {"web-team": "web-ops", "shop-eu": "shop-ops", "research": "lab-ops"}


class Story:
    """`image`: one with shares; `family`: one with versions and members; `hook`: one of golden-images.
    `spell`: what people write, as it is to be written. `unit`: of the images' sizes, bytes; a picture shows
    sizes that images have."""

    def __init__(self, service: Service, spell: Callable[[str], str] = str, unit: int = 1 << 10) -> None:
        self.service = service
        self._spell = spell
        self._unit = unit
        for name, project, role in ACCOUNTS:
            service.add_user(name, spell(project), role)
        self.builder = service.client("image-builder")
        self._verify()
        self.family = self._make_family()
        self.image = self._share_images()
        self.hook = self._make_hooks()
        self._wait_for_use()

    def project(self, name: str) -> str:
        return self.service.clouds[RECIPIENTS[name]].project_id

    def _verify(self) -> None:
        project = self.service.clouds["image-builder"].project_id
        body = {"name": self._spell("Platform team"), "url": "https://images.example.org"}
        self.service.client("admin").put(f"/share/v1/publishers/{project}", json=body)

    def make_image(self, account: str, name: str, size: int, **fields: Any) -> str:
        client = self.service.client(account)
        said = {key: self._spell(value) if isinstance(value, str) else value for key, value in fields.items()}
        if "tags" in said:
            said["tags"] = [self._spell(tag) for tag in said["tags"]]
        body = {"disk_format": "raw", "container_format": "bare", "min_ram": 512, **said}
        body["name"] = self._spell(name)
        image_id = str(client.post("/v2/images", json=body).json()["id"])
        content = bytes(size * self._unit)
        assert client.put(f"/v2/images/{image_id}/file", content=content, headers=OCTETS).is_success
        return image_id

    def _offer(self, account: str, body: dict[str, Any]) -> None:
        done = self.service.client(account).post("/share/v1/offers", json=body)
        assert done.json()["offered"], done.text

    def _make_family(self) -> str:
        about = {"title": "Debian 13", "description": "Base image of all web servers."}
        body = {"name": "debian", **{key: self._spell(text) for key, text in about.items()}}
        family = str(self.builder.post("/share/v1/families", json=body).json()["id"])
        for number, notes in enumerate(
            ("First build.", "Newer kernel.", "Newer OpenSSL.", "Smaller, with cloud-init 25.1."), 1
        ):
            image_id = self.make_image(
                "image-builder", f"debian-13-{number}", 11 + 3 * number, os_distro="debian"
            )
            version = {"image_id": image_id, "notes": self._spell(notes), "promote": number < 4}
            self.builder.post(f"/share/v1/families/{family}/versions", json=version)
        reason = {"reason": self._spell("CVE-2026-41020: log in without a password.")}
        self.builder.post(f"/share/v1/families/{family}/versions/1/revoke", json=reason)
        message = self._spell("Base image of all web servers. Please move by Friday.")
        self._offer("image-builder", {"families": [family], "projects": [self.project("shop-eu")]})
        self.service.client("shop-ops").post(
            "/share/v1/answers", json={"families": [family], "answer": "accepted"}
        )
        terms = {"message": message, "answer_by": _in_days(6)}
        self._offer("image-builder", {"families": [family], "projects": [self.project("web-team")], **terms})
        return family

    def _share_images(self) -> str:
        image_id = self.make_image("image-builder", "postgres-17", 38, os_distro="debian", tags=["database"])
        everybody = [self.project(name) for name in RECIPIENTS]
        self._offer("image-builder", {"images": [image_id], "projects": everybody})
        for account, answer in (("web-ops", "accepted"), ("shop-ops", "rejected")):
            body = {"images": [image_id], "answer": answer}
            self.service.client(account).post("/share/v1/answers", json=body)
        self.service.client("web-ops").get(f"/v2/images/{image_id}/file")
        second = self.make_image("image-builder", "nginx-base", 21)
        message = self._spell("Replaces nginx-old, which ends in March.")
        terms = {"message": message, "expires_at": _in_days(120)}
        self._offer("image-builder", {"images": [second], "projects": [self.project("web-team")], **terms})
        third = self.make_image("lab-ops", "gpu-runtime", 64, min_disk=40, min_ram=16384)
        self._offer(
            "lab-ops",
            {"images": [third], "projects": [self.project("web-team")], "answer_by": _in_days(0.8)},
        )
        blocked = self.service.clouds["new-ops"].project_id
        rule = {"answer": "rejected"}
        self.service.client("web-ops").put(f"/share/v1/rules/projects/{blocked}", json=rule)
        self.make_image("web-ops", "shop-frontend", 17, tags=["release"])
        self.make_image("web-ops", "shop-frontend-canary", 19)
        return image_id

    def _wait_for_use(self) -> None:
        """A use is written a little after it happened."""
        until = time.monotonic() + _PATIENCE_S
        while not any(
            one["usage"]["last_used_at"]
            for one in self.builder.get(f"/share/v1/images/{self.image}/shares").json()["items"]
        ):
            assert time.monotonic() < until
            time.sleep(0.1)

    def _make_hooks(self) -> str:
        kept = self.builder.post(
            "/share/v1/hooks", json={"url": "https://ci.example.org/images", "types": ["share.*", "family.*"]}
        ).json()
        body = {"url": "https://inventory.example.org/events", "batch": True}
        stopped = self.builder.post("/share/v1/hooks", json=body).json()["id"]
        self.builder.patch(f"/share/v1/hooks/{stopped}", json={"enabled": False})
        return str(kept["id"])

    def pages(self) -> dict[str, dict[str, str]]:
        """Account → name → path. All pages that there are; the newcomer's have nothing to show."""
        image, family, hook = f"/images/{self.image}", f"/families/{self.family}", f"/hooks/{self.hook}"
        to_web = f"to=projects/{self.project('web-team')}"
        return {
            "web-ops": {
                "inbox": "/inbox",
                "inbox-accepted": "/inbox?show=accepted",
                "leave": f"/inbox/leave?id=image:{self.image}",
                "leave-family": f"/inbox/leave?id=family:{self.family}",
                "rules": "/inbox/rules",
                "images": "/images",
                "images-shared": "/images?show=shared",
                "images-public": "/images?show=public",
                "image-given": image,
                "upload": "/images/upload",
                "families-member": "/families?show=member",
                "family-given": family,
                "activity": "/activity",
                "account": "/account",
                "project": "/project",
            },
            "shop-ops": {"inbox-accepted-family": "/inbox?show=accepted", "family-accepted": family},
            "new-ops": {
                name.strip("/").replace("/", "-") + "-empty": name
                for name in (
                    "/inbox",
                    "/inbox/rules",
                    "/images",
                    "/families",
                    "/shared",
                    "/activity",
                    "/hooks",
                )
            },
            "image-builder": {
                "image": image,
                "image-edit": f"{image}/edit",
                "offer": f"{image}/offer",
                "withdraw": f"{image}/withdraw?{to_web}",
                "terms": f"{image}/terms?{to_web}",
                "delete": f"{image}/delete",
                "deactivate": f"{image}/deactivate",
                "families": "/families",
                "family-new": "/families/new",
                "family": family,
                "family-members": f"{family}/members",
                "family-history": f"{family}/history",
                "family-offer": f"{family}/offer",
                "family-terms": f"{family}/terms?{to_web}",
                "family-withdraw": f"{family}/withdraw?{to_web}",
                "family-settings": f"{family}/settings",
                "family-delete": f"{family}/delete",
                "version-add": f"{family}/add",
                "promote": f"{family}/versions/4/promote",
                "revoke": f"{family}/versions/3/revoke",
                "restore": f"{family}/versions/1/restore",
                "take-out": f"{family}/versions/4/remove",
                "shared": "/shared",
                "shared-to": f"/shared?{to_web}",
                "withdraw-all": f"/shared/withdraw?{to_web}",
                "hooks": "/hooks",
                "hook": hook,
                "hook-new": "/hooks/new",
                "hook-secret": f"{hook}/secret",
                "hook-delete": f"{hook}/delete",
                "error": "/images/nonexistent",
            },
            "admin": {
                "health": "/operator",
                "stores": "/operator/stores",
                "projects": "/operator/projects",
                "audit": "/operator/audit",
                "publishers": f"/operator/publishers?q={self.service.clouds['image-builder'].project_id}",
            },
        }


def _in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()
