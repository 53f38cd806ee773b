"""Compressed data (gzip, zlib), unpacked whole or not at all."""

from __future__ import annotations

import zlib

from gbaseg.volume.flaws import Flawed, unreadable

_GZIP, _ZLIB = 31, 15  # zlib's names of the two wrappings
_MOST_RATIO = 1040  # deflate makes nothing smaller than to a 1032nd


def unpacked(data: bytes, expected: int, gzip: bool = True) -> bytes:
    """All of `data`, its checksums compared; not much more than `expected` bytes, though more may be in it.

    Raises:
        Flawed: cut off, damaged, or not compressed.
    """
    if expected > _MOST_RATIO * len(data) + 1024:  # a header that tells of more than memory holds
        raise unreadable(f"cut off: {len(data)} bytes cannot hold the {expected} that the header tells of")
    wrapping = _GZIP if gzip else _ZLIB
    parts: list[bytes] = []
    room = expected + 4096
    while data:
        if wrapping == _GZIP and not data.startswith(b"\x1f\x8b"):
            if parts and not data.strip(b"\0"):  # a block's padding
                break
            raise unreadable(
                f"{len(data)} bytes after the compressed data" if parts else "not compressed, as the name says"
            )
        stream = zlib.decompressobj(wrapping)
        try:
            part = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise unreadable(f"damaged ({error})") from error
        room -= len(part)
        if room < 0:
            raise Flawed(f"more than the {expected} bytes that the header tells of", "the bytes of one image")
        parts.append(part)
        if not stream.eof:
            raise unreadable("cut off: its compressed data end too early")
        data = stream.unused_data
        if data and wrapping == _ZLIB:
            raise Flawed(f"{len(data)} bytes after the compressed data", "none")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked_start(data: bytes, count: int) -> bytes:
    """The first `count` bytes, fewer where there are no more.

    Raises:
        Flawed: damaged, or not compressed.
    """
    if data and not data.startswith(b"\x1f\x8b"):
        raise unreadable("not compressed, as the name says")
    try:
        return zlib.decompressobj(_GZIP).decompress(data[: 1 << 16], count)
    except zlib.error as error:
        raise unreadable(f"damaged ({error})") from error
