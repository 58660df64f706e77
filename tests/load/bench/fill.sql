-- Holds by the hundred thousand, as the product's own calls would have left them: for the history that the tables
-- only grow by, for what is to be paid and for what is to be swept.

-- p_count holds of one piece each in the sale p_sale_id, begun p_age ago, now p_status; with every row that goes with
-- that. The counters follow. A hold that is HOLD ends p_hold_ttl after it began: in the past, where it is to be swept.
create procedure bench.fill(p_sale_id text, p_count bigint, p_status text, p_age interval, p_hold_ttl interval)
language plpgsql set search_path = holdfast, pg_temp as $$
declare
    v_begun constant timestamptz := date_trunc('milliseconds', clock_timestamp() - p_age);
    v_ends  constant timestamptz := v_begun + p_hold_ttl;
    v_ended constant timestamptz := case p_status when 'EXPIRED' then v_ends when 'COMMITTED' then v_begun + p_hold_ttl / 2 end;
    v_event constant text := case p_status when 'EXPIRED' then 'ReservationExpired' when 'COMMITTED' then 'OrderConfirmed' end;
    -- What is past was delivered.
    v_delivered constant timestamptz := case when p_status <> 'HOLD' then v_ends end;
begin
    -- The keys that bind orders, payments and holds are there by construction; asking for each would take minutes.
    set local session_replication_role = replica;
    create temporary table filling on commit drop as
    select n, uuidv7(v_begun - clock_timestamp()) as hold_id, uuidv7(v_begun - clock_timestamp()) as order_id,
           'buyer-' || left(md5(p_sale_id || n || v_begun), 16) as user_id, gen_random_uuid()::text as idem_key, k.sku_id, k.unit_price
    from generate_series(1, p_count) as n
    join sku k on k.sale_id = p_sale_id and k.position = n % (select count(*) from sku s where s.sale_id = p_sale_id) + 1;

    -- Keys are kept for a day (schema/routines/retain.sql): of a sale that is past there are none.
    insert into idempotency (user_id, idem_key, fingerprint, hold_id, created_at)
    select user_id, idem_key, sha256('asked'), hold_id, v_begun from filling where p_age < interval '1 day';
    insert into reservation_hold (hold_id, sale_id, user_id, status, total_amount, currency, created_at, expire_at, finalized_at)
    select hold_id, p_sale_id, user_id, p_status, unit_price, 'KRW', v_begun, v_ends, v_ended from filling;
    insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
    select hold_id, sku_id, 1, unit_price, 1 from filling;
    insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
    select p_sale_id, sku_id, 'RESERVE_DEBIT', -1, hold_id, v_begun from filling;
    insert into event_outbox (event_id, event_type, sale_id, hold_id, data, created_at, fanned_out_at)
    select hold_id, 'ReservationCreated', p_sale_id, hold_id, ('{"hold_id":"' || hold_id || '","sale_id":"' || p_sale_id
        || '","status":"HOLD","user_id":' || to_json(user_id) || ',"items":[{"sku_id":"' || sku_id
        || '","qty":1,"unit_price":' || unit_price || '}],"total_amount":' || unit_price
        || ',"currency":"KRW","expire_at":"' || rfc3339(v_ends) || '"}')::json, v_begun, v_delivered from filling
    -- As keys: what was delivered is kept for a week.
    where p_age < interval '7 days';

    if p_status = 'HOLD' then
        insert into user_active_hold (sale_id, user_id, sku_id, hold_id)
        select p_sale_id, user_id, sku_id, hold_id from filling;
    else
        insert into event_outbox (event_id, event_type, sale_id, hold_id, data, created_at, fanned_out_at)
        -- Of the length that the product's have: what fits between them decides where the next ones go.
        select uuidv7(v_begun - clock_timestamp()), v_event, p_sale_id, hold_id, case p_status
            when 'EXPIRED' then ('{"hold_id":"' || hold_id || '","sale_id":"' || p_sale_id || '","user_id":'
                || to_json(user_id) || ',"items":[{"sku_id":"' || sku_id || '","qty":1}]}')::json
            else json_build_object(
                'order_id', order_id, 'hold_id', hold_id, 'sale_id', p_sale_id, 'user_id', user_id, 'gateway', 'standard',
                'payment_id', 'pay_' || hold_id, 'total_amount', unit_price, 'currency', 'KRW', 'items',
                json_build_array(json_build_object('sku_id', sku_id, 'qty', 1, 'unit_price', unit_price))) end,
            v_ended, v_delivered from filling
        where p_age < interval '7 days';
    end if;
    if p_status = 'EXPIRED' then
        insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
        select p_sale_id, sku_id, 'EXPIRE_CREDIT', 1, hold_id, v_ended from filling;
    else
        update inventory_counter c set available = c.available - taken.qty
        from (select sku_id, count(*) as qty from filling group by sku_id) taken
        where c.sale_id = p_sale_id and c.sku_id = taken.sku_id;
    end if;
    if p_status = 'COMMITTED' then
        insert into payment (gateway, payment_id, hold_ref, sale_id, user_id, amount, currency, state, order_id, created_at)
        select 'standard', 'pay_' || hold_id, hold_id::text, p_sale_id, user_id, unit_price, 'KRW', 'ORDERED', order_id, v_ended
        from filling;
        insert into orders (order_id, hold_id, sale_id, user_id, gateway, payment_id, total_amount, currency, created_at)
        select order_id, hold_id, p_sale_id, user_id, 'standard', 'pay_' || hold_id, unit_price, 'KRW', v_ended from filling;
        insert into order_items (order_id, sku_id, qty, unit_price, position, sale_id, user_id)
        select order_id, sku_id, 1, unit_price, 1, p_sale_id, user_id from filling;
        insert into buyer_history as b (sale_id, user_id, sku_id, bought)
        select p_sale_id, user_id, sku_id, count(*) from filling group by user_id, sku_id
        on conflict on constraint buyer_history_pkey do update set bought = b.bought + excluded.bought;
        insert into order_ledger (event_type, gateway, payment_id, order_id, amount, currency, created_at)
        select 'ORDER_CONFIRMED', 'standard', 'pay_' || hold_id, order_id, unit_price, 'KRW', v_ended from filling;
    end if;
end
$$;

-- One past sale: three of ten bought, the others let go. p_age: how long ago; null: 400 days less its number.
create procedure bench.past_sale(p_number integer, p_holds bigint, p_age interval default null)
language plpgsql as $$
declare
    v_sale_id constant text := 'p' || lpad(p_number::text, 3, '0');
    v_age     constant interval := coalesce(p_age, make_interval(days => 400 - p_number));
begin
    call bench.open_sale(v_sale_id, 4, p_holds, 300);
    update holdfast.sale set status = 'closed', opens_at = opens_at - interval '1 year' where sale_id = v_sale_id;
    call bench.fill(v_sale_id, p_holds * 3 / 10, 'COMMITTED', v_age, '300 s');
    commit;
    call bench.fill(v_sale_id, p_holds - p_holds * 3 / 10, 'EXPIRED', v_age, '300 s');
    commit;
end
$$;

-- What one buyer leaves behind who reserves and gives back p_count times within a day, and has bought as often before:
-- keys, holds that ended, their entries and events, and orders.
create procedure bench.past_of(p_sale_id text, p_sku_id text, p_user_id text, p_count bigint)
language plpgsql set search_path = holdfast, pg_temp as $$
declare
    v_began  constant timestamptz := date_trunc('milliseconds', clock_timestamp() - interval '1 hour');
begin
    set local session_replication_role = replica;
    create temporary table past on commit drop as
    select n, uuidv7(v_began - clock_timestamp()) as given_back, uuidv7(v_began - clock_timestamp()) as bought,
           uuidv7(v_began - clock_timestamp()) as order_id
    from generate_series(1, p_count) as n;
    insert into idempotency (user_id, idem_key, fingerprint, hold_id, created_at)
    select p_user_id, 'past-' || n, sha256('asked'), given_back, v_began from past;
    insert into reservation_hold (hold_id, sale_id, user_id, status, total_amount, currency, created_at, expire_at, finalized_at)
    select given_back, p_sale_id, p_user_id, 'RELEASED', 100, 'KRW', v_began, v_began + interval '5 min', v_began + interval '1 s' from past
    union all
    select bought, p_sale_id, p_user_id, 'COMMITTED', 100, 'KRW', v_began, v_began + interval '5 min', v_began + interval '1 s' from past;
    insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
    select h, p_sku_id, 1, 100, 1 from past, unnest(array[given_back, bought]) as h;
    insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
    select p_sale_id, p_sku_id, 'RESERVE_DEBIT', -1, h, v_began from past, unnest(array[given_back, bought]) as h
    union all
    select p_sale_id, p_sku_id, 'RELEASE_CREDIT', 1, given_back, v_began + interval '1 s' from past;
    insert into event_outbox (event_id, event_type, sale_id, hold_id, data, created_at, fanned_out_at)
    select h, 'ReservationCreated', p_sale_id, h, '{}', v_began, v_began from past, unnest(array[given_back, bought]) as h;
    insert into payment (gateway, payment_id, hold_ref, hold_id, sale_id, user_id, amount, currency, state, order_id, created_at)
    select 'standard', 'past_' || bought, bought::text, bought, p_sale_id, p_user_id, 100, 'KRW', 'ORDERED', order_id, v_began from past;
    insert into orders (order_id, hold_id, sale_id, user_id, gateway, payment_id, total_amount, currency, created_at)
    select order_id, bought, p_sale_id, p_user_id, 'standard', 'past_' || bought, 100, 'KRW', v_began from past;
    insert into order_items (order_id, sku_id, qty, unit_price, position, sale_id, user_id)
    select order_id, p_sku_id, 1, 100, 1, p_sale_id, p_user_id from past;
    insert into buyer_history as b (sale_id, user_id, sku_id, bought) values (p_sale_id, p_user_id, p_sku_id, p_count)
    on conflict on constraint buyer_history_pkey do update set bought = b.bought + excluded.bought;
    insert into order_ledger (event_type, gateway, payment_id, order_id, amount, currency, created_at)
    select 'ORDER_CONFIRMED', 'standard', 'past_' || bought, order_id, 100, 'KRW', v_began from past;
    update inventory_counter c set available = c.available - p_count where (c.sale_id, c.sku_id) = (p_sale_id, p_sku_id);
end
$$;

-- Keys of holds that ended two days ago, where retention looks next: a tenth of them of other users than the rest.
create procedure bench.finished_keys(p_count bigint)
language plpgsql set search_path = holdfast, pg_temp as $$
declare
    v_first tid;
begin
    set local session_replication_role = replica;
    create temporary table finished on commit drop as
    select uuidv7(interval '-2 days') as hold_id, case when n % 10 = 0 then 'past-' || n else 'buyer-of-many' end as user_id
    from generate_series(1, p_count) as n;
    insert into reservation_hold (hold_id, sale_id, user_id, status, total_amount, currency, created_at, expire_at, finalized_at)
    select hold_id, 'drop', user_id, 'RELEASED', 100, 'KRW', now() - interval '2 days', now() - interval '1 day', now() - interval '1 day'
    from finished;
    with made as (
        insert into idempotency (user_id, idem_key, fingerprint, hold_id)
        select user_id, hold_id::text, sha256('asked'), hold_id from finished returning ctid
    )
    select min(ctid) into v_first from made;
    update key_retention set looked_at = v_first;
end
$$;

-- Events that were sent eight days ago, where retention looks next.
create procedure bench.finished_events(p_count bigint)
language plpgsql as $$
declare
    v_before constant uuid := uuidv7(interval '-8 days');
begin
    insert into holdfast.event_outbox (event_id, event_type, sale_id, data, created_at, fanned_out_at)
    select uuidv7(interval '-8 days'), 'StockAdjusted', 'drop', '{"sale_id": "drop"}', now() - interval '8 days', now() - interval '8 days'
    from generate_series(1, p_count);
    update holdfast.retention_cursor set upto = v_before where part = 'events';
end
$$;

-- The same, where retention begins again: it comes by all that is kept first.
create procedure bench.finished_from_the_first(p_count bigint)
language plpgsql as $$
begin
    call bench.finished_events(p_count);
    update holdfast.retention_cursor set upto = '00000000-0000-0000-0000-000000000000' where part = 'events';
end
$$;

-- Events that a receiver never took, nine days ago.
create procedure bench.dead_letters(p_count bigint)
language plpgsql set search_path = holdfast, pg_temp as $$
declare
    v_subscription uuid;
begin
    set local session_replication_role = replica;
    insert into subscription (kind, endpoint, secret) values ('http', 'https://gone.example/', 'whsec_')
    returning subscription_id into v_subscription;
    create temporary table letter on commit drop as
    select uuidv7(interval '-9 days') as event_id from generate_series(1, p_count);
    insert into event_outbox (event_id, event_type, sale_id, data, created_at, fanned_out_at)
    select event_id, 'StockAdjusted', 'drop', '{"sale_id": "drop"}', now() - interval '9 days', now() - interval '9 days' from letter;
    insert into delivery (event_id, subscription_id, status, attempts, last_error, next_attempt_at, finalized_at)
    select event_id, v_subscription, 'DEAD', 10, 'no answer', now() - interval '9 days', now() - interval '9 days' from letter;
end
$$;
