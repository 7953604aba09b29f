"""CSV as insurers send it: what is read, where it stands, and what is refused with its place."""

from __future__ import annotations

import codecs
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.loader import load_catalogue
from pipelines.intake import csv_reader, encoding
from pipelines.intake.csv_reader import read_csv
from pipelines.intake.encoding import Decoded, decode
from pipelines.intake.faults import Fault
from tests.support.desk import csv_text, row

FORM = load_catalogue().forms["F05"]
TITLES = [column.title_zh for column in FORM.columns]
ROWS = [row("F05", n) for n in range(1, 4)]


def column(grid: object, name: str) -> list[object]:
    return grid.text(FORM)[name].to_pylist()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("gbk", "gb18030")],
)
def test_the_encodings_insurers_use(encoding: str, told: str) -> None:
    grid = read_csv(FORM, csv_text("F05", ROWS).encode(encoding), None)
    assert grid.faults == []
    assert grid.encoding == told
    assert grid.rows_read == 3
    assert column(grid, "problem_id") == ["F05-1", "F05-2", "F05-3"]
    assert column(grid, "row_no") == [2, 3, 4]


def test_rare_characters_survive_gb18030() -> None:
    text = csv_text("F05", [row("F05", agent_code="㐂𠮷")])
    assert column(read_csv(FORM, text.encode("gb18030"), "gb18030"), "agent_code") == ["㐂𠮷"]


def test_undecodable_byte_is_named_by_its_offset() -> None:
    data = csv_text("F05", ROWS).encode("gb18030") + b"\xff\xff\n"
    [fault] = read_csv(FORM, data, None).faults
    assert fault.rule_code == "ENV-S01"
    assert fault.value == f"offset {len(data) - 3}"


def test_declared_encoding_is_held_to() -> None:
    result = decode("表".encode("gb18030"), "utf-8")
    assert isinstance(result, Fault)
    assert result.expected == "utf-8"
    assert isinstance(decode("表".encode("gb18030"), "GB2312"), Decoded)
    assert isinstance(decode(b"a", "latin-1"), Fault)


def test_nul_byte_is_refused() -> None:
    data = csv_text("F05", ROWS).encode()
    [fault] = read_csv(FORM, data[:40] + b"\x00" + data[40:], None).faults
    assert fault.value == "offset 40"


def test_preamble_blank_rows_and_quoted_newlines_keep_the_rows_a_person_sees() -> None:
    lines = csv_text("F05", ROWS).splitlines()
    text = "\n".join(["某公司问题件表,,", "单位：件", *lines[:2], "", ",,,", *lines[2:], ",,,", ""])
    text = text.replace("F05-2", '"F05\n-2"')
    grid = read_csv(FORM, text.encode(), None)
    assert grid.header_row == 3
    assert column(grid, "problem_id") == ["F05-1", "F05\n-2", "F05-3"]
    assert grid.rows_read == 3


def test_blank_rows_of_full_width_are_counted_apart() -> None:
    text = csv_text("F05", ROWS) + "," * (len(TITLES) - 1) + "\r\n\r\n"
    grid = read_csv(FORM, text.encode(), None)
    assert (grid.rows_read, grid.blank_rows, grid.faults) == (3, 2, [])


def test_columns_in_any_order_under_aliases_and_english_names() -> None:
    header = [
        FORM.columns[i].name if i % 3 == 0 else (FORM.columns[i].aliases or (t,))[0]
        for i, t in enumerate(TITLES)
    ]
    header[3] = " 报 告 期\n"
    grid = read_csv(FORM, csv_text("F05", ROWS, header).encode(), None)
    assert grid.faults == []
    reverse = "\n".join(",".join(reversed(line.split(","))) for line in csv_text("F05", ROWS).splitlines())
    assert column(read_csv(FORM, reverse.encode(), None), "problem_id") == ["F05-1", "F05-2", "F05-3"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("发现日期", "发现"), ["“发现”不在报表", "缺少列“发现日期”"]),
        (lambda t: t.replace("应处理完成日", "发现日期"), ["出现两次", "缺少列“应处理完成日”"]),
        (lambda t: t + "多,一,行\n", ["第 5 行有 3 个单元格"]),
        (lambda t: t.rstrip() + ',"未闭合\n', ["引号不成对"]),
        (lambda t: "甲,乙\n1,2\n", ["没有找到报表 F05 的表头"]),
        (lambda t: " \n", ["文件为空"]),
    ],
)
def test_what_is_wrong_with_a_file_is_said(change: object, said: list[str]) -> None:
    grid = read_csv(FORM, change(csv_text("F05", ROWS)).encode(), None)  # type: ignore[operator]
    assert grid.text(FORM) is None
    assert len(grid.faults) == len(said)
    for fault, part in zip(grid.faults, said, strict=True):
        assert fault.rule_code == "ENV-S01"
        assert part in fault.detail


def test_a_file_with_header_only_has_no_rows_and_no_fault() -> None:
    grid = read_csv(FORM, csv_text("F05", []).encode(), None)
    assert (grid.rows_read, grid.faults) == (0, [])
    assert grid.text(FORM) is not None


def test_many_misshapen_rows_are_all_counted_though_some_are_listed() -> None:
    data = (csv_text("F05", ROWS) + "a,b\n" * 50).encode()
    grid = read_csv(FORM, data, None)
    assert grid.rows_read == 53
    assert "50 行" in grid.faults[-1].detail
    assert [fault.row_no for fault in grid.faults[:3]] == [5, 6, 7]


CELLS = st.sampled_from(
    ["", "", "a", "甲", " b ", "'1", '"c,d"', '"e\nf"', '"g""h"', "2024-01-02", "长" * 40]
)
RECORDS = st.lists(st.one_of(st.lists(CELLS, min_size=1, max_size=4), st.just([])), max_size=40)


@given(records=RECORDS, block=st.integers(min_value=2, max_value=400), end=st.sampled_from(["\n", "\r\n"]))
def test_a_file_read_in_blocks_is_the_file_read_whole(records: list[list[str]], block: int, end: str) -> None:
    body = end.join(",".join(record) for record in [["姓", "名", "号"], *records]).encode()
    small = replace(
        FORM, columns=tuple(replace(FORM.columns[0], name=n, title_zh=n) for n in ("姓", "名", "号"))
    )

    def read(block_bytes: int) -> tuple[object, ...]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_reader, "_BLOCK_BYTES", block_bytes)
            grid = read_csv(small, body, None)
        rows = grid.text(small)
        return grid.faults, grid.rows_read, grid.blank_rows, rows and rows.to_pylist()

    assert read(block) == read(1 << 20)


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", "甲".encode(), "𠮷".encode()]),
    st.sampled_from([1, 3, 1 << 20]),
)
def test_decoding_says_what_python_says(noise: bytes, before: bytes, piece: int) -> None:
    data = before + noise.replace(b"\0", b"0")
    for name in ("utf-8", "gb18030"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoding, "_PIECE_BYTES", piece)
            found = decode(data, name)
        body = data.removeprefix(codecs.BOM_UTF8) if name == "utf-8" else data
        wrong = undecodable(body, name)
        if wrong is None:
            assert isinstance(found, Decoded)
            assert found.data == body.decode(name).encode()
        else:
            assert isinstance(found, Fault)
            assert found.value == f"offset {wrong + len(data) - len(body)}"


def undecodable(data: bytes, name: str) -> int | None:
    """Where Python's own decoder stops."""
    try:
        data.decode(name)
    except UnicodeDecodeError as error:
        return error.start
    return None
