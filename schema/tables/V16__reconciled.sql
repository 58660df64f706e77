-- How far each gateway's lists have been compared, and when a pass is overdue: for the report and for the audit.

alter table holdfast.reconcile_pass
    add column compared_until timestamptz,
    add column overdue_at     timestamptz;
comment on column holdfast.reconcile_pass.compared_until is 'Until when all is compared, by the last pass that came to its end; null: none did.';
comment on column holdfast.reconcile_pass.overdue_at     is 'When the next pass should have begun, or this one should be through; null: the gateway is not configured any more.';

update holdfast.reconcile_pass r set compared_until = r.until_at where r.finished_at is not null and r.until_at > 'epoch';

-- A part of its own.
alter table holdfast.audit_cursor
    drop constraint audit_cursor_part_known,
    add constraint audit_cursor_part_known check (part in ('sales', 'holds', 'payments', 'events', 'reconciliation'));
insert into holdfast.audit_cursor (part) values ('reconciliation');
comment on column holdfast.audit_finding.part is 'What was being gone through: sales, holds, payments, events, reconciliation; gateways: it was compared with a gateway''s list.';

-- By time first: while the table is empty, and all plans are made, an index that begins with the gateway looks as good for
-- finding one payment as the key does, and every payment of the gateway would be read for it.
drop index holdfast.payment_by_gateway;
create index payment_by_time on holdfast.payment (created_at, payment_no, gateway);
