"""Texts of strangers on an operator's or a user's terminal."""


def spell_out(text: str) -> str:
    """The text in one line: its control characters are shown, not obeyed."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
