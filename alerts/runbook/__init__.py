"""Runbooks: Markdown that reads well on any git site, whose task lists are the steps of a response."""

from alerts.runbook.document import Runbook, RunbookError, parse, read
from alerts.runbook.fields import CommandFields, FrontMatter
from alerts.runbook.html import render_html
from alerts.runbook.steps import Command, RunbookStep

__all__ = [
    "Command",
    "CommandFields",
    "FrontMatter",
    "Runbook",
    "RunbookError",
    "RunbookStep",
    "parse",
    "read",
    "render_html",
]
