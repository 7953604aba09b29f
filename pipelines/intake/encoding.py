"""Decode filed bytes: declared encoding, else byte-order mark, UTF-8 strict, GB18030 strict, else a fault.

Belongs here: bytes to UTF-8 bytes, losing nothing. Never `errors="replace"`: an undecodable byte is reported with
its offset. `gbk` and `gb2312` are read as GB18030, which contains them.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass

import pyarrow as pa

from pipelines.intake.faults import Fault

_NAMES = {
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
}
#: Bytes shown around an undecodable byte.
_CONTEXT = 12
#: Bytes turned into text at once: a large file need not stand in memory as text too.
_PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Decoded:
    """UTF-8 bytes without byte-order mark, and the encoding they came in."""

    data: bytes
    encoding: str


def decode(data: bytes, declared: str | None) -> Decoded | Fault:
    """Give the file as UTF-8 bytes, or the fault that says which byte cannot be read."""
    nul = data.find(b"\x00")
    if nul >= 0:
        return Fault("ENV-S01", f"文件第 {nul} 字节为空字符(NUL),不是文本文件或已损坏", value=f"offset {nul}")
    if declared is not None:
        name = _NAMES.get(declared.strip().lower().replace("_", "-"))
        if name is None:
            return Fault(
                "ENV-S01", f"声明的编码 {declared} 不被接受", value=declared, expected="utf-8 | gb18030"
            )
        return _strict(data, [name])
    if data.startswith(codecs.BOM_UTF8):
        return _strict(data, ["utf-8"])
    return _strict(data, ["utf-8", "gb18030"])


def _strict(data: bytes, names: list[str]) -> Decoded | Fault:
    fault: Fault | None = None
    for name in names:
        body = data[len(codecs.BOM_UTF8) :] if name == "utf-8" and data.startswith(codecs.BOM_UTF8) else data
        shift = len(data) - len(body)
        text = body if name == "utf-8" and _is_utf8(body) else None
        try:
            if text is None:
                text = _as_utf8(body, name)
        except UnicodeDecodeError as error:
            offset = error.start + shift
            around = data[max(0, offset - _CONTEXT) : offset + _CONTEXT].hex(" ")
            fault = Fault(
                "ENV-S01",
                f"第 {offset} 字节不能按 {name} 解码(附近字节 {around})",
                value=f"offset {offset}",
                expected=name,
            )
            continue
        return Decoded(text, name + ("-sig" if shift else ""))
    assert fault is not None  # noqa: S101 - names is never empty
    return fault


def _is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8, by Arrow's strict check, which makes no text of them."""
    ends = pa.array([0, len(data)], pa.int64()).buffers()[1]
    whole = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(data)])
    try:
        whole.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _as_utf8(data: bytes, name: str) -> bytes:
    """Bytes of another encoding as UTF-8. Raises `UnicodeDecodeError` with the offset in `data`."""
    decoder = codecs.getincrementaldecoder(name)("strict")
    whole = io.BytesIO()
    try:
        for start in range(0, len(data), _PIECE_BYTES):
            whole.write(decoder.decode(data[start : start + _PIECE_BYTES]).encode("utf-8"))
        whole.write(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeDecodeError:
        data.decode(name)  # tells the offset in the whole file
        raise
    return whole.getvalue()
