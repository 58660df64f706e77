-- Relay: events reach their subscribers at least once, in order for one hold.
--
-- Three calls, each its own transaction, and no HTTP in any of them: `fan_out` makes a delivery per subscription of
-- what happened; `claim_deliveries` takes some that are due; `settle_deliveries` writes down what came of sending.
--
-- Locks:      fan_out_turn, event_outbox (rows without deliveries), those of rankings.sql, subscription by subscription_id,
--             delivery. Every change of a subscription's deliveries locks its row first, so that two calls cannot decide about one hold
--             at once. None of the three touches a row that T1, T2 or T3 updates.
-- Keeps:      an event is fanned out once (a mark beside it, a unique row a subscription); of a hold's events one at a
--             time is on its way to a subscription; a result is written only by the call that still has the claim. What
--             is sent is on disk: `fan_out` commits in the ordinary way, behind T1's commit in the log.
-- Isolation:  READ COMMITTED; each statement sees what committed before it began.
-- A retry:    finds what is still to be done. A claim whose relay died ends by itself, by the database's clock.

-- The next p_most events, oldest first; how many there were. 0: none is left, or another call is at it.
create or replace function holdfast.fan_out(p_most integer) returns integer
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_event_ids uuid[];
    v_now       timestamptz;
begin
    -- One at a time: two could write down the events of one hold in the wrong order.
    perform from fan_out_turn for update skip locked;
    if not found then
        return 0;
    end if;
    select array_agg(e.event_id) into v_event_ids from (
        select event_id from event_outbox where fanned_out_at is null
        order by seq limit p_most for update skip locked) e;
    if v_event_ids is null then
        return 0;
    end if;

    -- In this transaction, so that an event is counted exactly when it is marked.
    perform count_sold(v_event_ids);

    -- One that is disabled gets its rows, too: they wait until it is enabled again.
    perform from subscription s where s.status <> 'DELETED' order by s.subscription_id for no key update;
    v_now := clock_timestamp();
    insert into delivery (event_id, subscription_id, hold_id, ready_at, next_attempt_at)
    select e.event_id, s.subscription_id, e.hold_id,
           case when e.hold_id is null then v_now
                when lag(e.hold_id) over (partition by s.subscription_id, e.hold_id order by e.seq) is not null then null
                when (select true from delivery d where d.subscription_id = s.subscription_id
                      and d.hold_id = e.hold_id and d.status = 'PENDING' limit 1) then null
                else v_now end,
           v_now
    from event_outbox e
    join subscription s on s.status <> 'DELETED' and (s.event_types = '{}' or e.event_type = any (s.event_types))
    where e.event_id = any (v_event_ids)
    order by e.seq, s.subscription_id;
    update event_outbox set fanned_out_at = v_now where event_id = any (v_event_ids);
    return cardinality(v_event_ids);
end
$$;

-- The subscriptions for which there is something to do now.
create or replace function holdfast.due_subscriptions(p_patience_s double precision) returns uuid[]
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select coalesce(array_agg(s.subscription_id order by s.subscription_id), '{}') from holdfast.subscription s
    where case
        when s.status = 'DISABLED' and not s.gone then false
        when s.status <> 'ENABLED' then (
            select true from holdfast.delivery d where d.subscription_id = s.subscription_id and d.status = 'PENDING'
            and (d.claim is null or d.next_attempt_at <= clock_timestamp()) limit 1)
        when s.breaker = 'open' and s.breaker_until > clock_timestamp() then (
            select true from holdfast.delivery d where d.subscription_id = s.subscription_id and d.status = 'PENDING'
            and d.ready_at <= clock_timestamp() - make_interval(secs => p_patience_s)
            and d.next_attempt_at <= clock_timestamp() limit 1)
        else (
            select true from holdfast.delivery d where d.subscription_id = s.subscription_id and d.status = 'PENDING'
            and d.ready_at is not null and d.next_attempt_at <= clock_timestamp() limit 1) end;
end;

-- Lets go on what stood behind the given holds' ended deliveries. The caller has the subscription's row.
create or replace function holdfast.wake_next(p_subscription_id uuid, p_hold_ids uuid[]) returns void
language sql volatile set search_path = holdfast, pg_temp
begin atomic
    update holdfast.delivery d set ready_at = clock_timestamp(), next_attempt_at = clock_timestamp()
    where d.delivery_id in (
        select (select min(w.delivery_id) from holdfast.delivery w
                where w.subscription_id = p_subscription_id and w.hold_id = h and w.status = 'PENDING' and w.ready_at is null)
        from (select distinct unnest(p_hold_ids)) as ended (h)
        where not exists (select from holdfast.delivery r where r.subscription_id = p_subscription_id and r.hold_id = h
                          and r.status = 'PENDING' and r.ready_at is not null));
end;

-- Deliveries that are given up without another attempt: dead letters, or nothing at all where their subscription was
-- deleted. The caller has the subscription's row.
create or replace function holdfast.give_up(p_subscription holdfast.subscription, p_delivery_ids bigint[], p_reason text)
returns void language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_hold_ids uuid[];
begin
    if p_subscription.status = 'DELETED' then
        delete from delivery d where d.delivery_id = any (p_delivery_ids);
        return;
    end if;
    with dead as (
        update delivery d set status = 'DEAD', claim = null, finalized_at = clock_timestamp(),
               last_error = left(p_reason || coalesce('; before that: ' || d.last_error, ''), 500)
        where d.delivery_id = any (p_delivery_ids) and d.status = 'PENDING' returning d.hold_id)
    select array_agg(dead.hold_id) into v_hold_ids from dead where dead.hold_id is not null;
    perform wake_next(p_subscription.subscription_id, v_hold_ids);
end
$$;

-- Takes what is due, at most p_most under way at once, for p_lease_s; null: nothing to send now. Where the receiver is
-- left alone, what has waited longer than p_patience_s is given up instead: the schedule of attempts is a promise of an
-- end, too.
create or replace function holdfast.claim_deliveries(
    p_subscription_id uuid, p_most integer, p_lease_s double precision, p_patience_s double precision)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_subscription subscription;
    v_now          timestamptz;
    v_room         bigint;
    v_claim        uuid := gen_random_uuid();
    v_ids          bigint[];
begin
    select * into v_subscription from subscription s where s.subscription_id = p_subscription_id
    for no key update skip locked;
    if not found then
        return null;
    end if;
    v_now := clock_timestamp();

    if v_subscription.status = 'DISABLED' and not v_subscription.gone then
        return null;
    end if;
    if v_subscription.status <> 'ENABLED' then
        select array_agg(d.delivery_id) into v_ids from (
            select delivery_id from delivery where subscription_id = p_subscription_id and status = 'PENDING'
            and (claim is null or next_attempt_at <= v_now) order by delivery_id limit 1000) d;
        perform give_up(v_subscription, v_ids, 'the subscription is disabled, for its receiver answered 410');
        return null;
    end if;
    if v_subscription.breaker = 'open' and v_subscription.breaker_until > v_now then
        select array_agg(d.delivery_id) into v_ids from (
            select delivery_id from delivery where subscription_id = p_subscription_id and status = 'PENDING'
            and ready_at <= v_now - make_interval(secs => p_patience_s) and next_attempt_at <= v_now
            order by ready_at limit 1000) d;
        perform give_up(v_subscription, v_ids, 'the receiver failed for as long as the attempts last');
        return null;
    end if;

    -- While it is not known whether the receiver is back, one delivery finds out.
    select case v_subscription.breaker when 'closed' then p_most else 1 end - count(*) into v_room
    from delivery where subscription_id = p_subscription_id and claim is not null and next_attempt_at > v_now;
    select array_agg(d.delivery_id) into v_ids from (
        select delivery_id from delivery
        where subscription_id = p_subscription_id and status = 'PENDING' and ready_at is not null and next_attempt_at <= v_now
        order by next_attempt_at, delivery_id limit greatest(v_room, 0)) d;
    if v_ids is null then
        return null;
    end if;
    if v_subscription.breaker = 'open' then
        update subscription set breaker = 'half_open', breaker_at = v_now, breaker_until = null
        where subscription_id = p_subscription_id;
    end if;
    update delivery set claim = v_claim, next_attempt_at = v_now + make_interval(secs => p_lease_s)
    where delivery_id = any (v_ids);
    return (select json_build_object(
        'claim', v_claim, 'kind', v_subscription.kind, 'endpoint', v_subscription.endpoint,
        'secrets', array_remove(array[v_subscription.secret,
            case when v_subscription.old_secret_until > v_now then v_subscription.old_secret end], null),
        'deliveries', json_agg(json_build_object(
            'delivery_id', d.delivery_id, 'attempts', d.attempts, 'event_id', e.event_id, 'hold_id', e.hold_id,
            'event', json_build_object('type', e.event_type, 'timestamp', rfc3339(e.created_at), 'data', e.data))
            order by d.delivery_id))
        from delivery d join event_outbox e using (event_id) where d.delivery_id = any (v_ids));
end
$$;

-- What came of sending: one array element a delivery. p_outcomes: 'delivered', 'retry' (in p_after_s), 'dead', and
-- 'gone' (410: the endpoint no longer exists). p_healthy: whether the receiver is at work, whatever it answered.
-- p_pause_s: its Retry-After. Returns how many were still the caller's to settle.
create or replace function holdfast.settle_deliveries(
    p_subscription_id uuid, p_claims uuid[], p_delivery_ids bigint[], p_outcomes text[], p_statuses integer[],
    p_errors text[], p_after_s double precision[], p_healthy boolean[], p_pause_s double precision[],
    p_breaker_failures integer, p_breaker_open_s double precision, p_breaker_open_max_s double precision)
returns integer language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_subscription subscription;
    v_now          timestamptz;
    v_settled      bigint[];
    v_hold_ids     uuid[];
    v_n            integer;
    v_open_s       double precision;
begin
    select * into v_subscription from subscription s where s.subscription_id = p_subscription_id for no key update;
    v_now := clock_timestamp();
    with told as (
        select * from unnest(p_delivery_ids, p_claims, p_outcomes, p_statuses, p_errors, p_after_s)
               as t (delivery_id, claim, outcome, status, error, after_s)
    ), settled as (
        update delivery d set claim = null, attempts = d.attempts + 1, last_status = t.status,
               last_error = case t.outcome when 'delivered' then null else left(t.error, 500) end,
               status = case t.outcome when 'delivered' then 'DELIVERED' when 'retry' then 'PENDING' else 'DEAD' end,
               finalized_at = case t.outcome when 'retry' then null else v_now end,
               next_attempt_at = v_now + make_interval(secs => coalesce(t.after_s, 0))
        from told t where d.delivery_id = t.delivery_id and d.claim = t.claim
        returning d.delivery_id, d.status, d.hold_id)
    select array_agg(settled.delivery_id), array_agg(settled.hold_id) filter (where settled.status <> 'PENDING' and settled.hold_id is not null)
    into v_settled, v_hold_ids from settled;
    perform wake_next(p_subscription_id, v_hold_ids);

    -- The breaker counts each response in turn. One response of a healthy receiver closes it.
    for v_n in 1 .. cardinality(p_delivery_ids) loop
        if p_outcomes[v_n] = 'gone' and v_subscription.status = 'ENABLED' then
            v_subscription.status := 'DISABLED';
            v_subscription.gone := true;
            v_subscription.status_at := v_now;
            v_subscription.status_reason := 'the receiver answered 410: it wants nothing any more';
        end if;
        v_open_s := p_pause_s[v_n];
        if p_healthy[v_n] then
            v_subscription.failures := 0;
            v_subscription.breaker_opened := 0;
            if v_subscription.breaker <> 'closed' and v_open_s is null then
                v_subscription.breaker := 'closed';
                v_subscription.breaker_at := v_now;
                v_subscription.breaker_until := null;
            end if;
        else
            v_subscription.failures := v_subscription.failures + 1;
            if v_subscription.breaker = 'half_open'
               or v_subscription.breaker = 'closed' and v_subscription.failures >= p_breaker_failures then
                v_open_s := greatest(v_open_s, least(p_breaker_open_max_s,
                                     p_breaker_open_s * power(2, least(v_subscription.breaker_opened, 20))));
            end if;
        end if;
        if v_open_s is not null and v_subscription.breaker <> 'open' then
            v_subscription.breaker := 'open';
            v_subscription.breaker_at := v_now;
            v_subscription.breaker_opened := v_subscription.breaker_opened + 1;
            v_subscription.breaker_until := v_now + make_interval(secs => v_open_s);
        end if;
    end loop;
    update subscription s set status = v_subscription.status, gone = v_subscription.gone, status_at = v_subscription.status_at,
           status_reason = v_subscription.status_reason, failures = v_subscription.failures,
           breaker = v_subscription.breaker, breaker_at = v_subscription.breaker_at,
           breaker_until = v_subscription.breaker_until, breaker_opened = v_subscription.breaker_opened
    where s.subscription_id = p_subscription_id
      and (s.status, s.failures, s.breaker, s.breaker_opened)
          is distinct from (v_subscription.status, v_subscription.failures, v_subscription.breaker, v_subscription.breaker_opened);
    return coalesce(cardinality(v_settled), 0);
end
$$;

-- Puts a secret that is sealed in the place of the same one in clear, or sealed with a former key, where it still stands.
create or replace function holdfast.reseal(p_subscription_id uuid, p_stored text, p_sealed text) returns void
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    update holdfast.subscription s
    set secret = case s.secret when p_stored then p_sealed else s.secret end,
        old_secret = case s.old_secret when p_stored then p_sealed else s.old_secret end
    where s.subscription_id = p_subscription_id and p_stored in (s.secret, s.old_secret);
end;

revoke execute on function holdfast.reseal(uuid, text, text), holdfast.fan_out(integer),
    holdfast.due_subscriptions(double precision), holdfast.wake_next(uuid, uuid[]),
    holdfast.give_up(holdfast.subscription, bigint[], text),
    holdfast.claim_deliveries(uuid, integer, double precision, double precision),
    holdfast.settle_deliveries(uuid, uuid[], bigint[], text[], integer[], text[], double precision[], boolean[], double precision[], integer, double precision, double precision)
    from public;
grant execute on function holdfast.reseal(uuid, text, text), holdfast.fan_out(integer),
    holdfast.due_subscriptions(double precision),
    holdfast.claim_deliveries(uuid, integer, double precision, double precision),
    holdfast.settle_deliveries(uuid, uuid[], bigint[], text[], integer[], text[], double precision[], boolean[], double precision[], integer, double precision, double precision)
    to holdfast_relay;

-- What routines without rankings have fanned out meanwhile was not counted.
select holdfast.recount_sold();
