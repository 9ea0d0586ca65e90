"""The house in figures, for docs/architecture.md: files, lines, rooms, and which room imports which.

    python -m benchmarks.house [SRC]

`SRC` is the folder that holds the package, of this checkout by default. Lines are all lines of its Python files.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import grimp

OURS = Path(__file__).parents[1] / "src"


def main() -> None:
    """Print the figures, and the rooms as a Mermaid graph."""
    source = Path(sys.argv[1] if len(sys.argv) > 1 else OURS).resolve()
    sys.path.insert(0, str(source))
    package = source / "ganbert"
    lines = {path.relative_to(package): len(path.read_text("utf-8").splitlines()) for path in package.rglob("*.py")}
    files = {path: n for path, n in lines.items() if path.name != "__init__.py"}
    rooms = sorted({path.parts[0] for path in files if len(path.parts) > 1})
    print(f"files, without __init__.py     {len(files)}")
    print(f"lines in all                   {sum(lines.values()):,}")
    print(f"median lines of a file         {statistics.median(files.values()):.0f}")
    print(f"files of 100 to 350 lines      {sum(100 <= n <= 350 for n in files.values())}")
    print(f"modules outside a room         {sum(len(path.parts) == 1 for path in files)}")
    print(f"rooms                          {len(rooms)}")
    graph = grimp.build_graph("ganbert", cache_dir=None)
    for room in rooms:
        graph.squash_module(f"ganbert.{room}")
    arrows = sorted(
        (importer.removeprefix("ganbert."), imported.removeprefix("ganbert."))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if "ganbert" not in (importer, imported) and importer != imported
    )
    print(f"imports between rooms/modules  {len(arrows)}")
    print("\ngraph TD")
    for room in rooms:
        members = {path: n for path, n in files.items() if path.parts[0] == room}
        print(f"  {room}[{room}/ - {len(members)} files, {sum(members.values()):,} lines]")
    for importer, imported in arrows:
        if importer in rooms and imported in rooms:
            print(f"  {importer} --> {imported}")


if __name__ == "__main__":
    main()
