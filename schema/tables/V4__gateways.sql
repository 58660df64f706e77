-- Real gateways: payments that are under way, refunds that are paid back, orders that are cancelled, and late payments
-- that take the stock again.

alter table holdfast.sale
    add column late_payment text not null default 'refund'
        constraint sale_late_payment_known check (late_payment in ('refund', 'retake'));
comment on column holdfast.sale.late_payment is 'What a payment after the hold''s end becomes: a refund, or, if the stock is still there, the order.';

-- The real end moves while a payment is under way, and so nothing else has to know of payments: the sweep, a
-- reservation that takes lapsed stock back and a confirmation go on judging by expire_at alone.
alter table holdfast.reservation_hold
    add column promised_until timestamptz,
    add column retaken_at timestamptz,
    drop constraint reservation_hold_paid_in_time,
    add constraint reservation_hold_paid_in_time
        check (status <> 'COMMITTED' or finalized_at < expire_at or retaken_at is not null),
    add constraint reservation_hold_retaken_is_paid check (retaken_at is null or status = 'COMMITTED'),
    add constraint reservation_hold_promise_is_kept check (promised_until <= expire_at);
comment on column holdfast.reservation_hold.promised_until is 'What its buyer was told as its end, where a payment under way has moved expire_at; null: expire_at.';
comment on column holdfast.reservation_hold.retaken_at is 'When a payment after its end took its stock again.';

alter table holdfast.inventory_ledger
    drop constraint inventory_ledger_event_known,
    add constraint inventory_ledger_event_known check (event_type in
        ('STOCK_IN', 'STOCK_OUT', 'RESERVE_DEBIT', 'EXPIRE_CREDIT', 'RELEASE_CREDIT', 'RETAKE_DEBIT', 'CANCEL_CREDIT')),
    drop constraint inventory_ledger_sign,
    add constraint inventory_ledger_sign
        check ((event_type in ('STOCK_OUT', 'RESERVE_DEBIT', 'RETAKE_DEBIT')) = (qty < 0) and qty <> 0);

-- Orders that are cancelled ---------------------------------------------------------------------------------------

alter table holdfast.orders
    add column cancelled_at timestamptz,
    drop constraint orders_status_known,
    add constraint orders_status_known check (status in ('CONFIRMED', 'CANCELLED')),
    add constraint orders_cancelled_has_its_time check ((status = 'CANCELLED') = (cancelled_at is not null));
comment on column holdfast.orders.status       is 'CONFIRMED, or CANCELLED by an operator.';
comment on column holdfast.orders.cancelled_at is 'When it was cancelled.';
comment on table  holdfast.order_items is 'What is sold: the lines of the orders that stand. Those of a cancelled one are read from its hold.';

alter table holdfast.order_ledger
    drop constraint order_ledger_event_known,
    add constraint order_ledger_event_known check (event_type in
        ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED', 'REFUND_COMPLETED', 'REFUND_FAILED')),
    drop constraint order_ledger_order_where_confirmed,
    add constraint order_ledger_order_where_confirmed
        check ((event_type in ('ORDER_CONFIRMED', 'ORDER_CANCELLED')) = (order_id is not null)),
    drop constraint order_ledger_once;
-- A refund that was given up may be tried again, and given up again; everything else happens once.
create unique index order_ledger_once on holdfast.order_ledger (gateway, payment_id, event_type)
    where event_type <> 'REFUND_FAILED';

-- Payments and refunds --------------------------------------------------------------------------------------------

alter table holdfast.payment
    add column payment_no bigint not null generated always as identity constraint payment_in_order unique,
    add column hold_id uuid;
update holdfast.payment p set hold_id = h.hold_id from holdfast.reservation_hold h where p.hold_ref = h.hold_id::text;
create index payment_by_hold on holdfast.payment (hold_id) where hold_id is not null;
comment on column holdfast.payment.payment_no is 'In order of arrival: what a list goes on after.';
comment on column holdfast.payment.hold_id    is 'The hold of ours that it names; null: none.';

alter table holdfast.refund
    add column attempts        integer     not null default 0 constraint refund_attempts_range check (attempts >= 0),
    add column next_attempt_at timestamptz not null default clock_timestamp(),
    add column requested_at    timestamptz,
    add column failure         text;
-- What `refund` looks for, and no more.
create index refund_due on holdfast.refund (next_attempt_at) where status = 'REQUIRED';
-- Dead letters: few, and looked at all the time.
create index refund_dead on holdfast.refund (finalized_at, gateway, payment_id) where status = 'FAILED';
comment on column holdfast.refund.attempts        is 'How often it did not come to an end.';
comment on column holdfast.refund.next_attempt_at is 'When to try next; while somebody tries, when he is given up.';
comment on column holdfast.refund.requested_at    is 'When the gateway took it on to do it later.';
comment on column holdfast.refund.failure         is 'What was said the last time it failed.';

create table holdfast.refund_attempt (
    gateway    text        not null,
    payment_id text        not null,
    attempt    integer     not null constraint refund_attempt_counts_from_1 check (attempt >= 1),
    idem_key   text        not null constraint refund_attempt_key_once unique,
    amount     bigint      not null constraint refund_attempt_amount_range check (amount > 0),
    started_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    outcome    text,
    constraint refund_attempt_pkey primary key (gateway, payment_id, attempt),
    constraint refund_attempt_of_a_refund foreign key (gateway, payment_id) references holdfast.refund,
    constraint refund_attempt_ended_with_an_outcome check ((ended_at is null) = (outcome is null))
);
-- Until it is known how one ended no other begins.
create unique index refund_attempt_one_at_a_time on holdfast.refund_attempt (gateway, payment_id) where ended_at is null;
comment on table  holdfast.refund_attempt            is 'Requests to pay back, each written before it is sent.';
comment on column holdfast.refund_attempt.gateway    is 'The payment''s gateway.';
comment on column holdfast.refund_attempt.payment_id is 'The payment.';
comment on column holdfast.refund_attempt.attempt    is 'From 1.';
comment on column holdfast.refund_attempt.idem_key   is 'The key it is sent with, the same at every repeat.';
comment on column holdfast.refund_attempt.amount     is 'How much, in the minor unit: what the gateway still had.';
comment on column holdfast.refund_attempt.started_at is 'When it was written.';
comment on column holdfast.refund_attempt.ended_at   is 'When its outcome was known.';
comment on column holdfast.refund_attempt.outcome    is 'What the gateway said.';

create table holdfast.payment_attempt (
    gateway    text        not null,
    payment_id text        not null,
    hold_ref   text        not null,
    hold_id    uuid,
    user_id    text,
    amount     bigint      not null,
    currency   text        not null,
    token      text,
    attempt    integer     not null constraint payment_attempt_counts_from_1 check (attempt >= 1),
    state      text        not null constraint payment_attempt_state_known
                           check (state in ('UNDER_WAY', 'CAPTURING', 'LETTING_GO', 'ENDED')),
    outcome    text,
    ask_at     timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    constraint payment_attempt_pkey primary key (gateway, payment_id),
    constraint payment_attempt_ended_with_an_outcome
        check ((state = 'ENDED') = (ended_at is not null) and (state = 'ENDED') = (outcome is not null))
);
-- Two captures for one hold would be one too many.
create unique index payment_attempt_one_capture_a_hold on holdfast.payment_attempt (hold_id) where state = 'CAPTURING';
create index payment_attempt_to_ask on holdfast.payment_attempt (ask_at) where state <> 'ENDED';
create index payment_attempt_by_hold on holdfast.payment_attempt (hold_id);
comment on table  holdfast.payment_attempt            is 'Payments that began and whose money is not taken yet, so far as we were told of them.';
comment on column holdfast.payment_attempt.gateway    is 'Whose payment_id it is.';
comment on column holdfast.payment_attempt.payment_id is 'The gateway''s id.';
comment on column holdfast.payment_attempt.hold_ref   is 'The hold it names, as the gateway said it.';
comment on column holdfast.payment_attempt.hold_id    is 'The hold of ours; null: none.';
comment on column holdfast.payment_attempt.user_id    is 'Who pays, as the gateway said it; null: it did not.';
comment on column holdfast.payment_attempt.amount     is 'In the minor unit.';
comment on column holdfast.payment_attempt.currency   is 'ISO 4217.';
comment on column holdfast.payment_attempt.token      is 'What the buyer''s browser was given to have it captured with.';
comment on column holdfast.payment_attempt.attempt    is 'The how manieth of its hold: with it, the key of its capture.';
comment on column holdfast.payment_attempt.state      is 'The buyer pays; the money is being taken; it is being let go; over.';
comment on column holdfast.payment_attempt.outcome    is 'How it ended.';
comment on column holdfast.payment_attempt.ask_at     is 'When the gateway is asked about it next.';
comment on column holdfast.payment_attempt.created_at is 'When we were first told.';
comment on column holdfast.payment_attempt.ended_at   is 'When it ended.';

create table holdfast.gateway_breaker (
    gateway    text        not null constraint gateway_breaker_pkey primary key,
    state      text        not null default 'closed' constraint gateway_breaker_state_known
                           check (state in ('closed', 'open', 'half_open')),
    failures   integer     not null default 0,
    since      timestamptz not null default clock_timestamp(),
    retry_at   timestamptz not null default clock_timestamp(),
    last_error text
);
comment on table  holdfast.gateway_breaker            is 'Gateways that failed to answer: here, because every instance has to know.';
comment on column holdfast.gateway_breaker.gateway    is 'The gateway.';
comment on column holdfast.gateway_breaker.state      is 'closed: asked; open: left alone; half_open: one asks whether it is back.';
comment on column holdfast.gateway_breaker.failures   is 'In a row.';
comment on column holdfast.gateway_breaker.since      is 'When the state began.';
comment on column holdfast.gateway_breaker.retry_at   is 'When the next is let through.';
comment on column holdfast.gateway_breaker.last_error is 'What was seen the last time.';
