//! The time of all histories in a database is over: everything that need not be kept is removed, and everybody in it is forgotten. Whatever
//! came of them, the rules hold afterwards, and nobody of whom it is said that it is done is named anywhere.

use serde_json::Value;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Error};

/// All that has happened was told, and everything that has ended did so long enough ago.
const REMOVE: [&str; 3] = [
    "do $$ begin while holdfast.fan_out(1000) > 0 loop end loop; end $$",
    // In pieces: the first ones may be other histories'.
    "do $$ begin while holdfast.remove_sent(1000, 0, 0) > 0 loop end loop; end $$",
    "do $$ begin while holdfast.remove_holds(1000, 0) > 0 loop end loop; end $$",
];

/// Whoever is named, and what became of that.
const FORGET: &str = "with named as materialized (
        select user_id from holdfast.reservation_hold
        union select user_id from holdfast.payment where user_id <> ''
        union select user_id from holdfast.payment_attempt where user_id <> '')
    select n.user_id, holdfast.forget_user(json_build_object('actor', 'minji'), n.user_id, 100000, 0, 0) #> '{forgotten}'
    from named n order by n.user_id";

/// Keys are kept for a day, whoever's they are.
const NAMED: &str = "select string_agg(n.place, ', ') from (
        select 'reservation_hold' as place from holdfast.reservation_hold where user_id = $1
        union all select 'orders' from holdfast.orders where user_id = $1
        union all select 'order_items' from holdfast.order_items where user_id = $1
        union all select 'payment' from holdfast.payment where user_id = $1
        union all select 'payment_attempt' from holdfast.payment_attempt where user_id = $1
        union all select 'buyer_history' from holdfast.buyer_history where user_id = $1) n";

/// What is told was told before, and no event is left that could prove it.
const BROKEN: &str = "select string_agg(check_name || ' ' || subject, ', ') from holdfast.invariant_violation
    where needs_event_of is null";

/// What should not be; None: nothing.
///
/// # Errors
/// The database does not answer.
pub async fn what_is_left(owner: &Client) -> Result<Option<String>, Error> {
    for remove in REMOVE {
        owner.batch_execute(remove).await?;
    }
    for row in owner.query_typed(FORGET, &[]).await? {
        let (user, Json(state)): (String, Json<Value>) = (row.get(0), row.get(1));
        if state["status"] != "done" {
            continue;
        }
        let named = owner.query_typed(NAMED, &[(&user, Type::TEXT)]).await?;
        if let Some(places) = named[0].get::<_, Option<String>>(0) {
            return Ok(Some(format!("{user} is forgotten, and named in {places}")));
        }
    }
    let broken = owner.query_typed(BROKEN, &[]).await?;
    Ok(broken[0].get(0))
}
