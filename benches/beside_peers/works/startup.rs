//! Starting, and the size of what is started.

use std::fs;

use crate::measure::{Contestant, wall_times};
use crate::report::Report;
use crate::works::{SIZE_GOAL, STARTUP_GOAL};
use crate::world::{TRUST, World};

/// Rounds are many, for one is short.
const ROUNDS_PER_RUN: usize = 6;

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    let person = world.person();
    let samples = wall_times(
        runs * ROUNDS_PER_RUN,
        &mut [
            Contestant::new("trust", |_| person.trust(&["--version"])),
            Contestant::new("notary version", |_| person.notary(&["version"])),
        ],
    );
    report.compare("start-up, `--version`", STARTUP_GOAL, &samples);
    #[expect(clippy::cast_precision_loss, reason = "a file's size in megabytes")]
    let megabytes = fs::metadata(TRUST).unwrap().len() as f64 / 1e6;
    let goal = format!("< {SIZE_GOAL} MB");
    let found = format!("{megabytes:.1} MB");
    report.note("size, stripped", found, Some((&goal, megabytes < SIZE_GOAL)));
}
