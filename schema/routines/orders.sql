-- Orders: what becomes of one after T2. An operator moves it on, cancels it or takes it back; its buyer cancels it where the
-- sale lets them.
--
-- Locks:      an Idempotency-Key (advisory), reservation_hold, orders, inventory_counter and buyer_history by
--             sku_id. All three ways lock the hold first, so one order's changes wait for each other, and its events are
--             written in order.
-- Keeps:      an order moves along the table of `order_may_become`, one version a step, each with its time, its ledger row
--             and its event. What it had of stock and money goes back once: when it is cancelled or returned.
-- Isolation:  READ COMMITTED or above; judged after the locks.
-- A retry:    a cancellation finds the order cancelled and answers the same; a change by version finds another version.

-- The transitions, all of them.
create or replace function holdfast.order_may_become(p_status text, p_next text) returns boolean
language sql immutable
return case p_status
    when 'CONFIRMED' then p_next in ('PREPARING', 'CANCELLED')
    when 'PREPARING' then p_next in ('SHIPPED', 'CANCELLED')
    when 'SHIPPED'   then p_next = 'DELIVERED'
    when 'DELIVERED' then p_next = 'RETURNED'
    else false end;

-- The order with its locks; without an id: there is none, or it is somebody else's. p_user_id null: an operator asks.
create or replace function holdfast.locked_order(p_order_id uuid, p_user_id text) returns holdfast.orders
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_order orders;
begin
    perform from reservation_hold h where h.hold_id = (
        select o.hold_id from orders o
        where o.order_id = p_order_id and (p_user_id is null or o.user_id = p_user_id)) for update;
    select * into v_order from orders o
    where o.order_id = p_order_id and (p_user_id is null or o.user_id = p_user_id) for update;
    return v_order;
end
$$;

-- Its payment is to be paid back, in full; where it cost nothing there is nothing to pay back.
create or replace function holdfast.owe_order(p_order holdfast.orders, p_reason text) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    if p_order.total_amount = 0 then
        return;
    end if;
    insert into refund (gateway, payment_id, reason, amount, currency)
    values (p_order.gateway, p_order.payment_id, p_reason, p_order.total_amount, p_order.currency);
    insert into order_ledger (event_type, gateway, payment_id, amount, currency)
    values ('REFUND_REQUIRED', p_order.gateway, p_order.payment_id, p_order.total_amount, p_order.currency);
    insert into event_outbox (event_type, sale_id, hold_id, data)
    values ('RefundRequired', p_order.sale_id, p_order.hold_id, json_build_object(
        'gateway', p_order.gateway, 'payment_id', p_order.payment_id, 'hold_id', p_order.hold_id,
        'order_id', p_order.order_id, 'user_id', p_order.user_id, 'amount', p_order.total_amount,
        'currency', p_order.currency, 'reason', p_reason));
end
$$;

-- Its pieces go back into the counters. What is not to be sold again is taken out of the stock as an operator would take
-- it: the total is smaller by it, and what is available is not larger.
create or replace function holdfast.return_stock(p_order holdfast.orders, p_restock boolean) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id)
    select p_order.sale_id, i.sku_id, case p_order.status when 'RETURNED' then 'RETURN_CREDIT' else 'CANCEL_CREDIT' end,
           i.qty, i.hold_id
    from reservation_hold_item i where i.hold_id = p_order.hold_id;
    if not p_restock then
        perform write_stock_change(p_order.sale_id, i.sku_id, -i.qty, 'returned, not for sale again: ' || p_order.order_number)
        from reservation_hold_item i where i.hold_id = p_order.hold_id;
    end if;
    perform from inventory_counter c
    where c.sale_id = p_order.sale_id
      and c.sku_id in (select i.sku_id from reservation_hold_item i where i.hold_id = p_order.hold_id)
    order by c.sku_id for update;
    update inventory_counter c set available = c.available + case when p_restock then i.qty else 0 end,
                                   total = c.total - case when p_restock then 0 else i.qty end
    from reservation_hold_item i
    where i.hold_id = p_order.hold_id and (c.sale_id, c.sku_id) = (p_order.sale_id, i.sku_id);
end
$$;

-- All that a cancelled or returned order had goes back, in the lock order of schema/README.md. This is the one place: what
-- else an order comes to hold is given back by a line here.
create or replace function holdfast.give_back_order(p_order holdfast.orders, p_restock boolean) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    perform owe_order(p_order, case p_order.status when 'RETURNED' then 'order_returned' else 'order_cancelled' end);
    perform return_stock(p_order, p_restock);
    -- The lines no longer count: the buyer may buy again, and the report counts what is sold.
    perform uncount_order(p_order.order_id);
    delete from order_items i where i.order_id = p_order.order_id;
end
$$;

-- The one change of an order, which its caller has locked and judged. p_moved_by: `operator` or `buyer`. p_tracking null:
-- it stays. p_restock: of a return, whether its pieces are for sale again.
create or replace function holdfast.move_order(
    p_order holdfast.orders, p_status text, p_moved_by text, p_reason text, p_tracking text, p_restock boolean)
returns holdfast.orders language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_now   constant timestamptz := clock_timestamp();
    v_order orders;
begin
    update orders o set
        status = p_status, version = o.version + 1, tracking = coalesce(p_tracking, o.tracking),
        preparing_at = case p_status when 'PREPARING' then v_now else o.preparing_at end,
        shipped_at   = case p_status when 'SHIPPED'   then v_now else o.shipped_at end,
        delivered_at = case p_status when 'DELIVERED' then v_now else o.delivered_at end,
        cancelled_at = case p_status when 'CANCELLED' then v_now else o.cancelled_at end,
        returned_at  = case p_status when 'RETURNED'  then v_now else o.returned_at end
    where o.order_id = p_order.order_id and o.version = p_order.version and order_may_become(o.status, p_status)
    returning * into v_order;
    if not found then
        raise exception 'the order % moved under its lock', p_order.order_id using errcode = 'serialization_failure';
    end if;

    insert into order_ledger (event_type, gateway, payment_id, order_id, amount, currency, moved_by, reason)
    values ('ORDER_' || p_status, v_order.gateway, v_order.payment_id, v_order.order_id, v_order.total_amount,
            v_order.currency, p_moved_by, p_reason);
    if p_status = 'CANCELLED' then
        insert into event_outbox (event_type, sale_id, hold_id, data)
        values ('OrderCancelled', v_order.sale_id, v_order.hold_id, json_build_object(
            'order_id', v_order.order_id, 'hold_id', v_order.hold_id, 'sale_id', v_order.sale_id, 'user_id', v_order.user_id,
            'status', v_order.status, 'before', p_order.status, 'by', p_moved_by,
            'items', order_json(v_order) -> 'items', 'total_amount', v_order.total_amount,
            'currency', v_order.currency, 'reason', p_reason));
    else
        insert into event_outbox (event_type, sale_id, hold_id, data)
        values ('OrderStatusChanged', v_order.sale_id, v_order.hold_id, json_build_object(
            'order_id', v_order.order_id, 'hold_id', v_order.hold_id, 'sale_id', v_order.sale_id, 'user_id', v_order.user_id,
            'status', v_order.status, 'before', p_order.status, 'tracking', v_order.tracking));
    end if;
    if p_status in ('CANCELLED', 'RETURNED') then
        perform give_back_order(v_order, p_restock or p_status = 'CANCELLED');
    end if;
    return v_order;
end
$$;

-- An operator's change, with its row in the operator's ledger.
create or replace function holdfast.move_order_by(
    p_by json, p_order holdfast.orders, p_status text, p_tracking text, p_restock boolean)
returns holdfast.orders language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_order orders := move_order(p_order, p_status, 'operator', p_by ->> 'reason', p_tracking, p_restock);
begin
    perform write_operator_ledger(
        p_by, case p_status when 'CANCELLED' then 'order_cancelled' else 'order_status_set' end, v_order.order_id::text,
        json_build_object('status', p_order.status, 'tracking', p_order.tracking),
        json_build_object('status', v_order.status, 'tracking', v_order.tracking, 'gateway', v_order.gateway,
                          'payment_id', v_order.payment_id, 'amount', v_order.total_amount, 'currency', v_order.currency,
                          'restock', case p_status when 'RETURNED' then p_restock end));
    return v_order;
end
$$;

-- By version: whoever was first has moved it, and the others are told which version it has now.
create or replace function holdfast.change_order(
    p_by json, p_order_id uuid, p_version bigint, p_status text, p_tracking text, p_restock boolean)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_order orders := locked_order(p_order_id, null);
begin
    if v_order.order_id is null then
        return null;
    end if;
    if v_order.version <> p_version then
        return json_build_object('outcome', 'precondition_failed', 'version', v_order.version);
    end if;
    if not order_may_become(v_order.status, p_status) then
        return json_build_object('outcome', 'transition_not_allowed', 'order_status', v_order.status);
    end if;
    v_order := move_order_by(p_by, v_order, p_status, p_tracking, p_restock);
    return json_build_object('outcome', 'order', 'order', order_json_for(v_order, true));
end
$$;

-- Without a version, by a key. The function of the release before treats `transition_not_allowed` as no answer: it knows
-- no order that was shipped.
create or replace function holdfast.cancel_order(p_by json, p_idem_key text, p_fingerprint bytea, p_order_id uuid)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored json := stored_operation(p_idem_key, p_fingerprint);
    v_order  orders;
begin
    if v_stored is not null then
        return v_stored;
    end if;
    v_order := locked_order(p_order_id, null);
    if v_order.order_id is null then
        return null;
    end if;
    if v_order.status = 'CANCELLED' then
        return json_build_object('outcome', 'order', 'order', order_json_for(v_order, true));
    end if;
    if not order_may_become(v_order.status, 'CANCELLED') then
        return json_build_object('outcome', 'transition_not_allowed', 'order_status', v_order.status);
    end if;
    v_order := move_order_by(p_by, v_order, 'CANCELLED', null, true);
    return store_operation(p_idem_key, p_fingerprint,
                           json_build_object('outcome', 'order', 'order', order_json_for(v_order, true)));
end
$$;

-- Its buyer cancels it. moved: by this call, and not before.
create or replace function holdfast.cancel_own_order(p_user_id text, p_order_id uuid, p_reason text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_order orders := locked_order(p_order_id, p_user_id);
    v_moved boolean;
begin
    if v_order.order_id is null then
        return json_build_object('outcome', 'not_found');
    end if;
    if not (select s.buyer_cancel from sale s where s.sale_id = v_order.sale_id) then
        return json_build_object('outcome', 'not_for_buyers');
    end if;
    v_moved := v_order.status = 'CONFIRMED';
    if v_moved then
        v_order := move_order(v_order, 'CANCELLED', 'buyer', p_reason, null, true);
    elsif v_order.status <> 'CANCELLED' then
        return json_build_object('outcome', 'transition_not_allowed', 'order_status', v_order.status);
    end if;
    return json_build_object('outcome', 'cancelled', 'order', order_json(v_order), 'moved', v_moved);
end
$$;

revoke execute on function holdfast.order_may_become(text, text), holdfast.locked_order(uuid, text),
    holdfast.owe_order(holdfast.orders, text), holdfast.return_stock(holdfast.orders, boolean),
    holdfast.give_back_order(holdfast.orders, boolean),
    holdfast.move_order(holdfast.orders, text, text, text, text, boolean),
    holdfast.move_order_by(json, holdfast.orders, text, text, boolean),
    holdfast.change_order(json, uuid, bigint, text, text, boolean), holdfast.cancel_order(json, text, bytea, uuid),
    holdfast.cancel_own_order(text, uuid, text) from public;
grant execute on function holdfast.change_order(json, uuid, bigint, text, text, boolean),
    holdfast.cancel_order(json, text, bytea, uuid) to holdfast_admin;
grant execute on function holdfast.cancel_own_order(text, uuid, text) to holdfast_release;
