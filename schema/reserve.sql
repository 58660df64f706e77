-- T1, reserve: up to 100 reservations of one sale in one transaction. Each has its own answer and is all or
-- nothing by itself; what is left is granted in the order of arrival.
--
-- Locks:      idempotency by (user_id, idem_key), user_active_hold by (user_id, sku_id), reservation_hold (new rows),
--             inventory_counter by sku_id. Everybody takes them in this order, or two batches wait for each other.
-- Keeps:      available >= 0; one active hold per user and SKU; max_per_user; a key grants once.
-- Isolation:  READ COMMITTED (each statement sees what committed before it began); above it, a conflict is a
--             serialization error, and the same batch may be sent again.
-- A retry:    the same key gets what was granted then. Only a granted reservation uses its key up: a refusal
--             leaves no row behind.
--
-- Three calls: `reserve`, the procedure the function calls, takes lapsed holds out of the way, commits and passes
-- the barrier; `reserve_batch` is T1 itself. A procedure with the definer's rights may not commit, so the outer one
-- has the caller's.

-- The answer to a key that was used before.
create or replace function holdfast.stored_reservation(p_user_id text, p_idem_key text, p_fingerprint bytea) returns json
language sql stable
begin atomic
    select case when i.fingerprint = p_fingerprint
        then json_build_object('outcome', 'granted', 'hold', holdfast.hold_json(h, 'HOLD'), 'replayed', true)
        else json_build_object('outcome', 'idempotency_key_reused') end
    from holdfast.idempotency i join holdfast.reservation_hold h using (hold_id)
    where i.user_id = p_user_id and i.idem_key = p_idem_key;
end;

-- Line j of the batch is p_sku_ids[j], p_qtys[j], and belongs to reservation p_line_of[j]; lines of one reservation
-- stand together, in the order of arrival. o_told: whether an answer tells somebody of a hold.
create or replace function holdfast.reserve_batch(
    p_sale_id text, p_user_ids text[], p_idem_keys text[], p_fingerprints bytea[],
    p_line_of integer[], p_sku_ids text[], p_qtys integer[], out o_answers json[], out o_told boolean)
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_sale      sale;
    v_left      integer[];  -- reservations still without an answer, in order of arrival
    v_hold_ids  uuid[];     -- what each would be granted
    v_skus      text[];     -- the locked counters ...
    v_stock     bigint[];   -- ... and what this batch has left of them
    v_rows      bigint;
    v_now       timestamptz;
    v_n         integer;
    v_at        integer;
    v_sku       integer;
    v_lost      integer[];
begin
    select * into v_sale from sale s where s.sale_id = p_sale_id;

    -- Look before you write: whoever can be refused by reading alone costs no lock and no row.
    select array_agg(case
            when used.hold_id is not null then stored_reservation(asked.user_id, asked.idem_key, asked.fingerprint)
            when asked.n > asked.first_n then json_build_object('outcome', 'request_in_progress')
            when v_sale.sale_id is null then json_build_object('outcome', 'not_found')
            when line.unknown is not null then json_build_object('outcome', 'not_found', 'sku_id', p_sku_ids[line.unknown])
            when sale_status(v_sale) <> 'open' then sale_not_open(v_sale)
            when line.holding is not null then (
                select json_build_object('outcome', 'already_holding', 'hold_id', a.hold_id, 'sku_id', a.sku_id)
                from user_active_hold a
                where (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, asked.user_id, p_sku_ids[line.holding]))
            when line.over is not null then (
                select json_build_object('outcome', 'limit_reached', 'sku_id', k.sku_id, 'max_per_user', k.max_per_user)
                from sku k where (k.sale_id, k.sku_id) = (p_sale_id, p_sku_ids[line.over]))
            when line.short is not null then (
                select json_build_object('outcome', 'sold_out', 'sku_id', c.sku_id, 'available', c.available)
                from inventory_counter c where (c.sale_id, c.sku_id) = (p_sale_id, p_sku_ids[line.short]))
        end order by asked.n), bool_or(used.hold_id is not null or line.holding is not null)
    into o_answers, o_told
    from (select a.*, min(a.n) over (partition by a.user_id) as first_n
          from unnest(p_user_ids, p_idem_keys, p_fingerprints) with ordinality as a (user_id, idem_key, fingerprint, n)) asked
    join (select l.n, min(l.at) filter (where k.sku_id is null) as unknown,
                 min(l.at) filter (where a.hold_id is not null) as holding,
                 min(l.at) filter (where l.qty + bought.qty > k.max_per_user) as over,
                 min(l.at) filter (where c.available < l.qty) as short
          from unnest(p_line_of, p_sku_ids, p_qtys) with ordinality as l (n, sku_id, qty, at)
          left join sku k on (k.sale_id, k.sku_id) = (p_sale_id, l.sku_id)
          left join inventory_counter c on (c.sale_id, c.sku_id) = (p_sale_id, l.sku_id)
          left join user_active_hold a on (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, p_user_ids[l.n], l.sku_id)
          cross join lateral (select coalesce(sum(o.qty), 0) as qty from order_items o
                              where (o.sale_id, o.user_id, o.sku_id) = (p_sale_id, p_user_ids[l.n], l.sku_id)) bought
          group by l.n) line on line.n = asked.n
    left join idempotency used on (used.user_id, used.idem_key) = (asked.user_id, asked.idem_key);

    v_left := unanswered(o_answers);
    if v_left = '{}' then
        return;
    end if;
    select array_agg(uuidv7()) into v_hold_ids from generate_subscripts(p_user_ids, 1);

    -- 1. The flag. A row that is not planted is somebody else's, committed while we waited for it.
    insert into idempotency (user_id, idem_key, fingerprint, hold_id)
    select p_user_ids[n], p_idem_keys[n], p_fingerprints[n], v_hold_ids[n] from unnest(v_left) as n
    order by 1, 2
    on conflict on constraint idempotency_pkey do nothing;
    get diagnostics v_rows = row_count;
    if v_rows < cardinality(v_left) then
        o_told := true;
        foreach v_n in array v_left loop
            if not exists (select from idempotency i where (i.user_id, i.idem_key, i.hold_id)
                           = (p_user_ids[v_n], p_idem_keys[v_n], v_hold_ids[v_n])) then
                o_answers[v_n] := coalesce(stored_reservation(p_user_ids[v_n], p_idem_keys[v_n], p_fingerprints[v_n]),
                                           json_build_object('outcome', 'request_in_progress'));
            end if;
        end loop;
        v_left := unanswered(o_answers);
    end if;

    -- 2. One active hold per user and SKU: from here on nothing else of this user can be granted on these SKUs.
    insert into user_active_hold (sale_id, user_id, sku_id, hold_id)
    select p_sale_id, p_user_ids[l.n], l.sku_id, v_hold_ids[l.n]
    from unnest(p_line_of, p_sku_ids) as l (n, sku_id) where l.n = any (v_left)
    order by 2, 3
    on conflict on constraint user_active_hold_one_each do nothing;
    get diagnostics v_rows = row_count;
    if v_rows < (select count(*) from unnest(p_line_of) as n where n = any (v_left)) then
        o_told := true;
        for v_n, v_at in
            select l.n, min(l.at) from unnest(p_line_of, p_sku_ids) with ordinality as l (n, sku_id, at)
            where l.n = any (v_left) and not exists (
                select from user_active_hold a where (a.sale_id, a.user_id, a.sku_id, a.hold_id)
                = (p_sale_id, p_user_ids[l.n], l.sku_id, v_hold_ids[l.n]))
            group by l.n
        loop
            -- Whoever held it may have let go since: then there is nothing to name, and asking again will do.
            o_answers[v_n] := coalesce(
                (select json_build_object('outcome', 'already_holding', 'hold_id', a.hold_id, 'sku_id', a.sku_id)
                 from user_active_hold a
                 where (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, p_user_ids[v_n], p_sku_ids[v_at])),
                json_build_object('outcome', 'request_in_progress'));
        end loop;
    end if;

    -- 3. Stock: the counters, locked; then, seen by statements that begin after that, whether the sale is still open
    -- (a pause takes the same locks) and what the users have bought.
    select array_agg(c.sku_id), array_agg(c.available) into v_skus, v_stock from (
        select c.sku_id, c.available from inventory_counter c
        where c.sale_id = p_sale_id and c.sku_id in (
            select p_sku_ids[at] from generate_subscripts(p_line_of, 1) as at
            where p_line_of[at] = any (v_left) and o_answers[p_line_of[at]] is null)
        order by c.sku_id for update) c;
    select * into v_sale from sale s where s.sale_id = p_sale_id;
    for v_n, v_at in
        select l.n, min(l.at) from unnest(p_line_of, p_sku_ids, p_qtys) with ordinality as l (n, sku_id, qty, at)
        join sku k on (k.sale_id, k.sku_id) = (p_sale_id, l.sku_id)
        where l.n = any (v_left) and o_answers[l.n] is null
          and l.qty + (select coalesce(sum(o.qty), 0) from order_items o
                       where (o.sale_id, o.user_id, o.sku_id) = (p_sale_id, p_user_ids[l.n], l.sku_id)) > k.max_per_user
        group by l.n
    loop
        o_answers[v_n] := (
            select json_build_object('outcome', 'limit_reached', 'sku_id', k.sku_id, 'max_per_user', k.max_per_user)
            from sku k where (k.sale_id, k.sku_id) = (p_sale_id, p_sku_ids[v_at]));
    end loop;

    -- In order of arrival: all lines of a reservation, or none.
    foreach v_n in array v_left loop
        if sale_status(v_sale) <> 'open' then
            o_answers[v_n] := coalesce(o_answers[v_n], sale_not_open(v_sale));
        end if;
        continue when o_answers[v_n] is not null;
        v_at := array_position(p_line_of, v_n);
        while p_line_of[v_at] = v_n loop
            v_sku := array_position(v_skus, p_sku_ids[v_at]);
            if v_stock[v_sku] < p_qtys[v_at] then
                o_answers[v_n] := json_build_object(
                    'outcome', 'sold_out', 'sku_id', p_sku_ids[v_at], 'available', v_stock[v_sku]);
                exit;
            end if;
            v_at := v_at + 1;
        end loop;
        continue when o_answers[v_n] is not null;
        v_at := array_position(p_line_of, v_n);
        while p_line_of[v_at] = v_n loop
            v_sku := array_position(v_skus, p_sku_ids[v_at]);
            v_stock[v_sku] := v_stock[v_sku] - p_qtys[v_at];
            v_at := v_at + 1;
        end loop;
    end loop;

    -- Who lost after planting leaves no trace.
    select array_agg(n) into v_lost from unnest(v_left) as n where o_answers[n] is not null;
    if v_lost is not null then
        delete from user_active_hold a using unnest(p_line_of, p_sku_ids) as l (n, sku_id)
        where l.n = any (v_lost)
          and (a.sale_id, a.user_id, a.sku_id, a.hold_id) = (p_sale_id, p_user_ids[l.n], l.sku_id, v_hold_ids[l.n]);
        delete from idempotency i using unnest(v_lost) as n
        where (i.user_id, i.idem_key, i.hold_id) = (p_user_ids[n], p_idem_keys[n], v_hold_ids[n]);
        v_left := unanswered(o_answers);
        if v_left = '{}' then
            return;
        end if;
    end if;

    -- 4. The holds and their lines. The clock is read with the locks held: nobody's five minutes were spent waiting.
    v_now := date_trunc('milliseconds', clock_timestamp());
    insert into reservation_hold (hold_id, sale_id, user_id, total_amount, currency, created_at, expire_at)
    select v_hold_ids[l.n], p_sale_id, p_user_ids[l.n], sum(l.qty * k.unit_price), v_sale.currency,
           v_now, v_now + make_interval(secs => v_sale.hold_ttl_s)
    from unnest(p_line_of, p_sku_ids, p_qtys) as l (n, sku_id, qty)
    join sku k on (k.sale_id, k.sku_id) = (p_sale_id, l.sku_id)
    where l.n = any (v_left) group by l.n;
    insert into reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
    select v_hold_ids[l.n], l.sku_id, l.qty, k.unit_price, l.at
    from unnest(p_line_of, p_sku_ids, p_qtys) with ordinality as l (n, sku_id, qty, at)
    join sku k on (k.sale_id, k.sku_id) = (p_sale_id, l.sku_id)
    where l.n = any (v_left);

    -- 5. The ledger.
    insert into inventory_ledger (sale_id, sku_id, event_type, qty, hold_id, created_at)
    select p_sale_id, l.sku_id, 'RESERVE_DEBIT', -l.qty, v_hold_ids[l.n], v_now
    from unnest(p_line_of, p_sku_ids, p_qtys) as l (n, sku_id, qty) where l.n = any (v_left);

    -- 6. The outbox, and the answers: the words of hold_json, for the whole batch in one go.
    with granted as (
        select l.n, json_build_object(
            'hold_id', v_hold_ids[l.n], 'sale_id', p_sale_id, 'user_id', p_user_ids[l.n], 'status', 'HOLD',
            'items', json_agg(json_build_object('sku_id', l.sku_id, 'qty', l.qty, 'unit_price', k.unit_price) order by l.at),
            'total_amount', sum(l.qty * k.unit_price), 'currency', v_sale.currency,
            'expire_at', rfc3339(v_now + make_interval(secs => v_sale.hold_ttl_s))) as hold
        from unnest(p_line_of, p_sku_ids, p_qtys) with ordinality as l (n, sku_id, qty, at)
        join sku k on (k.sale_id, k.sku_id) = (p_sale_id, l.sku_id)
        where l.n = any (v_left) group by l.n
    ), told as (
        insert into event_outbox (event_type, sale_id, hold_id, data, created_at)
        select 'ReservationCreated', p_sale_id, v_hold_ids[n], hold, v_now from granted
    )
    select array_agg(coalesce(o_answers[n], json_build_object('outcome', 'granted', 'hold', g.hold)) order by n)
    into o_answers
    from generate_subscripts(p_user_ids, 1) as n left join granted g using (n);
    o_told := true;

    -- 3 again, last because it is hot: the counter itself refuses what is not there.
    update inventory_counter c set available = c.available - taken.qty
    from (select l.sku_id, sum(l.qty) as qty from unnest(p_line_of, p_sku_ids, p_qtys) as l (n, sku_id, qty)
          where l.n = any (v_left) group by l.sku_id) taken
    where c.sale_id = p_sale_id and c.sku_id = taken.sku_id and c.available >= taken.qty;
    get diagnostics v_rows = row_count;
    if v_rows <> (select count(distinct p_sku_ids[at]) from generate_subscripts(p_line_of, 1) as at
                  where p_line_of[at] = any (v_left)) then
        raise exception 'a counter changed under its lock' using errcode = 'data_corrupted';
    end if;
end
$$;

-- Holds past their end that the sweep has not reached and that stand in this batch's way: the buyers' own, and
-- those that keep a SKU from being sold. To say "sold out" while they wait would be a lie.
create or replace function holdfast.take_back(
    p_sale_id text, p_user_ids text[], p_line_of integer[], p_sku_ids text[], p_qtys integer[]) returns boolean
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_hold_ids uuid[];
begin
    select array_agg(due.hold_id) into v_hold_ids from (
        select a.hold_id from unnest(p_line_of, p_sku_ids) as l (n, sku_id)
        join user_active_hold a on (a.sale_id, a.user_id, a.sku_id) = (p_sale_id, p_user_ids[l.n], l.sku_id)
        union
        select h.hold_id from (
            select h.hold_id from reservation_hold h
            where h.status = 'HOLD' and h.expire_at <= clock_timestamp() and h.sale_id = p_sale_id and exists (
                select from reservation_hold_item i
                join (select l.sku_id, sum(l.qty) as qty from unnest(p_sku_ids, p_qtys) as l (sku_id, qty)
                      group by l.sku_id) wanted using (sku_id)
                join inventory_counter c on (c.sale_id, c.sku_id) = (p_sale_id, i.sku_id)
                where i.hold_id = h.hold_id and c.available < wanted.qty)
            order by h.expire_at limit 100) h) due;
    if v_hold_ids is null then
        return false;
    end if;

    -- Waits where the sweep skips: whoever has the row now is about to give the stock back, and so it is there
    -- when we look. In the order of their ids, so that two batches cannot wait for each other.
    select array_agg(h.hold_id) into v_hold_ids from (
        select h.hold_id from reservation_hold h
        where h.hold_id = any (v_hold_ids) and h.status = 'HOLD' and h.expire_at <= clock_timestamp()
        order by h.hold_id for update) h;
    if v_hold_ids is null then
        return false;
    end if;
    perform end_holds(p_sale_id, v_hold_ids, 'EXPIRED', clock_timestamp());
    return true;
end
$$;

-- p_early_release: let the counters go before the log is on disk. The work commits without waiting, which frees its
-- locks and fixes its place in the log; then a second transaction, empty but for a message, waits for the disk as
-- every commit does, and with it everything before it in the log. A crash in between loses only what nobody was told.
create or replace procedure holdfast.reserve(
    p_sale_id text, p_user_ids text[], p_idem_keys text[], p_fingerprints bytea[],
    p_line_of integer[], p_sku_ids text[], p_qtys integer[], p_early_release boolean, inout o_answers json)
language plpgsql
as $$
declare
    v_answers json[];
    v_told    boolean;
begin
    if p_early_release then
        perform set_config('synchronous_commit', 'off', true);
    end if;
    if holdfast.take_back(p_sale_id, p_user_ids, p_line_of, p_sku_ids, p_qtys) then
        commit;
        if p_early_release then
            perform set_config('synchronous_commit', 'off', true);
        end if;
    end if;

    select b.o_answers, b.o_told into v_answers, v_told from holdfast.reserve_batch(
        p_sale_id, p_user_ids, p_idem_keys, p_fingerprints, p_line_of, p_sku_ids, p_qtys) b;
    o_answers := array_to_json(v_answers);

    if p_early_release and v_told then
        commit;
        perform pg_logical_emit_message(true, 'holdfast', 'reserved');
    end if;
end
$$;

create or replace function holdfast.unanswered(p_answers json[]) returns integer[]
language sql immutable
return array(select a.n::integer from unnest(p_answers) with ordinality as a (answer, n) where a.answer is null order by a.n);

create or replace function holdfast.sale_not_open(p_sale holdfast.sale) returns json
language sql volatile
return json_build_object('outcome', 'sale_not_open', 'opens_at', holdfast.rfc3339(p_sale.opens_at),
                         'status', holdfast.sale_status(p_sale));

revoke execute on function holdfast.stored_reservation, holdfast.reserve_batch, holdfast.take_back,
                           holdfast.unanswered, holdfast.sale_not_open from public;
revoke execute on procedure holdfast.reserve from public;
grant execute on procedure holdfast.reserve to holdfast_reserve;
grant execute on function holdfast.reserve_batch, holdfast.take_back to holdfast_reserve;
