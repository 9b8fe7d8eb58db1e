"""HTTP/2 servers that misbehave, each in one way, frame by frame: behaviours for `Misbehaving`."""

from __future__ import annotations

from functools import partial

from hpack import Encoder

from tests.support.misbehaving import BLOCK, Behaviour, Peer, drips, sends, sends_and_hangs, sends_for_ever

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def headers(*fields: tuple[str, str], end: bool = False, stream: int = 1) -> bytes:
    """A whole block that uses no table of its own: it may be sent at any time."""
    block = b"".join(Encoder().encode([(name, value, True)]) for name, value in fields)
    return frame(HEADERS, block, flags=END_HEADERS | (END_STREAM if end else 0), stream=stream)


def data(payload: bytes, *, end: bool = False) -> bytes:
    return frame(DATA, payload, flags=END_STREAM if end else 0, stream=1)


def goaway(last_stream: int, code: int = 0) -> bytes:
    return frame(GOAWAY, last_stream.to_bytes(4) + code.to_bytes(4))


def bomb() -> bytes:
    """A header of 4 kB that goes into the table, and then stands for itself some thousand times in one byte each."""
    name, value = b"x-bomb", b"x" * 4000
    length = b"\x7f" + bytes([(4000 - 127) & 0x7F | 0x80, (4000 - 127) >> 7])
    kept = b"\x40" + bytes([len(name)]) + name + length + value
    return frame(HEADERS, b"\x88" + kept + b"\xbe" * 8000, flags=END_HEADERS, stream=1)


BEGIN = frame(SETTINGS) + frame(SETTINGS, flags=1)
OK = BEGIN + headers((":status", "200"))
UNFINISHED = BEGIN + frame(HEADERS, b"\x88", stream=1)
INTERIM = headers((":status", "103"), ("link", "</a>"))


async def resets_in_the_body(peer: Peer) -> None:
    await peer.send(OK + data(b"half of"))
    peer.reset()


BEHAVIOURS: dict[str, Behaviour] = {
    "never_answers": partial(sends_and_hangs, BEGIN),
    "closes_at_once": partial(sends, b""),
    "closes_after_its_settings": partial(sends, BEGIN),
    "closes_in_the_headers": partial(sends, UNFINISHED),
    "closes_in_the_body": partial(sends, OK + data(b"only this")),
    "closes_in_a_frame": partial(sends, OK + data(b"only this")[:-3]),
    "resets_in_the_body": resets_in_the_body,
    "hangs_in_the_body": partial(sends_and_hangs, OK + data(b"half of")),
    "drips_headers": partial(drips, BEGIN, INTERIM),
    "drips_body": partial(drips, OK, data(b"x")),
    "goes_away": partial(sends_and_hangs, BEGIN + goaway(0)),
    "goes_away_in_anger": partial(sends_and_hangs, BEGIN + goaway(1, code=11)),
    "goes_away_too_shortly": partial(sends_and_hangs, BEGIN + frame(GOAWAY, b"\0")),
    "resets_the_stream": partial(sends_and_hangs, BEGIN + frame(RST_STREAM, bytes([0, 0, 0, 2]), stream=1)),
    "resets_in_no_known_way": partial(sends_and_hangs, OK + frame(RST_STREAM, bytes([9, 0, 0, 0]), stream=1)),
    "wants_http1": partial(sends_and_hangs, BEGIN + frame(RST_STREAM, bytes([0, 0, 0, 13]), stream=1)),
    "endless_pings": partial(sends_for_ever, BEGIN, frame(PING, b"12345678") * 100),
    "endless_settings": partial(sends_for_ever, BEGIN, frame(SETTINGS, b"\0\3\0\0\0\x64") * 100),
    "endless_window_updates": partial(sends_for_ever, BEGIN, frame(WINDOW_UPDATE, b"\0\0\0\1") * 100),
    "endless_unknown_frames": partial(sends_for_ever, BEGIN, frame(0xFA, b"x" * 16) * 100),
    "endless_continuation": partial(sends_for_ever, UNFINISHED, frame(CONTINUATION, b"\x88" * 4000, stream=1)),
    "endless_empty_continuation": partial(sends_for_ever, UNFINISHED, frame(CONTINUATION, stream=1) * 100),
    "endless_interim": partial(sends_for_ever, BEGIN, INTERIM * 100),
    "endless_empty_data": partial(sends_for_ever, OK, data(b"") * 100),
    "endless_padding": partial(sends_for_ever, OK, frame(DATA, b"\x64" + bytes(100), flags=PADDED, stream=1) * 100),
    "endless_body": partial(sends_for_ever, OK, data(BLOCK[:16384])),
    "endless_settings_in_the_body": partial(sends_for_ever, OK + data(b"half of"), frame(SETTINGS) * 100),
    "header_bomb": partial(sends_and_hangs, BEGIN + bomb()),
    "huge_frame": partial(sends_for_ever, BEGIN + b"\xff\xff\xff" + frame(HEADERS, stream=1)[3:], BLOCK),
    "pushes": partial(
        sends_and_hangs, BEGIN + frame(PUSH_PROMISE, b"\0\0\0\2\x82\x87\x84\x41\1a", flags=END_HEADERS, stream=1)
    ),
    "answers_what_was_not_asked": partial(sends_and_hangs, BEGIN + headers((":status", "200"), stream=2)),
    "has_no_status": partial(sends_and_hangs, BEGIN + headers(("server", "x"))),
    "has_a_status_in_words": partial(sends_and_hangs, BEGIN + headers((":status", "fine"))),
    "has_a_status_of_one_digit": partial(sends_and_hangs, BEGIN + headers((":status", "2"))),
    "body_before_headers": partial(sends_and_hangs, BEGIN + data(b"ok", end=True)),
    "more_than_its_length": partial(
        sends_and_hangs, BEGIN + headers((":status", "200"), ("content-length", "1")) + data(b"more")
    ),
    "a_block_that_is_none": partial(sends_and_hangs, BEGIN + frame(HEADERS, b"\xff" * 20, flags=END_HEADERS, stream=1)),
    "http1": partial(sends, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "not_http": partial(sends, b"SSH-2.0-OpenSSH_9.2p1\r\n" * 4),
}
