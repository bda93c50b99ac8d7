"""Makes README.md the first page of the documentation, so that its text exists once.

In the repository README.md lies above docs/; in the documentation it is index.md beside the other pages. Links are
written as they work in the repository, and are turned round here.
"""

import re
from pathlib import Path

from mkdocs.structure.files import File

_DOCS = re.compile(r"\]\(docs/")
_README = re.compile(r"\]\((?:\.\./)+README\.md")


def on_files(files, config):
    """Add README.md as index.md."""
    readme = Path(config.config_file_path).with_name("README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=_DOCS.sub("](", readme)))
    return files


def on_page_markdown(markdown, page, **_):
    """Let links to ../README.md lead to index.md."""
    up = "../" * page.file.src_uri.count("/")
    return _README.sub(f"]({up}index.md", markdown)
