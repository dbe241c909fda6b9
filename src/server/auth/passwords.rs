//! Checks passwords: off the async threads, a few at a time, each once for many requests.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::codec::text::to_hex;
use crate::crypto::Passphrase;
use crate::limits::{MAX_CACHED_PASSWORDS, MAX_WAITING_PASSWORDS, PASSWORD_CACHE_SECONDS};
use crate::server::auth::AuthError;
use crate::server::auth::brake::{Brake, Pace};
use crate::server::auth::credentials::Login;
use crate::server::auth::password_hash::PasswordHash;

/// Checks passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    /// Makes what is remembered useless to anybody who reads the memory of this process.
    salt: [u8; SHA256_OUTPUT_LEN],
    brake: Brake,
    threads: Semaphore,
    waiting: Semaphore,
    good: Mutex<HashMap<Proof, Instant>>,
    running: Mutex<Running>,
    checks: AtomicU64,
}

/// A user, a password and the hash it is held against, hashed with the salt.
type Proof = [u8; SHA256_OUTPUT_LEN];

/// Checks that are going on, by who asks for what.
type Running = HashMap<(IpAddr, Proof), Arc<OnceCell<Verdict>>>;

/// A share in a check that is going on.
struct Turn<'a> {
    running: &'a Mutex<Running>,
    key: (IpAddr, Proof),
    cell: Arc<OnceCell<Verdict>>,
}

/// What a password is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the user's.
    Right,
    /// It is not, or there is no such user.
    Wrong,
    /// It was not looked at: there were too many wrong ones before it.
    Later(Duration),
    /// It was not looked at: too many others wait.
    Busy,
}

/// The hash that a password is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Against<'a> {
    hash: &'a PasswordHash,
    /// Whether it is that of the user who was named; else nothing fits it.
    is_users: bool,
}

impl Passwords {
    /// Nothing known yet.
    pub(super) fn new() -> Result<Self, AuthError> {
        let mut salt = [0; SHA256_OUTPUT_LEN];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| AuthError::Random)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            salt,
            brake: Brake::default(),
            threads: Semaphore::new(threads),
            waiting: Semaphore::new(MAX_WAITING_PASSWORDS),
            good: Mutex::default(),
            running: Mutex::default(),
            checks: AtomicU64::new(0),
        })
    }

    /// How many passwords were held against a hash so far.
    pub(super) fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    /// Checks a login. Requests that show the same one at the same time wait for one check.
    pub(super) async fn check(&self, against: Against<'_>, login: &Login, peer: IpAddr) -> Verdict {
        let proof = self.proof(login, against.hash);
        if against.is_users && self.is_good(&proof) {
            return Verdict::Right;
        }
        let turn = Turn::take(&self.running, (peer, proof));
        let look = || self.look(against, login, peer);
        let verdict = *turn.cell.get_or_init(look).await;
        if verdict == Verdict::Right {
            self.remember(proof);
        }
        verdict
    }

    async fn look(&self, against: Against<'_>, login: &Login, peer: IpAddr) -> Verdict {
        let Ok(_place) = self.waiting.try_acquire() else { return Verdict::Busy };
        match self.brake.attempt(Instant::now(), peer, &login.user) {
            Pace::Wait(time) => return Verdict::Later(time),
            Pace::Go(delay) => tokio::time::sleep(delay).await,
        }
        let Ok(_thread) = self.threads.acquire().await else { return Verdict::Busy };
        self.checks.fetch_add(1, Ordering::Relaxed);
        let (hash, password) = (against.hash.clone(), login.password.clone());
        let fits = tokio::task::spawn_blocking(move || hash.fits(&password)).await;
        if against.is_users && fits.unwrap_or(false) {
            self.brake.succeeded(peer, &login.user);
            Verdict::Right
        } else {
            Verdict::Wrong
        }
    }

    fn proof(&self, login: &Login, hash: &PasswordHash) -> Proof {
        let mut context = Context::new(&SHA256);
        context.update(&self.salt);
        for text in [login.user.as_str(), login.password.expose(), hash.expose()] {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut proof = [0; SHA256_OUTPUT_LEN];
        proof.copy_from_slice(context.finish().as_ref());
        proof
    }

    fn is_good(&self, proof: &Proof) -> bool {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.get(proof).is_some_and(|until| Instant::now() < *until)
    }

    fn remember(&self, proof: Proof) {
        let now = Instant::now();
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= MAX_CACHED_PASSWORDS {
            good.retain(|_, until| now < *until);
        }
        if good.len() < MAX_CACHED_PASSWORDS {
            good.insert(proof, now + CACHE);
        }
    }
}

impl<'a> Turn<'a> {
    fn take(running: &'a Mutex<Running>, key: (IpAddr, Proof)) -> Self {
        let mut all = running.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(all.entry(key).or_default());
        Self { running, key, cell }
    }
}

impl Drop for Turn<'_> {
    /// Whoever comes when it is decided begins anew; and nothing stays when everybody has gone.
    fn drop(&mut self) {
        let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = Arc::strong_count(&self.cell) <= MAP_AND_MINE;
        let is_mine = all.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if is_mine && (is_last || self.cell.initialized()) {
            all.remove(&self.key);
        }
    }
}

/// Hashes that passwords of unknown users are held against: those of the users there are, so that
/// somebody unknown costs what somebody known does.
#[derive(Debug)]
pub(super) struct Decoys {
    hashes: Vec<PasswordHash>,
    last: PasswordHash,
    hasher: RandomState,
}

impl Decoys {
    /// The hashes of all users; where there are none, that of a password which nobody knows.
    pub(super) fn new(mut hashes: Vec<PasswordHash>) -> Result<Self, AuthError> {
        let last = match hashes.pop() {
            Some(last) => last,
            None => nobodys_hash()?,
        };
        Ok(Self { hashes, last, hasher: RandomState::new() })
    }

    /// What the password of a user is held against: their hash, or, the same one each time for a
    /// name that is nobody's, another's.
    pub(super) fn against<'a>(
        &'a self,
        known: Option<&'a PasswordHash>,
        user: &str,
    ) -> Against<'a> {
        if let Some(hash) = known {
            return Against { hash, is_users: true };
        }
        let all = self.hashes.len() as u64 + 1;
        let place = usize::try_from(self.hasher.hash_one(user) % all).unwrap_or(0);
        Against { hash: self.hashes.get(place).unwrap_or(&self.last), is_users: false }
    }
}

fn nobodys_hash() -> Result<PasswordHash, AuthError> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| AuthError::Random)?;
    PasswordHash::of(&Passphrase::new(to_hex(&secret))).map_err(|_| AuthError::Random)
}

/// Holders of a check that nobody else waits for.
const MAP_AND_MINE: usize = 2;
/// How long a right password is not looked at again.
const CACHE: Duration = Duration::from_secs(PASSWORD_CACHE_SECONDS);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::limits::FREE_ATTEMPTS;

    struct Users(BTreeMap<&'static str, PasswordHash>, Decoys);

    impl Users {
        fn with(name: &'static str, password: &str) -> Self {
            let hash = PasswordHash::parse(&bcrypt::hash(password, 4).unwrap()).unwrap();
            let decoys = Decoys::new(vec![hash.clone()]).unwrap();
            Self(BTreeMap::from([(name, hash)]), decoys)
        }

        async fn check(&self, passwords: &Passwords, login: &Login, peer: IpAddr) -> Verdict {
            let against = self.1.against(self.0.get(login.user.as_str()), &login.user);
            passwords.check(against, login, peer).await
        }
    }

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.to_owned(), password: Passphrase::new(password.to_owned()) }
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_hundred_requests_cost_one_check() {
        let (passwords, users) = (Passwords::new().unwrap(), Users::with("ann", "secret"));
        let (right, wrong) = (login("ann", "secret"), login("ann", "guess"));
        let many = (0..100).map(|_| users.check(&passwords, &right, PEER));
        for verdict in futures_util::future::join_all(many).await {
            assert_eq!(verdict, Verdict::Right);
        }
        assert_eq!(users.check(&passwords, &right, PEER).await, Verdict::Right);
        assert_eq!(passwords.checks(), 1);
        assert_eq!(users.check(&passwords, &wrong, PEER).await, Verdict::Wrong);
        assert_eq!(users.check(&passwords, &wrong, PEER).await, Verdict::Wrong);
        assert_eq!(passwords.checks(), 3);
    }

    #[tokio::test]
    async fn somebody_unknown_costs_as_much_and_gets_nowhere() {
        let (passwords, users) = (Passwords::new().unwrap(), Users::with("ann", "secret"));
        for password in ["guess", "secret", ""] {
            assert_eq!(
                users.check(&passwords, &login("eve", password), PEER).await,
                Verdict::Wrong
            );
        }
        assert_eq!(passwords.checks(), 3);
    }

    #[tokio::test]
    async fn a_changed_password_is_no_longer_good() {
        let passwords = Passwords::new().unwrap();
        let right = login("ann", "secret");
        for (password, verdict) in [("secret", Verdict::Right), ("other", Verdict::Wrong)] {
            let users = Users::with("ann", password);
            assert_eq!(users.check(&passwords, &right, PEER).await, verdict);
        }
    }

    #[tokio::test]
    async fn guesses_at_once_count_as_many() {
        let (passwords, users) = (Passwords::new().unwrap(), Users::with("ann", "secret"));
        let guesses: Vec<Login> = (0..20).map(|n| login("ann", &n.to_string())).collect();
        let all = guesses.iter().map(|guess| users.check(&passwords, guess, PEER));
        let verdicts = futures_util::future::join_all(all).await;
        let looked_at = verdicts.iter().filter(|verdict| **verdict == Verdict::Wrong).count();
        assert_eq!(looked_at, FREE_ATTEMPTS as usize);
        let other = IpAddr::from([192, 0, 2, 1]);
        let right = login("ann", "secret");
        assert!(matches!(users.check(&passwords, &right, PEER).await, Verdict::Later(_)));
        assert_eq!(users.check(&passwords, &right, other).await, Verdict::Right);
        // Now it is known to be right, and the address that guessed may use it as well.
        assert_eq!(users.check(&passwords, &right, PEER).await, Verdict::Right);
    }
}
