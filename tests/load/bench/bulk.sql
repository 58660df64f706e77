-- The yardstick: the rows that a batch of granted reservations leaves behind, written in bulk with no check at all.
-- It oversells, grants a key twice and asks nobody whether the sale is open; nothing that sells can be quicker.

create function bench.bulk(p_sale_id text, p_user_ids text[], p_idem_keys text[], p_fingerprints bytea[], p_sku_ids text[], p_qtys integer[])
returns json language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_now      constant timestamptz := date_trunc('milliseconds', clock_timestamp());
    v_expire   constant timestamptz := v_now + interval '300 seconds';
    v_hold_ids uuid[] := array(select uuidv7() from generate_subscripts(p_user_ids, 1));
begin
    insert into idempotency (user_id, idem_key, fingerprint, hold_id)
    select * from unnest(p_user_ids, p_idem_keys, p_fingerprints, v_hold_ids);
    insert into user_active_hold (sale_id, user_id, sku_id, hold_id)
    select p_sale_id, u.* from unnest(p_user_ids, p_sku_ids, v_hold_ids) as u;
    insert into reservation_hold (hold_id, sale_id, user_id, total_amount, currency, created_at, expire_at)
    select u.hold_id, p_sale_id, u.user_id, u.qty * 150000, 'KRW', v_now, v_expire
    from unnest(v_hold_ids, p_user_ids, p_qtys) as u (hold_id, user_id, qty);
    insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
    select u.hold_id, u.sku_id, u.qty, 150000, 1 from unnest(v_hold_ids, p_sku_ids, p_qtys) as u (hold_id, sku_id, qty);
    insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
    select p_sale_id, u.sku_id, 'RESERVE_DEBIT', -u.qty, u.hold_id, v_now
    from unnest(v_hold_ids, p_sku_ids, p_qtys) as u (hold_id, sku_id, qty);
    insert into event_outbox (event_type, sale_id, hold_id, data, created_at)
    select 'ReservationCreated', p_sale_id, u.hold_id, json_build_object(
        'hold_id', u.hold_id, 'sale_id', p_sale_id, 'user_id', u.user_id, 'status', 'HOLD',
        'items', json_build_array(json_build_object('sku_id', u.sku_id, 'qty', u.qty, 'unit_price', 150000)),
        'total_amount', u.qty * 150000, 'currency', 'KRW', 'expire_at', rfc3339(v_expire)), v_now
    from unnest(v_hold_ids, p_user_ids, p_sku_ids, p_qtys) as u (hold_id, user_id, sku_id, qty);
    -- Not a check: without an order, two batches of many SKUs wait for each other.
    perform from inventory_counter c where c.sale_id = p_sale_id and c.sku_id = any (p_sku_ids) order by c.sku_id for update;
    update inventory_counter c set available = c.available - taken.qty
    from (select u.sku_id, sum(u.qty) as qty from unnest(p_sku_ids, p_qtys) as u (sku_id, qty)
          group by u.sku_id) taken
    where c.sale_id = p_sale_id and c.sku_id = taken.sku_id;
    return array_to_json(v_hold_ids);
end
$$;
