"""Downloads whose right has ended are broken off: at the least pace one takes days.

The server sends a file by itself, so each download is judged again from beside; the watch closes the
connection of one that is refused.
"""

import asyncio
import logging

from transom.api.clients import Download
from transom.api.connections import Watch
from transom.domain.errors import ForbiddenError, TransomError, VanishedError, describe
from transom.sql.db import TENANT

_log = logging.getLogger(__name__)

#: Between two looks at a download, seconds.
LOOK_S = 10.0


async def judge_downloads(watch: Watch) -> None:
    """Judge all downloads again and again, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_S)
        for connection in watch.list_downloading():
            for download in tuple(connection.downloads):
                # It may have come to its end while another one was judged.
                if not await _may_go_on(download) and download in connection.downloads:
                    connection.has_no_right = True


async def _may_go_on(download: Download) -> bool:
    TENANT.set(download.tenant)
    try:
        await download.judge()
    except (ForbiddenError, VanishedError):
        return False
    except TransomError as error:
        _log.warning("a download is judged again later: %s", describe(error))
    except Exception:  # noqa: BLE001 (it must never stop for good)
        _log.exception("a download could not be judged")
    return True
