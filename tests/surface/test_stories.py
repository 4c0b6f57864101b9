"""Pages that are followed on one machine, one after the other, are not in each other's way."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Each begins with a service that may have the images and files of the pages before it.
PAGES = ("README.md", "docs/sharing.md", "docs/families.md", "docs/hooks.md")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MAKES = (
    re.compile(r"image upload \S+ --name (\S+)"),
    re.compile(r"image create .* (\w\S*?)\)?$", re.MULTILINE),
    re.compile(r"family create (\S+)"),
    re.compile(r"image (?:save|download) .*--file (\S+)"),
)


def _made(page: str) -> set[str]:
    """The names of the images, families and files that the page's commands make."""
    blocks = "\n".join(_BLOCK.findall((ROOT / page).read_text(encoding="utf-8")))
    return {name for makes in _MAKES for name in makes.findall(blocks)}


def test_no_two_pages_make_something_of_the_same_name() -> None:
    """Names of images need not be unique, but commands that take a name refuse one that two images have."""
    made = {page: _made(page) for page in PAGES}
    pages_of = Counter(name for names in made.values() for name in names)

    assert [page for page, names in made.items() if not names] == []
    assert [name for name, pages in pages_of.items() if pages > 1] == []
