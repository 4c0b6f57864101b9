"""What can go wrong, as facts in the field's words. `api/routes.py` says which status each of them gets.

The text of an error is for the client: complete, and quiet about what the client may not know.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Facts that some clients tell apart by codes (the IMS API does), finer than the classes below."""

    # the request
    ROLE_LACKS = "role_lacks"
    OTHER_PROJECT = "other_project"
    BAD_URL = "bad_url"
    BODY_EMPTY = "body_empty"
    TOO_MANY_PAIRS = "too_many_pairs"
    UNSUPPORTED = "unsupported"
    NO_SUCH_PATH = "no_such_path"
    # images
    IMAGE_UNKNOWN = "image_unknown"
    IMAGE_ID_MALFORMED = "image_id_malformed"
    NOT_OWNER = "not_owner"
    NAME_MISSING = "name_missing"
    NAME_TOO_LONG = "name_too_long"
    NAME_MALFORMED = "name_malformed"
    DESCRIPTION_TOO_LONG = "description_too_long"
    DESCRIPTION_MALFORMED = "description_malformed"
    SIZE_INVALID = "size_invalid"
    FIRMWARE_INVALID = "firmware_invalid"
    ARCHITECTURE_INVALID = "architecture_invalid"
    OS_VERSION_INVALID = "os_version_invalid"
    OS_TYPE_INVALID = "os_type_invalid"
    IMAGE_TYPE_INVALID = "image_type_invalid"
    ATTRIBUTE_CONFLICT = "attribute_conflict"
    IMAGE_PROTECTED = "image_protected"
    IMAGE_PUBLIC = "image_public"
    IMAGE_IN_CREATION = "image_in_creation"
    IMAGE_NOT_READY = "image_not_ready"
    IMAGE_QUOTA = "image_quota"
    # sharing
    ONESELF = "oneself"
    PUBLIC_NOT_SHARED = "public_not_shared"
    ENCRYPTED_NOT_SHARED = "encrypted_not_shared"
    WHOLE_NOT_SHARED = "whole_not_shared"
    MEMBER_EXISTS = "member_exists"
    MEMBER_UNKNOWN = "member_unknown"
    MEMBER_STATUS_INVALID = "member_status_invalid"
    MEMBERS_FULL = "members_full"
    VAULT_MISSING = "vault_missing"
    SHARED_WITH_DOMAIN = "shared_with_domain"
    EVENTS_SPENT = "events_spent"
    RECIPIENT_UNKNOWN = "recipient_unknown"
    ORGANIZATION_UNKNOWN = "organization_unknown"
    # jobs, tags, copies
    JOB_UNKNOWN = "job_unknown"
    TOO_MANY_JOBS = "too_many_jobs"
    TAG_INVALID = "tag_invalid"
    TAGS_FULL = "tags_full"
    TAG_UNKNOWN = "tag_unknown"
    COPY_NOT_ACCEPTED = "copy_not_accepted"
    COPY_ENCRYPTED = "copy_encrypted"
    COPY_WHOLE = "copy_whole"
    COPY_ISO = "copy_iso"
    KEY_UNKNOWN = "key_unknown"
    # servers, volumes, other services of the cloud
    SERVER_ID_INVALID = "server_id_invalid"
    SERVER_UNKNOWN = "server_unknown"
    SERVER_STATE = "server_state"
    SERVER_BUSY = "server_busy"
    SERVER_KIND = "server_kind"
    SERVER_STATE_WHOLE = "server_state_whole"
    SERVER_UNREACHABLE = "server_unreachable"
    VOLUME_UNKNOWN = "volume_unknown"
    VOLUME_STATE = "volume_state"
    BACKUP_UNKNOWN = "backup_unknown"
    SERVER_BACKUP_UNKNOWN = "server_backup_unknown"
    VAULT_UNKNOWN = "vault_unknown"
    CLOUD_FAILED = "cloud_failed"
    TOKEN_ENDED = "token_ended"  # noqa: S105 (not one)
    # other regions
    REGION_UNKNOWN = "region_unknown"
    REGION_SAME = "region_same"
    PROJECT_NAME_MISSING = "project_name_missing"
    PROJECT_NAME_WRONG = "project_name_wrong"
    AGENCY_MISSING = "agency_missing"
    AGENCY_REFUSED = "agency_refused"
    NAME_TAKEN = "name_taken"
    # objects
    SOURCE_UNKNOWN = "source_unknown"
    BUCKET_MISSING = "bucket_missing"
    BUCKET_NAME_INVALID = "bucket_name_invalid"
    BUCKET_ELSEWHERE = "bucket_elsewhere"
    BUCKET_UNREACHABLE = "bucket_unreachable"
    OBJECT_NAME_MISSING = "object_name_missing"
    OBJECT_NAME_TOO_LONG = "object_name_too_long"
    OBJECT_NAME_INVALID = "object_name_invalid"
    OBJECT_NAME_HAS_BLANKS = "object_name_has_blanks"
    OBJECT_NAMED_TWICE = "object_named_twice"
    OBJECT_UNUSABLE = "object_unusable"
    OBJECT_TOO_LARGE = "object_too_large"
    OBJECT_EXISTS = "object_exists"
    KEYS_MISSING = "keys_missing"
    EXPORT_FORMAT = "export_format"
    EXPORT_REFUSED = "export_refused"
    EXPORT_PUBLIC = "export_public"
    EXPORT_CHARGED = "export_charged"
    EXPORT_FROM_BACKUP = "export_from_backup"
    EXPORT_WHOLE = "export_whole"
    EXPORT_RUNS = "export_runs"
    EXPORT_TOO_LARGE = "export_too_large"


class TransomError(Exception):
    """A fact that stops a request. `str(error)` is the text the client reads.

    What it is about, for clients of the share API: `field`, the part of the body as a JSON Pointer (RFC 6901,
    "": the whole), or `parameter`, the one of the query."""

    def __init__(
        self,
        message: str,
        reason: Reason | None = None,
        *,
        field: str | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.parameter = parameter


class NotFoundError(TransomError):
    """The thing is absent, or hidden from the caller: the two look alike."""


class ForbiddenError(TransomError):
    """The caller sees the thing but may not do this to it."""


class InvalidError(TransomError):
    """What the client sent has the wrong shape or value."""


class ConflictError(TransomError):
    """The thing is in a state that does not allow this, or exists already."""


class LimitExceededError(TransomError):
    """A quota or a size limit would be passed."""


class SpentError(LimitExceededError):
    """What a project may do in a time is spent. `retry_after_s`: in how many seconds it may go on."""

    def __init__(self, message: str, reason: Reason, retry_after_s: int) -> None:
        super().__init__(message, reason)
        self.retry_after_s = retry_after_s


class BodyTooLargeError(TransomError):
    """A body has more bytes or values than are read."""


class ContentRefusedError(TransomError):
    """The bytes are not what the image claims to be, or are unsafe."""


class VanishedError(TransomError):
    """The image was deleted while its data was on the way."""


class UnauthenticatedError(TransomError):
    """No valid credentials came with the request."""


class StoreFullError(TransomError):
    """The store has no room for the bytes."""


class UnavailableError(TransomError):
    """A part that the answer depends on (database, store, identity) cannot be reached now."""


class SourceAwayError(UnavailableError):
    """A server on the web, which a user named, cannot be reached now, or fails."""


class UnusableSourceError(UnavailableError):
    """A server on the web answers, but not in a way that gives its data: another try would meet the same."""


class ProgramMissingError(TransomError):
    """This machine lacks a program that the work needs: an operator has to install it."""


class LostDataError(UnavailableError):
    """No store that an image is in has any of its data."""


class NotOwnedError(UnavailableError):
    """The store is not this database's to write to or remove from."""


class ClientGoneError(TransomError):
    """The client went away, or broke off, before it had sent its whole body."""


def describe(error: Exception) -> str:
    """The text of an error and of what caused it, for logs and operators only: what a driver says names
    hosts, users and tables."""
    text, cause = str(error), error.__cause__
    said = (str(cause) or type(cause).__name__) if cause is not None else ""
    return text if said in text else f"{text} ({said})"
