"""The receipt as a workbook: summary, findings, the filed rows with blamed cells marked, totals, differences, rules.

Belongs here: what stands on which sheet, and how filed text is written so that it stays text: never a formula,
never longer than a cell holds, control characters made visible. Equal content gives equal bytes: document dates are
fixed, and xlsxwriter dates the entries of the zip 1980-01-01. Does not belong here: content.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pipelines.filing.receipts.content import Dossier, FiledRows, Finding, Receipt
from pipelines.filing.receipts.wording import (
    ACTORS,
    CHANGES,
    EXCUSES,
    KINDS,
    SEVERITIES,
    VERDICTS,
    YES_NO,
    printable,
    shown,
)

#: Most UTF-16 units a cell may hold.
CELL_UNITS = 32_767
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a fixed property of the file, not a moment
_FONT = "Microsoft YaHei"
_LINE_POINTS, _HIGHEST_POINTS = 15, 400
_TONES = {"insurer": "#B42318", "analyst": "#B54708", "system": "#475467", "nobody": "#067647"}
_FILLS = {"E": "#FDE3E1", "W": "#FFF3C4"}
_FACT_WIDTH, _NOTE_WIDTH = 56, 46
#: Width of the columns of the findings sheet; the first nine are printed.
_FINDING_WIDTHS = (10, 8, 7, 18, 8, 22, 24, 44, 44, 9, 14, 28, 44, 44)
_PRINTED = 9
SUMMARY, FINDINGS, ROWS, TOTALS, DIFFERENCES, RULES = "摘要", "问题", "问题行", "合计", "差异", "规则"


@dataclass(frozen=True, slots=True)
class _Style:
    """Formats of one workbook."""

    title: Format
    label: Format
    text: Format
    wrapped: Format
    filed: Format
    count: Format
    head: Format
    link: Format
    faint: Format
    warning: Format
    state: Format
    bad: Format
    blamed: dict[str | None, Format]
    group: dict[str | None, Format]


def workbook(dossier: Dossier) -> bytes:
    """The workbook's bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "default_format_properties": {"font_name": _FONT, "font_size": 10, "valign": "top"},
        },
    )
    receipt = dossier.receipt
    book.set_properties(
        {
            "title": f"报送回执 {receipt.submission.submission_id}",
            "author": "消保数仓 Xiaobao",
            "created": _CREATED,
        }
    )
    style = _styles(book, receipt.state.actor)
    _summary(book.add_worksheet(SUMMARY), receipt, style)
    _findings(book.add_worksheet(FINDINGS), dossier, style)
    _rows(book.add_worksheet(ROWS), dossier, style)
    _totals(book.add_worksheet(TOTALS), receipt, style)
    _differences(book.add_worksheet(DIFFERENCES), receipt, style)
    _rules(book.add_worksheet(RULES), receipt, style)
    book.close()
    return out.getvalue()


def _styles(book: xlsxwriter.Workbook, actor: str) -> _Style:
    def made(**properties: object) -> Format:
        return book.add_format(properties)

    line = {"border": 1, "border_color": "#D0D5DD"}
    filed = {**line, "num_format": "@"}  # text stays text, also when its cell is edited
    return _Style(
        title=made(font_size=16, bold=True, valign="vcenter"),
        label=made(**line, font_color="#475467", bg_color="#F2F4F7"),
        text=made(**line),
        wrapped=made(**line, text_wrap=True),
        filed=made(**filed, text_wrap=True),
        count=made(**line, num_format="#,##0", align="right"),
        head=made(**line, bold=True, bg_color="#1F3A5F", font_color="#FFFFFF", text_wrap=True, valign="vcenter"),
        link=made(**line, font_color="#175CD3", underline=1, num_format="0", align="right"),
        faint=made(font_color="#667085", italic=True),
        warning=made(font_color="#B42318", bold=True),
        state=made(font_size=13, bold=True, font_color="#FFFFFF", bg_color=_TONES.get(actor, "#475467"),
                   valign="vcenter", text_wrap=True, indent=1),
        bad=made(**line, bold=True, font_color="#B42318", text_wrap=True),
        blamed={severity: made(**filed, bg_color=fill, bold=True) for severity, fill in _FILLS.items()},
        group={severity: made(**line, bg_color=fill, align="center") for severity, fill in _FILLS.items()},
    )  # fmt: skip


def _write(sheet: Worksheet, row: int, column: int, value: object, style: Format) -> None:
    """A value of ours or of the filer as text; None as a dash."""
    sheet.write_string(row, column, _cut(shown(value)), style)


def _filed(sheet: Worksheet, row: int, column: int, text: str | None, style: Format) -> None:
    """A filed text as it is; an empty cell stays empty."""
    if text is None or text == "":
        sheet.write_blank(row, column, None, style)
    else:
        sheet.write_string(row, column, _cut(printable(text)), style)


def _cut(text: str) -> str:
    """At most what a cell holds, and said so."""
    if len(text) * 2 <= CELL_UNITS:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= CELL_UNITS * 2:
        return text
    told = f"…(全文 {len(text):,} 字符)"
    return units[: (CELL_UNITS - len(told)) * 2].decode("utf-16-le", "ignore") + told


def _fit(sheet: Worksheet, row: int, *cells: tuple[str | None, int]) -> None:
    """Make a row as high as its wrapped texts need, given (text, width of its column); viewers differ in doing so."""
    lines = max(
        sum(1 + (_display_width(line) - 1) // width for line in text.split("\n")) if text else 1
        for text, width in cells
    )
    if lines > 1:
        sheet.set_row(row, min(_LINE_POINTS * lines, _HIGHEST_POINTS))


def _display_width(text: str) -> int:
    """Columns a text takes: a Chinese character two, in UTF-8 three bytes; a Latin one and one."""
    return (len(text) + len(text.encode())) // 2


def _table(
    sheet: Worksheet, at: int, heads: Sequence[str], widths: Sequence[int] | None, style: _Style
) -> None:
    for column, head in enumerate(heads):
        sheet.write_string(at, column, head, style.head)
    for column, width in enumerate(widths or ()):
        sheet.set_column(column, column, width)


def _printed(sheet: Worksheet, head_row: int | None = None, *, pages_wide: int = 1) -> None:
    """Landscape A4, `pages_wide` pages wide (0: as many as it takes), the header repeated."""
    sheet.set_paper(9)
    sheet.set_landscape()
    if pages_wide:
        sheet.fit_to_pages(pages_wide, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.5)
    sheet.set_footer("&L&8消保数仓 Xiaobao&R&8&P / &N")
    if head_row is not None:
        sheet.repeat_rows(head_row)


def _summary(sheet: Worksheet, receipt: Receipt, style: _Style) -> None:
    sheet.set_column(0, 0, 27)
    sheet.set_column(1, 1, _FACT_WIDTH)
    sheet.set_column(2, 3, 10)
    sheet.set_column(4, 4, _NOTE_WIDTH)
    sheet.hide_gridlines(2)
    _printed(sheet)
    sheet.set_portrait()
    s, state = receipt.submission, receipt.state
    sheet.set_row(0, 30)
    sheet.write_string(0, 0, "报送回执 Receipt", style.title)
    sheet.set_row(1, 30)
    sheet.merge_range(1, 0, 1, 4, f"{state.label_zh}　{state.sentence_zh}", style.state)
    sheet.merge_range(2, 0, 2, 4, f"{state.code}: {state.sentence_en}", style.faint)
    facts: list[tuple[str, object]] = [
        ("由谁处理 who acts", f"{ACTORS.get(state.actor, state.actor)} {state.actor}"),
        ("下一步 what next", f"{state.next_zh}\n{state.next_en}"),
        ("报送编号 submission", s.submission_id),
        ("报表 form", " ".join(filter(None, (s.form, s.form_title_zh, s.form_title_en))) or None),
        ("报送机构 reporter", " ".join(filter(None, (s.reporter_code, s.reporter_name))) or None),
        ("报告期 period", s.period),
        ("报送类型 kind", f"{KINDS.get(s.kind, '')} {s.kind}" if s.kind else None),
        ("报送序号 sequence", s.sequence_no),
        ("被替代报送 supersedes", s.supersedes),
        ("重报原因 reason", s.reason_code),
        ("文件 file", s.source_name),
        ("签发时间 signed at", s.signed_at),
        ("应报日期 due", s.due_date),
        ("迟报天数 days late", s.late_days),
        ("下一期限 next deadline", _deadline(receipt)),
        ("规则版本 rule set", s.ruleset_version),
    ]
    if s.base_submission_id:
        facts.insert(9, ("更正依据 corrected from", s.base_submission_id))
    if s.nil_streak is not None:
        facts.insert(-2, ("连续零报告期数 nil streak", s.nil_streak))
    if s.times_received > 1:
        facts.insert(-2, ("收到次数 times received", s.times_received))
    if receipt.rows is not None:
        account = receipt.rows
        sums = f"{account.accepted:,} + {account.held_back:,} + {account.refused:,}"
        facts += [
            ("读取行数 rows read", account.read),
            ("接受行数 accepted", account.accepted),
            ("隔离行数 held back", account.held_back),
            ("退回行数 refused", account.refused),
            ("行数核对 adds up", f"{account.read:,} {'=' if account.adds_up else '≠'} {sums}"),
        ]
        if receipt.state.in_force and account.in_force not in (None, account.accepted):
            facts.append(("本版本行数 rows it stands for", account.in_force))
    totals = receipt.totals
    facts += [
        ("阻断性问题 blocking", totals.blocking),
        ("提示性问题 advisory", totals.advisory),
        ("已豁免 waived", totals.waived),
        ("待说明 to explain", f"{totals.unexplained:,}  {' '.join(receipt.to_explain)}".rstrip()),
    ]
    at = 4
    for label, value in facts:
        sheet.write_string(at, 0, label, style.label)
        _write(sheet, at, 1, value, style.wrapped)
        _fit(sheet, at, (shown(value), _FACT_WIDTH))
        at += 1
    if totals.is_truncated:
        sheet.write_string(at, 0, "列出条数 listed", style.label)
        _write(sheet, at, 1, _truncation(totals.listed, totals.blocking + totals.advisory), style.bad)
        at += 1
    at = _rules_found(sheet, at + 1, receipt, style)
    at = _excuses(sheet, at, receipt, style)
    _kpi_effects(sheet, at, receipt, style)


def _deadline(receipt: Receipt) -> str | None:
    due = receipt.next_deadline
    return f"{due.form} {due.period}: {due.due_date}" if due else None


def _truncation(listed: int, count: int) -> str:
    return f"共 {count:,} 个,只列出 {listed:,} 个 ({listed:,} of {count:,} listed)"


def _rules_found(sheet: Worksheet, at: int, receipt: Receipt, style: _Style) -> int:
    """Findings by rule, with a link to the first one on the findings sheet."""
    if not receipt.findings:
        return at
    _table(sheet, at, ("规则 rule", "规则内容 the rule", "级别", "问题数", "状态 standing"), None, style)
    first = 2
    for group in receipt.findings:
        at += 1
        sheet.write_url(at, 0, f"internal:'{FINDINGS}'!A{first + 1}", style.text, group.rule_code)
        _write(sheet, at, 1, group.text_zh, style.wrapped)
        _fit(sheet, at, (group.text_zh, _FACT_WIDTH))
        _severity(sheet, at, 2, group.severity, style)
        sheet.write_number(at, 3, group.count, style.count)
        told = [
            f"豁免 waived: {group.waived_by}" if group.waived_by else "",
            f"已说明 explained: {group.explained_by}" if group.explained_by else "",
            "待说明 to explain" if group.needs_explanation else "",
            _truncation(group.listed, group.count) if group.is_truncated else "",
        ]
        _filed(sheet, at, 4, "; ".join(filter(None, told)), style.wrapped)
        first += group.listed
    return at + 2


def _severity(sheet: Worksheet, row: int, column: int, severity: str | None, style: _Style) -> None:
    label = f"{severity} {SEVERITIES.get(severity, '')}" if severity else "–"
    sheet.write_string(row, column, label, style.group.get(severity, style.text))


def _excuses(sheet: Worksheet, at: int, receipt: Receipt, style: _Style) -> int:
    if not receipt.excuses:
        return at
    _table(sheet, at, ("豁免与说明", "编号 id", "规则 rule", "有效至", "内容 reason"), None, style)
    for excuse in receipt.excuses:
        at += 1
        _write(sheet, at, 0, f"{EXCUSES[excuse.kind]} {excuse.kind}", style.text)
        _write(sheet, at, 1, excuse.excuse_id, style.text)
        _write(sheet, at, 2, excuse.rule_code, style.text)
        _write(sheet, at, 3, excuse.last_period, style.text)
        _filed(sheet, at, 4, excuse.reason, style.filed)
        _fit(sheet, at, (excuse.reason, _NOTE_WIDTH))
    return at + 2


def _kpi_effects(sheet: Worksheet, at: int, receipt: Receipt, style: _Style) -> None:
    """KPI cells moved; unknown is not said to be none."""
    if receipt.kpi_effects is None:
        return
    _table(sheet, at, ("指标影响 KPI", "期间与粒度 cell", "原值", "新值", "单位 unit"), None, style)
    for effect in receipt.kpi_effects:
        at += 1
        _write(sheet, at, 0, f"{effect.kpi_id} {effect.name_zh or ''}".rstrip(), style.text)
        cell = (effect.period, effect.grain, effect.dimension)
        _write(sheet, at, 1, " ".join(filter(None, cell)), style.text)
        _write(sheet, at, 2, effect.old_value, style.text)
        _write(sheet, at, 3, effect.new_value, style.text)
        _write(sheet, at, 4, effect.unit, style.text)
    if not receipt.kpi_effects:
        sheet.write_string(at + 1, 0, "没有已发布的指标因此变动 no published KPI cell moves", style.faint)


def _findings(sheet: Worksheet, dossier: Dossier, style: _Style) -> None:
    receipt = dossier.receipt
    _printed(sheet, 1)
    count = receipt.totals.blocking + receipt.totals.advisory
    if not count:
        sheet.write_string(0, 0, "没有问题 no findings", style.faint)
        return
    told = f"共 {count:,} 个问题,按规则排列;点行号看原文 {count:,} findings by rule; row numbers link to filed rows"
    if receipt.totals.is_truncated:
        told = _truncation(receipt.totals.listed, count)
    sheet.write_string(0, 0, told, style.warning if receipt.totals.is_truncated else style.faint)
    heads = ("规则 rule", "级别", "行 row", "列 column", "单元格", "报送值 value", "应为 expected", "问题", "如何更正",
             "该规则共", "工作表 sheet", "行所在报送 filed in", "Problem", "How to fix")  # fmt: skip
    _table(sheet, 1, heads, _FINDING_WIDTHS, style)
    sheet.freeze_panes(2, 1)
    links = _row_links(dossier.rows)
    at = 1
    for group in receipt.findings:
        for finding in group.findings:
            at += 1
            texts = (finding.value, finding.expected, finding.message_zh, finding.fix_zh)
            sheet.write_string(at, 0, group.rule_code, style.text)
            _severity(sheet, at, 1, group.severity, style)
            _row_number(sheet, at, 2, finding, links, style)
            _filed(sheet, at, 3, finding.header or finding.column_name, style.filed)
            _filed(sheet, at, 4, finding.cell, style.text)
            for column, text in enumerate(texts, 5):
                _filed(sheet, at, column, text, style.filed)
            sheet.write_number(at, 9, group.count, style.count)
            _filed(sheet, at, 10, finding.sheet, style.filed)
            _filed(sheet, at, 11, finding.filed_in, style.text)
            _filed(sheet, at, 12, finding.message_en, style.wrapped)
            _filed(sheet, at, 13, finding.fix_en, style.wrapped)
            _fit(sheet, at, *zip(texts, _FINDING_WIDTHS[5:_PRINTED], strict=True))
    sheet.print_area(0, 0, at, _PRINTED - 1)
    sheet.autofilter(1, 0, at, len(heads) - 1)


def _row_links(rows: FiledRows | None) -> dict[tuple[str | None, int], int]:
    """(filed in, row number) -> row of the sheet of filed rows."""
    return {(row.filed_in, row.row_no): at for at, row in enumerate(rows.rows, 2)} if rows else {}


def _row_number(
    sheet: Worksheet,
    row: int,
    column: int,
    finding: Finding,
    links: dict[tuple[str | None, int], int],
    style: _Style,
) -> None:
    if finding.row_no is None:
        sheet.write_string(row, column, "整份", style.text)
        return
    target = links.get((finding.filed_in, finding.row_no))
    if target is None:
        sheet.write_number(row, column, finding.row_no, style.count)
        return
    # the number is written over the link's text, so that the column sorts and filters as numbers
    sheet.write_url(row, column, f"internal:'{ROWS}'!A{target + 1}", style.link)
    sheet.write_number(row, column, finding.row_no, style.link)


def _rows(sheet: Worksheet, dossier: Dossier, style: _Style) -> None:
    """The filed rows with findings; blamed cells are coloured and carry the messages as a comment."""
    rows = dossier.rows
    _printed(sheet, 1, pages_wide=0)
    if rows is None:
        sheet.write_string(
            0, 0, "原文行见机构收到的回执 filed rows stand in the receipt as delivered", style.faint
        )
        return
    if not rows.rows:
        sheet.write_string(0, 0, "没有问题行 no rows with findings", style.faint)
        return
    carried = any(row.filed_in for row in rows.rows)
    told = f"{len(rows.rows):,} 行有问题的原文;红色阻断,黄色提示,批注说明原因;个人信息已遮盖"
    sheet.write_string(0, 0, f"{told} filed rows with findings; personal values masked", style.faint)
    lead = ("行号 row", "行所在报送 filed in") if carried else ("行号 row",)
    heads = [*lead, *(header for _, header in rows.columns)]
    widths = [8, *((28,) if carried else ()), *_widths(rows)]
    _table(sheet, 1, heads, widths, style)
    sheet.freeze_panes(2, len(lead))
    position = {name: at for at, (name, _) in enumerate(rows.columns, len(lead))}
    blamed = _blamed(dossier.receipt, position)
    for at, row in enumerate(rows.rows, 2):
        marks = blamed.get((row.filed_in, row.row_no), {})
        worst = {column: _worst(told_here) for column, told_here in marks.items()}
        tones = {column: style.blamed[severity] for column, severity in worst.items() if severity}
        sheet.set_row(
            at, _LINE_POINTS + 3
        )  # one line: a long text neither spreads over its neighbours nor the page
        sheet.write_number(at, 0, row.row_no, tones.get(0, style.count))
        if carried:
            _filed(sheet, at, 1, row.filed_in, style.text)
        for column, text in enumerate(row.cells, len(lead)):
            _filed(sheet, at, column, text, tones.get(column, style.filed))
        for column, told_here in marks.items():
            note = _cut("\n".join(dict.fromkeys(text for _, text in told_here)))
            lines = sum(1 + _display_width(line) // 44 for line in note.split("\n"))
            shape = {"author": "消保数仓", "width": 320, "height": min(24 + 17 * lines, 400), "font_size": 9}
            sheet.write_comment(at, column, note, shape)
    sheet.autofilter(1, 0, len(rows.rows) + 1, len(heads) - 1)


def _blamed(
    receipt: Receipt, position: dict[str, int]
) -> dict[tuple[str | None, int], dict[int, list[tuple[str | None, str]]]]:
    """(filed in, row) -> sheet column -> (severity, text) of the findings there; column 0 is the row as a whole."""
    found: dict[tuple[str | None, int], dict[int, list[tuple[str | None, str]]]] = {}
    for group in receipt.findings:
        for finding in group.findings:
            if finding.row_no is None:
                continue
            column = position.get(finding.column_name or "", 0)
            text = f"{group.rule_code} {finding.message_zh or ''}"
            if finding.fix_zh:
                text += f"\n更正:{finding.fix_zh}"
            row = found.setdefault((finding.filed_in, finding.row_no), {})
            row.setdefault(column, []).append((group.severity, printable(text)))
    return found


def _worst(told: Iterable[tuple[str | None, str]]) -> str | None:
    severities = {severity for severity, _ in told}
    return "E" if "E" in severities else "W" if severities else None


def _widths(rows: FiledRows) -> list[int]:
    """Columns as wide as their header and cells, within bounds."""
    columns = zip(*(row.cells for row in rows.rows), strict=True)
    return [
        min(max(_display_width(header), *(_display_width(text[:40]) for text in cells if text), 8) + 2, 32)
        for (_, header), cells in zip(rows.columns, columns, strict=True)
    ]


def _totals(sheet: Worksheet, receipt: Receipt, style: _Style) -> None:
    _printed(sheet, 1)
    if not receipt.control_totals:
        sheet.write_string(0, 0, "本报表没有合计核对项 no control totals", style.faint)
        return
    sheet.write_string(0, 0, "报送合计与我方合计 totals stated by the filer and added up by us", style.faint)
    _table(sheet, 1, ("列 column", "英文列名", "报送合计 stated", "我方合计 ours", "核对 agrees"),
           (26, 26, 24, 24, 14), style)  # fmt: skip
    for at, total in enumerate(receipt.control_totals, 2):
        _write(sheet, at, 0, total.header or total.column_name, style.text)
        _write(sheet, at, 1, total.column_name, style.text)
        _write(sheet, at, 2, total.declared, style.text)
        _write(sheet, at, 3, total.ours, style.text)
        told = YES_NO[total.agrees]
        sheet.write_string(at, 4, told, style.bad if total.agrees is False else style.text)


def _differences(sheet: Worksheet, receipt: Receipt, style: _Style) -> None:
    _printed(sheet, 2)
    difference = receipt.difference
    if difference is None:
        sheet.write_string(0, 0, "没有可对比的前一版本 no earlier version to compare with", style.faint)
        return
    sheet.write_string(
        0, 0, f"与 {difference.against_submission_id} 对比 against the version it replaces", style.faint
    )
    counts = (
        f"新增 {difference.rows_added:,} 行,减少 {difference.rows_removed:,} 行,变动 {difference.rows_changed:,} 行,"
        f"不变 {difference.rows_unchanged:,} 行"
    )
    if not difference.in_effect:
        counts += ";本次报送未被接受,变动没有生效 not in effect"
    if difference.is_truncated:
        counts += f";变动{_truncation(len(difference.changes), difference.change_count)}"
    sheet.write_string(1, 0, counts, style.warning if difference.is_truncated else style.faint)
    heads = ("变动 change", "主键 key", "行 row", "原行 old row", "列 column", "原值 old", "新值 new")
    _table(sheet, 2, heads, (12, 36, 8, 10, 22, 32, 32), style)
    sheet.freeze_panes(3, 0)
    for at, change in enumerate(difference.changes, 3):
        _write(sheet, at, 0, CHANGES[change.change], style.text)
        _filed(sheet, at, 1, change.record_key, style.filed)
        _write(sheet, at, 2, change.row_no, style.text)
        _write(sheet, at, 3, change.old_row_no, style.text)
        _filed(sheet, at, 4, change.header or change.column_name, style.filed)
        _filed(sheet, at, 5, change.old_value, style.filed)
        _filed(sheet, at, 6, change.new_value, style.filed)
    sheet.autofilter(2, 0, max(len(difference.changes), 1) + 2, len(heads) - 1)
    at = len(difference.changes) + 4
    for column, head in enumerate(("合计 total", "列 column", "", "", "", "原合计 old", "新合计 new")):
        if difference.totals and head:
            sheet.write_string(at, column, head, style.head)
    for row, total in enumerate(difference.totals, at + 1):
        _write(sheet, row, 0, total.column_name, style.text)
        _filed(sheet, row, 1, total.header, style.filed)
        _write(sheet, row, 5, total.old_total, style.text)
        _write(sheet, row, 6, total.new_total, style.text)


def _rules(sheet: Worksheet, receipt: Receipt, style: _Style) -> None:
    """Rules that failed or did not run, each with its reason; those that passed in one line."""
    _printed(sheet, 0)
    heads = (
        "规则 rule",
        "级别",
        "结果 verdict",
        "问题数",
        "规则内容",
        "未核对原因",
        "The rule",
        "Why not run",
    )
    _table(sheet, 0, heads, (10, 8, 18, 9, _FACT_WIDTH, 40, _FACT_WIDTH, 40), style)
    sheet.freeze_panes(1, 0)
    at = 0
    for verdict in receipt.verdicts:
        if verdict.verdict == "pass":
            continue
        at += 1
        sheet.write_string(at, 0, verdict.rule_code, style.text)
        _severity(sheet, at, 1, verdict.severity, style)
        told = f"{VERDICTS[verdict.verdict]} {verdict.verdict}"
        sheet.write_string(at, 2, told, style.bad if verdict.verdict == "fail" else style.text)
        sheet.write_number(at, 3, verdict.count, style.count)
        for column, text in enumerate(
            (verdict.text_zh, verdict.reason_zh, verdict.text_en, verdict.reason_en), 4
        ):
            _filed(sheet, at, column, text, style.wrapped)
        _fit(
            sheet, at, (verdict.text_zh, _FACT_WIDTH), (verdict.text_en, _FACT_WIDTH), (verdict.reason_en, 40)
        )
    sheet.autofilter(0, 0, max(at, 1), len(heads) - 1)
    passed = [verdict.rule_code for verdict in receipt.verdicts if verdict.verdict == "pass"]
    if not receipt.verdicts:
        sheet.write_string(1, 0, "报表未知,没有可核对的规则 the form is unknown", style.faint)
    elif passed:
        codes = " ".join(passed)
        sheet.merge_range(at + 2, 0, at + 2, 3, f"{VERDICTS['pass']} pass: {len(passed):,}", style.text)
        sheet.write_string(at + 2, 4, codes, style.wrapped)
        _fit(sheet, at + 2, (codes, _FACT_WIDTH))
