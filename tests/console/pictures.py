"""Takes the pictures of `docs/console.md`: a service with a story in it, and its pages in a browser.

`python -m console.pictures` writes those of the docs; with a folder, every page and dialog at each width
and in each scheme, to be looked at.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness.service import Service

from console.browsing import WIDTHS, Chromium, Window
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
    """`wanted`: None for every page, whole, and every dialog, at all widths."""
    folder.mkdir(parents=True, exist_ok=True)
    dialogs: set[str] = set()
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
                            if wanted is None:
                                _take_dialogs(window, folder, f"{width}-{scheme}", dialogs)


def _take_dialogs(window: Window, folder: Path, ending: str, taken: set[str]) -> None:
    """Those of the page, open; each once for a width and a scheme. `taken`: the names of those that were."""

    def name_of(path: str) -> str:
        # Neither ids nor numbers.
        words = [part for part in path.partition("?")[0].split("/") if part.isalpha()]
        return f"dialog-{'-'.join(words)}-{ending}"

    for path in window.dialogs(lambda path: name_of(path) not in taken):
        taken.add(name_of(path))
        target = folder / f"{name_of(path)}.png"
        window.page.screenshot(path=target)
        sys.stdout.write(f"{target}{_note(window.overflow)}\n")


def _note(overflow: int) -> str:
    return f": {overflow} pixels too wide" if overflow > 0 else ""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as work, Service(Path(work)) as service:
        take(Story(service, unit=1 << 20), folder or DOCS, None if folder else SHOWN)


if __name__ == "__main__":
    main()
