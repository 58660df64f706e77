-- One role a function: it may connect, and EXECUTE its own call. None of them can read a table.
--
-- The bounds of a call stand here because they must hold before its statement begins, and because a role's
-- settings reach through a transaction-mode pooler, where a session's do not.
-- lock_timeout < statement_timeout < the function's deadline (functions/src/bounds.rs) < the edge's (edge/src/bounds.rs).

do $$
begin
    if to_regrole('holdfast_reserve') is null then create role holdfast_reserve nologin; end if;
    if to_regrole('holdfast_confirm') is null then create role holdfast_confirm nologin; end if;
    if to_regrole('holdfast_expire')  is null then create role holdfast_expire  nologin; end if;
    if to_regrole('holdfast_release') is null then create role holdfast_release nologin; end if;
    if to_regrole('holdfast_lookup')  is null then create role holdfast_lookup  nologin; end if;
    if to_regrole('holdfast_admin')   is null then create role holdfast_admin   nologin; end if;
    if to_regrole('holdfast_relay')   is null then create role holdfast_relay   nologin; end if;
    if to_regrole('holdfast_refund')  is null then create role holdfast_refund  nologin; end if;
    if to_regrole('holdfast_reconcile') is null then create role holdfast_reconcile nologin; end if;
    if to_regrole('holdfast_audit')   is null then create role holdfast_audit   nologin; end if;
end
$$;

alter role holdfast_reserve set lock_timeout = '1500ms';
alter role holdfast_confirm set lock_timeout = '1500ms';
alter role holdfast_expire  set lock_timeout = '1500ms';
alter role holdfast_release set lock_timeout = '1500ms';
alter role holdfast_lookup  set lock_timeout = '1500ms';
alter role holdfast_admin   set lock_timeout = '1500ms';
alter role holdfast_relay   set lock_timeout = '1500ms';
alter role holdfast_refund  set lock_timeout = '1500ms';
alter role holdfast_reconcile set lock_timeout = '1500ms';
alter role holdfast_audit   set lock_timeout = '1500ms';
alter role holdfast_reserve set statement_timeout = '2500ms';
alter role holdfast_confirm set statement_timeout = '2500ms';
alter role holdfast_expire  set statement_timeout = '2500ms';
alter role holdfast_release set statement_timeout = '2500ms';
alter role holdfast_lookup  set statement_timeout = '2500ms';
alter role holdfast_admin   set statement_timeout = '2500ms';
alter role holdfast_relay   set statement_timeout = '2500ms';
alter role holdfast_refund  set statement_timeout = '2500ms';
alter role holdfast_reconcile set statement_timeout = '2500ms';
alter role holdfast_audit   set statement_timeout = '2500ms';

-- Their plans are made once a connection and by the shape of the query alone: every large table by its index, nothing
-- joined by reading it whole. A plan chosen by statistics is chosen on the empty tables of the morning, and kept
-- through the sale.
do $$
declare
    v_role text;
begin
    foreach v_role in array array['holdfast_reserve', 'holdfast_confirm', 'holdfast_expire', 'holdfast_release',
                                   'holdfast_relay', 'holdfast_lookup', 'holdfast_admin', 'holdfast_refund', 'holdfast_reconcile',
                                   'holdfast_audit'] loop
        execute format('alter role %I set plan_cache_mode = force_generic_plan', v_role);
        execute format('alter role %I set enable_seqscan = off', v_role);
        execute format('alter role %I set enable_hashjoin = off', v_role);
        execute format('alter role %I set enable_mergejoin = off', v_role);
        execute format('alter role %I set jit = off', v_role);
    end loop;
    -- What T1, T2 and T3 find, they find by a key or in the order of an index; a bitmap reads all of it first. The
    -- others have reports to make.
    foreach v_role in array array['holdfast_reserve', 'holdfast_confirm', 'holdfast_expire', 'holdfast_release'] loop
        execute format('alter role %I set enable_bitmapscan = off', v_role);
    end loop;
end
$$;

revoke all on schema holdfast from public;
revoke all on all tables in schema holdfast from public;
grant usage on schema holdfast
    to holdfast_reserve, holdfast_confirm, holdfast_expire, holdfast_release, holdfast_lookup, holdfast_admin,
       holdfast_relay, holdfast_refund, holdfast_reconcile, holdfast_audit;
