-- Capture: the money that a buyer has set aside is taken only when the hold waits for it. The gateway is called by the
-- functions, between these calls and never inside one.
--
--            a buyer pays                          secure
--   (none) ───────────────▶ UNDER_WAY ──────────────────────▶ CAPTURING ──▶ ENDED (confirmed, refund, refused)
--      └───────────────────────────────── secure ─────────────▲   │
--      └── rejected ─────▶ LETTING_GO ──▶ ENDED               └───┘ asked again
--
-- Locks:      reservation_hold, parked_payment, payment_attempt, as T2; gateway_breaker alone.
-- Keeps:      money is taken for a hold that is HOLD, is the buyer's, costs just that, and has enough time left, and for
--             one payment of a hold at a time. The hold's end moves with it, no further than bounded.
-- Isolation:  READ COMMITTED or above; judged by clock_timestamp() after the hold is locked, as T2 judges.
-- A retry:    the same attempt with the same number, so that the gateway sees the same key.

-- An earlier form: a bound that did not know how long the hold was.
drop function if exists holdfast.hold_extension_max();

-- How much of a hold a capture needs before it begins: its own deadline (functions/src/runtime/limits.rs) and T2's.
create or replace function holdfast.capture_needs() returns interval language sql immutable return interval '15 s';

-- The end that its buyer was shown.
create or replace function holdfast.promised_end(p_hold holdfast.reservation_hold) returns timestamptz
language sql immutable
return coalesce((p_hold).promised_until, (p_hold).expire_at);

-- How far money that is being taken may move a hold's end in all: as far as the hold was long, at least two captures, and
-- no further than two minutes.
create or replace function holdfast.hold_extension_max(p_hold holdfast.reservation_hold) returns interval
language sql immutable
return least(interval '120 s', greatest(2 * holdfast.capture_needs(), holdfast.promised_end(p_hold) - (p_hold).created_at));

-- How far it may move for a mere lookup of a payment: as long as the lookup may take, and no further than the hold was
-- long. After the response the hold has its promised end again.
create or replace function holdfast.asking_extension_max(p_hold holdfast.reservation_hold) returns interval
language sql immutable
return least(interval '10 s', holdfast.promised_end(p_hold) - (p_hold).created_at);

-- How long before its hold's end a payment that is not ready is first looked up, and the interval from then on until
-- that end.
create or replace function holdfast.asked_ahead() returns interval language sql immutable return interval '30 s';
create or replace function holdfast.asked_again() returns interval language sql immutable return interval '5 s';

-- Lookups without a response after which a payment waits for an operator: some three hours.
create or replace function holdfast.unanswered_max() returns integer language sql immutable return 12;

-- A hold whose end was moved has the end again that was promised, or ends now where that has passed; unless another of
-- its payments may be looked up at this moment, for which the end was moved too. The caller has the hold's row.
create or replace function holdfast.restore_end(p_hold_id uuid, p_gateway text, p_payment_id text) returns void
language sql volatile
begin atomic
    update holdfast.reservation_hold h set expire_at = greatest(h.promised_until, least(h.expire_at, clock_timestamp()))
    where h.hold_id = p_hold_id and h.status = 'HOLD' and h.promised_until < h.expire_at
      and not exists (select from holdfast.payment_attempt a
                      where a.hold_id = p_hold_id and a.state in ('UNDER_WAY', 'CAPTURING')
                        and (a.gateway, a.payment_id) <> (p_gateway, p_payment_id));
end;

-- The circuit breaker of a gateway. Five failures in a row open it; after a while one caller is let through.
create or replace function holdfast.admit_gateway(p_gateway text) returns boolean
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
begin
    if not exists (select from gateway_breaker b where b.gateway = p_gateway and b.state <> 'closed') then
        return true;
    end if;
    -- A probe without a result does not keep the breaker open.
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

-- A gateway that answers 429 is healthy: it is called less often, and no buyer is rejected for it. p_after_s: its
-- Retry-After, of which at most five minutes count; null: none.
create or replace function holdfast.gateway_slowed(p_gateway text, p_after_s double precision) returns void
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    insert into holdfast.gateway_breaker as b (gateway, ask_after)
    values (p_gateway, clock_timestamp() + make_interval(secs => least(greatest(coalesce(p_after_s, 5), 1), 300)))
    on conflict on constraint gateway_breaker_pkey do update set ask_after = greatest(b.ask_after, excluded.ask_after);
end;

create or replace function holdfast.is_slowed(p_gateway text) returns boolean
language sql volatile
begin atomic
    select exists (select from holdfast.gateway_breaker b where b.gateway = p_gateway and b.ask_after > clock_timestamp());
end;

-- For the report: each gateway that has failed or throttled once, or has been reconciled.
create or replace function holdfast.gateway_health() returns json
language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('gateway', g.gateway, 'breaker', coalesce(b.state, 'closed'),
        'failures', coalesce(b.failures, 0), 'since', holdfast.rfc3339(coalesce(b.since, r.began_at)), 'last_error', b.last_error,
        'slowed_until', (select holdfast.rfc3339(b.ask_after) where b.ask_after > now()),
        'reconciled_until', holdfast.rfc3339(r.compared_until),
        'reconciliation_overdue', coalesce(r.overdue_at < clock_timestamp(), false),
        'reconciliation_error', case when r.finished_at is null then r.last_error end) order by g.gateway), '[]')
    from (select b.gateway from holdfast.gateway_breaker b union select r.gateway from holdfast.reconcile_pass r) g
    left join holdfast.gateway_breaker b on b.gateway = g.gateway
    left join holdfast.reconcile_pass r on r.gateway = g.gateway;
end;

-- The hold to which a returning buyer is redirected.
create or replace function holdfast.hold_of_payment(p_gateway text, p_payment_id text) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('hold_id', h.hold_id, 'sale_id', h.sale_id) from holdfast.reservation_hold h
    where h.hold_id = coalesce(
        (select p.hold_id from holdfast.payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id)),
        (select a.hold_id from holdfast.payment_attempt a where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)));
end;

-- Whether a payment is this buyer's: the hold that is known to be its, or else p_hold_id, is theirs. Null: there is no
-- such hold, so the buyer is unknown.
create or replace function holdfast.is_payment_of(p_gateway text, p_payment_id text, p_hold_id uuid, p_user_id text) returns boolean
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select h.user_id = p_user_id from holdfast.reservation_hold h
    where h.hold_id = coalesce(
        (select p.hold_id from holdfast.payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id)),
        (select a.hold_id from holdfast.payment_attempt a where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)),
        p_hold_id);
end;

-- What is known of a payment before its lookup, and whether the gateway may be called: being admitted uses up the
-- breaker's probe, so only a payment that needs a lookup is admitted.
create or replace function holdfast.look_at_payment(p_gateway text, p_payment_id text) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object(
        'stored', holdfast.stored_payment(p_gateway, p_payment_id),
        'hold', holdfast.hold_of_payment(p_gateway, p_payment_id),
        'token', (select a.token from holdfast.payment_attempt a
                  where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)),
        -- It is looked up although it may be settled: an earlier release began some again.
        'under_way', exists (select from holdfast.payment_attempt a
                             where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED'),
        'reversed', exists (select from holdfast.payment p
                            where (p.gateway, p.payment_id) = (p_gateway, p_payment_id) and p.reversed_at is not null),
        'shaky', exists (select from holdfast.gateway_breaker b where b.gateway = p_gateway and b.failures > 0),
        'slowed', holdfast.is_slowed(p_gateway),
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

-- The hold waits for the money from here on, or the payment is rejected while nothing has been captured.
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
    -- Before anything is written that would void its authorization: it may be another Holdfast's.
    if v_hold.hold_id is null and is_shared(p_gateway) then
        return json_build_object('result', 'hold_unknown');
    end if;
    v_reason := payment_rejection(v_hold, v_now, p_user_id, p_amount, p_currency);

    v_promised := promised_end(v_hold);
    v_until := greatest(v_hold.expire_at, least(v_now + 2 * capture_needs(), v_promised + hold_extension_max(v_hold)));
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
            hold_ref = excluded.hold_ref, hold_id = excluded.hold_id, user_id = excluded.user_id,
            amount = excluded.amount, currency = excluded.currency, opened = false, unanswered = 0, dead_at = null,
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

-- A payment that is not ready yet: recorded, so that it is polled before its hold ends, and for days after, at growing
-- intervals, in case no webhook comes. p_taken: the gateway has done what was requested, and the money comes later, as
-- a deposit does: no capture is under way any more. What is settled gets its stored answer.
create or replace function holdfast.note_payment(
    p_gateway text, p_payment_id text, p_hold_ref text, p_hold_id uuid, p_user_id text, p_amount bigint, p_currency text,
    p_taken boolean)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored json;
    v_hold reservation_hold;
    v_now  timestamptz;
    v_end  timestamptz;
    v_state text;
begin
    -- Locked, for its attempts are counted: two with one number would share the key of their captures.
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id for update;
    if found then
        -- Settled before, or while the gateway answered: its attempt is over, and would never be ended again.
        v_stored := stored_payment(p_gateway, p_payment_id);
        if v_stored is not null then
            return v_stored;
        end if;
        v_now := clock_timestamp();
        v_end := promised_end(v_hold);
        insert into payment_attempt as a (gateway, payment_id, hold_ref, hold_id, user_id, amount, currency, attempt, state, ask_at)
        values (p_gateway, p_payment_id, p_hold_ref, v_hold.hold_id, p_user_id, p_amount, p_currency,
                next_attempt(v_hold.hold_id), 'UNDER_WAY', greatest(v_end - asked_ahead(), v_now))
        on conflict on constraint payment_attempt_pkey do update
            -- What had ended begins again: a gateway may let its buyer try once more under the same id.
            set hold_ref = excluded.hold_ref, hold_id = excluded.hold_id, user_id = excluded.user_id,
                amount = excluded.amount, currency = excluded.currency, opened = false, unanswered = 0, dead_at = null,
                attempt = case when a.state = 'ENDED' or a.hold_id is distinct from excluded.hold_id
                          then excluded.attempt else a.attempt end,
                created_at = case a.state when 'ENDED' then v_now else a.created_at end,
                -- Often while its hold can still be paid; at growing distances after that.
                ask_at = case when a.state = 'ENDED' then excluded.ask_at
                    when v_hold.status = 'HOLD' and v_now < v_end then greatest(v_end - asked_ahead(), v_now + asked_again())
                    else v_now + least(greatest((v_now - a.created_at) / 2, asked_again()), interval '1 hour') end,
                -- A gateway that has our word may be taking the money: as long as the hold lasts, it waits for no other.
                state = case when a.state = 'CAPTURING' and a.hold_id = excluded.hold_id and not p_taken
                                  and v_hold.status = 'HOLD' and v_hold.expire_at > v_now then 'CAPTURING'
                    when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then 'ENDED' else 'UNDER_WAY' end,
                ended_at = case when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then v_now end,
                token = case when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then null else a.token end,
                outcome = case when a.state <> 'ENDED' and a.created_at < v_now - interval '3 days' then 'never ended' end
        returning a.state into v_state;
        -- The question for which the end was moved is answered.
        if v_state <> 'CAPTURING' then
            perform restore_end(v_hold.hold_id, p_gateway, p_payment_id);
        end if;
    end if;
    return json_build_object('result', 'ignored');
end
$$;

-- For the functions of the release before this one.
create or replace function holdfast.note_payment(
    p_gateway text, p_payment_id text, p_hold_ref text, p_hold_id uuid, p_user_id text, p_amount bigint, p_currency text)
returns json language sql volatile security definer set search_path = holdfast, pg_temp
return holdfast.note_payment(p_gateway, p_payment_id, p_hold_ref, p_hold_id, p_user_id, p_amount, p_currency, false);

-- The gateway is healthy but does not return this payment: it is looked up again at growing intervals, and in the end
-- becomes a dead letter. A payment that is not recorded cannot become one.
create or replace function holdfast.payment_unanswered(p_gateway text, p_payment_id text, p_why text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_attempt payment_attempt;
begin
    update payment_attempt a
    set unanswered = a.unanswered + 1,
        ask_at = v_now + least(asked_again() * 2 ^ least(a.unanswered, 12), interval '1 hour')
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED'
    returning * into v_attempt;
    if v_attempt.unanswered >= unanswered_max() then
        perform from reservation_hold h where h.hold_id = v_attempt.hold_id for update;
        update payment_attempt a
        set state = 'ENDED', ended_at = v_now, dead_at = v_now, token = null, outcome = left(p_why, 500)
        where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED';
        perform restore_end(v_attempt.hold_id, p_gateway, p_payment_id);
    end if;
    return json_build_object('result', 'unreachable');
end
$$;

-- It is over without money: the hold has the end again that was promised. An opened payment page does not end here: an
-- unauthenticated lookup that finds no payment says nothing about a later one (schema/routines/opening.sql).
create or replace function holdfast.end_payment(p_gateway text, p_payment_id text, p_outcome text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold_id uuid;
    v_is_open boolean;
begin
    select a.hold_id into v_hold_id from payment_attempt a
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED' and not a.opened;
    v_is_open := found;
    perform from reservation_hold h where h.hold_id = v_hold_id for update;
    perform end_parked(p_gateway, p_payment_id);
    if v_is_open then
        update payment_attempt a set state = 'ENDED', ended_at = clock_timestamp(), token = null, outcome = p_outcome
        where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.state <> 'ENDED';
        perform restore_end(v_hold_id, p_gateway, p_payment_id);
    end if;
    return json_build_object('result', 'ignored');
end
$$;

-- Payments to look up now, leased for p_lease_s; their holds do not end meanwhile, nor those of the payments that wait
-- behind them, for as long as the bounds above allow. It waits for no lock: another transaction handles what it has
-- locked. Of a gateway that throttles nothing is taken.
create or replace function holdfast.claim_payments(p_gateways text[], p_most integer, p_lease_s integer) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_s);
    v_open  text[] := array(select g from unnest(p_gateways) as g where not is_slowed(g));
    v_taken json;
    v_holds uuid[];
begin
    v_holds := array(
        select a.hold_id from payment_attempt a
        where a.state <> 'ENDED' and a.ask_at <= clock_timestamp() and a.gateway = any (p_gateways) and a.hold_id is not null
          and a.state <> 'LETTING_GO'
        order by a.ask_at limit 20 * p_most);
    with due as (
        select a.gateway, a.payment_id from payment_attempt a
        where a.state <> 'ENDED' and a.ask_at <= clock_timestamp() and a.gateway = any (v_open)
        order by a.ask_at limit p_most for update skip locked
    ), taken as (
        update payment_attempt a set ask_at = v_until from due
        where (a.gateway, a.payment_id) = (due.gateway, due.payment_id)
        returning a.gateway, a.payment_id, a.opened
    )
    select json_agg(json_build_object('gateway', t.gateway, 'payment_id', t.payment_id, 'opened', t.opened))
    into v_taken from taken t;

    update reservation_hold h set promised_until = promised_end(h), expire_at = free.until
    -- What must hold of the row is asked where it is locked: asked of `h`, it would be looked for among all live holds.
    from (select o.hold_id, o.expire_at, o.status = 'HOLD' and o.expire_at > clock_timestamp() as is_live,
                 case when (select true from payment_attempt a
                            where a.hold_id = o.hold_id and a.state = 'CAPTURING' limit 1)
                            then least(v_until, promised_end(o) + hold_extension_max(o))
                            else least(clock_timestamp(), promised_end(o)) + asking_extension_max(o) end as until
          from reservation_hold o where o.hold_id = any (v_holds) for update of o skip locked) free
    where h.hold_id = free.hold_id and free.is_live and free.expire_at < free.until;
    return coalesce(v_taken, '[]');
end
$$;

revoke execute on function holdfast.hold_extension_max(holdfast.reservation_hold),
    holdfast.asking_extension_max(holdfast.reservation_hold), holdfast.promised_end(holdfast.reservation_hold),
    holdfast.asked_ahead(), holdfast.asked_again(), holdfast.unanswered_max(), holdfast.restore_end(uuid, text, text),
    holdfast.gateway_slowed(text, double precision), holdfast.is_slowed(text),
    holdfast.payment_unanswered(text, text, text), holdfast.capture_needs(), holdfast.hold_of_payment(text, text),
    holdfast.is_payment_of(text, text, uuid, text), holdfast.next_attempt(uuid), holdfast.look_at_payment(text, text),
    holdfast.secure(text, text, text, uuid, text, bigint, text, text),
    holdfast.note_payment(text, text, text, uuid, text, bigint, text),
    holdfast.note_payment(text, text, text, uuid, text, bigint, text, boolean),
    holdfast.end_payment(text, text, text), holdfast.claim_payments(text[], integer, integer),
    holdfast.admit_gateway(text), holdfast.gateway_answered(text), holdfast.gateway_failed(text, text),
    holdfast.gateway_health() from public;
grant execute on function holdfast.hold_of_payment(text, text), holdfast.look_at_payment(text, text),
    holdfast.secure(text, text, text, uuid, text, bigint, text, text), holdfast.end_payment(text, text, text),
    holdfast.note_payment(text, text, text, uuid, text, bigint, text),
    holdfast.note_payment(text, text, text, uuid, text, bigint, text, boolean),
    holdfast.payment_unanswered(text, text, text), holdfast.gateway_answered(text),
    holdfast.gateway_failed(text, text), holdfast.gateway_slowed(text, double precision)
    to holdfast_confirm, holdfast_expire;
grant execute on function holdfast.is_payment_of(text, text, uuid, text) to holdfast_confirm;
grant execute on function holdfast.claim_payments(text[], integer, integer) to holdfast_expire;
grant execute on function holdfast.gateway_answered(text), holdfast.gateway_failed(text, text),
    holdfast.gateway_slowed(text, double precision) to holdfast_refund;

-- The names that these had in the release before. Only routines called them, and all of those have been replaced by now.
drop function if exists holdfast.refusal_of(holdfast.reservation_hold, timestamptz, text, bigint, text),
    holdfast.retake(holdfast.reservation_hold, text, text, text, bigint, text);
