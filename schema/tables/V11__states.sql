-- The state decides, not the call: payments whose page was opened and of which nobody has told, questions that nobody
-- answers, gateways that want to be asked less often, and refunds that need an account to go to.

alter table holdfast.gateway_breaker add column ask_after timestamptz;
comment on column holdfast.gateway_breaker.ask_after is 'What may wait is not asked before; null: at once. The gateway has answered that it is asked too often (429).';

alter table holdfast.payment_attempt
    add column opened     boolean     not null default false,
    add column unanswered integer     not null default 0 constraint payment_attempt_unanswered_range check (unanswered >= 0),
    add column dead_at    timestamptz,
    add constraint payment_attempt_dead_is_ended check (dead_at is null or state = 'ENDED');
create index payment_attempt_dead on holdfast.payment_attempt (dead_at, gateway, payment_id) where dead_at is not null;
comment on column holdfast.payment_attempt.opened     is 'Whether the payment page was opened and no more is known: payment_id is then the reference it was opened with, which the gateway finds its payments by.';
comment on column holdfast.payment_attempt.unanswered is 'Questions in a row whose answer was none: the gateway is at work, and says nothing of this payment.';
comment on column holdfast.payment_attempt.dead_at    is 'When asking was given up: a dead letter until an operator has it asked about again, or dismisses it.';

alter table holdfast.refund
    add column account_needed boolean not null default false;
comment on column holdfast.refund.account_needed is 'Whether the gateway can pay back only to a bank account that somebody has to name. The account itself is kept nowhere.';
