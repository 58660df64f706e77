-- Everything that a history has left in the tables, a line a row, for the model to be held against. $1: what the
-- names of its sales, users, payments and keys begin with. Ids stand between bars; `told` has its transaction first.
select concat_ws('|', 'sale', s.sale_id, s.status, s.late_payment) from holdfast.sale s where starts_with(s.sale_id, $1)
union all
select concat_ws('|', 'counter', c.sale_id, c.sku_id, c.total, c.available)
from holdfast.inventory_counter c where starts_with(c.sale_id, $1)
union all
select concat_ws('|', 'hold', h.hold_id, h.sale_id, h.user_id, h.status, h.version, h.total_amount, h.currency,
                 holdfast.rfc3339(h.expire_at), case when h.retaken_at is null then '-' else 'retaken' end) from holdfast.reservation_hold h where starts_with(h.sale_id, $1)
union all
select concat_ws('|', 'line', i.hold_id, i.sku_id, i.qty, i.unit_price)
from holdfast.reservation_hold h join holdfast.reservation_hold_item i using (hold_id) where starts_with(h.sale_id, $1)
union all
select concat_ws('|', 'active', a.sale_id, a.user_id, a.sku_id, a.hold_id)
from holdfast.user_active_hold a where starts_with(a.sale_id, $1)
union all
select concat_ws('|', 'key', i.user_id, i.idem_key, i.hold_id)
from holdfast.idempotency i where starts_with(i.user_id, $1)
union all
select concat_ws('|', 'ledger', l.sale_id, l.sku_id, l.event_type, l.qty, coalesce(l.hold_id::text, '-'))
from holdfast.inventory_ledger l where starts_with(l.sale_id, $1)
union all
select concat_ws('|', 'stock key', a.idem_key, a.sale_id, a.sku_id, a.delta, a.total_after, a.available_after)
from holdfast.stock_adjustment a where starts_with(a.idem_key, $1)
union all
select concat_ws('|', 'order', o.order_id, o.hold_id, o.sale_id, o.user_id, o.gateway, o.payment_id, o.total_amount,
                 o.currency, o.status, o.version, coalesce(o.tracking, '-')) from holdfast.orders o where starts_with(o.sale_id, $1)
union all
select concat_ws('|', 'order line', i.order_id, i.user_id, i.sku_id, i.qty, i.unit_price)
from holdfast.order_items i where starts_with(i.sale_id, $1)
union all
select concat_ws('|', 'payment', p.gateway, p.payment_id, p.hold_ref, coalesce(p.sale_id, '-'), p.user_id, p.amount,
                 p.currency, p.state, coalesce(p.order_id::text, p.refund_reason))
from holdfast.payment p
where starts_with(case when p.gateway in ('free', 'wallet') then p.sale_id else p.payment_id end, $1)
union all
-- The refunds of a hold have an order: its buyer is told of the newest.
select concat_ws('|', 'refund', r.gateway, r.payment_id, r.reason, r.amount, r.currency, r.status,
                 case when p.hold_id is null then 0 else row_number() over (partition by p.hold_id order by r.created_at) end)
from holdfast.refund r join holdfast.payment p using (gateway, payment_id) where starts_with(r.payment_id, $1)
union all
select concat_ws('|', 'money', l.gateway, l.payment_id, l.event_type, coalesce(l.order_id::text, '-'), l.amount, l.currency)
from holdfast.order_ledger l join holdfast.payment p using (gateway, payment_id)
where starts_with(case when p.gateway in ('free', 'wallet') then p.sale_id else p.payment_id end, $1)
union all
select case when r.answer ->> 'outcome' = 'replayed_one'
            then concat_ws('|', 'decide key', r.idem_key, r.answer #>> '{letter,status}')
            else concat_ws('|', 'cancel key', r.idem_key, r.answer #>> '{order,order_id}') end
from holdfast.operator_request r where starts_with(r.idem_key, $1)
union all
select concat_ws('|', 'request', a.gateway, a.payment_id, a.attempt, a.amount, case when a.succeeded then 'succeeded' else '-' end,
                 coalesce(a.outcome, '-'))
from holdfast.refund_attempt a where starts_with(a.payment_id, $1)
union all
-- The id of a page that was opened is made of its hold's.
select concat_ws('|', 'attempt', a.gateway,
                 case when a.payment_id = replace(a.hold_id::text, '-', '') || right(a.payment_id, 2)
                 then '@' || right(a.payment_id, 2) else a.payment_id end,
                 coalesce(a.hold_id::text, '-'), a.user_id, a.amount, a.currency, a.attempt, a.state,
                 case when a.opened then 'opened' else '-' end, a.unanswered, case when a.dead_at is null then '-' else 'dead' end,
                 case when a.token is null then '-' else 'token' end, coalesce(a.outcome, '-'))
from holdfast.payment_attempt a left join holdfast.reservation_hold h using (hold_id)
where starts_with(coalesce(h.sale_id, a.payment_id), $1)
union all
select concat_ws('|', 'parked', k.gateway, k.payment_id, k.amount, k.state)
from holdfast.parked_payment k where starts_with(k.payment_id, $1)
union all
select concat_ws('|', 'operator', o.action, o.subject, o.actor, o.reason, o.request_id)
from holdfast.operator_ledger o where starts_with(o.request_id, $1)
union all
select concat_ws('|', 'told', e.xmin, e.event_type, coalesce(e.sale_id, '-'), case e.event_type
           when 'StockAdjusted' then concat_ws('|', e.data ->> 'sale_id', e.data ->> 'sku_id', e.data ->> 'delta')
           when 'SaleChanged' then concat_ws('|', e.data #>> '{before,status}', e.data #>> '{after,status}')
           when 'OrderConfirmed' then concat_ws('|', e.hold_id, e.data ->> 'gateway', e.data ->> 'payment_id', e.data ->> 'order_id')
           when 'HoldChanged' then concat_ws('|', e.hold_id, e.data ->> 'version')
           when 'OrderCancelled' then concat_ws('|', e.hold_id, e.data ->> 'before', e.data ->> 'by')
           when 'OrderStatusChanged' then concat_ws('|', e.hold_id, e.data ->> 'before', e.data ->> 'status')
           when 'RefundRequired' then
               concat_ws('|', coalesce(e.hold_id::text, '-'), e.data ->> 'gateway', e.data ->> 'payment_id', e.data ->> 'reason')
           when 'RefundCompleted' then concat_ws('|', coalesce(e.hold_id::text, '-'), e.data ->> 'gateway',
               e.data ->> 'payment_id', e.data ->> 'amount', case e.data ->> 'by_hand' when 'true' then 'by hand' else 'ended' end)
           when 'RefundFailed' then concat_ws('|', coalesce(e.hold_id::text, '-'), e.data ->> 'gateway',
               e.data ->> 'payment_id', e.data ->> 'amount', case e.data ->> 'reopened' when 'true' then 'reopened' else 'ended' end)
           when 'PaymentDisputed' then concat_ws('|', coalesce(e.hold_id::text, '-'), e.data ->> 'gateway',
               e.data ->> 'payment_id', e.data ->> 'status', e.data ->> 'amount')
           when 'PaymentRefundedOutside' then concat_ws('|', coalesce(e.hold_id::text, '-'), e.data ->> 'gateway',
               e.data ->> 'payment_id', e.data ->> 'kind', e.data ->> 'amount')
           else e.hold_id::text end)
from holdfast.event_outbox e
where starts_with(coalesce(e.sale_id, e.data ->> 'payment_id'), $1)
