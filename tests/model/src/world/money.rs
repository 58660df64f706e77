//! What the transactions are asked about money beside T2: attempts to pay, refunds, what gateways say afterwards, and what an
//! operator decides.

use serde_json::{Value, json};
use tokio_postgres::Error;
use tokio_postgres::types::{Json, Type};

use super::{World, sha256};
use crate::attempts::UNANSWERED_MAX;
use crate::command::{Amount, Command, HoldOf};
use crate::letters::letter;
use crate::refunds::settled_detail;
use crate::session::{Params, Session};

/// A line of a list, what is recorded where it is asked about, and the same line once more: all or nothing, as with a lost
/// answer.
const LISTED: &str = "
    with line as materialized (
        select p, json_build_array(json_build_object('payment_id', p.payment_id, 'ours', true, 'told', json_build_object(
            'state', $3, 'amount', p.amount, 'refunded', p.amount * $4 / 100, 'currency', p.currency, 'dispute', $5,
            'disputed_amount', case when $5 <> 'none' then p.amount / 2 end))) as lines
        from holdfast.payment p where (p.gateway, p.payment_id) = ($1, $2)
    ), first as materialized (
        select l.*, holdfast.compare_listed($1, l.lines)::text <> '[]' as asked from line l
    ), recorded as materialized (
        select holdfast.record_present($1, $2, clock_timestamp()::text, $3, (f.p).amount, (f.p).amount * $4 / 100,
            (f.p).currency, $5, case when $5 <> 'none' then (f.p).amount / 2 end)::text as answer
        from first f where f.asked
    )
    select json_build_object('asked', f.asked, 'again', holdfast.compare_listed($1, f.lines)::text <> '[]')
    from first f, (select count(r.answer) from recorded r) done";

impl World {
    pub(super) async fn call_about_money(&self, session: &Session, command: &Command) -> Result<Value, Error> {
        let (role, hold) = (command.role(), self.hold_id(command));
        match command {
            Command::Attempt { how, pay } => self.attempt(session, how, pay).await,
            Command::OpenPage { user, gateway, .. } => {
                let sql = "select holdfast.open_payment($1, $2, $3)";
                let params: Params = &[(user, Type::TEXT), (&hold, Type::UUID), (gateway, Type::TEXT)];
                let mut opened = session.call(role, sql, params).await?;
                // Its id is the hold's and a number, which the tables show.
                let begins = |id: &str| id.starts_with(&hold.simple().to_string());
                if opened["payment_id"].as_str().is_some_and(begins) {
                    opened["payment_id"] = json!("@");
                }
                Ok(opened)
            }
            Command::Asked { gateway, payment, says } => {
                let payment = self.payment_id(payment);
                let sql = match *says {
                    "over" => "select holdfast.end_payment($1, $2, 'over')".to_owned(),
                    "not paid" => noted("note_opened($1, $2)"),
                    "led to a payment" => noted("end_opened($1, $2, 'led to a payment')"),
                    says => {
                        let times = if says == "nothing" { 1 } else { UNANSWERED_MAX };
                        format!(
                            "select (array_agg(holdfast.payment_unanswered($1, $2, 'nothing said')))[1]
                             from generate_series(1, {times})"
                        )
                    }
                };
                session.call(role, &sql, &[(gateway, Type::TEXT), (&payment, Type::TEXT)]).await
            }
            Command::BeginRefund { gateway, payment, amount } => {
                let sql = "select holdfast.begin_refund($1, $2, $3)";
                let params: Params = &[(gateway, Type::TEXT), (payment, Type::TEXT), (amount, Type::INT8)];
                let mut begun = session.call(role, sql, params).await?;
                // The key that it is sent with is the function's alone.
                begun.as_object_mut().and_then(|members| members.remove("key"));
                Ok(begun)
            }
            Command::SettleRefund { gateway, payment, outcome, again } => {
                let sql = "select holdfast.settle_refund($1, $2, $3, $4, $5)";
                let (detail, again_s) = (settled_detail(outcome), again.then_some(0.0_f64));
                let params: Params = &[
                    (gateway, Type::TEXT),
                    (payment, Type::TEXT),
                    (outcome, Type::TEXT),
                    (&detail, Type::TEXT),
                    (&again_s, Type::FLOAT8),
                ];
                session.call(role, sql, params).await
            }
            Command::Present { gateway, payment, gone, refunded_percent, dispute } => {
                let sql =
                    "select holdfast.record_present(p.gateway, p.payment_id, clock_timestamp()::text, $3, p.amount,
                               p.amount * $4 / 100, p.currency, $5, case when $5 <> 'none' then p.amount / 2 end)
                           from holdfast.payment p where (p.gateway, p.payment_id) = ($1, $2)";
                let state = if *gone { "gone" } else { "paid" };
                let params: Params = &[
                    (gateway, Type::TEXT),
                    (payment, Type::TEXT),
                    (&state, Type::TEXT),
                    (refunded_percent, Type::INT8),
                    (dispute, Type::TEXT),
                ];
                let rows = self.owner().query_typed(sql, params).await?;
                Ok(rows.first().and_then(|row| row.get::<_, Option<Json<Value>>>(0)).map_or(Value::Null, |json| json.0))
            }
            Command::Listed { gateway, payment, gone, refunded_percent, dispute } => {
                let state = if *gone { "gone" } else { "paid" };
                let params: Params = &[
                    (gateway, Type::TEXT),
                    (payment, Type::TEXT),
                    (&state, Type::TEXT),
                    (refunded_percent, Type::INT8),
                    (dispute, Type::TEXT),
                ];
                let rows = self.owner().query_typed(LISTED, params).await?;
                Ok(rows.first().and_then(|row| row.get::<_, Option<Json<Value>>>(0)).map_or(Value::Null, |json| json.0))
            }
            Command::Refund { gateway, payment, done } => {
                // Both in one transaction, so that a lost answer is of all or of nothing.
                let sql = "select holdfast.settle_refund(p.gateway, p.payment_id, $3, $4, null)
                           from holdfast.payment p, lateral (
                               select holdfast.begin_refund(p.gateway, p.payment_id, p.amount) as begun offset 0) b
                           where (p.gateway, p.payment_id) = ($1, $2) and p.refunded_outside = 0
                             and p.reversed_at is null and p.dispute is null and p.amount > 0 and b.begun is not null";
                let (outcome, detail) = if *done { ("done", None) } else { ("refused", Some("no")) };
                let params: Params =
                    &[(gateway, Type::TEXT), (payment, Type::TEXT), (&outcome, Type::TEXT), (&detail, Type::TEXT)];
                let rows = self.owner().query_typed(sql, params).await?;
                Ok(rows.first().and_then(|row| row.get::<_, Option<Json<Value>>>(0)).map_or(Value::Null, |json| json.0))
            }
            Command::Park { gateway, payment, amount } => {
                let sql = "select holdfast.park($1, $2, 'no-hold', $3, 'KRW', true)";
                session.call(role, sql, &[(gateway, Type::TEXT), (payment, Type::TEXT), (amount, Type::INT8)]).await
            }
            Command::Decide { kind, gateway, payment, decision, key } => {
                let by = Json(json!({"actor": "minji", "reason": "a reason", "request_id": key}));
                let id = letter(kind, gateway, payment);
                let print = sha256(&format!("{decision} {id}"));
                let params: Params = &[
                    (&by, Type::JSON),
                    (key, Type::TEXT),
                    (&print, Type::BYTEA),
                    (&id, Type::TEXT),
                    (decision, Type::TEXT),
                ];
                match *decision {
                    "replay" => {
                        session.call(role, "select holdfast.replay_dead_letter($1, $2, $3, $4)", &params[..4]).await
                    }
                    _ => session.call(role, "select holdfast.decide_dead_letter($1, $2, $3, $4, $5)", params).await,
                }
            }
            _ => panic!("not about money"),
        }
    }

    async fn attempt(&self, session: &Session, how: &str, pay: &Command) -> Result<Value, Error> {
        let Command::Pay { gateway, payment, of, user, amount: Amount::Exactly(amount), currency } = pay else {
            panic!("an attempt of no known sum")
        };
        let (payment, hold) = (self.payment_id(payment), self.hold_id(pay));
        let said = of.as_ref().map_or_else(|| "no-hold".to_owned(), |_| hold.to_string());
        let hold = of.as_ref().map(|_| hold);
        let (sql, taken) = match how {
            "secure" => {
                ("select holdfast.secure($1, $2, $3, $4, $5, $6, $7, case when not $8 then 'token' end)", false)
            }
            how => ("select holdfast.note_payment($1, $2, $3, $4, $5, $6, $7, $8)", how == "note taken"),
        };
        let params: Params = &[
            (gateway, Type::TEXT),
            (&payment, Type::TEXT),
            (&said, Type::TEXT),
            (&hold, Type::UUID),
            (user, Type::TEXT),
            (amount, Type::INT8),
            (currency, Type::TEXT),
            (&taken, Type::BOOL),
        ];
        session.call("confirm", sql, params).await
    }

    /// As the gateway has it: `@ann/k1:01` is what her hold's page was opened with first.
    fn payment_id(&self, named: &str) -> String {
        let hold = named.strip_prefix('@').and_then(|name| name.split_once('/')).and_then(|(user, rest)| {
            let (key, number) = rest.split_once(':')?;
            let of = HoldOf { user: user.to_owned(), key: key.to_owned() };
            self.known.borrow().holds.get(&of).map(|(id, ..)| format!("{}{number}", id.simple()))
        });
        hold.unwrap_or_else(|| named.trim_start_matches('@').to_owned())
    }
}

/// A call that answers nothing.
fn noted(call: &str) -> String {
    format!("select case when holdfast.{call}::text = '' then json_build_object('result', 'noted') end")
}
