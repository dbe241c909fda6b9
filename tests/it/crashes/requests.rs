//! Killed at every request to the trust server, and after it.

use test_case::test_matrix;

use crate::crashes::world;
use crate::crashes::world::{Command, World};
use crate::harness::crash::at_every_request;
use crate::harness::proxy::Moment;

#[test_matrix(
    [
        world::first_sign,
        world::later_sign,
        world::revoke,
        world::signer_add,
        world::signer_rm,
        world::rotate_targets,
        world::rotate_root
    ],
    [Moment::Before, Moment::After]
)]
fn killed_at_every_request(command: Command, moment: Moment) {
    let world = World::new();
    let requests = at_every_request(&world.proxy, moment, |number| command(&world, number));
    // At least: what is the newest, and here is something newer.
    assert!(requests >= 2, "only {requests} requests");
}
