-- One role a function: it may connect, and EXECUTE its own call. None of them can read a table. And one that owns all of
-- it, which is no superuser and cannot log in.
--
-- The migrating role needs CREATEROLE and ownership of the database, no more. Statements that only a superuser may
-- execute run only where a superuser migrates.
--
-- The bounds of a call stand here because they must hold before its statement begins, and because a role's
-- settings reach through a transaction-mode pooler, where a session's do not.
-- lock_timeout < statement_timeout < the function's deadline (functions/src/runtime/limits.rs) < the edge's (edge/src/runtime/limits.rs).

do $$
begin
    if to_regrole('holdfast_owner')   is null then create role holdfast_owner   nologin; end if;
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

-- A session may set its own time-outs to 0: what holds then is schema/routines/guard.sql. A commit waits for the disk whatever the
-- database says, and connections are bounded: a stolen login takes no other function's. Times two, for while a new
-- version takes the old one's place; what each needs is in docs/measurements.md, behind a pooler.
do $$
declare
    v_role  text;
    v_limit integer;
begin
    for v_role, v_limit in values
        ('holdfast_reserve', 300), ('holdfast_confirm', 100), ('holdfast_lookup', 100), ('holdfast_release', 50),
        ('holdfast_expire', 10), ('holdfast_admin', 20), ('holdfast_relay', 10), ('holdfast_refund', 10), ('holdfast_audit', 10),
        ('holdfast_reconcile', 10)
    loop
        execute format('alter role %I connection limit %s', v_role, v_limit);
        execute format('alter role %I set idle_in_transaction_session_timeout = %L', v_role, '5s');
        execute format('alter role %I set transaction_timeout = %L', v_role, '10s');
        execute format('alter role %I set synchronous_commit = on', v_role);
    end loop;
end
$$;

-- The owner may end the sessions of the functions, because it is a member of their roles; the migrating role may still
-- change what the owner owns.
grant holdfast_reserve, holdfast_confirm, holdfast_expire, holdfast_release, holdfast_lookup, holdfast_admin, holdfast_relay,
      holdfast_refund, holdfast_reconcile, holdfast_audit to holdfast_owner;
do $$
begin
    if not (select r.rolsuper from pg_roles r where r.rolname = current_user) then
        execute format('grant holdfast_owner to %I', current_user);
    end if;
end
$$;

-- Nothing is granted that is not used (temporary tables: owner.sql). Default rights of PUBLIC that only a superuser can
-- revoke (large objects, advisory locks, messages in the log) stay where no superuser migrates: docs/deploying.md.
do $$
declare
    v_one text;
begin
    for v_one in
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and pg_has_role(p.proowner, 'usage')
          and (p.proname ~ '^(lo_.*|loread|lowrite|pg_(try_)?advisory_.*|pg_logical_emit_message)$')
    loop
        execute format('revoke execute on function %s from public', v_one);
        execute format('grant execute on function %s to holdfast_owner', v_one);
    end loop;
end
$$;

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
