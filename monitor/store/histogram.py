"""A latency histogram that can be added up: buckets on a fixed logarithmic scale, the same everywhere and for ever.

Bucket i holds what is above G**(i-1) and at most G**i seconds, with G = (1 + e) / (1 - e) and e = 1 %. Any value of a
bucket is within e of 2 * G**i / (G + 1), so a quantile is within 1 % of the true one. (The mapping of DDSketch: Masson,
Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019, section 2.)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

RELATIVE_ERROR = 0.01
LOWEST_SECONDS = 1e-6  # what is shorter counts as this
HIGHEST_SECONDS = 3600.0  # what is longer counts as this
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bucket_of(seconds: float) -> int:
    if not seconds > LOWEST_SECONDS:  # what is no number, too
        seconds = LOWEST_SECONDS
    elif seconds > HIGHEST_SECONDS:
        seconds = HIGHEST_SECONDS
    return math.ceil(math.log(seconds) / _LOG_GAMMA)


def seconds_of(bucket: int) -> float:
    """The value that is within RELATIVE_ERROR of all in the bucket."""
    return float(2 * _GAMMA**bucket / (_GAMMA + 1))


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts` has only the buckets that are not empty."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Histogram:
        return cls(Counter(map(bucket_of, seconds)))

    @classmethod
    def total(cls, histograms: Iterable[Histogram]) -> Histogram:
        counts: Counter[int] = Counter()
        for histogram in histograms:
            counts.update(histogram.counts)
        return cls(counts)

    def __add__(self, other: Histogram) -> Histogram:
        return self.total((self, other))

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def quantile(self, share: float) -> float | None:
        """The smallest value that `share` (0 to 1) of all do not exceed, in seconds; None when there is none."""
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return seconds_of(bucket)
        return None

    def to_json(self) -> dict[str, int]:
        return {str(bucket): self.counts[bucket] for bucket in sorted(self.counts)}

    @classmethod
    def from_json(cls, value: Mapping[str, int]) -> Histogram:
        return cls({int(bucket): count for bucket, count in value.items()})
