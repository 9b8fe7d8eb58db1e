"""Is the answer of a DNS server a good one? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from probes.engine.dns_question import Question
from probes.engine.exchange import listed
from probes.engine.failures import failure
from probes.engine.search import SEARCH_CPU_SECONDS, SearchTime, SearchTooLong
from probes.options import DnsExpect, RecordsExpect
from probes.result import DnsFacts, Failure, FailureReason

Section = Sequence[dns.rrset.RRset]

MAX_SHOWN_CHARACTERS = 120


def facts_of(answer: dns.message.Message) -> DnsFacts:
    return DnsFacts(
        rcode=dns.rcode.to_text(answer.rcode()),
        answers=_count(answer.answer),
        authority=_count(answer.authority),
        additional=_count(answer.additional),
    )


def told(answer: dns.message.Message) -> str:
    """The code and the records that answer, for people."""
    return f"{dns.rcode.to_text(answer.rcode())}: {listed(list(_texts(answer.answer))) or 'no records'}"


def check(expect: DnsExpect, question: Question, answer: dns.message.Message) -> Failure | None:
    """The first expectation that the answer does not meet."""
    return (
        _check_rcode(expect, question, answer)
        or _check_count(expect, question, answer)
        or _check_records(expect, question, answer)
    )


def _check_rcode(expect: DnsExpect, question: Question, answer: dns.message.Message) -> Failure | None:
    rcode = dns.rcode.to_text(answer.rcode())
    if rcode in expect.rcode:
        return None
    return failure(FailureReason.DNS, f"{question}: {rcode}, expected {' or '.join(expect.rcode)}")


def _check_count(expect: DnsExpect, question: Question, answer: dns.message.Message) -> Failure | None:
    wanted = dns.rdatatype.from_text(question.type)
    count = _count([rows for rows in answer.answer if wanted in (rows.rdtype, dns.rdatatype.ANY)])
    least = expect.min_answers
    if least is None:
        least = 1 if answer.rcode() is dns.rcode.NOERROR else 0
    if count >= least:
        return None
    if least == 1:
        return failure(FailureReason.DNS, f"{question}: the answer has no such record")
    return failure(FailureReason.DNS, f"{question}: the answer has {count} such records, expected at least {least}")


def _check_records(expect: DnsExpect, question: Question, answer: dns.message.Message) -> Failure | None:
    time = SearchTime()
    sections: tuple[tuple[str, RecordsExpect, Section], ...] = (
        ("answer", expect.answer, answer.answer),
        ("authority", expect.authority, answer.authority),
        ("additional", expect.additional, answer.additional),
    )
    for name, wanted, section in sections:
        try:
            problem = _problem(wanted, section, time)
        except SearchTooLong:
            problem = f"searching it took more than {SEARCH_CPU_SECONDS} s of CPU; simplify the pattern"
        if problem:
            return failure(FailureReason.RESPONSE, f"{question}: in the section {name} {problem}")
    return None


def _problem(wanted: RecordsExpect, section: Section, time: SearchTime) -> str | None:
    if wanted.regex is not None and not any(time.find(wanted.regex, text) for text in _texts(section)):
        first = next(_texts(section), None)
        there = f"the first of {_count(section)} is {_shown(first)}" if first else "there is none"
        return f"no record matches {wanted.regex!r}: {there}"
    if wanted.not_regex is not None:
        found = next((text for text in _texts(section) if time.find(wanted.not_regex, text)), None)
        if found is not None:
            return f"{_shown(found)} matches {wanted.not_regex!r}"
    return None


def _texts(section: Section) -> Iterator[str]:
    """Each record as it stands in a zone file."""
    for rows in section:
        yield from rows.to_text().splitlines()


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


def _count(section: Section) -> int:
    return sum(len(rows) for rows in section)
