//! What nobody saw: a command whose answer was lost was done or was not; and what waited for no disk may be gone after
//! a crash, though somebody had seen it, if nobody was told of it by then.
//!
//! With early release a reservation commits without waiting for the disk and passes the barrier afterwards. Whatever is
//! written in the ordinary way is on disk before anybody sees it, and with it all that stands before it in the log.

use super::command::Command;
use super::explain::{Part, Seen, State};
use super::world::Answered;

/// That the server may end while a history goes on.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    pub early_release: bool,
    /// It has, since something was seen last.
    pub happened: bool,
}

/// Something that is not on disk for certain.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsure {
    /// Which command's which part it is.
    part: (usize, usize),
    /// What there was before it, which is what a crash leaves.
    pub before: State,
}

impl Seen<'_> {
    /// For each command the parts that it may have come to: all of them where it was answered; where nobody saw that, all
    /// or none. T1 may have taken lapsed holds back and got no further.
    pub fn ways(&self, parts: impl Fn(&Answered) -> Vec<Part>) -> Vec<Vec<Vec<Part>>> {
        let mut ways: Vec<Vec<Vec<Part>>> = vec![vec![]];
        for answered in self.answered {
            let all = parts(answered);
            let options = match all.first() {
                _ if !answered.is_unseen() => vec![all],
                Some(Part::Reclaim(_)) => {
                    let rounds = all.iter().filter(|part| matches!(part, Part::Reclaim(_))).count();
                    (0..=rounds).map(|done| all[..done].to_vec()).chain([all.clone()]).collect()
                }
                _ => vec![vec![], all],
            };
            let with =
                |way: &Vec<Vec<Part>>, option: &Vec<Part>| [way.as_slice(), std::slice::from_ref(option)].concat();
            ways = ways.iter().flat_map(|way| options.iter().map(move |option| with(way, option))).collect();
        }
        ways
    }
}

impl State {
    /// Keeps in mind what of `part` was not seen, and what of it a crash may take away.
    pub(super) fn comes_after(&mut self, before: &Self, seen: &Seen, call: usize, part: Part) {
        let answered = &seen.answered[call];
        if answered.is_unseen() {
            for (of, hold) in self.model.holds.iter().filter(|(of, _)| !before.model.holds.contains_key(*of)) {
                self.names.made(hold.expires(of), answered.window);
            }
            for of in self.model.orders.keys().filter(|of| !before.model.orders.contains_key(*of)) {
                self.names.made(format!("?order:{of}"), answered.window);
            }
            if !matches!(part, Part::Reclaim(_)) {
                self.done.insert((seen.number, call));
            }
        }
        let Some(crash) = seen.crash else { return };
        let mut before = before.clone();
        before.model.part = self.model.part;
        let wrote = before.model != self.model;
        let waits_for_no_disk = crash.early_release && matches!(answered.said, Command::Reserve { .. });
        if waits_for_no_disk && !answered.tells_of_a_hold() {
            if wrote && self.unsure.iter().all(|unsure| unsure.part != self.model.part) {
                before.unsure.clear();
                self.unsure.push(Unsure { part: self.model.part, before });
            }
        } else if wrote || crash.early_release && answered.tells_of_a_hold() {
            self.unsure.clear();
        }
    }

    /// What a crash may leave of it: all up to something that was not on disk yet.
    pub fn brought_back(&self) -> impl Iterator<Item = Self> + use<> {
        self.unsure.clone().into_iter().map(|unsure| unsure.before)
    }
}

impl Answered {
    /// Whether the barrier was passed before this was said.
    fn tells_of_a_hold(&self) -> bool {
        match &self.said {
            Command::Reserve { .. } => self.values.iter().any(|value| {
                matches!(value["outcome"].as_str(), Some("granted" | "already_holding" | "idempotency_key_reused"))
            }),
            Command::ReadHold { .. } => self.values.first().is_some_and(|value| !value.is_null()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::command::{Ask, Command, HoldOf, Phase};
    use super::super::explain::{Seen, State};
    use super::super::names::Window;
    use super::super::world::Answered;
    use super::Crash;

    const WINDOW: Window = Window { asked_ms: 0, answered_ms: i64::MAX / 2 };

    fn state() -> State {
        let mut state = State::default();
        let skus = [("a".to_owned(), 100, 1, 1)];
        state.model.new_sale("drop", "KRW", 600, Phase::During, (false, false, false), &skus);
        state
    }

    fn reserve(user: &str) -> Command {
        let ask = Ask { user: user.to_owned(), key: "k".to_owned(), lines: vec![("a".to_owned(), 1)] };
        Command::Reserve { sale: "drop".to_owned(), asks: vec![ask] }
    }

    fn sold_out(user: &str) -> Answered {
        let answer = json!({"outcome": "sold_out", "sku_id": "a", "available": 0, "max_per_user": 1, "for_ms": 1});
        Answered { said: reserve(user), values: vec![answer], window: WINDOW }
    }

    fn after(state: State, number: usize, answered: &[Answered], crash: Option<Crash>) -> Result<Vec<State>, String> {
        state.after(&Seen { number, answered, expired: &[], crash })
    }

    fn holds(states: &[State]) -> Vec<usize> {
        states.iter().map(|state| state.model.holds.len()).collect()
    }

    #[test]
    fn what_nobody_saw_was_done_once_or_not_at_all_and_the_same_again_tells() {
        let lost = [Answered::unseen(reserve("ann"), WINDOW)];
        let states = after(state(), 1, &lost, None).unwrap();
        assert_eq!(holds(&states), [0, 1]);
        let done: Vec<bool> = states.iter().map(|state| state.done.contains(&(1, 0))).collect();
        assert_eq!(done, [false, true]);
        let again = |replayed: Value| {
            let id = "01890a5d-ac96-774b-bcce-b302099a8057";
            let hold = json!({"hold_id": id, "sale_id": "drop", "status": "HOLD", "subtotal_amount": 100,
                              "discount_amount": 0, "total_amount": 100, "currency": "KRW", "currency_decimals": 0,
                              "version": 1, "items": [{"sku_id": "a", "qty": 1, "unit_price": 100}],
                              "expire_at": "2026-01-01T00:00:00.000Z"});
            let mut answer = json!({"outcome": "granted", "hold": hold});
            if replayed == true {
                answer["replayed"] = replayed;
            }
            let answered = [Answered { said: reserve("ann"), values: vec![answer], window: WINDOW }];
            let left = states.iter().filter_map(|state| after(state.clone(), 2, &answered, None).ok()).flatten();
            left.map(|state| state.done.contains(&(1, 0))).collect::<Vec<bool>>()
        };
        assert_eq!((again(json!(true)), again(json!(false))), (vec![true], vec![false]));
    }

    #[test]
    fn a_crash_takes_away_what_waited_for_no_disk_and_nothing_else() {
        let crash = |early_release, happened| Some(Crash { early_release, happened });
        let seen_by_another = [Answered::unseen(reserve("ann"), WINDOW), sold_out("bob")];
        // Sold out because of her, and then she has nothing after all.
        for (early_release, happened, left) in
            [(true, true, vec![1, 0]), (true, false, vec![1]), (false, true, vec![1])]
        {
            let states = after(state(), 1, &seen_by_another, crash(early_release, happened)).unwrap();
            let mut left = left;
            let mut found = holds(&states);
            left.sort_unstable();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, left, "early release {early_release}, crash {happened}");
        }
        // Something that was written in the ordinary way comes after her in the log.
        let [her] = [Answered::unseen(reserve("ann"), WINDOW)];
        let states = after(state(), 1, &[her, sold_out("bob")], crash(true, false)).unwrap();
        let stock = Command::Stock { sale: "drop".to_owned(), sku: "a".to_owned(), delta: 1, key: "s".to_owned() };
        let answer =
            json!({"outcome": "stock", "stock": {"sale_id": "drop", "sku_id": "a", "total": 2, "available": 1}});
        let answered = [Answered { said: stock, values: vec![answer], window: WINDOW }];
        let states = after(states[0].clone(), 2, &answered, crash(true, false)).unwrap();
        assert_eq!(states[0].brought_back().count(), 0);
        assert!(states[0].model.holds.contains_key(&HoldOf { user: "ann".to_owned(), key: "k".to_owned() }));
    }
}
