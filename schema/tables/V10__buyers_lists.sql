-- What a buyer's own page needs: holds and orders of one user, found without reading anybody else's; and an order's
-- number and version.

-- A hold enters this index when it ends: T1 does not write it. What is still HOLD is found by user_active_hold, which T1
-- keeps anyway.
create index reservation_hold_ended_of_a_user on holdfast.reservation_hold (user_id, hold_id) where status <> 'HOLD';
create index orders_of_a_user on holdfast.orders (user_id, order_id);

-- Ten characters that a person can read out: digits and capitals without 0 and O, 1 and I. Fifty random bits, so that
-- nobody can tell from two of them how much was sold in between; that one is drawn twice is left to the constraint, and
-- whoever meets it asks again. Bytes 6 and 8 of a UUID are not all random. It stands here because the column needs it.
create function holdfast.new_order_number() returns text
language sql volatile
begin atomic
    select string_agg(substr('23456789ABCDEFGHJKLMNPQRSTUVWXYZ', 1 + (get_byte(drawn.bytes, i) & 31), 1), '' order by i)
    from (select uuid_send(gen_random_uuid()) as bytes) drawn, unnest(array[0, 1, 2, 3, 4, 5, 9, 10, 11, 12]) as i;
end;
revoke execute on function holdfast.new_order_number from public;

-- The default gives every order that is there a number of its own, and those that an older `confirm` still makes.
alter table holdfast.orders
    add column order_number text not null default holdfast.new_order_number()
        constraint orders_number_once unique
        constraint orders_number_can_be_read_out check (order_number ~ '^[2-9A-HJ-NP-Z]{10}$'),
    add column version integer not null default 1 constraint orders_version_range check (version >= 1);
comment on column holdfast.orders.order_number is 'What a person can read out; unique.';
comment on column holdfast.orders.version      is 'From 1, one more with every change of the order: its ETag.';
