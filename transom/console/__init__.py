"""Pages for browsers, below /console: a client of the API in the same process.

A page asks the service's own API with the user's token and shows the answers; what is allowed is decided
there and nowhere here. The browser has a cookie and never a token (`session.py`); requests from other sites
are refused (`guard.py`). `pages.py` is the table of all pages; start reading at `service.py`.
"""

from transom.console.identity import AskIdentity
from transom.console.service import Console
from transom.console.session import SessionRows

__all__ = ["AskIdentity", "Console", "SessionRows"]
