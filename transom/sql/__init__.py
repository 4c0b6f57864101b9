"""The only place with SQL text. `db.py` is what the rest calls; each noun has a module of statements."""
