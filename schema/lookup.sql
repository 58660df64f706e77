-- Lookup: what only reads, each one statement.
--
-- Locks:      none.
-- Keeps:      what is told is on disk: with early release a hold may be seen before the log is, so reading one
--             passes the same barrier as granting it (see reserve.sql). Orders, payments and sales are committed
--             in the ordinary way and need none.
-- Isolation:  any.
-- A retry:    reads again.

-- What of the hold's own buyer's money is to be paid back, or was, the newest first: somebody else's is not shown.
create or replace function holdfast.refund_json(p_hold holdfast.reservation_hold) returns jsonb
language sql stable
begin atomic
    select jsonb_build_object('refund', own.refunds -> 0, 'refunds', own.with_reasons)
    from (select jsonb_agg(holdfast.shown_refund(r) order by r.created_at desc) as refunds,
                 jsonb_agg(jsonb_build_object('reason', r.reason) || holdfast.shown_refund(r)::jsonb
                           order by r.created_at desc) as with_reasons
          from holdfast.payment p join holdfast.refund r using (gateway, payment_id)
          where p.hold_id = p_hold.hold_id and p.user_id = p_hold.user_id) own
    where own.refunds is not null;
end;

-- A hold as its buyer sees it now, wherever it is shown by itself or in a list.
create or replace function holdfast.shown_hold(p_hold holdfast.reservation_hold) returns json
language sql volatile
return (holdfast.hold_json(p_hold, holdfast.hold_status_now(p_hold))::jsonb
        || coalesce(holdfast.refund_json(p_hold), '{}'))::json;

create or replace function holdfast.read_hold(p_user_id text, p_hold_id uuid) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.shown_hold(h) from holdfast.reservation_hold h
    where h.hold_id = p_hold_id and h.user_id = p_user_id;
end;

-- An earlier form, which `read_hold` called until now.
drop function if exists holdfast.refund_json(uuid);

create or replace procedure holdfast.look_up_hold(p_user_id text, p_hold_id uuid, p_early_release boolean, inout o_hold json)
language plpgsql
as $$
begin
    o_hold := holdfast.read_hold(p_user_id, p_hold_id);
    if p_early_release and o_hold is not null then
        perform pg_logical_emit_message(true, 'holdfast', 'read');
    end if;
end
$$;

create or replace function holdfast.look_up_order(p_user_id text, p_order_id uuid) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.order_json(o) from holdfast.orders o where o.order_id = p_order_id and o.user_id = p_user_id;
end;

create or replace function holdfast.look_up_order_of_hold(p_user_id text, p_hold_id uuid) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.order_json(o) from holdfast.orders o where o.hold_id = p_hold_id and o.user_id = p_user_id;
end;

create or replace function holdfast.look_up_sale(p_sale_id text) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.sale_json(s) from holdfast.sale s where s.sale_id = p_sale_id;
end;

-- The newest 100: what can be bought first, then what will open, then the rest.
create or replace function holdfast.look_up_sales() returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select coalesce(json_agg(holdfast.sale_json(s) order by
        array_position(array['open', 'scheduled', 'paused', 'closed'], holdfast.sale_status(s)), s.created_at desc, s.sale_id), '[]')
    from (select * from holdfast.sale order by created_at desc limit 100) s;
end;

-- Who may have something that comes before "sold out" in the order of refusals: whoever was granted anything in the last
-- day (a key belongs to its user and not to a sale; keys and holds live for a day) or has an order in this sale. Found
-- by the time in a hold's id, so that no index is needed that every reservation would have to write.
-- p_most: as many as that may be all or not. A user may be named more than once. Nobody is told of these: no barrier.
create or replace function holdfast.look_up_holders(p_sale_id text, p_most integer) returns text[]
language sql volatile security definer set search_path = holdfast, pg_temp
return array(
    (select h.user_id from holdfast.reservation_hold h
     where h.hold_id >= (select uuidv7(interval '-25 hours')) limit p_most)
    union all
    (select o.user_id from holdfast.order_items o where o.sale_id = p_sale_id limit p_most)
    limit p_most);

revoke execute on function holdfast.refund_json, holdfast.shown_hold, holdfast.read_hold, holdfast.look_up_order, holdfast.look_up_order_of_hold,
                           holdfast.look_up_sale, holdfast.look_up_sales, holdfast.look_up_holders from public;
revoke execute on procedure holdfast.look_up_hold from public;
grant execute on procedure holdfast.look_up_hold to holdfast_lookup;
grant execute on function holdfast.read_hold, holdfast.look_up_order, holdfast.look_up_order_of_hold,
                          holdfast.look_up_sale, holdfast.look_up_sales, holdfast.look_up_holders to holdfast_lookup;
