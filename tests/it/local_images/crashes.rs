//! Killed at every change to the disk.

use crate::harness::crash::{Trial, at_every_write};
use crate::harness::layout::Layout;
use crate::local_images::world::{IMAGES, World};

const ALL: (usize, usize) = (0, 1);
const NOT_FOUND: i32 = 8;

fn layout(trial: &Trial<'_>) -> Layout {
    Layout::at(&trial.user().home().join(IMAGES))
}

#[test]
fn a_name_is_given_or_not() {
    let world = World::with_images();
    // The former image of the name stays, without it.
    let args = ["tag", "base:1", "app:1", "--layout", IMAGES];
    let changes = at_every_write(
        ALL,
        |_| Trial::new(world.user.twin(), &args),
        |trial| {
            layout(trial).assert_whole();
            assert_eq!(layout(trial).names().len(), 3);
            assert_eq!(layout(trial).blobs(), world.layout().blobs());
        },
    );
    assert!(changes >= 3, "only {changes} changes to the disk");
}

#[test]
fn an_image_is_removed_or_not_and_the_others_stay() {
    let world = World::with_images();
    let args = ["rmi", "app:1", "--layout", IMAGES];
    let prepare = |_| Trial::new(world.user.twin(), &args).done_already(NOT_FOUND);
    let changes = at_every_write(ALL, prepare, |trial| {
        layout(trial).assert_whole();
        let names = layout(trial).names();
        let others = names.iter().filter(|name| !name.ends_with("/app:1")).count();
        assert_eq!(others, 2, "{names:?}");
    });
    assert!(changes >= 5, "only {changes} changes to the disk");
}

#[test]
fn all_are_pruned_or_whole() {
    let world = World::with_images();
    let args = ["prune", "-a", "-f", "--filter", "label=made=other", "--layout", IMAGES];
    let changes = at_every_write(
        ALL,
        |_| Trial::new(world.user.twin(), &args),
        |trial| {
            layout(trial).assert_whole();
            assert!(layout(trial).names().len() >= 2);
        },
    );
    assert!(changes >= 5, "only {changes} changes to the disk");
}
