-- T3, expire: holds that were not paid in time end, and their stock comes back.
--
-- Locks:      reservation_hold (those that no other transaction has locked), user_active_hold, inventory_counter by
--             sku_id, buyer_history by (user_id, sku_id), which every transaction takes after the counters.
-- Keeps:      a hold is credited once: it leaves HOLD once, and the ledger has a unique index besides.
-- Isolation:  READ COMMITTED or above; every statement judges rows it has locked.
-- A retry:    finds what is still HOLD and past its end; what was swept is not found again.
-- One transaction sweeps one sale, so that sales can live in different databases.

-- Ends holds the caller has locked, found to be HOLD, and decided about; release and reserve end theirs here too.
create or replace function holdfast.close_holds(p_sale_id text, p_hold_ids uuid[], p_status text, p_at timestamptz)
returns void language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_credit constant text := case p_status when 'EXPIRED' then 'EXPIRE_CREDIT' when 'RELEASED' then 'RELEASE_CREDIT' end;
    v_event  constant text := case p_status when 'EXPIRED' then 'ReservationExpired' when 'RELEASED' then 'ReservationReleased' end;
    v_ended  bigint;
    v_skus   text[];
    v_back   bigint[];
begin
    -- Everything but the counters as one statement: each table is gone through once, however many holds there are. Rows
    -- are found by their whole key in a subquery of its own (OFFSET 0), and then by their place: a plan that is made on
    -- empty tables would otherwise scan all live holds to find these. Their holds are locked, so they stay where they
    -- are.
    with ended as (
        update reservation_hold h set status = p_status, finalized_at = p_at
        from unnest(p_hold_ids) as due (hold_id)
        cross join lateral (select x.ctid, x.status from reservation_hold x where x.hold_id = due.hold_id offset 0) found
        where h.ctid = found.ctid and found.status = 'HOLD'
        returning h.hold_id, h.user_id
    ), line as materialized (
        select e.user_id, i.hold_id, i.sku_id, i.qty, i.position from ended e join reservation_hold_item i using (hold_id)
    ), active as (
        delete from user_active_hold a using line l
        cross join lateral (select x.ctid, x.hold_id from user_active_hold x
                            where (x.sale_id, x.user_id, x.sku_id) = (p_sale_id, l.user_id, l.sku_id) offset 0) found
        where a.ctid = found.ctid and found.hold_id = l.hold_id
    ), credit as (
        insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
        select p_sale_id, sku_id, v_credit, qty, hold_id, p_at from line
    ), told as (
        insert into event_outbox (event_type, sale_id, hold_id, data, created_at)
        select v_event, p_sale_id, hold_id, ('{"hold_id":"' || hold_id || '","sale_id":"' || p_sale_id || '","user_id":'
               || to_json(user_id) || ',"items":['
               || string_agg('{"sku_id":"' || sku_id || '","qty":' || qty || '}', ',' order by position) || ']}')::json, p_at
        from line group by hold_id, user_id
    )
    select (select count(*) from ended), array_agg(back.sku_id), array_agg(back.qty) into v_ended, v_skus, v_back
    from (select sku_id, sum(qty) as qty from line group by sku_id) back;
    if v_ended <> cardinality(p_hold_ids) then
        raise exception 'a hold left HOLD under its lock';
    end if;

    -- Counters last, because they are hot, and locked in the order that everyone locks them in.
    perform from inventory_counter c
    where c.sale_id = p_sale_id and c.sku_id = any (v_skus) order by c.sku_id for update;
    update inventory_counter c set available = c.available + back.qty
    from unnest(v_skus, v_back) as back (sku_id, qty)
    where c.sale_id = p_sale_id and c.sku_id = back.sku_id;

    -- Where the sale has a cool-down, the lapse is recorded for T1, as of the hold's end, whenever it is swept.
    if p_status = 'EXPIRED' and (select s.lapse_cooldown_s from sale s where s.sale_id = p_sale_id) > 0 then
        insert into buyer_history as b (sale_id, user_id, sku_id, lapsed_at)
        select p_sale_id, h.user_id, i.sku_id, h.expire_at
        from unnest(p_hold_ids) as due (hold_id) join reservation_hold h using (hold_id) join reservation_hold_item i using (hold_id)
        order by h.user_id, i.sku_id
        on conflict on constraint buyer_history_pkey do update set lapsed_at = excluded.lapsed_at;
    end if;
end
$$;

-- One transaction of the sweep: how many holds it ended, at most p_most; 0: none is left.
create or replace function holdfast.expire(p_most integer) returns integer
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_sale_id  text;
    v_hold_ids uuid[];
    -- What is over now is over when it is locked; and with a moment that stands still, the index ends where the live
    -- holds begin.
    v_now      constant timestamptz := clock_timestamp();
begin
    -- A stolen login that keeps a lock would block this and everything else.
    perform end_stuck_transactions();
    -- The longest overdue hold that no other sweep has, and with it its sale.
    select h.sale_id into v_sale_id from reservation_hold h
    where h.status = 'HOLD' and h.expire_at <= v_now
    order by h.expire_at limit 1 for update skip locked;
    if not found then
        return 0;
    end if;

    select array_agg(due.hold_id) into v_hold_ids from (
        select h.hold_id from reservation_hold h
        where h.status = 'HOLD' and h.expire_at <= v_now and h.sale_id = v_sale_id
        order by h.expire_at limit p_most for update skip locked) due;

    perform close_holds(v_sale_id, v_hold_ids, 'EXPIRED', clock_timestamp());
    return cardinality(v_hold_ids);
end
$$;

revoke execute on function holdfast.close_holds(text, uuid[], text, timestamptz), holdfast.expire(integer) from public;
grant execute on function holdfast.expire(integer) to holdfast_expire;
