-- States, obligations, and the warnings that compare with what is in force. `link` (no, since, left_as, met): accepted
-- versions in order, from the walk along each chain.

CREATE TABLE standing AS
SELECT b.no, CASE WHEN w.no IS NULL THEN CASE
        WHEN EXISTS (SELECT 1 FROM hit AS h WHERE h.no = b.no AND h.rule = 'ENV-S01') THEN 'malformed'
        ELSE 'rejected' END
    WHEN l.no IS NULL THEN 'rejected' ELSE coalesce(l.left_as, w.state) END AS state
FROM b LEFT JOIN weight AS w USING (no) LEFT JOIN link AS l USING (no);

CREATE TEMP TABLE force AS
SELECT s.no, s.form, s.per, s.ps, s.rep, s.n, l.since, l.met
FROM link AS l JOIN readable AS s USING (no) WHERE l.left_as IS NULL AND s.kind <> 'WITHDRAW';

CREATE TEMP TABLE run AS SELECT max(signed_at) AS as_of, max(signed_at)::DATE AS as_of_date FROM b;

CREATE TEMP TABLE owed AS
WITH span AS (
    SELECT f.form, f.frequency, f.days, f.side, min(b.ps) AS first_start,
        CASE frequency WHEN 'monthly' THEN 1 ELSE 3 END AS months
    FROM forms AS f JOIN b USING (form)
    WHERE f.days IS NOT NULL AND f.frequency IN ('monthly', 'quarterly') AND b.ps IS NOT NULL
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
    WHERE (p.ps + to_months(p.months) - INTERVAL 1 DAY)::DATE < (SELECT as_of_date FROM run)
)
SELECT d.*, i.rep
FROM dated AS d JOIN classes AS c USING (form)
JOIN licence AS i ON i.class = c.class AND i.opened_on <= d.pe
    AND (i.closed_on IS NULL OR i.closed_on > d.pe OR (i.successor_code IS NULL AND i.closed_on >= d.ps))
    AND i.since <= least(d.pe, coalesce(i.closed_on, d.pe)) AND least(d.pe, coalesce(i.closed_on, d.pe)) < i.until
WHERE d.side = 'insurer'
UNION ALL
SELECT d.*, '00000000000001' FROM dated AS d WHERE d.side = 'supervisor';

INSERT INTO hit
SELECT b.no, 'ENV-S08', NULL, NULL FROM b JOIN owed AS o USING (form, per, rep)
WHERE b.signed_on > o.due AND b.kind <> 'WITHDRAW';

-- Volume against the last six periods in force.
INSERT INTO hit
WITH before AS (
    SELECT s.no, s.n, e.n AS was, row_number() OVER (PARTITION BY s.no ORDER BY e.ps DESC) AS back
    FROM readable AS s JOIN force AS e ON e.form = s.form AND e.rep = s.rep AND e.ps < s.ps
    WHERE s.kind <> 'WITHDRAW'
)
SELECT no, 'GEN-P02', NULL, NULL FROM before WHERE back <= 6 GROUP BY no, n
HAVING count(*) >= 3 AND abs(n * count(*) - sum(was)) * 2 > sum(was) AND abs(n * count(*) - sum(was)) > 20 * count(*);

CREATE TABLE finding AS
SELECT b.id, h.rule, h.r % 67108864 AS r, h.col, h.no FROM hit AS h JOIN b USING (no)
    SEMI JOIN readable USING (no) WHERE NOT starts_with(h.rule, 'ENV-')
UNION ALL
SELECT DISTINCT b.id, h.rule, NULL, NULL, h.no FROM hit AS h JOIN b USING (no) WHERE starts_with(h.rule, 'ENV-')
