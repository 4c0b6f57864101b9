"""Image data between clients, stores and the cache: uploads, reads, checks on the way, recovery.

`transfer.py` puts together what a worker needs. Data comes in by `uploads.py`, which has it measured and
inspected on the way (`measure.py`, `inspection.py`, `signature_check.py`); it goes out by `reads.py` and
`verification.py`, and away by `removal.py`, after a crash with `recovery.py`. `check.py` and `scrub.py`
compare stores and database; `sweep.py` and `prefetch.py` run beside requests. Who may do what: `rules.py`.
"""
