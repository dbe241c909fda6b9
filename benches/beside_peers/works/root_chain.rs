//! A root that was rotated a hundred times: read by somebody who knew none, and by somebody who knew
//! the first.

use std::process::Command;

use trust::clock::{Clock as _, SystemClock};
use trust::crypto::certificate::Certificate;
use trust::crypto::{KeyType, PublicKey};
use trust::tuf::RoleName;

use crate::measure::{Contestant, run, wall_times};
use crate::report::Report;
use crate::works::VERIFY_GOAL;
use crate::works::change::change;
use crate::world::{Person, World};

/// How often the root was rotated.
const ROTATIONS: usize = 100;
const TAG: &str = "0";

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    world.push_tags("root-chain", 0);
    let (owner, name) = (world.person(), world.name("root-chain"));
    let image = format!("{name}:{TAG}");
    run(&mut owner.trust(&["sign", &image]));
    let [ours, notary] = [(); 2].map(|()| world.person());
    run(&mut ours.trust(&["verify", "--no-registry", &image]));
    run(&mut notary.notary(&["lookup", &name, TAG]));
    for person in [&ours, &notary] {
        copy(person, "trust", "first");
    }
    rotate(world, &owner, &name);
    for (work, from) in [("cold cache", None), ("from the first", Some("first"))] {
        let begin = |person: &Person<'_>| {
            person.forget();
            if let Some(from) = from {
                copy(person, from, "trust");
            }
        };
        let mut verify = [
            Contestant::new("trust", |_| {
                begin(&ours);
                ours.trust(&["verify", "--no-registry", &image])
            }),
            Contestant::new("notary lookup", |_| {
                begin(&notary);
                notary.notary(&["lookup", &name, TAG])
            }),
        ];
        let work = format!("root chain of 100: verify, {work}");
        report.compare(&work, VERIFY_GOAL, &wall_times(runs, &mut verify));
    }
}

/// Puts the root key into a new certificate, again and again: the next root has another key, as
/// metadata sees it, and is signed under both.
fn rotate(world: &World, owner: &Person<'_>, name: &str) {
    let key = owner.root_key();
    for _ in 0..ROTATIONS {
        let pem = Certificate::self_signed(name, &key, SystemClock.now()).unwrap();
        let certified = PublicKey::new(KeyType::EcdsaX509, pem);
        change(world, owner, name, |draft| {
            draft.set_base_keys(&RoleName::Root, std::slice::from_ref(&certified));
            Ok(())
        });
    }
}

/// Copies one folder of docker's folder over another.
fn copy(person: &Person<'_>, from: &str, to: &str) {
    let folder = person.user.docker_config();
    run(Command::new("cp").arg("-aT").arg(folder.join(from)).arg(folder.join(to)));
}
