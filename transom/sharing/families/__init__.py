"""Families: versions of an image, of which one is current, and members who get that one.

`service.py` writes and `views.py` reads. A write runs a script (`scripts.py`, `members.py`), in which
`changes.py` decides. `verbs.py` offers, answers and withdraws sets of families; `images.py` is called where
the older APIs change an image that is a version; `due.py` does what is due at a time.
"""
