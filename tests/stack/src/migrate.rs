//! The migration of `schema`, and what only tests need: another folder's files, and logins for the functions' roles.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use schema::Files;
pub use schema::Migrated;
pub use schema::durability::durability;
pub use schema::files::REPEATABLE;

use crate::database;

/// Every function by its name; its role in `schema/roles.sql` is `holdfast_` and this.
pub use deployment::NAMES as FUNCTIONS;

/// Names a folder whose files are applied in place of the ones that were built in: what a mutant of the schema is tried by.
pub const ANOTHER_SCHEMA: &str = "HOLDFAST_ANOTHER_SCHEMA";

/// Migrates the database at `url` to today's schema, or to that of the folder that `ANOTHER_SCHEMA` names.
///
/// # Errors
/// As `schema::migrate`.
pub async fn run(url: &str) -> Result<Migrated> {
    let another = std::env::var_os(ANOTHER_SCHEMA).map(PathBuf::from);
    schema::migrate(url, another.as_deref().map_or(Files::BuiltIn, Files::Folder)).await
}

/// Applies the routines of another version or of a mutant, from a folder like `schema`.
///
/// # Errors
/// The database cannot be reached, or refuses a statement.
pub async fn routines_of(url: &str, dir: &Path) -> Result<()> {
    schema::apply_repeatable(url, Files::Folder(dir)).await.map(drop)
}

/// Lets the functions' roles log in, all with `password`.
///
/// # Errors
/// The password is not letters and digits only (it is written into a statement), or the database refuses.
pub async fn give_logins(url: &str, password: &str) -> Result<()> {
    anyhow::ensure!(password.bytes().all(|b| b.is_ascii_alphanumeric()), "a role's password is letters and digits");
    let client = database::connect(url).await?;
    for function in FUNCTIONS {
        client.batch_execute(&format!("alter role holdfast_{function} login password '{password}'")).await?;
    }
    Ok(())
}

/// `url` with another user: what a function is configured with.
///
/// # Errors
/// `url` is not of the form `postgres://user@host/database`.
pub fn url_for_role(url: &str, role: &str, password: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a database URL begins with postgres://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Ok(format!("{scheme}://{role}:{password}@{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::url_for_role;

    #[test]
    fn a_role_takes_the_place_of_the_user_and_nothing_else() {
        let url = url_for_role("postgres://me:p%40ss@db.example:6432/shop?sslmode=require", "holdfast_reserve", "x");
        assert_eq!(url.ok().as_deref(), Some("postgres://holdfast_reserve:x@db.example:6432/shop?sslmode=require"));
        let url = url_for_role("postgres://localhost", "r", "x");
        assert_eq!(url.ok().as_deref(), Some("postgres://r:x@localhost"));
    }
}
