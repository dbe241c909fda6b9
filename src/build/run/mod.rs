//! Running commands of builds and of images: our own sandbox, made of what the kernel has.
//!
//! Three processes of this program, one inside the other, for each command:
//!
//! * who wants it run, in [`sandbox`]: `relay` passes on what the command writes and what is typed,
//!   `capture` makes changes of what it left, `userns` says who is who;
//! * the `keeper`, which may have the rights of a user namespace: it lays out the files
//!   ([`crate::store::roots`]) and tells what became of them;
//! * the first process inside, `init`: it makes the root folder (`root`), the network (`loopback`)
//!   and the filter of system calls (`system_calls`), and is the parent of the command. Nothing
//!   outlives it.
//!
//! With another program in its place (`--runtime`), the first process inside makes a bundle for it
//! (`bundle`), and it does the rest.
//!
//! They talk over socket pairs (`channel`, `messages`). Each begins as this program anew, from a
//! copy of it in memory that nobody can write to: no thread is there, nothing was opened, and a
//! command that gets at the program it was started by cannot change it.

mod bundle;
mod capture;
mod channel;
mod i386;
mod init;
mod keeper;
mod kernel;
mod loopback;
mod messages;
mod mounting;
mod program;
mod relay;
mod root;
pub mod sandbox;
mod system_calls;
mod userns;

use std::ffi::OsString;

pub use sandbox::{Isolation, Options, Sandbox};

/// The first argument of a process of a sandbox; nobody types it.
const STAGE: &str = "__sandbox";
const KEEPER: &str = "keeper";
const INIT: &str = "init";

/// Goes on whatever came of a call.
fn regardless<T>(outcome: rustix::io::Result<T>) {
    drop(outcome);
}

/// Does the work of a sandbox, if these arguments say that this process is one of its: then it
/// returns whether that was done. To be asked before anything else is done in a process.
pub fn entry(arguments: &[OsString]) -> Option<bool> {
    let [_, stage, which] = arguments else { return None };
    if stage != STAGE {
        return None;
    }
    let done = match which.to_str() {
        Some(KEEPER) => keeper::main(),
        Some(INIT) => init::main(),
        _ => return Some(false),
    };
    Some(done.is_ok())
}
