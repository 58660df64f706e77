-- Audit: looks for what neither the code nor the constraints have caught, and writes it down.
--
-- It goes through four parts, each in the order of its key and in pieces of bounded size: `audit_look` reads the next
-- piece, `audit_write` keeps what was seen and moves the cursor. A part that is through begins again.
--
-- Locks:      looking takes none. Writing takes rows of audit_cursor and audit_finding, which nobody else has.
-- Keeps:      nothing is corrected. A finding is written and told once for as long as it stands.
-- Isolation:  `audit_look` is STABLE, so whatever it reads it reads as of one moment, its caller's snapshot: a sale that
--             goes on meanwhile looks whole. Each piece has a moment of its own, and a short one: an old snapshot
--             would keep the dead versions of the hot counters from being pruned.
-- A retry:    looks again. Two at once look at the same piece, and the cursor moves once.
--
-- That a counter is its ledger's sum follows from four comparisons, none of which has to add up a whole ledger:
-- total = available + held + sold; total = what operators put in and took out; every hold's entries come to what its
-- status says; every entry belongs to a hold or to an operator.

-- One SKU's sums, and the live holds: a sale at a time.
create or replace function holdfast.audit_sales(p_after text, p_told_since timestamptz) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with one as materialized (
        select s.sale_id from holdfast.sale s where s.sale_id > p_after order by s.sale_id limit 1
    ), active as materialized (
        select a.*, h.status, i.qty from one join holdfast.user_active_hold a on a.sale_id = one.sale_id
        left join holdfast.reservation_hold h on h.hold_id = a.hold_id and h.sale_id = a.sale_id and h.user_id = a.user_id
        left join holdfast.reservation_hold_item i on i.hold_id = a.hold_id and i.sku_id = a.sku_id
    ), held as (
        select sku_id, sum(qty) as qty from active group by sku_id
    ), sold as (
        select o.sku_id, sum(o.qty) as qty from one join holdfast.order_items o on o.sale_id = one.sale_id group by o.sku_id
    ), moved as materialized (
        select l.* from one join holdfast.inventory_ledger l on l.sale_id = one.sale_id and l.hold_id is null
    ), stock as (
        select sku_id, sum(qty) as qty from moved group by sku_id
    ), per_sku as materialized (
        select k.sale_id, k.sku_id, (c.sku_id is not null)::integer as counters, coalesce(c.total, 0) as total,
               coalesce(c.available, 0) as available, coalesce(held.qty, 0)::bigint as held,
               coalesce(sold.qty, 0)::bigint as sold, coalesce(stock.qty, 0)::bigint as stock
        from one join holdfast.sku k on k.sale_id = one.sale_id
        left join holdfast.inventory_counter c on c.sale_id = k.sale_id and c.sku_id = k.sku_id
        left join held on held.sku_id = k.sku_id left join sold on sold.sku_id = k.sku_id
        left join stock on stock.sku_id = k.sku_id
    ), changed as (
        select m.sale_id, m.sku_id, m.qty, m.reason, count(*) as entries from moved m
        where m.created_at >= p_told_since group by m.sale_id, m.sku_id, m.qty, m.reason
    ), told as (
        select e.data ->> 'sku_id' as sku_id, (e.data ->> 'delta')::bigint as qty, e.data ->> 'reason' as reason,
               count(*) as events
        from one join holdfast.event_outbox e on e.sale_id = one.sale_id and e.event_type = 'StockAdjusted'
        group by 1, 2, 3
    ), bought as (
        select o.sale_id, o.user_id, o.sku_id, sum(o.qty) as qty from one join holdfast.order_items o on o.sale_id = one.sale_id
        group by o.sale_id, o.user_id, o.sku_id
    ), counted as (
        select b.* from one join holdfast.buyer_history b on b.sale_id = one.sale_id where b.bought > 0
    ), finding as (
        select c.check_name, p.sale_id || '/' || p.sku_id as subject, p.sale_id, c.expected, c.found, to_json(p) as saw
        from per_sku p cross join lateral (values
            ('counter_missing', 1, p.counters),
            ('counter_sum', case p.counters when 1 then p.available + p.held + p.sold end, p.total),
            ('counter_ledger', case p.counters when 1 then p.stock end, p.total)
        ) as c (check_name, expected, found)
        where c.expected <> c.found
        union all
        select 'buyer_bought', b.sale_id || '/' || b.sku_id || '/' || b.user_id, b.sale_id, b.qty, coalesce(c.bought, 0),
               json_build_object('history', to_json(c))
        from bought b left join counted c on c.user_id = b.user_id and c.sku_id = b.sku_id
        where b.qty is distinct from c.bought
        union all
        select 'buyer_bought', c.sale_id || '/' || c.sku_id || '/' || c.user_id, c.sale_id, 0, c.bought,
               json_build_object('history', to_json(c))
        from counted c where not exists (select from holdfast.order_items o
            where o.sale_id = c.sale_id and o.user_id = c.user_id and o.sku_id = c.sku_id)
        union all
        select 'active_hold', hold_id || '/' || sku_id, sale_id, 1, 0, to_json(a)
        from active a where status is distinct from 'HOLD' or qty is null
        union all
        select 'stock_told', c.sale_id || '/' || c.sku_id || '/' || c.qty || '/' || coalesce(c.reason, ''), c.sale_id,
               c.entries, coalesce(told.events, 0), to_json(c)
        from changed c left join told on told.sku_id = c.sku_id and told.qty = c.qty and told.reason is not distinct from c.reason
        where coalesce(told.events, 0) < c.entries
    )
    select json_build_object('upto', (select sale_id from one),
                             'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- A hold with every row that belongs to it, for whoever reads a finding.
create or replace function holdfast.audit_hold_rows(p_hold holdfast.reservation_hold) returns json
language sql stable
return json_build_object(
    'hold', p_hold,
    'lines', (select json_agg(i order by i.position) from holdfast.reservation_hold_item i where i.hold_id = p_hold.hold_id),
    'entries', (select json_agg(l order by l.entry_id) from holdfast.inventory_ledger l where l.hold_id = p_hold.hold_id),
    'order', (select to_json(o) from holdfast.orders o where o.hold_id = p_hold.hold_id),
    'order_lines', (select json_agg(i order by i.position) from holdfast.orders o
                    join holdfast.order_items i on i.order_id = o.order_id where o.hold_id = p_hold.hold_id));

-- Holds with their lines, entries, active rows, orders, and what was told of them. Every row by its key: nothing here
-- is joined but one hold's few rows.
create or replace function holdfast.audit_holds(p_after uuid, p_most integer, p_told_since timestamptz) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with piece as materialized (
        select h as hold, h.* from holdfast.reservation_hold h where h.hold_id > p_after order by h.hold_id limit p_most
    ), range as materialized (
        -- Behind the last hold there may still be entries.
        select upto, coalesce(upto, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as last
        from (select case when (select count(*) from piece) = p_most
                     then (select hold_id from piece order by hold_id desc limit 1) end as upto) p
    ), finding as (
        select c.check_name, p.hold_id::text as subject, p.sale_id, c.expected, c.found,
               holdfast.audit_hold_rows(p.hold) as saw
        from piece p
        cross join lateral (
            select count(*) as lines, coalesce(sum(i.qty * i.unit_price), 0)::bigint as amount,
                   count(*) filter (where l.debit = -i.qty) as debited,
                   count(*) filter (where l.net = case when p.status = 'HOLD' or (p.status = 'COMMITTED' and o.status is distinct from 'CANCELLED')
                                                    then -i.qty else 0 end) as settled,
                   count(a.hold_id) as active,
                   count(*) filter (where (b.qty, b.unit_price, b.sale_id, b.user_id) = (i.qty, i.unit_price, p.sale_id, p.user_id)) as bought
            from holdfast.reservation_hold_item i
            left join lateral (
                select sum(e.qty) as net, sum(e.qty) filter (where e.event_type = 'RESERVE_DEBIT') as debit
                from holdfast.inventory_ledger e
                where e.hold_id = p.hold_id and e.sku_id = i.sku_id and e.sale_id = p.sale_id) l on true
            left join holdfast.user_active_hold a
                on a.sale_id = p.sale_id and a.user_id = p.user_id and a.sku_id = i.sku_id and a.hold_id = p.hold_id
            left join holdfast.orders o on o.hold_id = p.hold_id
            left join holdfast.order_items b on b.order_id = o.order_id and b.sku_id = i.sku_id
            where i.hold_id = p.hold_id) own
        left join lateral (
            select o.order_id, (o.sale_id, o.user_id, o.currency) = (p.sale_id, p.user_id, p.currency) as same, o.total_amount,
                   o.status = 'CANCELLED' as cancelled,
                   (select count(*) from holdfast.order_items i where i.order_id = o.order_id) as lines
            from holdfast.orders o where o.hold_id = p.hold_id) o on true
        cross join lateral (values
            ('hold_lines', greatest(own.lines, 1), own.lines),
            ('hold_amount', own.amount, p.total_amount),
            ('hold_debit', own.lines, own.debited),
            ('hold_ledger', own.lines, own.settled),
            ('hold_active', case p.status when 'HOLD' then own.lines else 0 end, own.active),
            ('hold_order', (p.status = 'COMMITTED')::integer, (o.order_id is not null)::integer),
            ('order_lines', case when o.order_id is null or o.cancelled then 0 else own.lines end,
                            case when o.cancelled or o.lines > own.lines then o.lines else own.bought end),
            ('order_owner', 1, coalesce(o.same, true)::integer),
            ('order_amount', p.total_amount, coalesce(o.total_amount, p.total_amount)),
            ('hold_told', 1, case when p.created_at < p_told_since then 1 else (
                select count(*) from holdfast.event_outbox e where e.event_id = p.hold_id and e.hold_id = p.hold_id
                and e.event_type = 'ReservationCreated') end),
            ('hold_end_told', 1, case when p.status = 'HOLD' or coalesce(p.retaken_at, p.finalized_at) < p_told_since then 1 else (
                select count(*) from holdfast.event_outbox e where e.hold_id = p.hold_id and e.event_type = case p.status
                    when 'COMMITTED' then 'OrderConfirmed' when 'EXPIRED' then 'ReservationExpired' else 'ReservationReleased' end
                and e.event_type in ('OrderConfirmed', 'ReservationExpired', 'ReservationReleased')) end),
            -- Taken again after the sweep: both ends are told. What was paid before the sweep came had one end.
            ('hold_expiry_told', 1, case when p.retaken_at > p.finalized_at and p.finalized_at >= p_told_since then (
                select count(*) from holdfast.event_outbox e where e.hold_id = p.hold_id
                and e.event_type = 'ReservationExpired') else 1 end)
        ) as c (check_name, expected, found)
        where c.expected <> c.found
        union all
        select 'ledger_hold', l.entry_id::text, l.sale_id, 0, l.qty, json_build_object('entry', l)
        from range r join holdfast.inventory_ledger l on l.hold_id > p_after and l.hold_id <= r.last
        where not exists (select from holdfast.reservation_hold_item i join holdfast.reservation_hold h on h.hold_id = i.hold_id
                          where i.hold_id = l.hold_id and i.sku_id = l.sku_id and h.sale_id = l.sale_id)
    )
    select json_build_object('upto', (select upto from range),
                             'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- Payments with their orders, refunds, entries, and what was told of a refund. A payment is one order or one refund, and
-- both where the order was cancelled. A refund may be given up, and tried again, any number of times. p_after is a row of two: gateway and
-- payment_id, as JSON.
create or replace function holdfast.audit_payments(p_after json, p_most integer, p_told_since timestamptz) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with piece as materialized (
        select * from holdfast.payment p where (p.gateway, p.payment_id) > (p_after ->> 0, p_after ->> 1)
        order by p.gateway, p.payment_id limit p_most
    ), finding as (
        select c.check_name, p.gateway || '/' || p.payment_id as subject, p.sale_id, c.expected, c.found,
               json_build_object('payment', p, 'order', o, 'refund', r) as saw
        from piece p
        left join holdfast.orders o on o.gateway = p.gateway and o.payment_id = p.payment_id
        left join holdfast.refund r on r.gateway = p.gateway and r.payment_id = p.payment_id
        cross join lateral (
            select count(*) filter (where l.event_type = 'ORDER_CONFIRMED' and l.order_id = p.order_id) as confirmed,
                   count(*) filter (where l.event_type = 'ORDER_CANCELLED' and l.order_id = p.order_id) as cancelled,
                   count(*) filter (where l.event_type = 'REFUND_REQUIRED') as required
            from holdfast.order_ledger l
            where l.gateway = p.gateway and l.payment_id = p.payment_id
              and l.event_type in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')
              and (l.amount, l.currency) = (p.amount, p.currency)) entries
        cross join lateral (
            -- What came later: how its refund ended, and what the gateway told.
            select count(*) filter (where l.event_type = 'REFUND_COMPLETED' and l.amount = p.amount) as completed,
                   count(*) filter (where l.event_type = 'REFUND_FAILED') as failed,
                   count(*) filter (where l.event_type = 'REFUND_REOPENED') as reopened,
                   coalesce(sum(l.amount) filter (where l.event_type = 'PAYMENT_REFUNDED_OUTSIDE'), 0)::bigint as outside,
                   count(*) filter (where l.event_type = 'PAYMENT_REVERSED')
                   - count(*) filter (where l.event_type = 'PAYMENT_RESTORED') as reversed,
                   (array_agg(l.event_type order by l.entry_id desc) filter (
                        where l.event_type in ('PAYMENT_DISPUTED', 'DISPUTE_WON', 'DISPUTE_LOST')))[1] as dispute,
                   count(*) filter (where l.created_at >= p_told_since and l.event_type in
                        ('PAYMENT_REFUNDED_OUTSIDE', 'PAYMENT_REVERSED', 'PAYMENT_RESTORED',
                         'PAYMENT_DISPUTED', 'DISPUTE_WON', 'DISPUTE_LOST')) as told
            from holdfast.order_ledger l
            where l.gateway = p.gateway and l.payment_id = p.payment_id and l.currency = p.currency
              and l.event_type not in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')) later
        cross join lateral (values
            ('payment_order', (p.state = 'ORDERED')::integer, (o.order_id is not null)::integer),
            ('payment_refund', (p.state = 'REFUND_REQUIRED' or coalesce(o.status = 'CANCELLED' and p.amount > 0, false))::integer,
                               (r.status is not null)::integer),
            ('order_payment', 1, (o.order_id is null or (o.order_id, o.total_amount, o.currency) = (p.order_id, p.amount, p.currency))::integer),
            ('refund_amount', p.amount, coalesce(r.amount, p.amount)),
            ('refund_currency', 1, (coalesce(r.currency, p.currency) = p.currency)::integer),
            ('payment_ledger', (p.state = 'ORDERED')::integer, entries.confirmed),
            ('order_ledger', coalesce(o.status = 'CANCELLED', false)::integer, entries.cancelled),
            ('refund_ledger', case when r.status is null then 0 when r.status = 'REQUIRED' then 1 else 2 end,
                case when r.status is null then 0 else entries.required + later.completed - later.reopened
                    + case when r.status = 'FAILED' then least(later.failed, 1) else 0 end end),
            ('refund_told', 1, case when r.status is null or r.created_at < p_told_since then 1 else (
                select least(count(*), 1) from holdfast.event_outbox e where e.data ->> 'gateway' = p.gateway
                and e.data ->> 'payment_id' = p.payment_id and e.event_type = 'RefundRequired'
                and e.event_type in ('RefundRequired', 'RefundCompleted', 'RefundFailed')) end),
            ('refund_end_told', 1, case when r.status is null or r.status = 'REQUIRED' or r.finalized_at < p_told_since then 1 else (
                select least(count(*), 1) from holdfast.event_outbox e where e.data ->> 'gateway' = p.gateway
                and e.data ->> 'payment_id' = p.payment_id
                and e.event_type = case r.status when 'COMPLETED' then 'RefundCompleted' else 'RefundFailed' end
                and e.event_type in ('RefundRequired', 'RefundCompleted', 'RefundFailed')) end),
            ('payment_outside', later.outside, p.refunded_outside),
            ('payment_reversed', later.reversed, (p.reversed_at is not null)::integer),
            ('payment_dispute', 1, (later.dispute is not distinct from case p.dispute when 'open' then 'PAYMENT_DISPUTED'
                                    when 'won' then 'DISPUTE_WON' when 'lost' then 'DISPUTE_LOST' end)::integer),
            ('payment_change_told', later.told, case later.told when 0 then 0 else (
                select least(count(*), later.told) from holdfast.event_outbox e where e.data ->> 'gateway' = p.gateway
                and e.data ->> 'payment_id' = p.payment_id
                and e.event_type in ('PaymentDisputed', 'PaymentRefundedOutside')) end),
            -- An order that stands, of which the gateway has less than was paid, and nothing is recorded that says why.
            ('payment_left', 1, case when o.status is distinct from 'CONFIRMED' or p.seen_left is null then 1
                else (p.seen_left + holdfast.moved_outside((
                    select q from holdfast.payment q where (q.gateway, q.payment_id) = (p.gateway, p.payment_id)
                )) >= p.amount)::integer end)
        ) as c (check_name, expected, found)
        where c.expected <> c.found
    )
    select json_build_object(
        'upto', (select case when count(*) = p_most then (select json_build_array(gateway, payment_id)::text from piece
                                                          order by gateway desc, payment_id desc limit 1) end from piece),
        'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- Events and what they tell of: whatever was told has happened.
create or replace function holdfast.audit_events(p_after uuid, p_most integer) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with piece as materialized (
        select * from holdfast.event_outbox e where e.event_id > p_after order by e.event_id limit p_most
    ), compared as (
        -- Values and no EXISTS: that may be answered by a table that is read whole once.
        select e.event_id, e.event_type, e.sale_id, e.hold_id, e.data, coalesce(case e.event_type
            when 'ReservationCreated' then (
                select (h.sale_id, h.user_id, h.total_amount)
                     = (e.sale_id, e.data ->> 'user_id', (e.data ->> 'total_amount')::bigint)
                from holdfast.reservation_hold h where h.hold_id = e.hold_id)
            when 'ReservationExpired' then (
                -- And it stays true where a late payment took the stock again.
                select h.status = 'EXPIRED' or h.retaken_at > h.finalized_at
                from holdfast.reservation_hold h where h.hold_id = e.hold_id)
            when 'ReservationReleased' then (
                select h.status = 'RELEASED' from holdfast.reservation_hold h where h.hold_id = e.hold_id)
            when 'OrderConfirmed' then (
                select (o.order_id::text, o.total_amount) = (e.data ->> 'order_id', (e.data ->> 'total_amount')::bigint)
                from holdfast.orders o where o.hold_id = e.hold_id)
            when 'OrderCancelled' then (
                select (o.order_id::text, o.status) = (e.data ->> 'order_id', 'CANCELLED')
                from holdfast.orders o where o.hold_id = e.hold_id)
            when 'RefundRequired' then (
                select r.amount = (e.data ->> 'amount')::bigint from holdfast.refund r
                where r.gateway = e.data ->> 'gateway' and r.payment_id = e.data ->> 'payment_id')
            -- The gateway may have reported it failed since.
            when 'RefundCompleted' then (
                select count(*) > 0 from holdfast.order_ledger l where l.gateway = e.data ->> 'gateway'
                and l.payment_id = e.data ->> 'payment_id' and l.event_type = 'REFUND_COMPLETED')
            -- It may have been tried again since.
            when 'RefundFailed' then (
                select count(*) > 0 from holdfast.order_ledger l where l.gateway = e.data ->> 'gateway'
                and l.payment_id = e.data ->> 'payment_id' and l.event_type not in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')
                and l.event_type = case e.data ->> 'reopened'
                    when 'true' then 'REFUND_REOPENED' else 'REFUND_FAILED' end)
            when 'PaymentRefundedOutside' then (
                select count(*) > 0 from holdfast.order_ledger l where l.gateway = e.data ->> 'gateway'
                and l.payment_id = e.data ->> 'payment_id' and l.amount in ((e.data ->> 'amount')::bigint, -(e.data ->> 'amount')::bigint)
                and l.event_type in ('PAYMENT_REFUNDED_OUTSIDE', 'PAYMENT_REVERSED', 'PAYMENT_RESTORED'))
            when 'PaymentDisputed' then (
                select count(*) > 0 from holdfast.order_ledger l where l.gateway = e.data ->> 'gateway'
                and l.payment_id = e.data ->> 'payment_id' and l.event_type not in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')
                and l.event_type = case e.data ->> 'status'
                    when 'open' then 'PAYMENT_DISPUTED' when 'won' then 'DISPUTE_WON' else 'DISPUTE_LOST' end)
            when 'StockAdjusted' then (
                select count(*) > 0 from holdfast.inventory_ledger l where l.sale_id = e.sale_id
                and l.sku_id = e.data ->> 'sku_id' and l.hold_id is null and l.qty = (e.data ->> 'delta')::bigint)
            else true end, false) as happened
        from piece e
    )
    select json_build_object(
        'upto', (select case when count(*) = p_most then (select event_id from piece order by event_id desc limit 1) end from piece),
        'found', (select coalesce(json_agg(json_build_object('check_name', 'event_truth', 'subject', event_id,
            'sale_id', sale_id, 'expected', 1, 'found', 0, 'saw', c)), '[]') from compared c where not happened));
end;

-- The next piece of a part: {part, after, upto, found}; upto null: the part is through. p_keep_s: for how long events
-- are kept at least; what is older than that may have been removed.
create or replace function holdfast.audit_look(p_part text, p_most integer, p_keep_s double precision) returns json
language plpgsql stable security definer set search_path = holdfast, pg_temp
as $$
declare
    v_after      text := (select c.upto from audit_cursor c where c.part = p_part);
    v_told_since timestamptz := clock_timestamp() - make_interval(secs => p_keep_s);
    v_none       constant uuid := '00000000-0000-0000-0000-000000000000';
    v_seen       json := case p_part
        when 'sales' then audit_sales(v_after, v_told_since)
        when 'holds' then audit_holds(coalesce(nullif(v_after, '')::uuid, v_none), p_most, v_told_since)
        when 'payments' then audit_payments(coalesce(nullif(v_after, ''), '["",""]')::json, p_most, v_told_since)
        when 'events' then audit_events(coalesce(nullif(v_after, '')::uuid, v_none), p_most) end;
begin
    return json_build_object('part', p_part, 'after', v_after, 'upto', v_seen -> 'upto', 'found', v_seen -> 'found');
end
$$;

-- Keeps what `audit_look` saw, tells of what is new, and moves the cursor: {found, told, through}.
create or replace function holdfast.audit_write(p_look json) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_part  constant text := p_look ->> 'part';
    v_upto  constant text := p_look ->> 'upto';
    v_now   constant timestamptz := clock_timestamp();
    v_began timestamptz;
    v_told  bigint;
begin
    with written as (
        insert into audit_finding as f (part, check_name, subject, sale_id, expected, found, saw, first_seen_at, last_seen_at)
        select v_part, r.check_name, r.subject, r.sale_id, r.expected, r.found, r.saw, v_now, v_now
        from json_to_recordset(p_look -> 'found') as r
            (check_name text, subject text, sale_id text, expected bigint, found bigint, saw json)
        order by r.check_name, r.subject
        on conflict (check_name, subject) where gone_at is null do update set last_seen_at = v_now
        returning f.*
    ), told as (
        insert into event_outbox (event_type, sale_id, data)
        select 'AuditFinding', w.sale_id, json_build_object(
            'finding_id', w.finding_id, 'check', w.check_name, 'subject', w.subject, 'sale_id', w.sale_id,
            'expected', w.expected, 'found', w.found, 'saw', w.saw, 'seen_at', rfc3339(w.first_seen_at))
        from written w where w.first_seen_at = v_now returning 1
    )
    select count(*) into v_told from told;

    -- Whoever looked at the same piece at the same time has moved it already.
    update audit_cursor c set upto = coalesce(v_upto, ''), began_at = case when v_upto is null then v_now else c.began_at end
    from audit_cursor before
    where c.part = v_part and before.part = c.part and c.upto = p_look ->> 'after' returning before.began_at into v_began;
    if found and v_upto is null then
        update audit_finding f set gone_at = v_now
        where f.part = v_part and f.gone_at is null and f.last_seen_at <= v_began;
    end if;
    return json_build_object('found', json_array_length(p_look -> 'found'), 'told', v_told, 'through', v_upto is null);
end
$$;

revoke execute on function holdfast.audit_sales, holdfast.audit_hold_rows, holdfast.audit_holds, holdfast.audit_payments, holdfast.audit_events,
                           holdfast.audit_look, holdfast.audit_write from public;
grant execute on function holdfast.audit_look, holdfast.audit_write to holdfast_audit;
