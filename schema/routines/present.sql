-- Present: the gateway's present state of a payment that was settled before: recorded with its amount, and emitted as
-- an event. The gateway is called by the functions, between these calls and never inside one.
--
-- Locks:      payment, then refund, then refund_attempt.
-- Keeps:      what changed is written once, with its ledger row and its event: the ledger's rows of a payment add up to
--             its columns. A refund that the gateway reports failed is due again, under a key of its own.
-- Isolation:  READ COMMITTED or above. A snapshot that is older than what is recorded is ignored.
-- A retry:    compares with what is recorded, and finds nothing new.

-- Before the lookup: how the payment was settled, and the time from which the snapshot counts. Null: no payment of
-- ours.
create or replace function holdfast.look_again(p_gateway text, p_payment_id text) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object(
        'stored', holdfast.stored_payment(p_gateway, p_payment_id),
        'asked_at', clock_timestamp(),
        'won_at', case when p.dispute in ('won', 'resolved') then (
            select max(l.created_at) from holdfast.order_ledger l
            where (l.gateway, l.payment_id) = (p.gateway, p.payment_id)
              and l.event_type in ('DISPUTE_WON', 'DISPUTE_RESOLVED')
              and l.event_type not in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED')) end,
        'shaky', exists (select from holdfast.gateway_breaker b where b.gateway = p_gateway and b.failures > 0),
        'slowed', holdfast.is_slowed(p_gateway),
        'admitted', holdfast.admit_gateway(p_gateway))
    from holdfast.payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id);
end;

-- An event about a payment, with every id under its own name.
create or replace function holdfast.tell_of_payment(p_payment holdfast.payment, p_event_type text, p_more jsonb) returns void
language sql volatile
begin atomic
    insert into holdfast.event_outbox (event_type, sale_id, hold_id, data)
    values (p_event_type, p_payment.sale_id, p_payment.hold_id, (jsonb_build_object(
        'gateway', p_payment.gateway, 'payment_id', p_payment.payment_id, 'hold_id', p_payment.hold_id,
        'order_id', p_payment.order_id, 'sale_id', p_payment.sale_id, 'user_id', nullif(p_payment.user_id, ''),
        'currency', p_payment.currency) || p_more)::json);
end;

create or replace function holdfast.write_payment_change(p_payment holdfast.payment, p_event_type text, p_amount bigint)
returns void language sql volatile
begin atomic
    insert into holdfast.order_ledger (event_type, gateway, payment_id, order_id, amount, currency)
    values (p_event_type, p_payment.gateway, p_payment.payment_id, p_payment.order_id, p_amount, p_payment.currency);
end;

-- The dispute as it is now: its entry and its event.
create or replace function holdfast.write_dispute(p_payment holdfast.payment) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    perform write_payment_change(p_payment, case p_payment.dispute when 'open' then 'PAYMENT_DISPUTED'
        when 'resolved' then 'DISPUTE_RESOLVED' when 'won' then 'DISPUTE_WON' else 'DISPUTE_LOST' end,
        p_payment.disputed_amount);
    perform tell_of_payment(p_payment, 'PaymentDisputed', jsonb_build_object(
        'status', p_payment.dispute, 'amount', p_payment.disputed_amount));
end
$$;

-- An operator who has a refund sent that waits for this says that the dispute was won: that the money is still ours to pay
-- back. Called before the refund is locked.
create or replace function holdfast.dispute_was_won(p_gateway text, p_payment_id text) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_payment payment;
begin
    update payment p set dispute = 'won' where (p.gateway, p.payment_id, p.dispute) = (p_gateway, p_payment_id, 'resolved')
    returning * into v_payment;
    if found then
        perform write_dispute(v_payment);
    end if;
end
$$;

-- The amount that `refund` has refunded, and may have refunded: with attempts whose outcome is not known yet.
create or replace function holdfast.paid_back_by_us(p_gateway text, p_payment_id text, p_known boolean) returns bigint
language sql stable
begin atomic
    select coalesce(sum(a.amount), 0)::bigint from holdfast.refund_attempt a
    where a.gateway = p_gateway and a.payment_id = p_payment_id and (a.succeeded or (not p_known and a.ended_at is null));
end;

-- A refund that had succeeded and did not: due again from the beginning. What of our requests still counts is the oldest
-- that fit into what is gone.
create or replace function holdfast.reopen_refund(p_payment holdfast.payment, p_refund holdfast.refund, p_gone bigint)
returns void language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    update refund_attempt a set succeeded = false, outcome = 'reported failed afterwards'
    from (select s.attempt, sum(s.amount) over (order by s.attempt) as running_total from refund_attempt s
          where (s.gateway, s.payment_id) = (p_payment.gateway, p_payment.payment_id) and s.succeeded) counted
    where (a.gateway, a.payment_id, a.attempt) = (p_payment.gateway, p_payment.payment_id, counted.attempt)
      and counted.running_total > p_gone;
    update refund r set status = 'REQUIRED', finalized_at = null, attempts = 0, requested_at = null,
                        next_attempt_at = clock_timestamp(), failure = 'the gateway reported it failed after it had succeeded'
    where (r.gateway, r.payment_id) = (p_payment.gateway, p_payment.payment_id);
    insert into order_ledger (event_type, gateway, payment_id, amount, currency)
    values ('REFUND_REOPENED', p_payment.gateway, p_payment.payment_id, p_refund.amount - p_gone, p_payment.currency);
    perform tell_of_payment(p_payment, 'RefundFailed', jsonb_build_object(
        'amount', p_refund.amount - p_gone, 'reason', p_refund.reason, 'reopened', true,
        'failure', 'the gateway reported it failed after it had succeeded'));
end
$$;

-- p_asked_at: look_again's. p_state: paid; gone: a deposit that was reversed; missing: the gateway knows no such
-- payment. p_dispute: none, open, won, lost; null: the gateway does not say; opened: only its message says so, which
-- may come after the message that it is over; resolved: its message says that it has ended, without a result.
create or replace function holdfast.record_present(
    p_gateway text, p_payment_id text, p_asked_at text, p_state text, p_amount bigint, p_refunded bigint,
    p_currency text, p_dispute text, p_disputed_amount bigint) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_asked_at constant timestamptz := p_asked_at::timestamptz;
    v_payment payment;
    v_refund  refund;
    v_left    bigint;
    v_gone    bigint;
    v_gone_of_all bigint;
    v_lost    bigint;
    v_outside bigint;
    v_open    boolean;
begin
    select * into v_payment from payment p where (p.gateway, p.payment_id) = (p_gateway, p_payment_id) for no key update;
    if not found then
        return null;
    end if;
    if v_payment.seen_at > v_asked_at then
        return json_build_object('result', 'recorded');
    end if;
    perform keep_gateway_finding(v_payment, 'gateway_missing', 1, case p_state when 'missing' then 0 else 1 end);
    if p_state = 'missing' then
        return json_build_object('result', 'recorded');
    end if;
    select * into v_refund from refund r where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) for update;

    v_left := case p_state when 'paid' then greatest(p_amount - p_refunded, 0) else 0 end;
    v_gone := greatest(v_payment.amount - v_left, 0);
    -- The same of all that the gateway captured, which may be more than was reported to us.
    v_gone_of_all := greatest(greatest(v_payment.amount, p_amount) - v_left, 0);
    -- More than was reported to us, or in another currency.
    perform keep_gateway_finding(v_payment, 'gateway_amount', v_payment.amount,
        case when p_state = 'paid' and p_currency <> v_payment.currency then -1 else greatest(v_payment.amount, v_left) end);

    -- A dispute first: what a lost one took, no refund has to.
    if p_dispute = 'opened' then
        p_dispute := coalesce(v_payment.dispute, 'open');
        p_disputed_amount := coalesce(v_payment.disputed_amount, p_disputed_amount);
    end if;
    -- Where nothing is left the bank has it. Money that is still there may be the buyer's all the same: only an operator can
    -- find out. The message may come again after that.
    if p_dispute = 'resolved' then
        p_disputed_amount := coalesce(v_payment.disputed_amount, p_disputed_amount);
        p_dispute := case when v_payment.dispute in ('won', 'lost') then v_payment.dispute
                          when v_left = 0 then 'lost' else 'resolved' end;
    end if;
    if p_dispute is not null and (nullif(p_dispute, 'none'), p_disputed_amount)
        is distinct from (v_payment.dispute, v_payment.disputed_amount)
        -- A closed dispute is not listed for ever; one that disappears while it is open was withdrawn.
        and not (p_dispute = 'none' and (v_payment.dispute is null or v_payment.dispute <> 'open'))
    then
        v_payment.disputed_amount := coalesce(p_disputed_amount, v_payment.disputed_amount);
        v_payment.dispute := case p_dispute when 'none' then 'won' else p_dispute end;
        perform write_dispute(v_payment);
    end if;

    v_lost := case v_payment.dispute when 'lost' then v_payment.disputed_amount else 0 end;
    if p_state = 'paid' and v_refund.status = 'COMPLETED' and v_refund.finalized_at < v_asked_at
       and v_gone_of_all + v_lost < v_refund.amount
       -- Money that was gone is there again. A refund that an operator has settled by hand never left the gateway.
       and (paid_back_by_us(p_gateway, p_payment_id, true) > v_gone_of_all or v_payment.seen_left < v_left)
    then
        perform reopen_refund(v_payment, v_refund, v_gone_of_all);
    end if;

    if (p_state = 'gone') <> (v_payment.reversed_at is not null) then
        v_payment.reversed_at := case p_state when 'gone' then clock_timestamp() end;
        perform write_payment_change(v_payment, case p_state when 'gone' then 'PAYMENT_REVERSED' else 'PAYMENT_RESTORED' end,
                                     v_payment.amount);
        perform tell_of_payment(v_payment, 'PaymentRefundedOutside', jsonb_build_object(
            'kind', case p_state when 'gone' then 'deposit_reversed' else 'deposit_restored' end,
            'amount', case p_state when 'gone' then v_payment.amount else -v_payment.amount end,
            'refunded_amount', case p_state when 'gone' then v_payment.amount else v_payment.refunded_outside end));
        -- Nothing is left to be paid back: nobody is asked for an account any more, and `refund` finds it so.
        update refund r set status = 'REQUIRED', account_needed = false, finalized_at = null, attempts = 0,
                            next_attempt_at = clock_timestamp()
        where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and p_state = 'gone'
          and r.account_needed and r.status in ('REQUIRED', 'FAILED');
    end if;

    if p_state = 'paid' then
        v_open := exists (select from refund_attempt a
                          where (a.gateway, a.payment_id) = (p_gateway, p_payment_id) and a.ended_at is null);
        -- While a request of ours is open, its effect is unknown: only the amount beyond it is certainly external.
        v_outside := greatest(v_gone - paid_back_by_us(p_gateway, p_payment_id, false),
                              case when v_open then v_payment.refunded_outside else 0 end);
        if v_outside <> v_payment.refunded_outside then
            perform write_payment_change(v_payment, 'PAYMENT_REFUNDED_OUTSIDE', v_outside - v_payment.refunded_outside);
            perform tell_of_payment(v_payment, 'PaymentRefundedOutside', jsonb_build_object(
                'kind', case when v_outside > v_payment.refunded_outside then 'refunded' else 'refund_failed' end,
                'amount', v_outside - v_payment.refunded_outside, 'refunded_amount', v_outside));
            v_payment.refunded_outside := v_outside;
        end if;
    end if;

    update payment p
    set seen_at = v_asked_at, seen_left = v_left, refunded_outside = v_payment.refunded_outside,
        reversed_at = v_payment.reversed_at, dispute = v_payment.dispute, disputed_amount = v_payment.disputed_amount
    where (p.gateway, p.payment_id) = (p_gateway, p_payment_id);
    return json_build_object('result', 'recorded');
end
$$;

-- What the gateway's list and ours do not agree in, as a finding of the audit for as long as it stands.
create or replace function holdfast.keep_gateway_finding(
    p_payment holdfast.payment, p_check_name text, p_expected bigint, p_found bigint) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_subject constant text := p_payment.gateway || '/' || p_payment.payment_id;
    v_now     constant timestamptz := clock_timestamp();
    v_finding audit_finding;
begin
    if p_expected = p_found then
        update audit_finding f set gone_at = v_now
        where f.check_name = p_check_name and f.subject = v_subject and f.gone_at is null;
        return;
    end if;
    insert into audit_finding as f (part, check_name, subject, sale_id, expected, found, saw, first_seen_at, last_seen_at)
    values ('gateways', p_check_name, v_subject, p_payment.sale_id, p_expected, p_found, to_json(p_payment), v_now, v_now)
    on conflict (check_name, subject) where gone_at is null do update set last_seen_at = v_now
    returning * into v_finding;
    if v_finding.first_seen_at = v_now then
        insert into event_outbox (event_type, sale_id, data)
        values ('AuditFinding', v_finding.sale_id, json_build_object(
            'finding_id', v_finding.finding_id, 'check', p_check_name, 'subject', v_subject,
            'sale_id', v_finding.sale_id, 'expected', p_expected, 'found', p_found, 'saw', v_finding.saw,
            'seen_at', rfc3339(v_finding.first_seen_at)));
    end if;
end
$$;

-- What is recorded of a payment's dispute, for a gateway whose lookups do not report it. Null: nothing is.
create or replace function holdfast.recorded_dispute(p_gateway text, p_payment_id text) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('dispute', p.dispute, 'amount', p.disputed_amount) from holdfast.payment p
    where (p.gateway, p.payment_id) = (p_gateway, p_payment_id) and p.dispute is not null;
end;

revoke execute on function holdfast.look_again(text, text), holdfast.recorded_dispute(text, text),
    holdfast.tell_of_payment(holdfast.payment, text, jsonb),
    holdfast.write_payment_change(holdfast.payment, text, bigint), holdfast.write_dispute(holdfast.payment),
    holdfast.dispute_was_won(text, text), holdfast.paid_back_by_us(text, text, boolean),
    holdfast.reopen_refund(holdfast.payment, holdfast.refund, bigint),
    holdfast.record_present(text, text, text, text, bigint, bigint, text, text, bigint),
    holdfast.keep_gateway_finding(holdfast.payment, text, bigint, bigint) from public;
grant execute on function holdfast.look_again(text, text) to holdfast_confirm;
-- `confirm` refunds, too, where a buyer has named an account.
grant execute on function holdfast.recorded_dispute(text, text) to holdfast_confirm, holdfast_refund;
grant execute on function holdfast.record_present(text, text, text, text, bigint, bigint, text, text, bigint)
    to holdfast_confirm, holdfast_refund;
