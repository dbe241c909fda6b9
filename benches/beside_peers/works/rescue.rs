//! A thousand collections of twenty tags, kept: beside listing them one after the other, which is
//! how far one comes with notary.

use std::fs;
use std::process::Command;

use trust::actions::image::target_of;
use trust::clock::{Clock as _, SystemClock};
use trust::crypto::Sha256Hash;
use trust::oci::Digest;
use trust::tuf::{RoleName, TargetName};

use crate::measure::{Contestant, run, wall_times};
use crate::report::Report;
use crate::works::RESCUE_GOAL;
use crate::works::change::change;
use crate::world::{Person, World};

/// How many collections there are.
const COLLECTIONS: usize = 1000;
/// How many where it is only to be seen that it still runs.
const FEW_COLLECTIONS: usize = 20;
/// How many tags each has.
const TAGS: usize = 20;
/// One round takes minutes.
const RUNS: usize = 3;

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    let (count, runs) = if runs == 1 { (FEW_COLLECTIONS, 1) } else { (COLLECTIONS, RUNS) };
    let owner = world.person();
    let names: Vec<String> =
        (0..count).map(|number| format!("example.com/estate/{number}")).collect();
    for name in &names {
        make(world, &owner, name);
    }

    let [all, current, notary] = [(); 3].map(|()| world.person());
    for person in [&all, &current, &notary] {
        fs::write(person.user.home().join("guns"), names.join("\n")).unwrap();
    }
    let mut contestants = [
        Contestant::new("trust rescue", |round| rescue(world, &all, round, &[])),
        Contestant::new("trust rescue --no-history", |round| {
            rescue(world, &current, round, &["--no-history"])
        }),
        Contestant::new("a loop of notary list", |_| {
            notary.forget();
            let list = notary.notary(&["list"]);
            let mut each = Command::new("xargs");
            each.arg("-a").arg(notary.user.home().join("guns")).args(["-n", "1"]);
            each.arg(list.get_program()).args(list.get_args());
            each.env_clear();
            each.envs(list.get_envs().filter_map(|(name, value)| Some((name, value?))));
            each
        }),
    ];
    let work = format!("{count} collections of {TAGS} tags: keep all of them");
    report.compare(&work, RESCUE_GOAL, &wall_times(runs, &mut contestants));
}

fn rescue(world: &World, person: &Person<'_>, round: usize, more: &[&str]) -> Command {
    let home = person.user.home();
    let (guns, to) = (home.join("guns"), home.join(format!("kept-{round}")));
    let url = world.notary.url();
    let mut command = person.trust(&["rescue", "--quiet", "--from", &url, "--rate", "100000"]);
    command.arg("--gun-file").arg(guns).arg("--to").arg(to).args(more);
    command
}

/// Sets up a collection and signs its tags at once.
fn make(world: &World, owner: &Person<'_>, name: &str) {
    run(&mut owner.trust(&["repo", "init", "-p", name]));
    let digest = Digest::from_sha256(&Sha256Hash::of(name.as_bytes()));
    let now = SystemClock.now();
    change(world, owner, name, |draft| {
        for number in 0..TAGS {
            let tag = TargetName::parse(&number.to_string()).unwrap();
            let target = target_of(1000, &digest).unwrap();
            draft.add_target(&RoleName::Targets, &tag, target, now)?;
        }
        Ok(())
    });
}
