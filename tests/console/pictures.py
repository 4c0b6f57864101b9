"""Takes the pictures of `docs/console.md`: a service with a story in it, and its pages in a browser.

`python -m console.pictures` writes those of the docs; with a folder, every page at each width and in each
scheme, to be looked at.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness.service import Service

from console.browsing import WIDTHS, Chromium
from console.story import Story

DOCS = Path(__file__).parents[2] / "docs" / "console"
#: Name of the page → widths of its pictures in the docs; each is taken in both schemes.
SHOWN = {
    "inbox": ("desktop", "phone"),
    "image": ("desktop",),
    "family": ("desktop", "phone"),
    "upload": ("desktop",),
    "hook": ("desktop",),
    "health": ("desktop",),
}
SCHEMES = ("light", "dark")
#: Of the pictures in the docs, pixels: width → height.
HEIGHTS = {"desktop": 720, "phone": 780}


def take(story: Story, folder: Path, wanted: dict[str, tuple[str, ...]] | None) -> None:
    """`wanted`: None for every page at all widths, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with Chromium() as chromium:
        for scheme in SCHEMES:
            for width, pixels in WIDTHS.items():
                for account, pages in story.pages().items():
                    with chromium.open(story.service.url, width=pixels, scheme=scheme) as window:
                        window.sign_in(story.service.clouds[account])
                        for name, path in pages.items():
                            if wanted is not None and width not in wanted.get(name, ()):
                                continue
                            if wanted is not None:
                                size = {"width": min(pixels, 1160), "height": HEIGHTS[width]}
                                window.page.set_viewport_size(size)
                            window.go(path)
                            target = folder / f"{name}-{width}-{scheme}.png"
                            window.page.screenshot(path=target, full_page=wanted is None)
                            sys.stdout.write(f"{target}{_note(window.overflow)}\n")


def _note(overflow: int) -> str:
    return f": {overflow} pixels too wide" if overflow > 0 else ""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as work, Service(Path(work)) as service:
        take(Story(service), folder or DOCS, None if folder else SHOWN)


if __name__ == "__main__":
    main()
