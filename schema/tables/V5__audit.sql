-- What the audit found, and how far it has come.

create table holdfast.audit_finding (
    finding_id    uuid        not null constraint audit_finding_pkey primary key default uuidv7(),
    part          text        not null,
    check_name    text        not null,
    subject       text        not null,
    sale_id       text,
    expected      bigint      not null,
    found         bigint      not null,
    saw           json        not null,
    first_seen_at timestamptz not null default clock_timestamp(),
    last_seen_at  timestamptz not null default clock_timestamp(),
    gone_at       timestamptz,
    constraint audit_finding_seen_in_order check (last_seen_at >= first_seen_at)
);
-- A finding stands once, however often it is seen.
create unique index audit_finding_stands_once on holdfast.audit_finding (check_name, subject) where gone_at is null;
create index audit_finding_of_a_sale on holdfast.audit_finding (sale_id) where gone_at is null;
comment on table  holdfast.audit_finding               is 'What did not agree, as it was seen. Nothing here is ever corrected or removed by Holdfast.';
comment on column holdfast.audit_finding.finding_id    is 'UUIDv7.';
comment on column holdfast.audit_finding.part          is 'What was being gone through: sales, holds, payments, events.';
comment on column holdfast.audit_finding.check_name    is 'What was compared; see schema/audit.sql.';
comment on column holdfast.audit_finding.subject       is 'Of what: a SKU, a hold, a payment, an event.';
comment on column holdfast.audit_finding.sale_id       is 'Its sale; null: none is known.';
comment on column holdfast.audit_finding.expected      is 'What follows from the one side.';
comment on column holdfast.audit_finding.found         is 'What the other side says.';
comment on column holdfast.audit_finding.saw           is 'The rows as they were seen the first time.';
comment on column holdfast.audit_finding.first_seen_at is 'When it was found and told.';
comment on column holdfast.audit_finding.last_seen_at  is 'When it was seen last.';
comment on column holdfast.audit_finding.gone_at       is 'When a whole pass no longer saw it; null: it stands.';

create table holdfast.audit_cursor (
    part     text        not null constraint audit_cursor_pkey primary key
                         constraint audit_cursor_part_known check (part in ('sales', 'holds', 'payments', 'events')),
    upto     text        not null default '',
    began_at timestamptz not null default clock_timestamp()
);
insert into holdfast.audit_cursor (part) values ('sales'), ('holds'), ('payments'), ('events');
comment on table  holdfast.audit_cursor          is 'How far the audit has come: it goes on there, and begins again when it is through.';
comment on column holdfast.audit_cursor.part     is 'What is gone through.';
comment on column holdfast.audit_cursor.upto     is 'The last one looked at; empty: none yet.';
comment on column holdfast.audit_cursor.began_at is 'When this pass began.';

-- What was found is told like everything else.
alter table holdfast.event_outbox
    drop constraint event_outbox_type_known,
    add constraint event_outbox_type_known check (event_type in
        ('ReservationCreated', 'ReservationExpired', 'ReservationReleased', 'OrderConfirmed',
         'RefundRequired', 'RefundCompleted', 'RefundFailed', 'StockAdjusted', 'AuditFinding'));

-- A hold's end is told once. T1, which is the hot one, writes nothing here.
create unique index event_outbox_end_told_once on holdfast.event_outbox (hold_id, event_type)
    where event_type in ('OrderConfirmed', 'ReservationExpired', 'ReservationReleased');
create index event_outbox_of_a_refund on holdfast.event_outbox ((data ->> 'gateway'), (data ->> 'payment_id'))
    where event_type in ('RefundRequired', 'RefundCompleted', 'RefundFailed');
create index event_outbox_of_stock on holdfast.event_outbox (sale_id) where event_type = 'StockAdjusted';
create index inventory_ledger_of_operators on holdfast.inventory_ledger (sale_id, sku_id) where hold_id is null;
create index order_ledger_given_up on holdfast.order_ledger (gateway, payment_id) where event_type = 'REFUND_FAILED';
