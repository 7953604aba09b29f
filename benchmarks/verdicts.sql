-- What may not change (GEN-P01), which rows are held back, and the verdict on each filing by itself.

-- Only what was accepted is a measure: no row held back, no row of a file refused for such rows.
CREATE TEMP TABLE condemned AS
SELECT DISTINCT h.no, h.r FROM hit AS h JOIN severity USING (rule) WHERE severity = 'E' AND h.r IS NOT NULL;

CREATE TEMP TABLE refused AS
SELECT c.no FROM condemned AS c JOIN readable AS s USING (no) JOIN forms AS f USING (form)
GROUP BY c.no, f.reject, s.n, s.n_read HAVING count(*) > f.reject * greatest(s.n, s.n_read);

INSERT INTO hit
WITH repeated AS (SELECT t.no, t.r, t.kh, t.{immutable}, s.ps, s.seq
    FROM {table} AS t SEMI JOIN again_{table} USING (kh) JOIN readable AS s USING (no) WHERE t.{own} IS NOT NULL)
SELECT DISTINCT s.no, 'GEN-P01', s.r, '{immutable}'
FROM repeated AS s
JOIN repeated AS e ON e.kh = s.kh AND e.{immutable} <> s.{immutable}
    AND (e.ps < s.ps OR (e.ps = s.ps AND e.seq < s.seq))
WHERE e.no NOT IN (SELECT no FROM refused)
    AND NOT EXISTS (SELECT 1 FROM condemned AS m WHERE m.no = e.no AND m.r = e.r);

CREATE TEMP TABLE held AS
SELECT DISTINCT h.no, h.r FROM hit AS h JOIN severity USING (rule) SEMI JOIN readable USING (no)
WHERE severity = 'E' AND h.r IS NOT NULL;

-- A filing by itself, with its place in the chain of its obligation.
CREATE TEMP TABLE weight AS
SELECT s.no, s.form, s.per, s.rep, s.seq, s.id, s.kind, s.prior, s.signed_at, c.copy, c.follows, p.id AS previous,
    CASE WHEN (SELECT count(*) FROM held AS h WHERE h.no = s.no) > f.reject * greatest(s.n, s.n_read) THEN 'rejected'
        WHEN EXISTS (SELECT 1 FROM hit AS h JOIN severity USING (rule) WHERE h.no = s.no AND severity = 'E')
            THEN 'partly_accepted'
        ELSE 'accepted' END AS state
FROM readable AS s JOIN forms AS f USING (form) JOIN chain AS c USING (no)
LEFT JOIN chain AS p ON p.form = s.form AND p.per = s.per AND p.rep = s.rep AND p.seq = s.seq - 1 AND p.copy = 1
