//! What always holds in the database, whatever was done to it: the rules of schema/views/invariants.sql, as `audit` reads
//! them, and the two that hold only while nothing is old enough to be removed. For every test, `cargo dev rush` and
//! `cargo dev soak`.

use tokio_postgres::{Client, Error, Statement};

/// Not in the views: `relay` removes sent events and the keys of holds that ended, so that in a shop's database these do not
/// hold. And the events of a hold are counted by reading all of them; no index is kept for that.
const WHILE_NOTHING_IS_REMOVED: [(&str, &str); 2] = [
    (
        "every hold was told of once when it began, and once when it ended",
        "select from holdfast.reservation_hold h left join holdfast.event_outbox e using (hold_id) group by h.hold_id having
            count(*) filter (where e.event_type = 'ReservationCreated') <> 1 or
            count(*) filter (where e.event_type in ('OrderConfirmed', 'ReservationExpired', 'ReservationReleased'))
                <> case when h.status = 'HOLD' then 0 when h.retaken_at > h.finalized_at then 2 else 1 end",
    ),
    (
        "every key grants a hold, and every hold has its key",
        "select from holdfast.idempotency i full join holdfast.reservation_hold h using (hold_id)
            where i.user_id is distinct from h.user_id",
    ),
];

/// A rule, and how many rows of the database break it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub says: String,
    pub broken: i64,
}

/// $1: the sales whose rows are looked at; null: all, and what belongs to no sale.
const COUNTED: &str = "select r.check_name || ': ' || r.says, count(v.check_name) from holdfast.invariant r
    left join (select check_name from holdfast.invariant_violation where $1::text[] is null or sale_id = any ($1)) v
        on v.check_name = r.check_name group by 1 order by 1";

/// Every rule, of the whole database: about 0.1 ms a hold. Needs the owner's rights: it reads tables.
///
/// # Errors
/// The database cannot be asked.
pub async fn whole(owner: &Client) -> Result<Vec<Rule>, Error> {
    counted(owner, None).await
}

/// Every rule, of what belongs to these sales; those of the keys and events of holds, of the whole database.
///
/// # Errors
/// The database cannot be asked.
pub async fn in_sales(owner: &Client, sales: &[String]) -> Result<Vec<Rule>, Error> {
    counted(owner, Some(sales)).await
}

/// The rules of the whole database that do not hold now.
///
/// # Errors
/// The database cannot be asked.
pub async fn broken(owner: &Client) -> Result<Vec<Rule>, Error> {
    Ok(whole(owner).await?.into_iter().filter(|rule| rule.broken != 0).collect())
}

async fn counted(owner: &Client, sales: Option<&[String]>) -> Result<Vec<Rule>, Error> {
    Prepared::new(owner).await?.counted(owner, sales).await
}

/// The rules as one connection has prepared them, for whoever asks often: to plan them takes longer than to answer.
#[derive(Clone)]
pub struct Prepared {
    of_all_time: Statement,
    while_nothing_is_removed: Vec<(&'static str, Statement)>,
}

impl Prepared {
    /// # Errors
    /// The database cannot be asked.
    pub async fn new(owner: &Client) -> Result<Self, Error> {
        let mut while_nothing_is_removed = Vec::new();
        for (says, query) in WHILE_NOTHING_IS_REMOVED {
            let statement = owner.prepare(&format!("select count(*) from ({query}) broken")).await?;
            while_nothing_is_removed.push((says, statement));
        }
        Ok(Self { of_all_time: owner.prepare(COUNTED).await?, while_nothing_is_removed })
    }

    /// The rules of the whole database that do not hold now.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn broken(&self, owner: &Client) -> Result<Vec<Rule>, Error> {
        Ok(self.counted(owner, None).await?.into_iter().filter(|rule| rule.broken != 0).collect())
    }

    async fn counted(&self, owner: &Client, sales: Option<&[String]>) -> Result<Vec<Rule>, Error> {
        let rows = owner.query(&self.of_all_time, &[&sales]).await?;
        let mut rules: Vec<Rule> = rows.iter().map(|row| Rule { says: row.get(0), broken: row.get(1) }).collect();
        for (says, statement) in &self.while_nothing_is_removed {
            let row = owner.query_one(statement, &[]).await?;
            rules.push(Rule { says: (*says).to_owned(), broken: row.get(0) });
        }
        Ok(rules)
    }
}
