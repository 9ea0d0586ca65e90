"""The house in figures and as a picture, for docs/architecture.md: files, lines, rooms, and which room imports which.

    python -m benchmarks.house                                  # of this checkout
    python -m benchmarks.house OLD/src                          # of another one
    python -m benchmarks.house --picture rooms.png OLD/src src  # one above the other

Rooms are the folders of the package, and the modules beside them. Lines are all lines of Python files; lines of code
are those with more than a comment or a docstring on them.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import subprocess
import sys
import tokenize
from pathlib import Path

OURS = Path(__file__).parents[1] / "src"
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_code(source: str) -> int:
    """Return how many lines hold more than comments and docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def files_of(source: Path) -> dict[Path, str]:
    """Return the content of each Python file of the package in a folder `src`."""
    package = source / "ganbert"
    return {path.relative_to(package): path.read_text("utf-8") for path in sorted(package.rglob("*.py"))}


def arrows_of(source: Path) -> set[tuple[str, str]]:
    """Return the imports between rooms, as (importer, imported)."""
    code = (
        "import sys, grimp; sys.path.insert(0, sys.argv[1]); graph = grimp.build_graph('ganbert', cache_dir=None)\n"
        "for module in graph.modules:\n"
        "    for other in graph.find_modules_directly_imported_by(module): print(module, other)\n"
    )  # in a process of its own: this one may have imported another checkout
    command = [sys.executable, "-c", code, str(source)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    pairs = [[name.split(".")[1:2] for name in line.split()] for line in found.splitlines()]
    return {(a[0], b[0]) for a, b in pairs if a and b and a != b}


def report(source: Path) -> None:
    """Print the figures of one checkout."""
    files = files_of(source)
    lines = {path: len(text.splitlines()) for path, text in files.items() if path.name != "__init__.py"}
    rooms = sorted({path.parts[0] for path in lines if len(path.parts) > 1})
    print(f"files, without __init__.py     {len(lines)}")
    print(f"lines                          {sum(len(text.splitlines()) for text in files.values()):,}")
    print(f"lines of code                  {sum(map(lines_of_code, files.values())):,}")
    print(f"median lines of a file         {statistics.median(lines.values()):.0f}")
    print(f"files of 100 to 350 lines      {sum(100 <= n <= 350 for n in lines.values())}")
    print(f"rooms                          {len(rooms)}")
    print(f"modules outside a room         {sum(len(path.parts) == 1 for path in lines)}")
    print(f"imports between them           {len(arrows_of(source))}")
    for room in rooms:
        members = [n for path, n in lines.items() if path.parts[0] == room]
        print(f"  {room + '/':12} {len(members):2} files {sum(members):6,} lines")


def picture(sources: list[Path], file: Path) -> None:
    """Draw the rooms of checkouts one above the other: a room stands above all that it imports."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(sources), 1, figsize=(11, 7 * len(sources)), squeeze=False)
    for axis, source in zip(axes[:, 0], sources, strict=True):
        arrows = arrows_of(source)
        names = {name for arrow in arrows for name in arrow}
        floor: dict[str, int] = {}
        while len(floor) < len(names):  # imports have no circles: `lint-imports` checks that
            for name in names - floor.keys():
                below = [floor.get(imported) for importer, imported in arrows if importer == name]
                if None not in below:
                    floor[name] = max((f for f in below if f is not None), default=-1) + 1
        place: dict[str, tuple[float, float]] = {}
        for level in set(floor.values()):
            on_floor = sorted(name for name in names if floor[name] == level)
            place |= {name: ((i + 1) / (len(on_floor) + 1), level + 0.25 * (i % 2)) for i, name in enumerate(on_floor)}
        for importer, imported in arrows:
            ends = {"xy": place[imported], "xytext": place[importer]}
            axis.annotate("", **ends, arrowprops={"arrowstyle": "-", "color": "0.75", "lw": 0.8})
        for name, (x, y) in place.items():
            is_room = (source / "ganbert" / name).is_dir()
            box = {"boxstyle": "round,pad=0.35", "facecolor": "#b2dfdb" if is_room else "white", "edgecolor": "0.4"}
            axis.text(x, y, name + "/" * is_room, ha="center", va="center", fontsize=10, bbox=box)
        axis.set_title(f"{len(names)} rooms and modules, {len(arrows)} imports between them", fontsize=13)
        axis.set_xlim(0, 1)
        axis.set_ylim(-0.5, max(floor.values()) + 0.75)
        axis.axis("off")
    figure.savefig(file, dpi=80, bbox_inches="tight")


def main() -> None:
    """Print figures, or draw a picture."""
    parser = argparse.ArgumentParser(description="The house in figures, or as a picture.")
    parser.add_argument("sources", nargs="*", type=Path, help="folders src; this checkout's by default")
    parser.add_argument("--picture", type=Path, help="file to draw them into, one above the other")
    arguments = parser.parse_args()
    sources = [source.resolve() for source in arguments.sources or [OURS]]
    if arguments.picture is not None:
        picture(sources, arguments.picture)
        return
    for source in sources:
        report(source)


if __name__ == "__main__":
    main()
