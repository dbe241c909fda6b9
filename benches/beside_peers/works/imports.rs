//! A notary server with thousands of collections, taken over out of a dump: how many in a second,
//! and whether ten times as many need more for each, or more memory. No other program does this.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::measure::{Sample, memory_of, took};
use crate::peers::old_tables::{Dump, KeyColumns, OldCollection, PASSPHRASE, VARIABLE};
use crate::peers::process;
use crate::report::Report;
use crate::works::IMPORT_GROWTH_GOAL;
use crate::world::{TRUST, World};

/// How many collections there are, once few and once many.
const COLLECTIONS: [usize; 2] = [1000, 10_000];
/// How many where it is only to be seen that it still runs.
const FEW_COLLECTIONS: [usize; 2] = [10, 100];
/// How many tags each has. Each was signed by itself, as `docker trust sign` does, so that there
/// are as many versions of all files.
const TAGS: usize = 20;
/// One round takes minutes.
const RUNS: usize = 1;

pub(super) fn measure(_: &World, runs: usize, report: &mut Report) {
    let (counts, runs) = if runs == 1 { (FEW_COLLECTIONS, 1) } else { (COLLECTIONS, RUNS) };
    let [few, many] = counts.map(|count| taken_over(count, runs));
    for (count, (times, memory)) in counts.iter().zip([&few, &many]) {
        let work = format!("import {count} collections of {TAGS} tags");
        let rate = 1.0 / times.median();
        report.note(&work, format!("{rate:.0} a second"), None);
        report.note(&format!("{work}: memory"), format!("{:.0} MB", memory.median() / 1e3), None);
    }
    let work = format!("import {} collections: each", counts[1]);
    report.beside(&work, IMPORT_GROWTH_GOAL, &many.0, &few.0);
    report.beside(&format!("{work}, memory"), IMPORT_GROWTH_GOAL, &many.1, &few.1);
}

/// Seconds for each collection, and the most memory in KiB.
#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn taken_over(count: usize, runs: usize) -> (Sample, Sample) {
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("notary.sql");
    write(&dump, count);
    let name = "a tenth as many";
    let mut times = Sample { name, values: Vec::new() };
    let mut memory = Sample { name, values: Vec::new() };
    for run in 0..runs {
        let (kib, time) = took(|| memory_of(&import(&folder, &dump, run), &folder));
        times.values.push(time.as_secs_f64() / count as f64);
        memory.values.push(kib);
    }
    (times, memory)
}

fn import(folder: &TempDir, dump: &Path, run: usize) -> Command {
    let mut command = Command::new(TRUST);
    command.args(["server", "import-notary", "--data"]);
    command.arg(folder.path().join(format!("server-{run}"))).arg(dump);
    command.env_clear().env("PATH", process::search_path()).env("HOME", folder.path());
    command.env("TMPDIR", folder.path()).env(VARIABLE, PASSPHRASE);
    command
}

/// Writes the dump of a server with so many collections. As there, what was published to one is
/// between what was published to the others.
fn write(path: &Path, count: usize) {
    let out = BufWriter::new(File::create(path).unwrap());
    let mut dump = Dump::new(out, KeyColumns::All);
    let names = (0..count).map(|number| format!("registry.example.com/estate/app-{number}"));
    let mut collections: Vec<OldCollection> = names.map(|gun| OldCollection::new(&gun)).collect();
    for tag in 0..TAGS {
        for collection in &mut collections {
            dump.files(&collection.sign(&format!("v1.{tag}")));
        }
    }
    for collection in &collections {
        dump.keys(collection);
    }
    dump.finish().flush().unwrap();
}
