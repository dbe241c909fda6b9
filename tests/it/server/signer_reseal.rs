//! A new master key.

use trust::server::signer::reseal::ResealError;
use trust::server::signer::{
    Algorithm, LocalSigner, MasterKey, ServerKey, Signer, SignerError, reseal,
};
use trust::tuf::{Gun, RoleName};

use super::harness::TestServer;

fn signer(byte: u8) -> Signer {
    Signer::Local(LocalSigner::new(master(byte), Algorithm::Ed25519))
}

fn master(byte: u8) -> MasterKey {
    MasterKey::new(&[byte; 32]).unwrap()
}

fn gun(number: usize) -> Gun {
    Gun::parse(&format!("localhost/app{number}")).unwrap()
}

/// Makes a key and stores it.
fn store(server: &TestServer, signer: &Signer, gun: &Gun) -> ServerKey {
    let made = signer.create(gun, &RoleName::Timestamp);
    let key = server.runtime.block_on(made).unwrap();
    let statement = format!(
        "INSERT INTO server_key (gun, role, key_id, public, sealed, state, created_at) \
         VALUES ('{gun}', 'timestamp', '{}', $1, $2, 'active', 0)",
        key.public.id()
    );
    server.sql(&statement, &[key.public.public(), key.sealed.as_ref().unwrap()]);
    key
}

/// The keys as they are stored now.
fn stored(server: &TestServer, keys: &[ServerKey]) -> Vec<ServerKey> {
    let rows = server.runtime.block_on(async {
        let mut reading = server.server.meta.read().await.unwrap();
        reading.sealed_keys().await.unwrap()
    });
    let find = |key: &ServerKey| {
        let row = rows.iter().find(|row| row.key_id == key.public.id().as_str()).unwrap();
        ServerKey { public: key.public.clone(), sealed: Some(row.sealed.clone()) }
    };
    keys.iter().map(find).collect()
}

#[test]
fn all_keys_go_over_to_a_new_master_key() {
    let server = TestServer::new();
    let keys: Vec<ServerKey> =
        (0..20).map(|number| store(&server, &signer(7), &gun(number))).collect();
    // Keys of a remote signer have nothing to seal.
    server.sql(
        "INSERT INTO server_key (gun, role, key_id, public, state, created_at) \
         VALUES ('localhost/r', 'timestamp', 'x', $1, 'active', 0)",
        &[b"public"],
    );
    let runtime = &server.runtime;
    let done = runtime.block_on(reseal(&server.server.meta, &master(7), &master(8))).unwrap();
    assert_eq!((done.resealed, done.unchanged), (20, 0));
    for (number, key) in stored(&server, &keys).iter().enumerate() {
        let gun = gun(number);
        let role = RoleName::Timestamp;
        runtime.block_on(async {
            signer(8).sign(&gun, &role, key, b"m").await.unwrap();
            let refused = signer(7).sign(&gun, &role, key, b"m").await;
            assert!(matches!(refused, Err(SignerError::WrongMaster { .. })));
        });
    }
    let again = runtime.block_on(reseal(&server.server.meta, &master(7), &master(8))).unwrap();
    assert_eq!((again.resealed, again.unchanged), (0, 20));
}

#[test]
fn one_key_that_does_not_open_leaves_all_as_they_are() {
    let server = TestServer::new();
    let keys: Vec<ServerKey> =
        (0..3).map(|number| store(&server, &signer(7), &gun(number))).collect();
    store(&server, &signer(6), &gun(9));
    let done = server.runtime.block_on(reseal(&server.server.meta, &master(7), &master(8)));
    let Err(ResealError::Key { gun, role, cause: SignerError::WrongMaster { .. } }) = done else {
        panic!("{done:?}")
    };
    assert_eq!((gun.as_str(), role.as_str()), ("localhost/app9", "timestamp"));
    assert_eq!(stored(&server, &keys), keys);
}
