//! Several processes change one repository at the same time.

use std::fs;
use std::thread;

use crate::harness::Signer;
use crate::peers::{NotaryOptions, NotaryServer, User};

const PAIRS: usize = 5;

#[test]
fn two_processes_with_one_trust_directory_lose_nothing() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    sign_in_pairs(&signer, &signer.user);
}

#[test]
fn two_machines_with_the_same_keys_lose_nothing() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let mut other = User::new();
    other.set("DOCKER_CONTENT_TRUST_SERVER", &notary.url());
    signer.user.trust(&["sign", "--quiet", &signer.push("app", "first")]).success();
    let keys = other.trust_folder().join("private");
    fs::create_dir_all(&keys).unwrap();
    for entry in fs::read_dir(signer.user.trust_folder().join("private")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), keys.join(entry.file_name())).unwrap();
    }
    sign_in_pairs(&signer, &other);
}

#[test]
fn two_processes_that_set_up_one_repository_agree() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let images = [signer.push("new", "1"), signer.push("new", "2")];
    sign_at_once(&images, [&signer.user, &signer.user]);
    for image in &images {
        signer.recovers(image);
    }
}

/// Signs five times two tags at once; in the end all of them are trusted.
fn sign_in_pairs(signer: &Signer, other: &User) {
    let first = signer.push("app", "first");
    signer.user.trust(&["sign", "--quiet", &first]).success();
    let mut all = vec![first];
    for pair in 0..PAIRS {
        let images = ["a", "b"].map(|half| signer.push("app", &format!("{pair}{half}")));
        sign_at_once(&images, [&signer.user, other]);
        all.extend(images);
    }
    let mut words = vec!["verify"];
    words.extend(all.iter().map(String::as_str));
    for user in [&signer.user, other] {
        user.trust(&words).success();
    }
}

fn sign_at_once(images: &[String; 2], users: [&User; 2]) {
    thread::scope(|scope| {
        let both = [0, 1].map(|index| {
            scope.spawn(move || users[index].trust(&["sign", "--quiet", &images[index]]))
        });
        for one in both {
            one.join().unwrap().success();
        }
    });
}
