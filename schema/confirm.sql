-- T2, confirm: a payment that was captured becomes an order, or is written down to be paid back.
--
-- Locks:      reservation_hold, payment, user_active_hold. It touches no counter: what is sold was taken out
--             of the counter when it was reserved.
-- Keeps:      a captured payment is one order or one refund; a hold has at most one order.
-- Isolation:  READ COMMITTED or above; expiry is judged by clock_timestamp() after the hold is locked, because a
--             hold may lapse while its confirm waits for the lock.
-- A retry:    the same payment gets the stored answer, whatever else it says the second time.

create or replace function holdfast.stored_payment(p_gateway text, p_payment_id text) returns json
language sql stable
begin atomic
    select case p.state
        when 'ORDERED' then json_build_object('result', 'confirmed', 'order_id', p.order_id)
        when 'REFUND_REQUIRED' then json_build_object('result', 'refund_required', 'reason', p.refund_reason) end
    from holdfast.payment p where p.gateway = p_gateway and p.payment_id = p_payment_id;
end;

-- p_hold_id is null where what the gateway said (p_hold_ref) is no id of ours at all.
create or replace function holdfast.confirm(
    p_gateway text, p_payment_id text, p_hold_ref text, p_hold_id uuid, p_user_id text, p_amount bigint, p_currency text)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored   json := stored_payment(p_gateway, p_payment_id);
    v_hold     reservation_hold;
    v_now      timestamptz;
    v_order_id uuid;
    v_reason   text;
begin
    -- 1. A repeat is answered without waiting for the hold.
    if v_stored is not null then
        return v_stored;
    end if;

    -- 2. The hold, locked, and only then the clock.
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id for update;
    v_now := clock_timestamp();
    v_reason := case
        when v_hold.hold_id is null then 'hold_unknown'
        when v_hold.status = 'COMMITTED' then 'already_paid'
        when v_hold.status = 'RELEASED' then 'hold_released'
        when v_hold.status = 'EXPIRED' or v_hold.expire_at <= v_now then 'hold_expired'
        when v_hold.user_id <> p_user_id then 'user_mismatch'
        when (v_hold.total_amount, v_hold.currency) <> (p_amount, p_currency) then 'amount_mismatch' end;
    v_order_id := case when v_reason is null then uuidv7() end;

    -- The payment, with what becomes of it. Somebody else may be telling us the same: their answer stands.
    insert into payment (gateway, payment_id, hold_ref, sale_id, user_id, amount, currency, state, order_id, refund_reason)
    values (p_gateway, p_payment_id, p_hold_ref, v_hold.sale_id, p_user_id, p_amount, p_currency,
            case when v_reason is null then 'ORDERED' else 'REFUND_REQUIRED' end, v_order_id, v_reason)
    on conflict on constraint payment_pkey do nothing;
    if not found then
        return stored_payment(p_gateway, p_payment_id);
    end if;

    if v_reason is not null then
        insert into refund (gateway, payment_id, reason, amount, currency)
        values (p_gateway, p_payment_id, v_reason, p_amount, p_currency);
        insert into order_ledger (event_type, gateway, payment_id, amount, currency)
        values ('REFUND_REQUIRED', p_gateway, p_payment_id, p_amount, p_currency);
        insert into event_outbox (event_type, sale_id, hold_id, data)
        values ('RefundRequired', v_hold.sale_id, v_hold.hold_id, json_build_object(
            'gateway', p_gateway, 'payment_id', p_payment_id, 'hold_id', p_hold_ref, 'user_id', p_user_id,
            'amount', p_amount, 'currency', p_currency, 'reason', v_reason));
        return stored_payment(p_gateway, p_payment_id);
    end if;

    -- 3. The order and its lines.
    insert into orders (order_id, hold_id, sale_id, user_id, gateway, payment_id, total_amount, currency, created_at)
    values (v_order_id, v_hold.hold_id, v_hold.sale_id, v_hold.user_id, p_gateway, p_payment_id,
            v_hold.total_amount, v_hold.currency, date_trunc('milliseconds', v_now));
    insert into order_items (order_id, sku_id, qty, unit_price, position, sale_id, user_id)
    select v_order_id, i.sku_id, i.qty, i.unit_price, i.position, v_hold.sale_id, v_hold.user_id
    from reservation_hold_item i where i.hold_id = v_hold.hold_id;

    -- 4. The hold ends.
    update reservation_hold set status = 'COMMITTED', finalized_at = v_now
    where hold_id = v_hold.hold_id and status = 'HOLD';
    delete from user_active_hold a using reservation_hold_item i
    where i.hold_id = v_hold.hold_id
      and (a.sale_id, a.user_id, a.sku_id, a.hold_id) = (v_hold.sale_id, v_hold.user_id, i.sku_id, v_hold.hold_id);

    -- 5. What happened, for the books and for the world.
    insert into order_ledger (event_type, gateway, payment_id, order_id, amount, currency)
    values ('ORDER_CONFIRMED', p_gateway, p_payment_id, v_order_id, p_amount, p_currency);
    insert into event_outbox (event_type, sale_id, hold_id, data)
    select 'OrderConfirmed', v_hold.sale_id, v_hold.hold_id, json_build_object(
        'order_id', v_order_id, 'hold_id', v_hold.hold_id, 'sale_id', v_hold.sale_id, 'user_id', v_hold.user_id,
        'gateway', p_gateway, 'payment_id', p_payment_id, 'total_amount', v_hold.total_amount,
        'currency', v_hold.currency, 'items',
        (select json_agg(json_build_object('sku_id', i.sku_id, 'qty', i.qty, 'unit_price', i.unit_price)
                         order by i.position) from order_items i where i.order_id = v_order_id));
    return json_build_object('result', 'confirmed', 'order_id', v_order_id);
end
$$;

revoke execute on function holdfast.stored_payment, holdfast.confirm from public;
grant execute on function holdfast.confirm to holdfast_confirm;
