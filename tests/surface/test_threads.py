"""Nothing uses the threads that asyncio keeps for everybody: what hangs there holds up all others."""

import ast

from .sources import parse_all

#: Whatever leads to asyncio's default executor.
SHARED = {"to_thread", "run_in_executor", "set_default_executor"}


def test_no_module_uses_threads_that_all_parts_share() -> None:
    """Each part has a `Threads` of its own."""
    found = [
        f"{name}: {node.attr}"
        for name, module in parse_all().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in SHARED
    ]

    assert found == []
