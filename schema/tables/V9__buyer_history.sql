-- What T1 has to know of a buyer's past in a sale, one row a SKU, so that a reservation costs the same for everybody,
-- whatever they have bought, held or given back before. And a cool-down for whoever let a hold lapse unpaid.

alter table holdfast.sale
    add column lapse_cooldown_s integer not null default 0
        constraint sale_lapse_cooldown_range check (lapse_cooldown_s between 0 and 86400);
comment on column holdfast.sale.lapse_cooldown_s is 'Seconds for which a buyer whose hold on a SKU lapsed unpaid cannot hold that SKU again; 0: off.';

create table holdfast.buyer_history (
    sale_id   text        not null,
    user_id   text        not null,
    sku_id    text        not null,
    bought    bigint      not null default 0 constraint buyer_history_bought_range check (bought >= 0),
    lapsed_at timestamptz,
    constraint buyer_history_pkey primary key (sale_id, user_id, sku_id)
);
comment on table  holdfast.buyer_history           is 'What T1 has to know of a buyer''s past: one row per SKU, written by T2, a cancellation and an expiry.';
comment on column holdfast.buyer_history.sale_id   is 'The sale.';
comment on column holdfast.buyer_history.user_id   is 'The buyer.';
comment on column holdfast.buyer_history.sku_id    is 'The SKU.';
comment on column holdfast.buyer_history.bought    is 'Pieces in orders that stand: the sum of the buyer''s order_items.';
comment on column holdfast.buyer_history.lapsed_at is 'When a hold on it lapsed unpaid last, where the sale has a cool-down and nothing was bought since; null: never.';

-- Orders that the former routines write while this is filled would not be counted. Until the new ones are in place,
-- which have these rights again, a payment is told 503 and sent again by its gateway.
lock table holdfast.order_items in exclusive mode;
do $$
begin
    if to_regprocedure('holdfast.confirm(text, text, text, uuid, text, bigint, text)') is not null then
        revoke execute on function holdfast.confirm(text, text, text, uuid, text, bigint, text)
            from holdfast_confirm, holdfast_expire;
    end if;
    if to_regprocedure('holdfast.cancel_order(json, text, bytea, uuid)') is not null then
        revoke execute on function holdfast.cancel_order(json, text, bytea, uuid) from holdfast_admin;
    end if;
end
$$;
insert into holdfast.buyer_history (sale_id, user_id, sku_id, bought)
select o.sale_id, o.user_id, o.sku_id, sum(o.qty) from holdfast.order_items o group by o.sale_id, o.user_id, o.sku_id;

-- Finished keys are looked for in the order in which they lie in their table: to look for a hold's key by its user means
-- reading all keys of that user.
alter table holdfast.key_retention add column looked_at tid not null default '(0,0)';
comment on column holdfast.key_retention.upto      is 'No longer used: the last hold whose key was looked at.';
comment on column holdfast.key_retention.looked_at is 'Where the last key lies that was looked at.';
