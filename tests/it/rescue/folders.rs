//! Rescue folders as others leave them: tampered with, incomplete, with more in them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use trust::actions::rescue::check::check;
use trust::store::rescue::{FolderFinding, RescueFolder, RescueFolderError};
use trust::tuf::Gun;

use crate::rescue::scene::Scene;

/// A rescued collection.
fn rescued() -> Scene {
    let scene = Scene::with_history();
    assert!(scene.rescue().complete);
    scene
}

fn findings(scene: &Scene) -> Vec<FolderFinding> {
    let folder = RescueFolder::open(&scene.folder()).unwrap();
    folder.collection(&scene.gun()).unwrap().read().unwrap().findings
}

fn file(scene: &Scene, role: &str) -> PathBuf {
    scene.inner().join("tuf").join(scene.repository.file_name(role))
}

#[test]
fn what_is_as_it_was_rescued_is_in_order_and_anything_else_is_found() {
    let scene = rescued();
    scene.user.trust(&["rescue", "check", "kept"]).success();
    let targets = file(&scene, "targets");
    let name = format!("tuf/{}", scene.repository.file_name("targets"));
    let honest = fs::read(&targets).unwrap();
    let check_fails = || scene.user.trust(&["rescue", "check", "kept"]).expect_code(7);

    let mut tampered = honest.clone();
    tampered[20] ^= 1;
    fs::write(&targets, &tampered).unwrap();
    assert!(
        matches!(&findings(&scene)[..], [FolderFinding::Tampered { name: found, .. }] if *found == name)
    );
    let said = check_fails();
    assert!(said.stdout.contains("is not the file that its name says"), "{}", said.stdout);
    scene.user.trust(&["verify", "--from", "kept", &scene.image()]).expect_code(7);

    fs::remove_file(&targets).unwrap();
    assert_eq!(findings(&scene), [FolderFinding::Missing { name }]);
    check_fails();
    // Rescued again, it is there again.
    assert_eq!(scene.rescue().new_files, 1);
    scene.user.trust(&["rescue", "check", "kept"]).success();
    assert_eq!(fs::read(&targets).unwrap(), honest);

    // An older state of another collection, a stray file, a link.
    fs::write(scene.inner().join("tuf/notes.txt"), "hello").unwrap();
    assert_eq!(findings(&scene), [FolderFinding::Foreign { name: "tuf/notes.txt".to_owned() }]);
    check_fails();
    fs::remove_file(scene.inner().join("tuf/notes.txt")).unwrap();

    let mut other = Scene::new();
    other.publish();
    let stray = other.repository.file_name("targets");
    fs::write(scene.inner().join("tuf").join(&stray), other.repository.raw("targets")).unwrap();
    let unrecorded = FolderFinding::Unrecorded { name: format!("tuf/{stray}") };
    assert_eq!(findings(&scene), [unrecorded]);
    let said = check_fails();
    assert!(said.stdout.contains("1 files that do not verify"), "{}", said.stdout);
    // What does not verify does not keep the rest from being believed.
    scene.user.trust(&["verify", "--from", "kept", &scene.image()]).success();
}

#[test]
fn a_record_that_says_something_else_is_found_out() {
    let scene = rescued();
    let place = scene.inner().join("rescue.json");
    let honest = fs::read(&place).unwrap();
    let mut record: Value = serde_json::from_slice(&honest).unwrap();
    let old = record["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["role"] == "timestamp" && file["version"] == 1);
    let hash = old.unwrap()["sha256"].clone();
    record["current"]["timestamp"] = hash;
    fs::write(&place, serde_json::to_vec(&record).unwrap()).unwrap();
    let said = scene.user.trust(&["rescue", "check", "kept"]).expect_code(7);
    assert!(said.stdout.contains("the current timestamp is said to be"), "{}", said.stdout);

    fs::write(&place, "{").unwrap();
    scene.user.trust(&["rescue", "check", "kept"]).expect_code(14);
    record["version"] = 2.into();
    fs::write(&place, serde_json::to_vec(&record).unwrap()).unwrap();
    let said = scene.user.trust(&["rescue", "check", "kept"]).expect_code(14);
    assert!(said.stdout.contains("newer than is known here"), "{}", said.stdout);

    record["version"] = 1.into();
    record["gun"] = "example.com/other".into();
    fs::write(&place, serde_json::to_vec(&record).unwrap()).unwrap();
    let of = Gun::parse("example.com/other").unwrap();
    assert_eq!(findings(&scene), [FolderFinding::OtherRecord { of }]);
    fs::remove_file(&place).unwrap();
    assert_eq!(findings(&scene), [FolderFinding::NoRecord]);
    // The files prove themselves.
    scene.user.trust(&["verify", "--from", "kept", &scene.image()]).success();
}

#[test]
fn folders_that_are_none_are_not_written_to() {
    let scene = Scene::with_history();
    fs::create_dir(scene.folder()).unwrap();
    fs::write(scene.folder().join("thesis.tex"), "years of work").unwrap();
    let said = scene.user.trust(&["rescue", &scene.image(), "--to", "kept"]).expect_code(14);
    assert!(said.stderr.contains("has other things in it"), "{}", said.stderr);
    scene.user.trust(&["rescue", "check", "kept"]).expect_code(14);
    fs::remove_file(scene.folder().join("thesis.tex")).unwrap();
    scene.user.trust(&["rescue", &scene.image(), "--to", "kept"]).success();
    fs::write(scene.folder().join("trust-rescue.json"), r#"{"format":"x","version":1}"#).unwrap();
    let opened = RescueFolder::open(&scene.folder());
    assert!(matches!(opened, Err(RescueFolderError::NotOne { .. })));
}

#[test]
fn every_collection_of_a_folder_is_listed_and_checked() {
    let scene = rescued();
    let top = scene.folder().join("v2");
    // A name that is no collection's, and a link that leads away.
    fs::create_dir_all(top.join("bad*name/_trust/tuf")).unwrap();
    std::os::unix::fs::symlink(scene.user.home(), top.join("away")).unwrap();
    let folder = RescueFolder::open(&scene.folder()).unwrap();
    let (guns, strange) = folder.collections().unwrap();
    assert_eq!(guns, [scene.gun()]);
    let names: Vec<String> = strange.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let checked = check(&scene.context(), &folder, &[]).unwrap();
    assert_eq!(checked.collections.len(), 1);
    assert!(checked.collections[0].report.error.is_none());
    let reserved = folder.collection(&Gun::parse("a/_trust/tuf").unwrap());
    assert!(matches!(reserved, Err(RescueFolderError::Reserved { .. })));
}

/// Killed at every few changes to the disk, and run again.
#[test]
#[cfg(debug_assertions)]
fn killed_at_any_change_to_the_disk_it_comes_to_the_same_folder() {
    const STRIDE: usize = 4;
    let mut scene = Scene::new();
    scene.publish();
    scene.publish_next();
    let image = scene.image();
    let args = ["rescue", "--rate", "1000", &image, "--to", "kept"];
    let content = |scene: &Scene| {
        let mut files = crate::harness::disk::files_under(&scene.folder());
        // It says when it was written.
        files.retain(|path, _| path.file_name().is_none_or(|name| name != "rescue.json"));
        files
    };
    scene.user.trust(&args).success();
    let whole = content(&scene);
    let mut changes = 0;
    loop {
        fs::remove_dir_all(scene.folder()).unwrap();
        scene.user.set("TRUST_TEST_KILL_AFTER", &changes.to_string());
        let killed = scene.user.trust(&args).code == 128 + 9;
        scene.user.unset("TRUST_TEST_KILL_AFTER");
        scene.user.trust(&args).success();
        assert_eq!(content(&scene), whole, "after {changes} changes");
        if !killed {
            break;
        }
        changes += STRIDE;
    }
    assert!(changes > 3 * STRIDE, "only {changes} changes");
    scene.user.trust(&["rescue", "check", "kept"]).success();
}
