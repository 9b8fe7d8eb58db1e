"""A runbook as HTML that is safe within a page of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.front_matter import front_matter_plugin

from alerts.runbook.fields import MAX_BYTES, MAX_LINES
from alerts.runbook.steps import TASK
from alerts.text import clean

# Inline Markdown takes more than linear time on hostile text: what is longer than a paragraph is shown as it stands.
_INLINE_CHARACTERS = 8_192
_CHECKBOX = '<input type="checkbox" disabled> '
_LINK = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)


def render_html(text: str) -> str:
    """HTML without raw HTML, images or scripts, with links to http, https, mailto and `#` only.

    `text` is a runbook's. What is too long to be one is shown as it stands: no text takes more than seconds.
    """
    safe = clean(text.removeprefix("\ufeff"), MAX_BYTES)
    if max(safe.count("\n"), safe.count("\r")) > MAX_LINES:
        return f"<pre>{escapeHtml(safe)}</pre>\n"
    return str(_MARKDOWN.render(safe))


def _inline(state: StateCore) -> None:
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if len(token.content) <= _INLINE_CHARACTERS:
            state.md.inline.parse(token.content, state.md, state.env, token.children)
        else:
            token.children.append(Token("text", "", 0, content=token.content))


def _checkboxes(state: StateCore) -> None:
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if (item.type, paragraph.type, inline.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        first = inline.children[0] if inline.children else None
        marker = TASK.match(inline.content)
        if marker and first is not None and first.type == "text" and first.content.startswith(marker[0]):
            first.content = first.content[marker.end() :]
            inline.children = [Token("html_inline", "", 0, content=_CHECKBOX), *(inline.children or [])]
            item.attrJoin("class", "task")


def _link(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    return self.renderToken(tokens, index, options, env)


def _markdown() -> MarkdownIt:
    markdown: Any = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").use(front_matter_plugin)
    markdown.validateLink = lambda address: _LINK.match(address) is not None
    markdown.core.ruler.at("inline", _inline)
    markdown.core.ruler.after("inline", "checkboxes", _checkboxes)
    markdown.add_render_rule("link_open", _link)
    return markdown  # type: ignore[no-any-return]


_MARKDOWN = _markdown()
