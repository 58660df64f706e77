//! The functions' roles: there, able to log in, with their settings and no more rights.

use anyhow::Result;
use schema::roles::{Role, of_functions};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::rows;

use crate::report::Report;

pub async fn look(client: &Client, report: &mut Report) -> Result<()> {
    let sql = "select r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil < now(),
                      array_remove(array[case when r.rolsuper then 'SUPERUSER' end, case when r.rolcreaterole then 'CREATEROLE' end,
                                         case when r.rolcreatedb then 'CREATEDB' end, case when r.rolbypassrls then 'BYPASSRLS' end,
                                         case when r.rolreplication then 'REPLICATION' end], null),
                      coalesce((select s.setconfig from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0), '{}'),
                      coalesce((select s.setconfig from pg_db_role_setting s join pg_database b on b.oid = s.setdatabase
                                where s.setrole = r.oid and b.datname = current_database()), '{}')
               from pg_roles r where r.rolname = $1";
    let (mut without_login, mut missing) = (vec![], vec![]);
    for Role { name, connections, settings } in of_functions()? {
        let Some(row) = rows(client, sql, &[(&name, Type::TEXT)]).await?.pop() else {
            missing.push(name);
            continue;
        };
        if !row.get::<_, bool>(0) {
            without_login.push(name.clone());
        }
        let limit: i32 = row.get(1);
        if limit != connections {
            report.wrong(
                "role-connections",
                format!("{name} may have {limit} connections, and not {connections}"),
                MIGRATE,
            );
        }
        if row.get::<_, Option<bool>>(2) == Some(true) {
            report.wrong(
                "role-expired",
                format!("the password of {name} has expired"),
                "`alter role … valid until 'infinity'`",
            );
        }
        let rights: Vec<String> = row.get(3);
        if !rights.is_empty() {
            let no: Vec<String> = rights.iter().map(|right| format!("no{}", right.to_lowercase())).collect();
            report.wrong(
                "role-rights",
                format!("{name} has {}: whoever has its password has the server", rights.join(", ")),
                format!("`alter role {name} {}`", no.join(" ")),
            );
        }
        let (found, here): (Vec<String>, Vec<String>) = (row.get(4), row.get(5));
        let other: Vec<&str> = found
            .iter()
            .chain(&here)
            .map(String::as_str)
            .filter(|one| !settings.iter().any(|own| own == one))
            .collect();
        let lacking: Vec<&str> =
            settings.iter().map(String::as_str).filter(|one| !found.iter().any(|own| own == one)).collect();
        if !other.is_empty() || !lacking.is_empty() {
            let what = match (other.as_slice(), lacking.as_slice()) {
                (other, []) => format!("{name} also has {}", other.join(", ")),
                ([], lacking) => format!("{name} lacks {}", lacking.join(", ")),
                (other, lacking) => format!("{name} has {} and lacks {}", other.join(", "), lacking.join(", ")),
            };
            report.wrong("role-settings", what, MIGRATE);
        }
    }
    if !missing.is_empty() {
        report.wrong("role-missing", format!("there is no {}", missing.join(", ")), "run `migrate`");
    }
    if !without_login.is_empty() {
        report.wrong(
            "role-login",
            format!("{} cannot log in", without_login.join(", ")),
            "`alter role … login password '…'`, and the function's secret",
        );
    }
    Ok(())
}

const MIGRATE: &str =
    "run `migrate`, which puts it back; whoever has the role's password may have changed it: see SECURITY.md";
