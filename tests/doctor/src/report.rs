//! What was found: facts, and findings with what to do.

use std::fmt::Write as _;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It does not fit: something fails, or a promise is not kept.
    Wrong,
    /// It works, and under some circumstance something is lost or slow.
    Risk,
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub name: &'static str,
    pub weight: Weight,
    pub found: String,
    pub todo: String,
}

#[derive(Debug, Default)]
pub struct Report {
    /// Each with its name.
    pub facts: Vec<(&'static str, String)>,
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unread: Vec<(&'static str, String)>,
}

impl Report {
    pub fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, value.into()));
    }

    pub fn wrong(&mut self, name: &'static str, found: impl Into<String>, todo: impl Into<String>) {
        self.findings.push(Finding { name, weight: Weight::Wrong, found: found.into(), todo: todo.into() });
    }

    pub fn risk(&mut self, name: &'static str, found: impl Into<String>, todo: impl Into<String>) {
        self.findings.push(Finding { name, weight: Weight::Risk, found: found.into(), todo: todo.into() });
    }

    pub fn unread(&mut self, name: &'static str, why: impl Into<String>) {
        self.unread.push((name, why.into()));
    }

    /// How many findings do not fit.
    #[must_use]
    pub fn wrongs(&self) -> usize {
        self.findings.iter().filter(|finding| finding.weight == Weight::Wrong).count()
    }

    /// Facts first, then what does not fit, then the risks, then what was not read.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.facts {
            let _ = writeln!(text, "{name:22} {value}");
        }
        for (weight, title) in [(Weight::Wrong, "does not fit:"), (Weight::Risk, "risks:")] {
            let of_it: Vec<&Finding> = self.findings.iter().filter(|finding| finding.weight == weight).collect();
            if of_it.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{title}");
            for Finding { name, found, todo, .. } in of_it {
                let _ = writeln!(text, "  {name}: {found}\n      -> {todo}");
            }
        }
        if !self.unread.is_empty() {
            let _ = writeln!(text, "not looked at:");
            for (name, why) in &self.unread {
                let _ = writeln!(text, "  {name}: {why}");
            }
        }
        text
    }
}
