-- Decisions: what an operator makes of a dead letter other than sending it again.
--
--   unknown_hold  dismiss: it belongs to another shop          settle: it was refunded by hand
--   refund                                                     settle: it was refunded by hand
--   event         dismiss: it is not delivered any more
--   unanswered_payment  dismiss: the operator has checked at the gateway that there is nothing to do
--
-- Locks:      an Idempotency-Key (advisory); parked_payment, refund or delivery.
-- Keeps:      a letter is decided once, with who, when and why in the operator's ledger; a refund that is settled is
--             COMPLETED, with its ledger row and its event. No gateway is called.
-- Isolation:  READ COMMITTED or above.
-- A retry:    the same key, the same answer; what is no dead letter any more stays what it is, and is said.

create or replace function holdfast.settle_by_hand(p_gateway text, p_payment_id text) returns void
language sql volatile
begin atomic
    update holdfast.refund r set status = 'COMPLETED', finalized_at = clock_timestamp()
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id) and r.status = 'FAILED';
    insert into holdfast.order_ledger (event_type, gateway, payment_id, amount, currency)
    select 'REFUND_COMPLETED', r.gateway, r.payment_id, r.amount, r.currency from holdfast.refund r
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id);
    insert into holdfast.event_outbox (event_type, sale_id, hold_id, data)
    select 'RefundCompleted', p.sale_id, p.hold_id, json_build_object(
        'gateway', p.gateway, 'payment_id', p.payment_id, 'hold_id', p.hold_id, 'hold_ref', p.hold_ref,
        'user_id', nullif(p.user_id, ''), 'amount', r.amount, 'currency', r.currency, 'reason', r.reason, 'failure', null,
        -- What the bank took in a lost dispute, no hand has refunded.
        'refunded_outside', least(r.amount, holdfast.moved_outside(p)
            + case p.dispute when 'lost' then coalesce(p.disputed_amount, 0) else 0 end), 'by_hand', true)
    from holdfast.refund r join holdfast.payment p on p.gateway = r.gateway and p.payment_id = r.payment_id
    where (r.gateway, r.payment_id) = (p_gateway, p_payment_id);
end;

-- p_decision: dismiss or settle.
create or replace function holdfast.decide_dead_letter(
    p_by json, p_idem_key text, p_fingerprint bytea, p_id text, p_decision text)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored  json := stored_operation(p_idem_key, p_fingerprint);
    v_kind    constant text := case when p_id ~ '^event-[0-9]{1,18}$' then 'event'
                                    when p_id ~ '^(refund|parked|asked)-([0-9a-f]{2})+$' then split_part(p_id, '-', 1) end;
    v_becomes constant text := case p_decision when 'dismiss' then 'DISMISSED' else 'SETTLED' end;
    v_payment record;
    v_status  text;
    v_details json;
begin
    if v_stored is not null then
        return v_stored;
    end if;
    if v_kind = 'event' then
        select d.status into v_status from delivery d where d.delivery_id = substr(p_id, 7)::bigint for update;
    elsif v_kind is not null then
        select * into v_payment from payment_of_letter(p_id);
        if v_kind = 'refund' then
            select r.status, json_build_object('amount', r.amount, 'currency', r.currency) into v_status, v_details
            from refund r where (r.gateway, r.payment_id) = (v_payment.gateway, v_payment.payment_id) for update;
        elsif v_kind = 'asked' then
            select case when a.dead_at is null then a.state else 'UNANSWERED' end,
                   json_build_object('amount', a.amount, 'currency', a.currency) into v_status, v_details
            from payment_attempt a where (a.gateway, a.payment_id) = (v_payment.gateway, v_payment.payment_id) for update;
        else
            select k.state, json_build_object('amount', k.amount, 'currency', k.currency) into v_status, v_details
            from parked_payment k where (k.gateway, k.payment_id) = (v_payment.gateway, v_payment.payment_id) for update;
        end if;
    end if;
    if v_status is null then
        return null;
    end if;
    -- A refund is executed, by us or by hand, and never dismissed; and an event cannot be settled by hand.
    if v_kind = 'refund' and p_decision = 'dismiss' or v_kind in ('event', 'asked') and p_decision = 'settle' then
        return json_build_object('outcome', 'invalid_request', 'errors', json_build_array(json_build_object(
            'pointer', '', 'detail', case p_decision when 'dismiss' then 'Replay a refund, or settle it once it is paid back by hand.'
                                     else 'Replay it, or dismiss it.' end)));
    end if;
    if v_status in ('DEAD', 'FAILED', 'PARKED', 'UNANSWERED') then
        case v_kind
            when 'event' then delete from delivery d where d.delivery_id = substr(p_id, 7)::bigint;
            when 'refund' then perform settle_by_hand(v_payment.gateway, v_payment.payment_id);
            when 'asked' then update payment_attempt a set dead_at = null
                where (a.gateway, a.payment_id) = (v_payment.gateway, v_payment.payment_id);
            else update parked_payment k set state = v_becomes, ended_at = clock_timestamp()
                 where (k.gateway, k.payment_id) = (v_payment.gateway, v_payment.payment_id);
        end case;
        perform write_operator_ledger(p_by, 'dead_letter_' || lower(v_becomes), p_id,
            json_build_object('status', lower(v_status), 'of', v_details), json_build_object('status', lower(v_becomes)));
        v_status := v_becomes;
    end if;
    return store_operation(p_idem_key, p_fingerprint, json_build_object('outcome', 'replayed_one', 'letter', json_build_object(
        'id', p_id, 'status', case v_status when 'REQUIRED' then 'pending' else lower(v_status) end)));
end
$$;

revoke execute on function holdfast.settle_by_hand(text, text),
    holdfast.decide_dead_letter(json, text, bytea, text, text) from public;
grant execute on function holdfast.decide_dead_letter(json, text, bytea, text, text) to holdfast_admin;
