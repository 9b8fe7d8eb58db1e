from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.store import GradeRun, Store
from probes.result import GradeFacts
from tests.support.incidents import NOON
from tests.support.results import result_at

HOUR = timedelta(hours=1)
GOOD = GradeFacts(
    letter="A",
    letter_trust_ignored="A",
    protocol_score=95,
    key_exchange_score=90,
    cipher_score=90,
    total_score=92,
    findings=(("hsts", "no HSTS header"),),
)
BAD = replace(GOOD, letter="T", findings=())


async def scanned(store: Store, *grades: GradeFacts | None, target: str = "api") -> None:
    await store.write_results(
        [
            result_at(NOON + number * HOUR, kind="tls_grade", grade=grade, target=target)
            for number, grade in enumerate(grades)
        ]
    )


async def test_equal_grades_in_a_row_are_one_run(store: Store) -> None:
    await scanned(store, GOOD, GOOD, None, GOOD, BAD, GOOD)
    assert await store.grade_history("api", "eu") == [
        GradeRun(target="api", region="eu", first_at=NOON, last_at=NOON + 3 * HOUR, facts=GOOD),
        GradeRun(target="api", region="eu", first_at=NOON + 4 * HOUR, last_at=NOON + 4 * HOUR, facts=BAD),
        GradeRun(target="api", region="eu", first_at=NOON + 5 * HOUR, last_at=NOON + 5 * HOUR, facts=GOOD),
    ]


async def test_writing_a_grade_twice_is_writing_it_once(store: Store) -> None:
    await scanned(store, GOOD, BAD)
    before = await store.grade_history("api", "eu")
    await store.write_results([result_at(NOON + HOUR, kind="tls_grade", grade=BAD)])
    assert await store.grade_history("api", "eu") == before


async def test_the_latest_grade_of_each_target(store: Store) -> None:
    assert await store.latest_grades() == []
    await scanned(store, GOOD, BAD)
    await scanned(store, GOOD, target="web")
    assert [(run.target, run.facts) for run in await store.latest_grades()] == [("api", BAD), ("web", GOOD)]
