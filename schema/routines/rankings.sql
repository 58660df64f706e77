-- Rankings: what sold most in an hour, a day and a week, and which sales were sold out fastest.
--
-- `fan_out` (relay.sql) calls `count_sold` with the events of its batch, in its transaction: an event is counted exactly
-- when it is fanned out. `rank` makes the lists of it, and `look_up_ranking` reads one row, however much was sold.
--
-- Locks:      count_sold: sku_sold, sold_bucket, sale_sold_out, each in key order, within fan_out's turn. rank: the four rows of
--             ranking, skipping locked rows. remove_sold: buckets that are over, skipping locked rows. None of them touches
--             a row that T1, T2 or T3 reads or writes.
-- Keeps:      buckets and sku_sold agree with the orders whose events were fanned out (`ranking_violation` in
--             schema/views/ranking_invariants.sql); what was sold out once stays so.
-- Isolation:  READ COMMITTED.
-- A retry:    count_sold is retried with its fan_out; rank ranks again.

-- For how long buckets are counted at least: longer than the longest window, and shorter than they are kept.
create or replace function holdfast.sold_horizon() returns timestamptz
language sql volatile return clock_timestamp() - interval '7 days 1 hour';

-- Since when the audit compares: whole buckets, all of which are kept.
create or replace function holdfast.counted_since() returns timestamptz
language sql stable return date_bin('1 hour', statement_timestamp() - interval '7 days', 'epoch');

-- What events did to SKUs: `sold` pieces to the orders that stand, `ranked` pieces to the windows (an order that was
-- returned was sold all the same), `stock` to the total. `at`: when the order was confirmed, or when the stock changed.
-- The lines of an order are its hold's: a cancelled order has none of its own.
create or replace view holdfast.change_told as
select e.event_id, e.fanned_out_at, e.seq, e.sale_id, i.sku_id, e.event_type = 'OrderConfirmed' as is_order, o.created_at as at,
       case e.event_type when 'OrderConfirmed' then i.qty else -i.qty end::bigint as sold,
       case e.event_type when 'OrderConfirmed' then i.qty when 'OrderCancelled' then -i.qty else 0 end::bigint as ranked,
       0::bigint as stock
from holdfast.event_outbox e
join holdfast.orders o on o.hold_id = e.hold_id
join holdfast.reservation_hold_item i on i.hold_id = e.hold_id
where e.event_type in ('OrderConfirmed', 'OrderCancelled', 'OrderStatusChanged')
  -- One that was returned and has kept its lines is still sold.
  and (e.event_type <> 'OrderStatusChanged' or e.data ->> 'status' = 'RETURNED'
       and not exists (select from holdfast.order_items k where k.order_id = o.order_id))
union all
select e.event_id, e.fanned_out_at, e.seq, e.sale_id, e.data ->> 'sku_id', false, e.created_at, 0, 0, (e.data ->> 'delta')::bigint
from holdfast.event_outbox e where e.event_type = 'StockAdjusted';
comment on view holdfast.change_told is 'What events did to SKUs, for the rankings.';
-- Until owner.sql has given it the view: `fan_out` runs with its rights.
grant select on holdfast.change_told to holdfast_owner;

-- Sales of these whose SKUs have all been sold out once, and which were not before. A SKU without stock has nothing to sell.
create or replace function holdfast.note_sold_out(p_sale_ids text[]) returns void
language sql volatile
begin atomic
    insert into holdfast.sale_sold_out (sale_id, sold_out_at, took_ms)
    select s.sale_id, max(c.sold_out_at), greatest(0, 1000 * extract(epoch from max(c.sold_out_at) - s.opens_at))::bigint
    from holdfast.sale s
    join holdfast.sku k on k.sale_id = s.sale_id
    left join holdfast.sku_sold c on c.sale_id = k.sale_id and c.sku_id = k.sku_id
    where s.sale_id = any (p_sale_ids)
      and not exists (select from holdfast.sale_sold_out known where known.sale_id = s.sale_id)
    group by s.sale_id
    having bool_and(c.sold_out_at is not null or coalesce(c.total, 0) = 0) and count(c.sold_out_at) > 0
    order by s.sale_id
    on conflict on constraint sale_sold_out_pkey do nothing;
end;

-- Counts a batch of events. The caller has fan_out's turn, and marks them in the same transaction.
create or replace function holdfast.count_sold(p_event_ids uuid[]) returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_horizon  constant timestamptz := sold_horizon();
    v_sale_ids text[];
begin
    with change as materialized (
        select * from change_told t where t.event_id = any (p_event_ids)
    ), after_each as (
        -- A SKU after each of its changes, one after the other.
        select c.*,
               coalesce(k.sold, 0) + sum(c.sold) over upto as sold_now,
               coalesce(k.total, 0) + sum(c.stock) over upto as total_now,
               -- Orders of one moment may be told in another order than they were confirmed in: the last one is the moment.
               case when c.is_order then greatest(k.last_sold_at, max(c.at) filter (where c.is_order) over upto)
                    else c.at end as moment
        from change c left join sku_sold k on k.sale_id = c.sale_id and k.sku_id = c.sku_id
        window upto as (partition by c.sale_id, c.sku_id order by c.seq rows unbounded preceding)
    ), kept as (
        insert into sku_sold as k (sale_id, sku_id, total, sold, first_sold_at, last_sold_at, sold_out_at)
        select a.sale_id, a.sku_id, sum(a.stock), sum(a.sold), min(a.at) filter (where a.is_order),
               max(a.at) filter (where a.is_order),
               (array_agg(a.moment order by a.seq) filter (where a.sold_now = a.total_now and a.sold_now > 0))[1]
        from after_each a group by a.sale_id, a.sku_id order by a.sale_id, a.sku_id
        on conflict on constraint sku_sold_pkey do update set
            total = k.total + excluded.total,
            sold = k.sold + excluded.sold,
            first_sold_at = least(k.first_sold_at, excluded.first_sold_at),
            last_sold_at = greatest(k.last_sold_at, excluded.last_sold_at),
            sold_out_at = coalesce(k.sold_out_at, excluded.sold_out_at)
        returning k.sale_id
    ), counted as (
        insert into sold_bucket as b (grain_s, began_at, sale_id, sku_id, sold)
        select g.grain_s, date_bin(make_interval(secs => g.grain_s), c.at, 'epoch'), c.sale_id, c.sku_id, sum(c.ranked)
        from change c cross join (values (10), (3600)) as g (grain_s)
        where c.at >= v_horizon and c.ranked <> 0
        group by 1, 2, 3, 4 having sum(c.ranked) <> 0 order by 3, 4, 1, 2
        on conflict on constraint sold_bucket_pkey do update set sold = b.sold + excluded.sold
    )
    select array_agg(distinct kept.sale_id) into v_sale_ids from kept;
    if v_sale_ids is not null then
        perform note_sold_out(v_sale_ids);
    end if;
end
$$;

-- Counts all orders anew: after routines of a release without rankings have fanned events out, and the first time. What is
-- not fanned out yet is left to `count_sold`. Of a SKU that was sold out before it was looked at, the last order is the
-- moment; a moment that is known stays.
create or replace function holdfast.recount_sold() returns void
language plpgsql set search_path = holdfast, pg_temp
as $$
declare
    v_horizon constant timestamptz := sold_horizon();
    v_waiting uuid[];
begin
    perform from fan_out_turn for update;
    v_waiting := array(select hold_id from event_outbox where fanned_out_at is null and event_type = 'OrderConfirmed');
    delete from sold_bucket;
    update sku_sold set total = 0, sold = 0;
    with line as (
        select o.hold_id, o.sale_id, i.sku_id, o.created_at as at, i.qty::bigint as qty, o.status <> 'CANCELLED' as ranked,
               exists (select from order_items k where k.order_id = o.order_id) as stands
        from orders o join reservation_hold_item i on i.hold_id = o.hold_id
    ), change as (
        select l.sale_id, l.sku_id, l.at, case when l.ranked then l.qty else 0 end as ranked,
               case when l.stands then l.qty else 0 end as sold, 0::bigint as stock, l.hold_id <> all (v_waiting) as is_order
        from line l
        union all
        select c.sale_id, c.sku_id, null, 0, 0, c.total, false from inventory_counter c
        union all
        select w.sale_id, w.sku_id, w.at, -w.ranked, -w.sold, -w.stock, false from change_told w
        where w.fanned_out_at is null
    ), kept as (
        insert into sku_sold as k (sale_id, sku_id, total, sold, first_sold_at, last_sold_at, sold_out_at)
        select c.sale_id, c.sku_id, sum(c.stock), sum(c.sold), min(c.at) filter (where c.is_order),
               max(c.at) filter (where c.is_order),
               case when sum(c.sold) = sum(c.stock) and sum(c.sold) > 0 then max(c.at) filter (where c.is_order) end
        from change c group by c.sale_id, c.sku_id order by c.sale_id, c.sku_id
        on conflict on constraint sku_sold_pkey do update set
            total = excluded.total,
            sold = excluded.sold,
            first_sold_at = least(k.first_sold_at, excluded.first_sold_at),
            last_sold_at = greatest(k.last_sold_at, excluded.last_sold_at),
            sold_out_at = coalesce(k.sold_out_at, excluded.sold_out_at)
    )
    insert into sold_bucket (grain_s, began_at, sale_id, sku_id, sold)
    select g.grain_s, date_bin(make_interval(secs => g.grain_s), c.at, 'epoch'), c.sale_id, c.sku_id, sum(c.ranked)
    from change c cross join (values (10), (3600)) as g (grain_s)
    where c.at >= v_horizon and c.ranked <> 0
    group by 1, 2, 3, 4 having sum(c.ranked) <> 0;
    perform note_sold_out(array(select sale_id from sale));
end
$$;

-- The most sold SKUs since then, as they are shown. Whole hours, and the ten seconds of the hour that the window begins in:
-- it is exact to ten seconds, and reads an hour of the small buckets, whatever its length.
create or replace function holdfast.ranked_skus(p_window interval, p_now timestamptz) returns json
language sql volatile
begin atomic
    with edge as (
        select date_bin('10 s', p_now - p_window, 'epoch') + interval '10 s' as since,
               date_bin('1 hour', p_now - p_window + interval '10 s', 'epoch') + interval '1 hour' as whole_since
    ), piece as (
        select b.sale_id, b.sku_id, b.sold from edge join holdfast.sold_bucket b
            on b.grain_s = 3600 and b.began_at >= edge.whole_since
        union all
        select b.sale_id, b.sku_id, b.sold from edge join holdfast.sold_bucket b
            on b.grain_s = 10 and b.began_at >= edge.since and b.began_at < edge.whole_since
    ), ranked as (
        select row_number() over (order by p.sold desc, c.first_sold_at, k.sku_id collate "C", k.sale_id collate "C") as rank,
               k.sale_id, k.sku_id, k.name, p.sold, s.name as sale_name
        from (select piece.sale_id, piece.sku_id, sum(piece.sold)::bigint as sold from piece
              group by piece.sale_id, piece.sku_id having sum(piece.sold) > 0) p
        join holdfast.sku k on k.sale_id = p.sale_id and k.sku_id = p.sku_id
        join holdfast.sale s on s.sale_id = k.sale_id and s.status <> 'draft'
        join holdfast.sku_sold c on c.sale_id = k.sale_id and c.sku_id = k.sku_id
        order by rank limit 100
    )
    select coalesce(json_agg(json_build_object('rank', r.rank, 'sale_id', r.sale_id, 'sku_id', r.sku_id, 'name', r.name,
                                               'sold', r.sold, 'sale_name', r.sale_name) order by r.rank), '[]')
    from ranked r;
end;

create or replace function holdfast.ranked_sales() returns json
language sql volatile
begin atomic
    select coalesce(json_agg(json_build_object('rank', r.rank, 'sale_id', r.sale_id, 'name', r.name,
                                               'sold_out_in_s', r.took_ms / 1000) order by r.rank), '[]')
    from (select row_number() over (order by o.took_ms, o.sale_id) as rank, s.sale_id, s.name, o.took_ms
          from holdfast.sale_sold_out o join holdfast.sale s on s.sale_id = o.sale_id and s.status <> 'draft'
          order by o.took_ms, o.sale_id limit 100) r;
end;

-- Ranks again what is older than p_every_s; whether there was such a one. Called after what there is was fanned out.
create or replace function holdfast.rank(p_every_s double precision) returns boolean
language plpgsql security definer set search_path = holdfast, pg_temp
as $$
declare
    v_now   constant timestamptz := clock_timestamp();
    v_names text[];
begin
    -- A clock that was set back leaves what seems to be of the future.
    v_names := array(
        select r.name from ranking r
        where r.as_of <= v_now - make_interval(secs => p_every_s) or r.as_of > v_now
        order by r.name for update skip locked);
    update ranking r set as_of = v_now, ranked = case r.name
        when '1h' then ranked_skus('1 hour', v_now)
        when '24h' then ranked_skus('24 hours', v_now)
        when '7d' then ranked_skus('7 days', v_now)
        else ranked_sales() end
    where r.name = any (v_names);
    return v_names <> '{}';
end
$$;

-- A ranking as it is shown: all hundred, of which the edge shows as many as were asked for. Null: there is none of that name.
create or replace function holdfast.look_up_ranking(p_name text) returns json
language sql stable security definer set search_path = holdfast, pg_temp
begin atomic
    select json_build_object('as_of', holdfast.rfc3339(r.as_of), 'ranked', r.ranked)
    from holdfast.ranking r where r.name = p_name;
end;

-- Removes buckets that no window will count any more; how many.
create or replace function holdfast.remove_sold(p_most integer) returns integer
language plpgsql security definer set search_path = holdfast, pg_temp set lock_timeout = '100ms'
as $$
declare
    v_before constant timestamptz := clock_timestamp() - interval '8 days';
    v_n      integer;
begin
    with old as materialized (
        select b.grain_s, b.began_at, b.sale_id, b.sku_id
        from (values (10), (3600)) as g (grain_s) cross join lateral (
            select k.* from sold_bucket k where k.grain_s = g.grain_s and k.began_at < v_before
            order by k.began_at limit p_most for update skip locked) b
    )
    delete from sold_bucket b using old
    where (b.grain_s, b.began_at, b.sale_id, b.sku_id) = (old.grain_s, old.began_at, old.sale_id, old.sku_id);
    get diagnostics v_n = row_count;
    return v_n;
end
$$;

revoke execute on function holdfast.sold_horizon(), holdfast.counted_since(), holdfast.note_sold_out(text[]),
    holdfast.count_sold(uuid[]), holdfast.recount_sold(), holdfast.ranked_skus(interval, timestamptz),
    holdfast.ranked_sales(), holdfast.rank(double precision), holdfast.look_up_ranking(text),
    holdfast.remove_sold(integer) from public;
grant execute on function holdfast.rank(double precision), holdfast.remove_sold(integer) to holdfast_relay;
grant execute on function holdfast.look_up_ranking(text) to holdfast_lookup;
