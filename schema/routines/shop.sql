-- What the shop's things look like to its buyers, as JSON in the words of functions/protocol/src/shop.rs. Every answer
-- that shows a hold, an order or a sale is built here and nowhere else, so that a replay and a reading cannot differ
-- from what was granted. Called by the owner's functions only: no role is granted anything here.

create or replace function holdfast.rfc3339(p_at timestamptz) returns text
language sql immutable parallel safe
return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- The decimals of a currency's minor unit, by ISO 4217: a page does not depend on its browser. A test compares it with
-- the list that new sales are checked by, which has to have one; an older sale in a currency without counts whole
-- units.
create or replace function holdfast.currency_decimals(p_currency text) returns integer
language sql immutable parallel safe
return case
    when p_currency in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
                        'XAF', 'XOF', 'XPF') then 0
    when p_currency in ('XAG', 'XAU', 'XBA', 'XBB', 'XBC', 'XBD', 'XDR', 'XPD', 'XPT', 'XSU', 'XTS', 'XUA', 'XXX') then 0
    when p_currency in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    when p_currency in ('CLF', 'UYW') then 4
    else 2 end;

-- A line of a hold, as text: T1 writes a hundred holds at once, and for that a function of JSON is too slow.
create or replace function holdfast.hold_item_text(p_sku_id text, p_qty integer, p_unit_price bigint) returns text
language sql stable parallel safe
return '{"sku_id":"' || p_sku_id || '","qty":' || p_qty || ',"unit_price":' || p_unit_price || '}';

-- A hold, as text; p_items: its lines, with commas between them. What is quoted here has no character that JSON escapes
-- (`sale_id_is_a_slug`, `sku_id_is_a_slug` and `sale_currency_iso_4217` in V1__tables.sql), but for a user's id. The user is named to
-- operators alone; null: not named. No order: it is none yet.
create or replace function holdfast.hold_text(
    p_hold_id uuid, p_sale_id text, p_status text, p_user_id text, p_items text, p_total_amount bigint, p_currency text,
    p_currency_decimals integer, p_version integer, p_expire_at text, p_order_id uuid) returns text
language sql stable parallel safe
return '{"hold_id":"' || p_hold_id || '","sale_id":"' || p_sale_id || '","status":"' || p_status
    || coalesce('","user_id":' || to_json(p_user_id) || ',"items":[', '","items":[') || p_items
    || '],"subtotal_amount":' || p_total_amount || ',"discount_amount":0,"total_amount":' || p_total_amount
    || ',"currency":"' || p_currency || '","currency_decimals":' || p_currency_decimals
    || ',"coupon":null,"version":' || p_version || ',"expire_at":"' || p_expire_at
    || coalesce('","order_id":"' || p_order_id || '"}', '"}');

-- p_status: what to show, since a replay shows HOLD and a hold past its end shows EXPIRED before the sweep has come.
create or replace function holdfast.hold_json(p_hold holdfast.reservation_hold, p_status text) returns json
language sql stable
return holdfast.hold_text(
    p_hold.hold_id, p_hold.sale_id, p_status, null,
    (select string_agg(holdfast.hold_item_text(i.sku_id, i.qty, i.unit_price), ',' order by i.position)
     from holdfast.reservation_hold_item i where i.hold_id = p_hold.hold_id),
    p_hold.total_amount, p_hold.currency, holdfast.currency_decimals(p_hold.currency), p_hold.version,
    -- Of what is held, when it ends as things are: a payment under way may have moved that (schema/routines/capture.sql), no further
    -- than it is bounded. Of what has ended, what was promised.
    holdfast.rfc3339(case p_status when 'HOLD' then p_hold.expire_at
                     else coalesce(p_hold.promised_until, p_hold.expire_at) end),
    case p_status when 'COMMITTED' then (select o.order_id from holdfast.orders o where o.hold_id = p_hold.hold_id) end)::json;

-- A hold past its end has expired although it is not swept yet: the database's clock decides, not the sweep.
create or replace function holdfast.hold_status_now(p_hold holdfast.reservation_hold) returns text
language sql volatile
return case when (p_hold).status = 'HOLD' and (p_hold).expire_at <= clock_timestamp() then 'EXPIRED'
            else (p_hold).status end;

-- A refund, as its buyer sees it.
create or replace function holdfast.shown_refund(p_refund holdfast.refund) returns json
language sql immutable
return (jsonb_build_object(
    'status', case (p_refund).status when 'REQUIRED' then 'pending' when 'COMPLETED' then 'completed' else 'failed' end,
    'amount', (p_refund).amount,
    'currency', (p_refund).currency,
    -- Its own: a payment that bought nothing may have been in another currency than its hold.
    'currency_decimals', holdfast.currency_decimals((p_refund).currency))
    || case when (p_refund).account_needed and (p_refund).status <> 'COMPLETED'
       then jsonb_build_object('account_needed', true) else '{}' end)::json;

-- Whether an order stands: what it bought is sold, and its money is the shop's.
create or replace function holdfast.order_stands(p_status text) returns boolean
language sql immutable parallel safe
return p_status not in ('CANCELLED', 'RETURNED');

-- How an order was paid. A payment without a gateway has the name of its method in place of a gateway's: see pay.sql.
create or replace function holdfast.paid_by(p_gateway text, p_payment_id text) returns json
language sql immutable
return case when p_gateway in ('free', 'wallet') then json_build_object('method', p_gateway)
            else json_build_object('method', 'gateway', 'gateway', p_gateway, 'payment_id', p_payment_id) end;

-- What of a payment went back to its buyer by others than us: in the gateway's console, or with its deposit.
create or replace function holdfast.moved_outside(p_payment holdfast.payment) returns bigint
language sql immutable
return case when (p_payment).reversed_at is null then (p_payment).refunded_outside else (p_payment).amount end;

-- Whose it is is an operator's to know. The two have names of their own: the routines of an earlier version take the rights
-- to `order_json` by its name alone.
create or replace function holdfast.order_json_for(p_order holdfast.orders, p_for_operator boolean) returns json
language sql stable
return json_build_object(
    'order_id', p_order.order_id,
    'order_number', p_order.order_number,
    'hold_id', p_order.hold_id,
    'sale_id', p_order.sale_id,
    'user_id', case when p_for_operator then p_order.user_id end,
    'status', p_order.status,
    'version', p_order.version,
    'items', (select json_agg(json_build_object('sku_id', i.sku_id, 'qty', i.qty, 'unit_price', i.unit_price)
                              order by i.position)
              from holdfast.reservation_hold_item i where i.hold_id = p_order.hold_id),
    'subtotal_amount', p_order.total_amount,
    'discount_amount', 0,
    'total_amount', p_order.total_amount,
    'currency', p_order.currency,
    'currency_decimals', holdfast.currency_decimals(p_order.currency),
    'coupon', null,
    'payment', holdfast.paid_by(p_order.gateway, p_order.payment_id),
    'tracking', p_order.tracking,
    -- Money that moved at the gateway and not by us: it stands beside the status.
    'disputed', coalesce((select p.dispute in ('open', 'resolved', 'lost') from holdfast.payment p
                          where p.gateway = p_order.gateway and p.payment_id = p_order.payment_id), false),
    'refunded_amount', coalesce((select holdfast.moved_outside(p) from holdfast.payment p
                                 where p.gateway = p_order.gateway and p.payment_id = p_order.payment_id), 0),
    'refund', (select holdfast.shown_refund(r) from holdfast.refund r
               where (r.gateway, r.payment_id) = (p_order.gateway, p_order.payment_id)),
    'created_at', holdfast.rfc3339(p_order.created_at));

create or replace function holdfast.order_json(p_order holdfast.orders) returns json
language sql stable
return holdfast.order_json_for(p_order, false);

-- A draft is one whatever its schedule says. Else the schedule first: before it opens and after it closes a sale is
-- neither open nor paused.
create or replace function holdfast.sale_status(p_sale holdfast.sale) returns text
language sql volatile
return case when (p_sale).status = 'draft' then 'draft'
            when (p_sale).status = 'closed' or (p_sale).closes_at <= clock_timestamp() then 'closed'
            when (p_sale).opens_at > clock_timestamp() then 'scheduled'
            else (p_sale).status end;

-- What buyers are not to see yet.
create or replace function holdfast.is_stock_hidden(p_sale holdfast.sale) returns boolean
language sql volatile
return (p_sale).stock_before_opening = 'hidden' and holdfast.sale_status(p_sale) = 'scheduled';

create or replace function holdfast.sale_json(p_sale holdfast.sale) returns json
language sql volatile
return json_build_object(
    'sale_id', p_sale.sale_id,
    'name', p_sale.name,
    'status', holdfast.sale_status(p_sale),
    'opens_at', holdfast.rfc3339(p_sale.opens_at),
    'closes_at', holdfast.rfc3339(p_sale.closes_at),
    'hold_ttl_s', p_sale.hold_ttl_s,
    'currency', p_sale.currency,
    'currency_decimals', holdfast.currency_decimals(p_sale.currency),
    'buyer_cancel', p_sale.buyer_cancel,
    'skus', (select json_agg(json_build_object('sku_id', k.sku_id, 'name', k.name, 'unit_price', k.unit_price,
                                               'available', case when not holdfast.is_stock_hidden(p_sale)
                                                                 then c.available end,
                                               'max_per_user', k.max_per_user)
                             order by k.position)
             from holdfast.sku k join holdfast.inventory_counter c using (sale_id, sku_id)
             where k.sale_id = p_sale.sale_id));

-- How long at most a sale that had this status a moment ago, which is not `open`, keeps it by the clock alone, in
-- milliseconds and rounded down: until it opens or closes, 0 if it has. At most a second, as in `sold_out`.
create or replace function holdfast.status_stands_ms(p_sale holdfast.sale, p_status text) returns integer
language sql volatile
return greatest(0, floor(1000 * extract(epoch from least(
    case p_status when 'scheduled' then (p_sale).opens_at end,
    case when p_status <> 'closed' then (p_sale).closes_at end,
    clock_timestamp() + interval '1 second') - clock_timestamp())))::integer;

-- A refusal that the edge may repeat to others for a moment. for_ms: how long at most, because then stock comes back
-- without passing the edge: a hold of this sale lapses (those that lapsed before this call began are reclaimed by it
-- already); or the sale closes, and there is another refusal. The edge itself sees everything else, and repeats a
-- refusal for no more than a second; so this looks no further ahead, nor through more than 20 holds: the last of them
-- is no later then.
create or replace function holdfast.sold_out(p_sale_id text, p_sku_id text, p_available bigint) returns json
language sql stable
return (
    select json_build_object(
        'outcome', 'sold_out', 'sku_id', p_sku_id, 'available', p_available, 'max_per_user', k.max_per_user,
        'for_ms', greatest(0, floor(1000 * extract(epoch from
            least(s.closes_at, lapse.at, statement_timestamp() + interval '1 second') - clock_timestamp())))::integer)
    from holdfast.sku k join holdfast.sale s using (sale_id), lateral (
        select coalesce(min(h.expire_at) filter (where h.sale_id = p_sale_id),
                        case count(*) when 20 then max(h.expire_at) end) as at
        from (select sale_id, expire_at from holdfast.reservation_hold
              where status = 'HOLD' and expire_at > statement_timestamp()
                and expire_at <= statement_timestamp() + interval '1 second'
              order by expire_at limit 20) h) lapse
    where k.sale_id = p_sale_id and k.sku_id = p_sku_id);

revoke execute on function holdfast.rfc3339(timestamptz), holdfast.currency_decimals(text),
    holdfast.hold_json(holdfast.reservation_hold, text), holdfast.hold_item_text(text, integer, bigint),
    holdfast.hold_text(uuid, text, text, text, text, bigint, text, integer, integer, text, uuid),
    holdfast.hold_status_now(holdfast.reservation_hold),
    holdfast.shown_refund(holdfast.refund), holdfast.moved_outside(holdfast.payment), holdfast.paid_by(text, text),
    holdfast.order_stands(text), holdfast.order_json_for(holdfast.orders, boolean), holdfast.order_json(holdfast.orders),
    holdfast.sale_status(holdfast.sale), holdfast.is_stock_hidden(holdfast.sale), holdfast.sale_json(holdfast.sale), holdfast.status_stands_ms(holdfast.sale, text),
    holdfast.sold_out(text, text, bigint) from public;
