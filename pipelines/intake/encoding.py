"""Decode filed bytes: declared encoding, else byte-order mark, UTF-8 strict, GB18030 strict, else a fault.

Belongs here: bytes to UTF-8 bytes, losing nothing. Never `errors="replace"`: an undecodable byte is reported with
its offset. `gbk` and `gb2312` are read as GB18030, which contains them.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from pipelines.intake.faults import Fault

_NAMES = {
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
}
#: Bytes checked for NUL and shown around an undecodable byte.
_CONTEXT = 12


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
        try:
            text = body.decode(name)
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
        return Decoded(body if name == "utf-8" else text.encode("utf-8"), name + ("-sig" if shift else ""))
    assert fault is not None  # noqa: S101 - names is never empty
    return fault
