//! What roles.sql sets for the functions' roles, read from that file, so that a database can be compared with it.

use anyhow::{Context as _, Result};

use crate::files::REPEATABLE;

/// One function's role.
#[derive(Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    /// Its `CONNECTION LIMIT`.
    pub connections: i32,
    /// `name=value`, in the order in which they are set.
    pub settings: Vec<String>,
}

/// The roles as this release's roles.sql makes them.
///
/// # Errors
/// The file is not written in the form that is read here.
pub fn of_functions() -> Result<Vec<Role>> {
    let file = REPEATABLE.iter().find(|file| file.is_of_roles()).context("there is no roles.sql")?;
    read(file.text).context("roles.sql is not written as its reader expects")
}

/// A list of rows `('holdfast_…', connections, keyed)`, then the settings of all, then those of the keyed ones.
fn read(text: &str) -> Option<Vec<Role>> {
    let (rows, rest) = text.split_once(" in values")?.1.split_once("loop")?;
    let settings = rest.split_once("v_settings := array[")?.1;
    let (of_all, settings) = settings.split_once(']')?;
    let of_keyed = settings.split_once("then array[")?.1.split_once(']')?.0;
    let quoted = |list: &str| -> Vec<String> { list.split('\'').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut roles = Vec::new();
    for row in rows.split('(').skip(1) {
        let mut fields = row.split_once(')')?.0.split(',').map(str::trim);
        let name = fields.next()?.trim_matches('\'').to_owned();
        let connections = fields.next()?.parse().ok()?;
        let mut settings = quoted(of_all);
        if fields.next()? == "true" {
            settings.extend(quoted(of_keyed));
        }
        roles.push(Role { name, connections, settings });
    }
    Some(roles)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::of_functions;

    #[test]
    fn every_function_has_its_role_with_its_connections_and_its_bounds() {
        let roles = of_functions().unwrap();
        let names: BTreeSet<String> = roles.iter().map(|role| role.name.clone()).collect();
        assert_eq!(names, deployment::FUNCTIONS.iter().map(deployment::function::Function::role).collect());
        for function in deployment::FUNCTIONS {
            let role = roles.iter().find(|role| role.name == function.role()).unwrap();
            assert_eq!(u64::try_from(role.connections), Ok(function.connections_max), "{}", function.name);
            assert_eq!(role.settings[0], "lock_timeout=1500ms");
            assert!(role.settings.contains(&"synchronous_commit=on".to_owned()), "{role:?}");
        }
        let keyed: Vec<&str> = roles
            .iter()
            .filter(|role| role.settings.contains(&"enable_bitmapscan=off".to_owned()))
            .map(|role| role.name.as_str())
            .collect();
        assert_eq!(keyed, ["holdfast_reserve", "holdfast_confirm", "holdfast_expire", "holdfast_release"]);
    }
}
