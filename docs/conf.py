"""Settings of Sphinx, which makes a site of the documentation: `make docs`.

The tools have an environment of their own, since pip takes minutes to fit them together with the product's.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

project = "Galvanic"
author = "the authors of Galvanic"
root_doc = "index"
extensions = ["myst_parser", "sphinx_copybutton"]

# The same anchors as on GitHub and GitLab. A link to a heading or page that is not there is a warning, and `make docs`
# makes errors of warnings.
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Galvanic"
html_static_path = ["_static"]
html_extra_path = ["_pages"] if Path(__file__).with_name("_pages").exists() else []  # the starter's, by `make docs`
html_css_files = ["galvanic.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
highlight_language = "none"  # of a block that names none
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# Sites that refuse programs, and addresses that are only examples.
linkcheck_ignore = [r"http://(127\.0\.0\.1|localhost|10\.|HOST)", r"https://discord\.com/oauth2/"]
linkcheck_anchors = False
linkcheck_timeout = 20

_OUTSIDE = re.compile(r"""\[([^\]]+)\]\(((?:\.\./)+)[^)\s]+\)""")
"""A link that leaves the folder of its page upwards."""
_LOADED = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=["']((?:https?:)?//[^"']+)""")
"""What a browser fetches to show a page. Where a link leads is not among it."""


def leave_out_what_is_outside(_app: Sphinx, page: str, source: list[str]) -> None:
    """Make plain words of links to files outside of docs/, which the site does not have."""
    above = page.count("/") + 1
    source[0] = _OUTSIDE.sub(lambda link: link[1] if link[2].count("../") >= above else link[0], source[0])


def warn_of_other_hosts(app: Sphinx, exception: Exception | None) -> None:
    """Warn of a page that would load something from another host: the site works without internet."""
    if exception is not None or app.builder.format != "html":
        return
    for page in sorted(Path(app.outdir).rglob("*.html")):
        if loaded := _LOADED.findall(page.read_text("utf-8")):
            logging.getLogger(__name__).warning(
                "%s loads something from another host: %s", page.name, ", ".join(loaded)
            )


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", leave_out_what_is_outside)
    app.connect("build-finished", warn_of_other_hosts)
