"""Memory for image data on its way to stores, shared fairly among projects.

An upload is read some MiB ahead of its hashes and its store. S3 takes it in parts of 5 MiB and more besides,
each of them whole in memory while it is sent. So clients that send faster than the machine computes, or that
send slowly, or a service that answers slowly, hold some for as long as they like: a project gets a quarter
at most, the more of it is taken the less each further upload gets, and who finds too little waits.
"""

from transom.fair_semaphore import FairSemaphore

#: Longest wait, seconds.
WAIT_S = 60.0
#: The part of the whole that one project may have: it can hold that for as long as it sends slowly.
_SHARE = 4
_REFUSAL = "Too many uploads are under way. Try again in a minute."


def share_memory(limit_bytes: int, wait_s: float = WAIT_S) -> FairSemaphore:
    """For all uploads of this process together, bytes."""
    return FairSemaphore(limit_bytes, _REFUSAL, limit_bytes // _SHARE, wait_s)
