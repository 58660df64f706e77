-- What the report reads of the tables that grow: a sale's rows lie together, since a sale is a short time of a table's
-- life. A block range index says which stretches may have some of it, and costs a reservation next to nothing.

create index reservation_hold_by_sale on holdfast.reservation_hold using brin (sale_id) with (pages_per_range = 32);
create index inventory_ledger_by_sale on holdfast.inventory_ledger using brin (sale_id) with (pages_per_range = 32);
create index event_outbox_by_sale     on holdfast.event_outbox     using brin (sale_id) with (pages_per_range = 32);
