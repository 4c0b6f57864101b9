"""Transom: an image service whose heart is sharing. Start reading at `app.py` or `api/routes.py`."""

__version__ = "0.1.0"
