-- Drafts: sales that only operators see, until they are opened. And whether the stock is shown before the opening.

alter table holdfast.sale
    drop constraint sale_status_known,
    add constraint sale_status_known check (status in ('draft', 'open', 'paused', 'closed')),
    add column stock_before_opening text not null default 'shown'
        constraint sale_stock_before_opening_known check (stock_before_opening in ('shown', 'hidden'));
comment on column holdfast.sale.stock_before_opening is 'Whether buyers see how many there are before the sale opens: shown or hidden.';
