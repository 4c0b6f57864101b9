"""Who may do what with an image, written out by hand from the reference of Image API v2 behaviour.

Read a block from its heading: the action, and the sections of the reference its rows come from. Each row
answers for one visibility and one state of the membership of project `recipient` in an image of project
`publisher`; the columns are the callers, in the order of `CALLERS`. Every image here also has a second,
pending member, project `bystander`, to tell "all members" from "one's own entry".

Membership: `none`, `pending`, `accepted`, `rejected`; `member` stands for the last three, `any` for all four.
The image always got its members while it was shared and changed its visibility afterwards (4.10).

Cells: a status code, or for lists `yes` (the image is in it) and `no` (it is not), or for the list of members
`all` (200 with every entry) and `own` (200 with the entry of project `recipient` alone).

Nothing here is computed: a changed rule is a changed row. Start at `TABLE`; `answers_for` only looks up.
"""

from __future__ import annotations

from typing import NamedTuple

VISIBILITIES = ("private", "shared", "community", "public")
MEMBERSHIPS = ("none", "pending", "accepted", "rejected")
CALLERS = (
    "owner-member",
    "owner-manager",
    "owner-reader",
    "recipient-member",
    "recipient-reader",
    "other-member",
    "other-reader",
    "admin",
    "anonymous",
)

# What the words in the membership column stand for.
_MEMBERSHIP_WORDS = {
    "none": ("none",),
    "pending": ("pending",),
    "accepted": ("accepted",),
    "rejected": ("rejected",),
    "member": ("pending", "accepted", "rejected"),
    "any": MEMBERSHIPS,
}


class Block(NamedTuple):
    """The rows of one action."""

    action: str
    sections: str
    rows: str


TABLE = (
    # --- Lists. Readers list like members (8: get_images); anonymous is 401 everywhere (1.2).
    Block(
        "in default list",
        "2.2, 3.2, 4.9, 4.10",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        yes  yes  yes   no   no     no   no    yes    401
        shared     none       yes  yes  yes   no   no     no   no    yes    401
        shared     pending    yes  yes  yes   no   no     no   no    yes    401
        shared     accepted   yes  yes  yes   yes  yes    no   no    yes    401
        shared     rejected   yes  yes  yes   no   no     no   no    yes    401
        community  any        yes  yes  yes   no   no     no   no    no     401
        public     any        yes  yes  yes   yes  yes    yes  yes   yes    401
        """,
    ),
    Block(
        "in list of its visibility",  # ?visibility=… with member_status left at its default, accepted
        "3.2, 4.9, 4.10",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        yes  yes  yes   no   no     no   no    yes    401
        shared     none       yes  yes  yes   no   no     no   no    yes    401
        shared     pending    yes  yes  yes   no   no     no   no    yes    401
        shared     accepted   yes  yes  yes   yes  yes    no   no    yes    401
        shared     rejected   yes  yes  yes   no   no     no   no    yes    401
        community  any        yes  yes  yes   yes  yes    yes  yes   yes    401
        public     any        yes  yes  yes   yes  yes    yes  yes   yes    401
        """,
    ),
    Block(
        "in list of its visibility, any member status",  # ?visibility=…&member_status=all
        "3.2, 4.9",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        yes  yes  yes   no   no     no   no    yes    401
        shared     none       yes  yes  yes   no   no     no   no    yes    401
        shared     member     yes  yes  yes   yes  yes    no   no    yes    401
        community  any        yes  yes  yes   yes  yes    yes  yes   yes    401
        public     any        yes  yes  yes   yes  yes    yes  yes   yes    401
        """,
    ),
    Block(
        "in list of all visibilities",  # ?visibility=all: member_status still defaults to accepted
        "3.2, 4.9",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        yes  yes  yes   no   no     no   no    yes    401
        shared     none       yes  yes  yes   no   no     no   no    yes    401
        shared     pending    yes  yes  yes   no   no     no   no    yes    401
        shared     accepted   yes  yes  yes   yes  yes    no   no    yes    401
        shared     rejected   yes  yes  yes   no   no     no   no    yes    401
        community  any        yes  yes  yes   yes  yes    yes  yes   yes    401
        public     any        yes  yes  yes   yes  yes    yes  yes   yes    401
        """,
    ),
    # --- Looking at one image. Never 403 on show (3.3); readers never download (3.8, 8: download_image).
    Block(
        "show",
        "2.2, 3.3, 4.8, 4.9",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        200  200  200   404  404    404  404   200    401
        shared     none       200  200  200   404  404    404  404   200    401
        shared     member     200  200  200   200  200    404  404   200    401
        community  any        200  200  200   200  200    200  200   200    401
        public     any        200  200  200   200  200    200  200   200    401
        """,
    ),
    Block(
        "download",
        "3.8, 4.8, 4.9",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        200  200  403   404  404    404  404   200    401
        shared     none       200  200  403   404  404    404  404   200    401
        shared     member     200  200  403   200  403    404  404   200    401
        community  any        200  200  403   200  403    200  403   200    401
        public     any        200  200  403   200  403    200  403   200    401
        """,
    ),
    # --- Members. Unless the image is shared all five calls fail, the role unseen (4.2 step 6).
    Block(
        "list members",
        "4.2, 4.4, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   403    401
        shared     none       all  all  all   404  404    404  404   all    401
        shared     member     all  all  all   own  own    404  404   all    401
        community  any        403  403  403   403  403    403  403   403    401
        public     any        403  403  403   403  403    403  403   403    401
        """,
    ),
    Block(
        "show recipient's membership",  # no 403 ever on this call (4.5)
        "4.2, 4.5, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        404  404  404   404  404    404  404   404    401
        shared     none       404  404  404   404  404    404  404   404    401
        shared     member     200  200  200   200  200    404  404   200    401
        community  any        404  404  404   404  404    404  404   404    401
        public     any        404  404  404   404  404    404  404   404    401
        """,
    ),
    Block(
        "show bystander's membership",  # a member sees its own entry only
        "4.2, 4.5, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        404  404  404   404  404    404  404   404    401
        shared     any        200  200  200   404  404    404  404   200    401
        community  any        404  404  404   404  404    404  404   404    401
        public     any        404  404  404   404  404    404  404   404    401
        """,
    ),
    Block(
        "accept for recipient",  # the owner may not answer; lookup of the member comes before policy
        "4.2, 4.6, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   403    401
        shared     none       404  404  404   404  404    404  404   404    401
        shared     member     403  403  403   200  403    404  404   200    401
        community  any        403  403  403   403  403    403  403   403    401
        public     any        403  403  403   403  403    403  403   403    401
        """,
    ),
    Block(
        "accept for bystander",
        "4.2, 4.6, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   403    401
        shared     any        403  403  403   404  404    404  404   200    401
        community  any        403  403  403   403  403    403  403   403    401
        public     any        403  403  403   403  403    403  403   403    401
        """,
    ),
    Block(
        "set status foo for recipient",  # the value is tested last, after lookup and policy (4.6)
        "4.2, 4.6",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   403    401
        shared     none       404  404  404   404  404    404  404   404    401
        shared     member     403  403  403   400  403    404  404   400    401
        community  any        403  403  403   403  403    403  403   403    401
        public     any        403  403  403   403  403    403  403   403    401
        """,
    ),
    Block(
        "add a member",
        "4.2, 4.3, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   403    401
        shared     none       200  200  403   404  404    404  404   200    401
        shared     member     200  200  403   403  403    404  404   200    401
        community  any        403  403  403   403  403    403  403   403    401
        public     any        403  403  403   403  403    403  403   403    401
        """,
    ),
    Block(
        "remove recipient",  # a member may not even remove itself (4.7); lookup of the member before policy
        "4.2, 4.7, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   403    401
        shared     none       404  404  404   404  404    404  404   404    401
        shared     member     204  204  403   403  403    404  404   204    401
        community  any        403  403  403   403  403    403  403   403    401
        public     any        403  403  403   403  403    403  403   403    401
        """,
    ),
    # --- Changing the image: owner project from role member up, and admin. The owner keeps these rights over
    # its public image (2.2, 3.5). Whoever sees it and may not gets 403, the others 404 (1.5).
    Block(
        "rename",
        "3.4, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        200  200  403   404  404    404  404   200    401
        shared     none       200  200  403   404  404    404  404   200    401
        shared     member     200  200  403   403  403    404  404   200    401
        community  any        200  200  403   403  403    403  403   200    401
        public     any        200  200  403   403  403    403  403   200    401
        """,
    ),
    Block(
        "tag",
        "3.9, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        204  204  403   404  404    404  404   204    401
        shared     none       204  204  403   404  404    404  404   204    401
        shared     member     204  204  403   403  403    404  404   204    401
        community  any        204  204  403   403  403    403  403   204    401
        public     any        204  204  403   403  403    403  403   204    401
        """,
    ),
    Block(
        "upload again",  # policy (403) comes before the state (409: the image is active already)
        "3.7, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        409  409  403   404  404    404  404   409    401
        shared     none       409  409  403   404  404    404  404   409    401
        shared     member     409  409  403   403  403    404  404   409    401
        community  any        409  409  403   403  403    403  403   409    401
        public     any        409  409  403   403  403    403  403   409    401
        """,
    ),
    Block(
        "deactivate",
        "3.6, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        204  204  403   404  404    404  404   204    401
        shared     none       204  204  403   404  404    404  404   204    401
        shared     member     204  204  403   403  403    404  404   204    401
        community  any        204  204  403   403  403    403  403   204    401
        public     any        204  204  403   403  403    403  403   204    401
        """,
    ),
    Block(
        "delete",
        "3.5, 4.8",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        204  204  403   404  404    404  404   204    401
        shared     none       204  204  403   404  404    404  404   204    401
        shared     member     204  204  403   403  403    404  404   204    401
        community  any        204  204  403   403  403    403  403   204    401
        public     any        204  204  403   403  403    403  403   204    401
        """,
    ),
    # --- Once the image is deactivated: as visible as before, its data for admin only (3.6, 3.8).
    Block(
        "show deactivated",
        "3.6, 4.10",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        200  200  200   404  404    404  404   200    401
        shared     none       200  200  200   404  404    404  404   200    401
        shared     member     200  200  200   200  200    404  404   200    401
        community  any        200  200  200   200  200    200  200   200    401
        public     any        200  200  200   200  200    200  200   200    401
        """,
    ),
    Block(
        "download deactivated",
        "3.6, 3.8, 4.10",
        #                     owner           recipient   other
        #                     mbr  mgr  rdr   mbr  rdr    mbr  rdr   admin  anonymous
        """
        private    any        403  403  403   404  404    404  404   200    401
        shared     none       403  403  403   404  404    404  404   200    401
        shared     member     403  403  403   403  403    404  404   200    401
        community  any        403  403  403   403  403    403  403   200    401
        public     any        403  403  403   403  403    403  403   200    401
        """,
    ),
)


def answers_for(visibility: str, membership: str, caller: str) -> dict[str, str]:
    """The expected answer to every action, in the order of the table."""
    return {block.action: _find_row(block, visibility, membership)[caller] for block in TABLE}


def _find_row(block: Block, visibility: str, membership: str) -> dict[str, str]:
    rows = [line.split() for line in block.rows.strip().splitlines()]
    # A table with a gap or a contradiction is a broken test, so exactly one row must answer.
    (cells,) = [
        cells
        for row_visibility, word, *cells in rows
        if row_visibility == visibility and membership in _MEMBERSHIP_WORDS[word]
    ]
    return dict(zip(CALLERS, cells, strict=True))
