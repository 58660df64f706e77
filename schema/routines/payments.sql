-- Payments: what an operator sees of the money and of an order.
--
-- Locks:      none; it only reads.
-- Keeps:      nothing.
-- Isolation:  one statement sees one moment.
-- A retry:    reads again.

-- Where a payment's money is. 'unsettled' is money that belongs neither to an order nor to a refund: there must be
-- none.
create or replace function holdfast.payment_state(p_amount bigint, p_order_status text, p_refund_status text) returns text
language sql immutable
return case when p_refund_status = 'REQUIRED' then 'refund_pending' when p_refund_status = 'COMPLETED' then 'refunded'
            when p_refund_status = 'FAILED' then 'refund_failed' when holdfast.order_stands(p_order_status) then 'ordered'
            -- A zero-amount order that was cancelled or returned: nothing is left to refund.
            when p_order_status is not null and p_amount = 0 then 'refunded'
            else 'unsettled' end;

create or replace function holdfast.payment_json(p_payment holdfast.payment, p_state text, p_refund holdfast.refund) returns json
language sql stable
return json_build_object(
    'gateway', p_payment.gateway, 'payment_id', p_payment.payment_id, 'state', p_state, 'hold_id', p_payment.hold_id,
    'hold_ref', p_payment.hold_ref, 'sale_id', p_payment.sale_id, 'user_id', nullif(p_payment.user_id, ''),
    'amount', p_payment.amount, 'currency', p_payment.currency, 'order_id', p_payment.order_id,
    'refund_reason', p_refund.reason, 'refund_attempts', p_refund.attempts, 'refund_failure', p_refund.failure,
    'disputed', coalesce(p_payment.dispute in ('open', 'resolved', 'lost'), false), 'dispute', p_payment.dispute,
    'disputed_amount', p_payment.disputed_amount, 'refunded_amount', holdfast.moved_outside(p_payment),
    'reversed_at', holdfast.rfc3339(p_payment.reversed_at), 'created_at', holdfast.rfc3339(p_payment.created_at));

-- The newest before p_before. A page reads p_look payments at most, whatever its filters, so it may be short, or empty,
-- and still have a next one.
create or replace function holdfast.newest_payments(p_state text, p_before bigint, p_limit integer, p_look integer) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    with looked as materialized (
        select p as payment, p.gateway, p.payment_id, p.payment_no, p.order_id, p.amount from holdfast.payment p
        where p.payment_no < coalesce(p_before, 9223372036854775807) order by p.payment_no desc limit p_look
    ), found as (
        select l.payment, l.payment_no, r as refund, holdfast.payment_state(l.amount, o.status, r.status) as state
        from looked l
        left join holdfast.orders o on o.order_id = l.order_id
        left join holdfast.refund r on (r.gateway, r.payment_id) = (l.gateway, l.payment_id)
    ), page as (
        select f.* from found f where p_state is null or f.state = p_state order by f.payment_no desc limit p_limit
    )
    select json_build_object('outcome', 'payments',
        'payments', coalesce(json_agg(holdfast.payment_json(f.payment, f.state, f.refund) order by f.payment_no desc), '[]'),
        'next', case when count(*) = p_limit then min(f.payment_no)
                     when (select count(*) from looked) = p_look then (select min(l.payment_no) from looked l) end::text)
    from page f;
end;

-- For the functions of the release before this one: in order of arrival, after p_after.
create or replace function holdfast.payment_page(p_state text, p_after bigint, p_limit integer, p_look integer) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    with looked as materialized (
        select p as payment, p.gateway, p.payment_id, p.payment_no, p.order_id, p.amount from holdfast.payment p
        where p.payment_no > p_after order by p.payment_no limit p_look
    ), found as (
        select l.payment, l.payment_no, r as refund, holdfast.payment_state(l.amount, o.status, r.status) as state
        from looked l
        left join holdfast.orders o on o.order_id = l.order_id
        left join holdfast.refund r on (r.gateway, r.payment_id) = (l.gateway, l.payment_id)
    ), page as (
        select f.* from found f where p_state is null or f.state = p_state order by f.payment_no limit p_limit
    )
    select json_build_object('outcome', 'payments',
        'payments', coalesce(json_agg(holdfast.payment_json(f.payment, f.state, f.refund) order by f.payment_no), '[]'),
        'next', case when count(*) = p_limit then max(f.payment_no)
                     when (select count(*) from looked) = p_look then (select max(l.payment_no) from looked l) end::text)
    from page f;
end;

create or replace function holdfast.order_of(p_order_id uuid) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('outcome', 'order', 'order', holdfast.order_json_for(o, true))
    from holdfast.orders o where o.order_id = p_order_id;
end;

-- An earlier form, which `order_of` called until now.
drop function if exists holdfast.order_json(holdfast.orders, boolean);

-- For the functions of the release before this one, which call what the gateway said of the hold its id, and want a user.
create or replace function holdfast.list_payments(p_state text, p_after bigint, p_limit integer, p_look integer) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('outcome', 'payments', 'payments', (
        select coalesce(json_agg(r || jsonb_build_object(
            'hold_id', r -> 'hold_ref', 'user_id', coalesce(r ->> 'user_id', '')) order by n), '[]')
        from jsonb_array_elements(page -> 'payments') with ordinality as row (r, n)), 'next', page -> 'next')
    from (select holdfast.payment_page(p_state, p_after, p_limit, p_look)::jsonb) as found (page);
end;

revoke execute on function holdfast.payment_state(bigint, text, text),
    holdfast.payment_json(holdfast.payment, text, holdfast.refund),
    holdfast.newest_payments(text, bigint, integer, integer),
    holdfast.payment_page(text, bigint, integer, integer), holdfast.list_payments(text, bigint, integer, integer),
    holdfast.order_of(uuid) from public;
grant execute on function holdfast.newest_payments(text, bigint, integer, integer),
    holdfast.payment_page(text, bigint, integer, integer), holdfast.list_payments(text, bigint, integer, integer),
    holdfast.order_of(uuid) to holdfast_admin;
