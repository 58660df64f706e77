//! Holds whose lines are to become others.

use super::Generator;
use crate::command::Command;

impl Generator {
    /// Mostly of one that is live, as a buyer does who has just looked at it: more of what it has, less, or something else.
    pub fn change(&mut self) -> Command {
        let (of, user) = self.hold_and_user();
        let seen = self.imagined.holds.get(&of).map(|hold| (hold.version, hold.lines.clone()));
        let (version, had) = seen.unwrap_or((1, Vec::new()));
        let version = if self.rng.u8(..) < 230 { version } else { version + 1 };
        let mut lines: Vec<(String, i32)> =
            had.iter().map(|line| (line.sku.clone(), i32::try_from(line.qty).expect("a quantity"))).collect();
        match self.rng.u8(..8) {
            0..3 if !lines.is_empty() => {
                let at = self.rng.usize(..lines.len());
                lines[at].1 = (lines[at].1 + [1, 1, -1, 2][self.rng.usize(..4)]).clamp(1, 100);
            }
            3 if lines.len() > 1 => {
                lines.remove(0);
            }
            4 if !lines.is_empty() => {}
            _ => lines = self.lines(),
        }
        if lines.is_empty() {
            lines = self.lines();
        }
        Command::Change { of, user, version, lines }
    }
}
