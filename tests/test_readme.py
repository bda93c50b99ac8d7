import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere_and_nothing_was_left_to_fill_in(name):
    text = (ROOT / name).read_text()
    assert not re.findall(r"\{[A-Z_]+\}", text)
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / name).parent / link).exists(), link
    for test in re.findall(r"`(test_\w+\.py)`", text):
        assert (ROOT / "tests" / test).exists(), test
