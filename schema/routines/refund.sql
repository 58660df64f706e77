-- Refund: each refund that is due is executed once. The gateway is called by the function, between these calls and
-- never inside one.
--
-- Locks:      refund, then refund_attempt; a second call skips a locked refund.
-- Keeps:      an attempt is written before its request is sent, with its key; until it is known how one ended no other
--             begins; a refund leaves REQUIRED once, with its ledger row and its event.
-- Isolation:  READ COMMITTED or above; time is clock_timestamp().
-- A retry:    the open attempt again, with the same key; what has ended is left as it is.

-- Refunds that are due, leased for p_lease_s: a function that dies with one only delays it.
create or replace function holdfast.claim_refunds(p_gateways text[], p_most integer, p_lease_s integer) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    with open as materialized (
        -- Being admitted is a right that is used: only for a gateway that has something due.
        select g from unnest(p_gateways) as g where not holdfast.is_slowed(g) and case when (
            select true from holdfast.refund r
            where r.gateway = g and r.status = 'REQUIRED' and r.next_attempt_at <= clock_timestamp() limit 1)
            then holdfast.admit_gateway(g) end
    ), due as (
        select r.gateway, r.payment_id from holdfast.refund r
        where r.status = 'REQUIRED' and r.next_attempt_at <= clock_timestamp() and r.gateway in (select g from open)
        order by r.next_attempt_at limit p_most for update skip locked
    ), taken as (
        update holdfast.refund r set next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_s)
        from due where (r.gateway, r.payment_id) = (due.gateway, due.payment_id)
        returning r.*
    )
    select coalesce(json_agg(json_build_object(
        'gateway', t.gateway, 'payment_id', t.payment_id, 'amount', t.amount, 'currency', t.currency,
        'reason', t.reason, 'attempts', t.attempts, 'requested', t.requested_at is not null,
        'attempt_open', exists (select from holdfast.refund_attempt a
                                where a.gateway = t.gateway and a.payment_id = t.payment_id and a.ended_at is null),
        'claimed_at', clock_timestamp())), '[]')
    from taken t;
end;

-- The attempt that is still open, or a new one. One for more than is left now cannot succeed any more: a part was
-- refunded in the gateway's own console.
create or replace function holdfast.begin_refund(p_gateway text, p_payment_id text, p_amount bigint) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_open refund_attempt;
begin
    perform from refund r where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and r.status = 'REQUIRED' for update;
    if not found then
        return null;
    end if;
    update refund_attempt a set ended_at = clock_timestamp(), outcome = 'another amount is left'
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.ended_at is null and a.amount <> p_amount;
    select * into v_open from refund_attempt a
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.ended_at is null;
    if not found then
        insert into refund_attempt (gateway, payment_id, attempt, idem_key, amount)
        select p_gateway, p_payment_id, n, format('refund-%s-%s', replace(coalesce(p.hold_id, uuidv7())::text, '-', ''),
                                                  substr(encode(sha256(convert_to(p_gateway || ' ' || p_payment_id || ' ' || n, 'UTF8')), 'hex'), 1, 24)),
               p_amount
        from payment p, (select 1 + count(*) as n from refund_attempt a
                         where (a.gateway, a.payment_id) = (p_gateway, p_payment_id)) next
        where (p.gateway, p.payment_id) = (p_gateway, p_payment_id)
        returning * into v_open;
    end if;
    return json_build_object('attempt', v_open.attempt, 'key', v_open.idem_key);
end
$$;

-- p_outcome: done; partly, and the rest is on its way; partly_waits, and the rest waits until its dispute is over;
-- requested, and ends later; waits for the end of its dispute, and nothing was requested; refused; unknown. p_again_s:
-- when to come back; null: give up. A refund that is pending, or waits, is looked up at growing intervals: a bank may
-- take days.
create or replace function holdfast.settle_refund(
    p_gateway text, p_payment_id text, p_outcome text, p_detail text, p_again_s double precision) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_refund refund;
    v_status text := case when p_outcome = 'done' then 'COMPLETED' when p_again_s is null then 'FAILED' else 'REQUIRED' end;
begin
    select * into v_refund from refund r where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) for update;
    if v_refund.status is distinct from 'REQUIRED' then
        return json_build_object('status', v_refund.status);
    end if;
    if p_outcome in ('done', 'partly', 'partly_waits', 'refused') then
        update refund_attempt a set ended_at = clock_timestamp(), outcome = coalesce(p_detail, p_outcome),
                                    succeeded = p_outcome <> 'refused'
        where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.ended_at is null;
    end if;
    update refund r set
        status = v_status,
        finalized_at = case when v_status <> 'REQUIRED' then clock_timestamp() end,
        attempts = r.attempts + case when p_outcome in ('refused', 'unknown') then 1 else 0 end,
        next_attempt_at = clock_timestamp() + greatest(make_interval(secs => coalesce(p_again_s, 0)),
            case when p_outcome in ('partly', 'requested')
            then least((clock_timestamp() - coalesce(r.requested_at, clock_timestamp())) / 2, interval '10 minutes')
            when p_outcome in ('partly_waits', 'waits')
            then least((clock_timestamp() - r.created_at) / 2, interval '10 minutes') end),
        -- A refund that was refused in the end starts a new attempt.
        requested_at = case when p_outcome in ('partly', 'requested') then coalesce(r.requested_at, clock_timestamp())
                            when p_outcome = 'refused' then null else r.requested_at end,
        failure = case when p_outcome in ('partly_waits', 'waits', 'refused', 'unknown') then p_detail else r.failure end
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id);

    if v_status <> 'REQUIRED' then
        insert into order_ledger (event_type, gateway, payment_id, amount, currency)
        values ('REFUND_' || v_status, p_gateway, p_payment_id, v_refund.amount, v_refund.currency);
        insert into event_outbox (event_type, sale_id, hold_id, data)
        select case v_status when 'COMPLETED' then 'RefundCompleted' else 'RefundFailed' end, p.sale_id, p.hold_id,
               json_build_object('gateway', p_gateway, 'payment_id', p_payment_id, 'hold_id', p.hold_id, 'hold_ref', p.hold_ref,
                                 'user_id', nullif(p.user_id, ''), 'amount', v_refund.amount, 'currency', v_refund.currency,
                                 'reason', v_refund.reason, 'failure', case v_status when 'FAILED' then p_detail end)::jsonb
               -- What we did not pay back was gone already: who adds up both events counts it once.
               || case v_status when 'COMPLETED' then jsonb_build_object('refunded_outside',
                      greatest(v_refund.amount - paid_back_by_us(p_gateway, p_payment_id, true), 0)) else '{}' end
        from payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id);
    end if;
    return json_build_object('status', v_status);
end
$$;

-- A refund that was given up, once more from the beginning; an attempt that is open at the gateway is looked up first.
create or replace function holdfast.replay_refund(p_gateway text, p_payment_id text) returns boolean
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
begin
    update refund r set status = 'REQUIRED', finalized_at = null, attempts = 0,
        -- The account it waits for may come with this very replay: it is not tried without one at the same moment.
        next_attempt_at = clock_timestamp() + case when r.account_needed then interval '10 s' else interval '0 s' end
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and r.status = 'FAILED';
    return found;
end
$$;

revoke execute on function holdfast.claim_refunds(text[], integer, integer),
    holdfast.begin_refund(text, text, bigint), holdfast.settle_refund(text, text, text, text, double precision),
    holdfast.replay_refund(text, text) from public;
grant execute on function holdfast.claim_refunds(text[], integer, integer), holdfast.begin_refund(text, text, bigint),
    holdfast.settle_refund(text, text, text, text, double precision) to holdfast_refund;
grant execute on function holdfast.replay_refund(text, text) to holdfast_admin;
