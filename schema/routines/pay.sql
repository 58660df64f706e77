-- Pay: T2 without a gateway, for a hold that costs nothing. A wallet that pays for one is to come the same way.
--
-- Locks:      reservation_hold, then those of T2 (confirm.sql), which looks at it again.
-- Keeps:      what costs something is not sold for nothing; an order has one payment here too: of 0, by the method's name
--             in place of a gateway's, with the hold's id.
-- Isolation:  READ COMMITTED or above; judged by clock_timestamp() after the hold is locked.
-- A retry:    the same order. So does a hold that was paid in whatever other way.

create or replace function holdfast.pay(p_user_id text, p_hold_id uuid, p_method text) returns json
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold   reservation_hold;
    v_status text;
    v_paid   json;
begin
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id and h.user_id = p_user_id for update;
    if not found then
        return json_build_object('outcome', 'not_found');
    end if;
    v_status := hold_status_now(v_hold);
    if v_status = 'COMMITTED' then
        return (select json_build_object('outcome', 'confirmed', 'order_id', o.order_id)
                from orders o where o.hold_id = p_hold_id);
    end if;
    if v_status <> 'HOLD' then
        return json_build_object('outcome', 'hold_not_active', 'hold_status', v_status);
    end if;
    if v_hold.total_amount > 0 then
        -- There are no wallets yet.
        return case p_method when 'wallet'
            then json_build_object('outcome', 'insufficient_balance', 'balance', 0, 'required', v_hold.total_amount)
            else json_build_object('outcome', 'costs_something') end;
    end if;
    v_paid := confirm(p_method, p_hold_id::text, p_hold_id::text, p_hold_id, p_user_id, 0, v_hold.currency);
    if v_paid ->> 'result' <> 'confirmed' then
        -- It has ended since the clock was read. Nothing was paid, so there is nothing to refund, and no row stays.
        raise exception 'the hold % ended under its lock', p_hold_id using errcode = 'serialization_failure';
    end if;
    return json_build_object('outcome', 'confirmed', 'order_id', v_paid ->> 'order_id');
end
$$;

revoke execute on function holdfast.pay(text, uuid, text) from public;
grant execute on function holdfast.pay(text, uuid, text) to holdfast_confirm;
