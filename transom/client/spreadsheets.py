"""Texts in CSV files: a spreadsheet would run as a formula what begins like one, but for a `'` before it."""

import re

#: How a formula begins, in either width. The quotes before it let one that was put there be told from one
#: that the text had.
_FORMULA = "'*[=+\\-@\uff1d\uff0b\uff0d\uff20]"
_BEGINS_FORMULA = re.compile(_FORMULA)
_KEPT_AS_TEXT = re.compile(f"'(?={_FORMULA})")


def keep_as_text(text: str) -> str:
    """The cell for a text."""
    return f"'{text}" if _BEGINS_FORMULA.match(text) else text


def text_of(cell: str) -> str:
    """The text that `keep_as_text` made the cell of."""
    return cell[1:] if _KEPT_AS_TEXT.match(cell) else cell
