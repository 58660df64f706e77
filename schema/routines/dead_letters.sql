-- Dead letters: what was given up, shown with its reason, and sent again.
--
-- Locks:      an Idempotency-Key (advisory), subscription by subscription_id, delivery; payment, refund; parked_payment.
-- Keeps:      a replayed delivery is behind its hold's earlier ones that still wait, and ahead of its later ones; of
--             what was delivered meanwhile it comes later. A refund that is replayed is REQUIRED again.
-- Isolation:  READ COMMITTED or above.
-- A retry:    with an Idempotency-Key the stored answer; without one, what is no longer dead stays as it is.
--
-- Four kinds: `event`, a delivery given up; `refund`, a refund that failed every attempt; `unknown_hold`, a payment
-- that waits for a decision (schema/routines/parked.sql), which is refunded where it is replayed; and
-- `unanswered_payment`, one that its gateway does not return (schema/routines/unanswered.sql). The id names its kind.

-- No settings of its own, so that a page's limit reaches the index.
create or replace function holdfast.dead_events() returns table (
    id text, dead_at timestamptz, event_type text, subscription_id uuid, sale_id text, letter json)
language sql stable
begin atomic
    select 'event-' || d.delivery_id, d.finalized_at, e.event_type, d.subscription_id, e.sale_id, json_build_object(
        'id', 'event-' || d.delivery_id, 'kind', 'event', 'dead_at', holdfast.rfc3339(d.finalized_at),
        'reason', d.last_error, 'last_status', d.last_status, 'attempts', d.attempts, 'sale_id', e.sale_id,
        'event_type', e.event_type, 'event_id', e.event_id, 'hold_id', e.hold_id,
        'subscription_id', d.subscription_id, 'endpoint', s.endpoint)
    from holdfast.delivery d
    join holdfast.event_outbox e on e.event_id = d.event_id
    join holdfast.subscription s on s.subscription_id = d.subscription_id
    where d.status = 'DEAD' and s.status <> 'DELETED';
end;

-- A payment's id may be any text: in an id of ours it is hexadecimal.
create or replace function holdfast.dead_refunds() returns table (
    id text, dead_at timestamptz, sale_id text, letter json)
language sql stable
begin atomic
    select 'refund-' || encode(convert_to(r.gateway || ' ' || r.payment_id, 'UTF8'), 'hex'), r.finalized_at, p.sale_id,
        json_build_object(
            'id', 'refund-' || encode(convert_to(r.gateway || ' ' || r.payment_id, 'UTF8'), 'hex'), 'kind', 'refund',
            'dead_at', holdfast.rfc3339(r.finalized_at), 'reason', coalesce(r.failure, r.reason),
            'attempts', r.attempts, 'refund_reason', r.reason, 'sale_id', p.sale_id, 'gateway', r.gateway, 'payment_id', r.payment_id, 'amount', r.amount, 'currency', r.currency)
    from holdfast.refund r join holdfast.payment p on p.gateway = r.gateway and p.payment_id = r.payment_id
    where r.status = 'FAILED';
end;

-- How many of these are to be tried again now.
create or replace function holdfast.replay_refunds(p_ids text[]) returns bigint
language sql volatile set search_path = holdfast, pg_temp
begin atomic
    with dead as materialized (
        select r.gateway, r.payment_id from holdfast.refund r
        where r.status = 'FAILED'
          and 'refund-' || encode(convert_to(r.gateway || ' ' || r.payment_id, 'UTF8'), 'hex') = any (p_ids)
        order by r.gateway, r.payment_id)
    select count(*) filter (where holdfast.replay_refund(d.gateway, d.payment_id)) from dead d;
end;

-- How many of these are to be refunded now.
create or replace function holdfast.refund_parked_many(p_ids text[]) returns bigint
language sql volatile set search_path = holdfast, pg_temp
begin atomic
    with parked as materialized (
        select f.gateway, f.payment_id from unnest(p_ids) as i, holdfast.payment_of_letter(i) f
        order by f.gateway, f.payment_id)
    select count(*) filter (where holdfast.refund_parked(k.gateway, k.payment_id)) from parked k;
end;

-- How many of these are pending again. An operator replays them because the receiver is back: it is tried at once.
create or replace function holdfast.replay_deliveries(p_ids text[]) returns bigint
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_ids      bigint[] := array(select substr(i, 7)::bigint from unnest(p_ids) as i);
    v_count    bigint := 0;
    v_id       uuid;
    v_hold_ids uuid[];
    v_back     bigint;
begin
    for v_id in
        select s.subscription_id from subscription s
        where s.status = 'ENABLED' and s.subscription_id in (select d.subscription_id from delivery d where d.delivery_id = any (v_ids))
        order by s.subscription_id for no key update
    loop
        with back as (
            update delivery d set status = 'PENDING', attempts = 0, finalized_at = null, next_attempt_at = clock_timestamp(),
                   ready_at = case when d.hold_id is null then clock_timestamp() end
            where d.subscription_id = v_id and d.delivery_id = any (v_ids) and d.status = 'DEAD' returning d.hold_id)
        select count(*), array_agg(back.hold_id) filter (where back.hold_id is not null) into v_back, v_hold_ids from back;
        perform wake_next(v_id, v_hold_ids);
        update subscription s set breaker_until = clock_timestamp() where s.subscription_id = v_id and s.breaker = 'open';
        v_count := v_count + v_back;
    end loop;
    return v_count;
end
$$;

-- Earlier forms of what follows.
drop function if exists holdfast.dead_letters(text, text, uuid, text, bigint, text, integer),
    holdfast.find_dead_letters(text, text, uuid, text, bigint, text, integer),
    holdfast.find_dead_letters(text, text, uuid, text, bigint, text, integer, boolean);

-- The p_limit newest before (p_before_us, p_before_id); a filter that is null lets everything pass.
create or replace function holdfast.page_of_dead_letters(
    p_kind text, p_event_type text, p_subscription_id uuid, p_sale_id text, p_before_us bigint, p_before_id text,
    p_limit integer)
returns table (id text, dead_at timestamptz, letter json)
language sql stable
begin atomic
    select l.id, l.dead_at, l.letter from (
        (select e.id, e.dead_at, e.letter from holdfast.dead_events() e
         where coalesce(p_kind, 'event') = 'event'
           and (p_event_type is null or e.event_type = p_event_type)
           and (p_subscription_id is null or e.subscription_id = p_subscription_id)
           and (p_sale_id is null or e.sale_id = p_sale_id)
           -- Where the index begins to be read; a generic plan cannot use what is behind an OR.
           and e.dead_at <= coalesce('epoch'::timestamptz + p_before_us * interval '1 microsecond', 'infinity')
           and (p_before_us is null or (e.dead_at, e.id) < ('epoch'::timestamptz + p_before_us * interval '1 microsecond', p_before_id))
         order by e.dead_at desc, e.id desc limit p_limit)
        union all
        (select r.id, r.dead_at, r.letter from holdfast.dead_refunds() r
         where coalesce(p_kind, 'refund') = 'refund' and p_event_type is null and p_subscription_id is null
           and (p_sale_id is null or r.sale_id = p_sale_id)
           and (p_before_us is null or (r.dead_at, r.id) < ('epoch'::timestamptz + p_before_us * interval '1 microsecond', p_before_id))
         order by r.dead_at desc, r.id desc limit p_limit)
        union all
        (select k.id, k.dead_at, k.letter from holdfast.parked_letters() k
         where coalesce(p_kind, 'unknown_hold') = 'unknown_hold'
           and p_event_type is null and p_subscription_id is null and p_sale_id is null
           and (p_before_us is null or (k.dead_at, k.id) < ('epoch'::timestamptz + p_before_us * interval '1 microsecond', p_before_id))
         order by k.dead_at desc, k.id desc limit p_limit)
        union all
        (select u.id, u.dead_at, u.letter from holdfast.unanswered_letters() u
         where coalesce(p_kind, 'unanswered_payment') = 'unanswered_payment' and p_event_type is null
           and p_subscription_id is null and (p_sale_id is null or u.sale_id = p_sale_id)
           and (p_before_us is null or (u.dead_at, u.id) < ('epoch'::timestamptz + p_before_us * interval '1 microsecond', p_before_id))
         order by u.dead_at desc, u.id desc limit p_limit)) l
    order by l.dead_at desc, l.id desc limit p_limit;
end;

-- The p_limit oldest that can be sent again; a filter that is null lets everything pass. Those of a subscription that is
-- not enabled are left out.
create or replace function holdfast.replayable_dead_letters(
    p_kind text, p_event_type text, p_subscription_id uuid, p_sale_id text, p_limit integer)
returns table (id text, dead_at timestamptz, letter json)
language sql stable
begin atomic
    select l.id, l.dead_at, l.letter from (
        (select e.id, e.dead_at, e.letter from holdfast.dead_events() e
         where coalesce(p_kind, 'event') = 'event'
           and (p_event_type is null or e.event_type = p_event_type)
           and (p_subscription_id is null or e.subscription_id = p_subscription_id)
           and (p_sale_id is null or e.sale_id = p_sale_id)
           and (select s.status from holdfast.subscription s where s.subscription_id = e.subscription_id) = 'ENABLED'
         order by e.dead_at, e.id limit p_limit)
        union all
        (select r.id, r.dead_at, r.letter from holdfast.dead_refunds() r
         where coalesce(p_kind, 'refund') = 'refund' and p_event_type is null and p_subscription_id is null
           and (p_sale_id is null or r.sale_id = p_sale_id)
         order by r.dead_at, r.id limit p_limit)
        union all
        -- Replaying these refunds money: of many at once only where the filter names their kind.
        (select k.id, k.dead_at, k.letter from holdfast.parked_letters() k
         where p_kind = 'unknown_hold'
           and p_event_type is null and p_subscription_id is null and p_sale_id is null
         order by k.dead_at, k.id limit p_limit)
        union all
        (select u.id, u.dead_at, u.letter from holdfast.unanswered_letters() u
         where coalesce(p_kind, 'unanswered_payment') = 'unanswered_payment' and p_event_type is null
           and p_subscription_id is null and (p_sale_id is null or u.sale_id = p_sale_id)
         order by u.dead_at, u.id limit p_limit)) l
    order by l.dead_at, l.id limit p_limit;
end;

create or replace function holdfast.dead_letters(
    p_kind text, p_event_type text, p_subscription_id uuid, p_sale_id text, p_before_us bigint, p_before_id text, p_limit integer)
returns json language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    with found as (
        select l.*, row_number() over (order by l.dead_at desc, l.id desc) as n from holdfast.page_of_dead_letters(
            p_kind, p_event_type, p_subscription_id, p_sale_id, p_before_us, p_before_id, p_limit + 1) l)
    select json_build_object('outcome', 'dead_letters',
        'dead_letters', coalesce(json_agg(f.letter order by f.n) filter (where f.n <= p_limit), '[]'),
        'next', case when count(*) > p_limit then (
            select (extract(epoch from l.dead_at) * 1000000)::bigint || '.' || l.id from found l where l.n = p_limit) end)
    from found f;
end;

-- What the letter of this id says of itself now; null: there is none.
create or replace function holdfast.letter_status(p_id text) returns text
language plpgsql stable set search_path = holdfast, pg_temp
as $$
begin
    if p_id ~ '^event-[0-9]{1,18}$' then
        return (select case when s.status = 'DELETED' then null when s.status = 'DISABLED' and d.status = 'DEAD' then 'DISABLED'
                            else d.status end
                from delivery d join subscription s using (subscription_id) where d.delivery_id = substr(p_id, 7)::bigint);
    elsif p_id ~ '^refund-([0-9a-f]{2})+$' then
        return (select r.status from refund r
                where (r.gateway, r.payment_id) = (select f.gateway, f.payment_id from payment_of_letter(p_id) f));
    elsif p_id ~ '^parked-([0-9a-f]{2})+$' then
        return (select k.state from parked_payment k
                where (k.gateway, k.payment_id) = (select f.gateway, f.payment_id from payment_of_letter(p_id) f));
    elsif p_id ~ '^asked-([0-9a-f]{2})+$' then
        return (select case when a.dead_at is null then a.state else 'UNANSWERED' end from payment_attempt a
                where (a.gateway, a.payment_id) = (select f.gateway, f.payment_id from payment_of_letter(p_id) f));
    end if;
    return null;
end
$$;

create or replace function holdfast.replay_dead_letter(p_by json, p_idem_key text, p_fingerprint bytea, p_id text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored json := stored_operation(p_idem_key, p_fingerprint);
    v_status text := letter_status(p_id);
begin
    if v_stored is not null then
        return v_stored;
    end if;
    if v_status in ('DEAD', 'FAILED', 'PARKED', 'UNANSWERED') then
        -- Only where an operator replays a single letter: of many at once none was looked at by itself.
        if v_status = 'FAILED' then
            perform dispute_was_won(f.gateway, f.payment_id) from payment_of_letter(p_id) f;
        end if;
        if (case v_status when 'DEAD' then replay_deliveries(array[p_id]) when 'FAILED' then replay_refunds(array[p_id])
            when 'PARKED' then refund_parked_many(array[p_id]) else ask_again(array[p_id]) end) > 0 then
            perform write_operator_ledger(p_by, 'dead_letter_replayed', p_id,
                json_build_object('status', lower(v_status)), json_build_object('status', 'pending'));
            v_status := 'PENDING';
        else
            -- Another operator has decided since it was read.
            v_status := letter_status(p_id);
        end if;
    end if;
    if v_status is null then
        return null;
    elsif v_status = 'DISABLED' then
        return json_build_object('outcome', 'disabled');
    end if;
    return store_operation(p_idem_key, p_fingerprint, json_build_object('outcome', 'replayed_one', 'letter',
        json_build_object('id', p_id, 'status', case v_status when 'REQUIRED' then 'pending' else lower(v_status) end)));
end
$$;

-- At most p_most at once, oldest first; those of a disabled subscription stay dead and do not count.
create or replace function holdfast.replay_dead_letters(
    p_by json, p_idem_key text, p_fingerprint bytea,
    p_kind text, p_event_type text, p_subscription_id uuid, p_sale_id text, p_most integer)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored   json := stored_operation(p_idem_key, p_fingerprint);
    v_events   text[];
    v_refunds  text[];
    v_parked   text[];
    v_asked    text[];
    v_found    bigint;
    v_replayed bigint;
begin
    if v_stored is not null then
        return v_stored;
    end if;
    select array_agg(l.id) filter (where l.id like 'event-%'), array_agg(l.id) filter (where l.id like 'refund-%'),
           array_agg(l.id) filter (where l.id like 'parked-%'), array_agg(l.id) filter (where l.id like 'asked-%'), count(*)
    into v_events, v_refunds, v_parked, v_asked, v_found
    from (select id from replayable_dead_letters(p_kind, p_event_type, p_subscription_id, p_sale_id, p_most)) l;
    v_replayed := replay_deliveries(v_events) + replay_refunds(v_refunds) + refund_parked_many(v_parked)
                + ask_again(v_asked);
    if v_replayed > 0 then
        perform write_operator_ledger(p_by, 'dead_letters_replayed', 'many', null, json_build_object(
            'replayed', v_replayed, 'kind', p_kind, 'event_type', p_event_type, 'subscription_id', p_subscription_id,
            'sale_id', p_sale_id));
    end if;
    return store_operation(p_idem_key, p_fingerprint, json_build_object('outcome', 'replayed_many', 'many',
        json_build_object('replayed', v_replayed, 'more', v_found = p_most)));
end
$$;

revoke execute on function holdfast.dead_events(), holdfast.dead_refunds(), holdfast.replay_refunds(text[]),
    holdfast.refund_parked_many(text[]), holdfast.replay_deliveries(text[]), holdfast.letter_status(text),
    holdfast.page_of_dead_letters(text, text, uuid, text, bigint, text, integer),
    holdfast.replayable_dead_letters(text, text, uuid, text, integer),
    holdfast.dead_letters(text, text, uuid, text, bigint, text, integer),
    holdfast.replay_dead_letter(json, text, bytea, text),
    holdfast.replay_dead_letters(json, text, bytea, text, text, uuid, text, integer) from public;
grant execute on function holdfast.dead_letters(text, text, uuid, text, bigint, text, integer),
    holdfast.replay_dead_letter(json, text, bytea, text),
    holdfast.replay_dead_letters(json, text, bytea, text, text, uuid, text, integer) to holdfast_admin;

-- The names that these had in the release before. Only routines called them, and all of those have been replaced by now.
drop function if exists holdfast.pay_back_many(text[]), holdfast.pay_back_parked(text, text);
