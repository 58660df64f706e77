-- Admin: what an operator does on the day of the sale, one statement each.
--
-- Locks:      sale, then inventory_counter by sku_id.
-- Keeps:      the ledger's sum is the counter, for stock put in and taken out too; never below zero.
-- Isolation:  READ COMMITTED or above.
-- A retry:    the same answer: a sale by what it was created from, stock by its Idempotency-Key.

-- p_sale is the body of the request, checked, with its defaults filled in by the function. One rule is checked here: a
-- sale that opens now must end later. It is checked for a new sale only, because a repeated request must get the same
-- answer.
create or replace function holdfast.create_sale(p_by json, p_sale json, p_created_from bytea) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_opens_at  timestamptz := coalesce((p_sale ->> 'opens_at')::timestamptz, clock_timestamp());
    v_closes_at timestamptz := (p_sale ->> 'closes_at')::timestamptz;
    v_sale      sale;
    v_created   boolean;
begin
    insert into sale (sale_id, name, currency, opens_at, closes_at, hold_ttl_s, late_payment, lapse_cooldown_s, status,
                      stock_before_opening, buyer_cancel, created_from)
    select p_sale ->> 'sale_id', p_sale ->> 'name', p_sale ->> 'currency', v_opens_at, v_closes_at,
           (p_sale ->> 'hold_ttl_s')::integer, coalesce(p_sale ->> 'late_payment', 'refund'),
           coalesce((p_sale ->> 'lapse_cooldown_s')::integer, 0), coalesce(p_sale ->> 'status', 'open'),
           coalesce(p_sale ->> 'stock_before_opening', 'shown'), coalesce((p_sale ->> 'buyer_cancel')::boolean, false),
           p_created_from
    where v_closes_at is null or v_closes_at > v_opens_at
    on conflict on constraint sale_pkey do nothing;
    v_created := found;

    if v_created then
        insert into sku (sale_id, sku_id, name, unit_price, max_per_user, position)
        select p_sale ->> 'sale_id', k.value ->> 'sku_id', k.value ->> 'name', (k.value ->> 'unit_price')::bigint,
               (k.value ->> 'max_per_user')::integer, k.ordinality
        from json_array_elements(p_sale -> 'skus') with ordinality k;
        insert into inventory_counter (sale_id, sku_id, total, available)
        select p_sale ->> 'sale_id', k ->> 'sku_id', (k ->> 'stock')::bigint, (k ->> 'stock')::bigint
        from json_array_elements(p_sale -> 'skus') k;
        perform write_stock_change(p_sale ->> 'sale_id', k ->> 'sku_id', (k ->> 'stock')::bigint, 'sale created')
        from json_array_elements(p_sale -> 'skus') k where (k ->> 'stock')::bigint > 0;
        perform write_operator_ledger(p_by, 'sale_created', p_sale ->> 'sale_id', null, p_sale);
    end if;

    select * into v_sale from sale s where s.sale_id = p_sale ->> 'sale_id';
    if not found then
        return json_build_object('outcome', 'invalid_request', 'errors', json_build_array(json_build_object(
            'pointer', '/closes_at', 'detail', 'must be later than opens_at, which is now unless given')));
    end if;
    if v_sale.created_from <> p_created_from then
        return json_build_object('outcome', 'already_exists');
    end if;
    return json_build_object('outcome', 'sale', 'sale', sale_json(v_sale), 'created', v_created);
end
$$;

-- What the functions of the last release call: without an actor.
create or replace function holdfast.create_sale(p_sale json, p_created_from bytea) returns json
language sql security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.create_sale('{}'::json, p_sale, p_created_from);
end;

-- Once this is answered nothing is granted any more that the new status forbids: it waits for the reservations that
-- have the counters, and those that come for them later look at the status again.
create or replace function holdfast.set_sale_status(p_by json, p_sale_id text, p_status text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_sale   sale;
    v_before text;
begin
    select s.status into v_before from sale s where s.sale_id = p_sale_id for no key update;
    if not found then
        return json_build_object('outcome', 'not_found');
    end if;
    update sale s set status = p_status where s.sale_id = p_sale_id returning * into v_sale;
    if v_before <> p_status then
        perform write_operator_ledger(p_by, 'sale_status_set', p_sale_id, json_build_object('status', v_before),
                                      json_build_object('status', p_status));
        insert into event_outbox (event_type, sale_id, data)
        values ('SaleChanged', p_sale_id, json_build_object(
            'sale_id', p_sale_id, 'before', json_build_object('status', v_before), 'after', json_build_object('status', p_status)));
    end if;
    perform from inventory_counter c where c.sale_id = p_sale_id order by c.sku_id for update;
    -- Written and not only locked: a reservation above READ COMMITTED that saw the sale before this fails at its
    -- counter, where with a lock alone it would go on by what it saw.
    update inventory_counter c set available = c.available where c.sale_id = p_sale_id;
    return json_build_object('outcome', 'sale', 'sale', sale_json(v_sale), 'created', false);
end
$$;

create or replace function holdfast.set_sale_status(p_sale_id text, p_status text) returns json
language sql security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.set_sale_status('{}'::json, p_sale_id, p_status);
end;

create or replace function holdfast.adjust_stock(
    p_by json, p_sale_id text, p_sku_id text, p_delta bigint, p_idem_key text, p_fingerprint bytea)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_reason  constant text := p_by ->> 'reason';
    v_stored  json := stored_adjustment(p_idem_key, p_fingerprint);
    v_counter inventory_counter;
begin
    if v_stored is not null then
        return v_stored;
    end if;
    select * into v_counter from inventory_counter c where (c.sale_id, c.sku_id) = (p_sale_id, p_sku_id) for update;
    if not found then
        return json_build_object('outcome', 'not_found', 'sku_id',
                                 (select p_sku_id from sale s where s.sale_id = p_sale_id));
    end if;
    -- The same key may have been answered while we waited for the counter.
    v_stored := stored_adjustment(p_idem_key, p_fingerprint);
    if v_stored is not null then
        return v_stored;
    end if;
    if v_counter.available + p_delta < 0 then
        return json_build_object('outcome', 'sold_out', 'sku_id', p_sku_id, 'available', v_counter.available);
    end if;

    insert into stock_adjustment (idem_key, fingerprint, sale_id, sku_id, delta, reason, total_after, available_after)
    values (p_idem_key, p_fingerprint, p_sale_id, p_sku_id, p_delta, v_reason,
            v_counter.total + p_delta, v_counter.available + p_delta)
    on conflict on constraint stock_adjustment_pkey do nothing;
    if not found then
        return stored_adjustment(p_idem_key, p_fingerprint);
    end if;
    perform write_stock_change(p_sale_id, p_sku_id, p_delta, v_reason);
    update inventory_counter c set total = c.total + p_delta, available = c.available + p_delta
    where (c.sale_id, c.sku_id) = (p_sale_id, p_sku_id);
    perform write_operator_ledger(p_by, 'stock_adjusted', p_sale_id || '/' || p_sku_id,
        json_build_object('total', v_counter.total, 'available', v_counter.available),
        json_build_object('total', v_counter.total + p_delta, 'available', v_counter.available + p_delta, 'delta', p_delta));
    return json_build_object('outcome', 'stock', 'replayed', false, 'stock', json_build_object(
        'sale_id', p_sale_id, 'sku_id', p_sku_id,
        'total', v_counter.total + p_delta, 'available', v_counter.available + p_delta));
end
$$;

create or replace function holdfast.adjust_stock(
    p_sale_id text, p_sku_id text, p_delta bigint, p_reason text, p_idem_key text, p_fingerprint bytea)
returns json language sql security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.adjust_stock(json_build_object('reason', p_reason), p_sale_id, p_sku_id, p_delta, p_idem_key, p_fingerprint);
end;

create or replace function holdfast.stored_adjustment(p_idem_key text, p_fingerprint bytea) returns json
language sql stable
begin atomic
    select case when a.fingerprint = p_fingerprint then json_build_object('outcome', 'stock', 'replayed', true,
        'stock', json_build_object('sale_id', a.sale_id, 'sku_id', a.sku_id,
                                   'total', a.total_after, 'available', a.available_after))
        else json_build_object('outcome', 'idempotency_key_reused') end
    from holdfast.stock_adjustment a where a.idem_key = p_idem_key;
end;

-- A change of stock by the operator: its ledger row and its event.
create or replace function holdfast.write_stock_change(p_sale_id text, p_sku_id text, p_delta bigint, p_reason text)
returns void language sql volatile
begin atomic
    insert into holdfast.inventory_ledger (sale_id, sku_id, event_type, qty, reason)
    values (p_sale_id, p_sku_id, case when p_delta > 0 then 'STOCK_IN' else 'STOCK_OUT' end, p_delta, p_reason);
    insert into holdfast.event_outbox (event_type, sale_id, data)
    values ('StockAdjusted', p_sale_id, json_build_object(
        'sale_id', p_sale_id, 'sku_id', p_sku_id, 'delta', p_delta, 'reason', p_reason));
end;

-- One statement, so that all of it is seen at one moment and the sums can be held against each other.
create or replace function holdfast.report(p_sale_id text) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    with held as (
        select i.sku_id, sum(i.qty) as qty from holdfast.user_active_hold a
        join holdfast.reservation_hold_item i on (i.hold_id, i.sku_id) = (a.hold_id, a.sku_id)
        where a.sale_id = p_sale_id group by i.sku_id
    ), sold as (
        select o.sku_id, sum(o.qty) as qty from holdfast.order_items o where o.sale_id = p_sale_id group by o.sku_id
    ), event as materialized (
        select e.event_id, e.fanned_out_at from holdfast.event_outbox e where e.sale_id = p_sale_id
    ), per_sku as (
        select k.position, k.sku_id, c.total, c.available, coalesce(held.qty, 0) as held, coalesce(sold.qty, 0) as sold
        from holdfast.sku k join holdfast.inventory_counter c on c.sale_id = k.sale_id and c.sku_id = k.sku_id
        left join held on held.sku_id = k.sku_id left join sold on sold.sku_id = k.sku_id
        where k.sale_id = p_sale_id
    ), mismatch as (
        -- The sums of each SKU at this moment (schema/views/invariants.sql).
        select json_build_object('check', v.check_name, 'subject', v.subject, 'expected', v.expected, 'found', v.found) as m
        from holdfast.sku_violation v where v.sale_id = p_sale_id
        union all
        -- What the audit has found in this sale and still finds, the oldest hundred.
        (select json_build_object('check', f.check_name, 'subject', f.subject, 'expected', f.expected, 'found', f.found,
                                  'finding_id', f.finding_id, 'seen_at', holdfast.rfc3339(f.first_seen_at))
         from holdfast.audit_finding f where f.sale_id = p_sale_id and f.gone_at is null order by f.finding_id limit 100)
    )
    select json_build_object('outcome', 'report', 'report', json_build_object(
        'sale_id', s.sale_id,
        'status', holdfast.sale_status(s),
        'skus', (select coalesce(json_agg(json_build_object('sku_id', p.sku_id, 'total', p.total, 'available', p.available,
                                                   'held', p.held, 'sold', p.sold) order by p.position), '[]') from per_sku p),
        'holds', (select json_object_agg(known.status, coalesce(found.holds, 0))
                  from unnest(array['HOLD', 'COMMITTED', 'EXPIRED', 'RELEASED']) as known (status)
                  left join (select h.status, count(*) as holds from holdfast.reservation_hold h
                             where h.sale_id = p_sale_id group by h.status) found on found.status = known.status),
        'orders', (select json_object_agg(known.status, coalesce(found.orders, 0))
                   from unnest(array['CONFIRMED', 'PREPARING', 'SHIPPED', 'DELIVERED', 'CANCELLED', 'RETURNED']) as known (status)
                   left join (select o.status, count(*) as orders from holdfast.orders o
                              where o.sale_id = p_sale_id group by o.status) found on found.status = known.status),
        'refunds', (select json_object_agg(known.status, (
                        select count(*) from holdfast.refund r join holdfast.payment p using (gateway, payment_id)
                        where p.sale_id = p_sale_id and r.status = known.status))
                    from unnest(array['REQUIRED', 'COMPLETED', 'FAILED']) as known (status)),
        -- Of these the gateway has changed its mind: see present.sql.
        'payments', (select json_build_object('disputed', count(*) filter (where p.dispute in ('open', 'resolved', 'lost')),
                         'refunded_outside', count(*) filter (where p.refunded_outside > 0),
                         'reversed', count(*) filter (where p.reversed_at is not null))
                     from holdfast.payment p where p.sale_id = p_sale_id
                       and (p.dispute is not null or p.refunded_outside > 0 or p.reversed_at is not null)),
        'outbox', json_build_object(
            'pending', (select count(*) from event e where e.fanned_out_at is null)
                     + (select count(*) from event e join holdfast.delivery d using (event_id) where d.status = 'PENDING'),
            'dead', (select count(*) from event e join holdfast.delivery d using (event_id)
                     join holdfast.subscription r using (subscription_id) where d.status = 'DEAD' and r.status <> 'DELETED'),
            'receivers', (select coalesce(json_agg(holdfast.subscription_json(r) order by r.subscription_id), '[]')
                          from holdfast.subscription r where r.status <> 'DELETED')),
        'gateways', holdfast.gateway_health(),
        'audit', json_build_object('ok', not exists (select from mismatch),
                                   'mismatches', (select coalesce(json_agg(m), '[]') from mismatch))))
    from holdfast.sale s where s.sale_id = p_sale_id;
end;

revoke execute on function holdfast.create_sale(json, bytea), holdfast.create_sale(json, json, bytea),
    holdfast.set_sale_status(text, text), holdfast.set_sale_status(json, text, text),
    holdfast.adjust_stock(text, text, bigint, text, text, bytea),
    holdfast.adjust_stock(json, text, text, bigint, text, bytea), holdfast.report(text),
    holdfast.stored_adjustment(text, bytea), holdfast.write_stock_change(text, text, bigint, text) from public;
grant execute on function holdfast.create_sale(json, bytea), holdfast.create_sale(json, json, bytea),
    holdfast.set_sale_status(text, text), holdfast.set_sale_status(json, text, text),
    holdfast.adjust_stock(text, text, bigint, text, text, bytea),
    holdfast.adjust_stock(json, text, text, bigint, text, bytea), holdfast.report(text) to holdfast_admin;
