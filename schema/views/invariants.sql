-- Invariants: what must hold in the database, whatever was done to it. Every rule is in this folder, and nowhere else.
--
-- One view for what the rules are about; its rows are the violations. `audit` (schema/routines/audit.sql) reads the
-- first ones a piece at a time, and an operator's report the first for its sale; the tests, the model, `cargo dev rush`
-- and `cargo dev soak` read `invariant_violation`, which is all of them. `invariant` describes each rule. A new rule is
-- added to one view and to that list.
--
-- Columns of each view:
--   check_name   the rule
--   subject      what breaks it: sale/SKU, hold, ledger entry, gateway/payment, event, gateway; unique for a rule, except for the
--                two rules that count (stock_told, payment_change_told: the row with the highest `expected` says all)
--   sale_id      its sale; null: none is known
--   expected     what follows from the one side
--   found        what the other side says
--   needs_event_of  when the event was written that the rule looks for; null: it needs none. Sent events are removed after
--                EVENTS_KEEP_H: of a row that is older the rule says nothing
--   saw          the rows, as JSON
--
-- Locks:      none. The views belong to holdfast_owner and are granted to no role: `audit` reads them with its owner's
--             rights.
-- Isolation:  one statement sees one moment.
-- Cost:       what a rule compares with is found by its key, so that a range of holds or one payment costs what it has and
--             no more. Only `stock_violation` joins whole tables.
-- Columns stay in their places and new ones come last: `create or replace view` can do no more.

-- A hold with every row that belongs to it, for the reader of a finding.
create or replace function holdfast.audit_hold_rows(p_hold holdfast.reservation_hold) returns json
language sql stable
return json_build_object(
    'hold', p_hold,
    'lines', (select json_agg(i order by i.position) from holdfast.reservation_hold_item i where i.hold_id = p_hold.hold_id),
    'entries', (select json_agg(l order by l.entry_id) from holdfast.inventory_ledger l where l.hold_id = p_hold.hold_id),
    'order', (select to_json(o) from holdfast.orders o where o.hold_id = p_hold.hold_id),
    'order_lines', (select json_agg(i order by i.position) from holdfast.orders o
                    join holdfast.order_items i on i.order_id = o.order_id where o.hold_id = p_hold.hold_id));
revoke execute on function holdfast.audit_hold_rows(holdfast.reservation_hold) from public;

-- Sales: the sums of a SKU, its live holds, what its buyers have bought. Read for one sale at a time. ------------------

-- That a counter is its ledger's sum follows from four comparisons, none of which has to add up a whole ledger:
-- total = available + held + sold; total = what operators put in and took out (both here); the entries of each hold come to
-- what its status says (hold_ledger); each entry belongs to a hold or to an operator (ledger_hold).
create or replace view holdfast.sku_violation as
select k.sale_id, k.sku_id, c.check_name, k.sale_id || '/' || k.sku_id as subject, c.expected, c.found,
       null::timestamptz as needs_event_of,
       json_build_object('sale_id', k.sale_id, 'sku_id', k.sku_id, 'counters', k.counters, 'total', k.total,
                         'available', k.available, 'held', k.held, 'sold', k.sold, 'stock', k.stock) as saw
from (
    select k.sale_id, k.sku_id, (c.sku_id is not null)::integer as counters, coalesce(c.total, 0) as total,
           coalesce(c.available, 0) as available, coalesce(held.qty, 0)::bigint as held,
           coalesce(sold.qty, 0)::bigint as sold, coalesce(stock.qty, 0)::bigint as stock
    from holdfast.sku k
    left join holdfast.inventory_counter c on c.sale_id = k.sale_id and c.sku_id = k.sku_id
    left join (
        select a.sale_id, a.sku_id, sum(i.qty) as qty from holdfast.user_active_hold a
        join holdfast.reservation_hold_item i on i.hold_id = a.hold_id and i.sku_id = a.sku_id
        group by a.sale_id, a.sku_id) held on held.sale_id = k.sale_id and held.sku_id = k.sku_id
    left join (
        select o.sale_id, o.sku_id, sum(o.qty) as qty from holdfast.order_items o
        group by o.sale_id, o.sku_id) sold on sold.sale_id = k.sale_id and sold.sku_id = k.sku_id
    left join (
        select l.sale_id, l.sku_id, sum(l.qty) as qty from holdfast.inventory_ledger l where l.hold_id is null
        group by l.sale_id, l.sku_id) stock on stock.sale_id = k.sale_id and stock.sku_id = k.sku_id
) k
cross join lateral (values
    ('counter_missing', 1, k.counters),
    ('counter_sum', case k.counters when 1 then k.available + k.held + k.sold end, k.total),
    ('counter_ledger', case k.counters when 1 then k.stock end, k.total)
) as c (check_name, expected, found)
where c.expected <> c.found;

create or replace view holdfast.active_hold_violation as
select a.sale_id, a.sku_id, 'active_hold' as check_name, a.hold_id || '/' || a.sku_id as subject, 1::bigint as expected,
       0::bigint as found, null::timestamptz as needs_event_of,
       json_build_object('sale_id', a.sale_id, 'user_id', a.user_id, 'sku_id', a.sku_id, 'hold_id', a.hold_id,
                         'status', h.status, 'qty', i.qty) as saw
from holdfast.user_active_hold a
left join holdfast.reservation_hold h on h.hold_id = a.hold_id and h.sale_id = a.sale_id and h.user_id = a.user_id
left join holdfast.reservation_hold_item i on i.hold_id = a.hold_id and i.sku_id = a.sku_id
where h.status is distinct from 'HOLD' or i.qty is null;

create or replace view holdfast.buyer_violation as
select b.sale_id, b.sku_id, 'buyer_bought' as check_name, b.sale_id || '/' || b.sku_id || '/' || b.user_id as subject,
       b.qty as expected, coalesce(c.bought, 0) as found, null::timestamptz as needs_event_of,
       json_build_object('history', case when c.bought is not null then c end) as saw
from (select o.sale_id, o.user_id, o.sku_id, sum(o.qty) as qty from holdfast.order_items o
      group by o.sale_id, o.user_id, o.sku_id) b
left join holdfast.buyer_history c
    on c.sale_id = b.sale_id and c.user_id = b.user_id and c.sku_id = b.sku_id and c.bought > 0
where b.qty is distinct from c.bought
union all
select c.sale_id, c.sku_id, 'buyer_bought', c.sale_id || '/' || c.sku_id || '/' || c.user_id, 0, c.bought, null,
       json_build_object('history', c)
from holdfast.buyer_history c
where c.bought > 0 and not exists (select from holdfast.order_items o
    where o.sale_id = c.sale_id and o.user_id = c.user_id and o.sku_id = c.sku_id);

-- Every stock adjustment of an operator has its event: the newest n entries of one kind need n events.
create or replace view holdfast.stock_told_violation as
select c.sale_id, c.sku_id, 'stock_told' as check_name,
       c.sale_id || '/' || c.sku_id || '/' || c.qty || '/' || coalesce(c.reason, '') as subject,
       c.entries as expected, coalesce(told.events, 0) as found, c.created_at as needs_event_of,
       json_build_object('sale_id', c.sale_id, 'sku_id', c.sku_id, 'qty', c.qty, 'reason', c.reason, 'entries', c.entries) as saw
from (select l.sale_id, l.sku_id, l.qty, l.reason, l.created_at,
             row_number() over (partition by l.sale_id, l.sku_id, l.qty, l.reason order by l.created_at desc) as entries
      from holdfast.inventory_ledger l where l.hold_id is null) c
left join (select e.sale_id, e.data ->> 'sku_id' as sku_id, (e.data ->> 'delta')::bigint as qty, e.data ->> 'reason' as reason,
                  count(*) as events
           from holdfast.event_outbox e where e.event_type = 'StockAdjusted' group by 1, 2, 3, 4) told
    on told.sale_id = c.sale_id and told.sku_id = c.sku_id and told.qty = c.qty and told.reason is not distinct from c.reason
where coalesce(told.events, 0) < c.entries;

-- Holds, with their lines, entries, active rows, orders and events. Read for a range of holds. -----------------------

create or replace view holdfast.hold_violation as
select h.hold_id, c.check_name, h.hold_id::text as subject, h.sale_id, c.expected, c.found, c.needs_event_of,
       holdfast.audit_hold_rows(h) as saw
from holdfast.reservation_hold h
cross join lateral (
    select count(*) as lines, coalesce(sum(i.qty * i.unit_price), 0)::bigint as amount,
           count(*) filter (where l.debit = -i.qty) as debited,
           count(*) filter (where l.net = case when h.status = 'HOLD' or (h.status = 'COMMITTED' and coalesce(holdfast.order_stands(o.status), true))
                                            then -i.qty else 0 end) as settled,
           count(a.hold_id) as active,
           count(*) filter (where (b.qty, b.unit_price, b.sale_id, b.user_id) = (i.qty, i.unit_price, h.sale_id, h.user_id)) as bought
    from holdfast.reservation_hold_item i
    left join lateral (
        select sum(e.qty) as net,
               sum(e.qty) filter (where e.event_type in ('RESERVE_DEBIT', 'CHANGE_DEBIT', 'CHANGE_CREDIT')) as debit
        from holdfast.inventory_ledger e
        where e.hold_id = h.hold_id and e.sku_id = i.sku_id and e.sale_id = h.sale_id) l on true
    left join holdfast.user_active_hold a
        on a.sale_id = h.sale_id and a.user_id = h.user_id and a.sku_id = i.sku_id and a.hold_id = h.hold_id
    left join holdfast.orders o on o.hold_id = h.hold_id
    left join holdfast.order_items b on b.order_id = o.order_id and b.sku_id = i.sku_id
    where i.hold_id = h.hold_id) own
left join lateral (
    select o.order_id, (o.sale_id, o.user_id, o.currency) = (h.sale_id, h.user_id, h.currency) as same, o.total_amount,
           not holdfast.order_stands(o.status) as ended,
           (select count(*) from holdfast.order_items i where i.order_id = o.order_id) as lines
    from holdfast.orders o where o.hold_id = h.hold_id) o on true
cross join lateral (
    values
        ('hold_lines', greatest(own.lines, 1), own.lines, null::timestamptz),
        ('hold_amount', own.amount, h.total_amount, null),
        ('hold_debit', own.lines, own.debited, null),
        ('hold_ledger', own.lines, own.settled, null),
        ('hold_active', case h.status when 'HOLD' then own.lines else 0 end, own.active, null),
        ('hold_order', (h.status = 'COMMITTED')::integer, (o.order_id is not null)::integer, null),
        ('order_lines', case when o.order_id is null or o.ended then 0 else own.lines end,
                        case when o.ended or o.lines > own.lines then o.lines else own.bought end, null),
        ('hold_changes', h.version - 1, (
            select count(distinct l.hold_version) from holdfast.inventory_ledger l
            where l.hold_id = h.hold_id and l.hold_version is not null and l.hold_version between 2 and h.version), null),
        ('order_owner', 1, coalesce(o.same, true)::integer, null),
        ('order_amount', h.total_amount, coalesce(o.total_amount, h.total_amount), null)
    union all
    select 'hold_told', 1, (
        select count(*) from holdfast.event_outbox e where e.event_id = h.hold_id and e.hold_id = h.hold_id
        and e.event_type = 'ReservationCreated'), h.created_at
    union all
    select 'hold_end_told', 1, (
        select count(*) from holdfast.event_outbox e where e.hold_id = h.hold_id and e.event_type = case h.status
            when 'COMMITTED' then 'OrderConfirmed' when 'EXPIRED' then 'ReservationExpired' else 'ReservationReleased' end
        and e.event_type in ('OrderConfirmed', 'ReservationExpired', 'ReservationReleased')),
        coalesce(h.retaken_at, h.finalized_at)
    where h.status <> 'HOLD'
    union all
    -- Resold after the sweep: both ends have an event. A hold that was paid before the sweep had one end.
    select 'hold_expiry_told', 1, (
        select count(*) from holdfast.event_outbox e where e.hold_id = h.hold_id and e.event_type = 'ReservationExpired'),
        h.finalized_at
    where h.retaken_at > h.finalized_at
    union all
    select 'hold_change_told', 1, (
        select count(*) from holdfast.event_outbox e
        where e.hold_id = h.hold_id and e.event_type = 'HoldChanged' and (e.data ->> 'version')::integer = change.version),
        change.at
    from (select l.hold_version as version, min(l.created_at) as at from holdfast.inventory_ledger l
          where l.hold_id = h.hold_id and l.hold_version is not null group by l.hold_version) change
    union all
    -- Each step of its order.
    select 'order_told', 1, (
        select count(*) from holdfast.event_outbox e where e.hold_id = h.hold_id and e.data ->> 'status' = step.status
        and e.event_type = case step.status when 'CANCELLED' then 'OrderCancelled' else 'OrderStatusChanged' end
        and e.event_type in ('OrderCancelled', 'OrderStatusChanged')), step.at
    from holdfast.orders o cross join lateral (values
        ('PREPARING', o.preparing_at), ('SHIPPED', o.shipped_at), ('DELIVERED', o.delivered_at),
        ('CANCELLED', o.cancelled_at), ('RETURNED', o.returned_at)) as step (status, at)
    where o.hold_id = h.hold_id and step.at is not null
) as c (check_name, expected, found, needs_event_of)
where c.expected <> c.found;

create or replace view holdfast.ledger_violation as
select l.hold_id, 'ledger_hold' as check_name, l.entry_id::text as subject, l.sale_id, 0::bigint as expected, l.qty as found,
       null::timestamptz as needs_event_of, json_build_object('entry', l) as saw
from holdfast.inventory_ledger l
where l.hold_id is not null
  and not exists (select from holdfast.reservation_hold_item i join holdfast.reservation_hold h on h.hold_id = i.hold_id
                  where i.hold_id = l.hold_id and i.sku_id = l.sku_id and h.sale_id = l.sale_id)
  -- Of a line that a change took away nothing is left.
  and not exists (select from holdfast.reservation_hold h
                  where h.hold_id = l.hold_id and h.sale_id = l.sale_id and h.version > 1 and 0 = (
                      select sum(e.qty) from holdfast.inventory_ledger e where e.hold_id = l.hold_id and e.sku_id = l.sku_id));

-- Payments, with their orders, refunds, entries and events. Read for one payment at a time. ----------------------------

-- A payment is one order or one refund, and both where the order was cancelled or returned. A refund may be given up, and tried again,
-- any number of times.
create or replace view holdfast.payment_violation as
select p.gateway, p.payment_id, c.check_name, p.gateway || '/' || p.payment_id as subject, p.sale_id, c.expected, c.found,
       c.needs_event_of, json_build_object('payment', p, 'order', o, 'refund', r) as saw
from holdfast.payment p
left join holdfast.orders o on o.gateway = p.gateway and o.payment_id = p.payment_id
left join holdfast.refund r on r.gateway = p.gateway and r.payment_id = p.payment_id
cross join lateral (
    select count(*) filter (where l.event_type = 'ORDER_CONFIRMED' and l.order_id = p.order_id) as confirmed,
           count(*) filter (where l.event_type = 'REFUND_REQUIRED') as required
    from holdfast.order_ledger l
    where l.gateway = p.gateway and l.payment_id = p.payment_id
      and l.event_type in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')
      and (l.amount, l.currency) = (p.amount, p.currency)) entries
cross join lateral (
    -- One that the order does not know makes up for none.
    select count(l.at) - count(*) filter (where l.at is null) as entries
    from (select case l.event_type when 'ORDER_PREPARING' then o.preparing_at when 'ORDER_SHIPPED' then o.shipped_at
                 when 'ORDER_DELIVERED' then o.delivered_at when 'ORDER_CANCELLED' then o.cancelled_at else o.returned_at end as at
          from holdfast.order_ledger l
          where l.order_id = p.order_id and (l.gateway, l.payment_id, l.amount, l.currency) = (p.gateway, p.payment_id, p.amount, p.currency)
            and l.event_type in ('ORDER_PREPARING', 'ORDER_SHIPPED', 'ORDER_DELIVERED', 'ORDER_CANCELLED', 'ORDER_RETURNED')) l) steps
cross join lateral (
    -- Later entries: how its refund ended, and what the gateway reported.
    select count(*) filter (where l.event_type = 'REFUND_COMPLETED' and l.amount = p.amount) as completed,
           count(*) filter (where l.event_type = 'REFUND_FAILED') as failed,
           count(*) filter (where l.event_type = 'REFUND_REOPENED') as reopened,
           coalesce(sum(l.amount) filter (where l.event_type = 'PAYMENT_REFUNDED_OUTSIDE'), 0)::bigint as outside,
           count(*) filter (where l.event_type = 'PAYMENT_REVERSED')
           - count(*) filter (where l.event_type = 'PAYMENT_RESTORED') as reversed,
           (array_agg(l.event_type order by l.entry_id desc) filter (
                where l.event_type in ('PAYMENT_DISPUTED', 'DISPUTE_RESOLVED', 'DISPUTE_WON', 'DISPUTE_LOST')))[1] as dispute,
           -- Of each that needs an event: when it was written, the newest first.
           array_agg(l.created_at order by l.created_at desc) filter (where l.event_type in
                ('PAYMENT_REFUNDED_OUTSIDE', 'PAYMENT_REVERSED', 'PAYMENT_RESTORED',
                 'PAYMENT_DISPUTED', 'DISPUTE_RESOLVED', 'DISPUTE_WON', 'DISPUTE_LOST')) as changed_at
    from holdfast.order_ledger l
    where l.gateway = p.gateway and l.payment_id = p.payment_id and l.currency = p.currency
      and l.event_type not in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')) later
cross join lateral (
    values
        ('payment_order', (p.state = 'ORDERED')::integer::bigint, (o.order_id is not null)::integer::bigint, null::timestamptz),
        ('payment_refund', (p.state = 'REFUND_REQUIRED' or coalesce(not holdfast.order_stands(o.status) and p.amount > 0, false))::integer,
                           (r.status is not null)::integer, null),
        ('order_payment', 1, (o.order_id is null or (o.order_id, o.total_amount, o.currency) = (p.order_id, p.amount, p.currency))::integer, null),
        ('refund_amount', p.amount, coalesce(r.amount, p.amount), null),
        ('refund_currency', 1, (coalesce(r.currency, p.currency) = p.currency)::integer, null),
        ('payment_ledger', (p.state = 'ORDERED')::integer, entries.confirmed, null),
        ('order_ledger', num_nonnulls(o.preparing_at, o.shipped_at, o.delivered_at, o.cancelled_at, o.returned_at), steps.entries, null),
        ('refund_ledger', case when r.status is null then 0 when r.status = 'REQUIRED' then 1 else 2 end,
            case when r.status is null then 0 else entries.required + later.completed - later.reopened
                + case when r.status = 'FAILED' then least(later.failed, 1) else 0 end end, null),
        ('payment_outside', later.outside, p.refunded_outside, null),
        ('payment_reversed', later.reversed, (p.reversed_at is not null)::integer, null),
        ('payment_dispute', 1, (later.dispute is not distinct from case p.dispute when 'open' then 'PAYMENT_DISPUTED'
                                when 'resolved' then 'DISPUTE_RESOLVED' when 'won' then 'DISPUTE_WON' when 'lost' then 'DISPUTE_LOST' end)::integer, null),
        -- An order that stands, of which the gateway has less than was paid, and nothing is recorded that says why.
        ('payment_left', 1, case when holdfast.order_stands(o.status) is not true or p.seen_left is null then 1
            else (p.seen_left + holdfast.moved_outside(p) >= p.amount)::integer end, null)
    union all
    select 'refund_told', 1, (
        select least(count(*), 1) from holdfast.event_outbox e where e.data ->> 'gateway' = p.gateway
        and e.data ->> 'payment_id' = p.payment_id and e.event_type = 'RefundRequired'
        and e.event_type in ('RefundRequired', 'RefundCompleted', 'RefundFailed')), r.created_at
    where r.status is not null
    union all
    select 'refund_end_told', 1, (
        select least(count(*), 1) from holdfast.event_outbox e where e.data ->> 'gateway' = p.gateway
        and e.data ->> 'payment_id' = p.payment_id
        and e.event_type = case r.status when 'COMPLETED' then 'RefundCompleted' else 'RefundFailed' end
        and e.event_type in ('RefundRequired', 'RefundCompleted', 'RefundFailed')), r.finalized_at
    where r.status in ('COMPLETED', 'FAILED')
    union all
    -- The newest n changes need n events.
    select 'payment_change_told', n, (
        select least(count(*), n) from holdfast.event_outbox e where e.data ->> 'gateway' = p.gateway
        and e.data ->> 'payment_id' = p.payment_id
        and e.event_type in ('PaymentDisputed', 'PaymentRefundedOutside')), later.changed_at[n]
    from generate_subscripts(later.changed_at, 1) as n
) as c (check_name, expected, found, needs_event_of)
where c.expected <> c.found;

-- Events and their subjects: every event's change has happened. Read for a range of events. ---------------------------

create or replace view holdfast.event_violation as
select e.event_id, 'event_truth' as check_name, e.event_id::text as subject, e.sale_id, 1::bigint as expected, 0::bigint as found,
       null::timestamptz as needs_event_of,
       json_build_object('event_id', e.event_id, 'event_type', e.event_type, 'sale_id', e.sale_id, 'hold_id', e.hold_id,
                         'data', e.data, 'happened', false) as saw
from holdfast.event_outbox e
-- Values and no EXISTS: that may be answered by a table that is read whole once.
where not coalesce(case e.event_type
    when 'ReservationCreated' then (
        select (h.sale_id, h.user_id) = (e.sale_id, e.data ->> 'user_id')
           and coalesce((h.granted_as ->> 'total_amount')::bigint, h.total_amount) = (e.data ->> 'total_amount')::bigint
        from holdfast.reservation_hold h where h.hold_id = e.hold_id)
    when 'HoldChanged' then (
        select (h.sale_id, h.user_id) = (e.sale_id, e.data ->> 'user_id')
           and (e.data ->> 'version')::integer between 2 and h.version
           and ((e.data ->> 'version')::integer < h.version or h.total_amount = (e.data ->> 'total_amount')::bigint)
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
    when 'OrderStatusChanged' then (
        select o.order_id::text = e.data ->> 'order_id' and case e.data ->> 'status' when 'PREPARING' then o.preparing_at
            when 'SHIPPED' then o.shipped_at when 'DELIVERED' then o.delivered_at when 'RETURNED' then o.returned_at end is not null
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
            when 'open' then 'PAYMENT_DISPUTED' when 'resolved' then 'DISPUTE_RESOLVED'
            when 'won' then 'DISPUTE_WON' else 'DISPUTE_LOST' end)
    when 'StockAdjusted' then (
        select count(*) > 0 from holdfast.inventory_ledger l where l.sale_id = e.sale_id
        and l.sku_id = e.data ->> 'sku_id' and l.hold_id is null and l.qty = (e.data ->> 'delta')::bigint)
    else true end, false);

-- Gateways: whether each one's own lists are compared in time (reconcile.sql). What a gateway keeps to itself meanwhile,
-- refunds of its console and disputes, no other rule can see. -----------------------------------------------------------

create or replace view holdfast.gateway_violation as
select r.gateway, 'gateway_reconciled' as check_name, r.gateway as subject, null::text as sale_id, 1::bigint as expected,
       0::bigint as found, null::timestamptz as needs_event_of, to_json(r) as saw
from holdfast.reconcile_pass r where r.overdue_at < clock_timestamp();

-- What only a comparison of whole tables shows: too much for a scheduled run. ------------------------------------------

create or replace view holdfast.stock_violation as
select 'end_credit' as check_name, coalesce(i.hold_id, l.hold_id) || '/' || coalesce(i.sku_id, l.sku_id) as subject,
       coalesce(i.sale_id, l.sale_id) as sale_id, coalesce(i.qty, 0)::bigint as expected, coalesce(l.qty, 0) as found,
       null::timestamptz as needs_event_of, json_build_object('line', i, 'entry', l) as saw
from (select i.*, h.sale_id from holdfast.reservation_hold_item i join holdfast.reservation_hold h on h.hold_id = i.hold_id
      where h.status in ('EXPIRED', 'RELEASED') or h.retaken_at > h.finalized_at) i
full join (select * from holdfast.inventory_ledger where event_type in ('EXPIRE_CREDIT', 'RELEASE_CREDIT')) l
    on l.hold_id = i.hold_id and l.sku_id = i.sku_id
where l.qty is distinct from i.qty
union all
select 'retake_debit', coalesce(i.hold_id, l.hold_id) || '/' || coalesce(i.sku_id, l.sku_id), coalesce(i.sale_id, l.sale_id),
       -coalesce(i.qty, 0)::bigint, coalesce(l.qty, 0), null, json_build_object('line', i, 'entry', l)
from (select i.*, h.sale_id from holdfast.reservation_hold_item i join holdfast.reservation_hold h on h.hold_id = i.hold_id
      where h.retaken_at > h.finalized_at) i
full join (select * from holdfast.inventory_ledger where event_type = 'RETAKE_DEBIT') l
    on l.hold_id = i.hold_id and l.sku_id = i.sku_id
where l.qty is distinct from -i.qty
union all
select case coalesce(i.credit, l.event_type) when 'CANCEL_CREDIT' then 'cancel_credit' else 'return_credit' end,
       coalesce(i.hold_id, l.hold_id) || '/' || coalesce(i.sku_id, l.sku_id), coalesce(i.sale_id, l.sale_id),
       coalesce(i.qty, 0)::bigint, coalesce(l.qty, 0), null, json_build_object('line', i, 'entry', l)
from (select i.*, o.sale_id, case o.status when 'CANCELLED' then 'CANCEL_CREDIT' else 'RETURN_CREDIT' end as credit
      from holdfast.reservation_hold_item i join holdfast.orders o on o.hold_id = i.hold_id
      where not holdfast.order_stands(o.status)) i
full join (select * from holdfast.inventory_ledger where event_type in ('CANCEL_CREDIT', 'RETURN_CREDIT')) l
    on l.hold_id = i.hold_id and l.sku_id = i.sku_id and l.event_type = i.credit
where l.qty is distinct from i.qty
union all
select 'buyer_limit', o.sale_id || '/' || o.sku_id || '/' || o.user_id, o.sale_id, k.max_per_user, sum(o.qty), null,
       json_build_object('max_per_user', k.max_per_user)
from holdfast.order_items o join holdfast.sku k on k.sale_id = o.sale_id and k.sku_id = o.sku_id
group by o.sale_id, o.user_id, o.sku_id, k.max_per_user having sum(o.qty) > k.max_per_user;

-- All of them ---------------------------------------------------------------------------------------------------------

create or replace view holdfast.invariant_violation as
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.sku_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.active_hold_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.buyer_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.stock_told_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.hold_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.ledger_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.payment_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.event_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.gateway_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.ranking_violation
union all
select check_name, subject, sale_id, expected, found, needs_event_of, saw from holdfast.stock_violation;

-- The rules in words, and the part of `audit` that looks for each; null: no part does.
create or replace view holdfast.invariant (check_name, part, says) as values
    ('counter_missing',     'sales',    'every SKU has a counter'),
    ('counter_sum',         'sales',    'a counter''s total is what is available, held and sold'),
    ('counter_ledger',      'sales',    'a counter''s total is what operators put in and took out'),
    ('active_hold',         'sales',    'an active hold is HOLD and has that line'),
    ('buyer_bought',        'sales',    'what T1 counts as bought is what the orders that stand say'),
    ('stock_told',          'sales',    'every change of stock by an operator was told'),
    ('hold_lines',          'holds',    'every hold has a line'),
    ('hold_amount',         'holds',    'a hold''s amount is the sum of its lines'),
    ('hold_debit',          'holds',    'every line of a hold was debited'),
    ('hold_changes',        'holds',    'every change of a hold has moved stock, and is in the ledger'),
    ('hold_ledger',         'holds',    'a hold''s entries come to what its status says'),
    ('hold_active',         'holds',    'every line of a HOLD is active, and of no other hold'),
    ('hold_order',          'holds',    'a COMMITTED hold has an order, and an order a COMMITTED hold'),
    ('order_lines',         'holds',    'an order that stands has the lines of its hold, one that was cancelled or returned none'),
    ('order_owner',         'holds',    'an order has the sale, buyer and currency of its hold'),
    ('order_amount',        'holds',    'an order''s amount is its hold''s'),
    ('hold_told',           'holds',    'every hold was told of when it began'),
    ('hold_end_told',       'holds',    'every hold was told of once when it ended'),
    ('hold_expiry_told',    'holds',    'a hold whose stock was taken again was told of as expired before'),
    ('hold_change_told',    'holds',    'every change of a hold was told of once'),
    ('order_told',          'holds',    'every step of an order was told of once'),
    ('ledger_hold',         'holds',    'every entry belongs to a line of a hold or to an operator'),
    ('payment_order',       'payments', 'a payment that is ORDERED has an order, and no other has'),
    ('payment_refund',      'payments', 'a payment that bought nothing has a refund, a cancelled or returned order''s too, and no other has'),
    ('order_payment',       'payments', 'an order and its payment agree on id, amount and currency'),
    ('refund_amount',       'payments', 'a refund''s amount is its payment''s'),
    ('refund_currency',     'payments', 'a refund''s currency is its payment''s'),
    ('payment_ledger',      'payments', 'every order is in the ledger once'),
    ('order_ledger',        'payments', 'every step of an order is in the ledger once'),
    ('refund_ledger',       'payments', 'a refund''s entries come to what its status says'),
    ('refund_told',         'payments', 'every refund was told of when it became due'),
    ('refund_end_told',     'payments', 'every refund was told of when it ended'),
    ('payment_outside',     'payments', 'what others paid back is the sum of its entries'),
    ('payment_reversed',    'payments', 'a deposit that was taken back is in the ledger'),
    ('payment_dispute',     'payments', 'the state of a dispute is its last entry'),
    ('payment_change_told', 'payments', 'every change of a payment by its gateway was told'),
    ('payment_left',        'payments', 'the gateway has the money of every order that stands, or it is recorded why not'),
    ('event_truth',         'events',   'what an event tells has happened'),
    ('gateway_reconciled',  'reconciliation', 'each gateway''s own lists are compared in time'),
    ('ranking_stock',       'rankings', 'the total that rankings count with is the counter''s'),
    ('ranking_sold',        'rankings', 'what rankings count as sold is what the orders that stand say'),
    ('ranking_hours',       'rankings', 'the buckets of an hour have the orders of the week that were not cancelled'),
    ('ranking_seconds',     'rankings', 'the buckets of ten seconds have the same'),
    ('end_credit',          null,       'what ended without a payment was credited, and nothing else'),
    ('retake_debit',        null,       'what a late payment took again was debited, and nothing else'),
    ('cancel_credit',       null,       'the stock of a cancelled order came back once, and nothing else''s'),
    ('return_credit',       null,       'the stock of a returned order came back once, and nothing else''s'),
    ('buyer_limit',         null,       'nobody buys more than max_per_user');

comment on view holdfast.invariant            is 'The rules that hold in this database, in words.';
comment on view holdfast.invariant_violation  is 'Every row that breaks a rule. Reads all tables whole: for tests, not for a shop that is open.';
comment on view holdfast.sku_violation        is 'SKUs whose sums do not agree.';
comment on view holdfast.active_hold_violation is 'Active rows without a live hold.';
comment on view holdfast.buyer_violation      is 'Buyers whose history is not what their orders say.';
comment on view holdfast.stock_told_violation is 'Changes of stock by operators that were not told.';
comment on view holdfast.hold_violation       is 'Holds whose rows do not agree with each other or with what was told.';
comment on view holdfast.ledger_violation     is 'Entries of no hold.';
comment on view holdfast.payment_violation    is 'Payments whose rows do not agree with each other or with what was told.';
comment on view holdfast.event_violation      is 'Events that tell what has not happened.';
comment on view holdfast.gateway_violation    is 'Gateways whose lists are not compared in time.';
comment on view holdfast.ranking_violation    is 'SKUs of which the rankings count another number than the orders say.';
comment on view holdfast.stock_violation      is 'Lines whose credits and debits are not those of their hold''s end, and buyers above their limit.';

-- Until owner.sql has given it the views: `audit` runs with its rights, and may run while this is applied.
grant select on holdfast.sku_violation, holdfast.active_hold_violation, holdfast.buyer_violation, holdfast.stock_told_violation,
                holdfast.hold_violation, holdfast.ledger_violation, holdfast.payment_violation, holdfast.event_violation,
                holdfast.gateway_violation, holdfast.ranking_violation
    to holdfast_owner;
