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

-- Keys of holds that ended, older than p_keep_s, and never younger than a day; how many holds were looked at. 0: none
-- is left. It goes through the holds by their ids, which are in the order of time, and stops at one that is still HOLD.
create or replace function holdfast.remove_keys(p_most integer, p_keep_s double precision) returns integer
language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_upto     uuid;
    v_before   constant uuid := uuidv7(make_interval(secs => -greatest(p_keep_s, 86400)));
    v_hold_ids uuid[];
    v_user_ids text[];
begin
    select k.upto into v_upto from key_retention k for update skip locked;
    if not found then
        return 0;
    end if;
    select array_agg(h.hold_id order by h.hold_id), array_agg(h.user_id order by h.hold_id) into v_hold_ids, v_user_ids
    from (select h.hold_id, h.user_id, bool_and(h.status <> 'HOLD') over (order by h.hold_id) as ended
          from (select * from reservation_hold where hold_id > v_upto and hold_id < v_before
                order by hold_id limit p_most) h) h
    where h.ended;
    if v_hold_ids is null then
        return 0;
    end if;
    delete from idempotency i using unnest(v_hold_ids, v_user_ids) as h (hold_id, user_id)
    where i.user_id = h.user_id and i.hold_id = h.hold_id;
    update key_retention set upto = v_hold_ids[cardinality(v_hold_ids)];
    return cardinality(v_hold_ids);
end
$$;

revoke execute on function holdfast.remove_sent, holdfast.remove_keys from public;
grant execute on function holdfast.remove_sent, holdfast.remove_keys to holdfast_relay;
