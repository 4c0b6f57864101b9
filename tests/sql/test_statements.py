"""Every statement that the service has runs on both databases; none is left out of the table."""

from types import ModuleType
from typing import Any

import pytest
from domain.samples import image, member

from transom.sql import (
    batches,
    blobs,
    brought,
    console_sessions,
    deletion,
    families,
    family_views,
    images,
    imports,
    inbox,
    jobs,
    listing,
    members,
    metadefs,
    migrate,
    outbox,
    owners,
    publishers,
    share_rules,
    shares,
    tags,
    usage,
)
from transom.sql.db import Database

from .databases import write_world

pytestmark = pytest.mark.anyio

MODULES = [
    images,
    members,
    batches,
    jobs,
    blobs,
    imports,
    listing,
    tags,
    metadefs,
    owners,
    migrate,
    console_sessions,
    usage,
    share_rules,
    publishers,
    deletion,
    outbox,
    families,
    family_views,
    brought,
    inbox,
    shares,
]
VERBS = ("select ", "insert ", "update ", "delete ", "with ")
CONTENT = (10, None, "checksum", "sha512", "value", "[]")

#: Statement → values of its `$n`.
VALUES: dict[str, tuple[Any, ...]] = {
    "images.FIND_IMAGE": ("image", None, None, 1),
    "images.INSERT_IMAGE": (
        *("new", None, None, "queued", "shared", None, None, 0, 0, False, True, "[]", "{}", 1),
    ),
    "images.LOCK_OWNER": ("owner",),
    "images.WITHIN_QUOTA": ("owner", 1),
    "images.COUNT_IMAGES": ("owner",),
    "images.ID_IS_UNUSED": ("image",),
    "images.UPDATE_IMAGE": (
        *("image", 1, None, None, "queued", "shared", None, None, 0, 0, True, False, '["a"]', '{"a": ""}', 2),
    ),
    "deletion.LOCK_SEEN": ("image", 1),
    "deletion.DELETE_IMAGE": ("image", 1),
    "images.HAS_DOMAIN_MEMBER": ("image", 1),
    "images.RECIPIENTS_OF_PROJECT": ("owner", 1),
    "deletion.INSERT_DELETED_IMAGE": ("image", 1),
    "images.INSERT_ABANDONED_BLOB": ("key", "store"),
    "images.LOOSEN_STAGED": ("image",),
    "images.DELETE_STAGED": ("image",),
    "images.USED_STORAGE": (None,),
    "images.WITHIN_STORAGE": ("owner", 1),
    "images.PLACED_STORAGE": ("owner",),
    "images.STAGED_STORAGE": ("owner",),
    "images.COUNT_UPLOADING": ("owner",),
    "images.WITHIN_UPLOADING": ("owner", 1),
    "images.SHARED_AMONG": ('["image"]', 1),
    "members.FIND_MEMBER": ("image", None, None, 1, "someone"),
    "members.LIST_MEMBERS": ("image", None, None, 1),
    "members.LOCK_IMAGE": ("image",),
    "members.COUNT_MEMBERS": ("image", 1),
    "members.OFFER": ("image", "someone", 1, -1, "message", 2, 3, "user", "owner", "domain/d"),
    "members.ANSWER": ("image", "someone", "accepted", 1, "pending"),
    "members.ANSWER_WITH_VAULT": ("image", "someone", "accepted", 1, "vault", None, 1, "pending"),
    "members.WITHDRAW": ("image", "someone", 1),
    "batches.LOCK_IMAGES": ('["image"]',),
    "batches.SEE_IMAGES": ('["image"]', "someone", None, 1),
    "batches.LIST_RECIPIENTS": ("image", 1),
    "members.WITHDRAW_ALL": ('["image"]', 1),
    "batches.OPEN_IMAGES": ('["image"]', 2),
    "batches.TOUCH_IMAGES": ('["image"]', 2),
    "members.OFFER_EACH": ('["image"]', '["someone", "domain/theirs"]', 2, None, 3, 4, "user", None, None),
    "members.RENEW_EACH": ('["image"]', '["someone"]', 2, "message", 3, 4, "user", "owner", "domain/d"),
    "members.CHANGE_TERMS": ("image", "someone", 5, "message", 6, 7, 1),
    "members.LEAVE_EACH": ('["image"]', "someone", 1),
    "members.MAKE_DIRECT_EACH": ('["image"]', '["someone"]', 1),
    "batches.COUNT_EACH": ('["image"]', '["someone"]', 1),
    "inbox.LIST_RECEIVED": ("someone", "someone", "pending", 1, 5, "", None),
    "inbox.FIND_RECEIVED": ("someone", "someone", "image", 1),
    "inbox.COUNT_RECEIVED": ("someone", None, 1),
    "inbox.LIST_ANSWERABLE": ("someone", "pending", 1, None, 10),
    "inbox.COUNT_ANSWERABLE": ("someone", "pending", 1, "owner"),
    "inbox.SHARED_WITH_DOMAIN": ("someone", "domain/theirs", 1, '["image"]'),
    "shares.LIST_GIVEN": ("image", "", 1, None, 10),
    "shares.FIND_GIVEN": ("image", "someone", 1),
    "shares.LIST_TERMS": ("image", 1),
    "shares.COUNT_GIVEN": ("image", 1),
    "shares.LIST_GIVEN_TO": ("someone", 1, "owner", 5, "", 10),
    "shares.LIST_SHARED_OF": ("owner", None, 1),
    "members.REMOVE_ENDED_OF": ('["image"]', '["someone"]', 2),
    "members.REMOVE_WITH_IMAGE": ("image",),
    "members.REMOVE_ENDED": (2, 10),
    "members.WITHDRAW_EACH": ('["image"]', '["someone"]', 2),
    "batches.SEE_WHOLE_IMAGES": ('["image"]', "someone", None, 1),
    "batches.LOCK_OFFERS": ('["image"]', "someone", 1),
    "batches.SEE_OFFERS": ('["image"]', "someone", 1),
    "batches.SEE_WHOLE_OFFERS": ('["image"]', "someone", 1),
    "members.ANSWER_EACH": ('["image"]', "someone", "accepted", 2, "pending"),
    "members.LOCK_MEMBER": ("image", "someone", 1),
    "members.NAME_VAULT_EACH": ('["image"]', "someone", "vault", 1),
    "jobs.INSERT_JOB": (
        *("job", "kind", "project", "SUCCESS", "{}", "[]", 1, 2, 100, "image", "user", "request", None),
    ),
    "jobs.FIND_CREDENTIAL": ("job",),
    "jobs.COUNT_OPEN": ("project",),
    "jobs.WITHIN_OPEN": ("project", 1),
    "jobs.IS_HELD": ("job", "holder"),
    "jobs.LIST_SURPLUS": (1, 1, 0),
    "jobs.DELETE_SURPLUS": ('["job"]',),
    "jobs.LIST_IMAGE_TASKS": ("image", "project", "job", 1),
    "jobs.EXPORTS_NOTHING_ELSE": ("image", "job"),
    "jobs.FIND_BY_ID": ("job",),
    "jobs.FIND_JOBS": ('["job"]',),
    "jobs.FIND_TASK": ("job",),
    "jobs.LIST_OPEN_JOBS": (),
    "jobs.CLAIM_JOB": ("job", "holder", 2, 1, ""),
    "jobs.HOLD_JOB": ("job", "holder", 2, 50, 1, "half"),
    "jobs.RELEASE_JOB": ("job", "holder", 1),
    "jobs.FINISH_JOB": ("job", "holder", "SUCCESS", "[]", 2, 100, ""),
    "jobs.FIND_JOB": ("job", "project"),
    "jobs.DELETE_OLD_JOBS": (1,),
    "jobs.DELETE_OLD_TASKS": (1,),
    "blobs.START_UPLOAD": ("image", 2),
    "blobs.INSERT_HELD_BLOB": ("key", "store", "image", "holder", 1),
    "blobs.HOLD_BLOB": ("key", "holder", 2),
    "blobs.RESERVE": ("key", "holder", "owner", 10),
    "blobs.RELEASE_BLOB": ("key", "holder"),
    "blobs.START_STAGING": ("image", 2),
    "blobs.FINISH_STAGING": ("image", 2, 10),
    "blobs.INSERT_STAGED_BLOB": ("image", "key", "store", 10, 0),
    "blobs.FIND_STAGED": ("image",),
    "imports.CHANGE_IMAGE": (
        *("image", 1, "active", 10, None, "checksum", "sha512", "value", "{}", "[]", "raw", "bare", 2),
    ),
    "imports.LOCK_JOB": ("job", "holder", 1),
    "imports.KEEP_INPUT": ("job", "holder", 1, "{}"),
    "imports.SET_PLUGINS_DONE": ("image", 1),
    "imports.ADOPT_STAGED": ("image",),
    "blobs.FINISH_UPLOAD": ("image", 2, *CONTENT),
    "blobs.DROP_LOCATION": ("image", 1, "[]", 2),
    "blobs.ABANDON_BLOB": ("key", "holder"),
    "blobs.TAKE_BLOB": ("key", "holder", 1),
    "blobs.RETURN_TO_QUEUED": ("image", 2),
    "blobs.FORGET_BLOB": ("key",),
    "blobs.LIST_BLOBS": (),
    "tags.LIST_OWN_TAGS": ("owner",),
    "metadefs.FIND_NAMESPACE": ("name",),
    "metadefs.FIND_ITEM": ("name", "tag", "item"),
    "metadefs.LIST_ITEMS": ("name", '["tag"]'),
    "metadefs.LIST_ASSOCIATIONS": ('["id"]',),
    "metadefs.LIST_RESOURCE_TYPES": (),
    "metadefs.LOCK_NAMES": ("names",),
    "metadefs.LOCK_NAMESPACE": ("name",),
    "metadefs.INSERT_NAMESPACE": ("id", "name", None, None, "private", False, "owner", 1, 1),
    "metadefs.UPDATE_NAMESPACE": ("id", "other", "", "", "public", True, "owner", 2),
    "metadefs.DELETE_NAMESPACE": ("id",),
    "metadefs.DELETE_NAMESPACES": (),
    "metadefs.INSERT_RESOURCE_TYPES": ('["type"]', 1),
    "metadefs.HAS_ITEM": ("id", "tag", "item"),
    "metadefs.UPDATE_ITEM": ("id", "tag", "item", "other", "{}", 2),
    "metadefs.DELETE_ITEM": ("id", "tag", "item"),
    "metadefs.DELETE_ITEMS": ("id", "tag"),
    "families.LOCK_FAMILY": ("family",),
    "families.LOCK_FAMILY_IMAGES": ("family", None),
    "families.FIND_FAMILY": ("family",),
    "families.LIST_VERSIONS": ("family",),
    "families.LOCK_FAMILIES": ('["family"]',),
    "families.LOCK_IMAGES_OF_FAMILIES": ('["family"]', '["image"]'),
    "families.SEE_VERSION_IMAGE": ("image",),
    "families.FIND_FAMILY_OF_IMAGE": ("image",),
    "families.INSERT_FAMILY": ("family", "owner", "web", None, None, None, 2, 1),
    "families.COUNT_FAMILIES": ("owner",),
    "families.UPDATE_FAMILY": ("family", 2, "title", None, None, None, 0, 2),
    "families.INSERT_VERSION": ("family", 1, "image", None, None, 1, None, 2, 2, True),
    "families.UPDATE_VERSION": ("family", 1, "notes", 1, 2, 2, None, None),
    "families.DELETE_VERSION": ("family", 1),
    "families.DELETE_FAMILY": ("family",),
    "families.SET_VERSION_IMAGE": ("image", 2, "active", "shared", True, "{}"),
    "families.FIND_FAMILY_MEMBER": ("family", "someone", 1),
    "families.FIND_FAMILY_MEMBERS": ("family", '["someone"]'),
    "families.COUNT_FAMILY_MEMBERS": ("family", 1),
    "families.LIST_MEMBER_TERMS": ("family", 1),
    "families.OFFER_FAMILY": ("family", "[]", "pending", 1, "user", None, "text", 2, 2),
    "families.ANSWER_FAMILY": ("family", "someone", "accepted", "accepted", 1, 1),
    "families.CHANGE_FAMILY_MEMBER": ("family", "someone", "text", 2, 2, 1),
    "families.REMOVE_FAMILY_MEMBERS": ("family", '["someone"]'),
    "families.REMOVE_PENDING_MEMBERS": ("family", 1),
    "family_views.LIST_DUE_REVOCATIONS": (1, 10),
    "family_views.NEXT_REVOCATION": (),
    "family_views.LIST_ENDED_MEMBERS": (1, 10),
    "family_views.NEXT_MEMBER_END": (),
    "family_views.SEE_FAMILY": ("family", "someone", None, 1),
    "family_views.LIST_OWNED": ("owner", "someone", None, 1, "", "", 10),
    "family_views.LIST_JOINED": (None, "someone", None, 1, "", "", 10),
    "family_views.LIST_SEEN_VERSIONS": ("family", "someone", None, 1, 9, True, 10),
    "family_views.FIND_SEEN_VERSION": ("family", "someone", None, 1, 1),
    "family_views.FIND_FAMILY_MEMBER": ("family", "someone", 1),
    "family_views.LIST_MEMBER_TERMS": ("family", 1),
    "family_views.LIST_FAMILY_MEMBERS": ("family", "", 1, None, 10),
    "family_views.COUNT_BY_ANSWER": ("family", 1, 1001),
    "brought.BRING": ("family", "image", 1),
    "brought.BRING_SOME": ("family", "image", 1, '["someone"]'),
    "brought.ANSWER_BROUGHT": ("family", "someone", "accepted", 1, "pending"),
    "brought.LIMIT_BROUGHT": ("family", "someone", 2, 1),
    "brought.REMOVE_BROUGHT": ("family", '["someone"]', 1),
    "brought.END_BROUGHT": ("family", '["someone"]', 1),
    "brought.END_BEFORE": ("image", 1),
    "brought.DETACH": ("family",),
    "brought.DETACH_ONE": ("family", "image"),
    "outbox.APPEND": (1, "share.left", None, None, None, None, None, None, None, "share", "{}"),
    "owners.FIND_DATABASE_ID": (),
    "owners.INSERT_DATABASE_ID": ("id", "place"),
    "owners.RENEW_DATABASE_ID": ("new", "elsewhere", "id", "place"),
    "owners.FIND_OWNED_STORE": ("store",),
    "console_sessions.FIND_SESSION": ("hash", 1, 1),
    "console_sessions.INSERT_SESSION": ("hash", "box", "user", "name", None, None, None, 1, 1, 2),
    "console_sessions.TOUCH_SESSION": ("hash", 2, 1),
    "console_sessions.DELETE_SESSION": ("hash",),
    "console_sessions.DELETE_SESSION_OF": ("hash", "user"),
    "console_sessions.LIST_SESSIONS": ("user", 1, 1),
    "console_sessions.DELETE_ENDED": (1,),
    "owners.INSERT_OWNED_STORE": ("store",),
    "share_rules.LIST_RULES": ("project", "", 10),
    "share_rules.FIND_RULE": ("project", "*"),
    "share_rules.LOCK_RULES": ("project",),
    "share_rules.COUNT_RULES": ("project",),
    "share_rules.PUT_RULE": ("project", "*", "accepted", 1, "user"),
    "share_rules.DELETE_RULE": ("project", "*"),
    "publishers.LIST_PUBLISHERS": ('["project"]',),
    "publishers.LOCK_PUBLISHERS": ("publisher",),
    "publishers.FIND_PUBLISHER": ("project",),
    "publishers.FIND_NAMESAKE": ("name", "project"),
    "publishers.PUT_PUBLISHER": ("project", "Name", "name", None, None, 1, "user"),
    "publishers.DELETE_PUBLISHER": ("project",),
    "usage.ADD_USE": ("image", "someone", 1, 2),
    "usage.LIST_USES": ("image", '["someone"]'),
    "usage.LIST_OWN_USES": ("someone", '["image"]'),
}


def _statements(module: ModuleType) -> dict[str, str]:
    name = module.__name__.rpartition(".")[2]
    return {
        f"{name}.{key}": value
        for key, value in vars(module).items()
        if key.isupper() and isinstance(value, str) and value.lstrip().startswith(VERBS)
    }


STATEMENTS = {
    name: sql
    for module in MODULES
    for name, sql in _statements(module).items()
    # Those that tell of another's rows run with it (`test_outbox.py`).
    if not name.startswith("outbox.TELL_")
}


def test_the_table_names_every_statement() -> None:
    assert set(VALUES) == set(STATEMENTS)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_runs(db: Database, name: str) -> None:
    await write_world(db, [image()], [member()])

    assert isinstance(await db.write(STATEMENTS[name], *VALUES[name]), list)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_names_its_columns_one_by_one(name: str) -> None:
    assert "*" not in STATEMENTS[name].replace("count(*)", "")
