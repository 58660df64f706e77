-- Retain: what has served its time is removed, in pieces so small that nobody waits for them.
--
-- Locks:      event_outbox and delivery rows that were finished long ago, passing by what somebody has; idempotency
--             rows of holds that ended long ago. Waits 100 ms for a lock and no longer: it comes again.
-- Keeps:      what still has to be sent, dead letters until their own time is over, and keys younger than 24 hours or
--             of a hold that is HOLD.
-- Isolation:  READ COMMITTED.
-- A retry:    finds what is left.

-- Events whose deliveries have all ended, with them; how many events. 0: none is left.
create or replace function holdfast.remove_sent(p_most integer, p_keep_s double precision, p_keep_dead_s double precision)
returns integer language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_now       constant timestamptz := clock_timestamp();
    -- The ids are in the order of time, so the oldest are found without an index of their own.
    v_before    constant uuid := uuidv7(make_interval(secs => -p_keep_s));
    v_event_ids uuid[];
begin
    select array_agg(e.event_id) into v_event_ids from (
        select e.event_id from event_outbox e
        where e.event_id < v_before and e.fanned_out_at < v_now - make_interval(secs => p_keep_s)
          and not exists (
            select from delivery d where d.event_id = e.event_id and (d.status = 'PENDING'
                or d.finalized_at >= v_now - make_interval(secs => case d.status when 'DEAD' then p_keep_dead_s else p_keep_s end)))
        order by e.event_id limit p_most for update skip locked) e;
    if v_event_ids is null then
        delete from operator_request r where r.created_at < v_now - make_interval(secs => greatest(p_keep_s, 86400));
        return 0;
    end if;
    -- A dead letter that is replayed at this moment is PENDING when we get to it: then it stays, and its event.
    delete from delivery d where d.event_id = any (v_event_ids) and d.status <> 'PENDING';
    delete from event_outbox e where e.event_id = any (v_event_ids)
        and not exists (select from delivery d where d.event_id = e.event_id);
    return cardinality(v_event_ids);
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

revoke execute on function holdfast.remove_sent, holdfast.remove_keys from public;
grant execute on function holdfast.remove_sent, holdfast.remove_keys to holdfast_relay;
