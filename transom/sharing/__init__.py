"""Sharing: images offered to recipients, who answer.

One image, for each API: `service.py`; start reading there. Batches of the IMS API: `batches.py`, decided by
`plans.py`. Sets of images and families of the share API: `sets.py`, with `offers.py` for images and
`families/` for families. What a caller sees: `inbox.py` has what it was offered, `shares.py` what it gives,
`history.py` what happened. Who may do what: `rules.py`, `project_rules.py`, `hook_rules.py`. What runs beside
requests: `background.py`, which starts the relay of events, deliveries to webhooks, the removal of what has
ended, and the records of usage.
"""
