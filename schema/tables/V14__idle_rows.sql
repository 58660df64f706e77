-- What retention removes, found without reading what stays. And what it did not remove until now.

create index audit_finding_gone on holdfast.audit_finding (gone_at) where gone_at is not null;

-- A buyer's row without anything bought counts for nothing once the longest cool-down is over, which is a day.
delete from holdfast.buyer_history b
where b.bought = 0 and (b.lapsed_at is null or b.lapsed_at < clock_timestamp() - interval '1 day');
