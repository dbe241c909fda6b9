//! Signing an image that its registry has: each time a new tag in a repository that is signed.

use crate::measure::{Contestant, run, wall_times};
use crate::peers::image;
use crate::report::Report;
use crate::works::SIGN_GOAL;
use crate::world::{Person, World};

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    // Every program signs in a repository of its own, or each would have to fetch what the others
    // changed; all three begin with the same metadata, made by `trust`.
    let pushed = world.push_tags("sign-trust", runs + 1);
    world.push_tags("sign-notary", 0);
    let [ours, docker, notary] = ["trust", "docker", "notary"].map(|program| {
        let name = world.name(&format!("sign-{program}"));
        let person = world.person();
        if program == "docker" {
            push_with_docker(&person, &name, runs + 1);
        }
        run(&mut person.trust(&["sign", &format!("{name}:0")]));
        (person, name)
    });
    let tag = |name: &str, number: usize| format!("{name}:{}", number + 1);
    let (size, digest) = (pushed.size.to_string(), pushed.hex());
    let samples = wall_times(
        runs,
        &mut [
            Contestant::new("trust", |number| ours.0.trust(&["sign", &tag(&ours.1, number)])),
            Contestant::new("docker trust sign", |number| {
                docker.0.docker(&["trust", "sign", &tag(&docker.1, number)])
            }),
            Contestant::new("notary addhash -p", |number| {
                let name = (number + 1).to_string();
                notary.0.notary(&["addhash", "-p", &notary.1, &name, &size, "--sha256", digest])
            }),
        ],
    );
    report.compare("sign a new tag", SIGN_GOAL, &samples);
}

/// Gives the daemon an image and pushes it under the tags `0` to `last`: `docker trust sign` wants
/// a local image, and then finds everything there already.
fn push_with_docker(person: &Person<'_>, name: &str, last: usize) {
    let first = format!("{name}:0");
    let archive = image::tar("content", b"measured");
    drop(person.user.docker_with_input(&["import", "-", &first], &archive).success());
    for tag in 1..=last {
        run(&mut person.docker(&["tag", &first, &format!("{name}:{tag}")]));
    }
    run(&mut person.docker(&["push", "--all-tags", name]));
}
