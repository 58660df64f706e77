-- T1 and holds past their end that the sweep has not reached: whether they stand in the way of a batch, and taking them back.
-- To say "sold out" or "already holding" while they wait would be wrong.
--
-- Locks:      reservation_hold by hold_id, then those of `close_holds` (expire.sql).
-- Keeps:      a hold ends once, by whoever has its row first; its stock comes back with it.
-- Isolation:  READ COMMITTED, as reserve.sql, which calls both.
-- A retry:    finds nothing that ended already.

-- Whether a hold past its end that the sweep has not reached stands in this batch's way: a buyer's own, or, where stock
-- is short, any buyer's on one of its SKUs.
create or replace function holdfast.lapsed_in_the_way(
    p_sale_id text, p_user_ids text[], p_line_of integer[], p_sku_ids text[], p_short boolean) returns boolean
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    -- A moment that stands still: the index of live holds is read from its beginning to here, and no further.
    v_now constant timestamptz := clock_timestamp();
begin
    -- By its whole key each (OFFSET 0): see close_holds.
    return exists (
        select from unnest(p_line_of, p_sku_ids) as l (n, sku_id)
        cross join lateral (select a.hold_id from user_active_hold a
                            where (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, p_user_ids[l.n], l.sku_id) offset 0) a
        cross join lateral (select h.expire_at from reservation_hold h where h.hold_id = a.hold_id offset 0) h
        where h.expire_at <= v_now)
    or p_short and exists (
        select from reservation_hold h
        cross join lateral (select from reservation_hold_item i
                            where i.hold_id = h.hold_id and i.sku_id = any (p_sku_ids) offset 0) i
        where h.status = 'HOLD' and h.expire_at <= v_now and h.sale_id = p_sale_id);
end
$$;

-- Holds past their end that the sweep has not reached and that stand in this batch's way: the buyers' own, and
-- those that keep a SKU from being sold, so many at most. To say "sold out" while they wait would be a lie. True: some
-- ended, and there may be more.
create or replace function holdfast.reclaim_lapsed(
    p_sale_id text, p_user_ids text[], p_line_of integer[], p_sku_ids text[], p_qtys integer[]) returns boolean
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold_ids uuid[];
    v_short    text[];
    v_now      constant timestamptz := clock_timestamp();
begin
    perform assert_batch(cardinality(p_user_ids), cardinality(p_sku_ids));
    -- Asked first, and once: where nothing is short, nobody's lapsed holds are gone through but the buyers' own.
    v_short := array(
        select wanted.sku_id from (select l.sku_id, sum(l.qty) as qty from unnest(p_sku_ids, p_qtys) as l (sku_id, qty)
                                   group by l.sku_id) wanted
        join inventory_counter c on (c.sale_id, c.sku_id) = (p_sale_id, wanted.sku_id) where c.available < wanted.qty);
    select array_agg(due.hold_id) into v_hold_ids from (
        select a.hold_id from unnest(p_line_of, p_sku_ids) as l (n, sku_id)
        cross join lateral (select a.hold_id from user_active_hold a
                            where (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, p_user_ids[l.n], l.sku_id) offset 0) a
        cross join lateral (select h.expire_at from reservation_hold h where h.hold_id = a.hold_id offset 0) h
        where h.expire_at <= v_now
        union
        select h.hold_id from (
            select h.hold_id from reservation_hold h
            where v_short <> '{}' and h.status = 'HOLD' and h.expire_at <= v_now and h.sale_id = p_sale_id and (
                select true from reservation_hold_item i where i.hold_id = h.hold_id and i.sku_id = any (v_short) limit 1)
            order by h.expire_at limit 500) h) due;
    if v_hold_ids is null then
        return false;
    end if;

    -- Waits where the sweep skips: the transaction that has the row is about to return the stock, so it is there when
    -- we read. In the order of their ids, so that two batches cannot wait for each other.
    select array_agg(h.hold_id) filter (where h.status = 'HOLD' and h.expire_at <= v_now) into v_hold_ids from (
        select h.hold_id, h.status, h.expire_at from reservation_hold h
        where h.hold_id = any (v_hold_ids)
        order by h.hold_id for update) h;
    if v_hold_ids is null then
        return false;
    end if;
    perform close_holds(p_sale_id, v_hold_ids, 'EXPIRED', clock_timestamp());
    return true;
end
$$;

revoke execute on function holdfast.lapsed_in_the_way(text, text[], integer[], text[], boolean),
    holdfast.reclaim_lapsed(text, text[], integer[], text[], integer[]) from public;
grant execute on function holdfast.reclaim_lapsed(text, text[], integer[], text[], integer[]) to holdfast_reserve;
