-- Audit: looks for what neither the code nor the constraints have caught, and writes it down.
--
-- It goes through six parts, each in the order of its key and in pieces of bounded size: `audit_look` reads the next
-- piece, `audit_write` keeps what was seen and moves the cursor. A part that is through begins again.
--
-- Locks:      looking takes none. Writing takes rows of audit_cursor and audit_finding; of the latter, `retain` has rows that
--             are gone, and `forget` rows with the name of a user who is forgotten.
-- Keeps:      nothing is corrected. A finding is written once, and emits one event, for as long as it stands.
-- Isolation:  `audit_look` is STABLE, so whatever it reads it reads as of one moment, its caller's snapshot: a sale that
--             goes on meanwhile looks whole. Each piece has a moment of its own, and a short one: an old snapshot
--             would keep the dead versions of the hot counters from being pruned.
-- A retry:    looks again. Two at once look at the same piece, and the cursor moves once.
--
-- The rules are in schema/views/invariants.sql; a finding is a row of its views. What a rule needs an event for is left out
-- where the event is older than p_told_since: sent events are removed.

-- One SKU's sums, and the live holds: a sale at a time. Its id is a constant to the planner, which looks for its rows
-- only; joined to the views it would read all sales.
create or replace function holdfast.audit_sales(p_after text, p_told_since timestamptz) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with one as materialized (
        select s.sale_id from holdfast.sale s where s.sale_id > p_after order by s.sale_id limit 1
    ), finding as (
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw
        from holdfast.sku_violation v where v.sale_id = (select sale_id from one)
        union all
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw
        from holdfast.buyer_violation v where v.sale_id = (select sale_id from one)
        union all
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw
        from holdfast.active_hold_violation v where v.sale_id = (select sale_id from one)
        union all
        (select distinct on (v.subject) v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw
         from holdfast.stock_told_violation v where v.sale_id = (select sale_id from one) and v.needs_event_of >= p_told_since
         order by v.subject, v.expected desc)
    )
    select json_build_object('upto', (select sale_id from one),
                             'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- The next p_most holds with what belongs to them, and the entries that name a hold between them.
create or replace function holdfast.audit_holds(p_after uuid, p_most integer, p_told_since timestamptz) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with piece as materialized (
        -- Null: there are fewer. Behind the last hold there may still be entries.
        select (select h.hold_id from holdfast.reservation_hold h where h.hold_id > p_after
                order by h.hold_id offset p_most - 1 limit 1) as upto
    ), range as materialized (
        select coalesce(upto, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as last from piece
    ), finding as (
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw from holdfast.hold_violation v
        where v.hold_id > p_after and v.hold_id <= (select last from range)
          and (v.needs_event_of is null or v.needs_event_of >= p_told_since)
        union all
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw from holdfast.ledger_violation v
        where v.hold_id > p_after and v.hold_id <= (select last from range)
    )
    select json_build_object('upto', (select upto from piece),
                             'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- The next p_most payments. p_after is a row of two: gateway and payment_id, as JSON.
create or replace function holdfast.audit_payments(p_after json, p_most integer, p_told_since timestamptz) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with piece as materialized (
        select p.gateway, p.payment_id from holdfast.payment p where (p.gateway, p.payment_id) > (p_after ->> 0, p_after ->> 1)
        order by p.gateway, p.payment_id limit p_most
    ), finding as (
        select distinct on (v.subject, v.check_name) v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw
        from piece p join holdfast.payment_violation v on v.gateway = p.gateway and v.payment_id = p.payment_id
        where v.needs_event_of is null or v.needs_event_of >= p_told_since
        order by v.subject, v.check_name, v.expected desc
    )
    select json_build_object(
        'upto', (select case when count(*) = p_most then (select json_build_array(gateway, payment_id)::text from piece
                                                          order by gateway desc, payment_id desc limit 1) end from piece),
        'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- The next p_most events.
create or replace function holdfast.audit_events(p_after uuid, p_most integer) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with piece as materialized (
        select (select e.event_id from holdfast.event_outbox e where e.event_id > p_after
                order by e.event_id offset p_most - 1 limit 1) as upto
    ), finding as (
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw from holdfast.event_violation v
        where v.event_id > p_after
          and v.event_id <= (select coalesce(upto, 'ffffffff-ffff-ffff-ffff-ffffffffffff') from piece)
    )
    select json_build_object('upto', (select upto from piece),
                             'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- All gateways: there are few.
create or replace function holdfast.audit_reconciliation() returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('upto', null, 'found', (
        select coalesce(json_agg(f), '[]') from (
            select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw from holdfast.gateway_violation v) f));
end;

-- A sale at a time, as `audit_sales`.
create or replace function holdfast.audit_rankings(p_after text) returns json
language sql stable set search_path = holdfast, pg_temp
begin atomic
    with one as materialized (
        select s.sale_id from holdfast.sale s where s.sale_id > p_after order by s.sale_id limit 1
    ), finding as (
        select v.check_name, v.subject, v.sale_id, v.expected, v.found, v.saw
        from holdfast.ranking_violation v where v.sale_id = (select sale_id from one)
    )
    select json_build_object('upto', (select sale_id from one),
                             'found', (select coalesce(json_agg(f), '[]') from finding f));
end;

-- The next piece of a part: {part, after, upto, found}; upto null: the part is through. p_keep_s: for how long events
-- are kept at least; what is older than that may have been removed.
create or replace function holdfast.audit_look(p_part text, p_most integer, p_keep_s double precision) returns json
language plpgsql stable security definer set search_path = holdfast, pg_temp
as $$
declare
    v_after      text := (select c.upto from audit_cursor c where c.part = p_part);
    v_told_since timestamptz := clock_timestamp() - make_interval(secs => p_keep_s);
    v_none       constant uuid := '00000000-0000-0000-0000-000000000000';
    v_seen       json := case p_part
        when 'sales' then audit_sales(v_after, v_told_since)
        when 'holds' then audit_holds(coalesce(nullif(v_after, '')::uuid, v_none), p_most, v_told_since)
        when 'payments' then audit_payments(coalesce(nullif(v_after, ''), '["",""]')::json, p_most, v_told_since)
        when 'events' then audit_events(coalesce(nullif(v_after, '')::uuid, v_none), p_most)
        when 'reconciliation' then audit_reconciliation()
        when 'rankings' then audit_rankings(v_after) end;
begin
    return json_build_object('part', p_part, 'after', v_after, 'upto', v_seen -> 'upto', 'found', v_seen -> 'found');
end
$$;

-- Records what `audit_look` saw, writes an event for each new finding, and moves the cursor: {found, told, through}.
create or replace function holdfast.audit_write(p_look json) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_part  constant text := p_look ->> 'part';
    v_upto  constant text := p_look ->> 'upto';
    v_now   constant timestamptz := clock_timestamp();
    v_began timestamptz;
    v_told  bigint;
begin
    with written as (
        insert into audit_finding as f (part, check_name, subject, sale_id, expected, found, saw, first_seen_at, last_seen_at)
        select v_part, r.check_name, r.subject, r.sale_id, r.expected, r.found, r.saw, v_now, v_now
        from json_to_recordset(p_look -> 'found') as r
            (check_name text, subject text, sale_id text, expected bigint, found bigint, saw json)
        order by r.check_name, r.subject
        on conflict (check_name, subject) where gone_at is null do update set last_seen_at = v_now
        returning f.*
    ), told as (
        insert into event_outbox (event_type, sale_id, data)
        select 'AuditFinding', w.sale_id, json_build_object(
            'finding_id', w.finding_id, 'check', w.check_name, 'subject', w.subject, 'sale_id', w.sale_id,
            'expected', w.expected, 'found', w.found, 'saw', w.saw, 'seen_at', rfc3339(w.first_seen_at))
        from written w where w.first_seen_at = v_now returning 1
    )
    select count(*) into v_told from told;

    -- Another audit of the same piece may have moved the cursor already.
    update audit_cursor c set upto = coalesce(v_upto, ''), began_at = case when v_upto is null then v_now else c.began_at end
    from audit_cursor before
    where c.part = v_part and before.part = c.part and c.upto = p_look ->> 'after' returning before.began_at into v_began;
    if found and v_upto is null then
        update audit_finding f set gone_at = v_now
        where f.part = v_part and f.gone_at is null and f.last_seen_at <= v_began;
    end if;
    return json_build_object('found', json_array_length(p_look -> 'found'), 'told', v_told, 'through', v_upto is null);
end
$$;

revoke execute on function holdfast.audit_sales(text, timestamptz), holdfast.audit_holds(uuid, integer, timestamptz),
    holdfast.audit_payments(json, integer, timestamptz), holdfast.audit_events(uuid, integer), holdfast.audit_reconciliation(),
    holdfast.audit_rankings(text),
    holdfast.audit_look(text, integer, double precision), holdfast.audit_write(json) from public;
grant execute on function holdfast.audit_look(text, integer, double precision), holdfast.audit_write(json)
    to holdfast_audit;

comment on table  holdfast.audit_finding            is 'What did not agree, as it was seen. What it is about is never corrected; a finding that is gone is removed when dead letters are.';
comment on column holdfast.audit_finding.check_name is 'What was compared: a rule of holdfast.invariant.';
