//! A repository with ten thousand tags: signing one more and verifying one, time and memory.

use trust::actions::image::target_of;
use trust::clock::{Clock as _, SystemClock};
use trust::oci::Digest;
use trust::tuf::{RoleName, TargetName};

use crate::measure::{Contestant, peak_memory, run, wall_times};
use crate::peers::image::Pushed;
use crate::report::Report;
use crate::works::change::change;
use crate::works::{MANY_TAGS_GOAL, MEMORY_GOAL};
use crate::world::{Person, World};

/// How many tags there are.
const TAGS: usize = 10_000;
/// One of them.
const TAG: &str = "tag-5000";
/// Memory varies little from run to run.
const MEMORY_RUNS: usize = 3;

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    let [ours, notary] = ["trust", "notary"].map(|program| {
        let repository = format!("many-{program}");
        let pushed = world.push_tags(&repository, runs + MEMORY_RUNS + 2);
        let (person, name) = (world.person(), world.name(&repository));
        run(&mut person.trust(&["sign", &format!("{name}:0")]));
        fill(world, &person, &name, &pushed);
        (person, name, pushed)
    });
    let (mut signed, mut added) = (0, 0);
    let (size, digest) = (notary.2.size.to_string(), notary.2.hex());
    let mut sign = [
        Contestant::new("trust", |_| {
            signed += 1;
            ours.0.trust(&["sign", &format!("{}:{signed}", ours.1)])
        }),
        Contestant::new("notary addhash -p", |_| {
            added += 1;
            let name = added.to_string();
            notary.0.notary(&["addhash", "-p", &notary.1, &name, &size, "--sha256", digest])
        }),
    ];
    let work = "10,000 tags: sign one more";
    report.compare(work, MANY_TAGS_GOAL, &wall_times(runs, &mut sign));
    let memory = peak_memory(MEMORY_RUNS, &mut sign);
    report.compare(&format!("{work}, memory"), MEMORY_GOAL, &memory);

    let [asker, lookup] = [(); 2].map(|()| world.person());
    let image = format!("{}:{TAG}", ours.1);
    let mut look_up = [
        Contestant::new("trust inspect", |_| asker.trust(&["inspect", &image])),
        Contestant::new("notary lookup", |_| lookup.notary(&["lookup", &ours.1, TAG])),
    ];
    report.compare("10,000 tags: look one up", MANY_TAGS_GOAL, &wall_times(runs, &mut look_up));

    for (work, cold) in [("warm cache", false), ("cold cache", true)] {
        let [reader, lookup] = [(); 2].map(|()| world.person());
        let image = format!("{}:{TAG}", ours.1);
        let mut verify = [
            Contestant::new("trust", |_| {
                forget_if(&reader, cold);
                reader.trust(&["verify", "--no-registry", &image])
            }),
            Contestant::new("notary lookup", |_| {
                forget_if(&lookup, cold);
                lookup.notary(&["lookup", &ours.1, TAG])
            }),
        ];
        let work = format!("10,000 tags: verify one, {work}");
        report.compare(&work, MANY_TAGS_GOAL, &wall_times(runs, &mut verify));
        let memory = peak_memory(MEMORY_RUNS, &mut verify);
        report.compare(&format!("{work}, memory"), MEMORY_GOAL, &memory);
    }
}

fn forget_if(person: &Person<'_>, cold: bool) {
    if cold {
        person.forget();
    }
}

/// Signs ten thousand tags at once, which no program does.
fn fill(world: &World, person: &Person<'_>, name: &str, pushed: &Pushed) {
    let digest = Digest::parse(&pushed.digest).unwrap();
    let now = SystemClock.now();
    change(world, person, name, |draft| {
        for number in 0..TAGS {
            let tag = TargetName::parse(&format!("tag-{number}")).unwrap();
            let target = target_of(pushed.size, &digest).unwrap();
            draft.add_target(&RoleName::Targets, &tag, target, now)?;
        }
        Ok(())
    });
}
