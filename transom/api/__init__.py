"""HTTP, and nothing below knows HTTP. Start at `routes.py`: the whole surface on one screen."""
