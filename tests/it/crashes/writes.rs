//! Killed at every change to the disk, of commands that publish.

use test_case::test_case;

use crate::crashes::world;
use crate::crashes::world::{Command, World};
use crate::harness::crash::at_every_write;

/// A part of the changes, of so many parts: they are killed side by side.
type Share = (usize, usize);

#[test_case(world::first_sign, (0, 4), 30; "first signature, share 0")]
#[test_case(world::first_sign, (1, 4), 30; "first signature, share 1")]
#[test_case(world::first_sign, (2, 4), 30; "first signature, share 2")]
#[test_case(world::first_sign, (3, 4), 30; "first signature, share 3")]
#[test_case(world::later_sign, (0, 2), 15; "later signature, share 0")]
#[test_case(world::later_sign, (1, 2), 15; "later signature, share 1")]
#[test_case(world::revoke, (0, 2), 15; "revocation, share 0")]
#[test_case(world::revoke, (1, 2), 15; "revocation, share 1")]
#[test_case(world::signer_add, (0, 2), 15; "new signer, share 0")]
#[test_case(world::signer_add, (1, 2), 15; "new signer, share 1")]
#[test_case(world::signer_rm, (0, 2), 15; "removed signer, share 0")]
#[test_case(world::signer_rm, (1, 2), 15; "removed signer, share 1")]
#[test_case(world::rotate_targets, (0, 2), 15; "rotated repository key, share 0")]
#[test_case(world::rotate_targets, (1, 2), 15; "rotated repository key, share 1")]
#[test_case(world::rotate_root, (0, 2), 15; "rotated root key, share 0")]
#[test_case(world::rotate_root, (1, 2), 15; "rotated root key, share 1")]
fn killed_at_every_write(command: Command, share: Share, at_least: usize) {
    let world = World::new();
    let changes = at_every_write(share, |number| command(&world, number), |_| ());
    assert!(changes >= at_least, "only {changes} changes to the disk");
}
