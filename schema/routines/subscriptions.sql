-- Subscriptions, and what every operation of an operator shares: the ledger, and the stored answers of Idempotency-Keys.
--
-- Locks:      an Idempotency-Key (advisory), subscription by subscription_id, delivery; refund.
-- Keeps:      every change leaves who, when and why in the ledger, in the transaction that makes it; a replayed
--             delivery takes its place in the order of its hold again.
-- Isolation:  READ COMMITTED or above.
-- A retry:    with an Idempotency-Key the stored answer; without one, nothing changes and the present state is the answer.
--
-- p_by is the operator: {"actor", "reason", "request_id"}.

create or replace function holdfast.write_operator_ledger(p_by json, p_action text, p_subject text, p_details json)
returns void language sql volatile
begin atomic
    insert into holdfast.operator_ledger (action, subject, actor, reason, request_id, details)
    values (p_action, p_subject, p_by ->> 'actor', p_by ->> 'reason', p_by ->> 'request_id', p_details);
end;

-- What was there before and what is there now, in the transaction that changes it.
create or replace function holdfast.write_operator_ledger(
    p_by json, p_action text, p_subject text, p_before json, p_after json)
returns void language sql volatile
begin atomic
    insert into holdfast.operator_ledger (action, subject, actor, reason, request_id, before, after)
    values (p_action, p_subject, coalesce(nullif(p_by ->> 'actor', ''), 'admin'), p_by ->> 'reason',
            coalesce(p_by ->> 'request_id', ''), p_before, p_after);
end;

-- Newest first, before p_before (null: from the newest): the entries are numbered as they are written, so what is added
-- meanwhile does not move a page.
create or replace function holdfast.operator_actions(p_before bigint, p_limit integer) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    with page as (
        select l.* from holdfast.operator_ledger l
        where l.entry_id < coalesce(p_before, 9223372036854775807) order by l.entry_id desc limit p_limit + 1
    ), shown as (
        select p.*, row_number() over (order by p.entry_id desc) as n from page p
    )
    select json_build_object('outcome', 'actions',
        'actions', coalesce(json_agg(json_build_object(
            'action_id', 'a' || to_hex(s.entry_id), 'action', s.action, 'subject', s.subject, 'actor', s.actor,
            'reason', s.reason, 'request_id', s.request_id, 'before', s.before, 'after', coalesce(s.after, s.details),
            'created_at', holdfast.rfc3339(s.created_at)) order by s.n) filter (where s.n <= p_limit), '[]'),
        'next', case when count(*) > p_limit then 'a' || to_hex(min(s.entry_id) filter (where s.n <= p_limit)) end)
    from shown s;
end;

-- The stored answer; null: go on, and another request with the same key waits. Without a key there is none.
create or replace function holdfast.stored_operation(p_idem_key text, p_fingerprint bytea) returns json
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    if p_idem_key is null then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(p_idem_key, 0));
    return (select case when r.fingerprint = p_fingerprint then (r.answer::jsonb || '{"replayed": true}')::json
                        else json_build_object('outcome', 'idempotency_key_reused') end
            from operator_request r where r.idem_key = p_idem_key);
end
$$;

create or replace function holdfast.store_operation(p_idem_key text, p_fingerprint bytea, p_answer json) returns json
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    if p_idem_key is not null then
        insert into operator_request (idem_key, fingerprint, answer) values (p_idem_key, p_fingerprint, p_answer);
    end if;
    return p_answer;
end
$$;

-- Subscriptions --------------------------------------------------------------------------------------------------

create or replace function holdfast.subscription_json(p_subscription holdfast.subscription) returns json
language sql volatile
return json_build_object(
    'subscription_id', (p_subscription).subscription_id,
    'kind', (p_subscription).kind,
    'endpoint', (p_subscription).endpoint,
    'event_types', (p_subscription).event_types,
    'status', lower((p_subscription).status),
    'status_reason', (p_subscription).status_reason,
    'status_since', holdfast.rfc3339((p_subscription).status_at),
    'breaker', (p_subscription).breaker,
    'breaker_since', holdfast.rfc3339((p_subscription).breaker_at),
    -- Counted up to 10 000: more makes no difference to an operator, and counting a million would take too long.
    'pending', (select count(*) from (
        select from holdfast.delivery d
        where d.subscription_id = (p_subscription).subscription_id and d.status = 'PENDING' limit 10000) p),
    'dead', (select count(*) from (
        select from holdfast.delivery d
        where d.subscription_id = (p_subscription).subscription_id and d.status = 'DEAD' limit 10000) p),
    'old_secret_until', case when (p_subscription).old_secret_until > clock_timestamp()
                        then holdfast.rfc3339((p_subscription).old_secret_until) end,
    'created_at', holdfast.rfc3339((p_subscription).created_at));

create or replace function holdfast.subscriptions() returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('outcome', 'subscriptions', 'subscriptions',
        coalesce(json_agg(holdfast.subscription_json(s) order by s.subscription_id), '[]'))
    from holdfast.subscription s where s.status <> 'DELETED';
end;

create or replace function holdfast.subscription_of(p_subscription_id uuid) returns json
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('outcome', 'subscription', 'subscription', holdfast.subscription_json(s))
    from holdfast.subscription s where s.subscription_id = p_subscription_id and s.status <> 'DELETED';
end;

-- p_most: the limit of subscriptions; each costs a row for every event.
create or replace function holdfast.create_subscription(
    p_by json, p_idem_key text, p_fingerprint bytea, p_kind text, p_endpoint text, p_event_types text[], p_secret text,
    p_most integer)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored       json := stored_operation(p_idem_key, p_fingerprint);
    v_subscription subscription;
begin
    if v_stored is not null then
        return v_stored;
    end if;
    if (select count(*) from subscription s where s.status <> 'DELETED') >= p_most then
        return json_build_object('outcome', 'too_many', 'most', p_most);
    end if;
    insert into subscription (kind, endpoint, event_types, secret) values (p_kind, p_endpoint, p_event_types, p_secret)
    returning * into v_subscription;
    perform write_operator_ledger(p_by, 'subscription_created', v_subscription.subscription_id::text, null,
                                  json_build_object('status', 'enabled', 'kind', p_kind, 'endpoint', p_endpoint, 'event_types', p_event_types));
    return store_operation(p_idem_key, p_fingerprint, json_build_object('outcome', 'created',
        'subscription', subscription_json(v_subscription), 'secret', p_secret));
end
$$;

create or replace function holdfast.set_subscription_status(p_by json, p_subscription_id uuid, p_status text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_subscription subscription;
    v_before       text;
begin
    select * into v_subscription from subscription s where s.subscription_id = p_subscription_id for no key update;
    v_before := lower(v_subscription.status);
    if not found or v_subscription.status = 'DELETED' and p_status <> 'DELETED' then
        return null;
    end if;
    if v_subscription.status <> p_status then
        update subscription s set status = p_status, gone = false, status_at = clock_timestamp(), status_reason = p_by ->> 'reason',
               failures = 0, breaker = 'closed', breaker_at = clock_timestamp(), breaker_until = null, breaker_opened = 0,
               secret = case p_status when 'DELETED' then null else s.secret end,
               old_secret = case p_status when 'DELETED' then null else s.old_secret end,
               old_secret_until = case p_status when 'DELETED' then null else s.old_secret_until end
        where s.subscription_id = p_subscription_id returning * into v_subscription;
        perform write_operator_ledger(p_by, 'subscription_' || lower(p_status), p_subscription_id::text,
                                      json_build_object('status', v_before), json_build_object('status', lower(p_status)));
    end if;
    return json_build_object('outcome', 'subscription', 'subscription', subscription_json(v_subscription));
end
$$;

-- The old secret stays good for p_overlap_s, so that a receiver can change over when it likes. Two at most are: one
-- that was on its way out already ends now.
create or replace function holdfast.rotate_secret(
    p_by json, p_idem_key text, p_fingerprint bytea, p_subscription_id uuid, p_secret text, p_overlap_s double precision)
returns json language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_stored       json := stored_operation(p_idem_key, p_fingerprint);
    v_subscription subscription;
    v_before       text;
begin
    if v_stored is not null then
        return v_stored;
    end if;
    v_before := (select rfc3339(s.old_secret_until) from subscription s
                 where s.subscription_id = p_subscription_id and s.old_secret_until > clock_timestamp() for update);
    update subscription s set secret = p_secret,
           old_secret = case when p_overlap_s > 0 then s.secret end,
           old_secret_until = case when p_overlap_s > 0 then clock_timestamp() + make_interval(secs => p_overlap_s) end
    where s.subscription_id = p_subscription_id and s.secret is not null returning * into v_subscription;
    if not found then
        return (select json_build_object('outcome', 'not_signed') from subscription s
                where s.subscription_id = p_subscription_id and s.status <> 'DELETED');
    end if;
    -- That there is another secret, and until when the one before it counts: no secret is written down here.
    perform write_operator_ledger(p_by, 'secret_rotated', p_subscription_id::text,
                                  json_build_object('old_secret_until', v_before),
                                  json_build_object('old_secret_until', rfc3339(v_subscription.old_secret_until)));
    return store_operation(p_idem_key, p_fingerprint, json_build_object('outcome', 'rotated',
        'subscription', subscription_json(v_subscription), 'secret', p_secret));
end
$$;

revoke execute on function holdfast.write_operator_ledger(json, text, text, json),
    holdfast.write_operator_ledger(json, text, text, json, json), holdfast.operator_actions(bigint, integer),
    holdfast.stored_operation(text, bytea), holdfast.store_operation(text, bytea, json),
    holdfast.subscription_json(holdfast.subscription), holdfast.subscriptions(), holdfast.subscription_of(uuid),
    holdfast.create_subscription(json, text, bytea, text, text, text[], text, integer),
    holdfast.set_subscription_status(json, uuid, text),
    holdfast.rotate_secret(json, text, bytea, uuid, text, double precision) from public;
grant execute on function holdfast.operator_actions(bigint, integer), holdfast.subscriptions(),
    holdfast.subscription_of(uuid),
    holdfast.create_subscription(json, text, bytea, text, text, text[], text, integer),
    holdfast.set_subscription_status(json, uuid, text),
    holdfast.rotate_secret(json, text, bytea, uuid, text, double precision) to holdfast_admin;
