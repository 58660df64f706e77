//! The schema says as much of the rules as it can, and is what its files say it is.

use protocol::confirm::RefundReason;
use protocol::reserve::Refusal;
use stack::migrate::{self, FUNCTIONS, Migrated};

use support::database::{Ask, Database, reserve};

/// Everything a later change could alter without meaning to, as text.
const DUMP: &str = "
    select string_agg(line, E'\\n' order by part, line) from (
        select 1 as part, format('column %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
            case when a.attnotnull then ' not null' end, ' default ' || pg_get_expr(d.adbin, d.adrelid)) as line
        from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'v', 'c')
        left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        where c.relnamespace = 'holdfast'::regnamespace and a.attnum > 0 and not a.attisdropped
        union all
        select 2, format('constraint %s.%s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        from pg_constraint where connamespace = 'holdfast'::regnamespace and contype <> 'n'
        union all
        select 3, 'index ' || pg_get_indexdef(i.indexrelid) from pg_index i join pg_class c on c.oid = i.indrelid
        where c.relnamespace = 'holdfast'::regnamespace
        union all
        select 4, format('routine %s%s%s granted to %s', p.oid::regprocedure,
            case when p.prosecdef then ' security definer' end, ' ' || array_to_string(p.proconfig, ' '),
            coalesce((select string_agg(grantee::regrole::text, ', ' order by grantee::regrole::text)
                      from aclexplode(p.proacl) where grantee not in (0, p.proowner)), 'nobody') ||
            case when exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) where grantee = 0)
                 then ', everybody' else '' end)
        from pg_proc p where p.pronamespace = 'holdfast'::regnamespace
        union all
        select 5, format('table %s readable by %s', c.relname, r.rolname) from pg_class c, pg_roles r
        where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'v') and r.rolname like 'holdfast\\_%'
          and has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
        union all
        select 6, format('role %s %s', r.rolname, s.setting) from pg_db_role_setting d
        join pg_roles r on r.oid = d.setrole, unnest(d.setconfig) as s (setting) where d.setdatabase = 0 and r.rolname like 'holdfast\\_%'
        union all
        select 7, format('enum %s %s', t.oid::regtype, string_agg(e.enumlabel, ', ' order by e.enumsortorder))
        from pg_enum e join pg_type t on t.oid = e.enumtypid where t.typnamespace = 'holdfast'::regnamespace group by t.oid
    ) dump";

#[tokio::test]
async fn the_schema_is_what_its_golden_dump_says() {
    let database = Database::new().await;
    let dump: String = database.owner.query_one(DUMP, &[]).await.unwrap().get(0);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/golden.txt");
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, dump.clone() + "\n").unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    let differing: Vec<&str> = dump.lines().filter(|line| !expected.lines().any(|known| known == *line)).collect();
    assert!(dump.trim() == expected.trim(), "if this is meant, write it down: HOLDFAST_WRITE_GOLDEN=1\n{differing:#?}");
}

#[tokio::test]
async fn migrating_twice_changes_nothing_and_two_at_once_wait_for_each_other() {
    let database = Database::new().await;
    assert_eq!(migrate::run(&database.url()).await.unwrap(), Migrated::default());

    let name = format!("{}_empty", database.name);
    database.owner.batch_execute(&format!("create database {name}")).await.unwrap();
    let url = database.url().replace(&database.name, &name);
    let (one, two) = tokio::join!(migrate::run(&url), migrate::run(&url));
    let mut applied = [one.unwrap().applied.len(), two.unwrap().applied.len()];
    applied.sort_unstable();
    assert_eq!(applied[0], 0);
    assert!(applied[1] > migrate::REPEATABLE.len());

    // Nor need the migrating role be a superuser. As if it had made the roles, which this server has already; one after
    // the other, for they are the server's and not the database's.
    let name = format!("{}_managed", database.name);
    let roles: Vec<String> = FUNCTIONS.iter().chain(&["owner"]).map(|role| format!("holdfast_{role}")).collect();
    let made = format!(
        "create role {name} login createrole password 'managed'; grant {} to {name} with admin option",
        roles.join(", ")
    );
    database.owner.batch_execute(&made).await.unwrap();
    database.owner.batch_execute(&format!("create database {name} owner {name}")).await.unwrap();
    let url = migrate::url_for_role(&database.url().replace(&database.name, &name), &name, "managed").unwrap();
    assert_eq!(migrate::run(&url).await.unwrap().applied.len(), applied[1]);
    assert_eq!(migrate::run(&url).await.unwrap(), Migrated::default());
    let managed = stack::database::connect(&url).await.unwrap();
    let owners = "select string_agg(distinct pg_get_userbyid(owner), ' ') from (
        select proowner from pg_proc where pronamespace = 'holdfast'::regnamespace
        union all select typowner from pg_type where typnamespace = 'holdfast'::regnamespace) of_it (owner)";
    assert_eq!(managed.query_one(owners, &[]).await.unwrap().get::<_, &str>(0), "holdfast_owner");
}

#[tokio::test]
async fn every_table_column_view_and_type_says_what_it_is() {
    let database = Database::new().await;
    let silent = "select count(*), string_agg(c.relname || '.' || coalesce(a.attname, ''), ' ')
        from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'holdfast'::regnamespace and (c.relkind = 'r'
          and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)
          or c.relkind = 'v' and obj_description(c.oid) is null or c.relkind = 'c' and col_description(c.oid, a.attnum) is null)";
    let silent_types = "select count(*), string_agg(t.typname, ' ')
        from pg_type t left join pg_class c on c.oid = t.typrelid
        where t.typnamespace = 'holdfast'::regnamespace and (t.typtype = 'e' or c.relkind = 'c')
          and obj_description(t.oid, 'pg_type') is null";
    for silent in [silent, silent_types] {
        let row = database.owner.query_one(silent, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0, "{:?}", row.get::<_, Option<String>>(1));
    }
}

/// And in the edge's problem table, which is compared beside it (edge/src/http/code.rs).
#[tokio::test]
async fn refusals_have_one_order_in_the_database_the_protocol_the_model_and_the_documents() {
    let names = Refusal::ALL.map(Refusal::name);
    let database = Database::new().await;
    let labels = "select array_agg(enumlabel::text order by enumsortorder) from pg_enum
                  where enumtypid = 'holdfast.refusal'::regtype";
    let labels: Vec<String> = database.owner.query_one(labels, &[]).await.unwrap().get(0);
    assert_eq!(labels, names);
    assert!(model::refusals().eq(names), "the model's rules");

    let document = std::fs::read_to_string(stack::workspace::root().join("docs/refusals.md")).unwrap();
    let listed = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: Vec<&str> = listed.map(|(name, _)| name).filter(|name| names.contains(name)).collect();
    // An unknown path is refused first; the sale and its SKUs after the key.
    assert_eq!(listed[0], "not_found");
    let after_the_address = names.into_iter().filter(|name| *name != "not_found");
    assert!(after_the_address.eq(listed[1..].iter().copied()), "{listed:?}");
}

/// T2's: those that a payment may be stored with, and the `case` that looks for them.
#[tokio::test]
async fn the_reasons_of_a_refund_have_one_order_in_the_database_and_the_protocol() {
    let names = RefundReason::ALL.map(RefundReason::name);
    let database = Database::new().await;
    let stored = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'payment_refund_reason_known'";
    let stored: String = database.owner.query_one(stored, &[]).await.unwrap().get(0);
    let stored: Vec<&str> = stored.split('\'').skip(1).step_by(2).collect();
    assert_eq!(stored, names, "the CHECK of schema/tables/V1__tables.sql");

    let looked_for = "select pg_get_function_sqlbody('holdfast.payment_rejection'::regproc)";
    let looked_for: String = database.owner.query_one(looked_for, &[]).await.unwrap().get(0);
    let reasons = looked_for.split("THEN '").skip(1).filter_map(|rest| rest.split_once('\''));
    let reasons: Vec<&str> = reasons.map(|(reason, _)| reason).collect();
    assert_eq!(reasons, names, "the `case` of schema/routines/confirm.sql: {looked_for}");
}

#[tokio::test]
async fn every_constraint_has_a_name_of_its_own() {
    let database = Database::new().await;
    // What Postgres makes up ends so; ours say the rule. Keys may.
    let unnamed = "select string_agg(conname, ' ') from pg_constraint
        where connamespace = 'holdfast'::regnamespace and contype in ('c', 'f') and conname ~ '_(check|fkey)[0-9]*$'";
    assert_eq!(database.owner.query_one(unnamed, &[]).await.unwrap().get::<_, Option<String>>(0), None);
}

#[tokio::test]
async fn a_role_can_make_its_own_call_and_read_no_table() {
    let database = Database::new().await;
    for function in FUNCTIONS {
        let client = database.as_role(function).await;
        let refused = client.query("select 1 from holdfast.reservation_hold", &[]).await.expect_err(function);
        assert_eq!(refused.code().unwrap().code(), "42501");
        let bounds = "select string_agg(s, ' ') from pg_db_role_setting d, unnest(d.setconfig) s
                      where d.setrole = current_user::regrole and d.setdatabase = 0 and s ~ '_timeout='";
        let bounds: String = client.query_one(bounds, &[]).await.unwrap().get(0);
        assert!(bounds.contains("lock_timeout=1500ms") && bounds.contains("statement_timeout=2500ms"), "{bounds}");
    }
    let stranger = database.as_role("confirm").await;
    let refused =
        reserve(&stranger, true, &[Ask { user: "u".into(), key: "k".into(), lines: vec![("a".into(), 1)] }]).await;
    assert_eq!(refused.expect_err("not its call").code().unwrap().code(), "42501");
}

#[tokio::test]
async fn the_tables_themselves_refuse_what_must_not_be() {
    let database = Database::new().await;
    database.sale(300, &[("a", 2, 2)]).await;
    let client = database.as_role("reserve").await;
    let batch = [Ask { user: "ann".into(), key: "k".into(), lines: vec![("a".into(), 1)] }];
    reserve(&client, true, &batch).await.unwrap();
    for (statement, constraint) in [
        ("update holdfast.inventory_counter set available = -1", "inventory_counter_never_oversold"),
        ("update holdfast.inventory_counter set available = 3", "inventory_counter_available_within_total"),
        ("update holdfast.reservation_hold set status = 'EXPIRED'", "reservation_hold_final_has_its_time"),
        (
            "update holdfast.reservation_hold set status = 'EXPIRED', finalized_at = created_at",
            "reservation_hold_expired_no_sooner",
        ),
        (
            "update holdfast.reservation_hold set status = 'COMMITTED', finalized_at = expire_at",
            "reservation_hold_paid_in_time",
        ),
        (
            "insert into holdfast.user_active_hold select sale_id, user_id, sku_id, uuidv7() from holdfast.user_active_hold",
            "user_active_hold_one_each",
        ),
        (
            "insert into holdfast.inventory_ledger (sale_id, sku_id, event_type, qty, hold_id)
             select sale_id, sku_id, event_type, qty, hold_id from holdfast.inventory_ledger where hold_id is not null",
            "inventory_ledger_once_per_hold",
        ),
        (
            "insert into holdfast.inventory_ledger (sale_id, sku_id, event_type, qty, hold_id)
             select sale_id, sku_id, e, 1, hold_id from holdfast.inventory_ledger, unnest(array['EXPIRE_CREDIT', 'RELEASE_CREDIT']) e
             where hold_id is not null",
            "inventory_ledger_one_credit",
        ),
        (
            "insert into holdfast.payment_attempt (gateway, payment_id, hold_ref, amount, currency, token, attempt, state, outcome, ask_at, ended_at)
             values ('g', 'p', 'h', 1, 'KRW', 'a token', 1, 'ENDED', 'x', now(), now())",
            "payment_attempt_ended_has_no_token",
        ),
        (
            "insert into holdfast.event_outbox (event_type, data, seq) values ('SaleChanged', '{}', null)",
            "event_outbox_numbered_until_fanned_out",
        ),
        (
            "insert into holdfast.payment (gateway, payment_id, hold_ref, user_id, amount, currency, state)
             values ('g', 'p', 'h', 'u', 1, 'KRW', 'ORDERED')",
            "payment_is_an_order_or_a_refund",
        ),
        (
            "insert into holdfast.payment (gateway, payment_id, hold_ref, user_id, amount, currency, state, refund_reason)
             select 'g', n::text, 'h', 'u', 1, 'KRW', 'REFUND_REQUIRED', 'hold_unknown' from generate_series(1, 2) n;
             insert into holdfast.orders (order_id, hold_id, sale_id, user_id, gateway, payment_id, total_amount, currency, created_at)
             select uuidv7(), hold_id, sale_id, user_id, 'g', n::text, 1, 'KRW', now()
             from holdfast.reservation_hold, generate_series(1, 2) n",
            "orders_one_per_hold",
        ),
    ] {
        let refused = database.owner.batch_execute(statement).await.expect_err(statement);
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some(constraint), "{statement}");
    }
}
