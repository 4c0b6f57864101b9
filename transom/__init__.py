"""Transom: an image service for clouds. Start reading at `api/routes.py` or `assemble.py`."""

__version__ = "0.1.0"
