"""Print a release's notes, which are its section of CHANGELOG.md: `python tools/release.py TAG URL`.

TAG is `v` and the version in galvanic/__init__.py; anything else ends the program with a message and status 1. URL is
the repository's address: links to files, which GitHub does not follow in notes, become addresses of them at the tag.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_HEADING = re.compile(r"^## \[?([^\s\]]+)\]?.*$", re.MULTILINE)
_FILE_LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")


def release_notes(changelog: str, version: str) -> str:
    """Return the version's section without its heading; empty: there is none."""
    headings = list(_HEADING.finditer(changelog))
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    sections = {heading[1]: changelog[heading.end() : end].strip() for heading, end in zip(headings, ends, strict=True)}
    return sections.get(version, "")


def main(tag: str, url: str) -> None:
    (version,) = _VERSION.findall((ROOT / "galvanic" / "__init__.py").read_text("utf-8"))
    if tag != f"v{version}":
        sys.exit(f"error: the tag is {tag}, and galvanic/__init__.py has version {version}. Make one like the other.")
    notes = release_notes((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
    if not notes:
        sys.exit(f"error: CHANGELOG.md has no text under a heading `## {version}`. Write it, and tag again.")
    print(_FILE_LINK.sub(rf"]({url}/blob/{tag}/\1)", notes))


if __name__ == "__main__":
    main(*sys.argv[1:])
