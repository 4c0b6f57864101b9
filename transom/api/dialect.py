"""The APIs that one service speaks."""

from enum import StrEnum


class Dialect(StrEnum):
    """Whose rules hold for a request: paths, bodies of errors, and what the two image APIs do differently."""

    OPENSTACK = "openstack"
    IMS = "ims"
    KEYSTONE = "keystone"
    SHARE = "share"
