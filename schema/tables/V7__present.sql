-- What a gateway has of a payment later: after an order or a refund it may change its mind.

alter table holdfast.payment
    add column seen_at          timestamptz,
    add column seen_left        bigint constraint payment_seen_left_range check (seen_left >= 0),
    add column listed_at        timestamptz,
    add column refunded_outside bigint not null default 0,
    add column reversed_at      timestamptz,
    add column dispute          text constraint payment_dispute_known check (dispute in ('open', 'won', 'lost')),
    add column disputed_amount  bigint constraint payment_disputed_amount_range check (disputed_amount >= 0),
    add constraint payment_refunded_outside_range check (refunded_outside between 0 and amount),
    add constraint payment_dispute_has_its_amount check ((dispute is null) = (disputed_amount is null));
-- For the report: what is seldom. And what the reconciliation goes through, in order of arrival.
create index payment_changed_later on holdfast.payment (sale_id)
    where dispute is not null or refunded_outside > 0 or reversed_at is not null;
create index payment_by_gateway on holdfast.payment (gateway, created_at, payment_no);
comment on column holdfast.payment.seen_at          is 'When the gateway was last asked about it after it was settled; null: not yet.';
comment on column holdfast.payment.seen_left        is 'What the gateway had of the buyer''s money then, in the minor unit.';
comment on column holdfast.payment.listed_at        is 'When the gateway''s own list last had it; null: not yet.';
comment on column holdfast.payment.refunded_outside is 'What was paid back by somebody else than `refund`, in the minor unit: in the gateway''s console.';
comment on column holdfast.payment.reversed_at      is 'When a deposit was seen to be taken back; null: it stands.';
comment on column holdfast.payment.dispute          is 'open, won (the money stays), lost (the bank gave it back); null: none.';
comment on column holdfast.payment.disputed_amount  is 'What the dispute is about, in the minor unit.';

-- Which of the requests paid something back: the rest of what the gateway paid back, somebody else did.
alter table holdfast.refund_attempt add column succeeded boolean not null default false;
update holdfast.refund_attempt a set succeeded = true from holdfast.refund r
where (r.gateway, r.payment_id, r.status) = (a.gateway, a.payment_id, 'COMPLETED') and a.ended_at is not null
  and (a.outcome in ('done', 'partly') or a.attempt = (
        select max(l.attempt) from holdfast.refund_attempt l where (l.gateway, l.payment_id) = (a.gateway, a.payment_id)));
alter table holdfast.refund_attempt
    add constraint refund_attempt_succeeded_has_ended check (not succeeded or ended_at is not null);
comment on column holdfast.refund_attempt.succeeded is 'Whether it paid its amount back, so far as the gateway says.';

alter table holdfast.order_ledger
    drop constraint order_ledger_event_known,
    add constraint order_ledger_event_known check (event_type in
        ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED', 'REFUND_COMPLETED', 'REFUND_FAILED', 'REFUND_REOPENED',
         'PAYMENT_REFUNDED_OUTSIDE', 'PAYMENT_REVERSED', 'PAYMENT_RESTORED',
         'PAYMENT_DISPUTED', 'DISPUTE_WON', 'DISPUTE_LOST')),
    drop constraint order_ledger_order_where_confirmed,
    add constraint order_ledger_order_where_confirmed check (case
        when event_type in ('ORDER_CONFIRMED', 'ORDER_CANCELLED') then order_id is not null
        when event_type in ('REFUND_REQUIRED', 'REFUND_COMPLETED', 'REFUND_FAILED', 'REFUND_REOPENED') then order_id is null
        else true end);
-- A refund that was reported failed is completed once more; a dispute may be opened again; money may go in parts.
drop index holdfast.order_ledger_once;
create unique index order_ledger_once on holdfast.order_ledger (gateway, payment_id, event_type)
    where event_type in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED');
-- The rest, for whoever reads one payment's; refunds that were given up among it.
drop index holdfast.order_ledger_given_up;
create index order_ledger_later on holdfast.order_ledger (gateway, payment_id)
    where event_type not in ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED');

alter table holdfast.event_outbox
    drop constraint event_outbox_type_known,
    add constraint event_outbox_type_known check (event_type in
        ('ReservationCreated', 'ReservationExpired', 'ReservationReleased', 'OrderConfirmed',
         'RefundRequired', 'RefundCompleted', 'RefundFailed', 'StockAdjusted', 'AuditFinding',
         'PaymentDisputed', 'PaymentRefundedOutside'));
create index event_outbox_of_a_change on holdfast.event_outbox ((data ->> 'gateway'), (data ->> 'payment_id'))
    where event_type in ('PaymentDisputed', 'PaymentRefundedOutside');

create table holdfast.reconcile_pass (
    gateway     text        not null constraint reconcile_pass_pkey primary key,
    list        text        not null default '',
    cursor      text        not null default '',
    from_at     timestamptz not null,
    until_at    timestamptz not null constraint reconcile_pass_window check (until_at >= from_at),
    began_at    timestamptz not null,
    finished_at timestamptz,
    next_at     timestamptz not null,
    failures    integer     not null default 0 constraint reconcile_pass_failures_range check (failures >= 0),
    last_error  text,
    looked      bigint      not null default 0,
    differed    bigint      not null default 0
);
comment on table  holdfast.reconcile_pass             is 'How far the comparison with each gateway''s own list has come: it goes on there, and begins again when its time has come.';
comment on column holdfast.reconcile_pass.gateway     is 'The gateway.';
comment on column holdfast.reconcile_pass.list        is 'Which of its lists is gone through; empty: the first; ours: our payments that no list had.';
comment on column holdfast.reconcile_pass.cursor      is 'Where in that list it goes on, in the gateway''s words; empty: at its beginning.';
comment on column holdfast.reconcile_pass.from_at     is 'What is listed begins here.';
comment on column holdfast.reconcile_pass.until_at    is 'And ends here.';
comment on column holdfast.reconcile_pass.began_at    is 'When this pass began.';
comment on column holdfast.reconcile_pass.finished_at is 'When it came to its end; null: it goes on.';
comment on column holdfast.reconcile_pass.next_at     is 'When it goes on, or the next begins; while somebody works on it, when he is given up.';
comment on column holdfast.reconcile_pass.failures    is 'Failures of the gateway to list, in a row.';
comment on column holdfast.reconcile_pass.last_error  is 'What was seen the last time.';
comment on column holdfast.reconcile_pass.looked      is 'Entries this pass has compared.';
comment on column holdfast.reconcile_pass.differed    is 'Of them, those that the gateway was asked about.';
