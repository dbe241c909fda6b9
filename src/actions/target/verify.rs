//! Verifying that data is a target.

use std::io;
use std::path::PathBuf;

use tokio::sync::oneshot;

use crate::actions::context::Context;
use crate::actions::target::error::TargetError;
use crate::actions::target::lookup::{Looked, lookup};
use crate::actions::update::Source;
use crate::store::StoreError;
use crate::store::files::{read_descriptor, read_user_file};
use crate::tuf::{Gun, RoleName, TargetName};

/// Where the data comes from.
#[derive(Debug, Clone)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Data that was verified, and the target it is.
#[derive(Debug)]
pub struct VerifiedData {
    /// The data, all of it.
    pub data: Vec<u8>,
    /// What vouches for it.
    pub looked: Looked,
}

/// Reads data, never more than the target has, and verifies its size and every hash that is signed.
/// What is signed is learned first: without it nothing is read.
pub async fn verify(
    context: &Context,
    gun: &Gun,
    name: &TargetName,
    roles: &[RoleName],
    input: &Input,
    source: Source,
) -> Result<VerifiedData, TargetError> {
    let looked = lookup(context, gun, name, roles, source).await?;
    let target = &looked.entry.target;
    let expected = target.length;
    let wrong_length = |longer| TargetError::Length { name: name.clone(), expected, longer };
    let Some(data) = read_aside(input.clone(), expected).await? else {
        return Err(wrong_length(true));
    };
    if u64::try_from(data.len()).unwrap_or(u64::MAX) != expected {
        return Err(wrong_length(false));
    }
    let mismatch = |cause| TargetError::Mismatch { name: name.clone(), cause };
    target.hashes.check(&data).map_err(mismatch)?;
    Ok(VerifiedData { data, looked })
}

/// Reads at most `limit` bytes, `None` if there are more, on a thread of its own: an interruption is
/// heard though nothing comes.
async fn read_aside(input: Input, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let (done, outcome) = oneshot::channel();
    let read = move || match &input {
        Input::Stdin => read_descriptor(0, limit),
        Input::File(file) => read_user_file(file, limit),
    };
    let reader = std::thread::spawn(move || drop(done.send(read())));
    let outcome = outcome.await;
    // It has sent, or it will not any more.
    drop(reader);
    match outcome {
        Ok(Err(StoreError::TooLarge { .. })) => Ok(None),
        Ok(read) => read.map(Some),
        Err(_) => Err(StoreError::Io {
            action: "read",
            path: PathBuf::from("the input"),
            cause: io::Error::other("its reader ended"),
        }),
    }
}
