-- T1 as the guide writes it: these statements, sent one by one in a transaction, in this order.
-- $1 sale, $2 user, $3 key, $4 fingerprint, $5 SKU, $6 quantity, $7 the hold's id.

-- 1
insert into holdfast.idempotency (user_id, idem_key, fingerprint, hold_id) values ($2, $3, $4, $7)
on conflict on constraint idempotency_pkey do nothing;
-- 2
insert into holdfast.user_active_hold (sale_id, user_id, sku_id, hold_id) values ($1, $2, $5, $7)
on conflict on constraint user_active_hold_one_each do nothing;
-- 2, the limit
select 1 from holdfast.sale s join holdfast.sku k using (sale_id)
where s.sale_id = $1 and k.sku_id = $5 and s.status = 'open' and $6 + (
    select coalesce(sum(o.qty), 0) from holdfast.order_items o
    where o.sale_id = $1 and o.user_id = $2 and o.sku_id = $5) <= k.max_per_user;
-- 3
update holdfast.inventory_counter set available = available - $6 where sale_id = $1 and sku_id = $5 and available >= $6;
-- 4
insert into holdfast.reservation_hold (hold_id, sale_id, user_id, total_amount, currency, created_at, expire_at)
select $7, $1, $2, $6 * k.unit_price, s.currency, now(), now() + make_interval(secs => s.hold_ttl_s)
from holdfast.sale s join holdfast.sku k using (sale_id) where s.sale_id = $1 and k.sku_id = $5;
-- 4, its line
insert into holdfast.reservation_hold_item (hold_id, sku_id, qty, unit_price, position)
select $7, $5, $6, k.unit_price, 1 from holdfast.sku k where k.sale_id = $1 and k.sku_id = $5;
-- 5
insert into holdfast.inventory_ledger (sale_id, sku_id, event_type, qty, hold_id) values ($1, $5, 'RESERVE_DEBIT', -$6, $7);
-- 6
insert into holdfast.event_outbox (event_type, sale_id, hold_id, data)
select 'ReservationCreated', $1, $7, json_build_object(
    'hold_id', h.hold_id, 'sale_id', h.sale_id, 'user_id', h.user_id, 'status', h.status,
    'items', json_build_array(json_build_object('sku_id', i.sku_id, 'qty', i.qty, 'unit_price', i.unit_price)),
    'total_amount', h.total_amount, 'currency', h.currency, 'expire_at', holdfast.rfc3339(h.expire_at))
from holdfast.reservation_hold h join holdfast.reservation_hold_item i using (hold_id) where h.hold_id = $7;
