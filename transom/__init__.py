"""Transom: an image service whose heart is sharing. Start reading at `api/routes.py` or `assemble.py`."""

__version__ = "0.1.0"
