-- What sells, by time: kept by `relay` from the events that it fans out, so that rankings cost T1 and T2 nothing.
--
-- The first run of routines/rankings.sql and relay.sql after this fills the tables from the orders that are there.

create table holdfast.sold_bucket (
    grain_s  integer     not null constraint sold_bucket_grain_known check (grain_s in (10, 3600)),
    began_at timestamptz not null,
    sale_id  text        not null,
    sku_id   text        not null,
    sold     bigint      not null,
    constraint sold_bucket_pkey primary key (sale_id, sku_id, grain_s, began_at)
);
create index sold_bucket_by_time on holdfast.sold_bucket (grain_s, began_at);
comment on table  holdfast.sold_bucket          is 'Pieces of a SKU by the time of their orders: each order once in a bucket of ten seconds and once in one of an hour. Removed after eight days.';
comment on column holdfast.sold_bucket.grain_s  is 'How long the bucket is, in seconds.';
comment on column holdfast.sold_bucket.began_at is 'When the bucket begins.';
comment on column holdfast.sold_bucket.sale_id  is 'The sale.';
comment on column holdfast.sold_bucket.sku_id   is 'The SKU.';
comment on column holdfast.sold_bucket.sold     is 'Pieces in orders that were confirmed in that time and not cancelled since. No CHECK: a wrong count is for the audit, and must not stop the events.';

create table holdfast.sku_sold (
    sale_id       text   not null,
    sku_id        text   not null,
    total         bigint not null default 0,
    sold          bigint not null default 0,
    first_sold_at timestamptz,
    last_sold_at  timestamptz,
    sold_out_at   timestamptz,
    constraint sku_sold_pkey primary key (sale_id, sku_id)
);
comment on table  holdfast.sku_sold               is 'A SKU as its events tell it, up to the last one that was fanned out.';
comment on column holdfast.sku_sold.sale_id       is 'The sale.';
comment on column holdfast.sku_sold.sku_id        is 'The SKU.';
comment on column holdfast.sku_sold.total         is 'Pieces that operators have put in, less what was taken out.';
comment on column holdfast.sku_sold.sold          is 'Pieces in orders that stand.';
comment on column holdfast.sku_sold.first_sold_at is 'When its first order was confirmed: of as many sold, the earlier ranks first.';
comment on column holdfast.sku_sold.last_sold_at  is 'When its last order was confirmed.';
comment on column holdfast.sku_sold.sold_out_at   is 'When sold was total for the first time; it stays, whatever happens later.';

create table holdfast.sale_sold_out (
    sale_id     text        not null constraint sale_sold_out_pkey primary key,
    sold_out_at timestamptz not null,
    took_ms     bigint      not null constraint sale_sold_out_took_range check (took_ms >= 0)
);
create index sale_sold_out_fastest on holdfast.sale_sold_out (took_ms, sale_id);
comment on table  holdfast.sale_sold_out             is 'Sales whose SKUs have all been sold out once. A row stays as it is.';
comment on column holdfast.sale_sold_out.sale_id     is 'The sale.';
comment on column holdfast.sale_sold_out.sold_out_at is 'When the last of its SKUs was sold out for the first time.';
comment on column holdfast.sale_sold_out.took_ms     is 'From its opening until then, in milliseconds.';

create table holdfast.ranking (
    name   text        not null constraint ranking_pkey primary key
                       constraint ranking_name_known check (name in ('1h', '24h', '7d', 'sales')),
    as_of  timestamptz not null,
    ranked json        not null
);
insert into holdfast.ranking (name, as_of, ranked)
select name, 'epoch', '[]' from unnest(array['1h', '24h', '7d', 'sales']) as name;
comment on table  holdfast.ranking        is 'The rankings as they are shown: whoever reads one reads one row.';
comment on column holdfast.ranking.name   is 'The window of the most sold SKUs, or sales: the fastest sold out.';
comment on column holdfast.ranking.as_of  is 'As of when; 1970: not yet.';
comment on column holdfast.ranking.ranked is 'The first hundred, in their order.';

-- A part of its own: it reads all orders of a sale.
alter table holdfast.audit_cursor
    drop constraint audit_cursor_part_known,
    add constraint audit_cursor_part_known
        check (part in ('sales', 'holds', 'payments', 'events', 'reconciliation', 'rankings'));
insert into holdfast.audit_cursor (part) values ('rankings');
comment on column holdfast.audit_finding.part is 'What was being gone through: sales, holds, payments, events, reconciliation, rankings; gateways: it was compared with a gateway''s list.';
