//! Taking staged changes back.

use std::collections::BTreeSet;

use crate::actions::context::Context;
use crate::actions::publish::hold;
use crate::actions::repo::error::RepoError;
use crate::tuf::Gun;

/// Which changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those in these places of the order, from 0.
    Numbers(Vec<usize>),
}

/// Takes changes back, and returns the names of their files; none if a number is wrong.
pub async fn reset(context: &Context, gun: &Gun, which: &Which) -> Result<Vec<String>, RepoError> {
    let _lock = hold(context, gun).await?;
    let list = context.trust_dir.changelist(gun);
    let names = list.names()?;
    let doomed = match which {
        Which::All => names,
        Which::Numbers(numbers) => {
            let numbers: BTreeSet<usize> = numbers.iter().copied().collect();
            let count = names.len();
            let name = |number: usize| {
                let missing = || RepoError::NoSuchChange { gun: gun.clone(), number, count };
                names.get(number).cloned().ok_or_else(missing)
            };
            numbers.into_iter().map(name).collect::<Result<_, _>>()?
        }
    };
    list.remove(&doomed)?;
    Ok(doomed)
}
