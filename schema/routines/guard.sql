-- Guard: what a function's login may do to other sessions is bounded by the server, and not by the function.
--
-- A login can execute its own calls and read no table (roles.sql). But a session may set its own time-outs to 0, so a
-- stolen login could open a transaction, take a lock by one of its calls, and keep it. Time-outs are therefore kept twice:
-- by the role's settings, and by `end_stuck_transactions`, which the sweep calls.
--
-- Locks:      none.
-- Keeps:      no session has a lock for longer than stuck_after() and a sweep's interval; what is answered is on disk.
-- Isolation:  any.
-- A retry:    looks again.

-- Longer than any honest transaction: statement_timeout is 2.5 s, transaction_timeout 10 s (roles.sql).
create or replace function holdfast.stuck_after() returns interval language sql immutable return interval '15 s';

-- Ends the sessions of the functions' logins in this database whose transaction is older than that; how many. The functions'
-- roles are those that the owner is a member of (roles.sql), which is also why it may.
create or replace function holdfast.end_stuck_transactions() returns bigint
language sql volatile security definer set search_path = holdfast, pg_temp
begin atomic
    select count(*) filter (where pg_terminate_backend(a.pid)) from pg_stat_activity a
    where a.datname = current_database() and a.xact_start < clock_timestamp() - holdfast.stuck_after()
      and pg_has_role('holdfast_owner', a.usesysid, 'member');
end;

-- The bounds of one call of T1, as functions/protocol/src/reserve.rs and edge/src/runtime/limits.rs have them: 100
-- reservations of 10 lines. Larger batches would lock the counters for longer.
create or replace function holdfast.assert_batch(p_reservations integer, p_lines integer) returns void
language plpgsql immutable
as $$
begin
    if p_reservations > 100 or p_lines > 1000 then
        raise exception 'a call takes 100 reservations and 1000 lines at most' using errcode = 'program_limit_exceeded';
    end if;
end
$$;

-- A commit must wait for the disk, or an answered outcome could be lost. A setting of the database or of the role may
-- turn that off; the functions then refuse to work.
create or replace function holdfast.assert_durable() returns void
language plpgsql stable
as $$
begin
    if current_setting('synchronous_commit') = 'off' then
        raise exception 'synchronous_commit is off: what is told could be lost'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
end
$$;

-- Waits, when its transaction commits, until everything before it in the log is on disk (see reserve.sql). No login may
-- write into the log itself.
create or replace function holdfast.barrier() returns void
language plpgsql volatile security definer set search_path = holdfast, pg_temp
as $$
begin
    perform assert_durable();
    perform pg_logical_emit_message(true, 'holdfast', 'barrier');
end
$$;

revoke execute on function holdfast.stuck_after(), holdfast.end_stuck_transactions(),
    holdfast.assert_batch(integer, integer), holdfast.assert_durable(), holdfast.barrier() from public;
grant execute on function holdfast.assert_durable()
    to holdfast_reserve, holdfast_confirm, holdfast_expire, holdfast_release, holdfast_lookup, holdfast_admin, holdfast_relay, holdfast_refund, holdfast_reconcile, holdfast_audit;
grant execute on function holdfast.barrier() to holdfast_reserve, holdfast_release, holdfast_lookup;
