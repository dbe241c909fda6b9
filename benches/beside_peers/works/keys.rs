//! Opening one private key: what the passphrase costs, of every signature's time.

use trust::crypto::{KeyBlock, KeyHeaders, Passphrase, PrivateKey};

use crate::measure::took;
use crate::report::Report;
use crate::world::World;

pub(super) fn measure(_: &World, runs: usize, report: &mut Report) {
    let passphrase = Passphrase::new("a passphrase".to_owned());
    let key = PrivateKey::generate_ecdsa().unwrap();
    let block = KeyBlock::encrypt(&key, &KeyHeaders::default(), &passphrase).unwrap();
    let mut times: Vec<_> =
        (0..runs).map(|_| took(|| block.decrypt(Some(&passphrase)).unwrap()).1).collect();
    times.sort();
    let median = times.get(runs / 2).unwrap().as_secs_f64() * 1e3;
    report.note("open one key, 2048 rounds of PBKDF2", format!("{median:.2} ms"), None);
}
