import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st

from playground.markdown import name_mentions, render, render_inline

LEAVE = 'target="_blank" rel="noopener noreferrer nofollow"'
NAMES = {("@", 1): "Ada", ("#", 2): "lab", ("@&", 3): "Readers"}


def name_of(sigil: str, wanted: int) -> str | None:
    return NAMES.get((sigil, wanted))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** *b* __c__ ~~d~~", "<strong>a</strong> <em>b</em> <u>c</u> <s>d</s>"),
        ("**Note:**this **(a)**b", "<strong>Note:</strong>this <strong>(a)</strong>b"),
        ("***a*** **a *b* c**", "<strong><em>a</em></strong> <strong>a <em>b</em> c</strong>"),
        ("*a **b** c* _d_e _f_", "<em>a <strong>b</strong> c</em> _d_e <em>f</em>"),
        ("2 * 3 * 4 ** 5", "2 * 3 * 4 ** 5"),
        (r"**a\** b** ****", "<strong>a** b</strong> ****"),
        ("`a **b**`", "<code>a **b**</code>"),
        ("a_b_c", "a_b_c"),
        (r"\*a\*", "*a*"),
        (
            "<@1> <@!1> <#2> <@&3>",
            " ".join(f'<span class="mention">{n}</span>' for n in ("@Ada", "@Ada", "#lab", "@Readers")),
        ),
        ("<@99>", '<span class="mention">@unknown</span>'),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("[x]()", "[x]()"),
        (r"[\(a\) *b*](https://x.y/)", f'<a href="https://x.y/" {LEAVE}>(a) <em>b</em></a>'),
        ("&amp;", "&amp;amp;"),
        ("<https://x.y/a>", f'<a href="https://x.y/a" {LEAVE}>https://x.y/a</a>'),
    ],
)
def test_inline(text: str, html: str) -> None:
    assert render_inline(text, name_of) == html


def test_plain_text_names_mentions_too() -> None:
    assert name_mentions("*hi* <@!1> and <@9> in <#2>", name_of) == "*hi* @Ada and @unknown in #lab"


def test_link_opens_a_page_of_its_own() -> None:
    html = render_inline("https://example.org/a_b [x](https://example.org)", name_of)
    assert html.count(LEAVE) == 2
    assert 'href="https://example.org/a_b"' in html


def test_spoiler_hides_its_marks_too() -> None:
    html = render_inline("a ||**b**|| c", name_of)
    assert re.fullmatch(r'a <span class="spoiler"[^>]*><span><strong>b</strong></span></span> c', html)
    assert render_inline("a || b", name_of) == "a || b"


def test_blocks() -> None:
    html = render("# T\n> q1\n> q2\nplain\n- one\n  - two\n3. x\n-# small\n```py\na\n  b\n```\nend", name_of)
    assert html == (
        '<h1>T</h1><blockquote><div class="text">q1\nq2</div></blockquote><div class="text">plain</div>'
        '<div class="item depth-0"><span class="mark">•</span><span>one</span></div>'
        '<div class="item depth-1"><span class="mark">•</span><span>two</span></div>'
        '<div class="item depth-0"><span class="mark">3.</span><span>x</span></div>'
        '<small>small</small><pre class="code"><code>a\n  b</code></pre><div class="text">end</div>'
    )


def test_spaces_and_empty_lines_stay() -> None:
    assert render("a\n\n   b  c", name_of) == '<div class="text">a\n\n   b  c</div>'


def test_marks_nest_only_so_deep() -> None:
    assert render("> " * 900 + "x", name_of) == f'<blockquote><div class="text">{"&gt; " * 899}x</div></blockquote>'
    assert render_inline("*" * 2_000 + "x", name_of).count("<strong>") < 10


ALLOWED = {"div", "span", "strong", "em", "u", "s", "code", "pre", "a", "h1", "h2", "h3", "small", "blockquote"}
ATTRIBUTES = {"class", "href", "target", "rel", "role", "tabindex", "aria-label"}


class Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert {name for name, _ in attrs} <= ATTRIBUTES
        for name, value in attrs:
            assert name != "href" or (value or "").lower().startswith(("http://", "https://"))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


PIECES = [
    *("<script>", "</div>", "onerror=", "javascript:", "&lt;", '"', "'"),
    *("||", "**", "_", "~~", "`", "```", "\n", "> ", "# ", "- ", "\\"),
    *("[a](", ")", "https://x.y/", "<@1>", "<t:1:R>", "<t:999999999999>", "x", " "),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60))
def test_hostile_text_gives_only_known_closed_tags(text: str) -> None:
    checker = Checker()
    checker.feed(render(text, name_of))
    checker.close()
    assert checker.open == []


@pytest.mark.timeout(60)
def test_the_work_does_not_explode_with_a_messages_length() -> None:
    """It would take hours if it did."""
    for piece in ("`", "`a", "``a`", "*", "_a", "||", "[a", "\\", "> ", "# "):
        for begin in ("", "> # ", "- "):
            render(begin + piece * (8_000 // len(piece)), name_of)


@pytest.mark.parametrize(
    ("seconds", "said"), [(8 * 3_600, "in 8 hours"), (-100, "2 minutes ago"), (3_600, "in 1 hour")]
)
def test_a_time_is_told_in_the_nearest_units(seconds: int, said: str) -> None:
    assert said in render(f"<t:{int(time.time()) + seconds}:R>", name_of)
