-- Ownership before money: a payment in our form whose hold this database does not have waits for an operator.

create table holdfast.parked_payment (
    gateway    text        not null,
    payment_id text        not null,
    hold_ref   text        not null,
    amount     bigint      not null constraint parked_payment_amount_range check (amount >= 0),
    currency   text        not null,
    captured   boolean     not null,
    state      text        not null default 'PARKED' constraint parked_payment_state_known
                           check (state in ('PARKED', 'PAID_BACK', 'DISMISSED', 'SETTLED', 'GONE')),
    created_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    constraint parked_payment_pkey primary key (gateway, payment_id),
    constraint parked_payment_ended_has_its_time check ((state = 'PARKED') = (ended_at is null))
);
-- What an operator has to decide: few, and looked at all the time.
create index parked_payment_open on holdfast.parked_payment (created_at, gateway, payment_id) where state = 'PARKED';
create index parked_payment_ended on holdfast.parked_payment (ended_at) where state <> 'PARKED';
comment on table  holdfast.parked_payment            is 'Payments that name a hold in our form which is none of ours: another Holdfast on the same account, or a mistake.';
comment on column holdfast.parked_payment.gateway    is 'Whose payment_id it is.';
comment on column holdfast.parked_payment.payment_id is 'The gateway''s id.';
comment on column holdfast.parked_payment.hold_ref   is 'The hold it names, as the gateway said it.';
comment on column holdfast.parked_payment.amount     is 'What was taken or is set aside, in the minor unit.';
comment on column holdfast.parked_payment.currency   is 'ISO 4217, as the gateway said it.';
comment on column holdfast.parked_payment.captured   is 'The money was taken; otherwise it is set aside.';
comment on column holdfast.parked_payment.state      is 'PARKED until an operator pays it back, dismisses it or has settled it; GONE: the gateway has nothing of it any more.';
comment on column holdfast.parked_payment.created_at is 'When we were first told.';
comment on column holdfast.parked_payment.ended_at   is 'When it left PARKED.';

-- Refunds by the rule before this one, which paid back whatever named no hold of ours: what has not begun waits for an
-- operator as a refund that failed, and what is only set aside is not let go any more.
with stopped as (
    update holdfast.refund r set status = 'FAILED', finalized_at = clock_timestamp(),
           failure = 'the hold is not known here: decide whether it is to be paid back'
    where r.status = 'REQUIRED' and r.reason = 'hold_unknown' and r.gateway <> 'standard'
      and not exists (select from holdfast.refund_attempt a
                      where (a.gateway, a.payment_id) = (r.gateway, r.payment_id))
    returning r.*
), entered as (
    insert into holdfast.order_ledger (event_type, gateway, payment_id, amount, currency)
    select 'REFUND_FAILED', s.gateway, s.payment_id, s.amount, s.currency from stopped s
)
insert into holdfast.event_outbox (event_type, sale_id, hold_id, data)
select 'RefundFailed', null, null, json_build_object(
    'gateway', s.gateway, 'payment_id', s.payment_id, 'hold_id', null, 'hold_ref', p.hold_ref, 'user_id', p.user_id,
    'amount', s.amount, 'currency', s.currency, 'reason', s.reason, 'failure', s.failure)
from stopped s join holdfast.payment p using (gateway, payment_id);

update holdfast.payment_attempt a set state = 'ENDED', ended_at = clock_timestamp(), outcome = 'the hold is not known here'
where a.state = 'LETTING_GO' and a.hold_id is null and a.gateway <> 'standard';
