//! What is measured: one file for each kind of work.

mod build;
mod change;
mod delegations;
mod imports;
mod keys;
mod many_tags;
mod rescue;
mod root_chain;
mod server;
mod sign;
mod startup;
mod transfer;
mod verify;

use crate::report::Report;
use crate::world::World;

/// Something to measure, by a name that can be asked for.
pub(crate) struct Work {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Measures it with this many runs of each program.
    pub(crate) measure: fn(&World, usize, &mut Report),
}

/// Every work, in the order of the results.
pub(crate) const ALL: [Work; 14] = [
    Work { name: "startup", measure: startup::measure },
    Work { name: "sign", measure: sign::measure },
    Work { name: "verify", measure: verify::measure },
    Work { name: "many-tags", measure: many_tags::measure },
    Work { name: "delegations", measure: delegations::measure },
    Work { name: "root-chain", measure: root_chain::measure },
    Work { name: "keys", measure: keys::measure },
    Work { name: "rescue", measure: rescue::measure },
    Work { name: "imports", measure: imports::measure },
    Work { name: "transfer", measure: transfer::measure },
    Work { name: "large", measure: transfer::measure_large },
    Work { name: "build", measure: build::measure },
    Work { name: "server", measure: server::measure },
    Work { name: "stored", measure: server::measure_many },
];

/// Most that signing may take of a peer's time.
const SIGN_GOAL: f64 = 0.5;
/// Most that verifying may take of a peer's time.
const VERIFY_GOAL: f64 = 0.4;
/// Most that starting may take of a peer's time.
const STARTUP_GOAL: f64 = 0.3;
/// Largest program, in megabytes.
const SIZE_GOAL: f64 = 30.0;
/// Most that a repository with many tags may take of a peer's time.
const MANY_TAGS_GOAL: f64 = 0.3;
/// Most that it may take of a peer's memory.
const MEMORY_GOAL: f64 = 0.5;
/// Most that keeping a thousand collections may take of the time it takes to list them.
const RESCUE_GOAL: f64 = 0.5;
/// Most that one of ten times as many collections may take, in time and memory, when a notary server
/// is taken over.
const IMPORT_GROWTH_GOAL: f64 = 1.5;
/// Most that sending an image may take of a peer's time.
const PUSH_GOAL: f64 = 0.8;
/// Most that fetching an image may take of a peer's time.
const PULL_GOAL: f64 = 0.4;
/// Most that finding nothing to send may take of a peer's time.
const IDLE_PUSH_GOAL: f64 = 1.0;
/// Most that copying between registries may take of a peer's time.
const COPY_GOAL: f64 = 0.8;
/// Most that building an image may take of buildah's time.
const BUILD_BUILDAH_GOAL: f64 = 0.25;
/// Most that it may take of docker's own builder's time.
const BUILD_DOCKER_GOAL: f64 = 0.25;
/// Most that it may take of the time that umoci needs to make a layer.
const BUILD_UMOCI_GOAL: f64 = 1.0;
/// Most that building it again may take of a peer's time.
const REBUILD_GOAL: f64 = 0.2;
