-- T2, confirm: a payment that was captured becomes an order, or is recorded as a refund; one that names no hold of
-- ours, at a gateway that others may share, is parked (schema/routines/parked.sql).
--
-- Locks:      reservation_hold, parked_payment, payment, payment_attempt, buyer_history by sku_id, user_active_hold. It touches no
--             counter: what is sold was taken out of the counter when it was reserved. Where the sale lets a late payment
--             take it again: reservation_hold and inventory_counter by sku_id before the rest.
-- Keeps:      a captured payment of ours is one order or one refund; a hold has at most one order.
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

-- Why a payment buys nothing, at this moment of the clock, with the hold locked; null: it buys the hold. The user is
-- not compared where the gateway does not know it (null).
create or replace function holdfast.payment_rejection(
    p_hold holdfast.reservation_hold, p_now timestamptz, p_user_id text, p_amount bigint, p_currency text) returns text
language sql immutable
return case
    when (p_hold).hold_id is null then 'hold_unknown'
    when (p_hold).status = 'COMMITTED' then 'already_paid'
    when (p_hold).status = 'RELEASED' then 'hold_released'
    when (p_hold).status = 'EXPIRED' or (p_hold).expire_at <= p_now then 'hold_expired'
    when (p_hold).user_id <> p_user_id then 'user_mismatch'
    when ((p_hold).total_amount, (p_hold).currency) <> (p_amount, p_currency) then 'amount_mismatch' end;

-- An order's lines count to its buyer's limits from here on, and a purchase clears a lapse. A transaction that locks
-- counters too has them by now: an order, a cancellation and an expiry of one buyer must not wait for each other.
create or replace function holdfast.count_order(p_order_id uuid) returns void
language sql volatile
begin atomic
    insert into holdfast.buyer_history as b (sale_id, user_id, sku_id, bought)
    select i.sale_id, i.user_id, i.sku_id, i.qty from holdfast.order_items i where i.order_id = p_order_id order by i.sku_id
    on conflict on constraint buyer_history_pkey do update set bought = b.bought + excluded.bought, lapsed_at = null;
end;

-- And no longer; before its lines are removed. A row that counts for nothing then is removed.
create or replace function holdfast.uncount_order(p_order_id uuid) returns void
language sql volatile
begin atomic
    select from holdfast.order_items i join holdfast.buyer_history b using (sale_id, user_id, sku_id)
    where i.order_id = p_order_id order by b.sku_id for update of b;
    update holdfast.buyer_history b set bought = b.bought - i.qty from holdfast.order_items i
    where i.order_id = p_order_id and (b.sale_id, b.user_id, b.sku_id) = (i.sale_id, i.user_id, i.sku_id);
    delete from holdfast.buyer_history b using holdfast.order_items i
    where i.order_id = p_order_id and (b.sale_id, b.user_id, b.sku_id) = (i.sale_id, i.user_id, i.sku_id)
      and b.bought = 0 and b.lapsed_at is null;
end;

-- Takes the stock of a hold that ended unpaid once more, if its buyer may still buy it: the sale is open, as for a
-- reservation at this moment; what the buyer has bought, holds in another hold and pays for here is no more than the
-- limit; and all of it is still there. A hold that is not swept yet still has its stock; the rest of the rule is the
-- same. All of it is looked at with the counters locked: a reservation of the buyer and another late payment wait
-- there, and a pause of the sale has had them before. A payment in time of another hold is seen as that hold or as its
-- order.
create or replace function holdfast.resell(
    p_hold holdfast.reservation_hold, p_gateway text, p_payment_id text, p_user_id text, p_amount bigint, p_currency text)
returns boolean language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    if p_hold.user_id <> p_user_id or (p_hold.total_amount, p_hold.currency) <> (p_amount, p_currency)
       or (select s.late_payment from sale s where s.sale_id = p_hold.sale_id) <> 'retake'
       -- The same payment, reported twice at once, has waited for the hold too: the first result stands.
       or stored_payment(p_gateway, p_payment_id) is not null
    then
        return false;
    end if;
    perform from inventory_counter c
    where c.sale_id = p_hold.sale_id
      and c.sku_id in (select i.sku_id from reservation_hold_item i where i.hold_id = p_hold.hold_id)
    order by c.sku_id for update;

    if (select sale_status(s) <> 'open' from sale s where s.sale_id = p_hold.sale_id) or exists (
        select from reservation_hold_item i
        join sku k on (k.sale_id, k.sku_id) = (p_hold.sale_id, i.sku_id)
        join inventory_counter c on (c.sale_id, c.sku_id) = (p_hold.sale_id, i.sku_id)
        where i.hold_id = p_hold.hold_id
          and (p_hold.status <> 'HOLD' and c.available < i.qty
               or i.qty + coalesce((
                    select b.bought from buyer_history b
                    where (b.sale_id, b.user_id, b.sku_id) = (p_hold.sale_id, p_hold.user_id, i.sku_id)), 0)
                  -- A hold that is over has a payment of its own to come, which will count this one.
                  + (select coalesce(sum(other.qty), 0) from user_active_hold a
                     join reservation_hold h on h.hold_id = a.hold_id and h.expire_at > clock_timestamp()
                     join reservation_hold_item other on (other.hold_id, other.sku_id) = (a.hold_id, a.sku_id)
                     where (a.sale_id, a.user_id, a.sku_id) = (p_hold.sale_id, p_hold.user_id, i.sku_id)
                       and a.hold_id <> p_hold.hold_id) > k.max_per_user))
    then
        return false;
    end if;
    if p_hold.status <> 'HOLD' then
        insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id)
        select p_hold.sale_id, i.sku_id, 'RETAKE_DEBIT', -i.qty, p_hold.hold_id
        from reservation_hold_item i where i.hold_id = p_hold.hold_id;
        update inventory_counter c set available = c.available - i.qty
        from reservation_hold_item i
        where i.hold_id = p_hold.hold_id and (c.sale_id, c.sku_id) = (p_hold.sale_id, i.sku_id);
    end if;
    return true;
end
$$;

-- p_hold_id is null where what the shop's own service said (p_hold_ref) is no id of ours at all, p_user_id where it does not know.
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
    v_retaken  boolean := false;
begin
    -- 1. A repeat is answered without waiting for the hold.
    if v_stored is not null then
        return v_stored;
    end if;

    -- 2. The hold, locked, and only then the clock.
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id for update;
    v_now := clock_timestamp();
    if v_hold.hold_id is null and is_shared(p_gateway) then
        -- What is no id of ours is not looked at; what is one may be another Holdfast's, and is no refund of ours to make.
        return case when p_hold_id is null then json_build_object('result', 'ignored')
            else park(p_gateway, p_payment_id, p_hold_ref, p_amount, p_currency, true) end;
    end if;
    v_reason := payment_rejection(v_hold, v_now, p_user_id, p_amount, p_currency);
    -- Too late: the sale may want it to be sold all the same.
    v_retaken := case v_reason when 'hold_expired' then
        resell(v_hold, p_gateway, p_payment_id, p_user_id, p_amount, p_currency) else false end;
    v_reason := case when not v_retaken then v_reason end;
    v_order_id := case when v_reason is null then uuidv7() end;

    -- Parked before under a hold that is not ours, it waited for an operator, who has nothing to decide any more. Before the
    -- payment: a decision locks what is parked first, and writes the payment then.
    if is_shared(p_gateway) then
        perform end_parked(p_gateway, p_payment_id);
    end if;

    -- The payment, with its result. A concurrent call may have recorded the same payment: its result stands.
    insert into payment (gateway, payment_id, hold_ref, hold_id, sale_id, user_id, amount, currency, state, order_id,
                         refund_reason)
    values (p_gateway, p_payment_id, p_hold_ref, v_hold.hold_id, v_hold.sale_id, coalesce(p_user_id, v_hold.user_id, ''),
            p_amount, p_currency, case when v_reason is null then 'ORDERED' else 'REFUND_REQUIRED' end, v_order_id, v_reason)
    on conflict on constraint payment_pkey do nothing;
    if not found then
        if v_retaken then
            -- Named for another hold meanwhile: what was taken again for this one goes back with this attempt.
            raise exception 'the payment % was told of for another hold', p_payment_id using errcode = 'serialization_failure';
        end if;
        return stored_payment(p_gateway, p_payment_id);
    end if;
    -- Of one that was given up, too, no operator has to decide any more.
    update payment_attempt a set state = 'ENDED', ended_at = v_now, dead_at = null, token = null,
                                 outcome = coalesce(v_reason, 'confirmed')
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and (a.state <> 'ENDED' or a.dead_at is not null);

    if v_reason is not null then
        -- A hold that is still held, because of another amount say, has its own end again: this payment is settled.
        perform restore_end(v_hold.hold_id, p_gateway, p_payment_id);
        insert into refund (gateway, payment_id, reason, amount, currency)
        values (p_gateway, p_payment_id, v_reason, p_amount, p_currency);
        insert into order_ledger (event_type, gateway, payment_id, amount, currency)
        values ('REFUND_REQUIRED', p_gateway, p_payment_id, p_amount, p_currency);
        insert into event_outbox (event_type, sale_id, hold_id, data)
        values ('RefundRequired', v_hold.sale_id, v_hold.hold_id, json_build_object(
            'gateway', p_gateway, 'payment_id', p_payment_id, 'hold_id', v_hold.hold_id, 'hold_ref', p_hold_ref, 'user_id', nullif(p_user_id, ''),
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
    perform count_order(v_order_id);

    -- 4. The hold ends.
    update reservation_hold set status = 'COMMITTED', finalized_at = coalesce(finalized_at, v_now),
                                retaken_at = case when v_retaken then v_now end
    where hold_id = v_hold.hold_id and (status = 'HOLD' or v_retaken);
    delete from user_active_hold a using reservation_hold_item i
    where i.hold_id = v_hold.hold_id
      and (a.sale_id, a.user_id, a.sku_id, a.hold_id) = (v_hold.sale_id, v_hold.user_id, i.sku_id, v_hold.hold_id);

    -- 5. What happened, for the books and for the world.
    insert into order_ledger (event_type, gateway, payment_id, order_id, amount, currency)
    values ('ORDER_CONFIRMED', p_gateway, p_payment_id, v_order_id, p_amount, p_currency);
    insert into event_outbox (event_type, sale_id, hold_id, data)
    select 'OrderConfirmed', v_hold.sale_id, v_hold.hold_id, json_build_object(
        'order_id', v_order_id, 'hold_id', v_hold.hold_id, 'sale_id', v_hold.sale_id, 'user_id', v_hold.user_id,
        'gateway', paid_by(p_gateway, p_payment_id) ->> 'gateway',
        'payment_id', paid_by(p_gateway, p_payment_id) ->> 'payment_id', 'payment', paid_by(p_gateway, p_payment_id),
        'total_amount', v_hold.total_amount, 'currency', v_hold.currency, 'items',
        (select json_agg(json_build_object('sku_id', i.sku_id, 'qty', i.qty, 'unit_price', i.unit_price)
                         order by i.position) from order_items i where i.order_id = v_order_id));
    return json_build_object('result', 'confirmed', 'order_id', v_order_id);
end
$$;

revoke execute on function holdfast.stored_payment(text, text),
    holdfast.payment_rejection(holdfast.reservation_hold, timestamptz, text, bigint, text), holdfast.count_order(uuid),
    holdfast.uncount_order(uuid), holdfast.resell(holdfast.reservation_hold, text, text, text, bigint, text),
    holdfast.confirm(text, text, text, uuid, text, bigint, text) from public;
-- The sweep looks up payments that are under way before it ends their holds, and confirms what it finds paid.
grant execute on function holdfast.confirm(text, text, text, uuid, text, bigint, text)
    to holdfast_confirm, holdfast_expire;
