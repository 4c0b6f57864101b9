"""The OpenStack Image API v2: one module for each kind of resource; `errors.py` has the bodies of errors."""
