-- Release: a buyer gives a hold back, and its stock returns at once.
--
-- Locks:      reservation_hold, user_active_hold, inventory_counter by sku_id.
-- Keeps:      stock comes back once: only from HOLD, judged after the row is locked.
-- Isolation:  READ COMMITTED or above.
-- A retry:    the same answer: a hold that is RELEASED is answered as it was.

create or replace function holdfast.release(p_user_id text, p_hold_id uuid) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold   reservation_hold;
    v_status text;
begin
    select * into v_hold from reservation_hold h
    where h.hold_id = p_hold_id and h.user_id = p_user_id for update;
    if not found then
        return json_build_object('outcome', 'not_found');
    end if;

    v_status := hold_status_now(v_hold);
    -- While the money for it is being taken it cannot be given away.
    if v_status in ('COMMITTED', 'EXPIRED') or v_status = 'HOLD' and exists (
        select from payment_attempt a where a.hold_id = p_hold_id and a.state = 'CAPTURING')
    then
        return json_build_object('outcome', 'hold_not_active', 'hold_status', v_status);
    end if;
    if v_status = 'HOLD' then
        perform close_holds(v_hold.sale_id, array[p_hold_id], 'RELEASED', clock_timestamp());
    end if;
    -- moved: whether stock came back by this call. An earlier release has returned it already.
    return json_build_object('outcome', 'released', 'hold', hold_json(v_hold, 'RELEASED'), 'moved', v_status = 'HOLD');
end
$$;

revoke execute on function holdfast.release(text, uuid) from public;
grant execute on function holdfast.release(text, uuid) to holdfast_release;
