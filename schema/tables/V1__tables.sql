-- The tables. Numbered files are never edited after a release: a change is the next file.
--
-- The truth of a SKU is its ledger; its counter is the ledger's sum, kept so that a reservation needs one row.
-- Rows that a stampede writes carry no foreign key to rows that a stampede shares: the check would take a share
-- lock on the one sale row from every buyer at once. What such a key would promise, the audit compares.

create schema holdfast;
comment on schema holdfast is 'Limited editions sold without overselling.';

-- What is on sale ------------------------------------------------------------------------------------------------

create table holdfast.sale (
    sale_id      text        not null constraint sale_pkey primary key
                             constraint sale_id_is_a_slug check (sale_id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name         text        not null constraint sale_name_length check (char_length(name) between 1 and 200),
    currency     text        not null constraint sale_currency_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    opens_at     timestamptz not null,
    closes_at    timestamptz          constraint sale_closes_after_it_opens check (closes_at > opens_at),
    hold_ttl_s   integer     not null constraint sale_hold_ttl_range check (hold_ttl_s between 1 and 86400),
    status       text        not null default 'open'
                             constraint sale_status_known check (status in ('open', 'paused', 'closed')),
    created_from bytea       not null constraint sale_created_from_is_sha256 check (octet_length(created_from) = 32),
    created_at   timestamptz not null default clock_timestamp()
);
comment on table  holdfast.sale              is 'One limited sale; every other row belongs to one.';
comment on column holdfast.sale.sale_id      is 'The operator''s slug.';
comment on column holdfast.sale.name         is 'What buyers read, any script.';
comment on column holdfast.sale.currency     is 'ISO 4217; every amount of the sale is in its minor unit.';
comment on column holdfast.sale.opens_at     is 'From when on it can be bought.';
comment on column holdfast.sale.closes_at    is 'From when on no longer; null: open end.';
comment on column holdfast.sale.hold_ttl_s   is 'Seconds a buyer has to pay.';
comment on column holdfast.sale.status       is 'What the operator set; the schedule applies on top.';
comment on column holdfast.sale.created_from is 'SHA-256 of what it was created from: the same again is no conflict.';
comment on column holdfast.sale.created_at   is 'When it was created.';

create table holdfast.sku (
    sale_id      text    not null constraint sku_of_a_sale references holdfast.sale,
    sku_id       text    not null constraint sku_id_is_a_slug check (sku_id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name         text    not null constraint sku_name_length check (char_length(name) between 1 and 200),
    unit_price   bigint  not null constraint sku_unit_price_range check (unit_price between 0 and 1000000000000),
    max_per_user integer not null constraint sku_max_per_user_range check (max_per_user between 1 and 1000000),
    position     integer not null,
    constraint sku_pkey primary key (sale_id, sku_id)
);
comment on table  holdfast.sku              is 'What a sale sells, at what price.';
comment on column holdfast.sku.sale_id      is 'Its sale.';
comment on column holdfast.sku.sku_id       is 'The operator''s slug, unique in the sale.';
comment on column holdfast.sku.name         is 'What buyers read, any script.';
comment on column holdfast.sku.unit_price   is 'Price of a piece in the currency''s minor unit.';
comment on column holdfast.sku.max_per_user is 'Pieces one user may buy, confirmed orders and the request together.';
comment on column holdfast.sku.position     is 'Its place in the list, from 1.';

create table holdfast.inventory_counter (
    sale_id   text   not null,
    sku_id    text   not null,
    total     bigint not null constraint inventory_counter_total_range check (total between 0 and 1000000000000),
    available bigint not null constraint inventory_counter_never_oversold check (available >= 0),
    constraint inventory_counter_pkey primary key (sale_id, sku_id),
    constraint inventory_counter_of_a_sku foreign key (sale_id, sku_id) references holdfast.sku,
    constraint inventory_counter_available_within_total check (available <= total)
) with (fillfactor = 10);  -- The hot rows: room for their next versions on their own page.
comment on table  holdfast.inventory_counter           is 'Stock of a SKU: total = available + held + sold; available = sum of its ledger.';
comment on column holdfast.inventory_counter.sale_id   is 'Its sale.';
comment on column holdfast.inventory_counter.sku_id    is 'Its SKU.';
comment on column holdfast.inventory_counter.total     is 'Pieces the operator has put in, less what was taken out.';
comment on column holdfast.inventory_counter.available is 'Pieces that can be reserved now.';

create table holdfast.inventory_ledger (
    entry_id   bigint      not null generated always as identity constraint inventory_ledger_pkey primary key,
    sale_id    text        not null,
    sku_id     text        not null,
    event_type text        not null constraint inventory_ledger_event_known check (event_type in
                           ('STOCK_IN', 'STOCK_OUT', 'RESERVE_DEBIT', 'EXPIRE_CREDIT', 'RELEASE_CREDIT')),
    qty        bigint      not null,
    hold_id    uuid,
    reason     text,
    created_at timestamptz not null default clock_timestamp(),
    constraint inventory_ledger_sign check ((event_type in ('STOCK_OUT', 'RESERVE_DEBIT')) = (qty < 0) and qty <> 0),
    constraint inventory_ledger_hold_or_operator check ((event_type in ('STOCK_IN', 'STOCK_OUT')) = (hold_id is null))
);
-- No hold is debited or credited twice, whatever code runs.
create unique index inventory_ledger_once_per_hold on holdfast.inventory_ledger (hold_id, sku_id, event_type)
    where hold_id is not null;
-- Nor credited twice under two names.
create unique index inventory_ledger_one_credit on holdfast.inventory_ledger (hold_id, sku_id)
    where event_type in ('EXPIRE_CREDIT', 'RELEASE_CREDIT');
comment on table  holdfast.inventory_ledger            is 'Every change of every counter; only ever added to.';
comment on column holdfast.inventory_ledger.entry_id   is 'In order of writing.';
comment on column holdfast.inventory_ledger.sale_id    is 'Its sale.';
comment on column holdfast.inventory_ledger.sku_id     is 'Its SKU.';
comment on column holdfast.inventory_ledger.event_type is 'What moved the stock.';
comment on column holdfast.inventory_ledger.qty        is 'Pieces: positive into the counter, negative out of it.';
comment on column holdfast.inventory_ledger.hold_id    is 'The hold that moved it; null: the operator did.';
comment on column holdfast.inventory_ledger.reason     is 'The operator''s words.';
comment on column holdfast.inventory_ledger.created_at is 'When it was written.';

create table holdfast.stock_adjustment (
    idem_key        text        not null constraint stock_adjustment_pkey primary key,
    fingerprint     bytea       not null constraint stock_adjustment_fingerprint_is_sha256 check (octet_length(fingerprint) = 32),
    sale_id         text        not null,
    sku_id          text        not null,
    delta           bigint      not null constraint stock_adjustment_moves check (delta <> 0),
    reason          text        not null,
    total_after     bigint      not null,
    available_after bigint      not null,
    created_at      timestamptz not null default clock_timestamp()
);
comment on table  holdfast.stock_adjustment                 is 'What an operator put in or took out, once per Idempotency-Key.';
comment on column holdfast.stock_adjustment.idem_key        is 'The operator''s Idempotency-Key.';
comment on column holdfast.stock_adjustment.fingerprint     is 'SHA-256 of what was asked.';
comment on column holdfast.stock_adjustment.sale_id         is 'The sale.';
comment on column holdfast.stock_adjustment.sku_id          is 'The SKU.';
comment on column holdfast.stock_adjustment.delta           is 'Pieces: positive in, negative out.';
comment on column holdfast.stock_adjustment.reason          is 'The operator''s words.';
comment on column holdfast.stock_adjustment.total_after     is 'The counter''s total afterwards: the stored answer.';
comment on column holdfast.stock_adjustment.available_after is 'What was available afterwards: the stored answer.';
comment on column holdfast.stock_adjustment.created_at      is 'When it was done.';

-- Who holds what -------------------------------------------------------------------------------------------------

create table holdfast.reservation_hold (
    hold_id      uuid        not null constraint reservation_hold_pkey primary key,
    sale_id      text        not null,
    user_id      text        not null,
    status       text        not null default 'HOLD' constraint reservation_hold_status_known
                             check (status in ('HOLD', 'COMMITTED', 'EXPIRED', 'RELEASED')),
    total_amount bigint      not null constraint reservation_hold_total_amount_range check (total_amount >= 0),
    currency     text        not null,
    created_at   timestamptz not null,
    expire_at    timestamptz not null,
    finalized_at timestamptz,
    constraint reservation_hold_expires_after_it_began check (expire_at > created_at),
    constraint reservation_hold_final_has_its_time check ((status = 'HOLD') = (finalized_at is null)),
    constraint reservation_hold_paid_in_time check (status <> 'COMMITTED' or finalized_at < expire_at),
    constraint reservation_hold_expired_no_sooner check (status <> 'EXPIRED' or finalized_at >= expire_at)
);
-- What the sweep looks for, and no more: it stays as small as the live holds.
create index reservation_hold_to_expire on holdfast.reservation_hold (expire_at) where status = 'HOLD';
comment on table  holdfast.reservation_hold              is 'A buyer''s hold. It leaves HOLD once, to COMMITTED, EXPIRED or RELEASED.';
comment on column holdfast.reservation_hold.hold_id      is 'UUIDv7.';
comment on column holdfast.reservation_hold.sale_id      is 'Its sale.';
comment on column holdfast.reservation_hold.user_id      is 'Whose it is: the token''s sub.';
comment on column holdfast.reservation_hold.status       is 'HOLD, or how it ended.';
comment on column holdfast.reservation_hold.total_amount is 'What is to be paid, in the minor unit.';
comment on column holdfast.reservation_hold.currency     is 'ISO 4217, the sale''s.';
comment on column holdfast.reservation_hold.created_at   is 'When it was granted.';
comment on column holdfast.reservation_hold.expire_at    is 'From when on it can no longer be paid, swept or not.';
comment on column holdfast.reservation_hold.finalized_at is 'When it left HOLD.';

create table holdfast.reservation_hold_item (
    hold_id    uuid    not null,
    sku_id     text    not null,
    qty        integer not null constraint reservation_hold_item_qty_range check (qty between 1 and 100),
    unit_price bigint  not null,
    position   integer not null,
    constraint reservation_hold_item_pkey primary key (hold_id, sku_id)
);
comment on table  holdfast.reservation_hold_item            is 'The lines of a hold.';
comment on column holdfast.reservation_hold_item.hold_id    is 'Its hold.';
comment on column holdfast.reservation_hold_item.sku_id     is 'The SKU, once a hold.';
comment on column holdfast.reservation_hold_item.qty        is 'Pieces.';
comment on column holdfast.reservation_hold_item.unit_price is 'Price of a piece when it was granted.';
comment on column holdfast.reservation_hold_item.position   is 'Its place in the request, so that a replay answers in the same order.';

create table holdfast.user_active_hold (
    sale_id text not null,
    user_id text not null,
    sku_id  text not null,
    hold_id uuid not null,
    constraint user_active_hold_one_each primary key (sale_id, user_id, sku_id)
);
comment on table  holdfast.user_active_hold         is 'One active hold per user and SKU: the row is there exactly while the hold is HOLD.';
comment on column holdfast.user_active_hold.sale_id is 'The sale.';
comment on column holdfast.user_active_hold.user_id is 'The user.';
comment on column holdfast.user_active_hold.sku_id  is 'The SKU.';
comment on column holdfast.user_active_hold.hold_id is 'The hold.';

create table holdfast.idempotency (
    user_id     text        not null,
    idem_key    text        not null,
    fingerprint bytea       not null constraint idempotency_fingerprint_is_sha256 check (octet_length(fingerprint) = 32),
    hold_id     uuid        not null,
    created_at  timestamptz not null default clock_timestamp(),
    constraint idempotency_pkey primary key (user_id, idem_key)
);
comment on table  holdfast.idempotency             is 'Keys that were used up by a granted reservation. The stored answer is the hold as it was granted.';
comment on column holdfast.idempotency.user_id     is 'Keys belong to a user.';
comment on column holdfast.idempotency.idem_key    is 'The Idempotency-Key without its quotes.';
comment on column holdfast.idempotency.fingerprint is 'SHA-256 of what was asked.';
comment on column holdfast.idempotency.hold_id     is 'What was granted.';
comment on column holdfast.idempotency.created_at  is 'When; a key is kept for at least 24 hours.';

-- Money ----------------------------------------------------------------------------------------------------------

create table holdfast.payment (
    gateway       text        not null,
    payment_id    text        not null,
    hold_ref      text        not null,
    sale_id       text,
    user_id       text        not null,
    amount        bigint      not null constraint payment_amount_range check (amount >= 0),
    currency      text        not null,
    state         text        not null constraint payment_state_known check (state in ('ORDERED', 'REFUND_REQUIRED')),
    order_id      uuid        constraint payment_order_once unique,
    refund_reason text        constraint payment_refund_reason_known check (refund_reason in
                  ('hold_unknown', 'already_paid', 'hold_released', 'hold_expired', 'user_mismatch', 'amount_mismatch')),
    created_at    timestamptz not null default clock_timestamp(),
    constraint payment_pkey primary key (gateway, payment_id),
    constraint payment_is_an_order_or_a_refund check
        ((state = 'ORDERED') = (order_id is not null) and (state = 'REFUND_REQUIRED') = (refund_reason is not null))
);
-- For the report: what is to be paid back in a sale.
create index payment_to_refund on holdfast.payment (sale_id) where state = 'REFUND_REQUIRED';
comment on table  holdfast.payment               is 'Every captured payment we were told of: an order or a refund, never both, never neither.';
comment on column holdfast.payment.gateway       is 'Whose payment_id it is.';
comment on column holdfast.payment.payment_id    is 'The gateway''s id.';
comment on column holdfast.payment.hold_ref      is 'The hold it names, as the gateway said it.';
comment on column holdfast.payment.sale_id       is 'The sale of that hold; null: no hold of ours.';
comment on column holdfast.payment.user_id       is 'Who paid, as the gateway said it.';
comment on column holdfast.payment.amount        is 'What was captured, in the minor unit.';
comment on column holdfast.payment.currency      is 'ISO 4217, as the gateway said it.';
comment on column holdfast.payment.state         is 'What became of it: the stored answer.';
comment on column holdfast.payment.order_id      is 'The order it paid for.';
comment on column holdfast.payment.refund_reason is 'Why it is to be paid back.';
comment on column holdfast.payment.created_at    is 'When we were first told.';

create table holdfast.refund (
    gateway      text        not null,
    payment_id   text        not null,
    reason       text        not null,
    amount       bigint      not null,
    currency     text        not null,
    status       text        not null default 'REQUIRED' constraint refund_status_known
                             check (status in ('REQUIRED', 'COMPLETED', 'FAILED')),
    created_at   timestamptz not null default clock_timestamp(),
    finalized_at timestamptz,
    constraint refund_pkey primary key (gateway, payment_id),
    constraint refund_of_a_payment foreign key (gateway, payment_id) references holdfast.payment,
    constraint refund_final_has_its_time check ((status = 'REQUIRED') = (finalized_at is null))
);
comment on table  holdfast.refund              is 'Money to be paid back, once a payment.';
comment on column holdfast.refund.gateway      is 'The payment''s gateway.';
comment on column holdfast.refund.payment_id   is 'The payment.';
comment on column holdfast.refund.reason       is 'Why.';
comment on column holdfast.refund.amount       is 'How much, in the minor unit.';
comment on column holdfast.refund.currency     is 'ISO 4217.';
comment on column holdfast.refund.status       is 'REQUIRED, or how it ended.';
comment on column holdfast.refund.created_at   is 'When it was found to be due.';
comment on column holdfast.refund.finalized_at is 'When it left REQUIRED.';

create table holdfast.orders (
    order_id     uuid        not null constraint orders_pkey primary key,
    hold_id      uuid        not null constraint orders_one_per_hold unique
                             constraint orders_of_a_hold references holdfast.reservation_hold,
    sale_id      text        not null,
    user_id      text        not null,
    gateway      text        not null,
    payment_id   text        not null,
    status       text        not null default 'CONFIRMED' constraint orders_status_known check (status in ('CONFIRMED')),
    total_amount bigint      not null,
    currency     text        not null,
    created_at   timestamptz not null,
    constraint orders_one_per_payment unique (gateway, payment_id),
    constraint orders_paid_by_a_payment foreign key (gateway, payment_id) references holdfast.payment
);
create index orders_by_sale on holdfast.orders (sale_id);
comment on table  holdfast.orders              is 'What was sold: one order a hold, one payment an order.';
comment on column holdfast.orders.order_id     is 'UUIDv7.';
comment on column holdfast.orders.hold_id      is 'The hold that was paid.';
comment on column holdfast.orders.sale_id      is 'The sale.';
comment on column holdfast.orders.user_id      is 'The buyer.';
comment on column holdfast.orders.gateway      is 'The payment''s gateway.';
comment on column holdfast.orders.payment_id   is 'The payment.';
comment on column holdfast.orders.status       is 'CONFIRMED.';
comment on column holdfast.orders.total_amount is 'What was paid, in the minor unit.';
comment on column holdfast.orders.currency     is 'ISO 4217.';
comment on column holdfast.orders.created_at   is 'When it was confirmed.';

create table holdfast.order_items (
    order_id   uuid    not null constraint order_items_of_an_order references holdfast.orders,
    sku_id     text    not null,
    qty        integer not null constraint order_items_qty_range check (qty between 1 and 100),
    unit_price bigint  not null,
    position   integer not null,
    sale_id    text    not null,
    user_id    text    not null,
    constraint order_items_pkey primary key (order_id, sku_id)
);
-- max_per_user counts these; index-only.
create index order_items_by_buyer on holdfast.order_items (sale_id, user_id, sku_id) include (qty);
comment on table  holdfast.order_items            is 'The lines of an order.';
comment on column holdfast.order_items.order_id   is 'Its order.';
comment on column holdfast.order_items.sku_id     is 'The SKU, once an order.';
comment on column holdfast.order_items.qty        is 'Pieces.';
comment on column holdfast.order_items.unit_price is 'Price of a piece when it was granted.';
comment on column holdfast.order_items.position   is 'Its place in the order.';
comment on column holdfast.order_items.sale_id    is 'The sale, here again for the count of max_per_user.';
comment on column holdfast.order_items.user_id    is 'The buyer, here again for the count of max_per_user.';

-- An order and the payment that paid for it name each other; checked at commit, when both are there.
alter table holdfast.payment add constraint payment_paid_for_an_order
    foreign key (order_id) references holdfast.orders deferrable initially deferred;

create table holdfast.order_ledger (
    entry_id   bigint      not null generated always as identity constraint order_ledger_pkey primary key,
    event_type text        not null constraint order_ledger_event_known
                           check (event_type in ('ORDER_CONFIRMED', 'REFUND_REQUIRED')),
    gateway    text        not null,
    payment_id text        not null,
    order_id   uuid,
    amount     bigint      not null,
    currency   text        not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint order_ledger_once unique (gateway, payment_id, event_type),
    constraint order_ledger_order_where_confirmed check ((event_type = 'ORDER_CONFIRMED') = (order_id is not null))
);
comment on table  holdfast.order_ledger            is 'Every change of an order or a payment; only ever added to.';
comment on column holdfast.order_ledger.entry_id   is 'In order of writing.';
comment on column holdfast.order_ledger.event_type is 'What happened.';
comment on column holdfast.order_ledger.gateway    is 'The payment''s gateway.';
comment on column holdfast.order_ledger.payment_id is 'The payment.';
comment on column holdfast.order_ledger.order_id   is 'The order, where there is one.';
comment on column holdfast.order_ledger.amount     is 'In the minor unit.';
comment on column holdfast.order_ledger.currency   is 'ISO 4217.';
comment on column holdfast.order_ledger.created_at is 'When it was written.';

-- What the world is told -----------------------------------------------------------------------------------------

create table holdfast.event_outbox (
    event_id        uuid        not null constraint event_outbox_pkey primary key default uuidv7(),
    event_type      text        not null constraint event_outbox_type_known check (event_type in
                    ('ReservationCreated', 'ReservationExpired', 'ReservationReleased', 'OrderConfirmed',
                     'RefundRequired', 'RefundCompleted', 'RefundFailed', 'StockAdjusted')),
    sale_id         text,
    hold_id         uuid,
    data            json        not null,
    created_at      timestamptz not null default clock_timestamp(),
    attempts        integer     not null default 0 constraint event_outbox_attempts_range check (attempts >= 0),
    next_attempt_at timestamptz not null default clock_timestamp(),
    delivered_at    timestamptz,
    dead_at         timestamptz,
    constraint event_outbox_delivered_or_dead check (delivered_at is null or dead_at is null)
);
-- What is still to be sent, and no more.
create index event_outbox_pending on holdfast.event_outbox (next_attempt_at)
    where delivered_at is null and dead_at is null;
create index event_outbox_dead on holdfast.event_outbox (dead_at) where dead_at is not null;
comment on table  holdfast.event_outbox                 is 'One row per change, written in the transaction that makes the change.';
comment on column holdfast.event_outbox.event_id        is 'UUIDv7; the webhook-id a receiver drops repeats by.';
comment on column holdfast.event_outbox.event_type      is 'What happened.';
comment on column holdfast.event_outbox.sale_id         is 'The sale; null: a payment for no hold of ours.';
comment on column holdfast.event_outbox.hold_id         is 'The hold: its events are sent in order.';
comment on column holdfast.event_outbox.data            is 'What the receiver is told.';
comment on column holdfast.event_outbox.created_at      is 'When it happened.';
comment on column holdfast.event_outbox.attempts        is 'Deliveries tried.';
comment on column holdfast.event_outbox.next_attempt_at is 'When to try next.';
comment on column holdfast.event_outbox.delivered_at    is 'When it was delivered.';
comment on column holdfast.event_outbox.dead_at         is 'When it was given up: a dead letter.';
