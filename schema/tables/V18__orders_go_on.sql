-- An order goes on after it is confirmed: it is prepared, shipped, delivered, cancelled or returned. Each step has its time,
-- and a CHECK that says which steps came before it.

alter table holdfast.sale add column buyer_cancel boolean not null default false;
comment on column holdfast.sale.buyer_cancel is 'Whether a buyer may cancel an order that is still CONFIRMED.';

alter table holdfast.orders
    add column preparing_at timestamptz,
    add column shipped_at   timestamptz,
    add column delivered_at timestamptz,
    add column returned_at  timestamptz,
    add column tracking     text constraint orders_tracking_length check (char_length(tracking) between 1 and 128),
    drop constraint orders_status_known,
    add constraint orders_status_known
        check (status in ('CONFIRMED', 'PREPARING', 'SHIPPED', 'DELIVERED', 'CANCELLED', 'RETURNED')),
    -- `orders_cancelled_has_its_time` (V4__gateways.sql) says the same of CANCELLED.
    add constraint orders_confirmed_is_not_prepared check (status <> 'CONFIRMED' or preparing_at is null),
    add constraint orders_prepared_before_it_goes_on
        check (preparing_at is not null or status in ('CONFIRMED', 'CANCELLED')),
    add constraint orders_shipped_has_its_time
        check ((status in ('SHIPPED', 'DELIVERED', 'RETURNED')) = (shipped_at is not null)),
    add constraint orders_delivered_has_its_time check ((status in ('DELIVERED', 'RETURNED')) = (delivered_at is not null)),
    add constraint orders_returned_has_its_time check ((status = 'RETURNED') = (returned_at is not null)),
    add constraint orders_tracked_when_shipped check (tracking is null or shipped_at is not null);
comment on column holdfast.orders.status       is 'CONFIRMED, PREPARING, SHIPPED, DELIVERED; or CANCELLED before it was shipped, RETURNED after it was delivered.';
comment on column holdfast.orders.version      is 'From 1, one more with every change of its status or tracking: its ETag.';
comment on column holdfast.orders.preparing_at is 'When its preparation began; a cancelled order keeps it.';
comment on column holdfast.orders.shipped_at   is 'When it was shipped.';
comment on column holdfast.orders.delivered_at is 'When it was delivered.';
comment on column holdfast.orders.returned_at  is 'When it came back.';
comment on column holdfast.orders.tracking     is 'The shipment''s tracking number; null: none.';
comment on table  holdfast.order_items is 'What is sold: the lines of the orders that stand. Those of a cancelled or returned one are read from its hold.';

-- The stock of an order comes back once, under one of two names.
alter table holdfast.inventory_ledger
    drop constraint inventory_ledger_event_known,
    add constraint inventory_ledger_event_known check (event_type in
        ('STOCK_IN', 'STOCK_OUT', 'RESERVE_DEBIT', 'EXPIRE_CREDIT', 'RELEASE_CREDIT', 'RETAKE_DEBIT', 'CANCEL_CREDIT',
         'RETURN_CREDIT'));
create unique index inventory_ledger_one_order_credit on holdfast.inventory_ledger (hold_id, sku_id)
    where event_type in ('CANCEL_CREDIT', 'RETURN_CREDIT');

-- Each step of an order has its row, once. T2 writes none of these, so the index costs it nothing.
alter table holdfast.order_ledger
    add column moved_by text constraint order_ledger_moved_by_known check (moved_by in ('operator', 'buyer')),
    add column reason   text,
    drop constraint order_ledger_event_known,
    add constraint order_ledger_event_known check (event_type in
        ('ORDER_CONFIRMED', 'ORDER_PREPARING', 'ORDER_SHIPPED', 'ORDER_DELIVERED', 'ORDER_CANCELLED', 'ORDER_RETURNED',
         'REFUND_REQUIRED', 'REFUND_COMPLETED', 'REFUND_FAILED', 'REFUND_REOPENED',
         'PAYMENT_REFUNDED_OUTSIDE', 'PAYMENT_REVERSED', 'PAYMENT_RESTORED',
         'PAYMENT_DISPUTED', 'DISPUTE_RESOLVED', 'DISPUTE_WON', 'DISPUTE_LOST')),
    drop constraint order_ledger_order_where_confirmed,
    add constraint order_ledger_order_where_confirmed check (case
        when event_type in ('ORDER_CONFIRMED', 'ORDER_PREPARING', 'ORDER_SHIPPED', 'ORDER_DELIVERED', 'ORDER_CANCELLED',
                            'ORDER_RETURNED') then order_id is not null
        when event_type in ('REFUND_REQUIRED', 'REFUND_COMPLETED', 'REFUND_FAILED', 'REFUND_REOPENED') then order_id is null
        else true end);
create unique index order_ledger_step_once on holdfast.order_ledger (order_id, event_type)
    where event_type in ('ORDER_PREPARING', 'ORDER_SHIPPED', 'ORDER_DELIVERED', 'ORDER_CANCELLED', 'ORDER_RETURNED');
comment on column holdfast.order_ledger.moved_by is 'Who moved the order, an operator (who is named in operator_ledger) or its buyer; null: nobody did, or a release before V18.';
comment on column holdfast.order_ledger.reason   is 'Why, in the words of whoever moved it; a buyer''s words go when the buyer is forgotten.';

create index event_outbox_of_an_order on holdfast.event_outbox (hold_id)
    where event_type in ('OrderCancelled', 'OrderStatusChanged');
