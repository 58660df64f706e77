-- A hold's lines can be changed while it is held. Its version counts the changes, and the stock that each moves has entries
-- that name it.

alter table holdfast.reservation_hold
    add column version    integer not null default 1 constraint reservation_hold_version_range check (version >= 1),
    add column granted_as json,
    add constraint reservation_hold_changed_keeps_its_grant check ((version > 1) = (granted_as is not null));
comment on column holdfast.reservation_hold.version    is 'From 1, one more with every change of its lines: its ETag.';
comment on column holdfast.reservation_hold.granted_as is 'What was granted, where the lines have changed since: the answer to the key that it was granted for; null: they have not.';
comment on column holdfast.reservation_hold.total_amount is 'What is to be paid, in the minor unit: of the lines as they are now.';

alter table holdfast.inventory_ledger
    add column hold_version integer,
    drop constraint inventory_ledger_event_known,
    add constraint inventory_ledger_event_known check (event_type in
        ('STOCK_IN', 'STOCK_OUT', 'RESERVE_DEBIT', 'EXPIRE_CREDIT', 'RELEASE_CREDIT', 'RETAKE_DEBIT', 'CANCEL_CREDIT',
         'RETURN_CREDIT', 'CHANGE_DEBIT', 'CHANGE_CREDIT')),
    drop constraint inventory_ledger_sign,
    add constraint inventory_ledger_sign
        check ((event_type in ('STOCK_OUT', 'RESERVE_DEBIT', 'RETAKE_DEBIT', 'CHANGE_DEBIT')) = (qty < 0) and qty <> 0),
    add constraint inventory_ledger_version_of_a_change
        check ((event_type in ('CHANGE_DEBIT', 'CHANGE_CREDIT')) = (hold_version is not null));
comment on column holdfast.inventory_ledger.hold_version is 'Of a changed hold: the version that the change made; null: no change.';

-- A change moves each SKU once; everything else happens to a hold's SKU once. What belongs to a hold is found by the second
-- one, which is there before the old one goes and takes its name.
create unique index inventory_ledger_once_per_change on holdfast.inventory_ledger (hold_id, sku_id, hold_version)
    where hold_version is not null;
create unique index inventory_ledger_once_a_hold on holdfast.inventory_ledger (hold_id, sku_id, event_type, hold_version)
    nulls not distinct where hold_id is not null;
drop index holdfast.inventory_ledger_once_per_hold;
alter index holdfast.inventory_ledger_once_a_hold rename to inventory_ledger_once_per_hold;

create index event_outbox_of_a_changed_hold on holdfast.event_outbox (hold_id) where event_type = 'HoldChanged';
