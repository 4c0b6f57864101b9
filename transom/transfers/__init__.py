"""What fills or copies an image in the background, each kind of job by a class that runs, looks and fails.

Imports: `imports.py`; from where: `sources.py`, `objects.py`; what is done to the data: `plugins.py`,
`conversion.py`, `gunzip.py`. Copies: `copies.py`, `region_copies.py`. Exports: `exports.py`. Images that
other services make: `captures.py`. Added locations: `locations.py`. For whom a job runs: `requesters.py`, and
what may still be done for them: `rules.py`.
"""
