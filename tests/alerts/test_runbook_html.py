from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.runbook import render_html


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


SAFE_TAGS = {
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "a",
    "strong",
    "em",
    "code",
    "pre",
    "input",
    "br",
}
SAFE_TAGS |= {"blockquote", "hr", "table", "thead", "tbody", "tr", "th", "td"}


HTML_PARTS = (
    "<script>¦<img src=x onerror=y>¦[a](¦javascript:x¦data:text/html,x¦http://a.example¦//b¦)¦<¦>¦'¦![¦]¦[x]: ¦\n"
    '¦mailto:a@b¦#c¦`¦**¦- [ ] ¦&lt;¦JavaScript&colon;¦ ¦https://u:p@h/"><svg onload=x>¦| a | b |\n|---|---|\n¦```<b\n"'
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(HTML_PARTS.split("¦")), max_size=30).map("".join))
def test_html_has_neither_raw_html_nor_strange_links(text: str) -> None:
    tags = Tags(render_html(text))
    assert tags.seen <= SAFE_TAGS
    assert tags.attributes <= {"href", "rel", "class", "type", "disabled", "title", "start", "style"}
    for link in tags.links:
        assert urlsplit(link).scheme in ("http", "https", "mailto") or link.startswith("#") or link == ""


def test_html_shows_tasks_as_boxes_and_keeps_safe_links() -> None:
    html = render_html(
        "---\nrunbook: 1\n---\n# A\n- [x] see [it](https://a.example/b) <b>\n- [ ] `now`\n- [y](/z)\n![i](http://i)"
    )
    assert html.count('<input type="checkbox" disabled>') == 2
    assert '<a href="https://a.example/b" rel="noopener noreferrer">it</a> &lt;b&gt;' in html
    assert "runbook: 1" not in html
    assert "[y](/z)" in html
    assert "<img" not in html


def test_html_of_what_is_too_long_is_the_text_itself() -> None:
    assert render_html("<b>\n" * 20_001).startswith("<pre>&lt;b&gt;\n")
    assert render_html("*a* " * 3000).count("<em>") == 0
