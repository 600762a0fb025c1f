"""The documents: what their links lead to."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^()\s]+)", text) + re.findall(r'\b(?:src|href)="([^"]*)"', text)
    links = [link.partition("#")[0] for link in links if not re.match(r"\w+:", link)]
    missing = [link for link in links if not (document.parent / unquote(link)).exists()]
    assert not missing
