//! Measures `trust` beside `docker trust` and `notary`: the same work, the same servers, one run.
//!
//! `benches/README.md` says how to run it and how to read what comes out.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unused_result_ok,
    clippy::unwrap_used,
    reason = "a benchmark makes its own world, stops at the first surprise, and prints"
)]

mod measure;
mod options;
#[expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    dead_code,
    unused_imports,
    reason = "shared with the tests, which use more of it"
)]
#[path = "../../tests/peers/mod.rs"]
mod peers;
mod report;
mod works;
mod world;

use options::Options;
use report::Report;
use world::World;

fn main() {
    let Some(options) = Options::of_this_process() else { return };
    let world = World::start();
    let mut report = Report::default();
    for work in works::ALL {
        if !options.selects(work.name) {
            continue;
        }
        eprintln!("{} …", work.name);
        (work.measure)(&world, options.runs, &mut report);
    }
    print!("{}", report.table());
    if options.write {
        report.write(&world, options.runs);
    }
}
