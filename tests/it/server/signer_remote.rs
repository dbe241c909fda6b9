//! Debian's `notary-signer` holds the server's keys.

use std::fs;
use std::sync::Arc;

use tokio::runtime::Runtime;
use trust::crypto::Method;
use trust::limits::MAX_SIGNER_MESSAGE_BYTES;
use trust::server::Refusal;
use trust::server::signer::{
    Algorithm, LocalSigner, MasterKey, RemoteOptions, RemoteSigner, Signer, SignerError,
};
use trust::tuf::{Gun, RoleName};

use super::harness::TestServer;
use crate::peers::NotarySigner;
use crate::peers::certificates::Authority;

/// A signer that has to be asked with a certificate of this authority.
fn remote(authority: &Authority, port: u16, algorithm: Algorithm) -> Signer {
    Signer::Remote(RemoteSigner::new(&options(authority, port, algorithm)).unwrap())
}

fn options(authority: &Authority, port: u16, algorithm: Algorithm) -> RemoteOptions {
    let folder = tempfile::tempdir().unwrap();
    let files = authority.issue(folder.path(), "trust");
    RemoteOptions {
        address: format!("localhost:{port}"),
        authorities: fs::read(authority.certificate_file()).unwrap(),
        certificate: fs::read(files.certificate).unwrap(),
        key: fs::read(files.key).unwrap().into(),
        algorithm,
    }
}

fn names() -> (Gun, RoleName) {
    (Gun::parse("localhost/app").unwrap(), RoleName::Snapshot)
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

#[test]
fn keys_are_made_used_found_and_deleted() {
    let authority = Authority::new();
    let signer = NotarySigner::start(&authority);
    let (gun, role) = names();
    for (algorithm, method) in
        [(Algorithm::Ecdsa, Method::Ecdsa), (Algorithm::Ed25519, Method::Eddsa)]
    {
        let remote = remote(&authority, signer.port(), algorithm);
        runtime().block_on(async {
            remote.check().await.unwrap();
            let key = remote.create(&gun, &role).await.unwrap();
            assert_eq!(key.sealed, None);
            assert_eq!(key.public.key_type().as_str(), algorithm.as_str());
            for message in [&b""[..], b"message", &vec![7; 1 << 20]] {
                let made = remote.sign(&gun, &role, &key, message).await.unwrap();
                assert_eq!((made.method, made.bytes.len()), (method.clone(), 64));
            }
            let Signer::Remote(inner) = &remote else { panic!("a remote signer") };
            assert_eq!(inner.find(&key.public).await.unwrap(), Some(key.public.clone()));
            remote.delete(&key).await.unwrap();
            assert_eq!(inner.find(&key.public).await.unwrap(), None);
            let gone = remote.sign(&gun, &role, &key, b"message").await;
            assert!(matches!(gone, Err(SignerError::Missing)), "{gone:?}");
            // What is gone already is deleted.
            remote.delete(&key).await.unwrap();
        });
    }
    assert!(signer.log().contains("Sign"), "{}", signer.log());
}

#[test]
fn more_than_a_signer_takes_is_not_sent() {
    let authority = Authority::new();
    let signer = NotarySigner::start(&authority);
    let remote = remote(&authority, signer.port(), Algorithm::Ecdsa);
    let (gun, role) = names();
    runtime().block_on(async {
        let key = remote.create(&gun, &role).await.unwrap();
        let most = vec![0; MAX_SIGNER_MESSAGE_BYTES];
        remote.sign(&gun, &role, &key, &most).await.unwrap();
        let refused = remote.sign(&gun, &role, &key, &[&most[..], &[0]].concat()).await;
        assert!(matches!(refused, Err(SignerError::TooLarge { .. })), "{refused:?}");
    });
}

#[test]
fn a_signer_that_was_away_is_found_again() {
    let authority = Authority::new();
    let signer = NotarySigner::start(&authority);
    let port = signer.port();
    let remote = remote(&authority, port, Algorithm::Ecdsa);
    let (gun, role) = names();
    let server = TestServer::with(|server| server.signer = remote);
    let signer_of = Arc::clone(&server.server);
    let key = server.runtime.block_on(signer_of.signer.create(&gun, &role)).unwrap();
    drop(signer);
    server.runtime.block_on(async {
        let away = [
            signer_of.signer.check().await.err(),
            signer_of.signer.create(&gun, &role).await.err(),
            signer_of.signer.sign(&gun, &role, &key, b"m").await.err(),
        ];
        for error in away {
            let error = error.unwrap();
            assert!(matches!(error, SignerError::Unavailable(_)), "{error:?}");
            assert_eq!(Refusal::from(error).status.as_u16(), 503);
        }
    });
    assert_eq!(server.get("/v2/").status, 200);
    // Its memory is gone with it, and so is the key.
    let signer = NotarySigner::start_at(&authority, port);
    server.runtime.block_on(async {
        let missing = signer_of.signer.sign(&gun, &role, &key, b"m").await;
        assert!(matches!(missing, Err(SignerError::Missing)), "{missing:?}");
        signer_of.signer.check().await.unwrap();
        let key = signer_of.signer.create(&gun, &role).await.unwrap();
        signer_of.signer.sign(&gun, &role, &key, b"m").await.unwrap();
    });
    drop(signer);
}

#[test]
fn strangers_on_either_side_are_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let signer = NotarySigner::start(&ours);
    let stranger = options(&theirs, signer.port(), Algorithm::Ecdsa);
    // A client that trusts the signer, with a certificate of somebody else's.
    let intruder = RemoteOptions {
        authorities: fs::read(ours.certificate_file()).unwrap(),
        ..stranger.clone()
    };
    runtime().block_on(async {
        for options in [stranger, intruder] {
            let remote = Signer::Remote(RemoteSigner::new(&options).unwrap());
            let (gun, role) = names();
            let refused = remote.create(&gun, &role).await;
            assert!(matches!(refused, Err(SignerError::Unavailable(_))), "{refused:?}");
        }
    });
}

#[test]
fn a_key_that_is_sealed_here_is_not_asked_for_there() {
    let authority = Authority::new();
    let remote = remote(&authority, 1, Algorithm::Ecdsa);
    let (gun, role) = names();
    runtime().block_on(async {
        let master = MasterKey::new(&[1; 32]).unwrap();
        let local = Signer::Local(LocalSigner::new(master, Algorithm::Ecdsa));
        let key = local.create(&gun, &role).await.unwrap();
        let refused = remote.sign(&gun, &role, &key, b"m").await;
        assert!(matches!(refused, Err(SignerError::Missing)));
    });
}
