"""The operator's two files, policies and property protections → the `Policy` in force.

Read once, before anything is served: a file that cannot be understood whole stops the start, and the text
names the file and the place. `rules.py` has the policies.
"""

from pathlib import Path

from transom.domain.model import Policy
from transom.domain.policy import DEFAULT_POLICY


class PolicyFileError(Exception):
    """One of the two files is absent or cannot be understood. The text names it and the place."""


def read_policy(policy_file: str) -> Policy:
    """The rules in force. `policy_file`: "" for those of the code alone. Raises PolicyFileError."""
    if not policy_file:
        return DEFAULT_POLICY
    # Imported only here: oslo.policy costs a worker some 20 MiB.
    from transom.policy.rules import compile_texts, merge_texts

    try:
        return Policy(compile_texts(merge_texts(Path(policy_file))))
    except ValueError as error:
        raise PolicyFileError(f"{policy_file}: {error}") from None
