-- Retain: rows past their retention are removed, in pieces so small that no other transaction waits for them.
--
-- Locks:      retention_cursor; event_outbox, subscription and delivery rows of what was finished long ago, skipping
--             locked rows; audit_finding and parked_payment rows that ended long ago; idempotency rows of holds that
--             ended long ago; those holds and what belongs to them, and buyer_history rows that count for nothing,
--             skipping locked rows. Waits 100 ms for a lock and no longer: it comes again.
-- Keeps:      what still has to be sent, dead letters until their own time is over, and keys younger than 24 hours or
--             of a hold that is HOLD; the sum of the ledger, and every hold that money came for; findings that stand,
--             parked payments that wait for a decision.
-- Isolation:  READ COMMITTED.
-- A retry:    finds what is left.

-- Looks at the next events and removes those whose deliveries have all ended, with them; how many were looked at. 0: it is
-- through, and begins again. What is kept (dead letters, for weeks) is looked at once a round: a piece costs the same
-- however much of it there is.
create or replace function holdfast.remove_sent(p_most integer, p_keep_s double precision, p_keep_dead_s double precision)
returns integer language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_now       constant timestamptz := clock_timestamp();
    -- The ids are in the order of time, so the oldest are found without an index of their own.
    v_before    constant uuid := uuidv7(make_interval(secs => -p_keep_s));
    v_upto      uuid;
    v_looked_at uuid[];
    v_event_ids uuid[];
    v_hold_ids  uuid[];
    v_id        uuid;
begin
    select c.upto into v_upto from retention_cursor c where c.part = 'events' for update skip locked;
    if not found then
        return 0;
    end if;
    delete from operator_request r using (
        select idem_key from operator_request where created_at < v_now - make_interval(secs => greatest(p_keep_s, 86400))
        order by created_at limit p_most) old
    where r.idem_key = old.idem_key;
    -- Resolved findings and decided parked payments are kept as long as dead letters.
    delete from audit_finding f using (
        select finding_id from audit_finding where gone_at < v_now - make_interval(secs => p_keep_dead_s)
        order by gone_at limit p_most for update skip locked) old
    where f.finding_id = old.finding_id;
    delete from parked_payment k using (
        select gateway, payment_id from parked_payment
        where state <> 'PARKED' and ended_at < v_now - make_interval(secs => p_keep_dead_s)
        order by ended_at limit p_most for update skip locked) old
    where (k.gateway, k.payment_id) = (old.gateway, old.payment_id);

    v_looked_at := array(select event_id from event_outbox where event_id > v_upto and event_id < v_before
                         order by event_id limit p_most);
    if v_looked_at = '{}' then
        update retention_cursor c set upto = '00000000-0000-0000-0000-000000000000'
        where c.part = 'events' and c.upto > '00000000-0000-0000-0000-000000000000';
        return 0;
    end if;
    update retention_cursor c set upto = v_looked_at[cardinality(v_looked_at)] where c.part = 'events';

    -- What waits for a subscription that is disabled has waited for as long as it is kept.
    v_event_ids := array(
        select e.event_id from event_outbox e
        where e.event_id = any (v_looked_at) and e.fanned_out_at < v_now - make_interval(secs => p_keep_s)
          and not exists (
            select from delivery d join subscription s on s.subscription_id = d.subscription_id
            where d.event_id = e.event_id and (d.status = 'PENDING' and s.status = 'ENABLED'
                or d.finalized_at >= v_now - make_interval(secs => case d.status when 'DEAD' then p_keep_dead_s else p_keep_s end)))
        order by e.event_id for update skip locked);
    for v_id in
        select distinct d.subscription_id from delivery d join subscription s on s.subscription_id = d.subscription_id
        where d.event_id = any (v_event_ids) and s.status <> 'ENABLED' order by 1
    loop
        -- It may have been enabled since we looked: then it is sent.
        perform from subscription s where s.subscription_id = v_id and s.status <> 'ENABLED' for no key update;
        continue when not found;
        with gone as (
            -- Pending by its time: by its status, the index of all that waits could be read for it.
            delete from delivery d where d.event_id = any (v_event_ids) and d.subscription_id = v_id and d.finalized_at is null
            returning d.hold_id)
        select array_agg(distinct g.hold_id) into v_hold_ids from gone g where g.hold_id is not null;
        perform wake_next(v_id, v_hold_ids);
    end loop;
    -- A dead letter that is replayed at this moment is PENDING when we get to it: then it stays, and its event.
    delete from delivery d where d.event_id = any (v_event_ids) and d.status <> 'PENDING';
    delete from event_outbox e where e.event_id = any (v_event_ids)
        and not exists (select from delivery d where d.event_id = e.event_id);
    return cardinality(v_looked_at);
end
$$;

-- Looks at the next holds and removes those that ended unpaid p_keep_s ago, with their lines, their attempts to pay and
-- their entries in the ledger, which come to nothing: so its sum stays what it is. How many were looked at; 0: none is
-- left. A hold that any money came for, or may have come for, stays, and one whose entries come to something, which the
-- audit reports. Each is read once; it stops at one that is still HOLD. p_keep_s is longer than dead letters are kept,
-- because they name holds. With them goes what T1 has to know of their buyers, where it is nothing: none bought, and
-- every cool-down is over.
create or replace function holdfast.remove_holds(p_most integer, p_keep_s double precision) returns integer
language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_before    constant uuid := uuidv7(make_interval(secs => -p_keep_s));
    v_since     constant timestamptz := clock_timestamp() - make_interval(secs => p_keep_s);
    v_upto      uuid;
    v_looked_at uuid[];
    v_hold_ids  uuid[];
begin
    select c.upto into v_upto from retention_cursor c where c.part = 'holds' for update skip locked;
    if not found then
        return 0;
    end if;
    v_looked_at := array(
        select h.hold_id
        from (select h.hold_id, bool_and(h.status <> 'HOLD' and h.finalized_at < v_since) over (order by h.hold_id) as ended
              from (select * from reservation_hold where hold_id > v_upto and hold_id < v_before
                    order by hold_id limit p_most) h) h
        where h.ended order by h.hold_id);
    if v_looked_at = '{}' then
        return 0;
    end if;
    v_hold_ids := array(
        select h.hold_id from reservation_hold h
        where h.hold_id = any (v_looked_at) and h.status in ('EXPIRED', 'RELEASED')
          and not exists (select from payment p where p.hold_id = h.hold_id)
          -- Nor one where a capture may have happened: it is a dead letter until an operator has decided.
          and not exists (select from payment_attempt a
                          where a.hold_id = h.hold_id and (a.state <> 'ENDED' or a.dead_at is not null))
          and not exists (select from inventory_ledger l where l.hold_id = h.hold_id group by l.sku_id having sum(l.qty) <> 0)
        order by h.hold_id for update skip locked);
    with line as materialized (
        select distinct h.sale_id, h.user_id, i.sku_id from unnest(v_looked_at) as looked (hold_id)
        join reservation_hold h using (hold_id) join reservation_hold_item i using (hold_id)
    ), idle as materialized (
        select b.sale_id, b.user_id, b.sku_id from line l cross join lateral (
            select k.sale_id, k.user_id, k.sku_id from buyer_history k
            where k.sale_id = l.sale_id and k.user_id = l.user_id and k.sku_id = l.sku_id and k.bought = 0
              and coalesce(k.lapsed_at < least(v_since, clock_timestamp() - interval '1 day'), true)
            for update skip locked) b)
    delete from buyer_history b using idle
    where b.sale_id = idle.sale_id and b.user_id = idle.user_id and b.sku_id = idle.sku_id;
    delete from payment_attempt a using unnest(v_hold_ids) as old (hold_id) where a.hold_id = old.hold_id;
    delete from inventory_ledger l using unnest(v_hold_ids) as old (hold_id) where l.hold_id = old.hold_id;
    delete from reservation_hold_item i using unnest(v_hold_ids) as old (hold_id) where i.hold_id = old.hold_id;
    delete from reservation_hold h using unnest(v_hold_ids) as old (hold_id) where h.hold_id = old.hold_id;
    update retention_cursor c set upto = v_looked_at[cardinality(v_looked_at)] where c.part = 'holds';
    return cardinality(v_looked_at);
end
$$;

-- Keys of holds that ended, older than p_keep_s, and never younger than a day; how many keys were looked at, p_most at
-- most. 0: all were, and the next call begins again. It goes through the keys as they lie in their table, and through so
-- many of its blocks at most: a piece costs the same whosever keys lie there, and T1 has no index more to write.
create or replace function holdfast.remove_keys(p_most integer, p_keep_s double precision) returns integer
language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_from   tid;
    v_block  bigint;
    v_before constant uuid := uuidv7(make_interval(secs => -greatest(p_keep_s, 86400)));
    v_keys   tid[];
    v_holds  uuid[];
begin
    select k.looked_at into v_from from key_retention k for update skip locked;
    if not found then
        return 0;
    end if;
    v_block := split_part(trim('(' from v_from::text), ',', 1)::bigint;
    if v_block >= pg_relation_size('idempotency') / current_setting('block_size')::bigint then
        update key_retention set looked_at = '(0,0)';
        return 0;
    end if;
    select array_agg(k.ctid), array_agg(k.hold_id) into v_keys, v_holds from (
        select i.ctid, i.hold_id from idempotency i
        where i.ctid > v_from and i.ctid < format('(%s,0)', v_block + p_most)::tid limit p_most) k;
    delete from idempotency i
    using unnest(v_keys, v_holds) as k (at_row, hold_id) left join reservation_hold h using (hold_id)
    where k.hold_id < v_before and h.status is distinct from 'HOLD' and i.ctid = k.at_row and i.hold_id = k.hold_id;
    update key_retention set looked_at = case cardinality(v_keys) when p_most then v_keys[p_most]
                                         else format('(%s,0)', v_block + p_most)::tid end;
    return coalesce(cardinality(v_keys), 0);
end
$$;

revoke execute on function holdfast.remove_sent(integer, double precision, double precision),
    holdfast.remove_holds(integer, double precision), holdfast.remove_keys(integer, double precision) from public;
grant execute on function holdfast.remove_sent(integer, double precision, double precision),
    holdfast.remove_holds(integer, double precision), holdfast.remove_keys(integer, double precision)
    to holdfast_relay;
