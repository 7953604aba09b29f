-- From rows in force to KPI values: facts, monthly measures, windows, scope, values, ranks,
-- quartiles. The catalogue of
-- KPIs is read from its seed; what the catalogue means is written out here. Growth "as published" needs an earlier
-- release
-- and is left out.

CREATE TEMP TABLE force AS SELECT no, per, rep FROM chained WHERE replaced_by IS NULL;

-- Rows in force that do not count: held back, or an earlier state of their record. Keys that occur once need no
-- sorting.
CREATE TEMP TABLE gone_{table} AS
SELECT no, r FROM held SEMI JOIN force USING (no)
UNION ALL
SELECT no, r FROM (
    SELECT t.no, t.r, row_number() OVER (PARTITION BY kh ORDER BY f.per DESC, t.no DESC, t.r DESC) AS n
    FROM {table} AS t JOIN force AS f USING (no) SEMI JOIN again_{table} USING (kh) ANTI JOIN held USING (no, r))
WHERE n > 1;

CREATE TEMP VIEW cur_{table} AS
SELECT t.*, f.per, f.rep FROM {table} AS t JOIN force AS f USING (no) ANTI JOIN gone_{table} USING (no, r)
WHERE t.record_action <> 'D';

CREATE TEMP TABLE m (
    measure VARCHAR, month DATE, quarterly BOOLEAN DEFAULT false, rep VARCHAR, dim VARCHAR, val VARCHAR,
    amount DECIMAL(38, 6));

CREATE TEMP MACRO month_of(x) AS date_trunc('month', x)::DATE;

CREATE TEMP TABLE complaint AS
WITH linked AS (SELECT DISTINCT rep, inquiry_id, complaint_id FROM cur_f02 WHERE complaint_id IS NOT NULL),
mediated AS (SELECT DISTINCT rep, complaint_id FROM cur_f03 WHERE complaint_id IS NOT NULL)
SELECT c.rep, c.line_code, c.sales_channel, c.reason_l1, c.validity, c.reg_ref_no,
    month_of(c.received_at) AS received,
    month_of(c.due_date) AS due, month_of(c.decision_date) AS decided, month_of(c.reg_forward_date) AS forwarded,
    c.validity = '有效' AS valid, starts_with(c.source_channel, 'OWN_') AS own,
    own AND l.inquiry_id IS NOT NULL AS linked, c.status NOT IN ('撤回', '终止') AS counts,
        c.due_date < run.as_of_date AS over,
    coalesce(c.decision_date <= c.due_date, false) AS on_time, c.status, c.complexity, c.outcome,
    c.decision_date - c.received_at::DATE - c.clock_stop_days AS days, d.complaint_id IS NULL AS unmediated
FROM cur_f01 AS c
CROSS JOIN run
LEFT JOIN linked AS l ON l.rep = c.rep AND l.inquiry_id = c.first_inquiry_id AND l.complaint_id = c.complaint_id
LEFT JOIN mediated AS d ON d.rep = c.rep AND d.complaint_id = c.complaint_id;

INSERT INTO m BY NAME
SELECT 'complaints_valid' AS measure, received AS month, rep,
    CASE WHEN grouping(line_code) = 0 THEN 'line_code' WHEN grouping(sales_channel) = 0 THEN 'sales_channel'
        WHEN grouping(reason_l1) = 0 THEN 'reason_l1' ELSE 'total' END AS dim,
    coalesce(line_code, sales_channel, reason_l1, 'total') AS val, count(*) AS amount
FROM complaint WHERE valid
GROUP BY GROUPING SETS ((received, rep), (received, rep, line_code), (received, rep, sales_channel), (received,
    rep, reason_l1));

INSERT INTO m BY NAME
SELECT 'complaints_excluded' AS measure, received AS month, rep,
    CASE WHEN grouping(validity) = 0 THEN 'validity' ELSE 'total' END AS dim, coalesce(validity, 'total') AS val,
        count(*) AS amount
FROM complaint WHERE validity IN ('无效', '重复', '不纳入')
GROUP BY GROUPING SETS ((received, rep), (received, rep, validity));

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT received AS month, rep, 'total' AS dim, 'total' AS val, count(*) AS complaints_received,
        count(*) FILTER (valid AND own) AS complaints_valid_own, count(*) FILTER (own) AS own_complaints_received,
        count(*) FILTER (linked) AS own_complaints_linked,
        count(*) FILTER (NOT (status = '处理中' AND NOT over)) AS complaints_closable,
        count(*) FILTER (status = '已办结') AS complaints_closed,
        count(*) FILTER (status = '处理中' AND NOT over) AS complaints_open_within_limit
    FROM complaint GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT due AS month, rep, 'total' AS dim, 'total' AS val, count(*) FILTER (over) AS complaints_due,
        count(*) FILTER (over AND on_time) AS complaints_decided_on_time,
            count(*) FILTER (NOT over) AS complaints_not_yet_due
    FROM complaint WHERE counts GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT decided AS month, rep, 'total' AS dim, 'total' AS val, count(*)::HUGEINT AS complaints_decided,
        sum(days)::HUGEINT AS decision_days,
        (count(*) FILTER (status = '已办结' AND complexity <> '简单' AND outcome IN ('部分支持', '不支持', '转调解')
            AND unmediated))::HUGEINT
            AS mediation_due
    FROM complaint WHERE decided IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

-- The register against the ledger.
INSERT INTO m BY NAME
WITH RECURSIVE climb AS (
    SELECT DISTINCT org_code, org_code AS top, 0 AS steps FROM cur_r01
    UNION ALL
    SELECT c.org_code, p.parent_code, c.steps + 1 FROM climb AS c JOIN master AS p ON p.org_code = c.top
    WHERE c.steps < 10 AND p.parent_code IS NOT NULL
),
owner AS (
    SELECT c.org_code, c.top AS rep FROM climb AS c JOIN insurer AS i ON i.rep = c.top
    QUALIFY row_number() OVER (PARTITION BY c.org_code ORDER BY c.steps) = 1
),
register AS (
    SELECT o.rep, f.reg_ref_no, month_of(f.forwarded_on) AS month, f.reg_validity = '有效' AS valid
    FROM cur_r01 AS f LEFT JOIN owner AS o USING (org_code)
),
ledger AS (SELECT rep, reg_ref_no, min(forwarded) AS month FROM complaint WHERE reg_ref_no IS NOT NULL GROUP BY ALL),
matched AS (
    SELECT coalesce(g.rep, l.rep) AS rep, CASE WHEN g.reg_ref_no IS NOT NULL THEN g.month ELSE l.month END AS month,
        g.reg_ref_no IS NOT NULL AS here, l.reg_ref_no IS NOT NULL AS there, coalesce(g.valid, false) AS valid
    FROM register AS g FULL JOIN ledger AS l ON l.rep = g.rep AND l.reg_ref_no = g.reg_ref_no
)
FROM (UNPIVOT (
    SELECT month, rep, 'total' AS dim, 'total' AS val, count(*) FILTER (here) AS registered_complaints,
        count(*) FILTER (here AND valid) AS registered_complaints_valid, count(*) FILTER (here <> there) AS ledger_gap
    FROM matched WHERE month IS NOT NULL GROUP BY ALL) ON * EXCLUDE (month, rep, dim,
        val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(q.inquiry_at) AS month, q.rep, 'total' AS dim, 'total' AS val, count(*) AS inquiries,
        count(*) FILTER (q.resolved_at_first) AS inquiries_resolved_at_first,
        count(*) FILTER (q.responder_is_sales) AS inquiries_by_sales,
        count(*) FILTER (q.escalated_to_regulator_on IS NOT NULL) AS inquiries_escalated,
        count(*) FILTER (NOT (q.first_contact_at IS NULL AND coalesce(l.d1 >= run.as_of_date,
            false))) AS inquiries_contact_due,
        count(*) FILTER (q.first_contact_at::DATE <= l.d1) AS inquiries_contacted_in_time,
        count(*) FILTER (q.first_contact_at IS NULL AND l.d1 >= run.as_of_date) AS inquiries_contact_not_yet_due
    FROM cur_f02 AS q CROSS JOIN run LEFT JOIN limits AS l ON l.day = q.inquiry_at::DATE
    GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(apply_date) AS month, rep, 'total' AS dim, 'total' AS val, count(*) AS mediation_cases,
        count(*) FILTER (should_mediate) AS mediation_offered, count(*) FILTER (should_mediate) AS mediation_due
    FROM cur_f03 GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(org_notified_date) AS month, rep, 'total' AS dim, 'total' AS val,
        count(org_accepts) AS mediation_answered, count(*) FILTER (org_accepts) AS mediation_accepted
    FROM cur_f03 WHERE org_notified_date IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(end_date) AS month, rep, CASE WHEN grouping(mediation_org) = 0 THEN 'mediation_org'
        ELSE 'total' END AS dim,
        coalesce(mediation_org, 'total') AS val, count(*) AS mediation_ended,
        count(*) FILTER (result IN ('成功', '部分成功')) AS mediation_successful
    FROM cur_f03 WHERE end_date IS NOT NULL AND result <> '撤回'
    GROUP BY GROUPING SETS ((month_of(end_date), rep), (month_of(end_date), rep, mediation_org)))
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(fulfil_due_date) AS month, rep, 'total' AS dim, 'total' AS val,
        count(*) FILTER (fulfil_due_date < as_of_date) AS agreements_due,
        count(*) FILTER (fulfil_due_date < as_of_date AND fulfil_status = '已履行' AND fulfil_date <= fulfil_due_date)
            AS agreements_fulfilled_on_time,
        count(*) FILTER (fulfil_due_date >= as_of_date) AS agreements_not_yet_due
    FROM cur_f03 CROSS JOIN run WHERE fulfil_due_date IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

-- Call-backs: the one large fact is counted once, finely, and divided afterwards.
CREATE TEMP TABLE calls AS
SELECT rep, month_of(cooling_off_end) AS cohort, month_of(completed_at) AS completed, sales_channel, product_type,
    callback_type = '新单' AND must_call AS due, cooling_off_end < as_of_date AS over, success,
    success AND completed_at::DATE <= cooling_off_end AS inside, count(*) AS n
FROM cur_f04 CROSS JOIN run
GROUP BY ALL;

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT cohort AS month, rep, CASE WHEN grouping(sales_channel) = 0 THEN 'sales_channel'
            WHEN grouping(product_type) = 0 THEN 'product_type' ELSE 'total' END AS dim,
        coalesce(sales_channel, product_type, 'total') AS val,
        coalesce(sum(n), 0) AS call_backs_in_cohort, coalesce(sum(n) FILTER (over), 0) AS call_backs_due,
        coalesce(sum(n) FILTER (over AND completed IS NOT NULL), 0) AS call_backs_completed,
        coalesce(sum(n) FILTER (over AND success), 0) AS call_backs_successful,
        coalesce(sum(n) FILTER (over AND inside), 0) AS call_backs_successful_in_cooling_off,
        coalesce(sum(n) FILTER (NOT over), 0) AS call_backs_not_yet_due
    FROM calls WHERE due AND cohort IS NOT NULL
    GROUP BY GROUPING SETS ((cohort, rep), (cohort, rep, sales_channel), (cohort, rep, product_type)))
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
SELECT 'calls_completed' AS measure, completed AS month, rep,
    CASE WHEN grouping(sales_channel) = 0 THEN 'sales_channel' ELSE 'total' END AS dim,
    coalesce(sales_channel, 'total') AS val, sum(n) AS amount
FROM calls WHERE completed IS NOT NULL
GROUP BY GROUPING SETS ((completed, rep), (completed, rep, sales_channel));

CREATE TEMP TABLE problem AS
SELECT rep, problem_type, sales_channel, month_of(found_date) AS found, month_of(due_date) AS due,
    month_of(handled_date) AS handled, due_date < as_of_date AS over, coalesce(handled_date <= due_date,
        false) AS on_time,
    handle_result = '成功' AS solved
FROM cur_f05 CROSS JOIN run;

INSERT INTO m BY NAME
SELECT 'problems_found' AS measure, found AS month, rep, CASE WHEN grouping(sales_channel) = 0 THEN 'sales_channel'
        WHEN grouping(problem_type) = 0 THEN 'problem_type' ELSE 'total' END AS dim,
    coalesce(sales_channel, problem_type, 'total') AS val, count(*) AS amount
FROM problem GROUP BY GROUPING SETS ((found, rep), (found, rep, sales_channel), (found, rep, problem_type));

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT due AS month, rep, CASE WHEN grouping(problem_type) = 0 THEN 'problem_type' ELSE 'total' END AS dim,
        coalesce(problem_type, 'total') AS val, count(*) FILTER (over) AS problems_due,
        count(*) FILTER (over AND handled IS NOT NULL) AS problems_due_handled,
        count(*) FILTER (over AND on_time) AS problems_due_handled_on_time,
        count(*) FILTER (NOT over) AS problems_not_yet_due
    FROM problem GROUP BY GROUPING SETS ((due, rep), (due, rep, problem_type)))
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT handled AS month, rep, CASE WHEN grouping(problem_type) = 0 THEN 'problem_type' ELSE 'total' END AS dim,
        coalesce(problem_type, 'total') AS val, count(*) AS problems_handled,
            count(*) FILTER (solved) AS problems_solved
    FROM problem WHERE handled IS NOT NULL GROUP BY GROUPING SETS ((handled, rep), (handled, rep, problem_type)))
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

CREATE TEMP TABLE volume AS
SELECT (t.period || '-01')::DATE AS month, f.rep, t.line_code, sum(t.premium) AS premium,
    sum(t.policies_new) AS policies_new,
    sum(t.policies_in_force) AS policies_in_force, sum(t.person_times) AS person_times
FROM f06 AS t JOIN force AS f USING (no) ANTI JOIN held USING (no, r)
WHERE t.record_action <> 'D'
GROUP BY ALL;

INSERT INTO m BY NAME
SELECT 'premium' AS measure, month, rep, 'line_code' AS dim, line_code AS val, premium AS amount FROM volume
UNION ALL
SELECT 'premium', month, rep, 'total', 'total', sum(premium) FROM volume GROUP BY ALL;

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month, rep, 'total' AS dim, 'total' AS val, sum(policies_new) AS policies_new,
        sum(policies_in_force) AS policies_in_force, sum(person_times) AS person_times
    FROM volume GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
WITH own AS (
    SELECT t.*, f.rep, make_date(left(f.per, 4)::INT, right(f.per, 1)::INT * 3, 1) AS month
    FROM f11 AS t JOIN force AS f USING (no) ANTI JOIN held USING (no, r)
    WHERE t.record_action <> 'D' AND t.org_code = f.rep
    QUALIFY row_number() OVER (PARTITION BY f.rep, f.per ORDER BY as_of_date DESC, r DESC) = 1
)
FROM (UNPIVOT (
    SELECT month, true AS quarterly, rep, 'total' AS dim, 'total' AS val, count(*) AS institutions_described,
        count(*) FILTER (fi_ledger) AS institutions_with_ledger,
            count(*) FILTER (fi_rules) AS institutions_with_rules,
        count(*) FILTER (fi_sales_covered) AS institutions_covering_sales
    FROM own GROUP BY ALL) ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

-- Obligations: the shortest window they belong to, and the month they end with.
CREATE TEMP TABLE duty AS
SELECT o.form, o.rep, o.per, o.months, o.ps AS first_month, month_of(o.pe) AS month, a.no IS NOT NULL AS in_force,
    coalesce(a.signed_at::DATE <= o.due, false) AS on_time, coalesce(s.firsts, 0) AS firsts, coalesce(s.passed,
        0) AS passed
FROM owed AS o
LEFT JOIN (SELECT form, per, rep, min(no) AS no, min(signed_at) AS signed_at
    FROM chained GROUP BY ALL) AS a USING (form, per, rep)
LEFT JOIN (
    SELECT b.form, b.per, b.rep, count(*) AS firsts, count(*) FILTER (NOT EXISTS (
        SELECT 1 FROM finding AS f JOIN severity AS v USING (rule) WHERE f.no = b.no AND v.severity = 'E')) AS passed
    FROM b WHERE b.seq = 1 GROUP BY ALL) AS s USING (form, per, rep);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month, months = 3 AS quarterly, rep, CASE WHEN grouping(form) = 0 THEN 'form' ELSE 'total' END AS dim,
        coalesce(form, 'total') AS val, count(*)::HUGEINT AS filings_owed,
            (count(*) FILTER (on_time))::HUGEINT AS filings_on_time,
        sum(firsts)::HUGEINT AS first_submissions, sum(passed)::HUGEINT AS first_submissions_passed
    FROM duty GROUP BY GROUPING SETS ((month, months, rep), (month, months, rep, form)))
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

-- What is computed: one series per KPI and dimension.
CREATE TEMP TABLE series AS
WITH cat AS (FROM read_csv('{root}/dbt_project/seeds/kpi_catalogue.csv', header = true, all_varchar = true)),
variant AS (FROM read_csv('{root}/dbt_project/seeds/kpi_variants.csv', header = true, all_varchar = true)),
described AS (
    SELECT kpi_id, kind, unnest(string_split(dimensions, '|')) AS dim, CASE
        WHEN dim = 'total' THEN 'total' END AS val,
        numerator_measure, denominator_measure, forms, grains, period_types, dim = 'total' AS dense
    FROM cat WHERE dimensions IS NOT NULL
    UNION ALL
    SELECT v.kpi_id, v.kind, v.dimension, v.dimension_value, v.numerator_measure, v.denominator_measure,
        coalesce(v.forms, c.forms), coalesce(v.grains, c.grains), coalesce(v.period_types, c.period_types),
            v.is_dense = 'true'
    FROM variant AS v JOIN cat AS c USING (kpi_id)
)
SELECT row_number() OVER ()::SMALLINT AS sid, d.kpi_id, d.kind, d.dim, d.val, d.numerator_measure AS num,
    d.denominator_measure AS den, coalesce(c.denominator_dimension, 'same') = 'total' AND d.val IS NULL AS den_total,
    c.left_out_measure AS left_out, c.of_kpi, c.base_window, c.scale::BIGINT AS scale, c.unit,
    string_split(d.grains, '|') AS grains, string_split(d.period_types, '|') AS ptypes,
    dense_rank() OVER (ORDER BY d.forms, c.insurer_classes, c.coverage_rule)::SMALLINT AS sk,
    string_split(d.forms, '|') AS forms, string_split(c.insurer_classes, '|') AS classes,
        c.coverage_rule = 'owed' AS by_duty,
    string_split(c.edge_policies, '|') AS edges, c.small_base_on AS small_on, d.dense,
    d.kpi_id IN (SELECT of_kpi FROM cat WHERE kind = 'growth') AS is_base
FROM described AS d JOIN cat AS c USING (kpi_id);

CREATE TEMP TABLE need AS
WITH role AS (UNPIVOT (SELECT sid, num, den, left_out FROM series WHERE kind IN ('count', 'ratio', 'index'))
    ON num, den, left_out INTO NAME role VALUE measure)
SELECT role.*, s.is_base, CASE WHEN s.val IS NOT NULL OR (role = 'den'
    AND s.den_total) THEN 'total' ELSE s.dim END AS dim,
    CASE WHEN s.val IS NOT NULL THEN s.val WHEN role = 'den' AND s.den_total THEN '*' END AS val
FROM role JOIN series AS s USING (sid);

-- Complete calendar windows.
CREATE TEMP TABLE wm AS
WITH covered AS (SELECT DISTINCT (first_month + to_months(k))::DATE AS month
    FROM duty, range(0, 3) AS s(k) WHERE k < months),
candidate AS (
    SELECT t.ptype, t.n, month,
        CASE t.ptype WHEN 'month' THEN strftime(month, '%Y-%m')
            WHEN 'quarter' THEN concat(year(month), 'Q', quarter(month))
            WHEN 'half_year' THEN concat(year(month), CASE WHEN month(month) <= 6 THEN 'H1' ELSE 'H2' END)
            ELSE year(month)::VARCHAR END AS period
    FROM covered, (VALUES ('month', 1), ('quarter', 3), ('half_year', 6), ('year', 12)) AS t(ptype, n)
    UNION ALL
    SELECT 'ytd', month(e.month), c.month, strftime(e.month, '%Y-%m')
    FROM covered AS e JOIN covered AS c ON year(c.month) = year(e.month) AND c.month <= e.month
)
SELECT ptype, period, month, month = max(month) OVER w AS last,
    dense_rank() OVER (ORDER BY ptype, period)::SMALLINT AS wid
FROM candidate
WINDOW w AS (PARTITION BY ptype, period)
QUALIFY count(*) OVER w = n;

CREATE TEMP TABLE win AS
WITH bound AS (SELECT wid, ptype, period, min(month) AS first, max(month) AS last, count(*) AS n FROM wm GROUP BY ALL)
SELECT a.*, (a.last + INTERVAL 1 MONTH - INTERVAL 1 DAY)::DATE AS last_day, y.wid AS year_before,
    p.wid AS period_before,
    (a.first - INTERVAL 1 YEAR)::DATE AS year_first, (a.first - to_months(a.n::INT))::DATE AS period_first,
    CASE a.ptype WHEN 'month' THEN strftime(a.last - INTERVAL 1 YEAR, '%Y-%m')
        WHEN 'ytd' THEN strftime(a.last - INTERVAL 1 YEAR, '%Y-%m')
        ELSE (left(a.period, 4)::INT - 1)::VARCHAR || substr(a.period, 5) END AS year_label,
    CASE a.ptype WHEN 'month' THEN strftime(a.last - INTERVAL 1 MONTH, '%Y-%m')
        WHEN 'quarter' THEN concat(year(a.last - INTERVAL 3 MONTH), 'Q', quarter(a.last - INTERVAL 3 MONTH))
        WHEN 'half_year' THEN concat(year(a.last - INTERVAL 6 MONTH), CASE WHEN month(a.last) = 12 THEN 'H1'
            ELSE 'H2' END) END
        AS period_label
FROM bound AS a
LEFT JOIN bound AS y ON y.ptype = a.ptype AND y.last = a.last - INTERVAL 1 YEAR AND y.n = a.n
LEFT JOIN bound AS p ON p.ptype = a.ptype AND a.ptype NOT IN ('year', 'ytd')
    AND p.last = a.last - to_months(a.n::INT);

-- Whose figures count for whom: as filed, and with merged insurers under their heirs.
CREATE TEMP TABLE heir AS
WITH RECURSIVE way AS (
    SELECT rep, rep AS heir, 0 AS steps FROM insurer
    UNION ALL
    SELECT w.rep, h.rep, w.steps + 1
    FROM way AS w JOIN insurer AS i ON i.rep = w.heir JOIN insurer AS h ON h.rep = i.successor_code CROSS JOIN run
    WHERE w.steps < 20 AND (i.closed_on IS NULL OR i.closed_on <= run.as_of_date)
)
SELECT 'current' AS basis, rep, rep AS org FROM insurer
UNION ALL
SELECT 'comparable', rep, heir FROM way QUALIFY row_number() OVER (PARTITION BY rep ORDER BY steps DESC) = 1;

-- Groups as numbers: each insurer stands in four.
CREATE TEMP TABLE grp AS
SELECT row_number() OVER (ORDER BY grain, gk)::SMALLINT AS gid, grain, gk
FROM (
    SELECT 1 AS grain, rep AS gk FROM insurer UNION SELECT 2, type FROM insurer UNION SELECT 3, peer_group
        FROM insurer
    UNION SELECT 4, 'bureau');

CREATE TEMP TABLE member AS
SELECT i.rep, g.grain, g.gid, (min(g.gid) FILTER (g.grain = 1) OVER (PARTITION BY i.rep)) AS own
FROM insurer AS i JOIN grp AS g ON g.gk IN (i.rep, i.type, i.peer_group, 'bureau')
    AND g.gk = CASE g.grain WHEN 1 THEN i.rep WHEN 2 THEN i.type WHEN 3 THEN i.peer_group ELSE 'bureau' END;

CREATE TEMP MACRO grain_no(grain) AS CASE grain WHEN 'insurer' THEN 1 WHEN 'insurer_type' THEN 2
    WHEN 'peer_group' THEN 3 ELSE 4 END;

CREATE TEMP TABLE series_grain AS SELECT sid, grain_no(unnest(grains)) AS grain FROM series;

CREATE TEMP TABLE series_window AS
SELECT k.sid, win.wid FROM series AS k JOIN win ON list_contains(k.ptypes, win.ptype);

-- Who is in scope, and who is complete.
CREATE TEMP TABLE scope AS
WITH party AS (FROM heir UNION ALL SELECT DISTINCT basis, '00000000000001', '00000000000001' FROM heir),
coverage AS (
    SELECT p.basis, p.org, d.form, d.months, w.wid, count(*) AS owed, count(*) FILTER (d.in_force) AS there,
        count(*) FILTER (w.last) AS owed_end, count(*) FILTER (w.last AND d.in_force) AS there_end
    FROM duty AS d JOIN party AS p USING (rep) JOIN wm AS w ON w.month = d.month
        AND (d.months = 1 OR w.ptype <> 'month')
    GROUP BY ALL
),
wanted AS (SELECT sk, any_value(forms) AS forms, any_value(classes) AS classes, any_value(by_duty) AS by_duty,
    bool_or(is_base) AS is_base
    FROM series GROUP BY sk),
one AS (SELECT sk, by_duty, is_base, unnest(forms) AS form FROM wanted),
calendar_of AS (SELECT form, min(first_month) AS first, max(month) AS last FROM duty GROUP BY ALL),
span AS (
    SELECT o.sk, count(*) AS n_forms, CASE WHEN o.by_duty THEN min(c.first)
        WHEN count(c.form) = count(*) THEN max(c.first) END AS first,
        CASE WHEN o.by_duty THEN max(c.last) WHEN count(c.form) = count(*) THEN min(c.last) END AS last
    FROM one AS o LEFT JOIN calendar_of AS c USING (form) GROUP BY o.sk, o.by_duty
),
filed AS (
    SELECT o.sk, c.basis, c.org, c.wid, count(*) AS n_forms,
        bool_and(CASE c.months WHEN 3 THEN c.there_end = c.owed_end ELSE c.there = c.owed END) AS complete
    FROM one AS o JOIN coverage AS c USING (form)
    WHERE (c.basis = 'current' OR o.is_base) AND (c.months = 1 OR c.owed_end > 0 OR o.by_duty)
    GROUP BY ALL
),
institution AS (
    SELECT f.sk, f.basis, f.wid, f.org,
        w.by_duty OR (f.complete AND coalesce(s.complete, true)) AS complete
    FROM filed AS f JOIN wanted AS w USING (sk) JOIN span AS k USING (sk)
    JOIN win ON win.wid = f.wid AND k.first <= win.first AND k.last >= win.last
    JOIN insurer AS i ON i.rep = f.org AND list_contains(w.classes, i.class)
    LEFT JOIN filed AS s ON s.sk = f.sk AND s.basis = f.basis AND s.wid = f.wid AND s.org = '00000000000001'
    WHERE w.by_duty OR f.n_forms + coalesce(s.n_forms, 0) = k.n_forms
)
SELECT sk, basis, wid, g.grain, g.gid, count(*)::INT AS n_scope, count(*) FILTER (complete)::INT AS n_complete
FROM institution AS i JOIN member AS g ON g.rep = i.org
GROUP BY ALL;

-- Numerators and denominators by window and group.
CREATE TEMP TABLE summed AS
WITH stock AS (SELECT unnest(['policies_in_force', 'institutions_described', 'institutions_with_ledger',
    'institutions_with_rules',
    'institutions_covering_sales']) AS measure),
grown AS (SELECT DISTINCT measure FROM need WHERE is_base)
SELECT h.basis, m.measure, w.wid, h.org, m.dim, m.val, sum(m.amount)::DECIMAL(18, 2) AS amount
FROM m
JOIN wm AS w ON w.month = m.month AND (NOT m.quarterly OR w.ptype <> 'month')
JOIN heir AS h USING (rep)
LEFT JOIN stock AS s ON s.measure = m.measure
LEFT JOIN grown AS g ON g.measure = m.measure
WHERE (s.measure IS NULL OR w.last) AND (h.basis = 'current' OR g.measure IS NOT NULL) AND m.amount <> 0
    AND m.val IS NOT NULL
GROUP BY ALL;

CREATE TEMP TABLE cell AS
WITH summed_up AS (
    SELECT n.sid, s.basis = 'current' AS current, s.wid, s.org, coalesce(n.val, s.val) AS val,
        coalesce(sum(s.amount) FILTER (role = 'num'), 0) AS num,
        coalesce(sum(s.amount) FILTER (role = 'den'), 0) AS den,
        coalesce(sum(s.amount) FILTER (role = 'left_out'), 0) AS left_out
    FROM summed AS s JOIN need AS n ON n.measure = s.measure AND n.dim = s.dim
    WHERE s.basis = 'current' OR n.is_base
    GROUP BY ALL
)
SELECT c.*, k.den_total, k.kind = 'index' AS is_index, s.n_complete = 1 AS complete
FROM summed_up AS c
JOIN series AS k USING (sid)
JOIN member AS own ON own.rep = c.org AND own.grain = 1
JOIN scope AS s ON s.sk = k.sk AND s.wid = c.wid AND s.gid = own.gid AND (s.basis = 'current') = c.current
SEMI JOIN series_window AS w ON w.sid = c.sid AND w.wid = c.wid;

CREATE TEMP TABLE operand AS
WITH allowed AS (
    SELECT sid, grain FROM series_grain UNION SELECT sid, 4 FROM series WHERE kind = 'index'
),
placed AS (
    SELECT c.sid, c.den_total, c.current, c.wid, g.grain, g.gid, c.val, sum(c.num) AS num, sum(c.den) AS den,
        sum(c.left_out) AS left_out
    FROM cell AS c JOIN allowed AS a USING (sid) JOIN member AS g ON g.rep = c.org AND g.grain = a.grain
    WHERE g.grain = 1 OR c.complete
    GROUP BY ALL
)
SELECT p.* EXCLUDE (den, den_total, current), CASE WHEN p.current THEN 'current' ELSE 'comparable' END AS basis,
    CASE WHEN p.den_total THEN coalesce(t.den, 0) ELSE p.den END AS den,
    p.num <> 0 OR p.den <> 0 AS has_cases
FROM placed AS p
LEFT JOIN (SELECT * FROM placed WHERE val = '*') AS t
    ON t.sid = p.sid AND t.current = p.current AND t.wid = p.wid AND t.gid = p.gid
WHERE p.val <> '*';

-- Exact: round half away from zero on integers.
CREATE TEMP MACRO ratio(n, d, scale) AS
    CASE WHEN d <> 0 THEN (sign(n) * sign(d) * sign(scale)
        * ((200 * abs((n * 1000000)::HUGEINT * scale) + abs((d * 1000000)::HUGEINT)) // (2 * abs((d *
            1000000)::HUGEINT))))::DECIMAL(36, 0)
        * 0.01 END;

CREATE TEMP TABLE rated AS
WITH frame AS (
    SELECT k.sid, s.basis, s.wid, s.gid, k.val
    FROM series AS k JOIN series_window AS w USING (sid) JOIN scope AS s ON s.sk = k.sk AND s.wid = w.wid
    SEMI JOIN series_grain AS g ON g.sid = k.sid AND g.grain = s.grain
    WHERE k.kind IN ('count', 'ratio') AND k.dense AND k.val IS NOT NULL AND (s.basis = 'current' OR k.is_base)
    UNION ALL
    SELECT o.sid, o.basis, o.wid, o.gid, o.val
    FROM operand AS o JOIN series AS k USING (sid) SEMI JOIN series_grain AS g ON g.sid = o.sid AND g.grain = o.grain
    WHERE k.kind IN ('count', 'ratio') AND NOT (k.dense AND k.val IS NOT NULL) AND o.has_cases
),
counted AS (
    SELECT k.sid, k.kpi_id, k.kind, f.basis, f.wid, s.grain, f.gid, k.dim, f.val, k.scale, k.unit, k.edges,
        k.small_on,
        s.n_complete, s.n_complete > 0 AND s.n_complete < s.n_scope AS partial,
        CASE WHEN s.n_complete > 0 THEN coalesce(o.num, 0) END AS num,
        CASE WHEN s.n_complete > 0 AND k.kind = 'ratio' THEN coalesce(o.den, 0) END AS den, coalesce(o.left_out,
            0) > 0 AS immature
    FROM frame AS f JOIN series AS k USING (sid)
    JOIN scope AS s ON s.sk = k.sk AND s.basis = f.basis AND s.wid = f.wid AND s.gid = f.gid
    LEFT JOIN operand AS o ON o.sid = f.sid AND o.basis = f.basis AND o.wid = f.wid AND o.gid = f.gid
        AND o.val = f.val
    WHERE s.n_complete > 0 OR k.dense  -- what nobody filed is told once, not divided
)
SELECT *, CASE WHEN kind = 'count' THEN num WHEN den > 0 THEN ratio(num, den, scale) END::DECIMAL(18,
    2) AS value FROM counted;

-- Values of all kinds in one shape; flags in the order they are printed.
CREATE TEMP TABLE value_of AS
SELECT sid, kpi_id, basis, wid, gid, dim, val, num::DECIMAL(38, 6) AS num, den::DECIMAL(38, 6) AS den, value, unit,
    NULL::DECIMAL(38, 6) AS base, NULL::VARCHAR AS base_period,
    n_complete AS n, n_complete = 0 AS missing, false AS no_base, kind = 'ratio'
        AND coalesce(den <= 0, false) AS zero_den,
    list_contains(edges, 'E3') AND value IS NOT NULL
        AND coalesce(CASE small_on WHEN 'numerator' THEN num WHEN 'denominator' THEN den END < 30, false) AS small,
    list_contains(edges, 'E6') AND immature AS immature,
    list_contains(edges, 'E8') AND dim = 'reason_l1' AND val = '退保纠纷' AND win.first < DATE '2022-01-01'
        AND win.last_day >= DATE '2022-01-01' AS broken, partial
FROM rated JOIN win USING (wid);

INSERT INTO value_of
WITH compared AS (
    SELECT k.*, w.wid, w.ptype, w.last_day, CASE k.base_window WHEN 'year_before' THEN w.year_before
        ELSE w.period_before END AS base_wid,
        CASE k.base_window WHEN 'year_before' THEN w.year_label ELSE w.period_label END AS base_period,
        CASE k.base_window WHEN 'year_before' THEN w.year_first ELSE w.period_first END AS base_first
    FROM series AS k JOIN win AS w ON list_contains(k.ptypes, w.ptype)
    WHERE k.kind = 'growth'
),
frame AS (
    SELECT c.sid, c.wid, v.basis, v.gid, v.val
    FROM compared AS c JOIN rated AS v ON v.kpi_id = c.of_kpi AND v.dim = c.dim AND v.wid = c.wid
    SEMI JOIN series_grain AS g ON g.sid = c.sid AND g.grain = v.grain
    UNION
    SELECT c.sid, c.wid, v.basis, v.gid, v.val
    FROM compared AS c JOIN rated AS v ON v.kpi_id = c.of_kpi AND v.dim = c.dim AND v.wid = c.base_wid
    SEMI JOIN series_grain AS g ON g.sid = c.sid AND g.grain = v.grain
),
joined AS (
    SELECT c.sid, c.kpi_id, c.dim, c.scale, c.unit, c.edges, c.base_period, c.base_first, c.last_day, f.basis,
        f.wid, f.gid,
        f.val, t.n_complete AS n, t.n_complete = 0 AS missing,
        t.grain <> 1 AND (t.partial OR coalesce(bt.partial, false)) AS partial,
        CASE WHEN t.n_complete = 0 THEN NULL WHEN f.val = 'total' THEN v.value
            ELSE coalesce(v.value, 0) END AS amount,
        CASE WHEN bt.n_complete IS NULL OR bt.n_complete = 0 THEN NULL WHEN f.val = 'total' THEN bv.value
            ELSE coalesce(bv.value, 0) END AS base, coalesce(bv.num, 0) AS base_cases
    FROM frame AS f JOIN compared AS c USING (sid, wid)
    JOIN rated AS t ON t.kpi_id = c.of_kpi AND t.dim = 'total' AND t.basis = f.basis AND t.wid = f.wid
        AND t.gid = f.gid
    LEFT JOIN rated AS v ON v.kpi_id = c.of_kpi AND v.dim = c.dim AND v.basis = f.basis AND v.wid = f.wid
        AND v.gid = f.gid AND v.val = f.val
    LEFT JOIN rated AS bt ON bt.kpi_id = c.of_kpi AND bt.dim = 'total' AND bt.basis = f.basis AND bt.wid = c.base_wid
        AND bt.gid = f.gid
    LEFT JOIN rated AS bv ON bv.kpi_id = c.of_kpi AND bv.dim = c.dim AND bv.basis = f.basis AND bv.wid = c.base_wid
        AND bv.gid = f.gid AND bv.val = f.val
),
valued AS (SELECT *, ratio(amount - base, base, scale)::DECIMAL(18, 2) AS value
    FROM joined WHERE NOT missing OR dim = 'total')
SELECT sid, kpi_id, basis, wid, gid, dim, val, amount, CASE WHEN NOT missing THEN base END, value, unit,
    CASE WHEN NOT missing THEN base END, base_period, n, missing, base IS NULL,
    NOT missing AND coalesce(base = 0 OR amount IS NULL, false),
    list_contains(edges, 'E3') AND value IS NOT NULL AND base_cases < 30, false,
    list_contains(edges, 'E8') AND dim = 'reason_l1' AND val = '退保纠纷' AND base_first < DATE '2022-01-01'
        AND last_day >= DATE '2022-01-01', partial
FROM valued;

-- Share of cases over share of premium.
INSERT INTO value_of
WITH frame AS (
    SELECT k.sid, s.wid, s.gid, k.val
    FROM series AS k JOIN series_window AS w USING (sid) JOIN scope AS s ON s.sk = k.sk AND s.wid = w.wid
    WHERE k.kind = 'index' AND k.dense AND s.grain = 1 AND s.basis = 'current'
    UNION ALL
    SELECT o.sid, o.wid, o.gid, o.val FROM operand AS o JOIN series AS k USING (sid)
    WHERE k.kind = 'index' AND NOT k.dense AND o.grain = 1 AND o.basis = 'current'
),
compared AS (
    SELECT k.sid, k.kpi_id, f.wid, f.gid, k.dim, f.val, k.unit, k.edges, k.dense, s.n_complete, coalesce(o.num,
        0) AS cases,
        (coalesce(o.num, 0)::DECIMAL(18, 0) * coalesce(a.den, 0)::DECIMAL(20, 2))::DECIMAL(38, 6) AS scaled_cases,
        (coalesce(a.num, 0)::DECIMAL(18, 0) * coalesce(o.den, 0)::DECIMAL(20, 2))::DECIMAL(38, 6) AS scaled_expected,
        coalesce(a.den, 0) AS all_exposure
    FROM frame AS f JOIN series AS k USING (sid)
    JOIN scope AS s ON s.sk = k.sk AND s.basis = 'current' AND s.wid = f.wid AND s.gid = f.gid
    LEFT JOIN operand AS o ON o.sid = f.sid AND o.basis = 'current' AND o.wid = f.wid AND o.gid = f.gid
        AND o.val = f.val
    LEFT JOIN operand AS a ON a.sid = f.sid AND a.basis = 'current' AND a.wid = f.wid AND a.grain = 4
        AND a.val = f.val
),
valued AS (
    SELECT *, CASE WHEN all_exposure <> 0 THEN (sign(scaled_expected) * sign(all_exposure)
            * ((2000000 * abs((scaled_expected * 1000000)::HUGEINT) + abs((all_exposure * 1000000)::HUGEINT))
            // (2 * abs((all_exposure * 1000000)::HUGEINT))))::DECIMAL(32, 0) * 0.000001 END AS expected,
        CASE WHEN scaled_expected > 0 AND all_exposure > 0 THEN ratio(scaled_cases, scaled_expected,
            1) END::DECIMAL(18, 2) AS value
    FROM compared
)
SELECT sid, kpi_id, 'current', wid, gid, dim, val, CASE WHEN n_complete = 1 THEN cases END,
    CASE WHEN n_complete = 1 THEN expected END, CASE WHEN n_complete = 1 THEN value END, unit, NULL, NULL,
        n_complete, n_complete = 0,
    false, n_complete = 1 AND value IS NULL,
    list_contains(edges, 'E3') AND n_complete = 1 AND value IS NOT NULL AND cases < 30, false, false, false
FROM valued
WHERE dense OR (n_complete = 1 AND (cases <> 0 OR coalesce(expected, 0) <> 0));

-- Median of institutions' rates.
INSERT INTO value_of
WITH rate AS (
    SELECT k.sid, k.kpi_id, k.dim, r.sid AS rate_sid, r.sk, r.unit,
        r.kpi_id || CASE WHEN r.dim = 'total' THEN '' ELSE '.' || r.val END AS name
    FROM (SELECT *, unnest(string_split(of_kpi, '|')) AS rate_of FROM series WHERE kind = 'rate_median') AS k
    JOIN series AS r ON r.kpi_id = k.rate_of
),
frame AS (
    SELECT rate.*, s.wid, s.gid, s.n_complete < s.n_scope AS partial
    FROM rate
    JOIN series_window AS w ON w.sid = rate.rate_sid
    JOIN scope AS s ON s.sk = rate.sk AND s.wid = w.wid AND s.basis = 'current'
    SEMI JOIN series_grain AS g ON g.sid = rate.sid AND g.grain = s.grain
),
seen AS (
    SELECT v.sid AS rate_sid, v.wid, g.gid, v.value, v.num = 0 AS none
    FROM rated AS v JOIN member AS g ON g.own = v.gid
    SEMI JOIN frame AS f ON f.rate_sid = v.sid AND f.wid = v.wid AND f.gid = g.gid
    WHERE v.basis = 'current' AND v.grain = 1 AND v.value IS NOT NULL
),
used AS (
    SELECT *, row_number() OVER w AS p, count(*) OVER (PARTITION BY rate_sid, wid, gid, population) AS n
    FROM (SELECT *, 'incl_zero' AS population FROM seen UNION ALL SELECT *, 'excl_zero' FROM seen WHERE NOT none)
    WINDOW w AS (PARTITION BY rate_sid, wid, gid, population ORDER BY value)
),
middle AS (
    SELECT rate_sid, wid, gid, population, any_value(n) AS n,
        ratio(
            sum(value) FILTER (p IN ((n + 1) // 2, n // 2 + 1)) * CASE WHEN any_value(n) % 2 = 1 THEN 2 ELSE 1 END, 2, 1
        ) AS value
    FROM used GROUP BY ALL
),
zeros AS (SELECT rate_sid, wid, gid, count(*) FILTER (none) AS n FROM seen GROUP BY ALL)
SELECT f.sid, f.kpi_id, 'current', f.wid, f.gid, f.dim, f.name || '.' || o.population, coalesce(z.n, 0),
    coalesce(q.n, 0), q.value, f.unit, NULL, NULL, coalesce(q.n, 0), false, false, coalesce(q.n, 0) = 0, false, false, false, f.partial
FROM frame AS f
CROSS JOIN (VALUES ('incl_zero'), ('excl_zero')) AS o(population)
LEFT JOIN middle AS q ON q.rate_sid = f.rate_sid AND q.wid = f.wid AND q.gid = f.gid AND q.population = o.population
LEFT JOIN zeros AS z ON z.rate_sid = f.rate_sid AND z.wid = f.wid AND z.gid = f.gid;

-- Median of days to decide.
INSERT INTO value_of
WITH taken AS (
    SELECT rep, w.wid, days, count(*) AS n FROM complaint AS c
        JOIN wm AS w ON w.month = c.decided WHERE days IS NOT NULL GROUP BY ALL
),
grouped AS (
    SELECT k.sid, t.wid, g.gid, t.days, sum(t.n) AS n
    FROM series AS k JOIN series_window AS w USING (sid) JOIN taken AS t ON t.wid = w.wid
    JOIN member AS g ON g.rep = t.rep
    JOIN scope AS s ON s.sk = k.sk AND s.basis = 'current' AND s.wid = t.wid AND s.gid = g.own
    SEMI JOIN series_grain AS x ON x.sid = k.sid AND x.grain = g.grain
    WHERE k.kind = 'case_median' AND (g.grain = 1 OR s.n_complete = 1)
    GROUP BY ALL
),
running AS (
    SELECT *, sum(n) OVER (PARTITION BY sid, wid, gid ORDER BY days) AS upto, sum(n) OVER (PARTITION BY sid, wid,
        gid) AS total
    FROM grouped
),
middle AS (
    SELECT sid, wid, gid, any_value(total) AS total,
        min(days) FILTER (upto >= (total + 1) // 2) + min(days) FILTER (upto >= total // 2 + 1) AS two
    FROM running GROUP BY ALL
)
SELECT k.sid, k.kpi_id, 'current', s.wid, s.gid, k.dim, k.val, NULL, CASE
    WHEN s.n_complete > 0 THEN coalesce(q.total, 0) END,
    CASE WHEN s.n_complete > 0 THEN ratio(q.two, 2, 1) END, k.unit, NULL, NULL, s.n_complete, s.n_complete = 0, false,
    s.n_complete > 0 AND q.total IS NULL, false, false, false, s.n_complete > 0 AND s.n_complete < s.n_scope
FROM series AS k JOIN series_window AS w USING (sid) JOIN scope AS s ON s.sk = k.sk AND s.basis = 'current'
    AND s.wid = w.wid
SEMI JOIN series_grain AS x ON x.sid = k.sid AND x.grain = s.grain
LEFT JOIN middle AS q ON q.sid = k.sid AND q.wid = s.wid AND q.gid = s.gid
WHERE k.kind = 'case_median';

CREATE TABLE kpi_values AS
WITH candidate AS (
    SELECT v.*, g.grain, g.gk, g.grain = 1 AND v.value IS NOT NULL
        AND NOT v.small AS ranked, i.type, i.peer_group AS pg
    FROM value_of AS v JOIN series AS k USING (sid) JOIN grp AS g USING (gid)
    LEFT JOIN insurer AS i ON i.rep = g.gk
    WHERE v.basis = 'current' OR k.kind = 'growth'
),
placed AS (
    SELECT sid, basis, wid, gid, val, ranked, rank() OVER (PARTITION BY sid, wid, basis, val, type
        ORDER BY value DESC)::INT AS rank
    FROM candidate WHERE ranked
),
sets AS (SELECT sid, basis, wid, val, type, count(*) AS n FROM candidate WHERE ranked GROUP BY ALL)
SELECT c.kpi_id, win.ptype AS period_type, win.period,
    CASE c.grain WHEN 1 THEN 'insurer' WHEN 2 THEN 'insurer_type' WHEN 3 THEN 'peer_group' ELSE 'bureau' END AS grain,
    CASE WHEN c.grain = 1 THEN c.gk END AS org_code, CASE c.grain WHEN 1 THEN pg WHEN 3 THEN c.gk END AS peer_group,
    CASE c.grain WHEN 1 THEN c.type WHEN 2 THEN c.gk END AS insurer_type,
    c.dim AS dimension, c.val AS dimension_value, c.num AS numerator, c.den AS denominator, c.value,
    c.unit, c.base AS base_value, c.base_period, c.basis,
    CASE WHEN missing THEN 'MISSING' ELSE coalesce(nullif(concat_ws('|', CASE WHEN no_base THEN 'NO_BASE' END,
        CASE WHEN zero_den THEN 'ZERO_DEN' END, CASE WHEN small THEN 'SMALL_BASE' END, CASE
            WHEN immature THEN 'IMMATURE' END,
        CASE WHEN broken THEN 'BREAK' END, CASE WHEN partial THEN 'PARTIAL' END), ''), 'OK') END AS status,
    p.rank, CASE WHEN c.grain = 1 THEN sets.n ELSE c.n END::INT AS n_institutions
FROM candidate AS c JOIN win USING (wid)
LEFT JOIN placed AS p ON p.sid = c.sid AND p.basis = c.basis AND p.wid = c.wid AND p.gid = c.gid AND p.val = c.val
LEFT JOIN sets ON sets.sid = c.sid AND sets.basis = c.basis AND sets.wid = c.wid AND sets.val = c.val
    AND sets.type = c.type;


CREATE TABLE kpi_peer_statistics AS
WITH placed AS (
    SELECT kpi_id, period_type, period, insurer_type, dimension, dimension_value, value,
        row_number() OVER w AS p, count(*) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS n
    FROM kpi_values WHERE grain = 'insurer' AND basis = 'current' AND value IS NOT NULL
    WINDOW w AS (PARTITION BY kpi_id, period_type, period, insurer_type, dimension, dimension_value ORDER BY value)
),
quarter AS (SELECT *, unnest([1, 2, 3]) AS q FROM placed)
SELECT kpi_id, period_type, period, insurer_type, dimension, dimension_value, q, any_value(n) AS n_institutions,
    count(*) FILTER (value = 0) AS n_zero,
    ratio(coalesce(sum(value) FILTER (p = (n - 1) * q // 4 + 1) * (4 - any_value((n - 1) * q % 4)), 0)
        + coalesce(sum(value) FILTER (p = (n - 1) * q // 4 + 2) * any_value((n - 1) * q % 4), 0), 4, 1) AS quartile
FROM quarter GROUP BY ALL;
