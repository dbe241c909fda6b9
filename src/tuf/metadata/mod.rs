//! The documents of Notary's dialect, one file each, and the envelope around them.

mod fields;
mod file_meta;
mod root;
mod signed;
mod snapshot;
mod targets;
#[cfg(test)]
mod tests;
mod timestamp;

pub use fields::{MetadataError, Problem};
pub use file_meta::FileMeta;
pub use root::{RoleSpec, Root};
pub use signed::{Document, Header, Signed, encode_envelope};
pub(super) use signed::{read_signature, write_signature};
pub use snapshot::Snapshot;
pub use targets::{DelegationRole, Delegations, Target, Targets};
pub use timestamp::TimestampFile;
