//! One file per command: what can be typed (`Args`) and what it does (`Args::run`).
//!
//! A new command is its file, its `mod` line and one line in the list below.

pub mod audit;
pub mod build;
pub mod commit;
pub mod completions;
pub mod copy;
pub mod delegation;
pub mod demo;
pub mod docker;
pub mod fsck;
pub mod gc;
pub mod image;
pub mod inspect;
pub mod key;
pub mod login;
pub mod logout;
pub mod man;
pub mod manifest;
pub mod mirror;
pub mod pin;
pub mod pull;
pub mod push;
pub mod repo;
pub mod rescue;
pub mod resolve;
pub mod revoke;
pub mod run;
pub mod search;
pub mod serve;
pub mod server;
pub mod sign;
pub mod signer;
pub mod tags;
pub mod target;
pub mod verify;

mod list;

pub(crate) use list::commands;

commands! {
    /// A command and what was typed after it.
    pub enum Command {
        Build(Box<build::Command>),
        Pull(pull::Args),
        Push(push::Args),
        Copy(copy::Args),
        Sign(sign::Args),
        Verify(verify::Args),
        Inspect(inspect::Args),
        Resolve(resolve::Args),
        Pin(pin::Args),
        Audit(audit::Args),
        Revoke(revoke::Args),
        Signer(signer::Command),
        Key(key::Command),
        Repo(repo::Command),
        Rescue(Box<rescue::Command>),
        Target(target::Command),
        Delegation(delegation::Command),
        Image(image::Command),
        Images(image::ls::Args),
        History(image::history::Args),
        Tag(image::tag::Args),
        Rmi(image::rm::Args),
        Prune(image::prune::Args),
        Run(run::Args),
        Commit(commit::Args),
        Tags(tags::Command),
        Manifest(manifest::Command),
        Search(search::Args),
        Save(image::save::Args),
        Load(image::load::Args),
        Import(image::import::Args),
        Mirror(Box<mirror::Args>),
        Serve(serve::Args),
        Server(server::Command),
        Login(login::Args),
        Logout(logout::Args),
        Gc(gc::Args),
        Fsck(fsck::Args),
        Docker(docker::Command),
        Demo(demo::Args),
        Completions(completions::Args),
        Man(man::Args),
    }
}
