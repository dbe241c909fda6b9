//! Users of an htpasswd file, as the distribution registry has them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::server::Refusal;
use crate::server::auth::AuthError;
use crate::server::auth::caller::{Caller, Grant, Need};
use crate::server::auth::challenge::{basic, busy, denied, later};
use crate::server::auth::credentials::Shown;
use crate::server::auth::options::HtpasswdOptions;
use crate::server::auth::password_hash::PasswordHash;
use crate::server::auth::passwords::{Decoys, Passwords, Verdict};
use crate::server::auth::scope::satisfies;

/// Names and hashes of passwords.
#[derive(Debug)]
pub(super) struct Htpasswd {
    realm: String,
    users: BTreeMap<String, PasswordHash>,
    decoys: Decoys,
    grants: Option<BTreeMap<String, Vec<Grant>>>,
}

impl Htpasswd {
    pub(super) fn new(options: HtpasswdOptions) -> Result<Self, AuthError> {
        let users = read(&options.file)?;
        let decoys = Decoys::new(users.values().cloned().collect())?;
        Ok(Self { realm: options.realm, users, decoys, grants: options.grants })
    }

    pub(super) async fn authorize(
        &self,
        passwords: &Passwords,
        shown: &Shown,
        peer: IpAddr,
        need: &Need,
    ) -> Result<Caller, Refusal> {
        let Shown::Basic(login) = shown else { return Err(basic(&self.realm, need)) };
        let against = self.decoys.against(self.users.get(&login.user), &login.user);
        match passwords.check(against, login, peer).await {
            Verdict::Right => {}
            Verdict::Wrong => return Err(basic(&self.realm, need)),
            Verdict::Later(wait) => return Err(later(wait)),
            Verdict::Busy => return Err(busy()),
        }
        let caller = self.caller(&login.user);
        if satisfies(&caller, need) { Ok(caller) } else { Err(denied(need)) }
    }

    fn caller(&self, user: &str) -> Caller {
        match &self.grants {
            None => Caller::all_powerful(user),
            Some(grants) => {
                let grants = grants.get(user).cloned().unwrap_or_default();
                Caller::granted(Some(user.to_owned()), grants)
            }
        }
    }
}

/// Reads the file: `name:hash` a line; empty lines and those that begin with `#` mean nothing.
fn read(file: &[u8]) -> Result<BTreeMap<String, PasswordHash>, AuthError> {
    let mut users = BTreeMap::new();
    for (number, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let number = number + 1;
        let malformed = AuthError::HtpasswdLine { line: number };
        let Ok(line) = std::str::from_utf8(line) else { return Err(malformed) };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (user, hash) = match line.split_once(':') {
            Some((user, hash)) if !user.is_empty() => (user.to_owned(), hash),
            _ => return Err(malformed),
        };
        let hash = PasswordHash::parse(hash).map_err(|cause| AuthError::HtpasswdHash {
            line: number,
            user: user.clone(),
            cause,
        })?;
        if users.insert(user.clone(), hash).is_some() {
            return Err(AuthError::HtpasswdTwice { line: number, user });
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::auth::password_hash::PasswordHashError;

    #[test]
    fn lines() {
        let hash = bcrypt::hash("x", 4).unwrap();
        let users = read(format!("# us\r\n\r\n ann:{hash}\r\nbob:{hash}").as_bytes()).unwrap();
        assert_eq!(users.keys().collect::<Vec<_>>(), ["ann", "bob"]);
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let hash = bcrypt::hash("x", 4).unwrap();
        let error = |text: String| read(text.as_bytes()).unwrap_err();
        assert!(matches!(
            error(format!("ann:{hash}\nbob:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")),
            AuthError::HtpasswdHash { line: 2, user, cause: PasswordHashError::Kind } if user == "bob"
        ));
        assert!(matches!(
            error(format!("ann:{hash}\n\nann:{hash}")),
            AuthError::HtpasswdTwice { line: 3, user } if user == "ann"
        ));
        assert!(matches!(error("ann".to_owned()), AuthError::HtpasswdLine { line: 1 }));
        assert!(matches!(error(format!(":{hash}")), AuthError::HtpasswdLine { line: 1 }));
        assert!(matches!(read(b"\xff:x"), Err(AuthError::HtpasswdLine { line: 1 })));
    }
}
