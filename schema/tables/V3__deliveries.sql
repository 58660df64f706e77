-- What is sent to whom, and what an operator did about it.
--
-- The outbox keeps what happened, once. A delivery is one event on its way to one subscription, written by `relay`:
-- T1, T2 and T3 go on writing one outbox row and nothing else, and that row becomes narrower by what a delivery keeps.

-- It names the columns that go; admin.sql makes it again.
drop function if exists holdfast.report(text);
drop index holdfast.event_outbox_pending;
drop index holdfast.event_outbox_dead;
alter table holdfast.event_outbox
    drop column attempts,
    drop column next_attempt_at,
    drop column delivered_at,
    drop column dead_at,
    add column fanned_out_at timestamptz;
-- What has no deliveries yet, and no more. The ids are in the order in which things happened.
create index event_outbox_to_fan_out on holdfast.event_outbox (event_id) where fanned_out_at is null;
comment on column holdfast.event_outbox.fanned_out_at is 'When its deliveries were written, one a subscription; null: not yet.';

create table holdfast.subscription (
    subscription_id     uuid        not null constraint subscription_pkey primary key default uuidv7(),
    kind                text        not null constraint subscription_kind_known check (kind in ('http', 'sqs', 'eventbridge')),
    endpoint            text        not null constraint subscription_endpoint_length check (char_length(endpoint) between 1 and 2000),
    event_types         text[]      not null default '{}',
    status              text        not null default 'ENABLED' constraint subscription_status_known
                                    check (status in ('ENABLED', 'DISABLED', 'DELETED')),
    status_reason       text,
    status_at           timestamptz not null default clock_timestamp(),
    secret              text,
    old_secret          text,
    old_secret_until    timestamptz,
    breaker             text        not null default 'closed' constraint subscription_breaker_known
                                    check (breaker in ('closed', 'open', 'half_open')),
    breaker_at          timestamptz not null default clock_timestamp(),
    breaker_until       timestamptz,
    breaker_opened      integer     not null default 0,
    failures            integer     not null default 0,
    created_at          timestamptz not null default clock_timestamp(),
    constraint subscription_http_is_signed check ((kind = 'http' and status <> 'DELETED') = (secret is not null)),
    constraint subscription_two_secrets_at_most check
        ((old_secret is null) = (old_secret_until is null) and (old_secret is null or secret is not null)),
    constraint subscription_open_until_a_time check ((breaker = 'open') = (breaker_until is not null)),
    constraint subscription_closed_has_no_openings check (breaker <> 'closed' or breaker_opened = 0)
);
comment on table  holdfast.subscription                  is 'Who is told of what happens, and how well that goes.';
comment on column holdfast.subscription.subscription_id  is 'UUIDv7.';
comment on column holdfast.subscription.kind             is 'How it is reached: http, an SQS queue, an EventBridge bus.';
comment on column holdfast.subscription.endpoint         is 'The URL, the queue''s URL, or the bus.';
comment on column holdfast.subscription.event_types      is 'What it is told of; empty: everything.';
comment on column holdfast.subscription.status           is 'ENABLED; DISABLED: what waits for it becomes dead letters; DELETED: what waits for it is dropped.';
comment on column holdfast.subscription.status_reason    is 'Why it was disabled or deleted.';
comment on column holdfast.subscription.status_at        is 'Since when it has that status.';
comment on column holdfast.subscription.secret           is 'What its messages are signed with: whsec_ and base64. Where access is AWS''s matter: null.';
comment on column holdfast.subscription.old_secret       is 'The secret before it, signed with as well until its time is over.';
comment on column holdfast.subscription.old_secret_until is 'When the old secret ends.';
comment on column holdfast.subscription.breaker          is 'closed: it is sent to; open: it is left alone; half_open: one delivery tries whether it is back.';
comment on column holdfast.subscription.breaker_at       is 'Since when the breaker is so.';
comment on column holdfast.subscription.breaker_until    is 'How long an open breaker leaves it alone.';
comment on column holdfast.subscription.breaker_opened   is 'Times it opened since it was closed: each time for longer.';
comment on column holdfast.subscription.failures         is 'Failures in a row.';
comment on column holdfast.subscription.created_at       is 'When it was created: it is told of what happens from then on.';

create table holdfast.delivery (
    delivery_id     bigint      not null generated always as identity constraint delivery_pkey primary key,
    event_id        uuid        not null constraint delivery_of_an_event references holdfast.event_outbox,
    subscription_id uuid        not null constraint delivery_to_a_subscription references holdfast.subscription,
    hold_id         uuid,
    status          text        not null default 'PENDING' constraint delivery_status_known
                                check (status in ('PENDING', 'DELIVERED', 'DEAD')),
    ready_at        timestamptz,
    next_attempt_at timestamptz not null,
    claim           uuid,
    attempts        integer     not null default 0 constraint delivery_attempts_range check (attempts >= 0),
    last_status     integer,
    last_error      text        constraint delivery_last_error_length check (char_length(last_error) <= 500),
    finalized_at    timestamptz,
    constraint delivery_once_per_subscription unique (event_id, subscription_id),
    constraint delivery_final_has_its_time check ((status = 'PENDING') = (finalized_at is null)),
    constraint delivery_claimed_when_ready check (claim is null or (status = 'PENDING' and ready_at is not null)),
    constraint delivery_dead_has_its_reason check (status <> 'DEAD' or last_error is not null)
);
-- In order for one hold: of its events one at a time is on its way to a subscription, whatever code runs.
create unique index delivery_one_of_a_hold on holdfast.delivery (subscription_id, hold_id)
    where status = 'PENDING' and ready_at is not null;
-- What waits for a subscription, and which of a hold is next.
create index delivery_in_order on holdfast.delivery (subscription_id, hold_id, delivery_id) where status = 'PENDING';
create index delivery_due on holdfast.delivery (subscription_id, next_attempt_at)
    where status = 'PENDING' and ready_at is not null;
create index delivery_waiting_longest on holdfast.delivery (subscription_id, ready_at)
    where status = 'PENDING' and ready_at is not null;
create index delivery_claimed on holdfast.delivery (subscription_id) where claim is not null;
create index delivery_dead on holdfast.delivery (finalized_at, delivery_id) where status = 'DEAD';
comment on table  holdfast.delivery                 is 'One event on its way to one subscription.';
comment on column holdfast.delivery.delivery_id     is 'In the order of the events; the events of a hold are sent in it.';
comment on column holdfast.delivery.event_id        is 'The event.';
comment on column holdfast.delivery.subscription_id is 'Where it goes.';
comment on column holdfast.delivery.hold_id         is 'The event''s hold, here again for the order; null: it waits for no other.';
comment on column holdfast.delivery.status          is 'PENDING, or how it ended; a dead letter that is replayed is PENDING again.';
comment on column holdfast.delivery.ready_at        is 'Since when it can be sent; null: an earlier event of its hold is on its way.';
comment on column holdfast.delivery.next_attempt_at is 'From when on it may be claimed; of one that is claimed, when its claim ends.';
comment on column holdfast.delivery.claim           is 'The claim under which it is being sent; null: none.';
comment on column holdfast.delivery.attempts        is 'Attempts whose result is known.';
comment on column holdfast.delivery.last_status     is 'The receiver''s last HTTP status; null: there was no answer.';
comment on column holdfast.delivery.last_error      is 'What went wrong last.';
comment on column holdfast.delivery.finalized_at    is 'When it left PENDING.';

-- What operators do ----------------------------------------------------------------------------------------------

create table holdfast.operator_ledger (
    entry_id   bigint      not null generated always as identity constraint operator_ledger_pkey primary key,
    action     text        not null,
    subject    text        not null,
    actor      text        not null,
    reason     text,
    request_id text        not null,
    details    json,
    created_at timestamptz not null default clock_timestamp()
);
comment on table  holdfast.operator_ledger            is 'Who changed what, when and why; only ever added to.';
comment on column holdfast.operator_ledger.entry_id   is 'In order of writing.';
comment on column holdfast.operator_ledger.action     is 'What was done.';
comment on column holdfast.operator_ledger.subject    is 'To what.';
comment on column holdfast.operator_ledger.actor      is 'Who says to have done it: X-Operator.';
comment on column holdfast.operator_ledger.reason     is 'The operator''s words.';
comment on column holdfast.operator_ledger.request_id is 'The request that did it, as it is in the logs.';
comment on column holdfast.operator_ledger.details    is 'What came of it.';
comment on column holdfast.operator_ledger.created_at is 'When.';

create table holdfast.operator_request (
    idem_key    text        not null constraint operator_request_pkey primary key,
    fingerprint bytea       not null constraint operator_request_fingerprint_is_sha256 check (octet_length(fingerprint) = 32),
    answer      json        not null,
    created_at  timestamptz not null default clock_timestamp()
);
comment on table  holdfast.operator_request             is 'What an operator''s Idempotency-Key was answered, a new secret included; removed after its retention.';
comment on column holdfast.operator_request.idem_key    is 'The operator''s Idempotency-Key.';
comment on column holdfast.operator_request.fingerprint is 'SHA-256 of what was asked.';
comment on column holdfast.operator_request.answer      is 'The stored answer.';
comment on column holdfast.operator_request.created_at  is 'When; kept for at least 24 hours.';

-- What is removed ------------------------------------------------------------------------------------------------

-- Finished keys are found by their holds, whose ids are in the order of time: so T1's tables need no index for it.
create table holdfast.key_retention (
    one  boolean not null default true constraint key_retention_one_row primary key constraint key_retention_only check (one),
    upto uuid    not null
);
insert into holdfast.key_retention (upto) values ('00000000-0000-0000-0000-000000000000');
comment on table  holdfast.key_retention      is 'How far finished idempotency keys have been removed; one row.';
comment on column holdfast.key_retention.one  is 'True.';
comment on column holdfast.key_retention.upto is 'The last hold whose key was looked at.';
