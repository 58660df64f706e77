-- Owner: everything in the schema belongs to `holdfast_owner`, which is no superuser and cannot log in, whichever role
-- migrates. So a definer function can do what the schema needs and nothing else. Applied at the end of every migration,
-- whether or not there was anything to do: new objects belong to the migrating role until then, and a database's own
-- rights are not copied with it.

do $$
declare
    v_one text;
begin
    if pg_has_role((select d.datdba from pg_database d where d.datname = current_database()), 'usage') then
        execute format('revoke temporary on database %I from public', current_database());
    end if;
    if (select n.nspowner from pg_namespace n where n.nspname = 'holdfast') <> 'holdfast_owner'::regrole then
        execute format('grant create on database %I to holdfast_owner', current_database());
        alter schema holdfast owner to holdfast_owner;
        execute format('revoke create on database %I from holdfast_owner', current_database());
    end if;
    for v_one in
        select c.oid::regclass::text from pg_class c
        where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'v') and c.relowner <> 'holdfast_owner'::regrole
    loop
        execute format('alter table %s owner to holdfast_owner', v_one);
    end loop;
    for v_one in
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'holdfast'::regnamespace and p.proowner <> 'holdfast_owner'::regrole
    loop
        execute format('alter routine %s owner to holdfast_owner', v_one);
    end loop;
    -- The others belong to a table or to one of these.
    for v_one in
        select t.oid::regtype::text from pg_type t left join pg_class c on c.oid = t.typrelid
        where t.typnamespace = 'holdfast'::regnamespace and (t.typtype = 'e' or c.relkind = 'c')
          and t.typowner <> 'holdfast_owner'::regrole
    loop
        execute format('alter type %s owner to holdfast_owner', v_one);
    end loop;
end
$$;
