//! Verifying: at first contact, and with everything known from last time.

use crate::measure::{Contestant, run, wall_times};
use crate::report::Report;
use crate::works::VERIFY_GOAL;
use crate::world::World;

/// What is signed.
const TAG: &str = "0";

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    world.push_tags("verify", 0);
    let repository = world.name("verify");
    let image = format!("{repository}:{TAG}");
    run(&mut world.person().trust(&["sign", &image]));
    for (work, cold) in [("cold cache", true), ("warm cache", false)] {
        let [ours, alone, docker, notary] = [(); 4].map(|()| world.person());
        let forget = |person: &crate::world::Person<'_>| {
            if cold {
                person.forget();
            }
        };
        let mut samples = wall_times(
            runs,
            &mut [
                Contestant::new("trust", |_| {
                    forget(&ours);
                    ours.trust(&["verify", &image])
                }),
                Contestant::new("trust --no-registry", |_| {
                    forget(&alone);
                    alone.trust(&["verify", "--no-registry", &image])
                }),
                Contestant::new("docker trust inspect", |_| {
                    forget(&docker);
                    docker.docker(&["trust", "inspect", &image])
                }),
                Contestant::new("notary lookup", |_| {
                    forget(&notary);
                    notary.notary(&["lookup", &repository, TAG])
                }),
            ],
        );
        // The second is ours as well: the same peers beside it, without the registry they do not
        // ask either.
        let alone = samples.remove(1);
        report.compare(&format!("verify, {work}"), VERIFY_GOAL, &samples);
        if let Some(first) = samples.first_mut() {
            *first = alone;
        }
        report.compare(&format!("verify --no-registry, {work}"), VERIFY_GOAL, &samples);
    }
}
