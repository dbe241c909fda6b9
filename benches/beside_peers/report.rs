//! What was measured, beside what was hoped for: ratios, for the times are this machine's.

use std::fmt::Write as _;
use std::fs;
use std::thread::available_parallelism;

use crate::measure::{Ratio, Sample};
use crate::world::World;

/// The rows of the table.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One comparison.
#[derive(Debug)]
struct Row {
    work: String,
    peer: String,
    found: String,
    spread: String,
    goal: String,
    met: Option<bool>,
}

impl Report {
    /// Adds what the first sample needs beside each of the others; `goal` is the most it may.
    pub(crate) fn compare(&mut self, work: &str, goal: f64, samples: &[Sample]) {
        let Some((ours, theirs)) = samples.split_first() else { return };
        for other in theirs {
            self.beside(work, goal, ours, other);
        }
    }

    /// Adds what one sample needs beside another.
    pub(crate) fn beside(&mut self, work: &str, goal: f64, ours: &Sample, theirs: &Sample) {
        let (one, other) = (ours.median(), theirs.median());
        eprintln!("  {work}: median {one:.4} beside {other:.4} of {}", theirs.name);
        self.add_ratio(work, theirs.name, goal, ours.over(theirs));
    }

    fn add_ratio(&mut self, work: &str, peer: &str, goal: f64, ratio: Ratio) {
        self.rows.push(Row {
            work: work.to_owned(),
            peer: peer.to_owned(),
            found: format!("{:.2} ×", ratio.of_medians),
            spread: format!("{:.2} – {:.2}", ratio.lower, ratio.upper),
            goal: format!("≤ {goal} ×"),
            met: Some(ratio.of_medians <= goal),
        });
    }

    /// Adds a figure that has no peer; without a goal it is there to be seen.
    pub(crate) fn note(&mut self, work: &str, found: String, goal: Option<(&str, bool)>) {
        self.rows.push(Row {
            work: work.to_owned(),
            peer: "–".to_owned(),
            found,
            spread: "–".to_owned(),
            goal: goal.map_or("–", |(text, _)| text).to_owned(),
            met: goal.map(|(_, met)| met),
        });
    }

    /// Returns the table as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = "| work | beside | needs | middle half of rounds | goal | met |\n\
                        |---|---|---:|---:|---:|---|\n"
            .to_owned();
        for row in &self.rows {
            let Row { work, peer, found, spread, goal, met } = row;
            let met = met.map_or("–", |met| if met { "yes" } else { "**no**" });
            writeln!(text, "| {work} | {peer} | {found} | {spread} | {goal} | {met} |").unwrap();
        }
        text
    }

    /// Writes `benches/RESULTS.md`.
    pub(crate) fn write(&self, world: &World, runs: usize) {
        let now = jiff::Timestamp::now().to_string();
        let today = now.split('T').next().unwrap_or_default();
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let versions = world.versions().join("`\n- `");
        let text = format!(
            "# Beside the peers\n\n\
             Written by `cargo bench --bench beside_peers -- --write` on {today}: {cores} cores, \
             all servers on loopback, every program {runs} times, taking turns. `README.md` says \
             how to read it.\n\n{}\n## Programs\n\n- `{versions}`\n",
            self.table()
        );
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md"), text).unwrap();
    }
}
