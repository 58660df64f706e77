-- Change: the lines of a hold become others, all or none. It is T1 for what is added and a release for what is given up,
-- in one transaction, at the same end.
--
-- Locks:      reservation_hold, user_active_hold by sku_id (rows of SKUs that the hold did not have), inventory_counter by
--             sku_id. What is waited for at user_active_hold is a row that another transaction is inserting: a reservation,
--             or a change of another hold, of the same user. Neither waits for this hold.
-- Keeps:      what T1 keeps: available >= 0, one active hold per user and SKU, max_per_user. One version a change; a SKU that
--             was in the hold keeps its price.
-- Isolation:  READ COMMITTED: each statement sees what committed before it began. Above it, a conflict is a serialization
--             error, and the same change may be sent again.
-- A retry:    finds the lines as they were asked for, and answers the hold.

-- p_version: of the hold that the caller has seen. The lines, each SKU once, in the order in which they are shown.
-- A refusal leaves no row. o_lapsed: holds past their end stand in the way, or did a moment ago, and the refusal would be
-- wrong: roll back, reclaim them (o_sale_id, o_sku_ids, o_qtys say for what), retry.
create or replace function holdfast.change_lines(
    p_user_id text, p_hold_id uuid, p_version bigint, p_sku_ids text[], p_qtys integer[], p_take_back boolean,
    out o_answer json, out o_lapsed boolean, out o_sale_id text, out o_sku_ids text[], out o_qtys integer[])
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold    reservation_hold;
    v_granted json;
    v_sale    sale;
    v_status  text;
    v_refused refused_line;
    v_moved   text[];     -- the SKUs of which it has more or fewer afterwards, in their order, ...
    v_more    bigint[];   -- ... how many more, ...
    v_stock   bigint[];   -- ... and what their counters have
    v_was     text[];     -- the SKUs that it had, ...
    v_prices  bigint[];   -- ... with their prices
    v_cooled  timestamptz;
begin
    perform assert_batch(1, cardinality(p_sku_ids));
    o_lapsed := false;
    select * into v_hold from reservation_hold h where h.hold_id = p_hold_id and h.user_id = p_user_id for update;
    if not found then
        o_answer := json_build_object('outcome', 'no_such_hold');
        return;
    end if;
    v_status := hold_status_now(v_hold);
    -- While the money for it is being taken it stays what it is taken for.
    if v_status <> 'HOLD' or exists (
        select from payment_attempt a where a.hold_id = p_hold_id and a.state = 'CAPTURING')
    then
        o_answer := json_build_object('outcome', 'hold_not_active', 'hold_status', v_status);
        return;
    end if;

    select array_agg(l.sku_id order by l.sku_id), array_agg(l.more order by l.sku_id) into v_moved, v_more
    from (select coalesce(n.sku_id, i.sku_id) as sku_id, coalesce(n.qty, 0)::bigint - coalesce(i.qty, 0) as more
          from (select i.sku_id, i.qty from reservation_hold_item i where i.hold_id = p_hold_id) i
          full join unnest(p_sku_ids, p_qtys) as n (sku_id, qty) on n.sku_id = i.sku_id) l
    where l.more <> 0;
    if v_moved is null then
        o_answer := json_build_object('outcome', 'changed', 'hold', hold_json(v_hold, 'HOLD'), 'returned', false);
        return;
    end if;
    if v_hold.version <> p_version then
        o_answer := json_build_object('outcome', 'precondition_failed', 'version', v_hold.version);
        return;
    end if;

    -- T1's refusals, in their order and by its rules: what is asked for more is what may be too many.
    o_sale_id := v_hold.sale_id;
    select coalesce(array_agg(m.sku_id), '{}'), coalesce(array_agg(m.more::integer), '{}') into o_sku_ids, o_qtys
    from unnest(v_moved, v_more) as m (sku_id, more) where m.more > 0;
    select * into v_sale from sale s where s.sale_id = v_hold.sale_id;
    v_status := sale_status(v_sale);
    v_cooled := clock_timestamp() - make_interval(secs => v_sale.lapse_cooldown_s);
    v_refused := (
        select line.refused
        from (select case
                  when k.sku_id is null then ('not_found', false, l.at)::refused_line
                  when v_status <> 'open' then ('sale_not_open', false, l.at)::refused_line
                  when a.hold_id <> p_hold_id then ('already_holding', false, l.at)::refused_line
                  when m.more > 0 and l.qty + coalesce(b.bought, 0) > k.max_per_user
                      then ('limit_reached', false, l.at)::refused_line
                  when v_sale.lapse_cooldown_s > 0 and a.hold_id is null and b.lapsed_at > v_cooled
                      then ('limit_reached', true, l.at)::refused_line
                  when m.more > c.available then ('sold_out', false, l.at)::refused_line end as refused
              from unnest(p_sku_ids, p_qtys) with ordinality as l (sku_id, qty, at)
              left join unnest(v_moved, v_more) as m (sku_id, more) on m.sku_id = l.sku_id
              left join sku k on (k.sale_id, k.sku_id) = (v_hold.sale_id, l.sku_id)
              left join inventory_counter c on (c.sale_id, c.sku_id) = (v_hold.sale_id, l.sku_id)
              -- By its whole key each (OFFSET 0): see close_holds.
              left join lateral (select x.hold_id from user_active_hold x
                                 where (x.sale_id, x.user_id, x.sku_id) = (v_hold.sale_id, p_user_id, l.sku_id) offset 0) a on true
              left join lateral (select x.bought, x.lapsed_at from buyer_history x
                                 where (x.sale_id, x.user_id, x.sku_id) = (v_hold.sale_id, p_user_id, l.sku_id) offset 0) b on true) line
        where line.refused is not null order by line.refused limit 1);

    -- As if it were granted; what is refused after all is taken back to here.
    begin
        if v_refused is not null then
            raise sqlstate 'HF001';
        end if;
        v_granted := coalesce(v_hold.granted_as, hold_json(v_hold, 'HOLD'));
        delete from user_active_hold a
        where (a.sale_id, a.user_id, a.hold_id) = (v_hold.sale_id, p_user_id, p_hold_id) and a.sku_id <> all (p_sku_ids);
        -- Where another transaction inserts the same row, the unique constraint ends this attempt, and the caller retries.
        insert into user_active_hold (sale_id, user_id, sku_id, hold_id)
        select v_hold.sale_id, p_user_id, n.sku_id, p_hold_id from unnest(p_sku_ids) as n (sku_id)
        where not exists (select from reservation_hold_item i where i.hold_id = p_hold_id and i.sku_id = n.sku_id)
        order by n.sku_id;
        -- What stays keeps its price.
        select array_agg(i.sku_id), array_agg(i.unit_price) into v_was, v_prices
        from reservation_hold_item i where i.hold_id = p_hold_id;
        delete from reservation_hold_item i where i.hold_id = p_hold_id;
        insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
        select p_hold_id, n.sku_id, n.qty, coalesce(v_prices[array_position(v_was, n.sku_id)], k.unit_price), n.at
        from unnest(p_sku_ids, p_qtys) with ordinality as n (sku_id, qty, at)
        join sku k on (k.sale_id, k.sku_id) = (v_hold.sale_id, n.sku_id);
        update reservation_hold h set
            total_amount = (select sum(i.qty * i.unit_price) from reservation_hold_item i where i.hold_id = p_hold_id),
            version = h.version + 1, granted_as = v_granted
        where h.hold_id = p_hold_id and h.version = p_version
        returning * into v_hold;

        -- The counters, locked; then, seen by a statement that begins after that, whether the sale is still open (a pause
        -- takes the same locks) and what the buyer has bought (see reserve.sql).
        select array_agg(c.available order by m.at) into v_stock
        from unnest(v_moved) with ordinality as m (sku_id, at)
        cross join lateral (select c.available from inventory_counter c
                            where (c.sale_id, c.sku_id) = (v_hold.sale_id, m.sku_id) for update) c;
        v_status := (select sale_status(s) from sale s where s.sale_id = v_hold.sale_id);
        v_refused := (
            select line.refused
            from (select case
                      when v_status <> 'open' then ('sale_not_open', false, l.at)::refused_line
                      when m.more > 0 and l.qty + coalesce(b.bought, 0) > k.max_per_user
                          then ('limit_reached', false, l.at)::refused_line
                      when m.more > m.available then ('sold_out', false, l.at)::refused_line end as refused
                  from unnest(p_sku_ids, p_qtys) with ordinality as l (sku_id, qty, at)
                  join sku k on (k.sale_id, k.sku_id) = (v_hold.sale_id, l.sku_id)
                  left join unnest(v_moved, v_more, v_stock) as m (sku_id, more, available) on m.sku_id = l.sku_id
                  left join lateral (select x.bought from buyer_history x
                                     where (x.sale_id, x.user_id, x.sku_id) = (v_hold.sale_id, p_user_id, l.sku_id) offset 0) b on true) line
            where line.refused is not null order by line.refused limit 1);
        if v_refused is not null then
            raise sqlstate 'HF001';
        end if;

        update inventory_counter c set available = c.available - m.more
        from unnest(v_moved, v_more) as m (sku_id, more)
        where (c.sale_id, c.sku_id) = (v_hold.sale_id, m.sku_id);
        insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, hold_version)
        select v_hold.sale_id, m.sku_id, case when m.more > 0 then 'CHANGE_DEBIT' else 'CHANGE_CREDIT' end, -m.more,
               p_hold_id, v_hold.version
        from unnest(v_moved, v_more) as m (sku_id, more);
        insert into event_outbox (event_type, sale_id, hold_id, data)
        select 'HoldChanged', v_hold.sale_id, p_hold_id, json_build_object(
            'hold_id', p_hold_id, 'sale_id', v_hold.sale_id, 'user_id', p_user_id, 'version', v_hold.version,
            'items', hold_json(v_hold, 'HOLD') -> 'items', 'total_amount', v_hold.total_amount,
            'currency', v_hold.currency);
        o_answer := json_build_object('outcome', 'changed', 'hold', hold_json(v_hold, 'HOLD'), 'returned', 0 > any (v_more));
        return;
    exception when sqlstate 'HF001' then
        null;
    end;

    o_lapsed := p_take_back and lapsed_in_the_way(
        o_sale_id, array[p_user_id], array_fill(1, array[cardinality(o_sku_ids)]), o_sku_ids, (v_refused).why = 'sold_out');
    if p_take_back and not o_lapsed and (v_refused).why = 'sold_out' then
        -- Nothing waits for the sweep any more; but if that is because it was swept after we had looked at the stock, its
        -- pieces are there now.
        o_lapsed := exists (
            select from unnest(o_sku_ids, o_qtys) as more (sku_id, qty)
            join inventory_counter c on (c.sale_id, c.sku_id) = (o_sale_id, more.sku_id)
            where more.sku_id = p_sku_ids[(v_refused).line] and c.available >= more.qty);
    end if;
    o_answer := case (v_refused).why
        when 'sold_out' then sold_out(o_sale_id, p_sku_ids[(v_refused).line], (
            select c.available from inventory_counter c
            where (c.sale_id, c.sku_id) = (o_sale_id, p_sku_ids[(v_refused).line])))
        else coalesce(
            refusal_json((v_refused).why, (v_refused).waits, v_sale, v_status, p_user_id, null, null,
                         p_sku_ids[(v_refused).line]),
            -- What was read a moment ago is gone already: a retry succeeds.
            json_build_object('outcome', 'request_in_progress')) end;
end
$$;

-- Lapsed holds in the way are taken back in transactions of their own, as in T1.
create or replace procedure holdfast.change_hold(
    p_user_id text, p_hold_id uuid, p_version bigint, p_sku_ids text[], p_qtys integer[], inout o_answer json)
language plpgsql
as $$
declare
    v_done     record;
    v_conflict text;
    v_more     boolean;
    v_tries    integer := 0;
    v_rounds   integer := 0;
    -- Taking back is work for others: what is left of it after a second is the sweep's.
    v_until    constant timestamptz := clock_timestamp() + interval '1 second';
begin
    perform holdfast.assert_durable();
    loop
        begin
            select c.* into v_done from holdfast.change_lines(
                p_user_id, p_hold_id, p_version, p_sku_ids, p_qtys, v_rounds < 10 and clock_timestamp() < v_until) c;
            exit when not v_done.o_lapsed;
        exception when unique_violation then
            -- Another transaction has inserted the same row and committed: a retry reads it.
            get stacked diagnostics v_conflict = constraint_name;
            if v_conflict <> 'user_active_hold_one_each' then
                raise;
            end if;
            v_tries := v_tries + 1;
            if v_tries > 20 then
                raise exception 'others keep planting the same rows' using errcode = 'serialization_failure';
            end if;
            continue;
        end;
        rollback;
        v_rounds := v_rounds + 1;
        loop
            v_more := holdfast.reclaim_lapsed(v_done.o_sale_id, array[p_user_id], array_fill(1, array[cardinality(v_done.o_sku_ids)]),
                                              v_done.o_sku_ids, v_done.o_qtys);
            commit;
            exit when not v_more or clock_timestamp() > v_until;
        end loop;
    end loop;
    o_answer := v_done.o_answer;
    -- It tells of a hold, which T1 may have granted a moment ago and not have on disk yet.
    if o_answer ->> 'outcome' in ('changed', 'already_holding') then
        perform holdfast.barrier();
    end if;
end
$$;

revoke execute on function holdfast.change_lines(text, uuid, bigint, text[], integer[], boolean) from public;
revoke execute on procedure holdfast.change_hold(text, uuid, bigint, text[], integer[], json) from public;
grant execute on function holdfast.change_lines(text, uuid, bigint, text[], integer[], boolean) to holdfast_release;
grant execute on procedure holdfast.change_hold(text, uuid, bigint, text[], integer[], json) to holdfast_release;
-- It takes back what lapsed before it refuses, as T1 does.
grant execute on function holdfast.reclaim_lapsed(text, text[], integer[], text[], integer[]) to holdfast_release;
