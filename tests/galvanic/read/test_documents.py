"""Books, pages and subtitles: what is learned of them, and files that are damaged, locked or hostile.

The layouts: EPUB 3.3 (https://www.w3.org/TR/epub-33/) with the guide of EPUB 2; HTML (https://html.spec.whatwg.org);
Markdown (https://spec.commonmark.org/0.31.2/) with GitHub's tables; Word (ECMA-376, as python-docx writes it); PDF (ISO
32000, by matplotlib and pypdf); SubRip (https://wiki.videolan.org/SubRip/), WebVTT (https://www.w3.org/TR/webvtt1/) and
Aegisub's ASS.
"""

import contextlib
import io
import random
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import docx
import pypdf
import pytest
from docx.oxml import OxmlElement
from hypothesis import given, strategies as st
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from galvanic.errors import UserError
from galvanic.read import files
from galvanic.read.formats import read_paths
from tests.galvanic.read.reading import read_text, zipped

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>{doctype}
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Lamp{entity}</dc:title>
<dc:creator>Ada Byron</dc:creator></metadata>
<manifest><item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<item id="cover" href="cover.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/chapter%202.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/chapter1.xhtml" media-type="text/x-oeb1-document"/>
<item id="list" href="list.xhtml" media-type="application/xhtml+xml"/>
<item id="plate" href="plate.xhtml" media-type="application/xhtml+xml"/>
<item id="notes" href="notes.xhtml" media-type="application/xhtml+xml"/>
<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="cover"/><itemref idref="nav"/><itemref idref="list"/><itemref idref="one"/>
<itemref idref="plate"/><itemref idref="gone"/><itemref idref="two"/><itemref idref="two"/>
<itemref idref="notes" linear="no"/></spine>
<guide><reference type="cover" href="cover.xhtml"/><reference type="toc" href="list.xhtml"/>
<reference type="toc" href="text/chapter1.xhtml#contents"/></guide></package>"""
CHAPTER = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">
<head><title/><style>p {{ margin: 0 }}</style><script src="x.js"/></head>
<body><section epub:type="chapter"><header><h1>{title}</h1></header>
{text}</section></body></html>"""
WORDS = "The lamp burned low, and nobody spoke of the sea that night. "


def epub(**changed: str | bytes) -> bytes:
    """A book. `changed`: its members, `OEBPS_x` for a path."""
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE.format(doctype="", entity=""),
        "OEBPS/nav.xhtml": CHAPTER.format(title="Contents", text="<nav><ol><li>One</li></ol></nav>"),
        "OEBPS/list.xhtml": CHAPTER.format(title="", text="<p><a href='a'>One</a></p>\n<p><a href='b'>Two</a></p>"),
        "OEBPS/cover.xhtml": CHAPTER.format(title="Cover", text="<p>A cover</p>"),
        "OEBPS/plate.xhtml": "<html><body><img src='plate.png' alt='a plate'/></body></html>",
        "OEBPS/notes.xhtml": CHAPTER.format(title="Notes", text="<p>A note.</p>"),
        "OEBPS/text/chapter1.xhtml": CHAPTER.format(
            title="One",
            text='<p>It was a dark\nnight<a href="notes.xhtml#n1"><sup>1</sup></a>.</p><p id="x"/><p>So it was.</p>',
        ),
        "OEBPS/text/chapter 2.xhtml": CHAPTER.format(
            title="Two",
            text='<p>He said <i>no&#8212;</i>and <span class="pagenum">[12]</span>left&nbsp;us.<br/>Twice.</p>'
            '<footer role="presentation"><p>Ada</p></footer><footer>A publisher</footer>',
        ),
    }
    members |= {name.replace("OEBPS_", "OEBPS/"): content for name, content in changed.items()}
    return zipped(*members.items())


BOOK = "One\n\nIt was a dark night.\n\nSo it was.\n\nTwo\n\nHe said no—and left us.\nTwice.\n\nAda"


def word() -> bytes:
    document = docx.Document()
    document.add_heading("The lamp", 1)
    paragraph = document.add_paragraph("It burned")
    paragraph.add_run(" low.").bold = True
    paragraph.add_run().add_break()
    paragraph.add_run("And\tno")._r.append(OxmlElement("w:noBreakHyphen"))
    paragraph.add_run("body spoke.")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["Name", "Age", "Ada", "36"], strict=True):
        cell.text = text
    document.add_paragraph("The end.", style="List Bullet")
    document.sections[0].header.paragraphs[0].text = "A title on each page"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def word_of(source: str | bytes, method: int = zipfile.ZIP_DEFLATED, name: str = "word/document.xml") -> bytes:
    return zipped(("[Content_Types].xml", "<Types/>"), (name, source), method=method)


def pdf_pages(pages: list[list[str]]) -> bytes:
    """A PDF by matplotlib's backend."""
    out = io.BytesIO()
    with PdfPages(out) as file:
        for lines in pages:
            figure = Figure(figsize=(8, 11))
            for number, line in enumerate(lines):
                figure.text(0.1, 0.95 - number * 0.02, line, fontsize=9)
            file.savefig(figure)
    return out.getvalue()


def pdf_of(content: bytes, fonts: bytes = b"/F1 << /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>") -> bytes:
    """A PDF of one page, by hand. `content`: its compressed stream."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << "
        + fonts
        + b" >> >> >>",
        b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    body = b"%PDF-1.4\n"
    places = []
    for number, item in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer


def text_of(data: bytes) -> str:
    return read_text(("upload", data))


def text_or_refusal(data: bytes) -> str:
    """The text, or nothing if the file was refused. Any other error is the test's."""
    with contextlib.suppress(UserError):
        text = text_of(data)
        assert text.strip()
        assert "\0" not in text
        return text
    return ""


def refused(data: bytes) -> str:
    with pytest.raises(UserError) as caught:
        text_of(data)
    assert caught.value.remedy
    return caught.value.problem


def test_an_epub_book_is_its_chapters_in_order_without_cover_contents_and_notes(tmp_path: Path) -> None:
    path = tmp_path / "download.bin"
    path.write_bytes(epub())
    text, info, chat = read_paths([path], tmp_path / "work")
    assert (text, info.title, info.name, chat) == (BOOK, "The Lamp, by Ada Byron", "download", None)


def test_an_epub_book_with_an_empty_title_is_called_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "lamp.epub"
    path.write_bytes(epub(**{"OEBPS_book.opf": PACKAGE.replace("The Lamp{entity}", "").format(doctype="")}))
    assert read_paths([path])[1].title == "lamp.epub"


def test_several_books_in_an_archive_are_one_text() -> None:
    page = b"<html><body><p>A page.</p></body></html>"
    archive = zipped(("a.epub", epub()), ("b/c.html", page), ("d.png", b"\x89PNG\0\0\0\0"))
    assert text_of(archive) == f"{BOOK}\n\nA page."


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>One\n  line<p>Two &amp; <b>bo</b>ld&hellip;<br>broken", "One line\n\nTwo & bold…\nbroken"),
        ("<div>a</div><div><br></div><div>b</div><ul><li>c<li>d</ul>", "a\n\nb\n\nc\nd"),
        ("<p>Verse<br>\nand verse<br><br>again", "Verse\nand verse\n\nagain"),
        ("x<pre>\n  as it\n   stands\n\n\n</pre>y", "x\n\nas it\nstands\n\ny"),
        ("x<pre><code>program()</code></pre>y <code>z</code>", "x\n\ny z"),
        ("<table><tr><th>a<td>b<tr><td>c<td>d</table>", "a b\nc d"),
        ("<nav>Home</nav><aside>Ad</aside><p>Text</p><footer>Legal</footer>", "Text"),
        ("<article><header><h1>Title</h1></header>Text<script>var x = '<p>';</script></article>", "Title\n\nText"),
        ("<form><p>All is in a form.</p><label>Name</label><button>Send</button></form>", "All is in a form."),
        ("<header>Site</header><main><p>Text</p></main><p>More</p><main>Text</main>", "Text\n\nText"),
        ("a<sup><a href='#n1'>[1]</a></sup> <a href='#two'>bc</a> <a href='#1'>1</a> m<sup>2</sup>", "a bc 1 m2"),
        ("Words <main> <img src=a.png> </main> of a program", "Words of a program"),
        ("<div class='x stanza'><div>a</div><div>b</div></div><div class=stanza><div>c</div></div>", "a\nb\n\nc"),
        ("<p hidden>secret</p><b style='display: none'>secret</b><p>hy\xadphen&shy;ated</p>", "hyphenated"),
        ("<p>1 < 2 & 3 > 2, &unknown; &#128512; &#0;<p/>", "1 < 2 & 3 > 2, &unknown; 😀 \ufffd"),
    ],
)
def test_a_web_page_reads_as_a_browser_shows_it(page: str, text: str) -> None:
    head = "<!DOCTYPE html>\n<html><head><title>T</title><style>p{}</style></head><body>"
    assert text_of(f"{head}{page}</body></html>".encode()) == text


@pytest.mark.parametrize(
    ("start", "encoding"),
    [
        ("<html><meta charset='windows-1251'>", "cp1251"),
        ("<html><meta http-equiv=Content-Type content='text/html; charset=iso-8859-1'>", "cp1252"),
        ("<?xml version='1.0' encoding='Shift_JIS'?><html>", "shift_jis"),
        ("<html><meta charset=windows-1252>", "utf-8"),  # what the page says is wrong
        ("<html><meta charset=rot13>", "utf-8-sig"),
        ("<html>", "utf-16"),
        ("<html><meta charset=unicode_escape>", "cp1252"),
    ],
)
def test_a_page_is_decoded_as_it_says_unless_it_is_utf8(start: str, encoding: str) -> None:
    words = {"cp1251": "Лампа", "shift_jis": "灯り"}.get(encoding, "“dé\\x41jà” vu")
    assert text_of(f"{start}<p>{words}</p></html>".encode(encoding)) == words


def test_a_damaged_character_does_not_change_a_pages_encoding() -> None:
    assert text_of("<html><p>déjà vu ".encode() + b"\xe9</p>") == "déjà vu é"


def test_project_gutenbergs_licence_is_left_out_of_its_pages(tmp_path: Path) -> None:
    page = (
        "<html><head><title>The Project Gutenberg eBook of The Lamp</title></head><body>"
        "<section class='pg-boilerplate'><p><strong>Title</strong>: The Lamp</p>"
        "<p><strong>Author</strong>: Ada Byron</p>"
        "<div><span>*** START OF THE PROJECT GUTENBERG EBOOK THE LAMP ***</span></div></section>"
        f"<p>{WORDS}<span class='pagenum'>[Pg 3]</span>So.</p>"
        "<div>*** END OF THE PROJECT GUTENBERG EBOOK THE LAMP ***</div><p>The licence.</p></body></html>"
    )
    (tmp_path / "a.html").write_text(page)
    text, info, _ = read_paths([tmp_path / "a.html"])
    assert (text, info.title) == (f"{WORDS}So.", "The Lamp, by Ada Byron")
    assert info.left_out > 0
    assert info.licence


def test_a_word_document_is_its_paragraphs_and_cells() -> None:
    text = "The lamp\n\nIt burned low.\nAnd no-body spoke.\n\nName\n\nAge\n\nAda\n\n36\n\nThe end."
    assert text_of(word()) == text


def test_a_word_document_is_found_by_what_is_in_it() -> None:
    """Word on the web gives the file a number; LibreOffice writes a text box for old programs, too."""
    source = "<w:document xmlns:w='w' xmlns:m='m'><w:p><w:r><m:AlternateContent><m:Choice><w:txbxContent><w:p><w:r>"
    source += "<w:t>In a box.</w:t></w:r></w:p></w:txbxContent></m:Choice><m:Fallback><w:txbxContent><w:p><w:r>"
    source += (
        "<w:t>In a box.</w:t></w:r></w:p></w:txbxContent></m:Fallback></m:AlternateContent></w:r></w:p></w:document>"
    )
    assert text_of(word_of(source, name="word/document2.xml")) == "In a box."
    assert "a damaged Word document" in refused(word_of(source, name="word/styles.xml"))


def test_a_pdf_is_its_paragraphs_without_titles_and_numbers_of_pages() -> None:
    line = "a long line of words that a program wrapped where the page has no more room for"
    names = ["One", "Two", "Three", "Four"]
    pages = [
        [f"The Lamp {page}", name, f"It was {line}", line, f"{line} one inter-", "rupted word.", f"{name} {line}."]
        for page, name in enumerate(names, 5)
    ]
    text = text_of(pdf_pages([["Contents", "One . . . . . . . 5"], *pages]))
    chapters = [f"{name}\nIt was {line} {line} {line} one interrupted word.\n\n{name} {line}.\n" for name in names]
    assert text == "Contents\n" + "".join(chapters)


def test_narrow_gaps_of_a_font_without_a_space_are_spaces() -> None:
    widths = (
        b"/F1 << /Type /Font /Subtype /Type1 /BaseFont /AAAAAA+Fine /FirstChar 97 /LastChar 99 /Widths [500 500 500]"
    )
    page = b"BT /F1 10 Tf 50 700 Td [(ab) -228 (c) 20 (ab) -340 (b)] TJ 0 -12 Td [(a) -90 (b)] TJ ET"
    assert text_of(pdf_of(zlib.compress(page), widths + b" >>")) == "ab cab b\nab\n"


def test_shapes_of_letters_are_the_letters() -> None:
    assert text_of(pdf_pages([["a \ufb01ne \ufebb\ufecc\ufeaa"]])) == "a fine \u0635\u0639\u062f\n"


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>The lamp</i>
burned low.

2
00:00:02,500 --> 00:00:04,000
{\\an8}- Who is there?
- Nobody.
3
00:00:04,000 --> 00:00:05,000
- Nobody.
"""
VTT = """WEBVTT - a film

NOTE nobody reads this

ab12/4-0
00:01.000 --> 00:02.500 align:start
<v Ada>The lamp <00:01.500><c>burned</c> low.

NOTE nor this

00:02.500 --> 00:04.000
- Who is there?
- Nobody.
"""
ASS = """[Script Info]
ScriptType: v4.00+

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:02.50,0:00:04.00,Default,,0,0,0,,- Who is there?\\N- Nobody.
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}The lamp{\\i0} burned\\hlow.
Comment: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,A remark
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}
"""


@pytest.mark.parametrize("source", [SRT, VTT, ASS, SRT.replace("\n", "\r\n")])
def test_subtitles_are_what_is_spoken(source: str) -> None:
    assert text_of(source.encode()) == "The lamp burned low.\n- Who is there?\n- Nobody.\n"


def test_a_subtitle_of_very_many_lines_takes_little_memory() -> None:
    source = b"1\n00:00:01,000 --> 00:00:02,000\n" + b"a\nb\n" * 100_000
    tracemalloc.start()
    try:
        assert len(text_of(source)) == 400_000
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


MARKDOWN = """---
title: notes
---
# The *lamp*

It **burned** low,
and [nobody](https://example.org) spoke.

```python
print("code")
```

## The sea

- one
- two

> Said `he`.

| a | b |
|---|---|
| c | d |
"""


def test_markdown_is_its_words() -> None:
    text = "The lamp\n\nIt burned low, and nobody spoke.\n\nThe sea\n\none\ntwo\n\nSaid he.\n\na b\nc d"
    assert text_of(MARKDOWN.encode()) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("---\ntitle: x\ndate: 2020-01-01\n---\n\nIt *burned*\nlow.\n", "It burned low."),
        ("<h1 align=center>\nThe lamp\n</h1>\n\n## A\n\n**b** [c](d)\n\n## E\n\nf\n", "The lamp\n\nA\n\nb c\n\nE\n\nf"),
        ("[![x](y.svg)](z)\n\n# A\n\n**b**\n\n## C\n\n**d**\n", "A\n\nb\n\nC\n\nd"),
    ],
)
def test_markdown_may_begin_without_a_heading(source: str, text: str) -> None:
    assert text_of(source.encode()) == text


@pytest.mark.parametrize(
    "text",
    [
        "---\nA scene: dark.\n---\nIt *burned*\nlow.\n",
        "# of lamps\n\nSome prose, and # again.\n\n" + WORDS * 9,
        "# a comment\n\nimport os\n\n# another\n\nhandlers[x](y)\nhandlers[z](y)\nf(**a, **b)\n",
        "ada: # big news\nben: **what** is it\n\n- a list\n- of things\n\n* * *\n\n" * 9,
        "CHAPTER I\n=========\n\n*It* was a _dark_ night.\n\n* * * * *\n\n" * 9,
    ],
)
def test_other_texts_are_no_markdown(text: str) -> None:
    assert text_of(text.encode()) == text


def test_documents_that_are_no_text_are_refused_by_name() -> None:
    for name in ("[Content_Types].xml", "mimetype"):
        assert "an office document" in refused(zipped((name, "<a/>")))
    assert "a damaged Word document" in refused(zipped(("mimetype", "<a/>"), ("word/a.xml", "<a/>")))
    assert "RTF" in refused(b"{\\rtf1\\ansi some words}")
    assert "MHTML" in refused(b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\n\r\n<html>Some words</html>")
    assert "old Microsoft Office" in refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500))


@pytest.mark.parametrize("mark", ["<style>.chatlog__message{}</style>", '<div class="page_wrap">'])
def test_a_chat_as_a_page_is_no_page(mark: str) -> None:
    """The layouts: DiscordChatExporter's PreambleTemplate.cshtml, Telegram Desktop's export_output_html.cpp."""
    assert "a page of a chat" in refused(f"<!DOCTYPE html>\n<html><head><title>A</title></head>{mark}Ada".encode())


def test_pictures_of_pages_cannot_be_read() -> None:
    assert "no text" in refused(pdf_pages([[], []]))
    assert "no text" in refused(pdf_of(zlib.compress(b"0 0 100 100 re f")))
    image = "<html><body><img src='scan.png'/></body></html>"
    assert "no text" in refused(epub(**{f"OEBPS_text/chapter{name}.xhtml": image for name in ("1", " 2")}))
    assert "no text" in refused(b"<html><body><img src='a.png'></body></html>")


def encrypted(password: str, algorithm: str = "RC4-128") -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdf_pages([["The lamp burned low."]])))
    writer.encrypt(password, "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_what_is_locked_is_refused_and_what_only_forbids_printing_is_not() -> None:
    assert "locked" in refused(encrypted("a password"))
    assert text_of(encrypted("")) == "The lamp burned low.\n"
    assert "locked" in refused(epub(**{"META-INF/rights.xml": "<rights/>"}))


@pytest.mark.process
@pytest.mark.parametrize("algorithm", ["AES-128", "AES-256"])
def test_a_pdf_that_takes_another_package_to_read_is_locked(algorithm: str) -> None:
    script = "import sys; sys.modules['cryptography'] = sys.modules['Crypto'] = None\n"
    script += "from tests.galvanic.read.test_documents import refused\n"
    script += "print(refused(sys.stdin.buffer.read()))"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, input=encrypted("", algorithm), capture_output=True, check=True)
    assert b"locked" in run.stdout


BOMB = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize("external", [False, True])
def test_entities_of_xml_are_not_expanded(tmp_path: Path, external: bool) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    system = f"<!DOCTYPE x [<!ENTITY j SYSTEM '{(tmp_path / 'secret.txt').as_uri()}'>"
    doctype = (system if external else BOMB) + "]>"
    book = epub(**{"OEBPS_book.opf": PACKAGE.format(doctype=doctype, entity="&j;")})
    assert text_or_refusal(book) in ("", BOOK)
    chapter = CHAPTER.format(title="One", text="<p>&j;</p>").replace("<!DOCTYPE html>", doctype)
    text = text_of(epub(**{"OEBPS_text/chapter1.xhtml": chapter}))
    assert "secret" not in text
    assert len(text) < 2_000
    source = f'<?xml version="1.0"?>{doctype}<w:p xmlns:w="http://x/wordprocessingml/main"><w:t>a &j;</w:t></w:p>'
    assert text_or_refusal(word_of(source)) in ("", "a")


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 9_000 + WORDS + "</div>" * 9_000,
        "<p>" + "".join(f"<b id={number}>" for number in range(4_000)) + "<p>a" * 4_000,
        "<b>x</b>" * 300_000,
        "<a " + " ".join(f"a{number}" for number in range(100_000)) + ">x",
        "<p>" + "x" * 11_000_000,
        f"<img src='data:{'x' * 11_000_000}'>x",
        "<" * 100_000 + "&" * 100_000,
        f"<a href='#x'>{'.' * 1_000_000}ab</a>",
    ],
    ids=[
        "nested",
        "open formatting",
        "many tags",
        "many attributes",
        "a long word",
        "a picture in it",
        "signs",
        "a link",
    ],
)
def test_hostile_pages_are_read_in_little_memory(page: str) -> None:
    assert text_of(f"<html><body>{page}".encode()).strip()


def test_tags_that_are_nested_too_deep_are_refused() -> None:
    page = b"<html><body>" + b"<div>" * 20_000 + b"x" + b"</p></b>" * 200_000
    assert "nested too deep" in refused(page)
    deep = b"<w:document xmlns:w='http://x/wordprocessingml/main'>" + b"<w:p>" * 20_000
    assert "nested too deep" in refused(word_of(deep))


def test_bombs_are_refused_or_read_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "UNPACKED_LIMIT", 1_000_000)
    zeros = b"<html>" + bytes(5_000_000)
    assert "would come out" in refused(epub(**{"OEBPS_text/chapter1.xhtml": zeros}))
    assert "would come out" in refused(word_of(zeros))
    assert "unusual way" in refused(word_of("<a/>", zipfile.ZIP_BZIP2))
    assert "damaged" in refused(pdf_of(zlib.compress(zlib.compress(b" " * 200_000_000))))
    assert "damaged" in refused(pdf_of(zlib.compress(b"q " * 45_000_000)))


PAGE = f"<?xml version='1.0'?><!DOCTYPE html><html><p>{WORDS}</p></html>".encode()
TEXTS = [source.encode() for source in (SRT, VTT, ASS, MARKDOWN)]
GOOD = [epub(), word(), pdf_pages([[WORDS] * 20] * 3), encrypted("x"), PAGE, *TEXTS]


@pytest.mark.parametrize("data", GOOD[:3], ids=["EPUB", "DOCX", "PDF"])
def test_a_document_that_is_cut_off_is_refused_or_gives_its_own_words(data: bytes) -> None:
    for part in range(1, 20):
        cut = data[: len(data) * part // 20]
        assert set(text_or_refusal(cut).split()) <= set(WORDS.split())


@given(st.sampled_from(GOOD), st.integers(5, 200) | st.none(), st.integers(0, 30), st.randoms(), st.binary())
def test_damaged_documents_give_a_text_or_a_plain_refusal(
    data: bytes, end: int | None, wrong: int, rng: random.Random, rest: bytes
) -> None:
    damaged = bytearray(data[:end])
    for _ in range(wrong):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    text_or_refusal(bytes(damaged) + rest)
