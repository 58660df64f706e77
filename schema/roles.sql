-- One role a function: it may connect, and EXECUTE its own call. None of them can read a table. And one that owns all of
-- it, which is no superuser and cannot log in.
--
-- The migrating role needs CREATEROLE and ownership of the database, no more. Statements that only a superuser may
-- execute run only where a superuser migrates.
--
-- The bounds of a call stand here because they must hold before its statement begins, and because a role's
-- settings reach through a transaction-mode pooler, where a session's do not.
-- lock_timeout < statement_timeout < the function's deadline (functions/src/runtime/limits.rs) < the edge's (edge/src/runtime/limits.rs).

-- The owner, and the list of the functions' roles: each with its connections at most, and whether what it finds, it finds by
-- a key or in the order of an index (T1, T2, T3, release). A bitmap reads all of it first; the others have reports to make.
--
-- Connections are bounded, so that a stolen login takes no other function's. Times two, for while a new version takes the
-- old one's place; what each needs is in docs/measurements.md, behind a pooler. A session may set its own time-outs to 0:
-- what holds then is schema/routines/guard.sql. A commit waits for the disk whatever the database says.
--
-- Plans are made once a connection and by the shape of the query alone: every large table by its index, nothing joined by
-- reading it whole. A plan chosen by statistics is chosen on the empty tables of the morning, and kept through the sale.
do $$
declare
    v_role     text;
    v_limit    integer;
    v_keyed    boolean;
    v_settings text[];
    v_one      text;
begin
    if to_regrole('holdfast_owner') is null then
        create role holdfast_owner nologin;
    end if;
    -- The migrating role may still change what the owner owns.
    if not (select r.rolsuper from pg_roles r where r.rolname = current_user) then
        execute format('grant holdfast_owner to %I', current_user);
    end if;
    for v_role, v_limit, v_keyed in values
        ('holdfast_reserve', 300, true), ('holdfast_confirm', 100, true), ('holdfast_expire', 10, true),
        ('holdfast_release', 50, true), ('holdfast_lookup', 100, false), ('holdfast_admin', 20, false),
        ('holdfast_relay', 10, false), ('holdfast_refund', 10, false), ('holdfast_reconcile', 10, false),
        ('holdfast_audit', 10, false)
    loop
        v_settings := array['lock_timeout=1500ms', 'statement_timeout=2500ms', 'idle_in_transaction_session_timeout=5s',
                            'transaction_timeout=10s', 'synchronous_commit=on', 'plan_cache_mode=force_generic_plan',
                            'enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off', 'jit=off']
                   || case when v_keyed then array['enable_bitmapscan=off'] else '{}' end;
        if to_regrole(v_role) is null then
            execute format('create role %I nologin', v_role);
        end if;
        if (select r.rolconnlimit from pg_roles r where r.rolname = v_role) <> v_limit then
            execute format('alter role %I connection limit %s', v_role, v_limit);
        end if;
        -- A login may change the settings of its own role for all later sessions, and Postgres has no right to revoke
        -- for it. So every migration compares them, and puts them back where they differ.
        if (select d.setconfig from pg_db_role_setting d where d.setrole = to_regrole(v_role) and d.setdatabase = 0)
            is distinct from v_settings
        then
            execute format('alter role %I reset all', v_role);
            foreach v_one in array v_settings loop
                execute format('alter role %I set %I = %L', v_role, split_part(v_one, '=', 1), split_part(v_one, '=', 2));
            end loop;
        end if;
        if exists (select from pg_db_role_setting d join pg_database b on b.oid = d.setdatabase
                   where d.setrole = to_regrole(v_role) and b.datname = current_database())
        then
            execute format('alter role %I in database %I reset all', v_role, current_database());
        end if;
        -- The owner may end the functions' sessions (guard.sql), because it is a member of their roles.
        execute format('grant %I to holdfast_owner', v_role);
        execute format('grant usage on schema holdfast to %I', v_role);
    end loop;
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

revoke all on schema holdfast from public;
revoke all on all tables in schema holdfast from public;
