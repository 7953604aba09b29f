"""The Excel workbook of a form: cover, data, example, explanations, codes, and hidden ranges behind the drop-downs.

Belongs here: sheets, formats, validations. The example stands on a sheet of its own, never among the data: a sample
row left in by mistake would be a filed complaint. Row count and control totals are the filer's own to declare, because
a sum that the sheet itself makes proves nothing; what the sheet holds is shown beside them. The same form, period and
reporter give the same bytes. Does not belong here: what a column may hold (`template`), reading (`xlsx_reader`).
"""

from __future__ import annotations

import datetime as dt
import io
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.contracts.model import Catalogue, Column, Form
from pipelines.contracts.periods import Period
from pipelines.intake.envelope import KINDS, LABELS, TOTAL_PREFIX
from pipelines.intake.template import Choices, choices, example_row, prefilled, type_zh

COVER_SHEET = "封面"
DATA_SHEET = "数据"
EXAMPLE_SHEET = "示例"
NOTES_SHEET = "说明"
CODES_SHEET = "代码表"
#: Ranges behind the drop-downs; hidden.
LISTS_SHEET = "选项"

_FONT = "Microsoft YaHei"
#: A workbook carries its date of making; a fixed one keeps the bytes the same.
_MADE = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - no moment of anything
_LAST_ROW = 1_048_575
_EARLIEST = dt.date(1990, 1, 1)
_INTEGER_BOUND = 999_999_999_999
_KIND_LABELS = {
    "ORIGINAL": "首次报送",
    "RESUBMIT": "重报(全量)",
    "CORRECTION": "更正(只报变动的行)",
    "NIL": "零报告",
    "WITHDRAW": "撤回",
}
_STATES = {"SUBMITTED": "已正式报送", "SAVED": "仅保存,视同未报"}
#: What is to be written in each envelope field; `{}` is replaced by the form's code.
_COVER_NOTES = {
    "submission_id": "本次报送的唯一编号:字母、数字、点、下划线、连字符,至多 80 位,不得重复。例 {}-2025-03-机构-001",
    "form": "已填好,请勿改动",
    "version": "已填好,请勿改动",
    "reporter": "14 位编码,与数据各行的报送机构编码一致",
    "period": "月报填 2025-03,季报填 2025Q1;与数据各行的报告期一致",
    "kind": "下拉选择:" + "、".join(f"{kind} {label}" for kind, label in _KIND_LABELS.items()),
    "sequence_no": "同一报表同一报告期从 1 起,每次重报加 1",
    "supersedes": "首次报送不填;重报、更正、撤回时填上一次的报送编号",
    "reason_code": "首次报送不填;重报、更正、撤回时写明原因",
    "state": "签发后改为 SUBMITTED;SAVED(仅保存)视同未报",
    "row_count": "数据行数,不含表头和空行;从业务系统取数填写,右侧为本表实有行数",
    "sha256": "工作簿不填",
    "encoding": "工作簿不填",
    "prepared_by": "填报、复核、批准须为三个不同的人",
    "reviewed_by": "填报、复核、批准须为三个不同的人",
    "approved_by": "填报、复核、批准须为三个不同的人",
    "signed_at": "批准人签发的时间,例 2025-04-08 10:15:00",
}
#: A workbook cannot state its own digest, and has no encoding.
_UNUSED = frozenset({"sha256", "encoding"})
_MUST = frozenset(LABELS) - _UNUSED - {"supersedes", "reason_code"}
_COVER_FORMATS = {"sequence_no": "0", "row_count": "0", "signed_at": "yyyy-mm-dd hh:mm:ss"}
_HINTS = (
    "1. 封面填写报送信息,数据表从第 2 行起逐行填写;表头不得改动、增删,棕色表头为必填列。其余工作表只供查阅,系统不读。",
    "2. 编码、编号、散列按文本填写,保留前导零;日期 YYYY-MM-DD;金额以元为单位,至多两位小数;没有内容的留空,不填“无”。",
    "3. “示例”表是一行填好的样子,不是数据。从别处粘贴时请“选择性粘贴 - 数值”,以免覆盖下拉和格式。",
    "4. 证件号、电话、姓名不得出现在任何列;散列由监管下发的密钥算出。发送前请运行 xiaobao check 自查。",
)
_WIDTHS = {"date": 12, "timestamp": 20, "integer": 11, "decimal": 16, "boolean": 9, "hash": 24, "code": 17}
_NUMBER_FORMATS = {"date": "yyyy-mm-dd", "timestamp": "yyyy-mm-dd hh:mm:ss", "integer": "0"}


def workbook_template(
    catalogue: Catalogue,
    form: Form,
    *,
    today: dt.date,
    period: Period | None = None,
    reporter: str | None = None,
) -> bytes:
    """The workbook of a form: cover, data, example, explanations, codes and (hidden) the ranges of the drop-downs.

    Args:
        catalogue: for code lists and rules.
        form: the form's contract.
        today: the day whose codes are offered when no period is given.
        period: prefilled; codes valid in it are offered and its rules told.
        reporter: prefilled reporter code.
    """
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False}) as book:
        book.set_properties(
            {"title": f"{form.code} {form.title_zh} {form.version}", "subject": "填报模板", "created": _MADE}
        )
        offered = {column.name: choices(catalogue, column, period, today) for column in form.columns}
        _Template(book, catalogue, form, offered, period, reporter).write()
    return out.getvalue()


class _Template:
    """One workbook being written."""

    def __init__(
        self,
        book: Any,
        catalogue: Catalogue,
        form: Form,
        offered: Mapping[str, Choices | None],
        period: Period | None,
        reporter: str | None,
    ) -> None:
        self._book, self._catalogue, self._form = book, catalogue, form
        self._offered, self._period, self._reporter = offered, period, reporter
        names = (COVER_SHEET, DATA_SHEET, EXAMPLE_SHEET, NOTES_SHEET, CODES_SHEET, LISTS_SHEET)
        self._sheets = {name: book.add_worksheet(name) for name in names}
        self._ranges: dict[tuple[str, ...], str] = {}
        self._made: dict[tuple[tuple[str, Any], ...], Any] = {}

    def write(self) -> None:
        self._cover()
        self._data(DATA_SHEET, rows=())
        self._data(EXAMPLE_SHEET, rows=(example_row(self._form),))
        self._notes()
        self._codes()
        self._sheets[LISTS_SHEET].hide()
        self._sheets[COVER_SHEET].activate()

    def _format(self, **properties: Any) -> Any:
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format({"font_name": _FONT, "font_size": 10, **properties})
        return self._made[key]

    def _head(self, background: str = "#1F4E79") -> Any:
        look = {
            "bold": True,
            "font_color": "#FFFFFF",
            "text_wrap": True,
            "align": "center",
            "border_color": "#8EA9C1",
        }
        return self._box(bg_color=background, **look)

    def _box(self, **properties: Any) -> Any:
        return self._format(**{"border": 1, "border_color": "#BFBFBF", "valign": "vcenter", **properties})

    def _range(self, values: tuple[str, ...]) -> str:
        """Address of a range of the hidden sheet that holds these values; equal lists share one."""
        if values not in self._ranges:
            column = len(self._ranges)
            text = self._format(num_format="@")
            for line, value in enumerate(values):
                self._sheets[LISTS_SHEET].write_string(line, column, value, text)
            letters = _letters(column)
            self._ranges[values] = f"='{LISTS_SHEET}'!${letters}$1:${letters}${len(values)}"
        return self._ranges[values]

    # ------------------------------------------------------------------------------------------------ cover

    def _cover(self) -> None:
        sheet, form = self._sheets[COVER_SHEET], self._form
        sheet.hide_gridlines(2)
        for position, width in enumerate(_COVER_WIDTHS):
            sheet.set_column(position, position, width)
        title = f"{form.code} {form.title_zh}  报送封面"
        sheet.set_row(0, 36)
        sheet.write_string(0, 0, title, self._format(bold=True, font_size=16, font_color="#1F4E79"))
        sheet.set_row(2, 20)
        for position, text in enumerate(("项目", "内容", "本表实有(仅供核对)", "填写说明")):
            sheet.write_string(2, position, text, self._head())
        known = prefilled(form, self._period, self._reporter)
        line = 3
        for name, label in LABELS.items():
            self._cover_line(line, name, label, known.get(name))
            line += 1
        for name in form.control_totals:
            self._total_line(line, form.column(name))
            line += 1
        sheet.freeze_panes(3, 0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)

    def _cover_line(self, line: int, name: str, label: str, value: str | None) -> None:
        sheet = self._sheets[COVER_SHEET]
        must, shade = name in _MUST, {"bg_color": "#EDEDED"} if name in _UNUSED else {}
        sheet.write_string(line, 0, label, self._box(bold=must, **shade))
        content = self._box(num_format=_COVER_FORMATS.get(name, "@"), align="left", **shade)
        if value is None:
            sheet.write_blank(line, 1, None, content)
        else:
            sheet.write_string(line, 1, value, content)
        if must:
            self._tint_while_empty(line)
        if name == "row_count":
            self._beside(line, f"COUNTA({self._cells(self._anchor())})", "0")
        self._say(line, _COVER_NOTES[name].format(self._form.code))
        if name in ("kind", "state"):
            values = KINDS if name == "kind" else tuple(_STATES)
            sheet.data_validation(line, 1, line, 1, _only(self._range(values), stop=True))
        if name in ("sequence_no", "row_count"):
            least = 1 if name == "sequence_no" else 0
            sheet.data_validation(line, 1, line, 1, _between("integer", least, _INTEGER_BOUND, "应为整数"))

    def _total_line(self, line: int, column: Column) -> None:
        sheet, shown = self._sheets[COVER_SHEET], _number_format(column)
        sheet.write_string(line, 0, f"{TOTAL_PREFIX}{column.name}", self._box())
        sheet.write_blank(line, 1, None, self._box(num_format=shown, align="left"))
        self._beside(line, f"SUM({self._cells(column)})", shown)
        self._say(
            line, f"列“{column.title_zh}”的合计,选报,从业务系统取数填写。本表实有若为 0,多半是数字存成了文本"
        )

    def _say(self, line: int, note: str) -> None:
        """The explanation of a cover line, and the height it needs."""
        look = self._format(font_color="#595959", text_wrap=True, valign="vcenter")
        self._sheets[COVER_SHEET].set_row(line, max(22, _height((note,), _COVER_WIDTHS[3:])))
        self._sheets[COVER_SHEET].write_string(line, 3, note, look)

    def _tint_while_empty(self, line: int) -> None:
        """A required cell is tinted until it is filled."""
        self._sheets[COVER_SHEET].conditional_format(
            line, 1, line, 1, {"type": "blanks", "format": self._book.add_format({"bg_color": "#FFF2CC"})}
        )

    def _beside(self, line: int, formula: str, number_format: str) -> None:
        """What the data sheet holds, for the eye only: red when the declared number differs."""
        sheet = self._sheets[COVER_SHEET]
        look = self._box(num_format=number_format, font_color="#595959", align="left")
        sheet.write_formula(line, 2, f"={formula}", look, 0)
        differs = {"type": "formula", "criteria": f'=AND($B{line + 1}<>"",$B{line + 1}<>$C{line + 1})'}
        red = self._book.add_format({"font_color": "#C00000", "bold": True})
        sheet.conditional_format(line, 2, line, 2, {**differs, "format": red})

    def _anchor(self) -> Column:
        """The column whose filled cells are counted: required, and the form's own id if it can be."""
        own = self._form.column(self._form.key[-1])
        return own if own.required else next(c for c in self._form.columns if c.required)

    def _cells(self, column: Column) -> str:
        letters = _letters(self._form.columns.index(column))
        return f"'{DATA_SHEET}'!{letters}2:{letters}{_LAST_ROW + 1}"

    # ------------------------------------------------------------------------------------------------- data

    def _data(self, name: str, rows: Sequence[Mapping[str, str]]) -> None:
        sheet = self._sheets[name]
        sheet.set_row(0, 34)
        for position, column in enumerate(self._form.columns):
            cell = self._format(num_format=_number_format(column))
            sheet.set_column(position, position, _width(column), cell)
            look = self._head("#7F3F00" if column.required else "#1F4E79")
            sheet.write_string(0, position, column.title_zh, look)
            for line, row in enumerate(rows, start=1):
                if column.name in row:
                    self._cell(sheet, line, position, column, row[column.name], cell)
            if name == DATA_SHEET:
                sheet.write_comment(0, position, self._comment(column), _comment_size(self._comment(column)))
                rule = self._validation(column)
                if rule is not None:
                    sheet.data_validation(1, position, _LAST_ROW, position, rule)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(8)
        sheet.repeat_rows(0)

    def _cell(self, sheet: Any, line: int, position: int, column: Column, text: str, look: Any) -> None:
        """A filed text as the cell a person would type it into."""
        if column.kind in ("date", "timestamp"):
            sheet.write_datetime(line, position, dt.datetime.fromisoformat(text), look)
        elif column.kind in ("integer", "decimal"):
            sheet.write_number(line, position, float(text), look)
        else:
            sheet.write_string(line, position, text, look)

    def _comment(self, column: Column) -> str:
        facts = [f"{column.title_zh}({column.name})", f"{_must(column)};{type_zh(column)}"]
        if column.unit:
            facts.append(f"单位:{column.unit}")
        if column.example:
            facts.append(f"例:{_shortened(column.example)}")
        return "\n".join(facts)

    def _validation(self, column: Column) -> dict[str, Any] | None:
        """The drop-down or bound of a column; what it stops is what GEN-I01 and GEN-I03 would refuse."""
        given = {"period": self._period and self._period.label, "reporter_code": self._reporter}.get(
            column.name
        )
        if given:
            return _only(self._range((given,)), stop=True)
        offered = self._offered[column.name]
        if offered is not None:
            return _only(self._range(offered.values), stop=not offered.dated)
        if column.kind in ("date", "timestamp"):
            return _between("date", _EARLIEST, dt.date(9999, 12, 31), f"应为{type_zh(column)}")
        if column.kind in ("integer", "decimal"):
            least = 0 if column.non_negative else column.minimum
            return _between(
                column.kind,
                -_INTEGER_BOUND if least is None else float(least),
                _INTEGER_BOUND if column.maximum is None else float(column.maximum),
                f"应为{type_zh(column)}",
            )
        exact = column.kind in ("code", "hash")
        return {
            "validate": "length",
            "criteria": "==" if exact else "<=",
            "value": column.length,
            "error_title": "长度不符",
            "error_message": f"应为{type_zh(column)}"[:255],
        }

    # ------------------------------------------------------------------------------------------ explanations

    def _notes(self) -> None:
        sheet, form = self._sheets[NOTES_SHEET], self._form
        heads = ("序号", "列", "英文名", "必填", "类型", "单位", "取值", "例", "有关规则", "Meaning")
        for position, (text, width) in enumerate(zip(heads, _NOTES_WIDTHS, strict=True)):
            sheet.set_column(position, position, width)
            sheet.write_string(_NOTES_HEAD, position, text, self._head())
        for line, text in enumerate(self._preface()):
            sheet.write_string(line, 0, text, self._format(bold=line == 0, font_size=14 if line == 0 else 10))
        text = self._box(text_wrap=True, valign="top", num_format="@")
        number = self._box(valign="top")
        for line, column in enumerate(form.columns, start=_NOTES_HEAD + 1):
            cells = (
                column.title_zh,
                column.name,
                _must(column),
                type_zh(column),
                column.unit or "",
                _values_note(self._offered[column.name]),
                _shortened(column.example or ""),
                self._rules_of(column),
                column.description,
            )
            sheet.set_row(line, _height(cells, _NOTES_WIDTHS[1:]))
            sheet.write_number(line, 0, line - _NOTES_HEAD, number)
            for position, value in enumerate(cells, start=1):
                sheet.write_string(line, position, value, text)
        sheet.freeze_panes(_NOTES_HEAD + 1, 2)
        sheet.set_landscape()
        sheet.set_paper(8)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(_NOTES_HEAD)

    def _preface(self) -> tuple[str, ...]:
        form = self._form
        when = {"monthly": "月报", "quarterly": "季报", "event": "按事项报送"}[form.frequency]
        until = f",报告期末后第 {form.deadline_days} 日前报送,遇节假日顺延" if form.deadline_days else ""
        key = "、".join(form.column(name).title_zh for name in form.key)
        return (
            f"{form.code} {form.title_zh}(版本 {form.version})填报说明",
            f"{when}{until}。主键:{key}。",
            *_HINTS,
        )

    def _rules_of(self, column: Column) -> str:
        """Sentences of the form's own rules that read the column."""
        rules = self._catalogue.rules_for(self._form, self._period)
        own = [rule for rule in rules if column.name in rule.fields and rule in self._form.rules]
        return "\n".join(
            f"{rule.code}({'阻断' if rule.severity == 'E' else '提示'}) {rule.text_zh}" for rule in own
        )

    def _codes(self) -> None:
        sheet = self._sheets[CODES_SHEET]
        heads = ("代码表", "用于列", "值", "含义", "起用", "停用", "适用机构类别")
        for position, (text, width) in enumerate(zip(heads, (16, 22, 24, 30, 12, 12, 14), strict=True)):
            sheet.set_column(position, position, width)
            sheet.write_string(0, position, text, self._head())
        text = self._box(num_format="@")
        used: dict[str, tuple[Choices, list[str]]] = {}
        for column in self._form.columns:
            offered = self._offered[column.name]
            if offered is not None and column.kind == "enum":
                used.setdefault(offered.name, (offered, []))[1].append(column.title_zh)
        line = 1
        for name, (offered, columns) in used.items():
            for entry in offered.entries:
                first, last = (day.isoformat() if day else "" for day in (entry.valid_from, entry.valid_to))
                cells = (name, "、".join(columns), entry.value, entry.label_zh, first, last,
                         " ".join(entry.insurer_classes))  # fmt: skip
                for position, value in enumerate(cells):
                    sheet.write_string(line, position, value, text)
                line += 1
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(line - 1, 1), len(heads) - 1)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)


_COVER_WIDTHS = (22, 36, 18, 62)
_NOTES_WIDTHS = (6, 18, 24, 7, 26, 6, 30, 22, 62, 46)
#: Row of the head on the explanations sheet, below the preface.
_NOTES_HEAD = 7
#: Height of one line of text, points.
_LINE = 14.5
#: So many values are written out on the explanations sheet; longer lists are on the codes sheet.
_SHOWN_VALUES = 8


def _must(column: Column) -> str:
    return "必填" if column.required else "选填"


def _values_note(offered: Choices | None) -> str:
    if offered is None:
        return ""
    if len(offered.values) <= _SHOWN_VALUES:
        return " | ".join(offered.values)
    return f"见代码表 {offered.name}"


def _shortened(text: str) -> str:
    """A long example (a hash) by its beginning; the example sheet has it whole."""
    return text if len(text) <= 24 else f"{text[:12]}…"  # noqa: PLR2004


def _height(texts: Sequence[str], widths: Sequence[int]) -> float:
    """Points that wrapped texts need in columns of these widths; a Chinese character takes two."""
    lines = (
        sum(-(-max(_columns(part), 1) // (width + width // 12)) for part in text.split("\n"))
        for text, width in zip(texts, widths, strict=True)
    )
    return max(lines) * _LINE + 2


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def _number_format(column: Column) -> str:
    if column.kind == "decimal":
        return "0." + "0" * column.scale if column.scale else "0"
    return _NUMBER_FORMATS.get(column.kind, "@")


def _width(column: Column) -> int:
    needed = 2 * len(column.title_zh) + 3
    return max(needed, _WIDTHS.get(column.kind, min((column.length or 10) // 2 + 4, 24)))


def _letters(position: int) -> str:
    """Column letters of a 0-based position: 0 is A, 26 is AA."""
    return (chr(64 + position // 26) if position >= 26 else "") + chr(65 + position % 26)  # noqa: PLR2004


def _only(source: str, *, stop: bool) -> dict[str, Any]:
    return {
        "validate": "list",
        "source": source,
        "error_type": "stop" if stop else "warning",
        "error_title": "不在代码表中",
        "error_message": "请从下拉列表中选择;含义见“代码表”。"
        if stop
        else "本报告期的下拉列表中没有此值。只有事件日适用其他代码时才可保留。",
    }


def _between(kind: str, least: object, most: object, message: str) -> dict[str, Any]:
    return {
        "validate": kind,
        "criteria": "between",
        "minimum": least,
        "maximum": most,
        "error_title": "格式不符",
        "error_message": message[:255],
    }


def _comment_size(text: str) -> dict[str, Any]:
    lines = text.split("\n")
    return {"x_scale": 2.2, "y_scale": 0.28 * (len(lines) + 1), "font_size": 9, "author": "xiaobao"}
