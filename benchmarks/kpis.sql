-- From rows in force to KPI values: facts, monthly measures, windows, scope, values, ranks,
-- quartiles. The catalogue of
-- KPIs is read from its seed; what the catalogue means is written out here. Growth "as published" needs an earlier
-- release
-- and is left out.

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

CREATE TEMP VIEW now_{table} AS
SELECT t.*, f.per, f.rep FROM {table} AS t JOIN force AS f USING (no) ANTI JOIN held USING (no, r);

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
    c.matter_count, c.escalation, coalesce(c.surrender_diff_amount, 0) AS surrender_diff,
    starts_with(c.source_channel, 'REG_') AS regulator, c.settlement_type <> '无' AS accommodated,
    c.verify_result IS NOT NULL AS verified, coalesce(c.verify_result <> '维持', false) AS changed,
    c.status = '已办结' AND c.responsible = '有责' AS at_fault, run.as_of_date - c.decision_date > 30 AS settled,
    c.rectify_close_date IS NOT NULL AS rectified,
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
SELECT 'matters_valid' AS measure, received AS month, rep,
    CASE WHEN grouping(line_code) = 0 THEN 'line_code' ELSE 'total' END AS dim,
    coalesce(line_code, 'total') AS val, sum(matter_count) AS amount
FROM complaint WHERE valid
GROUP BY GROUPING SETS ((received, rep), (received, rep, line_code));

INSERT INTO m BY NAME
SELECT 'complaints_escalated' AS measure, received AS month, rep,
    CASE WHEN grouping(escalation) = 0 THEN 'escalation' ELSE 'total' END AS dim,
    coalesce(escalation, 'total') AS val, count(*) AS amount
FROM complaint WHERE valid AND escalation <> '无'
GROUP BY GROUPING SETS ((received, rep), (received, rep, escalation));

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT received AS month, rep, 'total' AS dim, 'total' AS val,
        coalesce(sum(matter_count) FILTER (valid AND own), 0)::DECIMAL(38, 6) AS matters_valid_own,
        (count(*) FILTER (valid AND regulator))::DECIMAL(38, 6) AS complaints_valid_regulator,
        (count(*) FILTER (validity = '重复'))::DECIMAL(38, 6) AS complaints_repeated,
        (count(*) FILTER (accommodated))::DECIMAL(38, 6) AS complaints_accommodated,
        sum(surrender_diff)::DECIMAL(38, 6) AS surrender_difference,
        (count(*) FILTER (status = '已办结' AND coalesce(outcome = '不支持', false)))::DECIMAL(38, 6)
            AS complaints_demand_unmet,
        (count(*) FILTER (verified))::DECIMAL(38, 6) AS complaints_verified,
        (count(*) FILTER (changed))::DECIMAL(38, 6) AS complaints_changed_on_verification
    FROM complaint GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

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
            AS mediation_due,
        (count(*) FILTER (at_fault AND settled))::HUGEINT AS rectifications_due,
        (count(*) FILTER (at_fault AND settled AND rectified))::HUGEINT AS rectifications_done,
        (count(*) FILTER (at_fault AND NOT settled))::HUGEINT AS rectifications_not_yet_due
    FROM complaint WHERE decided IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

-- The register against the ledger.
CREATE TEMP TABLE owner AS
WITH RECURSIVE climb AS (
    SELECT DISTINCT org_code, org_code AS top, 0 AS steps FROM master
    UNION ALL
    SELECT c.org_code, p.parent_code, c.steps + 1 FROM climb AS c JOIN master AS p ON p.org_code = c.top
    WHERE c.steps < 10 AND p.parent_code IS NOT NULL
)
SELECT c.org_code, c.top AS rep FROM climb AS c JOIN insurer AS i ON i.rep = c.top
QUALIFY row_number() OVER (PARTITION BY c.org_code ORDER BY c.steps) = 1;

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(f.received_on) AS month, o.rep, 'total' AS dim, 'total' AS val, count(*) AS register_received,
        count(*) FILTER (f.forwarded_on <= l.d7) AS register_forwarded_in_time
    FROM cur_r01 AS f LEFT JOIN owner AS o USING (org_code) LEFT JOIN limits AS l ON l.day = f.received_on
    GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
WITH register AS (
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
        count(*) FILTER (q.pre_resolved) AS inquiries_pre_resolved,
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
        count(org_accepts) AS mediation_answered, count(*) FILTER (org_accepts) AS mediation_accepted,
        count(*) AS mediation_notified,
        count(*) FILTER (NOT coalesce(org_accepts, true) AND coalesce(refuse_reason, '其他') = '其他')
            AS mediation_refused_without_reason
    FROM cur_f03 WHERE org_notified_date IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(end_date) AS month, rep, CASE WHEN grouping(mediation_org) = 0 THEN 'mediation_org'
        ELSE 'total' END AS dim,
        coalesce(mediation_org, 'total') AS val, (count(*) FILTER (result <> '撤回'))::HUGEINT AS mediation_ended,
        (count(*) FILTER (result IN ('成功', '部分成功')))::HUGEINT AS mediation_successful,
        count(*)::HUGEINT AS mediation_concluded, sum(end_date - apply_date)::HUGEINT AS mediation_days
    FROM cur_f03 WHERE end_date IS NOT NULL
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

INSERT INTO m BY NAME
SELECT 'institutions_first_success' AS measure, month_of(end_date) AS month, rep, 'total' AS dim, 'total' AS val,
    count(*) AS amount
FROM (
    SELECT rep, end_date FROM cur_f03 WHERE result IN ('成功', '部分成功')
    QUALIFY row_number() OVER (PARTITION BY org_code
        ORDER BY end_date NULLS LAST, mediation_org, mediation_id) = 1)
WHERE end_date IS NOT NULL GROUP BY ALL;

-- Call-backs: the one large fact is counted once, finely, and divided afterwards.
CREATE TEMP TABLE calls AS
SELECT rep, month_of(cooling_off_end) AS cohort, month_of(completed_at) AS completed, sales_channel, product_type,
    CASE WHEN method = '信函' THEN month_of(receipt_signed_on) END AS receipt,
    callback_type = '新单' AND must_call AS due, cooling_off_end < as_of_date AS over, success,
    success AND completed_at::DATE <= cooling_off_end AS inside, count(*) AS n
FROM cur_f04 CROSS JOIN run
GROUP BY ALL;

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT cohort AS month, rep, CASE WHEN grouping(sales_channel) = 0 THEN 'sales_channel'
            WHEN grouping(product_type) = 0 THEN 'product_type'
            WHEN grouping(cell_of) = 0 THEN 'channel_product' ELSE 'total' END AS dim,
        coalesce(sales_channel, product_type, cell_of, 'total') AS val,
        coalesce(sum(n), 0) AS call_backs_in_cohort, coalesce(sum(n) FILTER (over), 0) AS call_backs_due,
        coalesce(sum(n) FILTER (over AND completed IS NOT NULL), 0) AS call_backs_completed,
        coalesce(sum(n) FILTER (over AND success), 0) AS call_backs_successful,
        coalesce(sum(n) FILTER (over AND inside), 0) AS call_backs_successful_in_cooling_off,
        coalesce(sum(n) FILTER (NOT over), 0) AS call_backs_not_yet_due
    FROM (SELECT *, sales_channel || '/' || product_type AS cell_of FROM calls) WHERE due AND cohort IS NOT NULL
    GROUP BY GROUPING SETS ((cohort, rep), (cohort, rep, sales_channel), (cohort, rep, product_type),
        (cohort, rep, cell_of)))
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
SELECT 'calls_completed' AS measure, completed AS month, rep,
    CASE WHEN grouping(sales_channel) = 0 THEN 'sales_channel' ELSE 'total' END AS dim,
    coalesce(sales_channel, 'total') AS val, sum(n) AS amount
FROM calls WHERE completed IS NOT NULL
GROUP BY GROUPING SETS ((completed, rep), (completed, rep, sales_channel));

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT receipt AS month, rep, 'total' AS dim, 'total' AS val, sum(n) AS letters_answered, sum(n) AS letters_sent
    FROM calls WHERE receipt IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT (per || '-01')::DATE AS month, rep, 'total' AS dim, 'total' AS val,
        coalesce(sum(due_count) FILTER (fresh), 0) AS summary_due,
        coalesce(sum(done_count) FILTER (fresh), 0) AS summary_completed,
        coalesce(sum(success_count) FILTER (fresh), 0) AS summary_successful,
        coalesce(sum(success_in_cooling_off) FILTER (fresh), 0) AS summary_successful_in_cooling_off,
        sum(receipt_pending) AS letters_pending, sum(receipt_pending) AS letters_sent
    FROM (SELECT *, callback_type = '新单' AS fresh FROM now_f04s) GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

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

-- Conduct, hotline, education.
INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(required_date) AS month, true AS quarterly, rep,
        CASE WHEN grouping(item_type) = 0 THEN 'item_type' ELSE 'total' END AS dim, coalesce(item_type, 'total') AS val,
        count(*) AS reviews_required, count(review_date) AS reviews_done
    FROM cur_f07 WHERE required_date IS NOT NULL
    GROUP BY GROUPING SETS ((month_of(required_date), rep), (month_of(required_date), rep, item_type)))
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(review_date) AS month, true AS quarterly, rep, 'total' AS dim, 'total' AS val,
        sum(opinions) AS review_opinions, sum(opinions_adopted) AS review_opinions_adopted
    FROM cur_f07 WHERE review_date IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(session_date) AS month, true AS quarterly, rep, 'total' AS dim, 'total' AS val,
        coalesce(sum(expected) FILTER (audience = '内勤'), 0)::DECIMAL(38, 6) AS staff_training_expected,
        coalesce(sum(attended) FILTER (audience = '内勤'), 0)::DECIMAL(38, 6) AS staff_training_attended,
        coalesce(sum(expected) FILTER (audience = '外勤'), 0)::DECIMAL(38, 6) AS sales_training_expected,
        coalesce(sum(attended) FILTER (audience = '外勤'), 0)::DECIMAL(38, 6) AS sales_training_attended,
        (count(*) FILTER (audience = '外勤' AND expected > 0))::DECIMAL(38, 6) AS sales_courses,
        coalesce(sum((200000000 * attended::HUGEINT + expected) // (2 * expected)) FILTER (audience = '外勤'
            AND expected > 0), 0)::DECIMAL(32, 0) * 0.000001 AS sales_course_rates
    FROM cur_f08 GROUP BY ALL) ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(found_date) AS month, rep, 'total' AS dim, 'total' AS val,
        count(*) FILTER (NOT (status = '初筛' AND reported_on IS NULL)) AS clues_screened,
        count(reported_on) AS clues_reported,
        count(*) FILTER (status = '初筛' AND reported_on IS NULL) AS clues_in_screening
    FROM cur_f09 GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(verified_on) AS month, rep, 'total' AS dim, 'total' AS val,
        count(*)::DECIMAL(38, 6) AS clues_verified,
        coalesce(sum(surrender_amount), 0)::DECIMAL(38, 6) AS clue_surrender_amount,
        coalesce(sum(recovered_amount), 0)::DECIMAL(38, 6) AS clue_recovered_amount
    FROM cur_f09 WHERE verified_on IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
SELECT 'sanctions' AS measure, month_of(action_date) AS month, rep,
    CASE WHEN grouping(action_type) = 0 THEN 'action_type' ELSE 'total' END AS dim,
    coalesce(action_type, 'total') AS val, count(*) AS amount
FROM cur_f10 WHERE action_type <> '移出灰名单'
GROUP BY GROUPING SETS ((month_of(action_date), rep), (month_of(action_date), rep, action_type));

INSERT INTO m BY NAME
WITH accountable AS (
    SELECT c.rep, month_of(c.decision_date) AS month, run.as_of_date - c.decision_date > 60 AS due,
        EXISTS (SELECT 1 FROM cur_f10 AS a WHERE a.rep = c.rep AND a.complaint_id = c.complaint_id
            AND a.action_type <> '移出灰名单') AS acted
    FROM cur_f01 AS c CROSS JOIN run
    WHERE c.status = '已办结' AND c.responsible = '有责' AND c.agent_code IS NOT NULL
)
FROM (UNPIVOT (
    SELECT month, rep, 'total' AS dim, 'total' AS val, count(*) FILTER (due) AS accountable_complaints,
        count(*) FILTER (due AND acted) AS accountable_complaints_acted_on,
        count(*) FILTER (NOT due) AS accountable_complaints_not_yet_due
    FROM accountable GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(called_at) AS month, '00000000000001' AS rep,
        CASE WHEN grouping(call_kind) = 0 THEN 'call_kind' ELSE 'total' END AS dim, coalesce(call_kind, 'total') AS val,
        count(*) AS hotline_calls, count(*) FILTER (answered) AS hotline_calls_answered
    FROM cur_r05 GROUP BY GROUPING SETS ((month_of(called_at)), (month_of(called_at), call_kind))
    HAVING grouping(call_kind) = 1 OR call_kind IS NOT NULL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
WITH transfer AS (
    SELECT o.rep, month_of(c.transferred_at) AS month, c.insurer_answered AS answered, c.resolved,
        run.as_of_date - c.transferred_at::DATE > 30 AS mature,
        coalesce(c.recomplained_on - c.transferred_at::DATE <= 30, false) AS again
    FROM cur_r05 AS c CROSS JOIN run LEFT JOIN owner AS o USING (org_code) WHERE c.transferred_at IS NOT NULL
)
FROM (UNPIVOT (
    SELECT month, rep, 'total' AS dim, 'total' AS val, count(*) AS transfers,
        count(*) FILTER (answered) AS transfers_answered, count(*) FILTER (resolved) AS transfers_resolved,
        count(*) FILTER (mature) AS transfers_mature,
        count(*) FILTER (mature AND answered AND NOT again) AS transfers_successful,
        count(*) FILTER (mature AND again) AS transfers_complained_again,
        count(*) FILTER (NOT mature) AS transfers_not_yet_mature
    FROM transfer GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

CREATE TEMP MACRO quarter_end(per) AS make_date(left(per, 4)::INT, right(per, 1)::INT * 3, 1);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT quarter_end(per) AS month, true AS quarterly, rep,
        CASE WHEN grouping(activity_form) = 0 THEN 'activity_form' ELSE 'total' END AS dim,
        coalesce(activity_form, 'total') AS val, sum(sessions) AS education_sessions, sum(reach) AS education_reach
    FROM now_f15 GROUP BY GROUPING SETS ((quarter_end(per), rep), (quarter_end(per), rep, activity_form)))
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT quarter_end(per) AS month, true AS quarterly, rep, 'total' AS dim, 'total' AS val,
        sum(sites) AS outlets_with_education_area, sum(sites_total) AS outlets
    FROM now_f15 WHERE activity_form = '网点宣教专区' GROUP BY ALL)
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
WITH choice AS (
    SELECT rep, survey_id, question_id, topic, month_of(surveyed_to) AS month, question_type = '满意度' AS rating,
        max(issued) AS issued, max(valid_answers) AS answers, coalesce(sum(chosen) FILTER (is_satisfied), 0) AS satisfied
    FROM cur_f16 GROUP BY ALL
)
FROM (UNPIVOT (
    SELECT month, true AS quarterly, rep, CASE WHEN grouping(topic) = 0 THEN 'topic' ELSE 'total' END AS dim,
        coalesce(topic, 'total') AS val, coalesce(sum(satisfied) FILTER (rating), 0) AS survey_satisfied,
        coalesce(sum(answers) FILTER (rating), 0) AS survey_rating_answers, sum(answers) AS survey_valid_answers,
        sum(issued) AS survey_issued
    FROM choice GROUP BY GROUPING SETS ((month, rep), (month, rep, topic)))
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(surveyed_to) AS month, true AS quarterly, rep, 'survey_choice' AS dim,
        question_id || '/' || choice_id AS val, sum(chosen) AS survey_choice_chosen,
        sum(valid_answers) AS survey_choice_answers
    FROM cur_f16 WHERE question_type <> '满意度' GROUP BY ALL)
    ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(apply_date) AS month, rep, 'total' AS dim, 'total' AS val, sum(orphan_policies) AS orphan_policies,
        sum(called) AS orphan_policies_called
    FROM cur_f12 GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month_of(effective_date) AS month, rep, 'total' AS dim, 'total' AS val, count(*) AS departures_processed,
        count(*) FILTER (called_ok = orphan_policies) AS departures_called_in_full
    FROM cur_f12 WHERE effective_date IS NOT NULL GROUP BY ALL)
    ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT (per || '-01')::DATE AS month, rep, 'total' AS dim, 'total' AS val, sum(screened) AS policies_screened,
        sum(risk_cleared) AS risk_policies_cleared, sum(pre_resolved) AS screening_pre_resolved
    FROM now_f13 GROUP BY ALL) ON * EXCLUDE (month, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
WITH weight(element, pct) AS (VALUES ('体制建设', 10), ('机制与运行', 25), ('操作与服务', 30), ('教育宣传', 10),
    ('纠纷化解', 25), ('监督检查', 0)),
score AS (
    SELECT e.org_code AS rep, make_date(e.evaluation_year::INT, 12, 1) AS month,
        sum(coalesce(e.score, 0) * w.pct * 0.01 - coalesce(e.deduction, 0))::DECIMAL(18, 4) AS points
    FROM cur_r08 AS e JOIN weight AS w USING (element) GROUP BY ALL HAVING count(*) = 6
)
FROM (UNPIVOT (
    SELECT month, true AS quarterly, rep, 'total' AS dim, 'total' AS val, sum(points)::DECIMAL(38, 6) AS evaluation_points,
        count(*)::DECIMAL(38, 6) AS evaluations
    FROM score GROUP BY ALL) ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

INSERT INTO m BY NAME
WITH own AS (
    SELECT t.*, f.rep, make_date(left(f.per, 4)::INT, right(f.per, 1)::INT * 3, 1) AS month
    FROM f11 AS t JOIN force AS f USING (no) ANTI JOIN held USING (no, r)
    WHERE t.record_action <> 'D' AND t.org_code = f.rep
    QUALIFY row_number() OVER (PARTITION BY f.rep, f.per ORDER BY as_of_date DESC, r DESC) = 1
)
FROM (UNPIVOT (
    SELECT month, true AS quarterly, rep, 'total' AS dim, 'total' AS val, (count(*))::DECIMAL(38, 6) AS institutions_described,
        (count(*) FILTER (fi_ledger))::DECIMAL(38, 6) AS institutions_with_ledger,
            (count(*) FILTER (fi_rules))::DECIMAL(38, 6) AS institutions_with_rules,
        (count(*) FILTER (fi_sales_covered))::DECIMAL(38, 6) AS institutions_covering_sales,
        (count(*) FILTER (fi_pilot))::DECIMAL(38, 6) AS institutions_in_pilot,
        (count(*) FILTER (cp_weight_pct >= 5))::DECIMAL(38, 6) AS institutions_weighing_protection,
        (count(fi_weight_pct))::DECIMAL(38, 6) AS institutions_weighing_inquiries,
        coalesce(sum(fi_weight_pct), 0)::DECIMAL(38, 6) AS inquiry_weight
    FROM own GROUP BY ALL) ON * EXCLUDE (month, quarterly, rep, dim, val) INTO NAME measure VALUE amount);

-- Obligations: the shortest window they belong to, and the month they end with.
CREATE TEMP TABLE duty AS
SELECT o.form, o.rep, o.per, o.months, o.ps AS first_month, month_of(o.pe) AS month, a.no IS NOT NULL AS in_force,
    coalesce(a.met::DATE <= o.due, false) AS on_time, coalesce(s.again, false) AS again,
    coalesce(s.firsts, 0) AS firsts, coalesce(s.passed, 0) AS passed
FROM owed AS o
LEFT JOIN force AS a USING (form, per, rep)
LEFT JOIN (
    SELECT form, per, rep, bool_or(seq > 1 AND kind <> 'WITHDRAW') AS again, count(*) FILTER (seq = 1) AS firsts,
        count(*) FILTER (seq = 1 AND no NOT IN (
            SELECT f.no FROM finding AS f JOIN severity AS v USING (rule) WHERE v.severity = 'E')) AS passed
    FROM b GROUP BY ALL) AS s USING (form, per, rep)
WHERE o.due <= (SELECT as_of_date FROM run);

INSERT INTO m BY NAME
FROM (UNPIVOT (
    SELECT month, months = 3 AS quarterly, rep, CASE WHEN grouping(form) = 0 THEN 'form' ELSE 'total' END AS dim,
        coalesce(form, 'total') AS val, count(*)::HUGEINT AS filings_owed,
            (count(*) FILTER (on_time))::HUGEINT AS filings_on_time,
        (count(*) FILTER (in_force))::HUGEINT AS filings_accepted,
        (count(*) FILTER (in_force AND again))::HUGEINT AS filings_filed_again,
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
        numerator_measure, denominator_measure, left_out_measure, forms, grains, period_types, dim = 'total' AS dense
    FROM cat WHERE dimensions IS NOT NULL
    UNION ALL
    SELECT v.kpi_id, v.kind, v.dimension, v.dimension_value, v.numerator_measure, v.denominator_measure,
        CASE WHEN v.denominator_measure IS NULL THEN c.left_out_measure END,
        coalesce(v.forms, c.forms), coalesce(v.grains, c.grains), coalesce(v.period_types, c.period_types),
            v.is_dense = 'true'
    FROM variant AS v JOIN cat AS c USING (kpi_id)
)
SELECT row_number() OVER ()::SMALLINT AS sid, d.kpi_id, d.kind, d.dim, d.val, d.numerator_measure AS num,
    d.denominator_measure AS den, coalesce(c.denominator_dimension, 'same') = 'total' AND d.val IS NULL AS den_total,
    d.left_out_measure AS left_out, c.of_kpi, c.base_window, c.scale::BIGINT AS scale, c.unit,
    string_split(d.grains, '|') AS grains, string_split(d.period_types, '|') AS ptypes,
    dense_rank() OVER (ORDER BY d.forms, c.insurer_classes, c.coverage_rule)::SMALLINT AS sk,
    string_split(d.forms, '|') AS forms, string_split(c.insurer_classes, '|') AS classes,
        c.coverage_rule AS rule,
    string_split(c.edge_policies, '|') AS edges, c.small_base_on AS small_on,
    CASE WHEN c.small_base_on NOT IN ('numerator', 'denominator', 'base') THEN c.small_base_on END AS counted, d.dense,
    d.kpi_id IN (SELECT of_kpi FROM cat WHERE kind = 'growth') AS is_base
FROM described AS d JOIN cat AS c USING (kpi_id);

CREATE TEMP TABLE need AS
WITH role AS (
    UNPIVOT (SELECT sid, num, den, left_out, counted FROM series WHERE kind IN ('count', 'ratio', 'index', 'spread'))
    ON num, den, left_out, counted INTO NAME role VALUE measure)
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

-- Whose figures count for whom: as filed, and with merged insurers under their heirs. The bureau counts for itself.
CREATE TEMP TABLE present AS
SELECT l.* FROM licence AS l CROSS JOIN run WHERE l.since <= run.as_of_date AND l.until > run.as_of_date;

CREATE TEMP TABLE heir AS
WITH RECURSIVE way AS (
    SELECT rep, rep AS heir, 0 AS steps FROM present
    UNION ALL
    SELECT w.rep, h.rep, w.steps + 1
    FROM way AS w JOIN present AS i ON i.rep = w.heir JOIN present AS h ON h.rep = i.successor_code CROSS JOIN run
    WHERE w.steps < 20 AND (i.closed_on IS NULL OR i.closed_on <= run.as_of_date)
)
SELECT 'current' AS basis, rep, rep AS org FROM present
UNION ALL
(SELECT 'comparable', rep, heir FROM way QUALIFY row_number() OVER (PARTITION BY rep ORDER BY steps DESC) = 1)
UNION ALL
SELECT unnest(['current', 'comparable']), '00000000000001', '00000000000001';

-- Groups as numbers: each insurer stands in four, by what it is in the window (comparable: by what it is now).
CREATE TEMP TABLE class_of AS
SELECT 'current' AS basis, win.wid, l.rep, l.class, l.type, l.peer_group
FROM licence AS l JOIN win ON l.since <= least(win.last_day, coalesce(l.closed_on, win.last_day))
    AND l.until > least(win.last_day, coalesce(l.closed_on, win.last_day))
UNION ALL
SELECT 'comparable', win.wid, p.rep, p.class, p.type, p.peer_group FROM present AS p CROSS JOIN win;

CREATE TEMP TABLE grp AS
SELECT row_number() OVER (ORDER BY grain, gk)::SMALLINT AS gid, grain, gk
FROM (
    SELECT 1 AS grain, rep AS gk FROM licence UNION SELECT 2, type FROM licence UNION SELECT 3, peer_group
        FROM licence
    UNION SELECT 4, 'bureau' UNION SELECT 1, '00000000000001');

CREATE TEMP TABLE member AS
WITH placed AS (
    SELECT basis, wid, rep, type, peer_group FROM class_of
    UNION ALL
    SELECT unnest(['current', 'comparable']), wid, '00000000000001', NULL, NULL FROM win
)
SELECT i.basis, i.wid, i.rep, g.grain, g.gid,
    (min(g.gid) FILTER (g.grain = 1) OVER (PARTITION BY i.basis, i.wid, i.rep)) AS own
FROM placed AS i JOIN grp AS g
    ON g.gk = CASE g.grain WHEN 1 THEN i.rep WHEN 2 THEN i.type WHEN 3 THEN i.peer_group ELSE 'bureau' END;

CREATE TEMP MACRO grain_no(grain) AS CASE grain WHEN 'insurer' THEN 1 WHEN 'insurer_type' THEN 2
    WHEN 'peer_group' THEN 3 ELSE 4 END;

CREATE TEMP TABLE series_grain AS SELECT sid, grain_no(unnest(grains)) AS grain FROM series;

CREATE TEMP TABLE series_window AS
SELECT k.sid, win.wid FROM series AS k JOIN win ON list_contains(k.ptypes, win.ptype);

-- Who is in scope, and who is complete. A need of the bureau's own register alone is met by the bureau: everybody that
-- owes anything is in scope.
CREATE TEMP TABLE scope AS
WITH coverage AS (
    SELECT p.basis, p.org, d.form, d.months, w.wid, count(*) AS owed, count(*) FILTER (d.in_force) AS there,
        count(*) FILTER (w.last) AS owed_end, count(*) FILTER (w.last AND d.in_force) AS there_end
    FROM duty AS d JOIN heir AS p USING (rep) JOIN wm AS w ON w.month = d.month
        AND (d.months = 1 OR w.ptype <> 'month')
    GROUP BY ALL
),
wanted AS (SELECT sk, any_value(forms) AS forms, any_value(classes) AS classes, any_value(rule) AS rule,
    bool_or(is_base) AS is_base
    FROM series GROUP BY sk),
one AS (SELECT sk, rule, is_base, unnest(forms) AS form FROM wanted),
calendar_of AS (SELECT form, min(first_month) AS first, max(month) AS last FROM duty GROUP BY ALL),
span AS (
    SELECT o.sk, count(*) AS n_forms, CASE WHEN o.rule = 'owed' THEN min(c.first)
        WHEN count(c.form) = count(*) THEN max(c.first) END AS first,
        CASE WHEN o.rule = 'owed' THEN max(c.last) WHEN count(c.form) = count(*) THEN min(c.last) END AS last
    FROM one AS o LEFT JOIN calendar_of AS c USING (form) GROUP BY o.sk, o.rule
),
filed AS (
    SELECT o.sk, c.basis, c.org, c.wid, count(*) AS n_forms,
        bool_and(CASE WHEN c.months = 3 AND o.rule <> 'filed_throughout' THEN c.there_end = c.owed_end
            ELSE c.there = c.owed END) AS complete
    FROM one AS o JOIN coverage AS c USING (form)
    WHERE (c.basis = 'current' OR o.is_base)
        AND (c.months = 1 OR c.owed_end > 0 OR o.rule IN ('owed', 'filed_throughout'))
    GROUP BY ALL
),
owing AS (
    FROM filed
    UNION ALL
    SELECT DISTINCT f.sk, f.basis, c.org, f.wid, 0, true
    FROM filed AS f JOIN span AS k ON k.sk = f.sk AND k.n_forms = f.n_forms
    JOIN coverage AS c ON c.basis = f.basis AND c.wid = f.wid AND c.org <> '00000000000001'
    WHERE f.org = '00000000000001'
),
party AS (
    SELECT f.sk, f.basis, f.wid, f.org, k.first = win.first AS starts,
        w.rule = 'owed' OR (f.complete AND coalesce(s.complete, true)) AS complete
    FROM owing AS f JOIN wanted AS w USING (sk) JOIN span AS k USING (sk)
    JOIN win ON win.wid = f.wid AND k.first <= win.first AND k.last >= win.last
    JOIN class_of AS i ON i.basis = f.basis AND i.wid = f.wid AND i.rep = f.org AND list_contains(w.classes, i.class)
    LEFT JOIN filed AS s ON s.sk = f.sk AND s.basis = f.basis AND s.wid = f.wid AND s.org = '00000000000001'
    WHERE w.rule <> 'bureau' AND (w.rule = 'owed' OR f.n_forms + coalesce(s.n_forms, 0) = k.n_forms)
    UNION ALL
    SELECT f.sk, f.basis, f.wid, f.org, k.first = win.first, f.complete
    FROM filed AS f JOIN wanted AS w USING (sk) JOIN span AS k ON k.sk = f.sk AND k.n_forms = f.n_forms
    JOIN win ON win.wid = f.wid AND k.first <= win.first AND k.last >= win.last
    WHERE w.rule = 'bureau' AND f.org = '00000000000001'
)
SELECT i.sk, i.basis, i.wid, g.grain, g.gid, count(*)::INT AS n_scope, count(*) FILTER (i.complete)::INT AS n_complete,
    bool_or(i.starts) AS starts
FROM party AS i JOIN member AS g ON g.basis = i.basis AND g.wid = i.wid AND g.rep = i.org
GROUP BY ALL;

-- Who stands on one insurer's grey list on the last day of a month and is active at another: by an action on the person
-- there, or a policy sold under an agent code that the other's F10 names for the person; until the contract ends there.
INSERT INTO m BY NAME
WITH action AS (
    SELECT a.rep, a.no, a.r, a.person_hash, a.agent_code, a.action_type, a.action_date, a.valid_until, h.org
    FROM cur_f10 AS a JOIN heir AS h ON h.rep = a.rep AND h.basis = 'comparable'
),
listed AS (
    SELECT e.org, e.person_hash, e.action_date, e.valid_until, min(o.action_date) AS removed_on
    FROM action AS e LEFT JOIN action AS o ON o.action_type = '移出灰名单' AND o.org = e.org
        AND o.person_hash = e.person_hash AND o.action_date >= e.action_date
    WHERE e.action_type = '列入灰名单' GROUP BY ALL
),
agent AS (
    SELECT DISTINCT rep, org, person_hash, agent_code FROM action
    WHERE agent_code IS NOT NULL AND person_hash IN (SELECT person_hash FROM listed)
),
departed AS (
    SELECT org, person_hash, action_date AS left_on FROM action WHERE action_type = '解除合同'
    UNION ALL
    SELECT a.org, a.person_hash, d.effective_date FROM agent AS a JOIN cur_f12 AS d USING (rep, agent_code)
    WHERE d.effective_date IS NOT NULL
),
active AS (
    SELECT rep, org, person_hash, action_date AS on_day FROM action WHERE action_type NOT IN ('解除合同', '移出灰名单')
    UNION ALL
    SELECT a.rep, a.org, a.person_hash, c.issue_date FROM agent AS a JOIN cur_f04 AS c USING (rep, agent_code)
),
seen AS (
    SELECT win.first AS month, win.last_day, l.person_hash, a.rep, a.org, max(a.on_day) AS on_day
    FROM listed AS l JOIN active AS a ON a.person_hash = l.person_hash AND a.org <> l.org AND a.on_day > l.action_date
    JOIN win ON win.ptype = 'month' AND a.on_day <= win.last_day AND coalesce(l.valid_until >= win.last_day, true)
        AND coalesce(l.removed_on > win.last_day, true)
    GROUP BY ALL
),
returned AS (
    SELECT month, person_hash, min(rep) AS rep FROM seen AS s WHERE NOT EXISTS (
        SELECT 1 FROM departed AS d WHERE d.org = s.org AND d.person_hash = s.person_hash AND d.left_on >= s.on_day
            AND d.left_on <= s.last_day)
    GROUP BY ALL
)
SELECT 'grey_list_returns' AS measure, month, rep, 'total' AS dim, 'total' AS val, count(*) AS amount
FROM returned GROUP BY ALL;

-- Numerators and denominators by window and group.
CREATE TEMP TABLE summed AS
WITH stock AS (SELECT measure_id AS measure
    FROM read_csv('{root}/dbt_project/seeds/measure_catalogue.csv', header = true, all_varchar = true)
    WHERE window_rule = 'stock'),
grown AS (SELECT DISTINCT measure FROM need WHERE is_base)
SELECT h.basis, m.measure, w.wid, h.org, m.dim, m.val, sum(m.amount)::DECIMAL(26, 6) AS amount
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
        coalesce(sum(s.amount) FILTER (role = 'left_out'), 0) AS left_out,
        coalesce(sum(s.amount) FILTER (role = 'counted'), 0) AS counted
    FROM summed AS s JOIN need AS n ON n.measure = s.measure AND n.dim = s.dim
    WHERE s.basis = 'current' OR n.is_base
    GROUP BY ALL
)
SELECT c.*, k.den_total, k.kind = 'index' AS is_index, s.n_complete = 1 AS complete
FROM summed_up AS c
JOIN series AS k USING (sid)
JOIN grp AS own ON own.gk = c.org AND own.grain = 1
JOIN scope AS s ON s.sk = k.sk AND s.wid = c.wid AND s.gid = own.gid AND (s.basis = 'current') = c.current
SEMI JOIN series_window AS w ON w.sid = c.sid AND w.wid = c.wid;

CREATE TEMP TABLE operand AS
WITH allowed AS (
    SELECT sid, grain FROM series_grain UNION SELECT sid, 4 FROM series WHERE kind = 'index'
    UNION SELECT sid, 1 FROM series WHERE kind = 'spread'
),
placed AS (
    SELECT c.sid, c.den_total, c.current, c.wid, g.grain, g.gid, c.val, sum(c.num) AS num, sum(c.den) AS den,
        sum(c.left_out) AS left_out, sum(c.counted) AS counted
    FROM cell AS c JOIN allowed AS a USING (sid)
    JOIN member AS g ON (g.basis = 'current') = c.current AND g.wid = c.wid AND g.rep = c.org AND g.grain = a.grain
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
        coalesce(o.counted, 0) AS counted, list_contains(k.edges, 'E2') AND s.starts AS no_base,
        CASE WHEN s.n_complete > 0 THEN coalesce(o.num, 0) END AS num,
        CASE WHEN s.n_complete > 0 AND k.kind = 'ratio' THEN coalesce(o.den, 0) END AS den, coalesce(o.left_out,
            0) > 0 AS immature
    FROM frame AS f JOIN series AS k USING (sid)
    JOIN scope AS s ON s.sk = k.sk AND s.basis = f.basis AND s.wid = f.wid AND s.gid = f.gid
    LEFT JOIN operand AS o ON o.sid = f.sid AND o.basis = f.basis AND o.wid = f.wid AND o.gid = f.gid
        AND o.val = f.val
    WHERE s.n_complete > 0 OR k.dense  -- what nobody filed is told once, not divided
)
SELECT *, CASE WHEN no_base THEN NULL WHEN kind = 'count' THEN num WHEN den > 0 THEN ratio(num, den, scale) END::DECIMAL(18,
    2) AS value FROM counted;

-- Values of all kinds in one shape; flags in the order they are printed.
CREATE TEMP TABLE value_of AS
SELECT sid, kpi_id, basis, wid, gid, dim, val, num::DECIMAL(38, 6) AS num, den::DECIMAL(38, 6) AS den, value, unit,
    NULL::DECIMAL(38, 6) AS base, NULL::VARCHAR AS base_period,
    n_complete AS n, n_complete = 0 AS missing, n_complete > 0 AND no_base AS no_base, kind = 'ratio'
        AND coalesce(den <= 0, false) AS zero_den,
    list_contains(edges, 'E3') AND value IS NOT NULL
        AND coalesce(CASE small_on WHEN 'numerator' THEN num WHEN 'denominator' THEN den ELSE counted END < 30, false) AS small,
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
        t.grain <> 1 AND (t.partial OR coalesce(bt.partial OR bt.n_complete = 0, false)) AS partial,
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
        0) AS cases, coalesce(o.den, 0) AS exposure,
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
WHERE dense OR (n_complete = 1 AND (cases <> 0 OR exposure <> 0));

-- Median of institutions' rates.
INSERT INTO value_of
WITH rate AS (
    SELECT k.sid, k.kpi_id, k.dim, r.sid AS rate_sid, r.sk, r.unit,
        r.kpi_id || CASE WHEN r.dim = 'total' THEN '' ELSE '.' || r.val END AS name
    FROM (SELECT *, unnest(string_split(of_kpi, '|')) AS rate_of FROM series WHERE kind = 'rate_median') AS k
    JOIN series AS r ON r.kpi_id = k.rate_of
),
frame AS (
    SELECT rate.*, s.wid, s.gid, s.n_complete > 0 AND s.n_complete < s.n_scope AS partial, s.n_complete
    FROM rate
    JOIN series_window AS w ON w.sid = rate.rate_sid
    JOIN scope AS s ON s.sk = rate.sk AND s.wid = w.wid AND s.basis = 'current'
    SEMI JOIN series_grain AS g ON g.sid = rate.sid AND g.grain = s.grain
),
seen AS (
    SELECT v.sid AS rate_sid, v.wid, g.gid, v.value, v.num = 0 AS none
    FROM rated AS v JOIN member AS g ON g.own = v.gid AND g.basis = 'current' AND g.wid = v.wid
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
SELECT f.sid, f.kpi_id, 'current', f.wid, f.gid, f.dim, f.name || '.' || o.population,
    CASE WHEN f.n_complete > 0 THEN coalesce(z.n, 0) END, CASE WHEN f.n_complete > 0 THEN coalesce(q.n, 0) END, q.value,
    f.unit, NULL, NULL, coalesce(q.n, 0), f.n_complete = 0, false, q.n IS NULL, false, false, false, f.partial
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
    JOIN member AS g ON g.rep = t.rep AND g.basis = 'current' AND g.wid = t.wid
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

-- Least, middle and greatest of institutions' own values.
INSERT INTO value_of
WITH seen AS (
    SELECT k.sid, o.wid, g.grain, g.gid, ratio(o.num, o.den, k.scale)::DECIMAL(18, 2) AS value
    FROM series AS k JOIN operand AS o ON o.sid = k.sid AND o.grain = 1 AND o.basis = 'current' AND o.den > 0
    JOIN scope AS s ON s.sk = k.sk AND s.wid = o.wid AND s.gid = o.gid AND s.basis = 'current' AND s.n_complete = 1
    JOIN member AS g ON g.basis = 'current' AND g.wid = o.wid AND g.own = o.gid
    WHERE k.kind = 'spread'
),
used AS (SELECT *, row_number() OVER w AS p, count(*) OVER (PARTITION BY sid, wid, gid) AS n FROM seen
    WINDOW w AS (PARTITION BY sid, wid, gid ORDER BY value)),
middle AS (
    SELECT sid, wid, gid, any_value(n) AS n, min(value) AS least, max(value) AS greatest,
        ratio(sum(value) FILTER (p IN ((n + 1) // 2, n // 2 + 1)) * CASE WHEN any_value(n) % 2 = 1 THEN 2 ELSE 1 END,
            2, 1) AS middle
    FROM used GROUP BY ALL
)
SELECT k.sid, k.kpi_id, 'current', s.wid, s.gid, k.dim, k.val, NULL,
    CASE WHEN s.n_complete > 0 THEN coalesce(q.n, 0) END,
    CASE k.val WHEN 'min' THEN q.least WHEN 'median' THEN q.middle ELSE q.greatest END, k.unit, NULL, NULL,
    coalesce(q.n, 0), s.n_complete = 0, false, s.n_complete > 0 AND q.n IS NULL, false, false, false,
    s.n_complete > 0 AND s.n_complete < s.n_scope
FROM series AS k JOIN series_window AS w USING (sid)
JOIN scope AS s ON s.sk = k.sk AND s.basis = 'current' AND s.wid = w.wid
SEMI JOIN series_grain AS x ON x.sid = k.sid AND x.grain = s.grain
LEFT JOIN middle AS q ON q.sid = k.sid AND q.wid = s.wid AND q.gid = s.gid
WHERE k.kind = 'spread';

-- What insurers have disclosed (F17) beside the same figure from their filings, at the printed decimals, half up.
CREATE TEMP MACRO quotient(n, d, places) AS CASE WHEN d <> 0 THEN sign(n) * sign(d)
    * ((2 * abs((n * 1000000)::HUGEINT) * (10 ** places)::BIGINT + abs((d * 1000000)::HUGEINT))
        // (2 * abs((d * 1000000)::HUGEINT))) END;

INSERT INTO value_of
WITH told AS (
    SELECT f.*, CASE WHEN contains(printed_value, '.') THEN length(printed_value) - instr(printed_value, '.') ELSE 0 END
        AS places, try_cast(printed_value AS DECIMAL(38, 4)) AS printed
    FROM cur_f17 AS f
),
beside AS (
    SELECT t.rep, w.first, w.last, (t.printed * (10 ** t.places)::BIGINT)::HUGEINT AS printed,
        CASE WHEN v.value IS NULL THEN NULL WHEN k.kind = 'ratio' THEN quotient(v.num * k.scale, v.den, t.places)
            WHEN k.kind = 'growth' THEN quotient((v.num - v.den) * k.scale, v.den, t.places)
            ELSE quotient(v.value, 1, t.places) END AS filed
    FROM told AS t
    JOIN win AS w ON w.ptype = t.indicator_period_type AND w.period = t.indicator_period
    JOIN series AS k ON k.kpi_id = t.kpi_id AND k.dim = t.dimension
        AND t.dimension_value = coalesce(k.val, t.dimension_value) AND k.kind <> 'rate_median'
    JOIN grp AS g ON g.grain = 1 AND g.gk = t.rep
    JOIN value_of AS v ON v.sid = k.sid AND v.wid = w.wid AND v.gid = g.gid AND v.basis = 'current'
        AND v.val = t.dimension_value
),
counted AS (
    SELECT win.wid, b.rep, count(*) AS n, count(*) FILTER (b.filed = b.printed) AS same
    FROM beside AS b JOIN win ON b.first >= win.first AND b.last <= win.last
    WHERE b.filed IS NOT NULL AND b.printed IS NOT NULL GROUP BY ALL
),
grouped AS (
    SELECT c.wid, g.gid, sum(c.n) AS n, sum(c.same) AS same
    FROM counted AS c JOIN present AS p USING (rep) JOIN grp AS g
        ON g.gk = CASE g.grain WHEN 1 THEN p.rep WHEN 2 THEN p.type WHEN 3 THEN p.peer_group ELSE 'bureau' END
    GROUP BY ALL
)
SELECT k.sid, k.kpi_id, 'current', s.wid, s.gid, k.dim, k.val, coalesce(q.same, 0), coalesce(q.n, 0),
    ratio(q.same, q.n, k.scale), k.unit, NULL, NULL, s.n_complete, false, false, q.n IS NULL, false, false, false, false
FROM series AS k JOIN series_window AS w USING (sid)
JOIN scope AS s ON s.sk = k.sk AND s.basis = 'current' AND s.wid = w.wid
SEMI JOIN series_grain AS x ON x.sid = k.sid AND x.grain = s.grain
LEFT JOIN grouped AS q ON q.wid = s.wid AND q.gid = s.gid
WHERE k.kind = 'agreement';

-- Restatement: nothing was published before a first run, so there is no base, which is not "no change".
INSERT INTO value_of
SELECT k.sid, k.kpi_id, 'current', v.wid, v.gid, k.dim,
    CASE WHEN n.dim = 'total' THEN n.kpi_id ELSE n.kpi_id || '.' || v.val END, NULL, NULL, NULL, k.unit, NULL, NULL, v.n,
    v.missing, true, false, false, false, false, false
FROM series AS k JOIN series_window AS w USING (sid)
JOIN value_of AS v ON v.wid = w.wid AND v.basis = 'current'
JOIN series AS n ON n.sid = v.sid AND n.dense AND n.kind <> 'rate_median'
JOIN grp AS g ON g.gid = v.gid SEMI JOIN series_grain AS x ON x.sid = k.sid AND x.grain = g.grain
WHERE k.kind = 'restatement';

CREATE TABLE kpi_values AS
WITH candidate AS (
    SELECT v.*, g.grain, g.gk, g.grain = 1 AND v.value IS NOT NULL
        AND NOT v.small AS ranked, i.type, i.peer_group AS pg
    FROM value_of AS v JOIN series AS k USING (sid) JOIN grp AS g USING (gid)
    LEFT JOIN class_of AS i ON i.rep = g.gk AND i.wid = v.wid AND i.basis = v.basis
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
