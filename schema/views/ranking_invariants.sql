-- The invariant of the rankings. Columns and use as in invariants.sql, which names its rules.

-- Rankings: what `relay` has counted (rankings.sql) is what the orders and counters say, but for what waits to be fanned out.
-- Read for one sale at a time. ------------------------------------------------------------------------------------------

create or replace view holdfast.ranking_violation as
select k.sale_id, k.sku_id, c.check_name, k.sale_id || '/' || k.sku_id as subject, c.expected, c.found,
       null::timestamptz as needs_event_of, to_json(k) as saw
from (
    select k.sale_id, k.sku_id, coalesce(c.total, 0) - coalesce(waits.stock, 0) as stock,
           (coalesce(lines.qty, 0) - coalesce(waits.sold, 0))::bigint as sold,
           (coalesce(recent.qty, 0) - coalesce(waits.ranked, 0))::bigint as ranked,
           coalesce(counted.total, 0) as stock_counted, coalesce(counted.sold, 0) as sold_counted,
           coalesce(hours.sold, 0)::bigint as hours, coalesce(seconds.sold, 0)::bigint as seconds
    from holdfast.sku k
    left join holdfast.inventory_counter c on c.sale_id = k.sale_id and c.sku_id = k.sku_id
    left join holdfast.sku_sold counted on counted.sale_id = k.sale_id and counted.sku_id = k.sku_id
    left join (
        select i.sale_id, i.sku_id, sum(i.qty) as qty from holdfast.order_items i
        group by i.sale_id, i.sku_id) lines on lines.sale_id = k.sale_id and lines.sku_id = k.sku_id
    left join (
        select o.sale_id, i.sku_id, sum(i.qty) as qty
        from holdfast.orders o join holdfast.reservation_hold_item i on i.hold_id = o.hold_id
        where o.status <> 'CANCELLED' and o.created_at >= holdfast.counted_since()
        group by o.sale_id, i.sku_id) recent on recent.sale_id = k.sale_id and recent.sku_id = k.sku_id
    left join (
        select w.sale_id, w.sku_id, sum(w.stock)::bigint as stock, sum(w.sold) as sold,
               sum(w.ranked) filter (where w.at >= holdfast.counted_since()) as ranked
        from holdfast.change_told w where w.fanned_out_at is null
        group by w.sale_id, w.sku_id) waits on waits.sale_id = k.sale_id and waits.sku_id = k.sku_id
    left join (
        select b.sale_id, b.sku_id, sum(b.sold) as sold from holdfast.sold_bucket b
        where b.grain_s = 3600 and b.began_at >= holdfast.counted_since()
        group by b.sale_id, b.sku_id) hours on hours.sale_id = k.sale_id and hours.sku_id = k.sku_id
    left join (
        select b.sale_id, b.sku_id, sum(b.sold) as sold from holdfast.sold_bucket b
        where b.grain_s = 10 and b.began_at >= holdfast.counted_since()
        group by b.sale_id, b.sku_id) seconds on seconds.sale_id = k.sale_id and seconds.sku_id = k.sku_id
) k
cross join lateral (values
    ('ranking_stock', k.stock, k.stock_counted),
    ('ranking_sold', k.sold, k.sold_counted),
    ('ranking_hours', k.ranked, k.hours),
    ('ranking_seconds', k.ranked, k.seconds)
) as c (check_name, expected, found)
where c.expected <> c.found;
