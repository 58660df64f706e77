-- What the other ways of counting stock need, beside the product's own tables: a counter with a version, a row a
-- unit, a counter in sixteen stripes. Only ever made in the database of `cargo dev bench`.

create schema bench;

create table bench.versioned_counter (
    sale_id text, sku_id text, available bigint not null check (available >= 0), version bigint not null default 0,
    primary key (sale_id, sku_id)
) with (fillfactor = 10);

create table bench.unit (
    sale_id text, sku_id text, unit_no bigint, hold_id uuid,
    primary key (sale_id, sku_id, unit_no)
) with (fillfactor = 70);
create index unit_free on bench.unit (sale_id, sku_id, unit_no) where hold_id is null;

create table bench.stripe (
    sale_id text, sku_id text, stripe integer, available bigint not null check (available >= 0),
    primary key (sale_id, sku_id, stripe)
) with (fillfactor = 10);

create procedure bench.open_sale(p_sale_id text, p_skus integer, p_stock bigint, p_hold_ttl_s integer)
language plpgsql as $$
begin
    perform holdfast.create_sale(json_build_object(
        'sale_id', p_sale_id, 'name', 'Drop', 'currency', 'KRW', 'hold_ttl_s', p_hold_ttl_s,
        'skus', (select json_agg(json_build_object('sku_id', 'sku-' || n, 'name', 'Sneaker ' || n, 'unit_price', 150000,
                                                   'stock', p_stock, 'max_per_user', 1) order by n)
                 from generate_series(1, p_skus) as n)), sha256(p_sale_id::bytea));
end
$$;

-- Begins a cell: everything emptied, one sale `drop` with p_skus SKUs of p_stock pieces each, counted in every way.
-- p_units: the rows of bench.unit for each SKU; where they are the measured way they have to be as many as the stock.
create procedure bench.begin_cell(p_skus integer, p_stock bigint, p_hold_ttl_s integer, p_units bigint)
language plpgsql as $$
begin
    truncate holdfast.sale, holdfast.sku, holdfast.inventory_counter, holdfast.inventory_ledger, holdfast.reservation_hold,
             holdfast.reservation_hold_item, holdfast.user_active_hold, holdfast.idempotency, holdfast.payment,
             holdfast.refund, holdfast.orders, holdfast.order_items, holdfast.order_ledger, holdfast.event_outbox,
             holdfast.buyer_history, bench.versioned_counter, bench.unit, bench.stripe cascade;
    call bench.open_sale('drop', p_skus, p_stock, p_hold_ttl_s);
    insert into bench.versioned_counter (sale_id, sku_id, available) select sale_id, sku_id, p_stock from holdfast.sku;
    insert into bench.stripe (sale_id, sku_id, stripe, available)
    select sale_id, sku_id, stripe, p_stock / 16 + case when stripe < p_stock % 16 then 1 else 0 end
    from holdfast.sku, generate_series(0, 15) as stripe;
    insert into bench.unit (sale_id, sku_id, unit_no) select sale_id, sku_id, n from holdfast.sku, generate_series(1, p_units) as n;
    -- What autovacuum would have done on the day before.
    analyze bench.unit, bench.stripe, bench.versioned_counter, holdfast.sale, holdfast.sku, holdfast.inventory_counter;
end
$$;

-- What a cell has left behind: pieces put in, held, still there by each way of counting, and by the ledger.
create view bench.sums as select
    (select sum(total) from holdfast.inventory_counter)::bigint as stock,
    (select coalesce(sum(qty), 0) from holdfast.reservation_hold_item)::bigint as held,
    (select sum(available) from holdfast.inventory_counter)::bigint as counter,
    (select sum(available) from bench.versioned_counter)::bigint as versioned,
    (select count(*) from bench.unit where hold_id is null)::bigint as units,
    (select sum(available) from bench.stripe)::bigint as stripes,
    (select sum(qty) from holdfast.inventory_ledger)::bigint as ledger,
    (select count(*) from holdfast.event_outbox where event_type = 'ReservationCreated')::bigint as told,
    (select count(*) from holdfast.user_active_hold)::bigint as active,
    (select count(*) from holdfast.idempotency)::bigint as keys;
