-- Structure that needs other filings, and the institution master: everything that decides who is heard at all.
-- Run after every form is loaded; `hit` holds what the one pass found. A statement with {table} runs once per form.

-- Numbers of one obligation (ENV-S06): one file a number, no gap, a follow-up names an earlier filing. A draft yields
-- its number.
CREATE TEMP TABLE chain AS
SELECT *, kind IN ('RESUBMIT', 'CORRECTION', 'WITHDRAW') OR (kind = 'NIL' AND seq > 1) AS follows,
    row_number() OVER (
        PARTITION BY form, per, rep, seq ORDER BY declared = 'SUBMITTED' DESC, signed_at, id) AS copy
FROM b
WHERE form IS NOT NULL AND per IS NOT NULL AND rep IS NOT NULL AND seq IS NOT NULL;

INSERT INTO hit
SELECT c.no, 'ENV-S06', NULL, NULL
FROM chain AS c
LEFT JOIN chain AS p ON p.form = c.form AND p.per = c.per AND p.rep = c.rep AND p.seq = c.seq - 1 AND p.copy = 1
LEFT JOIN chain AS q ON q.form = c.form AND q.per = c.per AND q.rep = c.rep AND q.id = c.prior AND q.seq < c.seq
    AND q.copy = 1
WHERE (c.copy > 1 AND c.declared = 'SUBMITTED') OR c.seq < 1 OR (c.kind = 'ORIGINAL' AND c.seq <> 1)
    OR (c.follows AND (c.prior IS NULL OR c.reason IS NULL OR p.id IS NULL OR q.id IS NULL));

CREATE TEMP TABLE severity AS
SELECT DISTINCT rule, severity FROM checks
UNION ALL
SELECT unnest(['GEN-I05', 'GEN-P02', 'GEN-P03', 'F01-U01', 'F01-U03', 'F01-X05', 'F01-X06', 'F02-X02', 'F02-P01',
    'F03-X02', 'F06-X01', 'F06-P02', 'F08-P01', 'F09-U01', 'F10-X01', 'F11-P01', 'R08-I02', 'ENV-S08']), 'W'
UNION ALL
SELECT unnest(['GEN-U01', 'GEN-U02', 'GEN-P01', 'F01-U02', 'F01-X01', 'F01-X03', 'F01-X04', 'F01-P01', 'F01-P02',
    'F02-X01', 'F02-X03', 'F03-U01', 'F03-X01', 'F03-P01', 'F04-X01', 'F04-X02', 'F04-X03', 'F04-P01', 'F05-X01',
    'F05-P01', 'F06-P01', 'F10-U01', 'F12-I02', 'F12-X01', 'F16-U01', 'F16-U02', 'R03-P01', 'R05-X01', 'R08-X01',
    'ENV-S01', 'ENV-S02', 'ENV-S03', 'ENV-S04', 'ENV-S05', 'ENV-S06', 'ENV-S07', 'ENV-S09']), 'E';

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

-- What each reporter was from when until when: the first line also holds before its day.
CREATE TEMP TABLE licence AS
SELECT i.org_code AS rep, i.insurer_class AS class, i.peer_group, r.type AS newest_type, r.opened_on, r.closed_on,
    r.successor_code,
    CASE i.insurer_class WHEN 'P' THEN 'property' WHEN 'L' THEN 'life' WHEN 'H' THEN 'health' WHEN 'A' THEN 'pension'
        ELSE 'mutual' END AS type,
    CASE WHEN lag(i.valid_from) OVER w IS NOT NULL THEN i.valid_from ELSE DATE '0001-01-01' END AS since,
    coalesce(lead(i.valid_from) OVER w, DATE '9999-12-31') AS until
FROM master AS i JOIN insurer AS r ON r.rep = i.org_code
WINDOW w AS (PARTITION BY i.org_code ORDER BY i.valid_from);

-- Who owes a form for a period (ENV-S04): open on its last day, or closed inside it without a successor; by the line in
-- force on that day.
INSERT INTO hit
SELECT b.no, 'ENV-S04', NULL, NULL
FROM b
JOIN forms AS f USING (form)
LEFT JOIN licence AS i ON i.rep = b.rep AND i.since <= least(b.pe, coalesce(i.closed_on, b.pe))
    AND least(b.pe, coalesce(i.closed_on, b.pe)) < i.until
LEFT JOIN classes AS c ON c.form = b.form AND c.class = i.class
WHERE b.form <> 'R03' AND CASE f.side WHEN 'supervisor' THEN b.rep <> '00000000000001'
    ELSE i.rep IS NULL OR c.form IS NULL OR NOT (i.opened_on <= b.pe AND (i.closed_on IS NULL OR i.closed_on > b.pe
        OR (i.successor_code IS NULL AND i.closed_on >= b.ps))) END;

CREATE TEMP TABLE readable AS
SELECT no, id, form, rep, per, ps, pe, kind, seq, prior, signed_at, n, n AS n_read
FROM (FROM in_order(false) UNION ALL FROM in_order(true));

DELETE FROM {table} WHERE no NOT IN (SELECT no FROM readable)
