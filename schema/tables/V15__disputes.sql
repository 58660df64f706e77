-- A dispute that is over, of which the gateway does not say who has won.

alter table holdfast.payment
    drop constraint payment_dispute_known,
    add constraint payment_dispute_known check (dispute in ('open', 'resolved', 'won', 'lost'));
comment on column holdfast.payment.dispute is 'open, resolved (it is over, and the gateway does not say how), won (the money stays), lost (the bank gave it back); null: none.';

alter table holdfast.order_ledger
    drop constraint order_ledger_event_known,
    add constraint order_ledger_event_known check (event_type in
        ('ORDER_CONFIRMED', 'ORDER_CANCELLED', 'REFUND_REQUIRED', 'REFUND_COMPLETED', 'REFUND_FAILED', 'REFUND_REOPENED',
         'PAYMENT_REFUNDED_OUTSIDE', 'PAYMENT_REVERSED', 'PAYMENT_RESTORED',
         'PAYMENT_DISPUTED', 'DISPUTE_RESOLVED', 'DISPUTE_WON', 'DISPUTE_LOST'));
