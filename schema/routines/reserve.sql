-- T1, reserve: up to 100 reservations of one sale in one transaction. Each has its own answer and is all or
-- nothing by itself; what is left is granted in the order of arrival.
--
-- Locks:      idempotency by (user_id, idem_key), user_active_hold by (user_id, sku_id), reservation_hold (new rows),
--             inventory_counter by sku_id. Every transaction takes them in this order, or two batches wait for each
--             other.
-- Keeps:      available >= 0; one active hold per user and SKU; max_per_user; a key grants once.
-- Isolation:  READ COMMITTED (each statement sees what committed before it began); above it, a conflict is a
--             serialization error, and the same batch may be sent again.
-- A retry:    the same key gets what was granted then. Only a granted reservation uses its key up: a refusal
--             leaves no row behind.
--
-- The way of a batch: `look` (reads alone, and most refusals end here), `write` (every row, as if all were granted),
-- then the counters, locked last because they are hot and held only until the commit; a reservation that has lost a
-- race by then is removed again before it can be seen. `reserve`, the procedure the function calls, commits and passes
-- the barrier: a procedure with the definer's rights may not commit, so the outer one has the caller's.

-- Earlier forms of what follows.
drop function if exists holdfast.unanswered(json[]), holdfast.sale_not_open(holdfast.sale),
    holdfast.reserve_batch(text, text[], text[], bytea[], integer[], text[], integer[]),
    holdfast.refusal(integer, holdfast.sale, text, text, bytea, text);

-- Line j of the batch is p_sku_ids[j], p_qtys[j], and belongs to reservation p_line_of[j]; lines of one reservation
-- stand together, in the order of arrival. o_told: whether an answer reveals a hold. o_lapsed: holds past their end
-- stand in the way, or did a moment ago, and a refusal because of them would be wrong: roll back, reclaim them, retry.
create or replace function holdfast.reserve_batch(
    p_sale_id text, p_user_ids text[], p_idem_keys text[], p_fingerprints bytea[],
    p_line_of integer[], p_sku_ids text[], p_qtys integer[], p_take_back boolean,
    out o_answers json[], out o_told boolean, out o_lapsed boolean)
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_sale      sale;
    v_status    text;
    v_cooled    timestamptz;  -- who let a hold lapse after this has to wait
    v_skus      text[];     -- the batch's SKUs, each once, ...
    v_prices    bigint[];   -- ... with their prices, ...
    v_limits    integer[];  -- ... their max_per_user, ...
    v_stock     bigint[];   -- ... what their counters have, ...
    v_taken     bigint[];   -- ... and what this batch takes of it
    v_sku_of    integer[];  -- for each line: which of them
    v_known     text[];     -- users who have a hold or a history of one of these SKUs: all others hold and have bought nothing
    v_bought    text[];     -- what they have bought of each SKU
    v_changed   boolean;
    v_twice     boolean;
    v_why       refusal[];  -- for each reservation: null, or why it is refused, ...
    v_waits     boolean[];  -- ... whether a limit is reached only for a while, ...
    v_at        integer[];  -- ... and which line it is refused for
    v_refused   bigint;
    v_short     json[];     -- for each SKU: that it is sold out
    v_hold_ids  uuid[];
    v_now       timestamptz;
    v_expire_at timestamptz;
    v_decimals  integer;    -- of the sale's currency
    v_until     text;       -- v_expire_at, as it is shown
    v_enough    boolean;
    v_over      integer[];  -- lines that would exceed their buyer's limit
    v_left      bigint;
    v_lost      integer[];
    v_rows      bigint;
    v_n         integer;
    v_j         integer;
begin
    perform assert_batch(cardinality(p_user_ids), cardinality(p_sku_ids));
    o_told := false;
    o_lapsed := false;
    -- To a buyer there is no such sale as a draft.
    select * into v_sale from sale s where s.sale_id = p_sale_id and s.status <> 'draft';
    v_status := sale_status(v_sale);
    v_cooled := clock_timestamp() - make_interval(secs => v_sale.lapse_cooldown_s);
    select array_agg(k.sku_id), array_agg(k.unit_price), array_agg(k.max_per_user), array_agg(c.available)
    into v_skus, v_prices, v_limits, v_stock
    from sku k join inventory_counter c using (sale_id, sku_id)
    where k.sale_id = p_sale_id and k.sku_id = any (p_sku_ids);
    v_sku_of := array(select array_position(v_skus, sku_id) from unnest(p_sku_ids) as sku_id);

    -- Read before writing: a reservation that reading alone can refuse costs no lock and no row. Of a buyer at most one
    -- row for each of the batch's SKUs is read, and one for the key, whatever their history.
    select array(select a.user_id from user_active_hold a
                 where a.sale_id = p_sale_id and a.user_id = any (p_user_ids) and a.sku_id = any (v_skus)
                 union all
                 select b.user_id from buyer_history b
                 where b.sale_id = p_sale_id and b.user_id = any (p_user_ids) and b.sku_id = any (v_skus)),
           (select array_agg((b.user_id, b.sku_id, b.bought)::text order by b.user_id, b.sku_id)
            from buyer_history b
            where b.sale_id = p_sale_id and b.user_id = any (p_user_ids) and b.sku_id = any (v_skus) and b.bought > 0),
           (select count(distinct user_id) < count(*) from unnest(p_user_ids) as user_id)
    into v_known, v_bought, v_twice;
    -- Values and no EXISTS: of a table that is empty when the plan is made, that may be answered by reading it whole.
    -- Of a reservation's lines the one whose refusal comes first in the order of `refusal`, and of equals the first line.
    select array_agg((line.refused).why), array_agg((line.refused).waits), array_agg((line.refused).line), count(line.refused)
    into v_why, v_waits, v_at, v_refused
    from (select distinct on (l.n) l.n, case
                 when l.n is distinct from p_line_of[l.at - 1] and (
                     select true from idempotency i where (i.user_id, i.idem_key) = (p_user_ids[l.n], p_idem_keys[l.n]))
                     then ('idempotency_key_reused', false, l.at)::refused_line
                 when v_twice and array_position(p_user_ids, p_user_ids[l.n]) < l.n
                     then ('request_in_progress', false, l.at)::refused_line
                 when v_sale.sale_id is null or l.sku is null then ('not_found', false, l.at)::refused_line
                 when v_status <> 'open' then ('sale_not_open', false, l.at)::refused_line
                 when p_user_ids[l.n] = any (v_known) and (
                     select true from user_active_hold a
                     where (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, p_user_ids[l.n], p_sku_ids[l.at]))
                     then ('already_holding', false, l.at)::refused_line
                 when l.qty + case when p_user_ids[l.n] = any (v_known) then coalesce((
                     select b.bought from buyer_history b
                     where (b.sale_id, b.user_id, b.sku_id) = (p_sale_id, p_user_ids[l.n], p_sku_ids[l.at])), 0) else 0 end
                     > v_limits[l.sku] then ('limit_reached', false, l.at)::refused_line
                 when v_sale.lapse_cooldown_s > 0 and p_user_ids[l.n] = any (v_known) and (
                     select true from buyer_history b
                     where (b.sale_id, b.user_id, b.sku_id) = (p_sale_id, p_user_ids[l.n], p_sku_ids[l.at])
                       and b.lapsed_at > v_cooled) then ('limit_reached', true, l.at)::refused_line
                 when l.qty > v_stock[l.sku] then ('sold_out', false, l.at)::refused_line end as refused
          from unnest(p_line_of, v_sku_of, p_qtys) with ordinality as l (n, sku, qty, at)
          order by l.n, refused) line;
    o_answers := array_fill(null::json, array[cardinality(v_why)]);
    if v_refused > 0 then
        -- Of those that are not refused `v_why` is null, and a comparison with them is neither true nor false.
        o_lapsed := p_take_back and lapsed_in_the_way(p_sale_id, p_user_ids, p_line_of, p_sku_ids,
                                                      coalesce('sold_out' = any (v_why), false));
        if not o_lapsed and 'sold_out' = any (v_why) then
            -- Nothing waits for the sweep any more; but if that is because it was swept after we had looked at the
            -- stock, its pieces are there now. So are those of an order that was over a limit when we looked at the
            -- stock, and cancelled when we looked at the orders: however often we look, it is looked at again.
            -- In a statement of its own: it must see what this last one saw, or more.
            o_lapsed := exists (
                select from unnest(v_skus, v_stock) as seen (sku_id, available)
                join inventory_counter c on (c.sale_id, c.sku_id) = (p_sale_id, seen.sku_id)
                where c.available > seen.available);
        end if;
        if o_lapsed then
            return;
        end if;
        for v_n in 1 .. cardinality(v_why) loop
            continue when v_why[v_n] is null;
            -- Computed once for a SKU, however many request it: when it is sold out, all of them do.
            if v_why[v_n] = 'sold_out' then
                v_j := v_sku_of[v_at[v_n]];
                v_short[v_j] := coalesce(v_short[v_j], sold_out(p_sale_id, v_skus[v_j], v_stock[v_j]));
                o_answers[v_n] := v_short[v_j];
                continue;
            end if;
            -- What was read a moment ago may be gone already: then a retry succeeds.
            o_answers[v_n] := coalesce(
                refusal_json(v_why[v_n], v_waits[v_n], v_sale, v_status, p_user_ids[v_n], p_idem_keys[v_n],
                             p_fingerprints[v_n], p_sku_ids[v_at[v_n]]),
                refusal_json('request_in_progress', false, v_sale, v_status, null, null, null, null));
            o_told := o_told or v_why[v_n] in ('idempotency_key_reused', 'already_holding');
        end loop;
        if v_refused = cardinality(v_why) then
            return;
        end if;
    end if;

    -- Steps 1, 2, 4, 5 and 6 as one statement, as if all of them were granted. The flag first, then the active hold,
    -- each in the order of the users, or two batches wait for each other; where another transaction inserted a row
    -- since we read, the unique constraint ends this attempt, and `reserve` retries.
    v_now := date_trunc('milliseconds', clock_timestamp());
    v_expire_at := v_now + make_interval(secs => v_sale.hold_ttl_s);
    v_decimals := currency_decimals(v_sale.currency);
    v_until := rfc3339(v_expire_at);
    v_hold_ids := array(select uuidv7() from generate_subscripts(p_user_ids, 1));
    with line as materialized (
        select l.n, p_sku_ids[l.at] as sku_id, l.qty, l.at, v_prices[l.sku] as unit_price
        from unnest(p_line_of, v_sku_of, p_qtys) with ordinality as l (n, sku, qty, at)
        where v_why[l.n] is null
    ), granted as materialized (
        select n, total_amount, hold_text(v_hold_ids[n], p_sale_id, 'HOLD', p_user_ids[n], items, total_amount, v_sale.currency,
                                          v_decimals, 1, v_until, null)::json as hold
        from (select n, sum(qty * unit_price)::bigint as total_amount,
                     string_agg(hold_item_text(sku_id, qty, unit_price), ',' order by at) as items
              from line group by n) whole
    ), flag as (
        insert into idempotency (user_id, idem_key, fingerprint, hold_id)
        select p_user_ids[n], p_idem_keys[n], p_fingerprints[n], v_hold_ids[n] from granted order by 1
        returning 1
    ), active as (
        insert into user_active_hold (sale_id, user_id, sku_id, hold_id)
        select p_sale_id, p_user_ids[n], sku_id, v_hold_ids[n] from line order by 2, 3
        returning 1
    ), hold as (
        insert into reservation_hold (hold_id, sale_id, user_id, total_amount, currency, created_at, expire_at)
        select v_hold_ids[n], p_sale_id, p_user_ids[n], total_amount, v_sale.currency, v_now, v_expire_at from granted
    ), item as (
        insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
        select v_hold_ids[n], sku_id, qty, unit_price, at from line
    ), debit as (
        insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
        select p_sale_id, sku_id, 'RESERVE_DEBIT', -qty, v_hold_ids[n], v_now from line
    ), told as (
        insert into event_outbox (event_id, event_type, sale_id, hold_id, data, created_at)
        select v_hold_ids[n], 'ReservationCreated', p_sale_id, v_hold_ids[n], hold, v_now from granted
    )
    -- Counted, so that these two are written before the others, in this order.
    select array_agg(answer order by n), (select count(*) from flag), (select count(*) from active)
    into o_answers, v_rows, v_rows
    from (select n, json_build_object('outcome', 'granted', 'hold', hold) as answer from granted
          union all select n, o_answers[n] from generate_subscripts(o_answers, 1) as n where v_why[n] is not null) told;
    o_told := true;

    -- 3. Stock: the counters, locked; then, seen by a statement that begins after that, whether the sale is still open
    -- (a pause takes the same locks) and what the users have bought.
    select array_agg(wanted.qty order by wanted.sku), array_agg(c.available order by wanted.sku), bool_and(c.available >= wanted.qty)
    into v_taken, v_stock, v_enough
    from (select sku, coalesce(sum(l.qty) filter (where v_why[l.n] is null), 0) as qty
          from unnest(p_line_of, v_sku_of, p_qtys) as l (n, sku, qty) where sku is not null group by sku order by v_skus[sku]) wanted
    cross join lateral (select c.available from inventory_counter c
                        where (c.sale_id, c.sku_id) = (p_sale_id, v_skus[wanted.sku]) for update) c;
    select sale_status(s), v_bought is distinct from (
        select array_agg((b.user_id, b.sku_id, b.bought)::text order by b.user_id, b.sku_id)
        from buyer_history b
        where b.sale_id = p_sale_id and b.user_id = any (p_user_ids) and b.sku_id = any (v_skus) and b.bought > 0)
    into v_status, v_changed from sale s where s.sale_id = p_sale_id;

    if v_status <> 'open' or v_changed or not v_enough then
        if p_take_back and not v_enough and lapsed_in_the_way(p_sale_id, p_user_ids, p_line_of, p_sku_ids, true) then
            o_lapsed := true;
            return;
        end if;
        v_over := array(
            select l.at from unnest(p_line_of, v_sku_of, p_qtys) with ordinality as l (n, sku, qty, at)
            where v_why[l.n] is null and l.qty + coalesce((
                select b.bought from buyer_history b where (b.sale_id, b.user_id, b.sku_id)
                = (p_sale_id, p_user_ids[l.n], p_sku_ids[l.at])), 0) > v_limits[l.sku]);

        -- Not all of them, then: in the order of arrival, all lines of a reservation or none.
        select * into v_sale from sale s where s.sale_id = p_sale_id;
        v_taken := array_fill(0::bigint, array[cardinality(v_skus)]);
        for v_n in 1 .. cardinality(v_why) loop
            continue when v_why[v_n] is not null;
            v_at[v_n] := (select min(at) from unnest(v_over) as at where p_line_of[at] = v_n);
            v_why[v_n] := case when v_status <> 'open' then 'sale_not_open' when v_at[v_n] is not null then 'limit_reached' end;
            v_j := array_position(p_line_of, v_n);
            while v_why[v_n] is null and p_line_of[v_j] = v_n loop
                v_left := v_stock[v_sku_of[v_j]] - v_taken[v_sku_of[v_j]];
                if v_left < p_qtys[v_j] then
                    v_why[v_n] := 'sold_out';
                    o_answers[v_n] := sold_out(p_sale_id, p_sku_ids[v_j], v_left);
                end if;
                v_j := v_j + 1;
            end loop;
            if v_why[v_n] in ('sale_not_open', 'limit_reached') then
                o_answers[v_n] := refusal_json(v_why[v_n], false, v_sale, v_status, null, null, null, p_sku_ids[v_at[v_n]]);
            end if;
            continue when v_why[v_n] is not null;
            v_j := array_position(p_line_of, v_n);
            while p_line_of[v_j] = v_n loop
                v_taken[v_sku_of[v_j]] := v_taken[v_sku_of[v_j]] + p_qtys[v_j];
                v_j := v_j + 1;
            end loop;
        end loop;

        -- A reservation that lost after all leaves no row.
        v_lost := array(select n from generate_subscripts(v_why, 1) as n where v_why[n] is not null);
        delete from event_outbox e using unnest(v_lost) as n where e.event_id = v_hold_ids[n];
        delete from inventory_ledger e using unnest(v_lost) as n where e.hold_id = v_hold_ids[n];
        delete from reservation_hold_item i using unnest(v_lost) as n where i.hold_id = v_hold_ids[n];
        delete from reservation_hold h using unnest(v_lost) as n where h.hold_id = v_hold_ids[n];
        delete from user_active_hold a using unnest(p_line_of, p_sku_ids) as l (n, sku_id)
        where v_why[l.n] is not null
          and (a.sale_id, a.user_id, a.sku_id, a.hold_id) = (p_sale_id, p_user_ids[l.n], l.sku_id, v_hold_ids[l.n]);
        delete from idempotency i using unnest(v_lost) as n
        where (i.user_id, i.idem_key, i.hold_id) = (p_user_ids[n], p_idem_keys[n], v_hold_ids[n]);
    end if;

    -- The counter itself refuses what is not there.
    update inventory_counter c set available = c.available - taken.qty
    from unnest(v_skus, v_taken) as taken (sku_id, qty)
    where c.sale_id = p_sale_id and c.sku_id = taken.sku_id and c.available >= taken.qty and taken.qty > 0;
    get diagnostics v_rows = row_count;
    if v_rows <> (select count(*) from unnest(v_taken) as qty where qty > 0) then
        raise exception 'a counter changed under its lock' using errcode = 'data_corrupted';
    end if;
end
$$;

-- p_early_release: let the counters go before the log is on disk. The work commits without waiting, which frees its
-- locks and fixes its place in the log; then a second transaction, empty but for a message, waits for the disk as every
-- commit does, and with it everything before it in the log. A crash in between loses only unanswered work. p_within_ms:
-- how long the caller waits for the answer; null: without a bound. A batch that cannot be answered in time is rolled
-- back: each of its answers is `too_late`, and no row is left.
create or replace procedure holdfast.reserve(
    p_sale_id text, p_user_ids text[], p_idem_keys text[], p_fingerprints bytea[],
    p_line_of integer[], p_sku_ids text[], p_qtys integer[], p_early_release boolean, p_within_ms integer,
    inout o_answers json)
language plpgsql
as $$
declare
    v_answers   json[];
    v_told      boolean;
    v_lapsed    boolean;
    v_late      boolean;  -- null: no deadline
    v_more      boolean;
    v_tries     integer := 0;
    v_rounds    integer := 0;
    v_conflict  text;
    v_until     constant timestamptz := clock_timestamp() + make_interval(secs => p_within_ms / 1000.0);
    -- Taking back is work for others: what is left of it after a second is the sweep's, and this batch comes again.
    v_enough_at constant timestamptz := clock_timestamp() + interval '1 second';
begin
    perform holdfast.assert_durable();
    loop
        if p_early_release then
            perform set_config('synchronous_commit', 'off', true);
        end if;
        begin
            -- Others' holds may lapse, and others may take what came back, as often as we look: not for ever.
            select b.o_answers, b.o_told, b.o_lapsed into v_answers, v_told, v_lapsed from holdfast.reserve_batch(
                p_sale_id, p_user_ids, p_idem_keys, p_fingerprints, p_line_of, p_sku_ids, p_qtys, v_rounds < 10) b;
            v_late := clock_timestamp() > v_until;
            exit when not v_lapsed and v_late is not true;
        exception when unique_violation then
            -- Another transaction has inserted the same row and committed: a retry reads it.
            get stacked diagnostics v_conflict = constraint_name;
            if v_conflict not in ('idempotency_pkey', 'user_active_hold_one_each') then
                raise;
            end if;
            v_tries := v_tries + 1;
            if v_tries > 20 then
                raise exception 'others keep planting the same rows' using errcode = 'serialization_failure';
            end if;
            continue;
        end;
        rollback;
        exit when v_late;
        v_rounds := v_rounds + 1;
        -- Until there is enough, or none is left.
        loop
            if p_early_release then
                perform set_config('synchronous_commit', 'off', true);
            end if;
            v_more := holdfast.reclaim_lapsed(p_sale_id, p_user_ids, p_line_of, p_sku_ids, p_qtys);
            commit;
            v_late := v_more and clock_timestamp() > v_enough_at;
            exit when v_late or not v_more;
        end loop;
        exit when v_late;
    end loop;

    o_answers := array_to_json(case when v_late
        then array_fill(json_build_object('outcome', 'too_late'), array[cardinality(p_user_ids)]) else v_answers end);
    if p_early_release and v_told and v_late is not true then
        commit;
        perform holdfast.barrier();
    end if;
end
$$;

-- The former form, for functions of the release before.
create or replace procedure holdfast.reserve(
    p_sale_id text, p_user_ids text[], p_idem_keys text[], p_fingerprints bytea[],
    p_line_of integer[], p_sku_ids text[], p_qtys integer[], p_early_release boolean, inout o_answers json)
language plpgsql
as $former$
begin
    call holdfast.reserve(p_sale_id, p_user_ids, p_idem_keys, p_fingerprints, p_line_of, p_sku_ids, p_qtys,
                          p_early_release, null, o_answers);
end
$former$;

revoke execute on function
    holdfast.reserve_batch(text, text[], text[], bytea[], integer[], text[], integer[], boolean) from public;
revoke execute on procedure
    holdfast.reserve(text, text[], text[], bytea[], integer[], text[], integer[], boolean, integer, json),
    holdfast.reserve(text, text[], text[], bytea[], integer[], text[], integer[], boolean, json) from public;
grant execute on procedure
    holdfast.reserve(text, text[], text[], bytea[], integer[], text[], integer[], boolean, integer, json),
    holdfast.reserve(text, text[], text[], bytea[], integer[], text[], integer[], boolean, json) to holdfast_reserve;
grant execute on function
    holdfast.reserve_batch(text, text[], text[], bytea[], integer[], text[], integer[], boolean) to holdfast_reserve;

-- The names and parameters that these had in releases before. Only routines called them, and all of those have been replaced by now.
drop function if exists holdfast.take_back(text, text[], integer[], text[], integer[]),
    holdfast.end_holds(text, uuid[], text, timestamptz), holdfast.status_stands_ms(holdfast.sale),
    holdfast.hold_text(uuid, text, text, text, text, bigint, text, integer, text, uuid);
