-- Parked: payments that name a hold in our form which this database does not have. A second Holdfast on the same
-- account may have made them, so they are neither refunded nor captured nor voided until an operator has decided.
--
-- Locks:      an Idempotency-Key (advisory), parked_payment, payment.
-- Keeps:      a parked payment leaves PARKED once; one that is refunded has its payment, its refund, its ledger row and
--             its event from that moment, in the transaction that decides it.
-- Isolation:  READ COMMITTED or above.
-- A retry:    reported again, it stays what it is; decided again, the answer is its present state.

-- Whether other shops may share the gateway's account. The shop's own service reports this shop's payments only.
create or replace function holdfast.is_shared(p_gateway text) returns boolean language sql immutable return p_gateway <> 'standard';

-- The payer is not recorded: it may be another shop's buyer. p_captured: the money was captured; otherwise it is
-- authorized, and the shop that made the payment may capture it.
create or replace function holdfast.park(
    p_gateway text, p_payment_id text, p_hold_ref text, p_amount bigint, p_currency text, p_captured boolean)
returns json language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    insert into holdfast.parked_payment as k (gateway, payment_id, hold_ref, amount, currency, captured)
    values (p_gateway, p_payment_id, p_hold_ref, p_amount, p_currency, p_captured)
    on conflict on constraint parked_payment_pkey do update
    set hold_ref = excluded.hold_ref, amount = excluded.amount, currency = excluded.currency,
        captured = excluded.captured
    -- What was decided stays decided, and is not written again.
    where k.state = 'PARKED' and (k.hold_ref, k.amount, k.currency, k.captured)
          is distinct from (excluded.hold_ref, excluded.amount, excluded.currency, excluded.captured);
    select json_build_object('result', 'parked');
end;

-- The gateway has no money of it any more: the shop that made it has refunded or voided it. Or it turned out to be a
-- payment for a hold of ours.
create or replace function holdfast.end_parked(p_gateway text, p_payment_id text) returns void
language sql volatile
begin atomic
    update holdfast.parked_payment k set state = 'GONE', ended_at = clock_timestamp()
    where (k.gateway, k.payment_id) = (p_gateway, p_payment_id) and k.state = 'PARKED';
end;

-- An operator has decided to refund it: from here on it is a refund like any other.
create or replace function holdfast.refund_parked(p_gateway text, p_payment_id text) returns boolean
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_parked parked_payment;
begin
    update parked_payment k set state = 'PAID_BACK', ended_at = clock_timestamp()
    where (k.gateway, k.payment_id) = (p_gateway, p_payment_id) and k.state = 'PARKED' returning * into v_parked;
    if not found then
        return false;
    end if;
    insert into payment (gateway, payment_id, hold_ref, user_id, amount, currency, state, refund_reason)
    values (p_gateway, p_payment_id, v_parked.hold_ref, '', v_parked.amount, v_parked.currency,
            'REFUND_REQUIRED', 'hold_unknown')
    on conflict on constraint payment_pkey do nothing;
    if not found then
        -- Told of for a hold of ours at the moment when it was parked: it is settled.
        update parked_payment k set state = 'GONE' where (k.gateway, k.payment_id) = (p_gateway, p_payment_id);
        return false;
    end if;
    insert into refund (gateway, payment_id, reason, amount, currency)
    values (p_gateway, p_payment_id, 'hold_unknown', v_parked.amount, v_parked.currency);
    insert into order_ledger (event_type, gateway, payment_id, amount, currency)
    values ('REFUND_REQUIRED', p_gateway, p_payment_id, v_parked.amount, v_parked.currency);
    insert into event_outbox (event_type, data)
    values ('RefundRequired', json_build_object(
        'gateway', p_gateway, 'payment_id', p_payment_id, 'hold_id', null, 'hold_ref', v_parked.hold_ref,
        'user_id', null, 'amount', v_parked.amount, 'currency', v_parked.currency, 'reason', 'hold_unknown'));
    return true;
end
$$;

-- As dead letters (schema/routines/dead_letters.sql). A payment's id may be any text: in an id of ours it is hexadecimal.
create or replace function holdfast.parked_letters() returns table (id text, dead_at timestamptz, letter json)
language sql stable
begin atomic
    select 'parked-' || encode(convert_to(k.gateway || ' ' || k.payment_id, 'UTF8'), 'hex'), k.created_at,
        json_build_object(
            'id', 'parked-' || encode(convert_to(k.gateway || ' ' || k.payment_id, 'UTF8'), 'hex'), 'kind', 'unknown_hold',
            'dead_at', holdfast.rfc3339(k.created_at), 'reason', 'The gateway names a hold that is none of this database.',
            'gateway', k.gateway, 'payment_id', k.payment_id, 'hold_ref', k.hold_ref,
            'amount', k.amount, 'currency', k.currency, 'captured', k.captured)
    from holdfast.parked_payment k where k.state = 'PARKED';
end;

-- Gateway and payment that stand in a letter's id, `refund-…` or `parked-…`.
create or replace function holdfast.payment_of_letter(p_id text, out gateway text, out payment_id text)
language sql immutable
begin atomic
    select split_part(t, ' ', 1), substr(t, strpos(t, ' ') + 1)
    from convert_from(decode(split_part(p_id, '-', 2), 'hex'), 'UTF8') t;
end;

revoke execute on function holdfast.is_shared(text), holdfast.park(text, text, text, bigint, text, boolean),
    holdfast.end_parked(text, text), holdfast.refund_parked(text, text), holdfast.parked_letters(),
    holdfast.payment_of_letter(text) from public;
grant execute on function holdfast.park(text, text, text, bigint, text, boolean) to holdfast_confirm, holdfast_expire;
