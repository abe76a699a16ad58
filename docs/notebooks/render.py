"""Run the notebooks and write each, with its outputs, as Markdown beside it: python docs/notebooks/render.py [NAME…]

The notebooks are kept without outputs, so that a change shows what was changed; the Markdown is for readers who
do not run them.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def render(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, resources={"metadata": {"path": str(HERE)}}).execute()
    parts = [f"<!-- Written by render.py from {path.name}; change that. -->"]
    for cell in book.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/svg+xml" in data:
                picture = HERE / f"{path.stem}-{sum('![' in part for part in parts) + 1}.svg"
                picture.write_text(data["image/svg+xml"], encoding="utf-8")
                parts.append(f"![]({picture.name})")
            elif text := output.get("text") or data.get("text/plain"):
                parts.append(f"```text\n{text.rstrip()}\n```")
    path.with_suffix(".md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


for name in sys.argv[1:] or sorted(str(path) for path in HERE.glob("*.ipynb")):
    render(Path(name))
