"""The receipt as a workbook: summary, findings, the filed rows with blamed cells marked, totals, differences, rules.

Belongs here: what stands on which sheet, and the formats of cells. Equal content gives equal bytes: the dates of the
document and of the entries of the zip are fixed. Does not belong here: content; how filed text stays text (`sheets`);
what is equal in all workbooks (`package`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pipelines.filing.receipts.content import Dossier, FiledRows, Receipt
from pipelines.filing.receipts.package import Formats, Package
from pipelines.filing.receipts.sheets import Cells, Sheet
from pipelines.filing.receipts.wording import (
    ACTORS,
    CHANGES,
    EXCUSES,
    KINDS,
    SEVERITIES,
    VERDICTS,
    YES_NO,
    shown,
)

_LINE_POINTS, _ROW_POINTS, _HIGHEST_POINTS = 15, 60, 400
_TONES = {"insurer": "#B42318", "analyst": "#B54708", "system": "#475467", "nobody": "#067647"}
_FILLS = {"E": "#FDE3E1", "W": "#FFF3C4"}
_FACT_WIDTH, _NOTE_WIDTH = 56, 46
#: Width of the columns of the findings sheet; the first nine are printed.
_FINDING_WIDTHS = (10, 8, 7, 18, 8, 22, 24, 44, 44, 9, 14, 28, 44, 44)
_PRINTED = 9
SUMMARY, FINDINGS, ROWS, TOTALS, DIFFERENCES, RULES = "摘要", "问题", "问题行", "合计", "差异", "规则"
_SHEETS = (SUMMARY, FINDINGS, ROWS, TOTALS, DIFFERENCES, RULES)


@dataclass(frozen=True, slots=True)
class _Style:
    """Formats of cells, as lines name them; of a state by who must act."""

    title: str
    state: dict[str, str]
    faint: str
    warning: str
    label: str
    text: str
    wrapped: str
    filed: str
    count: str
    head: str
    link: str
    bad: str
    blamed: dict[str | None, str]
    group: dict[str | None, str]


def workbook(dossier: Dossier) -> bytes:
    """The workbook's bytes."""
    receipt = dossier.receipt
    style, package = _look()
    cells = Cells()
    sheets = summary, findings, rows, totals, differences, rules = [Sheet(name, cells) for name in _SHEETS]
    _summary(summary, receipt, style)
    _findings(findings, dossier, style)
    _rows(rows, dossier, style)
    _totals(totals, receipt, style)
    _differences(differences, receipt, style)
    _rules(rules, receipt, style)
    return package.bytes_of(f"报送回执 {receipt.submission.submission_id}", sheets, cells)


@cache
def _look() -> tuple[_Style, Package]:
    """The formats, and the package that has them; the same for every receipt."""
    formats = Formats(_SHEETS)
    made = formats.add

    def line(**properties: object) -> str:
        return made(border=1, border_color="#D0D5DD", **properties)

    text = "@"  # text stays text, also when its cell is edited
    style = _Style(
        title=made(font_size=16, bold=True, valign="vcenter"),
        state={actor: made(font_size=13, bold=True, font_color="#FFFFFF", bg_color=tone, valign="vcenter",
                           text_wrap=True, indent=1) for actor, tone in _TONES.items()},
        faint=made(font_color="#667085", italic=True),
        warning=made(font_color="#B42318", bold=True),
        label=line(font_color="#475467", bg_color="#F2F4F7"),
        text=line(),
        wrapped=line(text_wrap=True),
        filed=line(num_format=text, text_wrap=True),
        count=line(num_format="#,##0", align="right"),
        head=line(bold=True, bg_color="#1F3A5F", font_color="#FFFFFF", text_wrap=True, valign="vcenter"),
        link=line(font_color="#175CD3", underline=1, num_format="0", align="right"),
        bad=line(bold=True, font_color="#B42318", text_wrap=True),
        blamed={one: line(num_format=text, bg_color=fill, bold=True) for one, fill in _FILLS.items()},
        group={one: line(bg_color=fill, align="center") for one, fill in _FILLS.items()},
    )  # fmt: skip
    return style, formats.package()


def _height(*cells: tuple[str | None, int]) -> int | None:
    """Points that a row's wrapped texts need, given (text, width of its column); viewers differ in doing so.

    None: one line, which is a row's height anyway.
    """
    lines = 1
    for text, width in cells:
        if not text:
            continue
        if "\n" in text:
            lines = max(lines, sum(1 + (_display_width(line) - 1) // width for line in text.split("\n")))
        elif len(text) * 2 > width:
            lines = max(lines, 1 + (_display_width(text) - 1) // width)
    return min(_LINE_POINTS * lines, _HIGHEST_POINTS) if lines > 1 else None


def _display_width(text: str) -> int:
    """Columns a text takes: a Chinese character two, in UTF-8 three bytes; a Latin one and one."""
    return (len(text) + len(text.encode())) // 2


def _heads(sheet: Sheet, heads: Sequence[str], style: _Style) -> None:
    sheet.add_line(heads, [style.head] * len(heads))


def _say(sheet: Sheet, text: str, style: str) -> None:
    """A sentence on a line of its own."""
    sheet.add_line((text,), (style,))


def _summary(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    sheet.widths = (27, _FACT_WIDTH, 10, 10, _NOTE_WIDTH)
    sheet.gridlines = False
    sheet.portrait = True
    state = receipt.state
    sheet.add_line(("报送回执 Receipt",), (style.title,), 30)
    tone = style.state.get(state.actor, style.state["system"])
    sheet.add_merged_line(f"{state.label_zh}　{state.sentence_zh}", tone, 5, 30)
    sheet.add_merged_line(f"{state.code}: {state.sentence_en}", style.faint, 5)
    sheet.skip_line()
    for label, value in _facts(receipt):
        told = shown(value)
        sheet.add_line((label, told), (style.label, style.wrapped), _height((told, _FACT_WIDTH)))
    totals = receipt.totals
    if totals.is_truncated:
        told = _truncation(totals.listed, totals.blocking + totals.advisory)
        sheet.add_line(("列出条数 listed", told), (style.label, style.bad))
    _rules_found(sheet, receipt, style)
    _excuses(sheet, receipt, style)
    _kpi_effects(sheet, receipt, style)


def _facts(receipt: Receipt) -> list[tuple[str, object]]:
    """Facts of the submission, its rows and its findings, in reading order."""
    s, state = receipt.submission, receipt.state
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
    return [
        *facts,
        ("阻断性问题 blocking", totals.blocking),
        ("提示性问题 advisory", totals.advisory),
        ("已豁免 waived", totals.waived),
        ("待说明 to explain", f"{totals.unexplained:,}  {' '.join(receipt.to_explain)}".rstrip()),
    ]


def _deadline(receipt: Receipt) -> str | None:
    due = receipt.next_deadline
    return f"{due.form} {due.period}: {due.due_date}" if due else None


def _truncation(listed: int, count: int) -> str:
    return f"共 {count:,} 个,只列出 {listed:,} 个 ({listed:,} of {count:,} listed)"


def _rules_found(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    """Findings by rule, with a link to the first one on the findings sheet."""
    if not receipt.findings:
        return
    sheet.skip_line()
    _heads(sheet, ("规则 rule", "规则内容 the rule", "级别", "问题数", "状态 standing"), style)
    first = 2
    for group in receipt.findings:
        told = [
            f"豁免 waived: {group.waived_by}" if group.waived_by else "",
            f"已说明 explained: {group.explained_by}" if group.explained_by else "",
            "待说明 to explain" if group.needs_explanation else "",
            _truncation(group.listed, group.count) if group.is_truncated else "",
        ]
        sheet.add_line(
            (
                group.rule_code,
                shown(group.text_zh),
                _severity(group.severity),
                group.count,
                "; ".join(filter(None, told)),
            ),
            (
                style.text,
                style.wrapped,
                style.group.get(group.severity, style.text),
                style.count,
                style.wrapped,
            ),
            _height((group.text_zh, _FACT_WIDTH)),
        )
        sheet.add_link(0, FINDINGS, first)
        first += group.listed
    sheet.skip_line()


def _severity(severity: str | None) -> str:
    return f"{severity} {SEVERITIES.get(severity, '')}" if severity else "–"


def _excuses(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    if not receipt.excuses:
        return
    _heads(sheet, ("豁免与说明", "编号 id", "规则 rule", "有效至", "内容 reason"), style)
    for excuse in receipt.excuses:
        sheet.add_line(
            (
                f"{EXCUSES[excuse.kind]} {excuse.kind}",
                excuse.excuse_id,
                excuse.rule_code,
                shown(excuse.last_period),
                excuse.reason,
            ),
            (style.text, style.text, style.text, style.text, style.filed),
            _height((excuse.reason, _NOTE_WIDTH)),
        )
    sheet.skip_line()


def _kpi_effects(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    """KPI cells moved; unknown is not said to be none."""
    if receipt.kpi_effects is None:
        return
    _heads(sheet, ("指标影响 KPI", "期间与粒度 cell", "原值", "新值", "单位 unit"), style)
    for effect in receipt.kpi_effects:
        cell = " ".join(filter(None, (effect.period, effect.grain, effect.dimension)))
        told = (f"{effect.kpi_id} {effect.name_zh or ''}".rstrip(), cell)
        values = (shown(effect.old_value), shown(effect.new_value), shown(effect.unit))
        sheet.add_line((*told, *values), [style.text] * 5)
    if not receipt.kpi_effects:
        _say(sheet, "没有已发布的指标因此变动 no published KPI cell moves", style.faint)


def _findings(sheet: Sheet, dossier: Dossier, style: _Style) -> None:
    receipt = dossier.receipt
    sheet.repeated = 1
    count = receipt.totals.blocking + receipt.totals.advisory
    if not count:
        _say(sheet, "没有问题 no findings", style.faint)
        return
    told = f"共 {count:,} 个问题,按规则排列;点行号看原文 {count:,} findings by rule; row numbers link to filed rows"
    if receipt.totals.is_truncated:
        told = _truncation(receipt.totals.listed, count)
    _say(sheet, told, style.warning if receipt.totals.is_truncated else style.faint)
    heads = ("规则 rule", "级别", "行 row", "列 column", "单元格", "报送值 value", "应为 expected", "问题", "如何更正",
             "该规则共", "工作表 sheet", "行所在报送 filed in", "Problem", "How to fix")  # fmt: skip
    sheet.widths = _FINDING_WIDTHS
    sheet.frozen = (2, 1)
    _heads(sheet, heads, style)
    last = 1
    links = _row_links(dossier.rows)
    s = style
    for group in receipt.findings:
        label, tone = _severity(group.severity), s.group.get(group.severity, s.text)
        for finding in group.findings:
            texts = (finding.value, finding.expected, finding.message_zh, finding.fix_zh)
            target = links.get((finding.filed_in, finding.row_no))
            row_no, number = ("整份", s.text) if finding.row_no is None else (finding.row_no, s.count)
            last = sheet.add_line(
                (group.rule_code, label, row_no, finding.header or finding.column_name, finding.cell, *texts,
                 group.count, finding.sheet, finding.filed_in, finding.message_en, finding.fix_en),
                (s.text, tone, number if target is None else s.link, s.filed, s.text, s.filed, s.filed, s.filed,
                 s.filed, s.count, s.filed, s.text, s.wrapped, s.wrapped),
                _height(*zip(texts, _FINDING_WIDTHS[5:_PRINTED], strict=True)),
            )  # fmt: skip
            if target is not None:
                sheet.add_link(2, ROWS, target)
    sheet.printed = (last, _PRINTED)
    sheet.filtered = (1, last, len(heads))


def _row_links(rows: FiledRows | None) -> dict[tuple[str | None, int | None], int]:
    """(filed in, row number) -> row of the sheet of filed rows."""
    return {(row.filed_in, row.row_no): at for at, row in enumerate(rows.rows, 2)} if rows else {}


def _rows(sheet: Sheet, dossier: Dossier, style: _Style) -> None:
    """The filed rows with findings; blamed cells are coloured, and what is wrong stands before the row."""
    rows = dossier.rows
    sheet.repeated, sheet.spreads = 1, True
    if rows is None:
        told = "原文行见机构收到的回执 filed rows stand in the receipt as delivered"
        _say(sheet, told, style.faint)
        return
    if not rows.rows:
        _say(sheet, "没有问题行 no rows with findings", style.faint)
        return
    carried = any(row.filed_in for row in rows.rows)
    told = f"{len(rows.rows):,} 行有问题的原文;红色阻断,黄色提示;个人信息已遮盖"
    _say(sheet, f"{told} filed rows with findings; personal values masked", style.faint)
    lead = ("行号 row", *(("行所在报送 filed in",) if carried else ()), "问题与更正 what is wrong")
    sheet.widths = (8, *((28,) if carried else ()), _NOTE_WIDTH, *_widths(rows))
    sheet.frozen = (2, len(lead) - 1)
    _heads(sheet, (*lead, *(header for _, header in rows.columns)), style)
    position = {name: at for at, (name, _) in enumerate(rows.columns, len(lead))}
    blamed = _blamed(dossier.receipt, position)
    plain = [style.count, *((style.text,) if carried else ()), *[style.filed] * (len(rows.columns) + 1)]
    for row in rows.rows:
        notes, marks = blamed.get((row.filed_in, row.row_no), ({}, {}))
        styles = plain.copy()
        for column, severity in marks.items():
            styles[column] = style.blamed[severity]
        origin = (row.filed_in,) if carried else ()
        told = "\n".join(notes)
        # as high as what is told needs, within bounds: a long filed text spreads over no neighbour and no page
        height = min(_height((told, _NOTE_WIDTH)) or _LINE_POINTS, _ROW_POINTS)
        sheet.add_line((row.row_no, *origin, told, *row.cells), styles, height + 3)
    sheet.filtered = (1, len(rows.rows) + 1, len(plain))


def _blamed(
    receipt: Receipt, position: dict[str, int]
) -> dict[tuple[str | None, int], tuple[dict[str, None], dict[int, str]]]:
    """(filed in, row) -> what is told of it, each text once, and sheet column -> the worst severity found there.

    Column 0 is the row as a whole.
    """
    found: dict[tuple[str | None, int], tuple[dict[str, None], dict[int, str]]] = {}
    for group in receipt.findings:
        severity = "W" if group.severity == "W" else "E"
        for finding in group.findings:
            if finding.row_no is None:
                continue
            notes, marks = found.setdefault((finding.filed_in, finding.row_no), ({}, {}))
            place = f" [{finding.header or finding.column_name}]" if finding.column_name else ""
            fix = f"\n更正:{finding.fix_zh}" if finding.fix_zh else ""
            notes[f"{group.rule_code}{place} {finding.message_zh or ''}{fix}"] = None
            column = position.get(finding.column_name or "", 0)
            if marks.get(column) != "E":
                marks[column] = severity
    return found


def _widths(rows: FiledRows) -> list[int]:
    """Columns as wide as their header and cells, within bounds."""
    columns = zip(*(row.cells for row in rows.rows), strict=True)
    return [
        min(
            max(_display_width(header), *(_display_width(text[:40]) for text in set(cells) if text), 8) + 2,
            32,
        )
        for (_, header), cells in zip(rows.columns, columns, strict=True)
    ]


def _totals(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    sheet.repeated = 1
    if not receipt.control_totals:
        _say(sheet, "本报表没有合计核对项 no control totals", style.faint)
        return
    _say(sheet, "报送合计与我方合计 totals stated by the filer and added up by us", style.faint)
    sheet.widths = (26, 26, 24, 24, 14)
    _heads(sheet, ("列 column", "英文列名", "报送合计 stated", "我方合计 ours", "核对 agrees"), style)
    for total in receipt.control_totals:
        names = (total.header or total.column_name, total.column_name)
        sheet.add_line(
            (*names, shown(total.declared), shown(total.ours), YES_NO[total.agrees]),
            (*[style.text] * 4, style.bad if total.agrees is False else style.text),
        )


def _differences(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    sheet.repeated = 2
    difference = receipt.difference
    if difference is None:
        _say(sheet, "没有可对比的前一版本 no earlier version to compare with", style.faint)
        return
    against = f"与 {difference.against_submission_id} 对比 against the version it replaces"
    _say(sheet, against, style.faint)
    counts = (
        f"新增 {difference.rows_added:,} 行,减少 {difference.rows_removed:,} 行,变动 {difference.rows_changed:,} 行,"
        f"不变 {difference.rows_unchanged:,} 行"
    )
    if not difference.in_effect:
        counts += ";本次报送未被接受,变动没有生效 not in effect"
    if difference.is_truncated:
        counts += f";变动{_truncation(len(difference.changes), difference.change_count)}"
    _say(sheet, counts, style.warning if difference.is_truncated else style.faint)
    heads = ("变动 change", "主键 key", "行 row", "原行 old row", "列 column", "原值 old", "新值 new")
    sheet.widths = (12, 36, 8, 10, 22, 32, 32)
    sheet.frozen = (3, 0)
    _heads(sheet, heads, style)
    styles = (style.text, style.filed, style.text, style.text, style.filed, style.filed, style.filed)
    for change in difference.changes:
        rows = (shown(change.row_no), shown(change.old_row_no))
        column = change.header or change.column_name
        kind = CHANGES[change.change]
        sheet.add_line((kind, change.record_key, *rows, column, change.old_value, change.new_value), styles)
    sheet.filtered = (2, max(len(difference.changes), 1) + 2, len(heads))
    if difference.totals:
        sheet.skip_line()
        _heads(sheet, ("合计 total", "列 column", "", "", "", "原合计 old", "新合计 new"), style)
    for total in difference.totals:
        values = (shown(total.old_total), shown(total.new_total))
        sheet.add_line((total.column_name, total.header, None, None, None, *values), styles)


def _rules(sheet: Sheet, receipt: Receipt, style: _Style) -> None:
    """Rules that failed or did not run, each with its reason; those that passed in one line."""
    sheet.repeated = 0
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
    sheet.widths = (10, 8, 18, 9, _FACT_WIDTH, 40, _FACT_WIDTH, 40)
    sheet.frozen = (1, 0)
    _heads(sheet, heads, style)
    last = 0
    for verdict in receipt.verdicts:
        if verdict.verdict == "pass":
            continue
        told = f"{VERDICTS[verdict.verdict]} {verdict.verdict}"
        last = sheet.add_line(
            (verdict.rule_code, _severity(verdict.severity), told, verdict.count,
             verdict.text_zh, verdict.reason_zh, verdict.text_en, verdict.reason_en),
            (style.text, style.group.get(verdict.severity, style.text),
             style.bad if verdict.verdict == "fail" else style.text, style.count, *[style.wrapped] * 4),
            _height((verdict.text_zh, _FACT_WIDTH), (verdict.text_en, _FACT_WIDTH), (verdict.reason_en, 40)),
        )  # fmt: skip
    sheet.filtered = (0, max(last, 1), len(heads))
    passed = [verdict.rule_code for verdict in receipt.verdicts if verdict.verdict == "pass"]
    if not receipt.verdicts:
        _say(sheet, "报表未知,没有可核对的规则 the form is unknown", style.faint)
    elif passed:
        sheet.skip_line()
        codes = " ".join(passed)
        told = f"{VERDICTS['pass']} pass"
        sheet.add_line(
            (None, None, told, len(passed), codes),
            (style.text, style.text, style.text, style.count, style.wrapped),
            _height((codes, _FACT_WIDTH)),
        )
