-- The ways of counting stock that one_call.sql is made with: a name, then what stands in its declare, first and last.

--- one_call
-- declare
-- first
-- last
    update inventory_counter c set available = c.available - p_qty
    where c.sale_id = p_sale_id and c.sku_id = p_sku_id and c.available >= p_qty;
    if not found then
        raise exception 'sold_out';
    end if;

--- for_update
-- declare
    v_available bigint;
-- first
    select c.available into v_available from inventory_counter c
    where c.sale_id = p_sale_id and c.sku_id = p_sku_id for update;
    if v_available < p_qty then
        raise exception 'sold_out';
    end if;
-- last
    update inventory_counter c set available = v_available - p_qty where c.sale_id = p_sale_id and c.sku_id = p_sku_id;

--- optimistic
-- declare
    v_seen bench.versioned_counter;
-- first
    select * into v_seen from bench.versioned_counter c where c.sale_id = p_sale_id and c.sku_id = p_sku_id;
    if v_seen.available < p_qty then
        raise exception 'sold_out';
    end if;
-- last
    update bench.versioned_counter c set available = v_seen.available - p_qty, version = v_seen.version + 1
    where c.sale_id = p_sale_id and c.sku_id = p_sku_id and c.version = v_seen.version;
    if not found then
        raise exception 'conflict';
    end if;

--- unit_rows
-- declare
    v_taken integer;
-- first
-- last
    update bench.unit u set hold_id = v_hold_id
    from (select f.unit_no from bench.unit f where f.sale_id = p_sale_id and f.sku_id = p_sku_id and f.hold_id is null
          order by f.unit_no limit p_qty for update skip locked) free
    where u.sale_id = p_sale_id and u.sku_id = p_sku_id and u.unit_no = free.unit_no;
    get diagnostics v_taken = row_count;
    if v_taken < p_qty then
        raise exception 'sold_out';
    end if;

--- striped
-- declare
    v_home  integer := hashtext(p_user_id) & 15;
    v_taken boolean := false;
-- first
-- last
    -- From the buyer's own stripe on, so that nobody is refused while another stripe still has a piece. One that
    -- does not have it is not locked: two buyers never wait for each other's stripes.
    for v_step in 0..15 loop
        update bench.stripe s set available = s.available - p_qty
        where s.sale_id = p_sale_id and s.sku_id = p_sku_id and s.stripe = (v_home + v_step) & 15 and s.available >= p_qty;
        -- Not FOUND after the loop: a loop says there only whether it was gone through.
        v_taken := found;
        exit when v_taken;
    end loop;
    if not v_taken then
        raise exception 'sold_out';
    end if;
