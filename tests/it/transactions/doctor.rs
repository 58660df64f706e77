//! What `cargo dev doctor` finds in a database: nothing in a good one, and each fault that was made.

use std::path::Path;
use std::process::{Command, Stdio};

use doctor::database::{Wanted, examine};
use doctor::report::{Report, Weight};
use stack::alone::Server;
use stack::database::connect;
use tokio_postgres::Client;

use support::client::until;
use support::emulator::{Ended, free_port};

const INSTANCES: u64 = deployment::table::RESERVED;

async fn found(url: &str, instances: u64) -> Report {
    let mut report = Report::default();
    let wanted = Wanted { instances, transaction_old_s: 1.0 };
    examine(url, wanted, &mut report).await.unwrap();
    report
}

/// The names of what was found.
fn names(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.name).collect()
}

fn text_of(report: &Report, name: &str) -> String {
    let finding = report.findings.iter().find(|finding| finding.name == name);
    finding.map(|finding| finding.found.clone()).unwrap_or_default()
}

async fn server(name: &str, settings: &[&str]) -> Server {
    let mut all = vec!["max_connections=140", "max_prepared_transactions=2", "max_wal_senders=4"];
    all.extend(settings);
    let server = Server::start(name, &all).await.unwrap();
    server.create("shop").await.unwrap();
    server
}

/// What is done to a database, what undoes it, and what is found, with a part of its text.
const SEEDED: &[(&str, &str, &str, &str)] = &[
    (
        "alter database shop set synchronous_commit = off",
        "alter database shop reset synchronous_commit",
        "synchronous-commit",
        "off for everybody in shop",
    ),
    (
        "alter role holdfast_expire in database shop set synchronous_commit = off",
        "alter role holdfast_expire in database shop reset all",
        "synchronous-commit",
        "holdfast_expire",
    ),
    (
        "alter database shop set default_transaction_isolation = 'repeatable read'",
        "alter database shop reset all",
        "setting",
        "repeatable read",
    ),
    (
        "alter database shop set session_replication_role = replica",
        "alter database shop reset all",
        "setting",
        "session_replication_role",
    ),
    (
        "alter system set autovacuum = off; select pg_reload_conf()",
        "alter system reset autovacuum; select pg_reload_conf()",
        "setting",
        "autovacuum",
    ),
    (
        "alter database shop connection limit 10",
        "alter database shop connection limit -1",
        "database-connections",
        "10 connections",
    ),
    (
        "alter role holdfast_admin set statement_timeout = 1",
        "alter role holdfast_admin set statement_timeout = '2500ms'",
        "role-settings",
        "holdfast_admin has statement_timeout=1 and lacks statement_timeout=2500ms",
    ),
    (
        "alter role holdfast_relay in database shop set work_mem = '1MB'",
        "alter role holdfast_relay in database shop reset all",
        "role-settings",
        "holdfast_relay also has work_mem=1MB",
    ),
    (
        "alter role holdfast_lookup reset jit",
        "alter role holdfast_lookup set jit = 'off'",
        "role-settings",
        "holdfast_lookup lacks jit=off",
    ),
    (
        "alter role holdfast_reserve connection limit 3",
        "alter role holdfast_reserve connection limit 300",
        "role-connections",
        "holdfast_reserve may have 3",
    ),
    (
        "alter role holdfast_refund valid until '2020-01-01'",
        "alter role holdfast_refund valid until 'infinity'",
        "role-expired",
        "holdfast_refund",
    ),
    (
        "alter role holdfast_refund superuser createdb",
        "alter role holdfast_refund nosuperuser nocreatedb",
        "role-rights",
        "SUPERUSER, CREATEDB",
    ),
    (
        "alter role holdfast_confirm nologin",
        "alter role holdfast_confirm login",
        "role-login",
        "holdfast_confirm cannot",
    ),
    (
        "alter role holdfast_audit rename to away",
        "alter role away rename to holdfast_audit",
        "role-missing",
        "holdfast_audit",
    ),
    (
        "update public.holdfast_current_file set sha256 = '' where name = 'reserve.sql'",
        "update public.holdfast_current_file set sha256 = (select sha256 from was) where name = 'reserve.sql'",
        "schema-older",
        "routines/reserve.sql",
    ),
    (
        "insert into public.refinery_schema_history values (9999, 'later', 'now', '0')",
        "delete from public.refinery_schema_history where version = 9999",
        "schema-newer",
        "V9999__later",
    ),
    (
        "alter database shop set commit_siblings = 0; alter database shop set commit_delay = 60000",
        "alter database shop reset all",
        "commit-slow",
        "every reservation",
    ),
];

/// One at a time: `alter system` has to be alone.
async fn each(owner: &Client, statements: &str) {
    for statement in statements.split(';') {
        owner.batch_execute(statement).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_database_has_no_finding_and_each_fault_is_found_by_its_name() {
    let server = server("doctor", &[]).await;
    let url = server.url("shop");
    let owner = connect(&url).await.unwrap();
    owner
        .batch_execute("create table was as select sha256 from public.holdfast_current_file where name = 'reserve.sql'")
        .await
        .unwrap();
    let good = found(&url, INSTANCES).await;
    assert!(good.findings.is_empty() && good.unread.is_empty(), "{}", good.text());
    for fact in ["PostgreSQL", "round trip", "commit", "schema", "standbys", "pooler"] {
        assert!(good.facts.iter().any(|(name, _)| *name == fact), "{fact}: {}", good.text());
    }
    for (seed, undo, name, text) in SEEDED {
        each(&owner, seed).await;
        let seen = until(&format!("{name} is found after: {seed}"), 10, || async {
            let report = found(&url, INSTANCES).await;
            report.findings.iter().any(|finding| finding.name == *name).then_some(report)
        })
        .await;
        assert!(text_of(&seen, name).contains(text), "{seed}: {}", seen.text());
        assert!(
            names(&seen)
                .iter()
                .all(|other| other == name || (*name, *other) == ("synchronous-commit", "role-settings")),
            "{seed}: {}",
            seen.text()
        );
        each(&owner, undo).await;
    }
    until("the last fault is gone", 10, || async { found(&url, INSTANCES).await.findings.is_empty().then_some(()) })
        .await;
    connections(&server, &owner).await;
    standby_that_is_not_there(&url, &owner).await;
    let nobody = server.url_for("reserve", "shop").unwrap();
    let mut report = Report::default();
    let wanted = Wanted { instances: INSTANCES, transaction_old_s: 1.0 };
    let refused = examine(&nobody, wanted, &mut report).await.unwrap_err();
    assert!(format!("{refused:#}").contains("owner"), "{refused:#}");
    server.remove().await.unwrap();
}

async fn connections(server: &Server, owner: &Client) {
    let url = server.url("shop");
    let seen = found(&url, 200).await;
    assert_eq!(names(&seen), ["max-connections"]);
    assert!(
        text_of(&seen, "max-connections").contains("max_connections is 140; 200 instances of the functions need 257")
    );
    assert_eq!(seen.findings[0].weight, Weight::Wrong);
    let mut others = vec![];
    for _ in 0..40 {
        others.push(connect(&server.url("postgres")).await.unwrap());
    }
    let seen = found(&url, INSTANCES).await;
    assert_eq!(names(&seen), ["connections-taken"], "{}", seen.text());
    drop(others);

    let (prepared, open) = (connect(&url).await.unwrap(), connect(&url).await.unwrap());
    prepared.batch_execute("begin; create table p (a int); prepare transaction 'left'").await.unwrap();
    let seen = found(&url, INSTANCES).await;
    assert!(names(&seen).contains(&"prepared-transactions"), "{}", seen.text());
    owner.batch_execute("rollback prepared 'left'").await.unwrap();
    open.batch_execute("begin; select 1").await.unwrap();
    until("the open transaction is found", 10, || async {
        names(&found(&url, INSTANCES).await).contains(&"long-transactions").then_some(())
    })
    .await;
}

/// The doctor must not wait for a commit that never ends.
async fn standby_that_is_not_there(url: &str, owner: &Client) {
    owner.batch_execute("alter system set synchronous_standby_names = 'away'").await.unwrap();
    owner.batch_execute("select pg_reload_conf()").await.unwrap();
    let seen = until("the missing standby is found", 10, || async {
        let report = found(url, INSTANCES).await;
        names(&report).contains(&"standby-missing").then_some(report)
    })
    .await;
    assert!(text_of(&seen, "standby-missing").contains("away"), "{}", seen.text());
    assert_eq!(seen.unread.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["commit"]);
    owner.batch_execute("alter system reset synchronous_standby_names").await.unwrap();
    owner.batch_execute("select pg_reload_conf()").await.unwrap();
}

/// A copy of the server's data, which follows it.
async fn standby(primary: &Server, dir: &Path) -> (Ended, u16) {
    use std::os::unix::process::CommandExt as _;
    let url = primary.url("postgres");
    let client = connect(&url).await.unwrap();
    let data: String = client.query_one("show data_directory", &[]).await.unwrap().get(0);
    client.batch_execute("select pg_backup_start('doctor', true)").await.unwrap();
    let mut copy = Command::new("cp");
    copy.args(["-R", "-p"]).arg(&data).arg(dir);
    assert!(copy.status().unwrap().success(), "the copy of {data}");
    let copied = dir.join(Path::new(&data).file_name().unwrap());
    let label: String = client.query_one("select labelfile from pg_backup_stop(false)", &[]).await.unwrap().get(0);
    std::fs::write(copied.join("backup_label"), label).unwrap();
    std::fs::write(copied.join("standby.signal"), "").unwrap();
    let _ = std::fs::remove_file(copied.join("postmaster.pid"));
    let port = free_port();
    let place = url.strip_prefix("postgres://").unwrap().rsplit_once('/').unwrap().0;
    let (user, address) = place.rsplit_once('@').unwrap();
    let ((user, password), (host, from)) = (user.split_once(':').unwrap(), address.split_once(':').unwrap());
    let follow = format!("host={host} port={from} user={user} password={password} application_name=second");
    let programs = stack::tools::postgres().unwrap();
    let mut command = Command::new(programs.bin.join("postgres"));
    command.arg("-D").arg(&copied).args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1"]);
    command.args(["-c", "unix_socket_directories=", "-c", "max_connections=140", "-c", "max_prepared_transactions=2"]);
    command.args(["-c", "max_wal_senders=4", "-c", &format!("primary_conninfo={follow}")]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = programs.user {
        for file in ["backup_label", "standby.signal"] {
            std::os::unix::fs::chown(copied.join(file), Some(user.uid), Some(user.gid)).unwrap();
        }
        std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)).unwrap();
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    (Ended(command.spawn().unwrap()), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_standby_is_a_risk_and_a_synchronous_one_is_not() {
    let primary = server("doctor-standby", &["fsync=off", "full_page_writes=off"]).await;
    let url = primary.url("shop");
    let seen = found(&url, INSTANCES).await;
    assert_eq!(names(&seen), ["fsync", "full-page-writes"], "{}", seen.text());
    let dir = std::env::temp_dir().join(format!("holdfast-standby-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).unwrap();
    let (process, port) = standby(&primary, &dir).await;
    let seen = until("the standby follows", 60, || async {
        let report = found(&url, INSTANCES).await;
        names(&report).contains(&"standby-asynchronous").then_some(report)
    })
    .await;
    let text = text_of(&seen, "standby-asynchronous");
    for part in [
        "second is asynchronous",
        "bytes behind",
        "holds and their keys",
        "orders whose money",
        "refunds",
        "ten minutes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(seen.findings.iter().any(|one| one.name == "standby-asynchronous" && one.weight == Weight::Risk));

    let owner = connect(&url).await.unwrap();
    owner.batch_execute("alter system set synchronous_standby_names = 'second'").await.unwrap();
    owner.batch_execute("select pg_reload_conf()").await.unwrap();
    // With it what was committed is on another server, whatever this one's disk does.
    until("it is synchronous", 30, || async { found(&url, INSTANCES).await.findings.is_empty().then_some(()) }).await;
    owner.batch_execute("alter database shop set synchronous_commit = local").await.unwrap();
    let seen = found(&url, INSTANCES).await;
    assert_eq!(names(&seen), ["synchronous-commit-local"], "{}", seen.text());

    let (server, _) = url.rsplit_once(':').unwrap();
    let seen = found(&format!("{server}:{port}/shop"), INSTANCES).await;
    assert_eq!(names(&seen), ["is-standby"]);
    owner.batch_execute("alter system reset synchronous_standby_names").await.unwrap();
    drop(process);
    primary.remove().await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

/// PgBouncer before a server, in one mode.
fn pooler(dir: &Path, url: &str, mode: &str) -> (Ended, String) {
    use std::os::unix::process::CommandExt as _;
    let (user, place) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (address, database) = place.split_once('/').unwrap();
    let ((user, password), (host, from)) = (user.split_once(':').unwrap(), address.split_once(':').unwrap());
    let port = free_port();
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("users"), format!("\"{user}\" \"{password}\"\n")).unwrap();
    let config = format!(
        "[databases]\n{database} = host={host} port={from} dbname={database}\n[pgbouncer]\npool_mode = {mode}\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
         max_client_conn = 100\n",
        dir.join("users").display(),
    );
    std::fs::write(dir.join("pgbouncer.ini"), config).unwrap();
    let mut command = Command::new(stack::tools::pgbouncer().unwrap());
    command.arg(dir.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = stack::tools::postgres().unwrap().user {
        std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)).unwrap();
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    (Ended(command.spawn().unwrap()), format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_known_by_what_it_does_with_connections() {
    let server = server("doctor-pooler", &[]).await;
    for (mode, name) in [("transaction", "pooler-transaction"), ("session", "pooler-session")] {
        let dir = std::env::temp_dir().join(format!("holdfast-doctor-{}", uuid::Uuid::new_v4()));
        let (process, url) = pooler(&dir, &server.url("shop"), mode);
        until("the pooler answers", 20, || async { connect(&url).await.ok() }).await;
        let seen = found(&url, INSTANCES).await;
        assert_eq!(names(&seen), [name], "{}", seen.text());
        drop(process);
        std::fs::remove_dir_all(&dir).unwrap();
    }
    server.remove().await.unwrap();
}
