//! A repository with a hundred delegations: listing them, verifying in it, adding one.

use std::fs;

use trust::clock::{Clock as _, SystemClock};
use trust::codec::pem::Pem;
use trust::crypto::PrivateKey;
use trust::crypto::certificate::Certificate;
use trust::tuf::RoleName;
use trust::tuf::changelist::DelegationEdit;

use crate::measure::{Contestant, run, wall_times};
use crate::report::Report;
use crate::works::change::change;
use crate::works::{SIGN_GOAL, VERIFY_GOAL};
use crate::world::{Person, World};

/// How many delegations there are.
const DELEGATIONS: usize = 100;
const TAG: &str = "0";

pub(super) fn measure(world: &World, runs: usize, report: &mut Report) {
    // Adding changes the repository: each program has its own.
    let [ours, notary] = ["trust", "notary"].map(|program| {
        let repository = format!("delegations-{program}");
        world.push_tags(&repository, 0);
        let (person, name) = (world.person(), world.name(&repository));
        run(&mut person.trust(&["sign", &format!("{name}:{TAG}")]));
        delegate(world, &person, &name);
        (person, name)
    });
    let image = format!("{}:{TAG}", ours.1);
    for (work, cold) in [("warm cache", false), ("cold cache", true)] {
        let [reader, lookup] = [(); 2].map(|()| world.person());
        let forget = |person: &Person<'_>| {
            if cold {
                person.forget();
            }
        };
        let mut verify = [
            Contestant::new("trust", |_| {
                forget(&reader);
                reader.trust(&["verify", "--no-registry", &image])
            }),
            Contestant::new("notary lookup", |_| {
                forget(&lookup);
                lookup.notary(&["lookup", &ours.1, TAG])
            }),
        ];
        let work = format!("100 delegations: verify, {work}");
        report.compare(&work, VERIFY_GOAL, &wall_times(runs, &mut verify));
    }
    let [lister, theirs] = [(); 2].map(|()| world.person());
    let mut list = [
        Contestant::new("trust signer ls", |_| lister.trust(&["signer", "ls", &ours.1])),
        Contestant::new("notary delegation list", |_| {
            theirs.notary(&["delegation", "list", &ours.1])
        }),
    ];
    report.compare("100 delegations: list", VERIFY_GOAL, &wall_times(runs, &mut list));
    let [key, certificate] = key_files(&ours.0);
    let (mut added, mut made) = (0, 0);
    let mut add = [
        Contestant::new("trust signer add", |_| {
            added += 1;
            ours.0.trust(&["signer", "add", "--key", &key, &format!("new{added}"), &ours.1])
        }),
        Contestant::new("notary delegation add -p", |_| {
            made += 1;
            let role = format!("targets/new{made}");
            let name = notary.1.as_str();
            notary.0.notary(&["delegation", "add", "-p", name, &role, &certificate, "--all-paths"])
        }),
    ];
    report.compare("100 delegations: add one", SIGN_GOAL, &wall_times(runs, &mut add));
}

fn delegate(world: &World, person: &Person<'_>, name: &str) {
    let keys: Vec<PrivateKey> =
        (0..DELEGATIONS).map(|_| PrivateKey::generate_ecdsa().unwrap()).collect();
    change(world, person, name, |draft| {
        for (number, key) in keys.iter().enumerate() {
            let role = RoleName::delegation(&format!("signer{number}")).unwrap();
            let edit = DelegationEdit {
                add_keys: vec![key.public_key().clone()],
                add_paths: vec![String::new()],
                ..DelegationEdit::default()
            };
            draft.edit_delegation(&role, true, &edit, SystemClock.now())?;
        }
        Ok(())
    });
}

/// One public key, as each program wants it: bare, and in a certificate.
fn key_files(person: &Person<'_>) -> [String; 2] {
    let key = PrivateKey::generate_ecdsa().unwrap();
    let bare = Pem::new("PUBLIC KEY", key.public_key().public().to_vec()).encode();
    let certificate = Certificate::self_signed("new", &key, SystemClock.now()).unwrap();
    [("new.pub", bare.to_vec()), ("new.crt", certificate)].map(|(name, text)| {
        let path = person.user.home().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    })
}
