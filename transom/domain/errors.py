"""What can go wrong, as facts in the field's words. `api/routes.py` says which status each of them gets.

The text of an error is for the client: complete, and quiet about what the client may not know.
"""


class TransomError(Exception):
    """A fact that stops a request. `str(error)` is the text the client reads."""


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


class ClientGoneError(TransomError):
    """The client went away, or broke off, before it had sent its whole body."""
