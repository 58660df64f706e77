-- Forget: a pseudonym replaces a user wherever the name is not needed any more.
--
-- Locks:      forget_request; then reservation_hold by hold_id, buyer_history by sale and SKU, orders, payment,
--             payment_attempt, audit_finding. It waits 100 ms for a lock and no longer: it comes again.
-- Keeps:      one pseudonym a user, so that rows of one person still belong together and every sum stays; what somebody
--             still needs in clear stays so until they do not: a live hold; money that is being paid, paid back or could
--             not be, or of which an operator has to decide; orders and payments that the law wants kept (p_legal_s); holds of which events tell (p_keep_s).
-- Isolation:  READ COMMITTED.
-- A retry:    goes on with what is left. A user who is to be forgotten already keeps the pseudonym.
--
-- What else has a user in it goes by itself, by retention: keys after a day, events after p_keep_s, dead letters later.

-- One piece, at most p_most rows of a kind; how many holds, payments and attempts got the pseudonym.
create or replace function holdfast.forget_piece(
    p_user_id text, p_pseudonym text, p_most integer, p_keep_s double precision, p_legal_s double precision)
returns integer language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_told_until  constant timestamptz := clock_timestamp() - make_interval(secs => p_keep_s);
    v_legal_until constant timestamptz := clock_timestamp() - make_interval(secs => greatest(p_keep_s, p_legal_s));
    v_hold_ids    uuid[];
    v_forgotten   integer;
    v_rows        integer;
begin
    v_hold_ids := array(
        select h.hold_id from reservation_hold h
        where h.user_id = p_user_id and h.status <> 'HOLD'
          and h.finalized_at < case when (select true from payment p where p.hold_id = h.hold_id limit 1)
                               then v_legal_until else v_told_until end
          and not exists (select from payment_attempt a
                          where a.hold_id = h.hold_id and (a.state <> 'ENDED' or a.dead_at is not null))
          and not exists (select from payment p join refund r using (gateway, payment_id)
                          where p.hold_id = h.hold_id and r.status in ('REQUIRED', 'FAILED'))
        order by h.hold_id limit p_most for update);
    v_forgotten := cardinality(v_hold_ids);
    update reservation_hold h set user_id = p_pseudonym where h.hold_id = any (v_hold_ids);
    -- What T1 counts as bought goes with the orders: others of the same sale may have to wait.
    perform from (select distinct i.sale_id, i.sku_id from orders o join order_items i using (order_id)
                  where o.hold_id = any (v_hold_ids)) bought
    join buyer_history b on (b.sale_id, b.user_id, b.sku_id) = (bought.sale_id, p_user_id, bought.sku_id)
    order by b.sale_id, b.sku_id for update of b;
    with bought as materialized (
        select i.sale_id, i.sku_id, sum(i.qty) as qty from orders o join order_items i using (order_id)
        where o.hold_id = any (v_hold_ids) group by i.sale_id, i.sku_id
    ), less as (
        update buyer_history b set bought = b.bought - bought.qty from bought
        where (b.sale_id, b.user_id, b.sku_id) = (bought.sale_id, p_user_id, bought.sku_id))
    insert into buyer_history as b (sale_id, user_id, sku_id, bought)
    select bought.sale_id, p_pseudonym, bought.sku_id, bought.qty from bought
    on conflict on constraint buyer_history_pkey do update set bought = b.bought + excluded.bought;
    update order_items i set user_id = p_pseudonym from orders o
    where o.hold_id = any (v_hold_ids) and i.order_id = o.order_id;
    -- A tracking number leads to an address; a reason is the buyer's own words.
    update order_ledger l set reason = null from orders o
    where o.hold_id = any (v_hold_ids) and (l.gateway, l.payment_id) = (o.gateway, o.payment_id) and l.moved_by = 'buyer';
    update orders o set user_id = p_pseudonym, tracking = null where o.hold_id = any (v_hold_ids);
    -- What else T1 knows of the user, sale by sale, once nothing of theirs stands there that it belongs to.
    with past as (
        delete from buyer_history b using (
            select p.sale_id, p.sku_id from sale s
            cross join lateral (select h.sale_id, h.sku_id, h.lapsed_at from buyer_history h
                                where h.sale_id = s.sale_id and h.user_id = p_user_id) p
            where (p.lapsed_at is null or p.lapsed_at < v_told_until)
              and not exists (select from order_items o where o.sale_id = p.sale_id and o.user_id = p_user_id)
              and not exists (select from user_active_hold a where a.sale_id = p.sale_id and a.user_id = p_user_id)
        ) old
        where (b.sale_id, b.user_id, b.sku_id) = (old.sale_id, p_user_id, old.sku_id)
        returning b.sale_id, b.sku_id, b.bought, b.lapsed_at)
    insert into buyer_history as b (sale_id, user_id, sku_id, bought, lapsed_at)
    select p.sale_id, p_pseudonym, p.sku_id, p.bought, p.lapsed_at from past p
    on conflict on constraint buyer_history_pkey do update set bought = b.bought + excluded.bought;

    -- Payments, those of the holds above among them: each when its own time is over.
    with old as (
        select p.gateway, p.payment_id from payment p
        where p.user_id = p_user_id and p.created_at < v_legal_until
          and not exists (select from refund r where (r.gateway, r.payment_id) = (p.gateway, p.payment_id)
                          and r.status in ('REQUIRED', 'FAILED'))
          and not exists (select from reservation_hold h where h.hold_id = p.hold_id and h.user_id = p_user_id)
        order by p.payment_no limit p_most)
    update payment p set user_id = p_pseudonym from old where (p.gateway, p.payment_id) = (old.gateway, old.payment_id);
    get diagnostics v_rows = row_count;
    v_forgotten := v_forgotten + v_rows;
    with old as (
        select a.gateway, a.payment_id from payment_attempt a
        where a.user_id = p_user_id and a.state = 'ENDED' and a.ended_at < v_told_until and a.dead_at is null
          and not exists (select from payment p where (p.gateway, p.payment_id) = (a.gateway, a.payment_id) and p.user_id = p_user_id)
        limit p_most)
    update payment_attempt a set user_id = p_pseudonym from old where (a.gateway, a.payment_id) = (old.gateway, old.payment_id);
    get diagnostics v_rows = row_count;
    return v_forgotten + v_rows;
end
$$;

-- What is left of a user, and why: {status, waits_for, until}.
create or replace function holdfast.forget_state(p_user_id text, p_pseudonym text, p_legal_s double precision) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with waits as (
        select array_remove(array[
            case when exists (select from holdfast.sale s join holdfast.user_active_hold a on a.sale_id = s.sale_id
                              where a.user_id = p_user_id) then 'live_hold' end,
            case when exists (select from holdfast.payment p join holdfast.refund r using (gateway, payment_id)
                              where p.user_id = p_user_id and r.status in ('REQUIRED', 'FAILED')) then 'refund' end,
            case when exists (select from holdfast.orders o where o.user_id = p_user_id)
                   or exists (select from holdfast.payment p where p.user_id = p_user_id)
                   -- Somebody else may have paid for a hold of theirs.
                   or exists (select from holdfast.reservation_hold h join holdfast.payment p on p.hold_id = h.hold_id
                              where h.user_id = p_user_id and h.status <> 'HOLD') then 'legal_time' end,
            case when exists (select from holdfast.reservation_hold h
                              where h.user_id = p_user_id and h.status <> 'HOLD'
                                and not exists (select from holdfast.payment p where p.hold_id = h.hold_id))
                   or exists (select from holdfast.sale s join holdfast.buyer_history b on b.sale_id = s.sale_id
                              where b.user_id = p_user_id and b.bought = 0)
                   or exists (select from holdfast.payment_attempt a
                              where a.user_id = p_user_id and a.state = 'ENDED' and not exists (
                                select from holdfast.payment p
                                where p.gateway = a.gateway and p.payment_id = a.payment_id and p.user_id = p_user_id))
                   -- For somebody else's hold; whatever becomes of it, it has the name until it has ended.
                   or exists (select from holdfast.payment_attempt a where a.user_id = p_user_id and a.state <> 'ENDED')
                 then 'retention' end], null) as for_what
    )
    select json_build_object(
        'pseudonym', p_pseudonym,
        'status', case when w.for_what = '{}' then 'done' else 'waiting' end,
        'waits_for', w.for_what,
        'until', holdfast.rfc3339((
            select max(paid.created_at) from (
                select p.created_at from holdfast.payment p where p.user_id = p_user_id
                union all
                select p.created_at from holdfast.reservation_hold h join holdfast.payment p on p.hold_id = h.hold_id
                where h.user_id = p_user_id and h.status <> 'HOLD') paid) + make_interval(secs => p_legal_s)))
    from waits w;
end;

-- Ends a request of which nothing else is left. What the audit saw of the user gets the pseudonym only now: a rule whose
-- subject is the user would find it once more for as long as a row has the name.
create or replace function holdfast.end_forgetting(p_user_id text, p_pseudonym text) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_before constant text := '"user_id": ' || to_jsonb(p_user_id)::text;
    v_after  constant text := '"user_id": ' || to_jsonb(p_pseudonym)::text;
    -- Behind `sale/SKU`, of which neither has a slash.
    v_end    constant text := '/' || p_user_id;
begin
    update audit_finding f set saw = replace(f.saw::jsonb::text, v_before, v_after)::json
    where strpos(f.saw::jsonb::text, v_before) > 0;
    with named as (
        select f.finding_id, f.check_name, left(f.subject, -char_length(v_end)) || '/' || p_pseudonym as subject
        from audit_finding f
        where f.check_name = 'buyer_bought' and right(f.subject, char_length(v_end)) = v_end
          and left(f.subject, -char_length(v_end)) ~ '^[^/]+/[^/]+$'
    ), seen as (
        -- Found again by the pseudonym, it stands once.
        delete from audit_finding f using named n
        where f.finding_id = n.finding_id and f.gone_at is null and exists (
            select from audit_finding o where o.gone_at is null and (o.check_name, o.subject) = (n.check_name, n.subject))
        returning f.finding_id)
    update audit_finding f set subject = n.subject from named n
    where f.finding_id = n.finding_id and not exists (select from seen s where s.finding_id = n.finding_id);
    delete from forget_request r where r.user_id = p_user_id;
end
$$;

create or replace function holdfast.forget_user(
    p_by json, p_user_id text, p_most integer, p_keep_s double precision, p_legal_s double precision)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_pseudonym text;
    v_state     json;
begin
    insert into forget_request (user_id, pseudonym) values (p_user_id, 'forgotten-' || gen_random_uuid())
    on conflict on constraint forget_request_pkey do nothing returning pseudonym into v_pseudonym;
    if found then
        -- The name itself is what is not to be kept.
        perform write_operator_ledger(p_by, 'user_forgotten', v_pseudonym, null, json_build_object('pseudonym', v_pseudonym));
    else
        select f.pseudonym into v_pseudonym from forget_request f where f.user_id = p_user_id;
    end if;
    perform forget_piece(p_user_id, v_pseudonym, p_most, p_keep_s, p_legal_s);
    v_state := forget_state(p_user_id, v_pseudonym, p_legal_s);
    if v_state ->> 'status' = 'done' then
        perform end_forgetting(p_user_id, v_pseudonym);
    end if;
    return json_build_object('outcome', 'forgotten', 'forgotten', v_state);
end
$$;

-- The next piece of a request that is due; how many rows. 0: none is due, or its remaining rows have to wait: for a
-- day.
create or replace function holdfast.forget_due(p_most integer, p_keep_s double precision, p_legal_s double precision)
returns integer language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_request   forget_request;
    v_forgotten integer;
begin
    select * into v_request from forget_request f where f.next_at <= clock_timestamp() order by f.next_at limit 1
    for update skip locked;
    if not found then
        return 0;
    end if;
    v_forgotten := forget_piece(v_request.user_id, v_request.pseudonym, p_most, p_keep_s, p_legal_s);
    if v_forgotten = 0 then
        if forget_state(v_request.user_id, v_request.pseudonym, p_legal_s) ->> 'status' = 'done' then
            perform end_forgetting(v_request.user_id, v_request.pseudonym);
        else
            update forget_request f set next_at = clock_timestamp() + interval '1 day' where f.user_id = v_request.user_id;
        end if;
        return 1;
    end if;
    return v_forgotten;
end
$$;

revoke execute on function holdfast.forget_piece(text, text, integer, double precision, double precision),
    holdfast.forget_state(text, text, double precision), holdfast.end_forgetting(text, text),
    holdfast.forget_user(json, text, integer, double precision, double precision),
    holdfast.forget_due(integer, double precision, double precision) from public;
grant execute on function holdfast.forget_user(json, text, integer, double precision, double precision)
    to holdfast_admin;
grant execute on function holdfast.forget_due(integer, double precision, double precision) to holdfast_relay;
