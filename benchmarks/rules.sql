-- Rules that look at other rows of the file, at the filing opposite, or at what was filed before. Run when corrections
-- are unfolded. A statement with {table} runs once per form, with {immutable} once per immutable column, with {insurer}
-- for insurers' forms only.

-- Which filings a rule looks at; `previous` is the same form's filing of the period before.
CREATE TEMP TABLE looks (form VARCHAR, need VARCHAR);
INSERT INTO looks VALUES ('F01', 'R01'), ('F01', 'F02'), ('F01', 'F03'), ('F01', 'F06'), ('F01', 'F09'), ('F02', 'F01'),
    ('F02', 'F11'), ('F03', 'R07'), ('F03', 'F01'), ('F04', 'F06'), ('F04', 'F05'), ('F04', 'F04S'), ('F04S', 'F04'),
    ('F05', 'F01'), ('F06', 'R06'), ('F10', 'F01'), ('F12', 'F04');

-- Known when this one was signed, else the first that came after; who has withdrawn has not filed.
CREATE TEMP TABLE cp AS
WITH opposite AS (
    SELECT s.no, s.signed_at AS asked, k.need, g.no AS other, g.kind, g.signed_at, g.seq
    FROM readable AS s JOIN looks AS k USING (form)
    JOIN readable AS g ON g.form = k.need AND g.rep = s.rep AND g.ps <= s.ps AND g.pe >= s.pe
    UNION ALL
    SELECT s.no, s.signed_at, k.need, g.no, g.kind, g.signed_at, g.seq
    FROM readable AS s JOIN looks AS k USING (form) JOIN forms AS f ON f.form = k.need AND f.side = 'supervisor'
    JOIN readable AS g ON g.form = k.need AND g.rep <> s.rep AND g.ps <= s.ps AND g.pe >= s.pe
    UNION ALL
    SELECT s.no, s.signed_at, 'previous', g.no, g.kind, g.signed_at, g.seq
    FROM readable AS s JOIN readable AS g ON g.form = s.form AND g.rep = s.rep AND g.pe = s.ps - 1
),
chosen AS (
    SELECT no, need, other, kind FROM opposite
    QUALIFY row_number() OVER (PARTITION BY no, need ORDER BY signed_at <= asked DESC,
        CASE WHEN signed_at <= asked THEN signed_at END DESC NULLS LAST, signed_at,
        CASE WHEN signed_at <= asked THEN -seq ELSE seq END) = 1
)
SELECT c.no, c.need, c.other FROM chosen AS c JOIN readable AS s ON s.no = c.no
WHERE c.kind <> 'WITHDRAW' AND s.kind <> 'WITHDRAW';

-- Rows of every period with their filing; the filing opposite.
CREATE TEMP VIEW a_{table} AS SELECT t.*, s.rep, s.per, s.ps, s.pe, s.seq, s.signed_at
    FROM {table} AS t JOIN readable AS s USING (no);
CREATE TEMP VIEW c_{table} AS SELECT t.*, c.no AS own_no FROM cp AS c JOIN {table} AS t ON t.no = c.other
    WHERE c.need = '{form}';

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
    SELECT f.no, f.r, f.complaint_id AS id, f.first_complaint_id AS first, f.received_at, t.moment,
        t.complaint_id IS NOT NULL AS here
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
FROM link AS l JOIN readable AS s USING (no)
WHERE l.first = l.id OR l.moment > l.received_at
    OR EXISTS (SELECT 1 FROM walk AS w WHERE w.no = l.no AND w.origin = l.id AND w.reached = l.id)
    OR (NOT l.here AND NOT EXISTS (
        SELECT 1 FROM a_f01 AS e WHERE e.rep = s.rep AND e.complaint_id = l.first AND e.ps < s.ps));

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
JOIN c_r01 AS f ON f.own_no = s.no
JOIN rollup AS u ON u.top = s.rep AND u.org_code = f.org_code
WHERE s.form = 'F01' AND f.forwarded_on BETWEEN s.ps AND s.pe AND f.forwarded_on >= u.valid_from
    AND f.forwarded_on < u.valid_to AND f.reg_ref_no IS NOT NULL;

INSERT INTO hit
SELECT no, 'F01-X01', NULL, 'reg_ref_no' FROM forwarded ANTI JOIN f01 USING (no, reg_ref_no)
UNION ALL
SELECT o.no, 'F01-X01', o.r, 'reg_ref_no'
FROM f01 AS o JOIN b USING (no)
WHERE o.reg_forward_date BETWEEN b.ps AND b.pe AND o.reg_ref_no IS NOT NULL
    AND EXISTS (SELECT 1 FROM cp WHERE cp.no = o.no AND cp.need = 'R01')
    AND NOT EXISTS (SELECT 1 FROM forwarded AS f WHERE f.no = o.no AND f.reg_ref_no = o.reg_ref_no);

-- References: to the filing opposite, else to what the reporter filed for an earlier period.
INSERT INTO hit
WITH loose AS (
    SELECT o.* FROM f01 AS o SEMI JOIN (SELECT no FROM cp WHERE need = 'F02') USING (no)
    ANTI JOIN c_f02 AS c ON c.own_no = o.no AND c.inquiry_id = o.first_inquiry_id AND c.complaint_id = o.complaint_id
    WHERE o.first_inquiry_id IS NOT NULL AND o.complaint_id IS NOT NULL)
SELECT l.no, 'F01-X03', l.r, 'first_inquiry_id' FROM loose AS l JOIN readable AS s USING (no)
WHERE NOT EXISTS (SELECT 1 FROM a_f02 AS e WHERE e.rep = s.rep AND e.inquiry_id = l.first_inquiry_id
    AND e.complaint_id = l.complaint_id AND e.ps < s.ps);

INSERT INTO hit
WITH loose AS (
    SELECT o.* FROM f01 AS o SEMI JOIN (SELECT no FROM cp WHERE need = 'F03') USING (no)
    ANTI JOIN c_f03 AS c ON c.own_no = o.no AND c.mediation_id = o.mediation_id
    WHERE o.outcome = '转调解')
SELECT l.no, 'F01-X04', l.r, 'mediation_id' FROM loose AS l JOIN readable AS s USING (no)
WHERE NOT EXISTS (SELECT 1 FROM a_f03 AS e WHERE e.rep = s.rep AND e.mediation_id = l.mediation_id AND e.ps < s.ps);

INSERT INTO hit
SELECT l.no, 'F01-X05', l.r, 'clue_id' FROM f01 AS l JOIN readable AS s USING (no)
WHERE l.clue_id IS NOT NULL AND EXISTS (SELECT 1 FROM cp WHERE cp.no = l.no AND cp.need = 'F09')
    AND NOT EXISTS (SELECT 1 FROM c_f09 AS c WHERE c.own_no = l.no AND c.clue_id = l.clue_id)
    AND NOT EXISTS (SELECT 1 FROM a_f09 AS e WHERE e.rep = s.rep AND e.clue_id = l.clue_id AND e.ps < s.ps);

INSERT INTO hit
SELECT no, 'F01-X05', NULL, 'clue_id' FROM (
    SELECT DISTINCT s.no, s.rep, s.ps, c.clue_id FROM readable AS s JOIN c_f09 AS c ON c.own_no = s.no
    WHERE s.form = 'F01' AND c.found_stage = '投诉处理' AND c.clue_id IS NOT NULL AND c.found_date BETWEEN s.ps AND s.pe
) AS x
WHERE NOT EXISTS (SELECT 1 FROM f01 AS o WHERE o.no = x.no AND o.clue_id = x.clue_id)
    AND NOT EXISTS (SELECT 1 FROM a_f01 AS e WHERE e.rep = x.rep AND e.clue_id = x.clue_id AND e.ps < x.ps);

INSERT INTO hit
WITH received AS (
    SELECT DISTINCT o.no, o.org_code, o.line_code FROM f01 AS o JOIN b USING (no)
    WHERE o.received_at::DATE BETWEEN b.ps AND b.pe AND o.org_code IS NOT NULL AND o.line_code IS NOT NULL
        AND o.complaint_id IS NOT NULL),
there AS (SELECT DISTINCT own_no AS no, org_code, line_code::VARCHAR AS line_code FROM c_f06
    WHERE NOT coalesce(premium = 0 AND policies_new = 0 AND policies_in_force = 0, false))
SELECT r.no, 'F01-X06', NULL, 'line_code' FROM received AS r SEMI JOIN (SELECT no FROM cp WHERE need = 'F06') USING (no)
ANTI JOIN there AS v ON v.no = r.no AND v.org_code = r.org_code AND v.line_code = r.line_code::VARCHAR
WHERE NOT EXISTS (SELECT 1 FROM there AS v WHERE v.no = r.no AND (v.org_code IS NULL OR v.line_code IS NULL)
    AND coalesce(v.org_code = r.org_code, true) AND coalesce(v.line_code = r.line_code::VARCHAR, true));

INSERT INTO hit
WITH loose AS (
    SELECT o.* FROM f02 AS o SEMI JOIN (SELECT no FROM cp WHERE need = 'F01') USING (no)
    ANTI JOIN c_f01 AS c ON c.own_no = o.no AND c.complaint_id = o.complaint_id
        AND coalesce(c.received_at, TIMESTAMP '9999-12-31') >= o.inquiry_at
    WHERE o.complaint_id IS NOT NULL AND o.inquiry_at IS NOT NULL)
SELECT l.no, 'F02-X01', l.r, 'complaint_id' FROM loose AS l JOIN readable AS s USING (no)
WHERE NOT EXISTS (SELECT 1 FROM a_f01 AS e WHERE e.rep = s.rep AND e.complaint_id = l.complaint_id AND e.ps < s.ps
    AND coalesce(e.received_at, TIMESTAMP '9999-12-31') >= l.inquiry_at);

INSERT INTO hit
WITH own AS (
    SELECT DISTINCT s.no, s.rep, s.ps, c.complaint_id
    FROM readable AS s JOIN c_f01 AS c ON c.own_no = s.no
    WHERE s.form = 'F02' AND starts_with(c.source_channel, 'OWN_') AND c.complaint_id IS NOT NULL
        AND c.received_at::DATE BETWEEN s.ps AND s.pe),
loose AS (FROM own ANTI JOIN f02 USING (no, complaint_id))
SELECT no, 'F02-X02', NULL, 'complaint_id' FROM loose AS l
WHERE NOT EXISTS (SELECT 1 FROM a_f02 AS e WHERE e.rep = l.rep AND e.complaint_id = l.complaint_id AND e.ps < l.ps);

INSERT INTO hit
SELECT s.no, 'F02-X03', NULL, NULL
FROM readable AS s
JOIN (SELECT c.own_no AS no, arg_max(c.fi_ledger, c.as_of_date) AS ledger FROM c_f11 AS c JOIN b ON b.no = c.no
    WHERE c.org_code = b.rep GROUP BY ALL) AS g USING (no)
WHERE s.form = 'F02' AND EXISTS (SELECT 1 FROM cp WHERE cp.no = s.no AND cp.need = 'F01')
    AND ((s.n > 0 AND NOT g.ledger) OR (s.n = 0 AND g.ledger AND EXISTS (
        SELECT 1 FROM c_f01 AS c WHERE c.own_no = s.no AND c.received_at::DATE BETWEEN s.ps AND s.pe)));

INSERT INTO hit
WITH crowded AS (
    SELECT no, complaint_id FROM f03 WHERE complaint_id IS NOT NULL AND end_date IS NULL
    GROUP BY ALL HAVING count(DISTINCT mediation_org || '/' || mediation_id) > 1
)
SELECT no, 'F03-U01', r, 'complaint_id' FROM f03 SEMI JOIN crowded USING (no, complaint_id) WHERE end_date IS NULL;

-- F03 against the register of the mediation bodies, case by case.
INSERT INTO hit
WITH apart AS (
    SELECT o.no, o.r, unnest([
        CASE WHEN o.result::VARCHAR IS DISTINCT FROM c.result::VARCHAR THEN 'result' END,
        CASE WHEN o.apply_date IS DISTINCT FROM c.apply_date THEN 'apply_date' END,
        CASE WHEN o.org_notified_date IS DISTINCT FROM c.org_notified_date THEN 'org_notified_date' END,
        CASE WHEN o.end_date IS DISTINCT FROM c.end_date THEN 'end_date' END,
        CASE WHEN o.agreement_date IS DISTINCT FROM c.agreement_date THEN 'agreement_date' END]) AS col,
        [o.result::VARCHAR, o.apply_date::VARCHAR, o.org_notified_date::VARCHAR, o.end_date::VARCHAR,
            o.agreement_date::VARCHAR,
            c.result::VARCHAR, c.apply_date::VARCHAR, c.org_notified_date::VARCHAR, c.end_date::VARCHAR,
            c.agreement_date::VARCHAR] AS told
    FROM f03 AS o JOIN c_r07 AS c ON c.own_no = o.no AND c.mediation_org = o.mediation_org
        AND c.mediation_id = o.mediation_id)
SELECT DISTINCT no, 'F03-X01', r, col FROM apart WHERE col IS NOT NULL;

INSERT INTO hit
WITH missing AS (
    SELECT DISTINCT s.no, c.mediation_org, c.mediation_id
    FROM readable AS s JOIN c_r07 AS c ON c.own_no = s.no
    JOIN rollup AS u ON u.top = s.rep AND u.org_code = c.org_code AND s.pe >= u.valid_from AND s.pe < u.valid_to
    WHERE s.form = 'F03' AND c.mediation_org IS NOT NULL AND c.mediation_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM f03 AS o WHERE o.no = s.no AND o.mediation_org = c.mediation_org
            AND o.mediation_id = c.mediation_id)),
unread AS (SELECT no, count(*) AS n FROM f03 WHERE mediation_id IS NULL OR mediation_org IS NULL GROUP BY no)
SELECT m.no, 'F03-X01', NULL, 'mediation_id' FROM missing AS m LEFT JOIN unread AS u USING (no)
QUALIFY count(*) OVER (PARTITION BY m.no) > coalesce(u.n, 0);

INSERT INTO hit
SELECT o.no, 'F03-X01', o.r, 'mediation_id'
FROM f03 AS o SEMI JOIN (SELECT DISTINCT own_no AS no, mediation_org FROM c_r07) USING (no, mediation_org)
ANTI JOIN c_r07 AS c ON c.own_no = o.no AND c.mediation_org = o.mediation_org AND c.mediation_id = o.mediation_id
WHERE o.mediation_id IS NOT NULL;

INSERT INTO hit
WITH own AS (
    SELECT DISTINCT s.no, s.rep, s.ps, c.complaint_id, c.complexity, c.outcome
    FROM readable AS s JOIN c_f01 AS c ON c.own_no = s.no
    WHERE s.form = 'F03' AND c.status = '已办结' AND c.outcome IN ('部分支持', '不支持') AND c.complexity <> '简单'
        AND c.decision_date BETWEEN s.ps AND s.pe AND c.complaint_id IS NOT NULL)
SELECT no, 'F03-X02', NULL, 'complaint_id' FROM (FROM own ANTI JOIN f03 USING (no, complaint_id)) AS l
WHERE NOT EXISTS (SELECT 1 FROM a_f03 AS e WHERE e.rep = l.rep AND e.complaint_id = l.complaint_id AND e.ps < l.ps);

INSERT INTO hit
WITH loose AS (
    SELECT o.no, o.r, o.problem_id FROM f04 AS o SEMI JOIN (SELECT no FROM cp WHERE need = 'F05') USING (no)
    ANTI JOIN c_f05 AS c ON c.own_no = o.no AND c.problem_id = o.problem_id
    WHERE o.problem_id IS NOT NULL)
SELECT l.no, 'F04-X02', l.r, 'problem_id' FROM loose AS l JOIN readable AS s USING (no)
WHERE NOT EXISTS (SELECT 1 FROM a_f05 AS e WHERE e.rep = s.rep AND e.problem_id = l.problem_id AND e.ps < s.ps);

INSERT INTO hit
WITH loose AS (
    SELECT o.no, o.r, o.complaint_id FROM f05 AS o SEMI JOIN (SELECT no FROM cp WHERE need = 'F01') USING (no)
    ANTI JOIN c_f01 AS c ON c.own_no = o.no AND c.complaint_id = o.complaint_id
    WHERE o.handle_result = '转投诉')
SELECT l.no, 'F05-X01', l.r, 'complaint_id' FROM loose AS l JOIN readable AS s USING (no)
WHERE NOT EXISTS (SELECT 1 FROM a_f01 AS e WHERE e.rep = s.rep AND e.complaint_id = l.complaint_id AND e.ps < s.ps);

-- Calls of F04 by cell, once for both summaries (F06, F04S): the large fact is counted in one scan. Calls that repeat a
-- number count once; `sure` is what is known to count, `may` what could.
CREATE TEMP TABLE told_calls AS
WITH flagged AS (
    SELECT t.no, t.org_code, t.sales_channel, t.product_type, t.callback_type, t.kh, t.callback_id, t.r,
        t.callback_type = '新单' AND t.issue_date BETWEEN b.ps AND b.pe AS fresh, t.must_call AS f1,
        t.must_call AND t.completed_at IS NOT NULL AS f2, t.must_call AND t.success AS f3,
        t.must_call AND t.success AND coalesce(t.completed_at::DATE <= t.cooling_off_end, false) AS f4,
        t.must_call AND t.completed_at IS NULL AND t.problem_id IS NULL AS f5,
        t.must_call AND t.completed_at IS NULL AND t.problem_id IS NOT NULL AS f6
    FROM f04 AS t JOIN b USING (no)),
repeating AS (SELECT *, coalesce(callback_id, 'row ' || r) AS id FROM flagged SEMI JOIN again_f04 USING (kh))
SELECT no, org_code, sales_channel, product_type, callback_type, count(*) FILTER (fresh) AS fresh_sure,
    count(*) FILTER (fresh IS NULL) AS fresh_unsure, {calls}
FROM flagged ANTI JOIN again_f04 USING (kh) GROUP BY ALL
UNION ALL
SELECT no, org_code, sales_channel, product_type, callback_type, 0, 0, {distinct_calls} FROM repeating GROUP BY ALL
UNION ALL
SELECT no, org_code, sales_channel, NULL, NULL, count(DISTINCT id) FILTER (fresh),
    count(DISTINCT id) FILTER (fresh IS NULL), {no_calls}
FROM repeating GROUP BY ALL;

-- New policies of F04 against those of F06, branch by channel.
INSERT INTO hit
WITH called AS (
    SELECT no, org_code, sales_channel, sum(fresh_sure) AS sure, sum(fresh_unsure) AS unsure
    FROM told_calls WHERE org_code IS NOT NULL AND sales_channel IS NOT NULL GROUP BY ALL
),
nowhere AS (
    SELECT t.no, count(*) AS unsure FROM f04 AS t JOIN b USING (no)
    WHERE (t.org_code IS NULL OR t.sales_channel IS NULL)
        AND (t.callback_type = '新单' AND t.issue_date BETWEEN b.ps AND b.pe) IS NOT FALSE GROUP BY ALL
),
issued AS (
    SELECT d.own_no AS no, d.org_code, d.sales_channel, coalesce(sum(d.long_term_new), 0) AS least,
        bool_or(d.long_term_new IS NULL) AS more
    FROM c_f06 AS d JOIN readable AS s ON s.no = d.own_no AND s.form = 'F04' GROUP BY ALL
)
SELECT no, 'F04-X01', NULL, 'must_call'
FROM (SELECT no, org_code, sales_channel::VARCHAR AS sales_channel, least, more FROM issued
    WHERE org_code IS NOT NULL AND sales_channel IS NOT NULL) AS i
FULL JOIN (SELECT * REPLACE (sales_channel::VARCHAR AS sales_channel) FROM called) AS c
    USING (no, org_code, sales_channel)
LEFT JOIN nowhere AS n USING (no)
SEMI JOIN (SELECT no FROM cp WHERE need = 'F06') USING (no)
WHERE coalesce(c.sure, 0) + coalesce(c.unsure, 0) + coalesce(n.unsure, 0) < coalesce(i.least, 0)
    OR (coalesce(c.sure, 0) > coalesce(i.least, 0) AND NOT coalesce(i.more, false)
        AND no NOT IN (SELECT no FROM issued WHERE org_code IS NULL OR sales_channel IS NULL));

-- F04 against F04S, figure by figure; told on both sides.
CREATE TEMP TABLE apart AS
WITH counted AS (
    SELECT no, org_code, sales_channel::VARCHAR AS ch, product_type::VARCHAR AS pt, callback_type::VARCHAR AS ct,
        unnest([1, 2, 3, 4, 5, 6]) AS figure, unnest([sum(s1), sum(s2), sum(s3), sum(s4), sum(s5), sum(s6)]) AS sure,
        unnest([sum(p1), sum(p2), sum(p3), sum(p4), sum(p5), sum(p6)]) AS may
    FROM told_calls GROUP BY no, org_code, sales_channel, product_type, callback_type
),
-- Both ways round: (filing judged, the F04 and the F04S that it sees).
seen AS (
    SELECT s.no, s.no AS calls, c.other AS sums FROM readable AS s JOIN cp AS c ON c.no = s.no AND c.need = 'F04S'
    UNION ALL
    SELECT s.no, c.other, s.no FROM readable AS s JOIN cp AS c ON c.no = s.no AND c.need = 'F04'
    WHERE s.form = 'F04S'
),
nowhere AS (
    SELECT no, figure, sum(may) AS may FROM counted
    WHERE org_code IS NULL OR ch IS NULL OR pt IS NULL OR ct IS NULL GROUP BY ALL
),
told AS (
    SELECT v.no, v.calls, t.r, t.org_code, t.sales_channel::VARCHAR AS ch, t.product_type::VARCHAR AS pt,
        t.callback_type::VARCHAR AS ct, unnest([1, 2, 3, 4, 5, 6]) AS figure,
        unnest([due_count, done_count, success_count, success_in_cooling_off,
            TRY_CAST(in_progress::HUGEINT + receipt_pending AS BIGINT), problem_open]) AS filed
    FROM seen AS v JOIN f04s AS t ON t.no = v.sums
),
unread AS (SELECT no, count(DISTINCT r) AS n FROM told
    WHERE org_code IS NULL OR ch IS NULL OR pt IS NULL OR ct IS NULL GROUP BY no),
own AS (
    SELECT v.no, c.* EXCLUDE (no) FROM seen AS v JOIN counted AS c ON c.no = v.calls
    WHERE c.org_code IS NOT NULL AND c.ch IS NOT NULL AND c.pt IS NOT NULL AND c.ct IS NOT NULL
)
SELECT t.no, t.r, t.figure, t.org_code, t.ch, t.pt, t.ct
FROM told AS t
LEFT JOIN own AS c ON c.no = t.no AND c.org_code = t.org_code AND c.ch = t.ch AND c.pt = t.pt AND c.ct = t.ct
    AND c.figure = t.figure
LEFT JOIN nowhere AS w ON w.no = t.calls AND w.figure = t.figure
WHERE t.org_code IS NOT NULL AND t.ch IS NOT NULL AND t.pt IS NOT NULL AND t.ct IS NOT NULL
    AND (t.filed < coalesce(c.sure, 0) OR t.filed > coalesce(c.may, 0) + coalesce(w.may, 0))
UNION ALL
SELECT no, NULL, 0, org_code, ch, pt, ct FROM (
    SELECT c.no, c.org_code, c.ch, c.pt, c.ct, u.n FROM own AS c
    ANTI JOIN told AS t ON t.no = c.no AND t.org_code = c.org_code AND t.ch = c.ch AND t.pt = c.pt AND t.ct = c.ct
    LEFT JOIN unread AS u ON u.no = c.no
    WHERE c.figure = 1 AND c.sure > 0
    QUALIFY count(*) OVER (PARTITION BY c.no) > coalesce(u.n, 0));

INSERT INTO hit
SELECT a.no, 'F04-X03', CASE WHEN s.form = 'F04S' THEN a.r END, CASE s.form
    WHEN 'F04' THEN ['must_call', 'must_call', 'completed_at', 'success', 'cooling_off_end', 'completed_at', 'problem_id']
        [a.figure + 1]
    ELSE ['due_count', 'due_count', 'done_count', 'success_count', 'success_in_cooling_off', 'in_progress', 'problem_open']
        [a.figure + 1] END
FROM apart AS a JOIN readable AS s USING (no);

-- Premium against the statistics system (R06), branch by line.
INSERT INTO hit
WITH own AS (
    SELECT no, org_code, line_code, sum(premium) AS premium, count(*) FILTER (premium IS NULL) AS unread
    FROM (SELECT DISTINCT no, org_code, region_code, line_code::VARCHAR AS line_code, sales_channel, premium FROM f06)
    WHERE org_code IS NOT NULL AND line_code IS NOT NULL GROUP BY ALL
),
nowhere AS (SELECT no, count(*) AS n FROM f06 WHERE org_code IS NULL OR line_code IS NULL GROUP BY no),
known AS (
    SELECT s.no, c.org_code, c.line_code::VARCHAR AS line_code, sum(c.premium) AS premium,
        count(*) FILTER (c.premium IS NULL) AS unread
    FROM readable AS s JOIN rollup AS u ON u.top = s.rep AND s.pe >= u.valid_from AND s.pe < u.valid_to
    JOIN cp ON cp.no = s.no AND cp.need = 'R06' JOIN r06 AS c ON c.no = cp.other AND c.org_code = u.org_code
    WHERE s.form = 'F06' AND s.kind <> 'WITHDRAW' AND c.line_code IS NOT NULL GROUP BY ALL
)
SELECT no, 'F06-X01', NULL, 'premium'
FROM own AS o FULL JOIN known AS k USING (no, org_code, line_code) LEFT JOIN nowhere AS n USING (no)
SEMI JOIN (SELECT no FROM cp WHERE need = 'R06') USING (no)
WHERE coalesce(o.unread, 0) + coalesce(k.unread, 0) = 0
    AND abs(coalesce(o.premium, 0) - coalesce(k.premium, 0)) * 200 > abs(coalesce(k.premium, 0))
QUALIFY count(*) OVER (PARTITION BY no) > coalesce(n.n, 0);

-- Small forms.
INSERT INTO hit
SELECT no, 'F08-P01', r, 'expected'
FROM (SELECT no, r, expected, max(expected) OVER (PARTITION BY no, org_code, audience) AS largest FROM f08
    WHERE org_code IS NOT NULL AND audience IS NOT NULL)
WHERE (largest::HUGEINT - expected) * 100 > largest::HUGEINT * 3;

-- One person in clues of several insurers: told to whoever signs later.
INSERT INTO hit
WITH suspect AS (
    SELECT party_hash FROM a_f09 WHERE party_hash IS NOT NULL GROUP BY ALL HAVING count(DISTINCT rep) > 1),
latest AS (
    SELECT s.no, g.no AS other, g.rep, g.kind FROM readable AS s
    JOIN readable AS g ON g.form = 'F09' AND g.rep <> s.rep AND g.signed_at <= s.signed_at
    WHERE s.form = 'F09' AND s.no IN (SELECT no FROM f09 SEMI JOIN suspect USING (party_hash))
    QUALIFY row_number() OVER (PARTITION BY s.no, g.rep, g.per ORDER BY g.signed_at DESC, g.seq DESC) = 1)
SELECT DISTINCT o.no, 'F09-U01', o.r, 'party_hash'
FROM f09 AS o SEMI JOIN suspect USING (party_hash) JOIN readable AS s USING (no)
JOIN latest AS l ON l.no = o.no AND l.kind <> 'WITHDRAW'
JOIN f09 AS e ON e.no = l.other AND e.party_hash = o.party_hash
WHERE NOT EXISTS (SELECT 1 FROM a_r03 AS m WHERE m.org_code = l.rep AND m.successor_code = s.rep);

INSERT INTO hit
WITH listed AS (
    SELECT no, rep, ps, person_hash, action_date FROM a_f10 WHERE action_type = '列入灰名单'
    UNION ALL
    SELECT NULL, m.successor_code, a.ps, a.person_hash, a.action_date FROM a_f10 AS a JOIN r03 AS m ON m.org_code = a.rep
    WHERE a.action_type = '列入灰名单' AND m.successor_code IS NOT NULL)
SELECT o.no, 'F10-U01', o.r, 'action_type' FROM a_f10 AS o
WHERE o.action_type = '移出灰名单' AND o.person_hash IS NOT NULL AND o.action_date IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM listed AS l WHERE l.rep = o.rep AND l.person_hash = o.person_hash AND l.action_date <= o.action_date
        AND (l.no = o.no OR l.ps < o.ps));

INSERT INTO hit
WITH closed AS (
    SELECT s.no, s.rep, s.ps, s.pe, c.complaint_id, c.agent_code, c.decision_date, c.responsible, c.status
    FROM readable AS s JOIN a_f01 AS c ON c.rep = s.rep AND c.ps <= s.ps
    WHERE s.form = 'F10' AND s.kind <> 'WITHDRAW' AND c.complaint_id IS NOT NULL
        AND EXISTS (SELECT 1 FROM cp WHERE cp.no = s.no AND cp.need = 'F01')
        AND EXISTS (SELECT 1 FROM a_f01 AS k WHERE k.rep = c.rep AND k.complaint_id = c.complaint_id
            AND k.status = '已办结' AND k.responsible = '有责' AND k.agent_code IS NOT NULL
            AND k.decision_date < s.pe - 60 AND k.decision_date >= s.ps - 61)
    QUALIFY row_number() OVER (PARTITION BY s.no, c.complaint_id ORDER BY c.ps DESC, c.seq DESC, c.r DESC) = 1)
SELECT no, 'F10-X01', NULL, 'complaint_id' FROM (
    SELECT DISTINCT no, rep, ps, complaint_id, agent_code FROM closed
    WHERE status = '已办结' AND responsible = '有责' AND agent_code IS NOT NULL AND decision_date < pe - 60
        AND decision_date >= ps - 61) AS k
WHERE NOT EXISTS (SELECT 1 FROM a_f10 AS a WHERE a.rep = k.rep AND a.complaint_id = k.complaint_id
    AND a.action_type <> '移出灰名单' AND (a.no = k.no OR a.ps < k.ps));

-- No waiver (R04) stands in the sample.
INSERT INTO hit
SELECT no, 'F12-I02', r, 'effective_date' FROM f12 WHERE effective_date IS NOT NULL AND called_ok <> orphan_policies;

INSERT INTO hit
WITH known AS (
    SELECT s.no, g.no AS other, g.ps FROM readable AS s
    JOIN readable AS g ON g.form = 'F04' AND g.rep = s.rep AND g.ps <= s.signed_at::DATE
    WHERE s.form = 'F12' AND EXISTS (SELECT 1 FROM cp WHERE cp.no = s.no AND cp.need = 'F04')
    QUALIFY row_number() OVER (PARTITION BY s.no, g.per ORDER BY g.signed_at <= s.signed_at DESC,
        CASE WHEN g.signed_at <= s.signed_at THEN g.signed_at END DESC NULLS LAST, g.signed_at,
        CASE WHEN g.signed_at <= s.signed_at THEN -g.seq ELSE g.seq END) = 1),
orphan AS (
    SELECT no, agent_code, completed_at::DATE AS called_on, coalesce(callback_id, 'row ' || r) AS id,
        callback_type = '孤儿保单' AND success AS done
    FROM f04 WHERE coalesce(callback_type = '孤儿保单' AND success, true)),
filled AS (SELECT DISTINCT no FROM f04),
judged AS (
    SELECT o.no, o.r, o.agent_code, o.apply_date, o.called_ok, s.ps, s.pe
    FROM f12 AS o JOIN readable AS s USING (no)
    JOIN (FROM known SEMI JOIN filled ON filled.no = known.other) AS k
        ON k.no = o.no AND k.ps <= s.ps AND k.ps >= date_trunc('month', o.apply_date)
    WHERE o.called_ok IS NOT NULL AND o.agent_code IS NOT NULL
    GROUP BY ALL HAVING count(*) = datediff('month', date_trunc('month', o.apply_date), s.ps) + 1),
counted AS (
    SELECT j.no, j.r, j.called_ok, count(DISTINCT c.id) FILTER (c.done AND c.called_on IS NOT NULL) AS sure,
        count(DISTINCT c.id) AS may
    FROM judged AS j
    LEFT JOIN (SELECT k.no AS own_no, k.ps, o.* FROM known AS k JOIN orphan AS o ON o.no = k.other) AS c
        ON c.own_no = j.no AND c.agent_code = j.agent_code AND c.ps <= j.ps
        AND c.ps >= date_trunc('month', j.apply_date)
        AND coalesce(c.called_on BETWEEN j.apply_date AND j.pe, true)
    GROUP BY ALL)
SELECT no, 'F12-X01', r, 'called_ok' FROM counted WHERE called_ok NOT BETWEEN sure AND may;

INSERT INTO hit
SELECT o.no, 'F16-U01', o.r, 'valid_answers'
FROM f16 AS o SEMI JOIN (
    SELECT no, survey_id, question_id FROM f16 GROUP BY ALL
    HAVING min(valid_answers) <> max(valid_answers) OR min(issued) <> max(issued)) USING (no, survey_id, question_id);

INSERT INTO hit
SELECT no, 'F16-U02', NULL, 'chosen' FROM (
    SELECT no, survey_id, question_id FROM f16 WHERE survey_id IS NOT NULL AND question_id IS NOT NULL
    GROUP BY ALL
    HAVING bool_and(question_type IN ('满意度', '单选')) AND count(*) = count(chosen)
        AND count(*) = count(valid_answers) AND count(*) = count(question_type)
        AND count(*) = count(DISTINCT choice_id) AND min(valid_answers) = max(valid_answers)
        AND sum(chosen) <> max(valid_answers));

INSERT INTO hit
SELECT no, 'R05-X01', r, 'org_code' FROM r05
WHERE transferred_at IS NOT NULL AND org_code IS NOT NULL
    AND org_code NOT IN (SELECT u.org_code FROM rollup AS u JOIN insurer AS i ON i.rep = u.top);

INSERT INTO hit
SELECT no, 'R08-I02', min(r), 'element' FROM r08
WHERE org_code IS NOT NULL AND evaluation_year IS NOT NULL AND element IS NOT NULL
GROUP BY no, org_code, evaluation_year HAVING count(DISTINCT element) < 6;

INSERT INTO hit
SELECT no, 'R08-X01', r, 'org_code' FROM r08 WHERE org_code IS NOT NULL AND org_code NOT IN (SELECT rep FROM insurer)
