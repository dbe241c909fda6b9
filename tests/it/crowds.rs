//! Two, eight, thirty-two publishers on one repository at once: what is reported as published is
//! there in the end, and what is not is reported as a failure.

use std::thread;

use test_case::test_case;

use crate::peers::image::{push_image, tar};
use crate::peers::process::Finished;
use crate::peers::{Dockerd, NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

/// Another process holds the lock, or somebody published first.
const BUSY: i32 = 13;

/// Servers, and the owner of a repository on them.
struct World {
    registry: Registry,
    owner: User,
    notary: NotaryServer,
}

impl World {
    /// Signs the first tag with these flags.
    fn new(flags: &[&str]) -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        let notary = NotaryServer::start(&NotaryOptions::default());
        let mut owner = User::new();
        owner.use_notary(&notary);
        let world = Self { registry, owner, notary };
        let first = world.push("first");
        world.owner.trust(&[&["sign", "--quiet"], flags, &[&first]].concat()).success();
        world
    }

    fn push(&self, tag: &str) -> String {
        push_image(&self.registry, "app", tag, tag.as_bytes());
        format!("{}:{tag}", self.repository())
    }

    fn repository(&self) -> String {
        format!("{}/app", self.registry.host_port())
    }

    /// Somebody who never saw the repository finds all of these there.
    #[track_caller]
    fn are_trusted(&self, images: &[String]) {
        let reader = self.owner.twin();
        let elsewhere = reader.home().join("elsewhere").display().to_string();
        let mut words = vec!["--trust-dir", &elsewhere, "verify"];
        words.extend(images.iter().map(String::as_str));
        reader.trust(&words).success();
    }
}

#[test_case(2, &[]; "two with the repository key")]
#[test_case(8, &[]; "eight with the repository key")]
#[test_case(32, &[]; "thirty two with the repository key")]
#[test_case(8, &["--signer", "alice"]; "eight with the key of one signer")]
fn machines_with_the_same_keys_lose_nothing(count: usize, flags: &[&str]) {
    let world = World::new(flags);
    let users: Vec<User> = (0..count).map(|_| world.owner.twin()).collect();
    sign_at_once(&world, &users.iter().collect::<Vec<_>>());
}

#[test_case(2)]
#[test_case(8)]
#[test_case(32)]
fn processes_with_one_trust_directory_lose_nothing(count: usize) {
    let world = World::new(&[]);
    sign_at_once(&world, &vec![&world.owner; count]);
}

/// Nobody has signed for these roles before: whoever comes second must not begin them anew.
#[test]
fn first_signatures_of_eight_signers_lose_nothing() {
    let world = World::new(&[]);
    let repository = world.repository();
    let join = |n: usize| {
        let mut signer = User::new();
        signer.use_notary(&world.notary);
        let name = format!("signer{n}");
        signer.trust(&["key", "generate", &name]).success();
        let key = signer.home().join(format!("{name}.pub")).display().to_string();
        world.owner.trust(&["signer", "add", "--key", &key, &name, &repository]).success();
        signer
    };
    let signers: Vec<User> = (0..8).map(join).collect();
    sign_at_once(&world, &signers.iter().collect::<Vec<_>>());
}

#[test]
fn publishers_of_three_programs_lose_nothing_of_ours() {
    let world = World::new(&[]);
    let docker = Dockerd::start();
    let mut jobs: Vec<(String, Job)> = Vec::new();
    for n in 0..4 {
        let image = world.push(&format!("ours{n}"));
        let (user, name) = (world.owner.twin(), image.clone());
        jobs.push((image, Box::new(move || user.trust(&["sign", "--quiet", &name]))));
    }
    for n in 0..2 {
        let tag = format!("notary{n}");
        let held = push_image(&world.registry, "app", &tag, tag.as_bytes());
        let (user, gun) = (world.owner.twin(), world.repository());
        let (hash, size) = (held.hex().to_owned(), held.size.to_string());
        let name = tag.clone();
        let words = move || user.notary(&["addhash", "-p", &gun, &name, &size, "--sha256", &hash]);
        jobs.push((format!("{}:{tag}", world.repository()), Box::new(words)));
    }
    for n in 0..2 {
        let image = format!("{}:docker{n}", world.repository());
        let mut user = world.owner.twin();
        user.use_docker(&docker);
        let archive = tar("content", image.as_bytes());
        user.docker_with_input(&["import", "-", &image], &archive).success();
        let name = image.clone();
        jobs.push((image, Box::new(move || user.docker(&["trust", "sign", &name]))));
    }
    let outcomes = at_once(jobs);
    let (done, failed): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(_, end)| end.code == 0);
    // Theirs may fail, and say so; ours begin anew.
    let ours_failed: Vec<_> = failed.iter().filter(|(image, _)| image.contains(":ours")).collect();
    assert!(ours_failed.is_empty(), "{ours_failed:?}");
    let mut images: Vec<String> = done.iter().map(|(image, _)| image.clone()).collect();
    images.push(world.push("first"));
    world.are_trusted(&images);
}

type Job = Box<dyn FnOnce() -> Finished + Send>;

/// Each of the users signs a tag of their own; all of them get through.
#[track_caller]
fn sign_at_once(world: &World, users: &[&User]) {
    let images: Vec<String> = (0..users.len()).map(|n| world.push(&format!("tag{n}"))).collect();
    let outcomes: Vec<Finished> = thread::scope(|scope| {
        let started: Vec<_> = (images.iter().zip(users))
            .map(|(image, user)| scope.spawn(move || user.trust(&["sign", "--quiet", image])))
            .collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut published = vec![world.push("first")];
    for (image, outcome) in images.into_iter().zip(outcomes) {
        match outcome.code {
            0 => published.push(image),
            // On a machine that is busy enough somebody's patience ends.
            code => assert_eq!(code, BUSY, "{outcome:?}"),
        }
    }
    world.are_trusted(&published);
    let most = users.len() * 3 / 4;
    assert!(published.len() > most, "only {} of {} got through", published.len() - 1, users.len());
}

fn at_once(jobs: Vec<(String, Job)>) -> Vec<(String, Finished)> {
    thread::scope(|scope| {
        let started: Vec<_> =
            jobs.into_iter().map(|(image, job)| (image, scope.spawn(job))).collect();
        started.into_iter().map(|(image, job)| (image, job.join().unwrap())).collect()
    })
}
