-- Rules that compare with the same reporter's filing of the period before, for the filings in `turn`. A row that a rule
-- holds back is no measure for the next period (`unsound`).

CREATE OR REPLACE TEMP TABLE unsound AS
SELECT DISTINCT h.no, h.r FROM hit AS h JOIN severity USING (rule)
WHERE severity = 'E' AND h.r IS NOT NULL AND h.rule <> 'GEN-P01'
    AND h.no IN (SELECT other FROM cp SEMI JOIN turn USING (no) WHERE need = 'previous');

CREATE OR REPLACE TEMP VIEW p_{table} AS
SELECT t.*, c.no AS own_no, u.r IS NULL AS sound
FROM cp AS c SEMI JOIN turn USING (no) JOIN {table} AS t ON t.no = c.other
LEFT JOIN unsound AS u ON u.no = t.no AND u.r = t.r
WHERE c.need = 'previous';

CREATE OR REPLACE TEMP TABLE after AS
SELECT s.* FROM readable AS s SEMI JOIN turn USING (no) SEMI JOIN (SELECT no FROM cp WHERE need = 'previous') USING (no);

INSERT INTO hit
WITH missing AS (
    SELECT DISTINCT p.own_no AS no, p.complaint_id FROM p_f01 AS p
    ANTI JOIN f01 AS o ON o.no = p.own_no AND o.complaint_id = p.complaint_id
    WHERE p.sound AND p.status = '处理中' AND p.complaint_id IS NOT NULL),
unread AS (SELECT no, count(*) AS n FROM f01 WHERE complaint_id IS NULL GROUP BY no)
SELECT m.no, 'F01-P01', NULL, 'complaint_id' FROM missing AS m LEFT JOIN unread AS u USING (no)
QUALIFY count(*) OVER (PARTITION BY m.no) > coalesce(u.n, 0)
UNION ALL
SELECT o.no, 'F01-P01', o.r, 'complaint_id'
FROM f01 AS o JOIN after AS s USING (no)
WHERE o.complaint_id IS NOT NULL AND o.received_at::DATE < s.ps
    AND (o.status = '处理中' OR o.decision_date >= s.ps OR o.withdrawn_date >= s.ps)
    AND o.no NOT IN (SELECT own_no FROM p_f01 WHERE complaint_id IS NULL)
    AND NOT EXISTS (SELECT 1 FROM a_f01 AS e WHERE e.rep = s.rep AND e.complaint_id = o.complaint_id AND e.ps < s.ps)
    AND NOT EXISTS (SELECT 1 FROM a_r03 AS m WHERE m.successor_code = s.rep AND m.closed_on > o.received_at::DATE
        AND m.closed_on <= s.pe);

INSERT INTO hit
WITH opened AS (
    SELECT o.no, o.r, o.complaint_id, o.first_complaint_id, s.rep, s.ps FROM f01 AS o JOIN after AS s USING (no)
    WHERE o.status = '处理中' AND o.complaint_id IS NOT NULL),
lately AS (
    SELECT o.no, o.r, p.status, p.first_complaint_id, p.sound FROM opened AS o
    JOIN p_f01 AS p ON p.own_no = o.no AND p.complaint_id = o.complaint_id),
before AS (
    SELECT o.no, o.r, e.status, e.first_complaint_id, true AS sound
    FROM opened AS o ANTI JOIN lately USING (no, r)
    JOIN a_f01 AS e ON e.rep = o.rep AND e.complaint_id = o.complaint_id AND e.ps < o.ps
    QUALIFY row_number() OVER (PARTITION BY o.no, o.r ORDER BY e.ps DESC, e.seq DESC, e.r) = 1)
SELECT DISTINCT o.no, 'F01-P02', o.r, 'status'
FROM opened AS o JOIN (FROM lately UNION ALL FROM before) AS k USING (no, r)
WHERE k.sound AND k.status <> '处理中'
    AND (o.first_complaint_id IS NULL OR o.first_complaint_id = k.first_complaint_id);

INSERT INTO hit
SELECT s.no, 'F02-P01', NULL, NULL FROM after AS s
WHERE s.form = 'F02' AND s.n = 0 AND s.no NOT IN (SELECT own_no FROM p_f02) AND EXISTS (
    SELECT 1 FROM c_f01 AS c WHERE c.own_no = s.no AND c.received_at::DATE BETWEEN s.ps AND s.pe
        AND c.complaint_id IS NOT NULL);

INSERT INTO hit
SELECT DISTINCT o.no, 'F03-P01', o.r, 'fulfil_status'
FROM f03 AS o JOIN p_f03 AS p ON p.own_no = o.no AND p.mediation_org = o.mediation_org
    AND p.mediation_id = o.mediation_id
WHERE p.sound AND p.fulfil_status <> '未到期' AND o.fulfil_status <> p.fulfil_status;

INSERT INTO hit
WITH open_case AS (
    SELECT c.own_no, c.problem_id FROM c_f05 AS c JOIN b ON b.no = c.no
    WHERE c.handle_result = '处理中' OR c.handled_date >= b.ps),
waiting AS (
    SELECT own_no AS no, callback_id, problem_id FROM p_f04
    WHERE sound AND must_call AND NOT success AND callback_id IS NOT NULL
        AND own_no IN (SELECT no FROM cp WHERE need = 'F05')),
missing AS (
    SELECT DISTINCT p.no, p.callback_id FROM waiting AS p ANTI JOIN f04 AS o USING (no, callback_id)
    LEFT JOIN open_case AS c ON c.own_no = p.no AND c.problem_id = p.problem_id
    WHERE p.problem_id IS NULL OR c.problem_id IS NOT NULL),
unread AS (SELECT no, count(*) AS n FROM f04 WHERE callback_id IS NULL GROUP BY no)
SELECT m.no, 'F04-P01', NULL, 'callback_id' FROM missing AS m LEFT JOIN unread AS u USING (no)
QUALIFY count(*) OVER (PARTITION BY m.no) > coalesce(u.n, 0);

INSERT INTO hit
WITH missing AS (
    SELECT DISTINCT p.own_no AS no, p.problem_id FROM p_f05 AS p
    ANTI JOIN f05 AS o ON o.no = p.own_no AND o.problem_id = p.problem_id
    WHERE p.sound AND p.handle_result = '处理中' AND p.problem_id IS NOT NULL),
unread AS (SELECT no, count(*) AS n FROM f05 WHERE problem_id IS NULL GROUP BY no)
SELECT m.no, 'F05-P01', NULL, 'problem_id' FROM missing AS m LEFT JOIN unread AS u USING (no)
QUALIFY count(*) OVER (PARTITION BY m.no) > coalesce(u.n, 0);

INSERT INTO hit
WITH older AS (
    SELECT o.no, o.r, o.problem_id, s.rep, s.ps FROM f05 AS o JOIN after AS s USING (no)
    WHERE o.problem_id IS NOT NULL AND o.found_date < s.ps
        AND (o.handle_result = '处理中' OR o.handled_date >= s.ps)
        AND o.no NOT IN (SELECT own_no FROM p_f05 WHERE problem_id IS NULL)
        AND NOT EXISTS (SELECT 1 FROM p_f05 AS p WHERE p.own_no = o.no AND p.problem_id = o.problem_id AND NOT p.sound)
        AND NOT EXISTS (SELECT 1 FROM a_r03 AS m WHERE m.successor_code = s.rep AND m.closed_on > o.found_date
            AND m.closed_on <= s.pe)),
lately AS (
    SELECT o.no, o.r, p.handle_result FROM older AS o
    JOIN p_f05 AS p ON p.own_no = o.no AND p.problem_id = o.problem_id),
before AS (
    SELECT o.no, o.r, e.handle_result FROM older AS o ANTI JOIN lately USING (no, r)
    JOIN a_f05 AS e ON e.rep = o.rep AND e.problem_id = o.problem_id AND e.ps < o.ps
    QUALIFY row_number() OVER (PARTITION BY o.no, o.r ORDER BY e.ps DESC, e.seq DESC, e.r) = 1)
SELECT DISTINCT o.no, 'F05-P01', o.r, 'problem_id'
FROM older AS o LEFT JOIN (FROM lately UNION ALL FROM before) AS k USING (no, r)
WHERE k.no IS NULL OR k.handle_result <> '处理中';

INSERT INTO hit
SELECT DISTINCT o.no, 'F06-P01', o.r, 'premium_ytd'
FROM f06 AS o JOIN after AS s USING (no)
LEFT JOIN p_f06 AS p ON p.own_no = o.no AND p.org_code = o.org_code AND p.line_code = o.line_code
    AND p.sales_channel = o.sales_channel AND p.sound
WHERE abs(o.premium_ytd - CASE month(s.ps) WHEN 1 THEN o.premium ELSE p.premium_ytd + o.premium END) > 0.01;

INSERT INTO hit
SELECT DISTINCT o.no, 'F06-P02', o.r, 'policies_in_force'
FROM f06 AS o JOIN p_f06 AS p ON p.own_no = o.no AND p.org_code = o.org_code AND p.line_code = o.line_code
    AND p.sales_channel = o.sales_channel
WHERE p.sound AND p.policies_in_force > 0
    AND abs(o.policies_in_force::HUGEINT - p.policies_in_force) * 10 > p.policies_in_force::HUGEINT * 3;

INSERT INTO hit
WITH before AS (
    SELECT * FROM p_f11 WHERE sound
    QUALIFY row_number() OVER (PARTITION BY own_no, org_code ORDER BY as_of_date DESC) = 1)
SELECT no, 'F11-P01', r, col FROM (
    SELECT o.no, o.r, unnest([{governance}]) AS col
    FROM f11 AS o JOIN before AS p ON p.own_no = o.no AND p.org_code = o.org_code)
WHERE col IS NOT NULL
