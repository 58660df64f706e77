-- Lookup: what only reads, each one statement.
--
-- Locks:      none.
-- Keeps:      what is answered is on disk: with early release a hold may be seen before the log is, so reading one
--             passes the same barrier as granting it (see reserve.sql). Orders, payments and sales are committed in the
--             ordinary way and need none.
-- Isolation:  any.
-- A retry:    reads again.

-- The refunds, pending or done, of the hold's own buyer, the newest first: another payer's are not shown.
create or replace function holdfast.refund_json(p_hold holdfast.reservation_hold) returns jsonb
language sql stable
begin atomic
    select jsonb_build_object('refund', own.refunds -> 0, 'refunds', own.refunds)
    from (select jsonb_agg(jsonb_build_object('reason', r.reason) || holdfast.shown_refund(r)::jsonb
                           order by r.created_at desc) as refunds
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
        perform holdfast.barrier();
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
    select holdfast.sale_json(s) from holdfast.sale s where s.sale_id = p_sale_id and s.status <> 'draft';
end;

-- One hundred: what can be bought first, then what will open, then the rest; of each the newest.
create or replace function holdfast.look_up_sales() returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select coalesce(json_agg(holdfast.sale_json(first.sale) order by first.n), '[]') from (
        select s as sale, row_number() over (order by
            array_position(array['open', 'scheduled', 'paused', 'closed'], holdfast.sale_status(s)), s.created_at desc, s.sale_id) as n
        from holdfast.sale s where s.status <> 'draft' order by n limit 100) first;
end;

-- A piece of the lookup of holders, for `tell_holders` alone: users stand in clear in o_after.
--
-- Each table is read in the order of its users, 32 entries a step, and the next step begins behind the last user of
-- them: thousands of keys of one user are skipped in one step. p_after: for each of the three where to go on after;
-- null: nothing is left there. p_steps: so many at most in each. o_after: the next call's p_after, null when all are
-- listed.
create or replace function holdfast.holders_piece(
    p_sale_id text, p_key bytea, p_shard bigint, p_shards bigint, p_after text[], p_steps integer,
    out o_users bigint[], out o_after text[])
language sql volatile
begin atomic
    with recursive keyed as (
        select 0 as step, p_after[1] as cursor, null::text[] as users where p_after[1] is not null
        union all
        select k.step + 1, piece.users[cardinality(piece.users)], piece.users from keyed k cross join lateral (
            select array_agg(distinct entry.user_id order by entry.user_id) as users from (
                select i.user_id from holdfast.idempotency i where i.user_id > k.cursor order by i.user_id limit 32) entry) piece
        where k.cursor is not null and k.step < p_steps
    ), holding as (
        select 0 as step, p_after[2] as cursor, null::text[] as users where p_after[2] is not null
        union all
        select k.step + 1, piece.users[cardinality(piece.users)], piece.users from holding k cross join lateral (
            select array_agg(distinct entry.user_id order by entry.user_id) as users from (
                select a.user_id from holdfast.user_active_hold a where a.sale_id = p_sale_id and a.user_id > k.cursor
                order by a.sale_id, a.user_id limit 32) entry) piece
        where k.cursor is not null and k.step < p_steps
    ), known as (
        select 0 as step, p_after[3] as cursor, null::text[] as users where p_after[3] is not null
        union all
        select k.step + 1, piece.users[cardinality(piece.users)], piece.users from known k cross join lateral (
            select array_agg(distinct entry.user_id order by entry.user_id) as users from (
                select b.user_id from holdfast.buyer_history b where b.sale_id = p_sale_id and b.user_id > k.cursor
                order by b.sale_id, b.user_id limit 32) entry) piece
        where k.cursor is not null and k.step < p_steps
    ), step as (
        select 1 as part, keyed.* from keyed union all select 2, holding.* from holding union all select 3, known.* from known
    ), hashed as (
        select ('x' || encode(substr(sha256(p_key || convert_to(u, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
               & 9223372036854775807 as hash
        from step s cross join lateral unnest(s.users) as u
    )
    select array(select distinct h.hash from hashed h where h.hash % p_shards = p_shard),
           (select case when count(s.cursor) > 0 then array_agg(s.cursor order by part.n) end
            from generate_series(1, 3) as part (n)
            left join lateral (select step.cursor from step where step.part = part.n order by step.step desc limit 1) s on true);
end;

-- Of one Gate's users: who may get another answer than "sold out" or "not open". These are users with a key, in any
-- sale, because a key belongs to its user; and users who hold, have bought or let lapse something in this one. A user
-- is listed as a hash that only the edge can compute (p_key is its secret), and a user's hash names the Gate: see
-- edge/src/runtime/user_hash.rs, which computes the same. No answer has a user's id in it, and no caller chooses where
-- a table is read on: this function's login cannot list users.
--
-- p_most: no more users are looked for. p_for_ms: no piece is begun after it, and never after a second, which with the
-- piece that has begun is below statement_timeout. o_complete: these are all. No buyer is shown anything by this: no
-- barrier.
create or replace function holdfast.tell_holders(
    p_sale_id text, p_key bytea, p_shard bigint, p_shards bigint, p_most integer, p_for_ms integer,
    out o_users bigint[], out o_complete boolean)
language plpgsql volatile security definer set search_path = holdfast, pg_temp
as $$
declare
    v_until timestamptz := clock_timestamp() + least(p_for_ms, 1000) * interval '1 millisecond';
    v_after text[]      := array['', '', ''];
    v_piece bigint[];
begin
    o_users := '{}';
    loop
        select p.o_users, p.o_after into v_piece, v_after
        from holders_piece(p_sale_id, p_key, p_shard, p_shards, v_after, 200) p;
        o_users := o_users || v_piece;
        exit when v_after is null or cardinality(o_users) > 3 * p_most or clock_timestamp() >= v_until;
    end loop;
    o_users := array(select distinct u from unnest(o_users) as u limit p_most + 1);
    o_complete := v_after is null and cardinality(o_users) <= p_most;
    o_users := o_users[:p_most];
end
$$;

-- The former forms, for functions of the releases before. This one was called until o_after was null or a second was
-- over: a call now takes that second by itself, or lists all. A caller that continues from a user of its choice starts
-- from the beginning.
create or replace function holdfast.look_up_holders(
    p_sale_id text, p_key bytea, p_shard bigint, p_shards bigint, p_after text[], p_steps integer,
    out o_users bigint[], out o_after text[])
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select h.o_users, case when not h.o_complete then array[null, null, null]::text[] end
    from holdfast.tell_holders(p_sale_id, p_key, p_shard, p_shards, 200000, 1000) h;
end;

-- And this one listed users in clear. As many as requested are read as "there may be more, so remember nothing".
create or replace function holdfast.look_up_holders(p_sale_id text, p_most integer) returns text[]
language sql volatile security definer set search_path = holdfast, pg_temp
return array_fill(''::text, array[least(p_most, 100000)]);

revoke execute on function holdfast.refund_json(holdfast.reservation_hold),
    holdfast.shown_hold(holdfast.reservation_hold), holdfast.read_hold(text, uuid),
    holdfast.look_up_order(text, uuid), holdfast.look_up_order_of_hold(text, uuid), holdfast.look_up_sale(text),
    holdfast.look_up_sales(), holdfast.holders_piece(text, bytea, bigint, bigint, text[], integer),
    holdfast.tell_holders(text, bytea, bigint, bigint, integer, integer),
    holdfast.look_up_holders(text, bytea, bigint, bigint, text[], integer),
    holdfast.look_up_holders(text, integer) from public;
revoke execute on procedure holdfast.look_up_hold(text, uuid, boolean, json) from public;
grant execute on procedure holdfast.look_up_hold(text, uuid, boolean, json) to holdfast_lookup;
grant execute on function holdfast.read_hold(text, uuid), holdfast.look_up_order(text, uuid),
    holdfast.look_up_order_of_hold(text, uuid), holdfast.look_up_sale(text), holdfast.look_up_sales(),
    holdfast.tell_holders(text, bytea, bigint, bigint, integer, integer),
    holdfast.look_up_holders(text, bytea, bigint, bigint, text[], integer), holdfast.look_up_holders(text, integer)
    to holdfast_lookup;
