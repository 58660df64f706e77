//! Whether what the server has committed survives its crash: settings that a shop must not have off.

use anyhow::{Context as _, Result};

use crate::connection::connect;

#[derive(Debug, PartialEq, Eq)]
pub struct Durability {
    pub fsync: String,
    pub full_page_writes: String,
    /// As a new session of the database has it.
    pub synchronous_commit: String,
    /// Where it is off otherwise: the functions' roles, and the database's own setting.
    pub weaker: Vec<String>,
}

impl Durability {
    /// Whether what was committed survives a crash of the server.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.fsync == "on"
            && self.full_page_writes == "on"
            && self.synchronous_commit != "off"
            && self.weaker.is_empty()
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { fsync, full_page_writes, synchronous_commit, weaker } = self;
        write!(to, "fsync {fsync}, full_page_writes {full_page_writes}, synchronous_commit {synchronous_commit}")?;
        if weaker.is_empty() { Ok(()) } else { write!(to, ", and off for {}", weaker.join(", ")) }
    }
}

const SETTINGS: &str =
    "select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
        array(select distinct coalesce(r.rolname, 'everybody') || coalesce(' in ' || d.datname, '')
              from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase,
                   unnest(s.setconfig) as one
              where one = 'synchronous_commit=off' and coalesce(d.datname, current_database()) = current_database()
                and coalesce(r.rolname, 'holdfast_') like 'holdfast\\_%' order by 1)";

/// Reads the settings of the database at `url`.
///
/// # Errors
/// The database cannot be reached.
pub async fn durability(url: &str) -> Result<Durability> {
    let row = connect(url).await?.query_typed(SETTINGS, &[]).await?.pop().context("the database answered nothing")?;
    Ok(Durability {
        fsync: row.get(0),
        full_page_writes: row.get(1),
        synchronous_commit: row.get(2),
        weaker: row.get(3),
    })
}
