-- Capture: the money that a buyer has set aside is taken only when the hold waits for it. The gateway is called by the
-- functions, between these calls and never inside one.
--
--            a buyer pays                          secure
--   (none) ───────────────▶ UNDER_WAY ──────────────────────▶ CAPTURING ──▶ ENDED (confirmed, refund, refused)
--      └───────────────────────────────── secure ─────────────▲   │
--      └── turned away ──▶ LETTING_GO ──▶ ENDED               └───┘ asked again
--
-- Locks:      reservation_hold, payment_attempt, parked_payment; gateway_breaker alone.
-- Keeps:      money is taken for a hold that is HOLD, is the buyer's, costs just that, and has enough time left, and for
--             one payment of a hold at a time. The hold's end moves with it, no further than bounded.
-- Isolation:  READ COMMITTED or above; judged by clock_timestamp() after the hold is locked, as T2 judges.
-- A retry:    the same attempt with the same number, so that the gateway sees the same key.

-- How far a payment under way may move a hold's end in all, and how much of it a capture needs before it begins: its
-- own deadline (functions/src/bounds.rs) and T2's.
create or replace function holdfast.hold_extension_max() returns interval language sql immutable return interval '120 s';
create or replace function holdfast.capture_needs() returns interval language sql immutable return interval '15 s';

-- The circuit breaker of a gateway. Five failures in a row open it; after a while one caller is let through.
create or replace function holdfast.admit_gateway(p_gateway text) returns boolean
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
begin
    if not exists (select from gateway_breaker b where b.gateway = p_gateway and b.state <> 'closed') then
        return true;
    end if;
    -- Whoever is let through and never heard of again does not keep it shut.
    update gateway_breaker b
    set state = 'half_open', since = case b.state when 'open' then clock_timestamp() else b.since end,
        retry_at = clock_timestamp() + interval '15 s'
    where b.gateway = p_gateway and b.state <> 'closed' and b.retry_at <= clock_timestamp();
    return found;
end
$$;

create or replace function holdfast.gateway_answered(p_gateway text) returns void
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    update holdfast.gateway_breaker b
    set failures = 0, state = 'closed', since = case b.state when 'closed' then b.since else clock_timestamp() end
    where b.gateway = p_gateway and b.failures > 0;
end;

create or replace function holdfast.gateway_failed(p_gateway text, p_error text) returns void
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    insert into holdfast.gateway_breaker as b (gateway, failures, last_error) values (p_gateway, 1, p_error)
    on conflict on constraint gateway_breaker_pkey do update
    set failures = b.failures + 1, last_error = excluded.last_error,
        state = case when b.failures + 1 >= 5 then 'open' else b.state end,
        since = case when b.failures + 1 >= 5 and b.state <> 'open' then clock_timestamp() else b.since end,
        -- 2 s, doubling to half a minute.
        retry_at = clock_timestamp() + make_interval(secs => least(30, 2 * 2 ^ greatest(0, least(b.failures - 4, 4))));
end;

-- For the report.
create or replace function holdfast.gateway_health() returns json
language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('gateway', b.gateway, 'breaker', b.state, 'failures', b.failures,
        'since', holdfast.rfc3339(b.since), 'last_error', b.last_error) order by b.gateway), '[]')
    from holdfast.gateway_breaker b;
end;

-- Where a buyer who comes back from paying is sent.
create or replace function holdfast.hold_of_payment(p_gateway text, p_payment_id text) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('hold_id', h.hold_id, 'sale_id', h.sale_id) from holdfast.reservation_hold h
    where h.hold_id = coalesce(
        (select p.hold_id from holdfast.payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id)),
        (select a.hold_id from holdfast.payment_attempt a where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)));
end;

-- Whether a payment is this buyer's: the hold that is known to be its, or else p_hold_id, is theirs. Null: there is no such
-- hold, and so nobody knows.
create or replace function holdfast.is_payment_of(p_gateway text, p_payment_id text, p_hold_id uuid, p_user_id text) returns boolean
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select h.user_id = p_user_id from holdfast.reservation_hold h
    where h.hold_id = coalesce(
        (select p.hold_id from holdfast.payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id)),
        (select a.hold_id from holdfast.payment_attempt a where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)),
        p_hold_id);
end;

-- What is known of a payment before its gateway is asked, and whether it may be asked: being admitted is a right that is
-- used, so nobody is who has no need of it.
create or replace function holdfast.look_at_payment(p_gateway text, p_payment_id text) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object(
        'stored', holdfast.stored_payment(p_gateway, p_payment_id),
        'hold', holdfast.hold_of_payment(p_gateway, p_payment_id),
        'token', (select a.token from holdfast.payment_attempt a
                  where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)),
        'shaky', exists (select from holdfast.gateway_breaker b where b.gateway = p_gateway and b.failures > 0),
        'admitted', case when exists (
            select from holdfast.payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id))
            then false else holdfast.admit_gateway(p_gateway) end);
end;

-- The how manieth attempt at a hold a new one is; the caller has the hold's row, or two would have one number.
create or replace function holdfast.next_attempt(p_hold_id uuid) returns integer
language sql stable
begin atomic
    select 1 + coalesce(max(a.attempt), 0) from holdfast.payment_attempt a where a.hold_id = p_hold_id;
end;

-- The hold waits for the money from here on, or the payment is turned away while nothing has been taken.
create or replace function holdfast.secure(
    p_gateway text, p_payment_id text, p_hold_ref text, p_hold_id uuid, p_user_id text, p_amount bigint, p_currency text,
    p_token text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored   json;
    v_hold     reservation_hold;
    v_now      timestamptz;
    v_until    timestamptz;
    v_promised timestamptz;
    v_reason   text;
    v_attempt  integer;
begin
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id for update;
    v_now := clock_timestamp();
    v_stored := stored_payment(p_gateway, p_payment_id);
    if v_stored is not null then
        return v_stored;
    end if;
    -- Before anything is written that would have its money let go: it may be another Holdfast's.
    if v_hold.hold_id is null and is_shared(p_gateway) then
        return json_build_object('result', 'hold_unknown');
    end if;
    v_reason := refusal_of(v_hold, v_now, p_user_id, p_amount, p_currency);

    v_promised := coalesce(v_hold.promised_until, v_hold.expire_at);
    v_until := greatest(v_hold.expire_at, least(v_now + 2 * capture_needs(), v_promised + hold_extension_max()));
    if v_reason is null and v_until < v_now + capture_needs() then
        v_reason := 'hold_expired';
    end if;
    if v_reason is null and exists (
        select from payment_attempt a where a.hold_id = v_hold.hold_id and a.state = 'CAPTURING'
          and (a.gateway, a.payment_id) <> (p_gateway, p_payment_id))
    then
        v_reason := 'payment_under_way';
    end if;

    insert into payment_attempt as a (gateway, payment_id, hold_ref, hold_id, user_id, amount, currency, token, attempt,
                                      state, ask_at)
    values (p_gateway, p_payment_id, p_hold_ref, v_hold.hold_id, p_user_id, p_amount, p_currency, p_token,
            next_attempt(v_hold.hold_id), case when v_reason is null then 'CAPTURING' else 'LETTING_GO' end,
            v_now + capture_needs())
    on conflict on constraint payment_attempt_pkey do update
        set state = excluded.state, ask_at = excluded.ask_at, token = coalesce(excluded.token, a.token),
            hold_ref = excluded.hold_ref, hold_id = excluded.hold_id,
            -- What has ended and begins again, or for another hold, is another attempt: the old key would only repeat the
            -- old answer.
            attempt = case when a.state = 'ENDED' or a.hold_id is distinct from excluded.hold_id
                      then excluded.attempt else a.attempt end, ended_at = null, outcome = null
    returning a.attempt into v_attempt;
    if v_reason is not null then
        return json_build_object('result', 'turned_away', 'reason', v_reason);
    end if;
    if v_until > v_hold.expire_at then
        update reservation_hold set expire_at = v_until, promised_until = v_promised where hold_id = v_hold.hold_id;
    end if;
    return json_build_object('result', 'secured', 'attempt', v_attempt, 'hold_id', v_hold.hold_id);
end
$$;

-- A payment that is not ready yet: written down, so that it is asked about before its hold ends, and for days after, at
-- growing distances, in case nobody tells us.
create or replace function holdfast.note_payment(
    p_gateway text, p_payment_id text, p_hold_ref text, p_hold_id uuid, p_user_id text, p_amount bigint, p_currency text)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold reservation_hold;
    v_now  timestamptz;
begin
    -- Locked, for its attempts are counted: two with one number would share the key of their captures.
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id for update;
    if found then
        v_now := clock_timestamp();
        insert into payment_attempt as a (gateway, payment_id, hold_ref, hold_id, user_id, amount, currency, attempt, state, ask_at)
        values (p_gateway, p_payment_id, p_hold_ref, v_hold.hold_id, p_user_id, p_amount, p_currency,
                next_attempt(v_hold.hold_id), 'UNDER_WAY', greatest(v_hold.expire_at - interval '30 s', v_now))
        on conflict on constraint payment_attempt_pkey do update
            -- What had ended begins again: a gateway may let its buyer try once more under the same id.
            set hold_ref = excluded.hold_ref, hold_id = excluded.hold_id,
                attempt = case when a.state = 'ENDED' or a.hold_id is distinct from excluded.hold_id
                          then excluded.attempt else a.attempt end,
                created_at = case a.state when 'ENDED' then v_now else a.created_at end,
                ask_at = case when a.state = 'ENDED' then excluded.ask_at
                    else v_now + least(greatest((v_now - a.created_at) / 2, interval '5 s'), interval '1 hour') end,
                -- A gateway that has our word may be taking the money: as long as the hold lasts, it waits for no other.
                state = case when a.state = 'CAPTURING' and v_hold.status = 'HOLD' and v_hold.expire_at > v_now then 'CAPTURING'
                    when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then 'ENDED' else 'UNDER_WAY' end,
                ended_at = case when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then v_now end,
                outcome = case when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then 'never ended' end;
    end if;
    return json_build_object('result', 'ignored');
end
$$;

-- It is over without money: the hold has the end again that was promised.
create or replace function holdfast.end_payment(p_gateway text, p_payment_id text, p_outcome text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold_id uuid;
begin
    select a.hold_id into v_hold_id from payment_attempt a
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED';
    if found then
        perform from reservation_hold h where h.hold_id = v_hold_id for update;
        update payment_attempt a set state = 'ENDED', ended_at = clock_timestamp(), outcome = p_outcome
        where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED';
        update reservation_hold h set expire_at = greatest(h.promised_until, least(h.expire_at, clock_timestamp()))
        where h.hold_id = v_hold_id and h.status = 'HOLD' and h.promised_until is not null
          -- Another of its payments may be asked about at this moment, for which the end was moved too.
          and not exists (select from payment_attempt a where a.hold_id = v_hold_id and a.state in ('UNDER_WAY', 'CAPTURING'));
    end if;
    perform end_parked(p_gateway, p_payment_id);
    return json_build_object('result', 'ignored');
end
$$;

-- Payments to ask about now, taken for p_lease_s; their holds do not end while that is done, nor those of the payments
-- that wait behind them. It waits for no lock: what somebody else has is in good hands.
create or replace function holdfast.claim_payments(p_gateways text[], p_most integer, p_lease_s integer) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_s);
    v_taken json;
    v_holds uuid[];
begin
    v_holds := array(
        select a.hold_id from payment_attempt a
        where a.state <> 'ENDED' and a.ask_at <= clock_timestamp() and a.gateway = any (p_gateways) and a.hold_id is not null
        order by a.ask_at limit 20 * p_most);
    with due as (
        select a.gateway, a.payment_id from payment_attempt a
        where a.state <> 'ENDED' and a.ask_at <= clock_timestamp() and a.gateway = any (p_gateways)
        order by a.ask_at limit p_most for update skip locked
    ), taken as (
        update payment_attempt a set ask_at = v_until from due
        where (a.gateway, a.payment_id) = (due.gateway, due.payment_id)
        returning a.gateway, a.payment_id
    )
    select json_agg(json_build_object('gateway', t.gateway, 'payment_id', t.payment_id)) into v_taken from taken t;

    update reservation_hold h
    set promised_until = coalesce(h.promised_until, h.expire_at),
        expire_at = least(v_until, coalesce(h.promised_until, h.expire_at) + hold_extension_max())
    from (select o.hold_id from reservation_hold o where o.hold_id = any (v_holds) for update skip locked) free
    where h.hold_id = free.hold_id and h.status = 'HOLD' and h.expire_at > clock_timestamp()
      and h.expire_at < least(v_until, coalesce(h.promised_until, h.expire_at) + hold_extension_max());
    return coalesce(v_taken, '[]');
end
$$;

revoke execute on function holdfast.hold_extension_max, holdfast.capture_needs, holdfast.hold_of_payment, holdfast.is_payment_of,
    holdfast.next_attempt, holdfast.look_at_payment, holdfast.secure,
    holdfast.note_payment, holdfast.end_payment, holdfast.claim_payments, holdfast.admit_gateway,
    holdfast.gateway_answered, holdfast.gateway_failed, holdfast.gateway_health from public;
grant execute on function holdfast.hold_of_payment, holdfast.look_at_payment, holdfast.secure, holdfast.note_payment, holdfast.end_payment,
    holdfast.gateway_answered, holdfast.gateway_failed to holdfast_confirm, holdfast_expire;
grant execute on function holdfast.is_payment_of to holdfast_confirm;
grant execute on function holdfast.claim_payments to holdfast_expire;
grant execute on function holdfast.gateway_answered, holdfast.gateway_failed to holdfast_refund;
