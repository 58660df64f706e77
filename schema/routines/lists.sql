-- Lists: a buyer's own holds and orders, a page at a time, newest first.
--
-- Locks:      none.
-- Keeps:      a page goes on after the last id of the page before it, and ids are in the order of time: whatever is
--             added meanwhile is newer than what is still to be shown, so nothing is shown twice and nothing is left
--             out. What a page reads is bounded (p_look), whatever its filters: it may be short, or empty, and still
--             have a next one.
-- Isolation:  any. One statement sees one moment: a hold that ends while it is read is found once.
-- A retry:    reads again.

-- p_before: the last id of the page before; null: from the newest on. p_status: as it is now, swept or not.
create or replace function holdfast.list_holds(
    p_user_id text, p_sale_id text, p_status text, p_before uuid, p_limit integer, p_look integer) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    with live as materialized (
        -- A hold of several SKUs has several of these rows. Few: one hold a SKU.
        select distinct a.hold_id from holdfast.user_active_hold a
        where a.user_id = p_user_id and a.hold_id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ), looked as materialized (
        select l.hold from (
            -- By its key (OFFSET 0), and then by what it is: see close_holds.
            select h.hold from live
            cross join lateral (select h as hold from holdfast.reservation_hold h where h.hold_id = live.hold_id offset 0) h
            where (h.hold).status = 'HOLD'
            union all
            (select h as hold from holdfast.reservation_hold h
             where h.user_id = p_user_id and h.status <> 'HOLD'
               and h.hold_id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             order by h.hold_id desc limit p_look)) l
        order by (l.hold).hold_id desc limit p_look
    ), found as (
        select l.hold, row_number() over (order by (l.hold).hold_id desc) as n from looked l
        where (p_sale_id is null or (l.hold).sale_id = p_sale_id)
          and (p_status is null or holdfast.hold_status_now(l.hold) = p_status)
    )
    select json_build_object('outcome', 'holds',
        'holds', coalesce(json_agg(holdfast.shown_hold(f.hold) order by f.n) filter (where f.n <= p_limit), '[]'),
        'next', case when count(*) > p_limit then max((f.hold).hold_id::text) filter (where f.n = p_limit)
                     when (select count(*) from looked) = p_look
                     then (select (l.hold).hold_id::text from looked l order by (l.hold).hold_id limit 1) end)
    from found f;
end;

-- With early release a hold may be seen before the log is on disk: see lookup.sql.
create or replace procedure holdfast.look_up_holds(
    p_user_id text, p_sale_id text, p_status text, p_before uuid, p_limit integer, p_look integer,
    p_early_release boolean, inout o_page json)
language plpgsql
as $$
begin
    o_page := holdfast.list_holds(p_user_id, p_sale_id, p_status, p_before, p_limit, p_look);
    if p_early_release and json_array_length(o_page -> 'holds') > 0 then
        perform holdfast.barrier();
    end if;
end
$$;

create or replace function holdfast.look_up_orders(
    p_user_id text, p_sale_id text, p_before uuid, p_limit integer, p_look integer) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    with looked as materialized (
        select o as one from holdfast.orders o
        where o.user_id = p_user_id and o.order_id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        order by o.order_id desc limit p_look
    ), found as (
        select l.one, row_number() over (order by (l.one).order_id desc) as n from looked l
        where p_sale_id is null or (l.one).sale_id = p_sale_id
    )
    select json_build_object('outcome', 'orders',
        'orders', coalesce(json_agg(holdfast.order_json(f.one) order by f.n) filter (where f.n <= p_limit), '[]'),
        'next', case when count(*) > p_limit then max((f.one).order_id::text) filter (where f.n = p_limit)
                     when (select count(*) from looked) = p_look
                     then (select (l.one).order_id::text from looked l order by (l.one).order_id limit 1) end)
    from found f;
end;

revoke execute on function holdfast.list_holds(text, text, text, uuid, integer, integer),
    holdfast.look_up_orders(text, text, uuid, integer, integer) from public;
revoke execute on procedure holdfast.look_up_holds(text, text, text, uuid, integer, integer, boolean, json)
    from public;
grant execute on function holdfast.list_holds(text, text, text, uuid, integer, integer),
    holdfast.look_up_orders(text, text, uuid, integer, integer) to holdfast_lookup;
grant execute on procedure holdfast.look_up_holds(text, text, text, uuid, integer, integer, boolean, json)
    to holdfast_lookup;
