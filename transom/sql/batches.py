"""What a batch of shares locks and looks at. The scripts that do it are in `sharing/batches.py`.

The lists of ids travel as JSON arrays, so that a statement is the same however long they are. The images are
locked first, in the order of their ids, and looked at by the next statement: the one that waited for a lock
still sees, beside the rows it waited for, what was there before it waited.
"""

import msgspec

from transom.domain.memberships import Seen
from transom.domain.model import Visibility
from transom.sql.db import Row
from transom.sql.images import COLUMNS, IS_MEMBER, MOVE_ON, decode_properties, image_of_row
from transom.sql.live import live

_decode_ids = msgspec.json.Decoder(list[str]).decode

IDS = "(select value from jsonb_array_elements_text(cast($1 as jsonb)))"

# The images are locked by a statement of its own, so that the next one sees what those who held them did.
LOCK_IMAGES = f"""
    select count(*) from (select id from image where id in {IDS} order by id for update) as locked"""

# Of one image, and of one membership: its recipient's answer changes that without the image.
LOCK_IMAGE = "select id from image where id = $1 for update"
LOCK_MEMBER = f"""
    select member_id from member where image_id = $1 and member_id = $2 and {live("$3")} for update"""

_COUNT_MEMBERS = f"(select count(*) from member where member.image_id = image.id and {live('$4')})"

# Images that are alike come as one row: ten thousand rows cost several times what their locks and changes do.
SEE_IMAGES = f"""
    select image.owner, image.visibility, image.properties, {IS_MEMBER}, {_COUNT_MEMBERS}, null, null,
           json_agg(image.id)
    from image where image.id in {IDS}
    group by 1, 2, 3, 4, 5"""

# Where a rule may look at any of it.
SEE_WHOLE_IMAGES = f"""
    select image.owner, image.visibility, image.properties, {IS_MEMBER}, {_COUNT_MEMBERS}, null, null,
           json_build_array(image.id), {COLUMNS}
    from image where image.id in {IDS}"""

LIST_RECIPIENTS = f"select member_id from member where image_id = $1 and {live('$2')}"

# The memberships that the recipients in `$2` have of the images.
LIST_NAMED = f"""
    select image_id, member_id from member
    where image_id in {IDS} and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))
      and {live("$3")}"""

# How many memberships each image has. `$2`: of these recipients, null: of all.
COUNT_EACH = f"""
    select image_id, count(*) from member
    where image_id in {IDS} and {live("$3")}
      and (cast($2 as text) is null
           or member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb))))
    group by image_id order by image_id"""

OPEN_IMAGES = f"update image set visibility = '{Visibility.SHARED}', {MOVE_ON} where id in {IDS}"

# A deletion that saw an image before it was shared with a domain or an organisation has to look again.
TOUCH_IMAGES = f"update image set {MOVE_ON} where id in {IDS}"

# Memberships are locked, too: single calls change them without their image.
LOCK_OFFERS = f"""
    select count(*) from (
        select image_id from member where member_id = $2 and image_id in {IDS} and {live("$3")}
        order by image_id for update
    ) as locked"""

_OFFERS = f"""
    from image join member on member.image_id = image.id and member.member_id = $2 and {live("$3")}
    where image.id in {IDS}"""

SEE_OFFERS = f"""
    select image.owner, image.visibility, image.properties, true, 0, member.status, member.vault_id,
           json_agg(image.id)
    {_OFFERS}
    group by 1, 2, 3, 6, 7"""

SEE_WHOLE_OFFERS = f"""
    select image.owner, image.visibility, image.properties, true, 0, member.status, member.vault_id,
           json_build_array(image.id), {COLUMNS}
    {_OFFERS}"""


def seen_of_rows(rows: list[Row]) -> list[Seen]:
    """Builds the records from the rows of one of the queries above."""
    return [
        Seen(
            ids=_decode_ids(ids),
            owner=owner,
            visibility=visibility,
            properties=decode_properties(properties),
            is_member=bool(is_member),
            # Memberships of an image that is not shared have no effect.
            members=members if visibility == Visibility.SHARED else 0,
            status=status,
            vault_id=vault_id,
            image=image_of_row(whole) if whole else None,
        )
        for owner, visibility, properties, is_member, members, status, vault_id, ids, *whole in rows
    ]
