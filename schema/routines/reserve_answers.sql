-- The answers of T1 to a reservation that is refused, and to one that was granted before. Called by reserve.sql alone: no role
-- is granted anything here.
--
-- Locks:      none; it only reads.
-- Keeps:      a replay says what was granted then.
-- Isolation:  as reserve.sql, which calls both.
-- A retry:    reads again.

-- The answer to a key that was used before.
create or replace function holdfast.stored_reservation(p_user_id text, p_idem_key text, p_fingerprint bytea) returns json
language sql stable
begin atomic
    select case when i.fingerprint = p_fingerprint
        then json_build_object('outcome', 'granted', 'hold', coalesce(h.granted_as, holdfast.hold_json(h, 'HOLD')),
                               'replayed', true)
        else json_build_object('outcome', 'idempotency_key_reused') end
    from holdfast.idempotency i join holdfast.reservation_hold h using (hold_id)
    where i.user_id = p_user_id and i.idem_key = p_idem_key;
end;

-- The answer to one reservation that is refused: the refusal's name is its outcome. A key that was used for the same
-- request is answered by what it was granted. p_waits: the limit is not reached, but a hold on it lapsed unpaid, and the
-- buyer has to wait. p_status: the sale's status when the refusal was decided; by now it may be another. Null where it is
-- no longer so.
create or replace function holdfast.refusal_json(
    p_why holdfast.refusal, p_waits boolean, p_sale holdfast.sale, p_status text, p_user_id text, p_idem_key text,
    p_fingerprint bytea, p_sku_id text) returns json
language plpgsql set search_path = holdfast, pg_temp
as $$
begin
    return case p_why
        when 'idempotency_key_reused' then stored_reservation(p_user_id, p_idem_key, p_fingerprint)
        when 'request_in_progress' then json_build_object('outcome', p_why)
        when 'not_found' then case when p_sale.sale_id is null
            then json_build_object('outcome', p_why) else json_build_object('outcome', p_why, 'sku_id', p_sku_id) end
        when 'sale_not_open' then json_build_object('outcome', p_why, 'opens_at', rfc3339(p_sale.opens_at),
                                      'status', p_status, 'for_ms', status_stands_ms(p_sale, p_status))
        when 'already_holding' then (
            select json_build_object('outcome', p_why, 'hold_id', a.hold_id, 'sku_id', a.sku_id)
            from user_active_hold a
            where (a.sale_id, a.user_id, a.sku_id) = (p_sale.sale_id, p_user_id, p_sku_id))
        when 'limit_reached' then case when p_waits
            then (select json_build_object('outcome', p_why, 'sku_id', k.sku_id, 'max_per_user', k.max_per_user,
                         'retry_at', rfc3339(b.lapsed_at + make_interval(secs => p_sale.lapse_cooldown_s)))
                  from sku k join buyer_history b using (sale_id, sku_id)
                  where (k.sale_id, k.sku_id, b.user_id) = (p_sale.sale_id, p_sku_id, p_user_id)
                    and b.lapsed_at is not null)
            else (select json_build_object('outcome', p_why, 'sku_id', k.sku_id, 'max_per_user', k.max_per_user)
                  from sku k where (k.sale_id, k.sku_id) = (p_sale.sale_id, p_sku_id)) end end;
end
$$;

revoke execute on function holdfast.stored_reservation(text, text, bytea),
    holdfast.refusal_json(holdfast.refusal, boolean, holdfast.sale, text, text, text, bytea, text) from public;

-- The parameters that it had in a release before.
drop function if exists holdfast.refusal_json(holdfast.refusal, boolean, holdfast.sale, text, text, bytea, text);
