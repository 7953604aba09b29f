-- Rules that look at other rows, and what becomes of each filing. Run after every form is loaded; `hit` holds what
-- the one
-- pass found. A statement with {table} runs once per form, with {immutable} once per immutable column,
-- with {insurer} for
-- insurers' forms only.

-- Structure: the chain of versions of one obligation (ENV-S06).
INSERT INTO hit
WITH chain AS (
    SELECT *, row_number() OVER (PARTITION BY form, per, rep, seq ORDER BY signed_at, id) AS copy
    FROM b
    WHERE form IS NOT NULL AND per IS NOT NULL AND rep IS NOT NULL AND seq IS NOT NULL
)
SELECT c.no, 'ENV-S06', NULL, NULL
FROM chain AS c
LEFT JOIN chain AS p ON p.form = c.form AND p.per = c.per AND p.rep = c.rep AND p.seq = c.seq - 1 AND p.copy = 1
WHERE c.copy > 1 OR c.seq < 1 OR (c.kind = 'ORIGINAL' AND c.seq <> 1)
    OR ((c.kind = 'RESUBMIT' OR (c.kind = 'NIL' AND c.seq > 1))
        AND (c.prior IS NULL OR c.reason IS NULL OR p.id IS NULL OR p.id <> c.prior));

CREATE TEMP TABLE severity AS
SELECT DISTINCT rule, severity FROM checks
UNION ALL
SELECT unnest(['GEN-I05', 'GEN-P02', 'GEN-P03', 'F01-U01', 'F01-U03', 'F02-X02', 'ENV-S08']), 'W'
UNION ALL
SELECT unnest(['GEN-U01', 'GEN-U02', 'GEN-P01', 'F01-U02', 'F01-X01', 'F01-X03', 'F02-X01', 'F02-X03', 'F03-U01',
    'F04-X01',
    'F04-X02', 'F05-X01', 'R03-P01', 'ENV-S01', 'ENV-S02', 'ENV-S03', 'ENV-S04', 'ENV-S05', 'ENV-S06', 'ENV-S07',
    'ENV-S09']), 'E';

-- Rows that their own cells condemn: no measure for what was filed before (GEN-P01).
CREATE TEMP TABLE marked AS
SELECT DISTINCT no, r FROM hit JOIN severity USING (rule) WHERE severity = 'E' AND r IS NOT NULL;

CREATE TEMP MACRO in_order(masters) AS TABLE
SELECT b.*, reading.n
FROM b JOIN reading USING (no)
WHERE NOT reading.refused AND (b.form = 'R03') = masters
    AND NOT EXISTS (SELECT 1 FROM hit AS h WHERE h.no = b.no AND starts_with(h.rule, 'ENV-') AND h.rule <> 'ENV-S08');

-- The verdict on a filing whose structure is in order: rows held back, and more than 5 % of them refuse the file.
CREATE TEMP MACRO weighed(masters) AS TABLE
WITH broken AS (
    SELECT h.no, count(DISTINCT h.r) AS held, count(*) AS errors
    FROM hit AS h JOIN severity USING (rule)
    WHERE severity = 'E'
    GROUP BY h.no
)
SELECT i.no, CASE WHEN e.held * 20 > i.n THEN 'rejected' WHEN e.errors > 0 THEN 'partly_accepted'
    ELSE 'accepted' END AS state
FROM in_order(masters) AS i LEFT JOIN broken AS e USING (no);

-- The institution master first: whom everybody else is measured by.
INSERT INTO hit
WITH intervals AS (
    SELECT r03.*, lag(valid_from) OVER w AS previous_from, lag(valid_to) OVER w AS previous_to
    FROM r03 SEMI JOIN in_order(true) USING (no)
    WHERE org_code IS NOT NULL AND valid_from IS NOT NULL
    WINDOW w AS (PARTITION BY no, org_code ORDER BY valid_from, r)
)
SELECT no, 'R03-P01', r, 'valid_from'
FROM intervals
WHERE valid_to <= valid_from OR (previous_from < valid_from AND previous_to IS DISTINCT FROM valid_from)
UNION
SELECT o.no, 'R03-P01', o.r, 'valid_from'
FROM r03 AS o
JOIN in_order(true) AS b USING (no)
WHERE o.successor_code IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM r03 AS e JOIN in_order(true) AS f USING (no)
    WHERE e.org_code = o.successor_code AND (e.no = o.no OR (f.rep = b.rep AND f.ps < b.ps)));

INSERT INTO hit
WITH twice AS (SELECT no, kh FROM r03 SEMI JOIN in_order(true) USING (no) GROUP BY ALL HAVING count(*) > 1)
SELECT no, 'GEN-U01', r, 'valid_from' FROM r03 SEMI JOIN twice USING (no, kh) WHERE valid_from IS NOT NULL;

CREATE TEMP TABLE master AS
WITH force AS (
    SELECT b.no, b.per FROM weighed(true) AS w JOIN b USING (no)
    WHERE w.state <> 'rejected'
    QUALIFY row_number() OVER (PARTITION BY b.per, b.rep ORDER BY b.seq DESC, b.no DESC) = 1
)
SELECT r03.*
FROM r03 JOIN (SELECT no FROM force QUALIFY per = max(per) OVER ()) USING (no)
ANTI JOIN (SELECT no, r FROM hit JOIN severity USING (rule) WHERE severity = 'E') USING (no, r);

CREATE TEMP TABLE insurer AS
SELECT org_code AS rep, insurer_class AS class, peer_group, opened_on, closed_on, successor_code,
    CASE insurer_class WHEN 'P' THEN 'property' WHEN 'L' THEN 'life' WHEN 'H' THEN 'health' WHEN 'A' THEN 'pension'
        ELSE 'mutual' END AS type
FROM master AS i
WHERE parent_code IS NULL OR NOT EXISTS (SELECT 1 FROM master AS p WHERE p.org_code = i.parent_code)
QUALIFY row_number() OVER (PARTITION BY org_code ORDER BY valid_from DESC) = 1;

CREATE TEMP TABLE rollup AS
WITH RECURSIVE chain AS (
    SELECT org_code, org_code AS top, parent_code, valid_from, valid_to FROM master
    UNION
    SELECT c.org_code, p.org_code, p.parent_code, greatest(c.valid_from, p.valid_from), least(c.valid_to, p.valid_to)
    FROM chain AS c JOIN master AS p ON p.org_code = c.parent_code AND p.org_code <> c.org_code
    WHERE coalesce(p.valid_to, DATE '9999-12-31') > c.valid_from
        AND coalesce(c.valid_to, DATE '9999-12-31') > p.valid_from
)
SELECT org_code, top, valid_from, coalesce(valid_to, DATE '9999-12-31') AS valid_to FROM chain;

-- Who owes the form (ENV-S04).
INSERT INTO hit
SELECT b.no, 'ENV-S04', NULL, NULL
FROM b
JOIN forms AS f USING (form)
JOIN reading USING (no)
LEFT JOIN insurer AS i ON i.rep = b.rep
LEFT JOIN classes AS c ON c.form = b.form AND c.class = i.class
WHERE b.form <> 'R03' AND NOT EXISTS (SELECT 1 FROM hit AS h WHERE h.no = b.no AND h.rule = 'ENV-S01')
    AND CASE f.side WHEN 'supervisor' THEN b.rep <> '00000000000001'
        ELSE i.rep IS NULL OR c.form IS NULL OR i.opened_on > b.pe OR coalesce(i.closed_on <= b.pe, false) END;

CREATE TEMP TABLE readable AS FROM in_order(false) UNION ALL FROM in_order(true);

DELETE FROM {table} WHERE no NOT IN (SELECT no FROM readable);

-- Which filing of each other form stands opposite: known when this one was signed, else the first that came after.
CREATE TEMP TABLE cp AS
SELECT s.no, g.form, g.no AS other
FROM readable AS s
JOIN readable AS g ON g.form <> s.form AND g.ps <= s.ps AND g.pe >= s.pe
JOIN forms AS f ON f.form = g.form
WHERE g.rep = s.rep OR f.side = 'supervisor'
QUALIFY row_number() OVER (
    PARTITION BY s.no, g.form
    ORDER BY g.signed_at <= s.signed_at DESC,
        CASE WHEN g.signed_at <= s.signed_at THEN g.signed_at END DESC NULLS LAST, g.signed_at,
        CASE WHEN g.signed_at <= s.signed_at THEN -g.seq ELSE g.seq END) = 1;

-- What a reference may point at: the counterpart, and what the reporter filed for earlier periods.
CREATE TEMP TABLE see AS
SELECT * FROM cp
UNION
SELECT s.no, g.form, g.no FROM readable AS s JOIN readable AS g ON g.rep = s.rep AND g.ps < s.ps
WHERE EXISTS (SELECT 1 FROM cp WHERE cp.no = s.no AND cp.form = g.form) OR g.form = s.form;

-- Keys that occur more than once, within a file or over time: everything about repeated records looks at these only.
CREATE TEMP TABLE again_{table} AS SELECT kh FROM {table} GROUP BY kh HAVING count(*) > 1;

INSERT INTO hit
WITH repeated AS (SELECT no, kh FROM {table} SEMI JOIN again_{table} USING (kh)
    WHERE {own} IS NOT NULL GROUP BY ALL HAVING count(*) > 1)
SELECT no, 'GEN-U01', r, '{own}' FROM {table} SEMI JOIN repeated USING (no, kh) WHERE '{form}' <> 'R03';

INSERT INTO hit
SELECT t.no, 'GEN-U02', t.r, 'org_code'
FROM {table} AS t JOIN b USING (no)
WHERE t.org_code IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM rollup AS u
    WHERE u.org_code = t.org_code AND u.top = b.rep AND u.valid_from <= {event} AND u.valid_to > {event}){insurer};

INSERT INTO hit
WITH repeated AS (SELECT * FROM {table} SEMI JOIN again_{table} USING (kh))
SELECT DISTINCT s.no, 'GEN-P01', s.r, '{immutable}'
FROM repeated AS s
JOIN b AS bs ON bs.no = s.no
JOIN repeated AS e ON e.kh = s.kh AND e.{immutable} <> s.{immutable}
JOIN b AS be ON be.no = e.no AND (be.ps < bs.ps OR (be.ps = bs.ps AND be.seq < bs.seq))
WHERE NOT EXISTS (SELECT 1 FROM marked AS m WHERE m.no = e.no AND m.r = e.r);

-- F01 within the file.
INSERT INTO hit
WITH cases AS (
    SELECT no, complainant_hash, policy_hash, reason_l1, complaint_id, min(received_at)::DATE AS day,
        min(received_at) AS moment,
        min(r) AS first_r
    FROM f01
    WHERE validity <> '重复' AND policy_hash IS NOT NULL AND complainant_hash IS NOT NULL AND reason_l1 IS NOT NULL
        AND complaint_id IS NOT NULL AND received_at IS NOT NULL
    GROUP BY ALL
),
near AS (
    SELECT * FROM cases
    QUALIFY day - lag(day) OVER (PARTITION BY no, complainant_hash, policy_hash, reason_l1
        ORDER BY moment, first_r) <= 90
)
SELECT f.no, 'F01-U01', f.r, 'complainant_hash'
FROM f01 AS f SEMI JOIN near USING (no, complaint_id, complainant_hash, policy_hash, reason_l1)
WHERE f.validity <> '重复';

INSERT INTO hit
WITH RECURSIVE target AS (
    SELECT no, complaint_id, min(received_at) AS moment FROM f01 WHERE complaint_id IS NOT NULL GROUP BY ALL
),
link AS (
    SELECT f.no, f.r, f.complaint_id AS id, f.first_complaint_id AS first, f.received_at, t.moment
    FROM f01 AS f LEFT JOIN target AS t ON t.no = f.no AND t.complaint_id = f.first_complaint_id
    WHERE f.first_complaint_id IS NOT NULL
),
walk AS (
    SELECT no, id AS origin, min(first) AS reached, 1 AS steps
        FROM link WHERE moment = received_at AND id <> first GROUP BY ALL
    UNION ALL
    SELECT w.no, w.origin, l.first, w.steps + 1
    FROM walk AS w JOIN link AS l ON l.no = w.no AND l.id = w.reached AND l.moment = l.received_at
    WHERE w.reached <> w.origin AND w.steps < 100
)
SELECT l.no, 'F01-U02', l.r, 'first_complaint_id'
FROM link AS l
WHERE l.first = l.id OR l.moment > l.received_at
    OR EXISTS (SELECT 1 FROM walk AS w WHERE w.no = l.no AND w.origin = l.id AND w.reached = l.id)
    OR (l.moment IS NULL
        AND NOT EXISTS (SELECT 1 FROM target AS t WHERE t.no = l.no AND t.complaint_id = l.first)
        AND NOT EXISTS (
            SELECT 1 FROM see AS v JOIN f01 AS e ON e.no = v.other
            WHERE v.no = l.no AND v.form = 'F01' AND e.complaint_id = l.first));

INSERT INTO hit
WITH loose AS (
    SELECT no, r, org_code, reason_l1, agent_code, received_at::DATE AS day, complaint_id
    FROM f01 WHERE group_id IS NULL AND agent_code IS NOT NULL
)
SELECT no, 'F01-U03', r, 'group_id'
FROM loose
SEMI JOIN (
    SELECT no, org_code, reason_l1, agent_code, day FROM loose GROUP BY ALL HAVING count(DISTINCT complaint_id) >= 5)
USING (no, org_code, reason_l1, agent_code, day);

-- F01 against the bureau's register, number by number.
CREATE TEMP TABLE forwarded AS
SELECT DISTINCT s.no, f.reg_ref_no
FROM readable AS s
JOIN cp ON cp.no = s.no AND cp.form = 'R01'
JOIN r01 AS f ON f.no = cp.other
JOIN rollup AS u ON u.top = s.rep AND u.org_code = f.org_code
WHERE s.form = 'F01' AND f.forwarded_on BETWEEN s.ps AND s.pe AND f.forwarded_on >= u.valid_from
    AND f.forwarded_on < u.valid_to AND f.reg_ref_no IS NOT NULL;

INSERT INTO hit
SELECT no, 'F01-X01', NULL, 'reg_ref_no' FROM forwarded ANTI JOIN f01 USING (no, reg_ref_no)
UNION ALL
SELECT o.no, 'F01-X01', o.r, 'reg_ref_no'
FROM f01 AS o JOIN b USING (no)
WHERE o.reg_forward_date BETWEEN b.ps AND b.pe AND o.reg_ref_no IS NOT NULL
    AND EXISTS (SELECT 1 FROM cp WHERE cp.no = o.no AND cp.form = 'R01')
    AND NOT EXISTS (SELECT 1 FROM forwarded AS f WHERE f.no = o.no AND f.reg_ref_no = o.reg_ref_no);

-- References between forms.
INSERT INTO hit
SELECT o.no, 'F01-X03', o.r, 'first_inquiry_id'
FROM f01 AS o SEMI JOIN (SELECT no FROM cp WHERE form = 'F02') USING (no)
ANTI JOIN (
    SELECT v.no, e.inquiry_id AS first_inquiry_id, e.complaint_id FROM see AS v JOIN f02 AS e ON e.no = v.other
    WHERE v.form = 'F02' AND e.complaint_id IS NOT NULL) USING (no, first_inquiry_id, complaint_id)
WHERE o.first_inquiry_id IS NOT NULL AND o.complaint_id IS NOT NULL;

INSERT INTO hit
SELECT o.no, 'F02-X01', o.r, 'complaint_id'
FROM f02 AS o SEMI JOIN (SELECT no FROM cp WHERE form = 'F01') USING (no)
WHERE o.complaint_id IS NOT NULL AND o.inquiry_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM see AS v JOIN f01 AS e ON e.no = v.other
    WHERE v.form = 'F01' AND v.no = o.no AND e.complaint_id = o.complaint_id
        AND coalesce(e.received_at, TIMESTAMP '9999-12-31') >= o.inquiry_at);

INSERT INTO hit
WITH own AS (
    SELECT DISTINCT cp.no, c.complaint_id
    FROM cp JOIN readable AS s ON s.no = cp.no AND s.form = 'F02' JOIN f01 AS c ON c.no = cp.other
    WHERE cp.form = 'F01' AND starts_with(c.source_channel, 'OWN_') AND c.complaint_id IS NOT NULL
        AND c.received_at::DATE BETWEEN s.ps AND s.pe
)
SELECT no, 'F02-X02', NULL, 'complaint_id'
FROM own
ANTI JOIN (
    SELECT v.no, e.complaint_id
    FROM (SELECT no, other FROM see WHERE form = 'F02' UNION SELECT no, no FROM readable WHERE form = 'F02') AS v
    JOIN f02 AS e ON e.no = v.other
    WHERE e.complaint_id IS NOT NULL) USING (no, complaint_id);

INSERT INTO hit
SELECT s.no, 'F02-X03', NULL, NULL
FROM readable AS s
JOIN (
    SELECT cp.no, arg_max(g.fi_ledger, g.as_of_date) AS ledger
    FROM cp JOIN f11 AS g ON g.no = cp.other JOIN b ON b.no = g.no
    WHERE cp.form = 'F11' AND g.org_code = b.rep GROUP BY ALL) AS g USING (no)
WHERE s.form = 'F02' AND EXISTS (SELECT 1 FROM cp WHERE cp.no = s.no AND cp.form = 'F01')
    AND ((s.n > 0 AND NOT g.ledger) OR (s.n = 0 AND g.ledger AND EXISTS (
        SELECT 1 FROM cp JOIN f01 AS c ON c.no = cp.other
        WHERE cp.no = s.no AND cp.form = 'F01' AND c.received_at::DATE BETWEEN s.ps AND s.pe)));

INSERT INTO hit
WITH crowded AS (
    SELECT no, complaint_id FROM f03 WHERE complaint_id IS NOT NULL AND end_date IS NULL
    GROUP BY ALL HAVING count(DISTINCT mediation_org || '/' || mediation_id) > 1
)
SELECT no, 'F03-U01', r, 'complaint_id' FROM f03 SEMI JOIN crowded USING (no, complaint_id) WHERE end_date IS NULL;

INSERT INTO hit
SELECT o.no, 'F04-X02', o.r, 'problem_id'
FROM f04 AS o SEMI JOIN (SELECT no FROM cp WHERE form = 'F05') USING (no)
ANTI JOIN (
    SELECT v.no, e.problem_id FROM see AS v JOIN f05 AS e ON e.no = v.other
        WHERE v.form = 'F05') USING (no, problem_id)
WHERE o.problem_id IS NOT NULL;

INSERT INTO hit
SELECT o.no, 'F05-X01', o.r, 'complaint_id'
FROM f05 AS o SEMI JOIN (SELECT no FROM cp WHERE form = 'F01') USING (no)
ANTI JOIN (
    SELECT v.no, e.complaint_id FROM see AS v JOIN f01 AS e ON e.no = v.other
        WHERE v.form = 'F01') USING (no, complaint_id)
WHERE o.handle_result = '转投诉';

-- New policies of F04 against those of F06, branch by channel. Records that repeat a key count once.
INSERT INTO hit
WITH once AS (
    SELECT t.no, t.org_code, t.sales_channel, t.must_call,
        t.callback_type = '新单' AND t.issue_date BETWEEN b.ps AND b.pe AS counts
    FROM f04 AS t JOIN b USING (no) ANTI JOIN again_f04 USING (kh)
    UNION ALL
    SELECT DISTINCT ON (t.no, coalesce(t.callback_id, t.r::VARCHAR), org_code, sales_channel, must_call, counts)
        t.no, t.org_code, t.sales_channel, t.must_call,
        t.callback_type = '新单' AND t.issue_date BETWEEN b.ps AND b.pe AS counts
    FROM f04 AS t JOIN b USING (no) SEMI JOIN again_f04 USING (kh)
),
called AS (
    SELECT no, org_code, sales_channel, count(*) FILTER (counts) AS sure, count(*) FILTER (counts IS NULL) AS unsure
    FROM once WHERE org_code IS NOT NULL AND sales_channel IS NOT NULL GROUP BY ALL
),
nowhere AS (
    SELECT no, count(*) AS unsure FROM once
    WHERE (org_code IS NULL OR sales_channel IS NULL) AND counts IS NOT FALSE GROUP BY ALL
),
issued AS (
    SELECT cp.no, d.org_code, d.sales_channel, coalesce(sum(d.long_term_new), 0) AS least,
        bool_or(d.long_term_new IS NULL) AS more
    FROM cp JOIN readable AS s ON s.no = cp.no AND s.form = 'F04' JOIN f06 AS d ON d.no = cp.other
    WHERE cp.form = 'F06' GROUP BY ALL
)
SELECT no, 'F04-X01', NULL, 'must_call'
FROM (SELECT * FROM issued WHERE org_code IS NOT NULL AND sales_channel IS NOT NULL) AS i
FULL JOIN called AS c USING (no, org_code, sales_channel)
LEFT JOIN nowhere AS n USING (no)
SEMI JOIN (SELECT no FROM cp WHERE form = 'F06') USING (no)
WHERE coalesce(c.sure, 0) + coalesce(c.unsure, 0) + coalesce(n.unsure, 0) < coalesce(i.least, 0)
    OR (coalesce(c.sure, 0) > coalesce(i.least, 0) AND NOT coalesce(i.more, false)
        AND no NOT IN (SELECT no FROM issued WHERE org_code IS NULL OR sales_channel IS NULL));

-- Verdicts, and which filing is in force.
CREATE TEMP TABLE held AS
SELECT DISTINCT h.no, h.r FROM hit AS h JOIN severity USING (rule) SEMI JOIN readable USING (no)
WHERE severity = 'E' AND h.r IS NOT NULL;

CREATE TEMP TABLE weight AS FROM weighed(false) UNION ALL FROM weighed(true);

CREATE TEMP TABLE chained AS
SELECT w.no, b.form, b.per, b.ps, b.rep, b.seq, b.signed_at, reading.n, w.state,
    lead(w.no) OVER (PARTITION BY b.form, b.per, b.rep ORDER BY b.seq, w.no) AS replaced_by
FROM weight AS w JOIN b USING (no) JOIN reading USING (no)
WHERE w.state <> 'rejected';

CREATE TABLE standing AS
SELECT b.no, CASE WHEN c.replaced_by IS NOT NULL THEN 'superseded' WHEN w.state IS NOT NULL THEN w.state
    WHEN EXISTS (SELECT 1 FROM hit AS h WHERE h.no = b.no AND h.rule = 'ENV-S01') THEN 'malformed'
        ELSE 'rejected' END AS state
FROM b LEFT JOIN weight AS w USING (no) LEFT JOIN chained AS c USING (no);

-- Who owed what by when.
CREATE TEMP TABLE run AS SELECT max(signed_at) AS as_of, max(signed_at)::DATE AS as_of_date FROM b;

CREATE TEMP TABLE owed AS
WITH span AS (
    SELECT f.*, min(b.ps) AS first_start, CASE frequency WHEN 'monthly' THEN 1 ELSE 3 END AS months
    FROM forms AS f JOIN b USING (form)
    WHERE f.days IS NOT NULL AND b.ps IS NOT NULL
        AND b.no NOT IN (SELECT no FROM hit WHERE rule IN ('ENV-S01', 'ENV-S03', 'ENV-S04'))
    GROUP BY ALL
),
periods AS (
    SELECT *, unnest(range(first_start, (SELECT as_of_date FROM run) + 1, to_months(months)))::DATE AS ps FROM span
),
dated AS (
    SELECT p.form, p.side, p.months, p.ps, (p.ps + to_months(p.months) - INTERVAL 1 DAY)::DATE AS pe, l.d1 AS due,
        CASE p.months WHEN 1 THEN strftime(p.ps, '%Y-%m') ELSE concat(year(p.ps), 'Q', quarter(p.ps)) END AS per
    FROM periods AS p
    LEFT JOIN limits AS l ON l.day = (p.ps + to_months(p.months) + to_days(p.days - 2))::DATE
)
SELECT d.*, i.rep
FROM dated AS d JOIN classes AS c USING (form)
JOIN insurer AS i ON i.class = c.class AND i.opened_on <= d.pe AND (i.closed_on IS NULL OR i.closed_on > d.pe)
WHERE d.side = 'insurer' AND d.due <= (SELECT as_of_date FROM run)
UNION ALL
SELECT d.*, '00000000000001' FROM dated AS d WHERE d.side = 'supervisor' AND d.due <= (SELECT as_of_date FROM run);

INSERT INTO hit
SELECT b.no, 'ENV-S08', NULL, NULL FROM b JOIN owed AS o USING (form, per, rep) WHERE b.signed_on > o.due;

-- Volume against the last six periods in force, and what a resubmission changed.
INSERT INTO hit
WITH before AS (
    SELECT s.no, s.n, e.n AS was, row_number() OVER (PARTITION BY s.no ORDER BY e.ps DESC) AS back
    FROM readable AS s JOIN chained AS e ON e.form = s.form AND e.rep = s.rep AND e.ps < s.ps
        AND e.replaced_by IS NULL
)
SELECT no, 'GEN-P02', NULL, NULL FROM before WHERE back <= 6 GROUP BY no, n
HAVING count(*) >= 3 AND abs(n * count(*) - sum(was)) * 2 > sum(was) AND abs(n * count(*) - sum(was)) > 20 * count(*);

INSERT INTO hit
WITH pair AS (
    SELECT s.no, p.no AS replaced FROM readable AS s JOIN b AS p ON p.id = s.prior SEMI
        JOIN chained ON chained.no = p.no
    WHERE s.form = '{form}'
)
SELECT DISTINCT no, 'GEN-P03', NULL, NULL FROM (
    (SELECT p.no, {compared} FROM pair AS p JOIN {table} AS t ON t.no = p.no
     EXCEPT ALL SELECT p.no, {compared} FROM pair AS p JOIN {table} AS t ON t.no = p.replaced)
    UNION ALL
    (SELECT p.no, {compared} FROM pair AS p JOIN {table} AS t ON t.no = p.replaced
     EXCEPT ALL SELECT p.no, {compared} FROM pair AS p JOIN {table} AS t ON t.no = p.no));

CREATE TABLE finding AS
SELECT b.id, h.rule, h.r, h.col, h.no FROM hit AS h JOIN b USING (no) SEMI
    JOIN readable USING (no) WHERE NOT starts_with(h.rule, 'ENV-')
UNION ALL
SELECT DISTINCT b.id, h.rule, NULL, NULL, h.no FROM hit AS h JOIN b USING (no) WHERE starts_with(h.rule, 'ENV-');
