//! `docker` and `trust` take turns on one repository.

use std::fs;

use trust::crypto::{KeyBlock, Passphrase};

use super::world::{
    World, assert_refused, assert_same_inspection, assert_trusted, hand_over, import, key_file,
    key_files, signers, signers_of, trusted_push, write_private,
};
use crate::peers::user::REPOSITORY_PASSPHRASE;
use crate::peers::{Dockerd, User};

#[test]
fn what_docker_pushed_is_read_and_signed_on() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    let name = world.name("1");
    import(&owner, &name, "made by docker import");
    let pushed = trusted_push(&owner, &name);
    assert!(pushed.stdout.contains("Finished initializing"), "{pushed:?}");

    let first = world.served("1");
    let inspection = assert_same_inspection(&owner, &world.repository());
    assert_eq!(signers_of(&inspection, "1"), ["Repo Admin"]);
    assert_same_inspection(&owner, &name);
    assert_same_inspection(&owner, &world.name("missing"));
    assert_same_inspection(&owner, &format!("{}/nothing", world.registry.host_port()));
    assert_trusted(&owner, &name, &first);

    let second = world.push("2", "pushed raw");
    assert_refused(&owner, &world.name("2"), 3);
    let signed = owner.trust(&["sign", &world.name("2")]).success();
    assert_eq!(signed.stdout, format!("Successfully signed {}\n", world.name("2")));
    let inspection = assert_same_inspection(&owner, &world.repository());
    assert_eq!(signers_of(&inspection, "2"), ["Repo Admin"]);
    assert_same_inspection(&owner, &world.name("2"));
    assert_trusted(&owner, &world.name("2"), &second.digest);
    assert_trusted(&owner, &name, &first);

    // Somebody who never saw the repository reads the same.
    let stranger = world.docker_user(&daemon);
    assert_same_inspection(&stranger, &world.repository());
    assert_trusted(&stranger, &world.name("2"), &second.digest);
    // And docker goes on where we stopped.
    import(&owner, &world.name("3"), "once more by docker");
    trusted_push(&owner, &world.name("3"));
    assert_trusted(&stranger, &world.name("3"), &world.served("3"));
}

#[test]
fn what_trust_began_docker_goes_on_with() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    let first = world.push("1", "one");
    owner.trust(&["sign", "--signer", "alice", &world.name("1")]).success();
    let inspection = assert_same_inspection(&owner, &world.repository());
    assert_eq!(signers_of(&inspection, "1"), ["alice"]);
    assert_trusted(&owner, &world.name("1"), &first.digest);

    let signed = owner.docker(&["trust", "sign", &world.name("1")]).success();
    assert!(signed.stdout.contains("Existing signatures for tag 1"), "{signed:?}");
    import(&owner, &world.name("2"), "two");
    owner.docker(&["trust", "sign", &world.name("2")]).success();
    let inspection = assert_same_inspection(&owner, &world.repository());
    assert_eq!(signers_of(&inspection, "2"), ["alice"]);
    assert_trusted(&owner, &world.name("2"), &world.served("2"));

    // A push with content trust goes into the same roles as ours.
    import(&owner, &world.name("3"), "three");
    trusted_push(&owner, &world.name("3"));
    let inspection = assert_same_inspection(&owner, &world.repository());
    assert_eq!(signers_of(&inspection, "3"), ["alice"]);
    let again = owner.trust(&["sign", &world.name("3")]).success();
    assert_eq!(again.stdout, format!("Already signed {}\n", world.name("3")));
}

/// Five rounds, each checked by the tool that did not make it.
#[test]
fn the_two_tools_take_turns() {
    let world = World::open();
    let daemon = Dockerd::start();
    let people = People {
        owner: world.docker_user(&daemon),
        bob: world.docker_user(&daemon),
        carol: world.docker_user(&daemon),
    };
    docker_makes_the_key_and_trust_the_repository(&world, &people);
    trust_makes_the_key_and_docker_the_signer(&world, &people);
    both_sign_what_the_other_signed(&world, &people);
    a_key_moves_between_the_tools(&world, &people);
    trust_removes_a_signer(&world, &people);
}

struct People {
    owner: User,
    bob: User,
    carol: User,
}

fn docker_makes_the_key_and_trust_the_repository(world: &World, people: &People) {
    let owner = &people.owner;
    owner.docker(&["trust", "key", "generate", "alice"]).success();
    let added = ["signer", "add", "--key", "alice.pub", "alice", &world.repository()];
    let added = owner.trust(&added).success();
    assert!(added.stdout.contains("Successfully added signer: alice"), "{added:?}");
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers(&inspection), ["alice"]);
    import(owner, &world.name("1"), "one");
    owner.docker(&["trust", "sign", &world.name("1")]).success();
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers_of(&inspection, "1"), ["alice"]);
    assert_trusted(owner, &world.name("1"), &world.served("1"));
}

fn trust_makes_the_key_and_docker_the_signer(world: &World, people: &People) {
    let People { owner, bob, .. } = people;
    bob.trust(&["key", "generate", "bob"]).success();
    let file = hand_over(bob, "bob.pub", owner);
    let added = ["trust", "signer", "add", "--key", &file, "bob", &world.repository()];
    owner.docker(&added).success();
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers(&inspection), ["alice", "bob"]);

    let pushed = world.push("2", "two");
    assert_refused(bob, &world.name("2"), 3);
    bob.trust(&["sign", &world.name("2")]).success();
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers_of(&inspection, "2"), ["bob"]);
    assert_trusted(owner, &world.name("2"), &pushed.digest);
    assert_trusted(bob, &world.name("1"), &world.served("1"));
}

fn both_sign_what_the_other_signed(world: &World, people: &People) {
    let People { owner, bob, carol } = people;
    // Docker with a key that we made.
    import(bob, &world.name("3"), "three");
    bob.docker(&["trust", "sign", &world.name("3")]).success();
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers_of(&inspection, "3"), ["bob"]);
    // We with a key that docker made, on what docker signed.
    owner.trust(&["sign", &world.name("3")]).success();
    // Docker on what we signed.
    owner.docker(&["trust", "sign", &world.name("2")]).success();
    let inspection = assert_same_inspection(carol, &world.repository());
    assert_eq!(signers_of(&inspection, "3"), ["alice", "bob"]);
    assert_eq!(signers_of(&inspection, "2"), ["alice", "bob"]);
    assert_trusted(carol, &world.name("3"), &world.served("3"));
    carol.trust(&["verify", "--signer", "alice", "--signer", "bob", &world.name("2")]).success();
    carol.trust(&["verify", "--signer", "bob", &world.name("1")]).expect_code(4);

    owner.trust(&["revoke", &world.name("3")]).success();
    // Bob's own statement stays, but it alone counts for nobody.
    let inspection = assert_same_inspection(carol, &world.repository());
    assert_eq!(inspection[0]["SignedTags"].as_array().unwrap().len(), 2);
    assert_refused(carol, &world.name("3"), 3);
    let signed = bob.docker(&["trust", "sign", &world.name("3")]).success();
    assert!(signed.stderr.contains("may overwrite remote trust data"), "{signed:?}");
    assert_trusted(carol, &world.name("3"), &world.served("3"));
    bob.docker(&["trust", "revoke", &world.name("3")]).success();
    assert_same_inspection(owner, &world.repository());
    assert_refused(owner, &world.name("3"), 3);
}

fn a_key_moves_between_the_tools(world: &World, people: &People) {
    let People { owner, carol, .. } = people;
    // Docker made it, encrypted; we load it elsewhere.
    let laptop = world.user();
    laptop.docker(&["trust", "key", "generate", "carol"]).success();
    let key = key_file(&laptop, "carol");
    let key = key.display().to_string();
    carol.trust(&["key", "load", &key, "--name", "carol"]).success();
    let ids = |user: &User| -> Vec<_> {
        key_files(user).iter().map(|path| path.file_name().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(carol), ids(&laptop));
    let file = hand_over(&laptop, "carol.pub", owner);
    owner.trust(&["signer", "add", "--key", &file, "carol", &world.repository()]).success();
    let pushed = world.push("4", "four");
    carol.trust(&["sign", &world.name("4")]).success();
    // The file we wrote for it is one that docker opens.
    carol.docker(&["trust", "sign", &world.name("2")]).success();
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers_of(&inspection, "4"), ["carol"]);
    assert_eq!(signers_of(&inspection, "2"), ["alice", "bob", "carol"]);
    assert_trusted(owner, &world.name("4"), &pushed.digest);
}

fn trust_removes_a_signer(world: &World, people: &People) {
    let People { owner, bob, carol } = people;
    // Docker's own removal does nothing, and says nothing.
    owner.docker(&["trust", "signer", "remove", "-f", "bob", &world.repository()]).success();
    let inspection = assert_same_inspection(owner, &world.repository());
    assert_eq!(signers(&inspection), ["alice", "bob", "carol"]);

    owner.trust(&["signer", "rm", "bob", &world.repository()]).success();
    let inspection = assert_same_inspection(carol, &world.repository());
    assert_eq!(signers(&inspection), ["alice", "carol"]);
    assert_eq!(signers_of(&inspection, "2"), ["alice", "carol"]);
    assert_trusted(carol, &world.name("2"), &world.served("2"));
    assert_trusted(carol, &world.name("4"), &world.served("4"));

    world.push("5", "five");
    let refused = bob.trust(&["sign", &world.name("5")]).expect_code(11);
    assert!(refused.stderr.contains("no valid signing keys for delegation roles"), "{refused:?}");
    import(bob, &world.name("5"), "five by bob");
    let refused = bob.docker(&["trust", "sign", &world.name("5")]).expect_code(1);
    assert!(refused.stderr.contains("no valid signing keys for delegation roles"), "{refused:?}");
    assert_refused(carol, &world.name("5"), 3);

    // Bob comes back, by docker, and starts above his old versions.
    owner
        .docker(&["trust", "signer", "add", "--key", "bob.pub", "bob", &world.repository()])
        .success();
    bob.trust(&["sign", &world.name("5")]).success();
    let inspection = assert_same_inspection(carol, &world.repository());
    assert_eq!(signers_of(&inspection, "5"), ["bob"]);
    assert_trusted(carol, &world.name("5"), &world.served("5"));
    // Docker goes on after that.
    bob.docker(&["trust", "sign", &world.name("4")]).success();
    let inspection = assert_same_inspection(carol, &world.repository());
    assert_eq!(signers_of(&inspection, "4"), ["bob", "carol"]);
}

#[test]
fn a_tag_in_two_roles_is_revoked_in_both() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    import(&owner, &world.name("1"), "one");
    import(&owner, &world.name("2"), "two");
    trusted_push(&owner, &world.name("1"));
    trusted_push(&owner, &world.name("2"));
    owner.docker(&["trust", "key", "generate", "alice"]).success();
    let repository = world.repository();
    owner.docker(&["trust", "signer", "add", "--key", "alice.pub", "alice", &repository]).success();
    owner.docker(&["trust", "sign", &world.name("1")]).success();
    owner.docker(&["trust", "sign", &world.name("2")]).success();
    assert_eq!(world.tags_in("targets"), ["1", "2"]);
    assert_eq!(world.tags_in("targets/releases"), ["1", "2"]);

    // Docker leaves the one in `targets`, and both tools go on trusting that.
    owner.docker(&["trust", "revoke", &world.name("1")]).success();
    let inspection = assert_same_inspection(&owner, &repository);
    assert_eq!(signers_of(&inspection, "1"), ["Repo Admin"]);
    assert_trusted(&owner, &world.name("1"), &world.served("1"));
    owner.trust(&["revoke", &world.name("1")]).success();
    assert_refused(&owner, &world.name("1"), 3);

    owner.trust(&["revoke", &world.name("2")]).success();
    for role in ["targets", "targets/alice", "targets/releases"] {
        assert_eq!(world.tags_in(role), [""; 0], "{role}");
    }
    assert_refused(&owner, &world.name("2"), 3);
    let inspection = assert_same_inspection(&owner, &repository);
    assert_eq!(inspection[0]["SignedTags"].as_array().unwrap().len(), 0);
    let nothing = owner.docker(&["trust", "revoke", &world.name("2")]).expect_code(1);
    assert!(nothing.stderr.contains("could not remove signature"), "{nothing:?}");
    owner.trust(&["revoke", &world.name("2")]).expect_code(3);
}

/// Docker claims to load an encrypted key and does not (notary.md §2.4), so it gets an open one.
#[test]
fn docker_loads_our_keys() {
    let world = World::open();
    let daemon = Dockerd::start();
    let owner = world.docker_user(&daemon);
    let bob = world.docker_user(&daemon);
    owner.trust(&["key", "generate", "bob"]).success();
    let file = key_file(&owner, "bob");
    let block = KeyBlock::parse_all(&fs::read(&file).unwrap()).unwrap().remove(0);
    let key = block.decrypt(Some(&Passphrase::new(REPOSITORY_PASSPHRASE.to_owned()))).unwrap();
    let open = KeyBlock::encrypt(&key, &block.headers(), &Passphrase::new(String::new())).unwrap();
    write_private(&bob.home().join("bob.pem"), &open.to_pem());
    fs::remove_file(file).unwrap();

    bob.docker(&["trust", "key", "load", "bob.pem", "--name", "bob"]).success();
    assert_eq!(key_files(&bob).len(), 1);
    let added = ["signer", "add", "--key", "bob.pub", "bob", &world.repository()];
    owner.trust(&added).success();
    import(&bob, &world.name("1"), "one");
    bob.docker(&["trust", "sign", &world.name("1")]).success();
    let inspection = assert_same_inspection(&owner, &world.repository());
    assert_eq!(signers_of(&inspection, "1"), ["bob"]);
    // Docker encrypted it for itself; we open what it wrote.
    bob.trust(&["revoke", &world.name("1")]).success();
    assert_refused(&owner, &world.name("1"), 3);
}

#[test]
fn we_load_what_docker_wrote_and_say_what_docker_says() {
    let owner = User::new();
    let made = User::new();
    made.docker(&["trust", "key", "generate", "alice"]).success();
    let encrypted = key_file(&made, "alice");
    let id = encrypted.file_stem().unwrap().to_owned();
    let path = encrypted.display().to_string();
    let loaded = owner.trust(&["key", "load", &path, "--name", "alice"]).success();
    assert!(loaded.stdout.ends_with(&format!("Successfully imported key from {path}\n")));
    assert_eq!(key_file(&owner, "alice").file_stem().unwrap(), id);

    // The same words as docker for the same open key.
    let block = KeyBlock::parse_all(&fs::read(&encrypted).unwrap()).unwrap().remove(0);
    let key = block.decrypt(Some(&Passphrase::new(REPOSITORY_PASSPHRASE.to_owned()))).unwrap();
    let open = KeyBlock::encrypt(&key, &block.headers(), &Passphrase::new(String::new())).unwrap();
    let (ours, theirs) = (User::new(), User::new());
    for user in [&ours, &theirs] {
        write_private(&user.home().join("open.pem"), &open.to_pem());
    }
    let ours_said = ours.trust(&["key", "load", "open.pem", "--name", "alice"]).success();
    let theirs_said = theirs.docker(&["trust", "key", "load", "open.pem", "--name", "alice"]);
    assert_eq!(ours_said.stdout, theirs_said.success().stdout);
    let names = |user: &User| -> Vec<_> {
        key_files(user).iter().map(|path| path.file_name().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&ours), names(&theirs));
}
