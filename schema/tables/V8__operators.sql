-- Who changed what, and what there was before; one list of what happens, in the order in which it happened.

alter table holdfast.operator_ledger
    add column before json,
    add column after  json;
comment on column holdfast.operator_ledger.actor   is 'Who did it: the name of the token.';
comment on column holdfast.operator_ledger.before  is 'What the change found; null: nothing, it made something.';
comment on column holdfast.operator_ledger.after   is 'What it left; null: nothing.';
comment on column holdfast.operator_ledger.details is 'What came of it, as earlier releases wrote it.';

-- What happens: the list is functions/protocol/src/event.rs, and a test compares the two.
alter table holdfast.event_outbox
    drop constraint event_outbox_type_known,
    add constraint event_outbox_type_known check (event_type in
        ('ReservationCreated', 'ReservationExpired', 'ReservationReleased', 'OrderConfirmed', 'RefundRequired',
         'RefundCompleted', 'RefundFailed', 'StockAdjusted', 'AuditFinding', 'OrderCancelled', 'OrderStatusChanged',
         'HoldChanged', 'CouponIssued', 'CouponUsed', 'WalletCharged', 'WalletPaid', 'WalletRefunded', 'PaymentDisputed',
         'PaymentRefundedOutside', 'SaleChanged'));

-- The order of events is a sequence's, and no clock's: a clock may step back. Two events of one hold are written one after
-- the other, for each of their transactions has the hold's row, so the later one has the greater number, and whoever sees
-- it sees the earlier one too. What was told before this column was there needs no number.
create sequence holdfast.event_seq as bigint;
alter table holdfast.event_outbox add column seq bigint;
update holdfast.event_outbox e set seq = n.seq
from (select p.event_id, nextval('holdfast.event_seq') as seq
      from (select event_id from holdfast.event_outbox where fanned_out_at is null order by event_id) p) n
where e.event_id = n.event_id;
alter table holdfast.event_outbox
    alter column seq set default nextval('holdfast.event_seq'),
    add constraint event_outbox_numbered_until_fanned_out check (seq is not null or fanned_out_at is not null);
alter sequence holdfast.event_seq owned by holdfast.event_outbox.seq;
drop index holdfast.event_outbox_to_fan_out;
create index event_outbox_to_fan_out on holdfast.event_outbox (seq) where fanned_out_at is null;
comment on column holdfast.event_outbox.seq is 'In order of writing; null: told before there were numbers.';

-- Who fans out: one at a time. A row and no advisory lock, which any login could take and keep.
create table holdfast.fan_out_turn (
    one boolean not null default true constraint fan_out_turn_one_row primary key constraint fan_out_turn_only check (one)
);
insert into holdfast.fan_out_turn default values;
comment on table  holdfast.fan_out_turn     is 'Whoever has its one row locked fans out.';
comment on column holdfast.fan_out_turn.one is 'True.';

-- What is disabled for a while misses nothing: what happens meanwhile is written for it, too, and waits.
alter table holdfast.subscription add column gone boolean not null default false;
update holdfast.subscription set gone = true where status = 'DISABLED' and status_reason like 'the receiver answered 410%';
comment on column holdfast.subscription.gone   is 'It was disabled because its receiver answered 410: what waits for it becomes dead letters.';
comment on column holdfast.subscription.status is 'ENABLED; DISABLED: what happens waits for it for as long as sent events are kept; DELETED: what waits for it is dropped.';

-- Dead letters of one subscription, oldest or newest first.
create index delivery_dead_of_a_subscription on holdfast.delivery (subscription_id, finalized_at, delivery_id) where status = 'DEAD';
create index operator_request_by_age on holdfast.operator_request (created_at);

-- How far retention has come in what it goes through in pieces.
create table holdfast.retention_cursor (
    part text not null constraint retention_cursor_pkey primary key
              constraint retention_cursor_part_known check (part in ('events', 'holds')),
    upto uuid not null default '00000000-0000-0000-0000-000000000000'
);
insert into holdfast.retention_cursor (part) values ('events'), ('holds');
comment on table  holdfast.retention_cursor      is 'How far retention has come: it looks at the next piece, however much of what lies before is kept.';
comment on column holdfast.retention_cursor.part is 'What is gone through: events, again and again; holds, once.';
comment on column holdfast.retention_cursor.upto is 'The last one looked at.';
comment on table holdfast.inventory_ledger is 'Every change of every counter; only ever added to, but that the entries of a hold that ended unpaid long ago, which come to nothing, are removed together with it.';

-- People are forgotten -------------------------------------------------------------------------------------------

-- What a buyer's browser was given to pay with is nobody's once it is over.
update holdfast.payment_attempt set token = null where state = 'ENDED' and token is not null;
alter table holdfast.payment_attempt
    add constraint payment_attempt_ended_has_no_token check (state <> 'ENDED' or token is null) not valid;
comment on column holdfast.payment_attempt.token is 'What the buyer''s browser was given to have it captured with; gone when the attempt has ended.';

create index payment_of_a_user on holdfast.payment (user_id, payment_no);
create index payment_attempt_of_a_user on holdfast.payment_attempt (user_id) where state = 'ENDED';

create table holdfast.forget_request (
    user_id   text        not null constraint forget_request_pkey primary key,
    pseudonym text        not null constraint forget_request_pseudonym_once unique,
    asked_at  timestamptz not null default clock_timestamp(),
    next_at   timestamptz not null default clock_timestamp()
);
create index forget_request_due on holdfast.forget_request (next_at);
comment on table  holdfast.forget_request           is 'Users who are to be forgotten, until nothing of them is left that may go; then their row goes, too.';
comment on column holdfast.forget_request.user_id   is 'The user.';
comment on column holdfast.forget_request.pseudonym is 'What stands in the user''s place: made up, and derived from nothing.';
comment on column holdfast.forget_request.asked_at  is 'When an operator asked for it.';
comment on column holdfast.forget_request.next_at   is 'When to look again for what may go by then.';
