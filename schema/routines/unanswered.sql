-- Unanswered: payments that a healthy gateway does not return, however often they are looked up. Whether money was
-- captured is unknown: an operator has them looked up again, or checks at the gateway and dismisses them.
--
-- Locks:      payment_attempt.
-- Keeps:      a new series of lookups begins with its first interval; one that was settled meanwhile is no dead letter.
-- Isolation:  READ COMMITTED or above.
-- A retry:    a payment that is looked up again is no dead letter any more, and stays as it is.

-- As dead letters (schema/routines/dead_letters.sql).
create or replace function holdfast.unanswered_letters() returns table (id text, dead_at timestamptz, sale_id text, letter json)
language sql stable
begin atomic
    select 'asked-' || encode(convert_to(a.gateway || ' ' || a.payment_id, 'UTF8'), 'hex'), a.dead_at, h.sale_id,
        json_build_object(
            'id', 'asked-' || encode(convert_to(a.gateway || ' ' || a.payment_id, 'UTF8'), 'hex'),
            'kind', 'unanswered_payment', 'dead_at', holdfast.rfc3339(a.dead_at), 'reason', a.outcome,
            'attempts', a.unanswered, 'sale_id', h.sale_id, 'hold_id', a.hold_id, 'gateway', a.gateway,
            'payment_id', a.payment_id, 'amount', a.amount, 'currency', a.currency)
    from holdfast.payment_attempt a left join holdfast.reservation_hold h on h.hold_id = a.hold_id
    where a.dead_at is not null and not exists (
        select from holdfast.payment p where (p.gateway, p.payment_id) = (a.gateway, a.payment_id));
end;

-- How many of these are looked up again.
create or replace function holdfast.ask_again(p_ids text[]) returns bigint
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_count bigint;
begin
    update payment_attempt a
    set state = 'UNDER_WAY', dead_at = null, ended_at = null, outcome = null, unanswered = 0, ask_at = clock_timestamp(),
        created_at = clock_timestamp()
    from (select f.gateway, f.payment_id from unnest(p_ids) as i, payment_of_letter(i) f) letter
    where a.gateway = letter.gateway and a.payment_id = letter.payment_id and a.dead_at is not null
      and not exists (select from payment p where (p.gateway, p.payment_id) = (a.gateway, a.payment_id));
    get diagnostics v_count = row_count;
    return v_count;
end
$$;

revoke execute on function holdfast.unanswered_letters(), holdfast.ask_again(text[]) from public;
