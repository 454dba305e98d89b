"""What the site needs beside the pages: CONTRIBUTING.md as one of them, and links that leave docs/.

A page links to files beside docs/ as `../examples/...`, which is right in a checkout and where the repository is browsed. The site
holds docs/ alone: there such a link goes to the repository, if mkdocs.yml names one (repo_url), and is else the path as text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)#\s]*)(#[^)\s]*)?\)")
INCLUDED = "contributing.md"


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """A page as the site shows it."""
    if page.file.src_path == INCLUDED:
        markdown = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        markdown = re.sub(r"\]\((?!https?:|#)", "](../", markdown).replace("](../docs/", "](")
    return LINK.sub(lambda found: outside(found[1], found[2], config.get("repo_url")), markdown)


def outside(text: str, path: str, repository: str | None) -> str:
    """A link to a file beside docs/.

    Args:
        text: of the link. path: from the top of the repository.
    """
    assert (ROOT / path).exists(), f"a page links to {path}, which is not there"
    if repository:
        return f"[{text}]({repository.rstrip('/')}/blob/main/{path})"
    return text if path in text else f"{text} (`{path}`)"
