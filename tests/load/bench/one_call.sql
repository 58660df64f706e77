-- T1 for one reservation as one PL/pgSQL call: the six steps, written as well as it can be without batches and
-- without letting the lock go early. {name}, {declare}, {first} and {last} are what a way of counting stock puts in
-- (counters.sql); everything else is the same for all of them.

create function bench.{name}(p_sale_id text, p_user_id text, p_idem_key text, p_fingerprint bytea, p_sku_id text, p_qty integer)
returns json language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_sale    sale;
    v_sku     sku;
    v_hold_id uuid := uuidv7();
    v_now     timestamptz;
    v_answer  json;
    {declare}
begin
    {first}
    select * into v_sale from sale s where s.sale_id = p_sale_id;
    select * into v_sku from sku k where k.sale_id = p_sale_id and k.sku_id = p_sku_id;
    if v_sale.status <> 'open' or v_sale.opens_at > clock_timestamp() or v_sale.closes_at <= clock_timestamp() then
        raise exception 'sale_not_open';
    end if;

    -- 1. The flag.
    insert into idempotency (user_id, idem_key, fingerprint, hold_id)
    values (p_user_id, p_idem_key, p_fingerprint, v_hold_id) on conflict on constraint idempotency_pkey do nothing;
    if not found then
        raise exception 'idempotency_key_used';
    end if;

    -- 2. One active hold, and the limit.
    insert into user_active_hold (sale_id, user_id, sku_id, hold_id)
    values (p_sale_id, p_user_id, p_sku_id, v_hold_id) on conflict on constraint user_active_hold_one_each do nothing;
    if not found then
        raise exception 'already_holding';
    end if;
    if p_qty + (select coalesce(sum(o.qty), 0) from order_items o
                where o.sale_id = p_sale_id and o.user_id = p_user_id and o.sku_id = p_sku_id) > v_sku.max_per_user then
        raise exception 'limit_reached';
    end if;

    -- 4. The hold and its line.
    v_now := date_trunc('milliseconds', clock_timestamp());
    insert into reservation_hold (hold_id, sale_id, user_id, total_amount, currency, created_at, expire_at)
    values (v_hold_id, p_sale_id, p_user_id, p_qty * v_sku.unit_price, v_sale.currency,
            v_now, v_now + make_interval(secs => v_sale.hold_ttl_s));
    insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
    values (v_hold_id, p_sku_id, p_qty, v_sku.unit_price, 1);

    -- 5. The ledger.
    insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
    values (p_sale_id, p_sku_id, 'RESERVE_DEBIT', -p_qty, v_hold_id, v_now);

    -- 6. The outbox.
    v_answer := json_build_object(
        'hold_id', v_hold_id, 'sale_id', p_sale_id, 'user_id', p_user_id, 'status', 'HOLD',
        'items', json_build_array(json_build_object('sku_id', p_sku_id, 'qty', p_qty, 'unit_price', v_sku.unit_price)),
        'total_amount', p_qty * v_sku.unit_price, 'currency', v_sale.currency,
        'expire_at', rfc3339(v_now + make_interval(secs => v_sale.hold_ttl_s)));
    insert into event_outbox (event_type, sale_id, hold_id, data, created_at)
    values ('ReservationCreated', p_sale_id, v_hold_id, v_answer, v_now);

    -- 3. Stock, last: its row is locked from here to the end of the commit, and no longer.
    {last}
    return v_answer;
end
$$;
