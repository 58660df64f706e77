-- Reconcile: each gateway's own lists against ours, in both directions. Differences are looked up, and recorded or
-- settled as if a webhook had come (present.sql, confirm.sql). The gateways are called by the function, between these
-- calls and never inside one.
--
-- Locks:      reconcile_pass alone; payments of one page, in the order of their ids.
-- Keeps:      a pass goes on where it stopped: a page counts once it was compared and every difference was looked up.
--             Each gateway has a pass of its own, and no other waits for it.
-- Isolation:  READ COMMITTED or above.
-- A retry:    compares the page again; moving a pass that another call has moved meanwhile returns null.

-- When a pass that begins now should be through and the next should have begun: as long again as between two, and a day at
-- least, because a gateway may be out for hours.
create or replace function holdfast.reconcile_overdue_at(p_every_s double precision) returns timestamptz
language sql volatile
return clock_timestamp() + make_interval(secs => greatest(2 * p_every_s, 86400));

-- Passes to work on now, each taken for p_lease_s: those that are not through, and new ones of gateways whose last one
-- began p_every_s ago. p_since: payments before it are not compared; null: all of the last p_days are, and after an outage
-- all since the last pass, of 90 days at most.
create or replace function holdfast.claim_reconcile(
    p_gateways text[], p_every_s double precision, p_days double precision, p_since text, p_lease_s integer) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    insert into holdfast.reconcile_pass (gateway, from_at, until_at, began_at, finished_at, next_at, overdue_at)
    select g, 'epoch', 'epoch', 'epoch', 'epoch', 'epoch', holdfast.reconcile_overdue_at(p_every_s) from unnest(p_gateways) as g
    on conflict on constraint reconcile_pass_pkey do nothing;
    -- A gateway that is not configured any more is not missed.
    update holdfast.reconcile_pass r set overdue_at = null
    where r.gateway <> all (p_gateways) and r.overdue_at is not null;
    with due as (
        select r.gateway, r.finished_at is not null as begins, clock_timestamp() as now from holdfast.reconcile_pass r
        where r.gateway = any (p_gateways) and r.next_at <= clock_timestamp()
          and (r.finished_at is null or r.began_at + make_interval(secs => p_every_s) <= clock_timestamp())
          -- Lists are not requested from a gateway that fails or throttles.
          and not exists (select from holdfast.gateway_breaker b where b.gateway = r.gateway
                          and (b.state <> 'closed' or b.ask_after > clock_timestamp()))
        order by r.gateway for update skip locked
    ), taken as (
        update holdfast.reconcile_pass r set
            next_at = due.now + make_interval(secs => p_lease_s),
            list = case when due.begins then '' else r.list end,
            cursor = case when due.begins then '' else r.cursor end,
            -- After an outage from where the last pass ended, so that no day is left out.
            from_at = case when due.begins then least(due.now, greatest(
                least(due.now - make_interval(secs => 86400 * p_days), nullif(r.until_at, 'epoch')),
                due.now - interval '90 days', p_since::timestamptz)) else r.from_at end,
            until_at = case when due.begins then due.now else r.until_at end,
            began_at = case when due.begins then due.now else r.began_at end,
            overdue_at = case when due.begins or r.overdue_at is null
                then holdfast.reconcile_overdue_at(p_every_s) else r.overdue_at end,
            looked = case when due.begins then 0 else r.looked end,
            differed = case when due.begins then 0 else r.differed end,
            finished_at = null
        from due where r.gateway = due.gateway
        returning r.*
    )
    select coalesce(json_agg(json_build_object(
        'gateway', t.gateway, 'list', t.list, 'cursor', t.cursor, 'from_s', floor(extract(epoch from t.from_at))::bigint,
        'until_s', ceil(extract(epoch from t.until_at))::bigint) order by t.gateway), '[]') from taken t;
end;

-- Whether what a list says of a payment is what is recorded.
create or replace function holdfast.agrees(p_payment holdfast.payment, p_told json) returns boolean
language sql stable
return case p_told ->> 'state'
    -- Only that it was captured: a listed refund may have failed since.
    when 'taken' then (p_payment).reversed_at is null and (p_payment).refunded_outside = 0
        and holdfast.paid_back_by_us((p_payment).gateway, (p_payment).payment_id, true) = 0
    when 'changed' then (p_payment).seen_at > to_timestamp((p_told ->> 'at_s')::bigint)
    when 'gone' then (p_payment).reversed_at is not null
    -- One of its disputes: of several the payment itself says what they come to.
    when 'disputed' then ((p_payment).dispute, (p_payment).disputed_amount)
        is not distinct from (p_told ->> 'dispute', (p_told ->> 'disputed_amount')::bigint)
    when 'paid' then (p_payment).reversed_at is null and (p_payment).currency = p_told ->> 'currency'
        and (p_payment).amount - greatest((p_told ->> 'amount')::bigint - (p_told ->> 'refunded')::bigint, 0)
            = (p_payment).refunded_outside
            + holdfast.paid_back_by_us((p_payment).gateway, (p_payment).payment_id, true)
        and (select true from holdfast.refund r
             where r.gateway = (p_payment).gateway and r.payment_id = (p_payment).payment_id
               and r.status = 'COMPLETED' and coalesce((p_payment).dispute <> 'lost', true)
               and (p_told ->> 'amount')::bigint > (p_told ->> 'refunded')::bigint) is null
        and case p_told ->> 'dispute'
            when 'none' then coalesce((p_payment).dispute <> 'open', true)
            -- The list of disputes has the result.
            when 'ask' then (p_payment).dispute is not null
            else p_told ->> 'dispute' is null or ((p_payment).dispute, (p_payment).disputed_amount)
                 is not distinct from (p_told ->> 'dispute', (p_told ->> 'disputed_amount')::bigint) end
    else false end;

-- A page of a list. p_lines: {payment_id, ours: whether it names a hold in our form, told: what it says; none: that
-- something changed}. Returns those that have to be looked up.
create or replace function holdfast.compare_listed(p_gateway text, p_lines json) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    with line as materialized (
        select l.payment_id, l.ours, l.told
        from json_to_recordset(p_lines) as l (payment_id text, ours boolean, told json)
    ), known as materialized (
        select p as payment, p.payment_id from holdfast.payment p
        where p.gateway = p_gateway and p.payment_id = any (array(select l.payment_id from line l))
        order by p.payment_id for no key update
    ), listed as (
        update holdfast.payment p set listed_at = clock_timestamp() from known k
        where p.gateway = p_gateway and p.payment_id = k.payment_id
    )
    select coalesce(json_agg(distinct l.payment_id), '[]')
    from line l left join known k on k.payment_id = l.payment_id
    where case
        when k.payment_id is not null then not coalesce(holdfast.agrees(k.payment, l.told), false)
        -- Not ours yet: what was taken, or is set aside, and of which something is left; and where the list does not
        -- say what there is now, as of a deposit, which may have been reversed.
        when not l.ours then false
        else l.told is null or coalesce(l.told ->> 'state' in ('taken', 'authorised')
                      or (l.told ->> 'state' = 'paid' and (l.told ->> 'amount')::bigint > (l.told ->> 'refunded')::bigint), false) end;
end;

-- The other direction: of our payments of the pass's days, those that none of its lists had. It looks at p_most at a time.
create or replace function holdfast.unlisted_payments(p_gateway text, p_cursor text, p_most integer) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    with pass as materialized (
        select r.*,
            case p_cursor when '' then r.from_at
                else 'epoch'::timestamptz + split_part(p_cursor, '.', 1)::bigint * interval '1 microsecond' end as after_at,
            case p_cursor when '' then 0 else split_part(p_cursor, '.', 2)::bigint end as after_no
        from holdfast.reconcile_pass r where r.gateway = p_gateway
    ), looked as materialized (
        select p.payment_id, p.created_at, p.payment_no, coalesce(p.listed_at >= pass.began_at, false) as is_listed
        from pass join holdfast.payment p on p.gateway = p_gateway
            and (p.created_at, p.payment_no) > (pass.after_at, pass.after_no) and p.created_at < pass.until_at
        order by p.created_at, p.payment_no limit p_most
    )
    select json_build_object(
        'payment_ids', coalesce(json_agg(l.payment_id) filter (where not l.is_listed), '[]'),
        'looked', count(*),
        'next', case when count(*) = p_most then (
            select (extract(epoch from e.created_at) * 1000000)::bigint || '.' || e.payment_no
            from looked e order by e.created_at desc, e.payment_no desc limit 1) end)
    from looked l;
end;

-- The page is done: the pass goes on at p_to and p_next, or is through (p_to null). Null: another call has moved it.
create or replace function holdfast.advance_reconcile(
    p_gateway text, p_list text, p_cursor text, p_to text, p_next text, p_looked bigint, p_differed bigint, p_lease_s integer)
returns boolean language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    update holdfast.reconcile_pass r set
        list = coalesce(p_to, ''), cursor = p_next, looked = r.looked + p_looked, differed = r.differed + p_differed,
        failures = 0, last_error = null, finished_at = case when p_to is null then clock_timestamp() end,
        compared_until = case when p_to is null then r.until_at else r.compared_until end,
        next_at = clock_timestamp() + case when p_to is null then interval '0' else make_interval(secs => p_lease_s) end
    where r.gateway = p_gateway and r.list = p_list and r.cursor = p_cursor and r.finished_at is null
    returning true;
end;

-- Half a minute, doubling to an hour.
create or replace function holdfast.reconcile_distance(p_failures integer) returns interval
language sql immutable
return make_interval(secs => least(3600, 30 * 2 ^ least(p_failures, 7)));

-- The gateway's list fails: it is retried at growing intervals.
create or replace function holdfast.fail_reconcile(p_gateway text, p_error text) returns void
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    update holdfast.reconcile_pass r set failures = r.failures + 1, last_error = left(p_error, 500),
        next_at = clock_timestamp() + holdfast.reconcile_distance(r.failures)
    where r.gateway = p_gateway and r.finished_at is null;
end;

-- Some payments of a page could not be looked up: the page is compared again at the same intervals, while its gateway
-- throttles or fails. Null: the pass goes on, because the gateway is well and has no answer about these payments alone;
-- or it fails only now and then, and has done so with this page five times: then they may be the reason.
create or replace function holdfast.stay_reconcile(p_gateway text, p_list text, p_cursor text, p_error text) returns boolean
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    update holdfast.reconcile_pass r set failures = r.failures + 1, last_error = left(p_error, 500),
        next_at = clock_timestamp() + holdfast.reconcile_distance(r.failures)
    where (r.gateway, r.list, r.cursor) = (p_gateway, p_list, p_cursor) and r.finished_at is null
      and exists (select from holdfast.gateway_breaker b where b.gateway = p_gateway
                  and (b.ask_after > clock_timestamp() or b.state <> 'closed' or (b.failures > 0 and r.failures < 5)))
    returning true;
end;

revoke execute on function holdfast.reconcile_overdue_at(double precision),
    holdfast.claim_reconcile(text[], double precision, double precision, text, integer),
    holdfast.agrees(holdfast.payment, json), holdfast.compare_listed(text, json),
    holdfast.unlisted_payments(text, text, integer),
    holdfast.advance_reconcile(text, text, text, text, text, bigint, bigint, integer),
    holdfast.reconcile_distance(integer), holdfast.fail_reconcile(text, text),
    holdfast.stay_reconcile(text, text, text, text) from public;
grant execute on function holdfast.claim_reconcile(text[], double precision, double precision, text, integer),
    holdfast.compare_listed(text, json), holdfast.unlisted_payments(text, text, integer),
    holdfast.advance_reconcile(text, text, text, text, text, bigint, bigint, integer),
    holdfast.fail_reconcile(text, text), holdfast.stay_reconcile(text, text, text, text) to holdfast_reconcile;
-- And what follows where something differs: the way of a webhook.
grant execute on function holdfast.look_again(text, text),
    holdfast.record_present(text, text, text, text, bigint, bigint, text, text, bigint),
    holdfast.look_at_payment(text, text), holdfast.hold_of_payment(text, text),
    holdfast.confirm(text, text, text, uuid, text, bigint, text),
    holdfast.secure(text, text, text, uuid, text, bigint, text, text),
    holdfast.park(text, text, text, bigint, text, boolean),
    holdfast.note_payment(text, text, text, uuid, text, bigint, text),
    holdfast.note_payment(text, text, text, uuid, text, bigint, text, boolean),
    holdfast.payment_unanswered(text, text, text), holdfast.end_payment(text, text, text),
    holdfast.gateway_answered(text), holdfast.gateway_failed(text, text),
    holdfast.gateway_slowed(text, double precision) to holdfast_reconcile;
