"""The table of performance: ratios of two figures measured in the same minutes on the same machine.

Absolute figures of a shared machine drift; a ratio to a bare server, a bare disk or nginx drifts less.
`__main__.py` runs the groups of lines, `figures.py` says what a line is, `load.py` makes the requests; the
measurements are in `requests.py`, `lists.py`, `transfers.py` and `start.py`. It reports and asserts nothing.
"""
