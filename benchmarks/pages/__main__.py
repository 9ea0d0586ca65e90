"""Write every table and the picture of the results pages anew: `python -m benchmarks.pages`, or `make results`."""

from __future__ import annotations

from benchmarks.pages import blocks, picture
from benchmarks.rows import REPOSITORY


def main() -> None:
    """Write the pages that differ from their rows, and say which."""
    picture.draw()
    for page in blocks.pages():
        text = page.read_text(encoding="utf-8")
        if (filled := blocks.filled(text)) != text:
            page.write_text(filled, encoding="utf-8")
            print(f"{page.relative_to(REPOSITORY)}: tables written")


if __name__ == "__main__":
    main()
