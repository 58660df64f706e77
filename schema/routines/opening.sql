-- Opening: a payment page that is about to be opened for a hold, and a refund that waits for an account to go to: what
-- buyers do beside paying.
--
-- Locks:      reservation_hold, payment_attempt; refund.
-- Keeps:      a page is noted once a hold and gateway until it is known what it led to; a refund is taken by one at a
--             time. No bank account is stored.
-- Isolation:  READ COMMITTED or above; judged by clock_timestamp() after the hold is locked.
-- A retry:    the same reference; a refund that was executed waits for no account any more.

-- The reference is the hold's id without hyphens and the number of the attempt: some gateways take letters and digits
-- alone, and some no id twice.
create or replace function holdfast.open_payment(p_user_id text, p_hold_id uuid, p_gateway text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold      reservation_hold;
    v_attempt   integer;
    v_reference text;
begin
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id and h.user_id = p_user_id for update;
    if not found then
        return json_build_object('outcome', 'not_found');
    end if;
    if hold_status_now(v_hold) <> 'HOLD' then
        return json_build_object('outcome', 'hold_not_active', 'hold_status', hold_status_now(v_hold));
    end if;
    select a.payment_id into v_reference from payment_attempt a
    where a.hold_id = p_hold_id and a.gateway = p_gateway and a.opened and a.state <> 'ENDED' limit 1;
    if not found then
        v_attempt := least(next_attempt(p_hold_id), 99);
        v_reference := replace(p_hold_id::text, '-', '') || lpad(v_attempt::text, 2, '0');
        insert into payment_attempt (gateway, payment_id, hold_ref, hold_id, user_id, amount, currency, attempt, state,
                                     ask_at, opened)
        values (p_gateway, v_reference, p_hold_id, p_hold_id, p_user_id, v_hold.total_amount, v_hold.currency, v_attempt,
                'UNDER_WAY', greatest(promised_end(v_hold) - asked_ahead(), clock_timestamp()), true)
        on conflict on constraint payment_attempt_pkey do nothing;
    end if;
    return json_build_object('outcome', 'opened', 'payment_id', v_reference);
end
$$;

-- Its gateway knows no payment of it yet: polled again while the hold lasts, and after that at intervals that double,
-- for a day. A later payment is found by the comparison with the gateway's own list.
create or replace function holdfast.note_opened(p_gateway text, p_payment_id text) returns void
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold reservation_hold;
    v_now  timestamptz;
    v_end  timestamptz;
begin
    select h.* into v_hold from reservation_hold h
    where h.hold_id = (select a.hold_id from payment_attempt a where (a.gateway, a.payment_id) = (p_gateway, p_payment_id))
    for update;
    v_now := clock_timestamp();
    v_end := promised_end(v_hold);
    update payment_attempt a set
        unanswered = 0,
        ask_at = case when v_hold.status = 'HOLD' and v_now < v_end then greatest(v_end - asked_ahead(), v_now + asked_again())
                      else v_now + greatest(v_now - v_end, asked_ahead()) end,
        state = case when v_now > v_end + interval '1 day' then 'ENDED' else a.state end,
        ended_at = case when v_now > v_end + interval '1 day' then v_now end,
        outcome = case when v_now > v_end + interval '1 day' then 'never paid' end
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.opened and a.state <> 'ENDED';
    perform restore_end(v_hold.hold_id, p_gateway, p_payment_id);
end
$$;

-- Its payment has been settled.
create or replace function holdfast.end_opened(p_gateway text, p_payment_id text, p_outcome text) returns void
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold_id uuid;
begin
    select a.hold_id into v_hold_id from payment_attempt a where (a.gateway, a.payment_id) = (p_gateway, p_payment_id);
    perform from reservation_hold h where h.hold_id = v_hold_id for update;
    update payment_attempt a set state = 'ENDED', ended_at = clock_timestamp(), outcome = p_outcome
    where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.opened and a.state <> 'ENDED';
    perform restore_end(v_hold_id, p_gateway, p_payment_id);
end
$$;

create or replace function holdfast.refund_needs_account(p_gateway text, p_payment_id text) returns void
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    update holdfast.refund r set account_needed = true
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and r.status <> 'COMPLETED';
end;

-- The refund of a buyer's hold, or an operator's letter, that waits for an account: taken for p_lease_s. One that is being
-- tried at this moment, or of which it is not known how the last try ended, is left alone: it has a key, and the gateway
-- would answer it again as it did before.
create or replace function holdfast.claim_refund_to(p_user_id text, p_hold_id uuid, p_letter text, p_lease_s integer) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_refund refund;
begin
    if p_letter is not null then
        select r.* into v_refund from refund r
        where r.account_needed and r.status in ('REQUIRED', 'FAILED') and p_letter ~ '^refund-([0-9a-f]{2})+$'
          and (r.gateway, r.payment_id) = (
            select split_part(t, ' ', 1), substr(t, strpos(t, ' ') + 1)
            from convert_from(decode(substr(p_letter, 8), 'hex'), 'UTF8') t)
        for update of r;
    else
        select r.* into v_refund from refund r join payment p on (p.gateway, p.payment_id) = (r.gateway, r.payment_id)
        where p.hold_id = p_hold_id and p.user_id = p_user_id and r.account_needed and r.status in ('REQUIRED', 'FAILED')
        order by r.created_at limit 1 for update of r;
    end if;
    if v_refund.gateway is null then
        return json_build_object('result', 'not_found');
    end if;
    if exists (select from refund_attempt a
               where a.gateway = v_refund.gateway and a.payment_id = v_refund.payment_id and a.ended_at is null)
       -- Longer than a replay leaves for the account to come: another call has it.
       or v_refund.status = 'REQUIRED' and v_refund.next_attempt_at > clock_timestamp() + interval '15 s'
    then
        return json_build_object('result', 'in_progress');
    end if;
    update refund r set status = 'REQUIRED', finalized_at = null, attempts = 0,
                        next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_s)
    where (r.gateway, r.payment_id) = (v_refund.gateway, v_refund.payment_id);
    return json_build_object('result', 'due', 'due', json_build_object(
        'gateway', v_refund.gateway, 'payment_id', v_refund.payment_id, 'amount', v_refund.amount,
        'currency', v_refund.currency, 'reason', v_refund.reason, 'attempts', 0,
        'requested', v_refund.requested_at is not null, 'claimed_at', clock_timestamp()));
end
$$;

-- The account goes to the gateway in the call that names it, so the function that is called makes the request; but only
-- for a refund that waits for an account.
create or replace function holdfast.begin_refund_to(p_gateway text, p_payment_id text, p_amount bigint) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.begin_refund(r.gateway, r.payment_id, p_amount) from holdfast.refund r
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and r.account_needed;
end;

create or replace function holdfast.settle_refund_to(
    p_gateway text, p_payment_id text, p_outcome text, p_detail text, p_again_s double precision) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select holdfast.settle_refund(r.gateway, r.payment_id, p_outcome, p_detail, p_again_s) from holdfast.refund r
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and r.account_needed;
end;

revoke execute on function holdfast.begin_refund_to(text, text, bigint),
    holdfast.settle_refund_to(text, text, text, text, double precision), holdfast.open_payment(text, uuid, text),
    holdfast.note_opened(text, text), holdfast.end_opened(text, text, text),
    holdfast.refund_needs_account(text, text), holdfast.claim_refund_to(text, uuid, text, integer) from public;
grant execute on function holdfast.open_payment(text, uuid, text), holdfast.refund_needs_account(text, text),
    holdfast.claim_refund_to(text, uuid, text, integer), holdfast.begin_refund_to(text, text, bigint),
    holdfast.settle_refund_to(text, text, text, text, double precision) to holdfast_confirm;
grant execute on function holdfast.note_opened(text, text), holdfast.end_opened(text, text, text) to holdfast_expire;
grant execute on function holdfast.refund_needs_account(text, text) to holdfast_refund;
