//! In docker's place: beside the docker that could still do it, on one set of servers.

mod enforcement;
mod plugin;

use crate::interop::world::World;
use crate::peers::Dockerd;

/// Docker's own words and ours, command by command; then docker under content trust.
#[test]
fn docker_does_not_miss_what_it_had() {
    let world = World::open();
    let daemon = Dockerd::start();
    plugin::usage(&world);
    plugin::sessions(&world, &daemon);
    plugin::questions(&world);
    plugin::better_than_docker(&world, &daemon);
    plugin::through_docker(&world);
    let owner = enforcement::words(&world, &daemon);
    enforcement::refusals(&world, &owner);
    enforcement::builds(&world, &daemon);
    enforcement::shell(&world, &daemon);
    enforcement::services_and_plugins(&world, &daemon);
}
