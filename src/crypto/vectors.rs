//! Codec and crypto against what docker and notary wrote (`tests/data/notary-vectors`).

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use crate::clock::Timestamp;
use crate::codec::canonical_json::Value;
use crate::codec::pem::Pem;
use crate::codec::text::from_base64;
use crate::codec::timestamp::Rfc3339;
use crate::crypto::KeyBlock;
use crate::crypto::KeyFileError;
use crate::crypto::KeyType;
use crate::crypto::Method;
use crate::crypto::Passphrase;
use crate::crypto::PublicKey;
use crate::crypto::SignatureError;
use crate::crypto::certificate::Certificate;
use crate::crypto::key_encryption::decrypt_pbes2;

/// Every file below the vectors whose name ends so.
fn files(suffix: &str) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(folder: &Path, suffix: &str, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, suffix, found);
            } else if path.to_str().unwrap().ends_with(suffix) {
                let bytes = read(&path);
                found.push((path, bytes));
            }
        }
    }
    let mut found = Vec::new();
    walk(&folder(), suffix, &mut found);
    assert!(!found.is_empty());
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notary-vectors")
}

#[expect(clippy::disallowed_methods, reason = "test data")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Metadata files with the folder of their repository.
fn metadata() -> Vec<(PathBuf, Vec<u8>)> {
    let in_tuf = |(path, _): &(PathBuf, Vec<u8>)| path.to_str().unwrap().contains("/metadata/");
    let found: Vec<_> = files(".json").into_iter().filter(in_tuf).collect();
    assert!(found.len() > 20);
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_metadata_file_is_what_we_would_write() {
    for (path, bytes) in metadata() {
        let value = Value::parse(&bytes).unwrap();
        let mut signatures = Vec::new();
        for signature in value.get("signatures").unwrap().as_array().unwrap() {
            signatures.push(String::from_utf8(signature.to_wire()).unwrap());
        }
        let signed = String::from_utf8(value.get("signed").unwrap().to_wire()).unwrap();
        let again = format!("{{\"signed\":{signed},\"signatures\":[{}]}}", signatures.join(","));
        assert_eq!(again.as_bytes(), bytes, "{}", path.display());
        let expires = value.get("signed").unwrap().get("expires").unwrap().as_str().unwrap();
        assert_eq!(Rfc3339::parse(expires).unwrap().to_string(), expires);
    }
}

/// The `keys` of every root and delegating file of a repository, ids checked.
fn keys_of(folder: &Path) -> BTreeMap<String, PublicKey> {
    let mut keys = BTreeMap::new();
    for (_, bytes) in metadata().into_iter().filter(|(path, _)| path.starts_with(folder)) {
        let value = Value::parse(&bytes).unwrap();
        let signed = value.get("signed").unwrap();
        let delegations = signed.get("delegations").and_then(|d| d.get("keys"));
        for members in [signed.get("keys"), delegations].into_iter().flatten() {
            for (id, key) in members.as_object().into_iter().flatten() {
                let public = PublicKey::from_json(key).unwrap();
                assert_eq!(&public.to_json(), key);
                assert_eq!(public.id().as_str(), id);
                keys.insert(id.to_owned(), public);
            }
        }
    }
    keys
}

#[test]
fn every_key_id_recomputes_and_every_signature_verifies() {
    let mut verified = 0;
    for (path, bytes) in metadata() {
        let name = path.to_str().unwrap();
        let folder = PathBuf::from(name.split_once("/metadata/").unwrap().0);
        let keys = keys_of(&folder);
        let value = Value::parse(&bytes).unwrap();
        let message = value.get("signed").unwrap().to_canonical();
        for signature in value.get("signatures").unwrap().as_array().unwrap() {
            let text = |name| signature.get(name).unwrap().as_str().unwrap();
            // Keys that a later file dropped are nowhere to be found.
            let Some(key) = keys.get(text("keyid")) else {
                assert!(name.contains("nh-final"), "{name}");
                continue;
            };
            let method = Method::parse(text("method"));
            let bytes = from_base64(text("sig")).unwrap();
            assert_eq!(key.verify(&method, &message, &bytes), Ok(()), "{name}");
            let mut other = message.clone();
            other.push(b' ');
            assert_eq!(key.verify(&method, &other, &bytes), Err(SignatureError::Invalid));
            verified += 1;
        }
    }
    assert!(verified > 25, "{verified}");
}

/// The passphrase of a captured key, by its role and store.
fn passphrase(path: &Path, role: &str) -> Passphrase {
    let docker = path.to_str().unwrap().contains("/docker-trust");
    let text = match role {
        "root" => "rootpass1",
        _ if docker => "repopass1",
        "targets" => "targpass1",
        "snapshot" => "snappass1",
        _ => "delepass1",
    };
    Passphrase::new(text.into())
}

#[test]
fn every_private_key_opens_and_is_written_again_byte_for_byte() {
    let mut count = 0;
    for (path, bytes) in files(".key") {
        let blocks = KeyBlock::parse_all(&bytes).unwrap();
        let [block] = blocks.as_slice() else { panic!("{}", path.display()) };
        let headers = block.headers();
        let passphrase = passphrase(&path, headers.role.as_deref().unwrap());
        let key = block.decrypt(Some(&passphrase)).unwrap();
        assert_eq!(key.id().as_str(), stem(&path));

        let pem = Pem::parse_all(&bytes).unwrap().remove(0);
        assert_eq!(*pem.encode(), bytes);
        let pkcs8 = decrypt_pbes2(&pem.contents, &passphrase).unwrap();
        assert_eq!(*key.to_pkcs8().unwrap(), *pkcs8, "{}", path.display());

        // SEQUENCE { SEQUENCE { PBES2, SEQUENCE { SEQUENCE { PBKDF2, SEQUENCE { salt …
        let at = |needle: &[u8]| {
            pem.contents.windows(needle.len()).position(|window| window == needle).unwrap()
        };
        let salt = at(&[0x30, 0x0e, 0x04, 0x08]) + 4;
        let iv = at(&[0x01, 0x2a, 0x04, 0x10]) + 4;
        let salt = pem.contents[salt..salt + 8].try_into().unwrap();
        let iv = pem.contents[iv..iv + 16].try_into().unwrap();
        let again = KeyBlock::encrypt_with(&key, &headers, &passphrase, salt, iv).unwrap();
        assert_eq!(*again.to_pem(), bytes, "{}", path.display());

        let (method, signature) = key.sign(b"message").unwrap();
        assert_eq!(key.public_key().verify(&method, b"message", &signature), Ok(()));
        assert_eq!(block.decrypt(None).unwrap_err(), KeyFileError::PassphraseNeeded);
        let wrong = Passphrase::new("wrong".into());
        assert_eq!(block.decrypt(Some(&wrong)).unwrap_err(), KeyFileError::WrongPassphrase);
        count += 1;
    }
    assert!(count > 15, "{count}");
}

#[test]
fn exported_keys_carry_their_path() {
    let bytes = read(&folder().join("notary-key-export.pem"));
    let blocks = KeyBlock::parse_all(&bytes).unwrap();
    assert!(blocks.len() > 1);
    for block in &blocks {
        let headers = block.headers();
        let path = PathBuf::from("notary-key-export.pem");
        let key =
            block.decrypt(Some(&passphrase(&path, headers.role.as_deref().unwrap()))).unwrap();
        assert_eq!(block.path_key_id(), Some(key.id()));
    }
}

fn now() -> Timestamp {
    Rfc3339::parse("2026-12-01T00:00:00Z").unwrap().instant()
}

#[test]
fn public_key_files() {
    let alice = PublicKey::from_pem(&read(&folder().join("alice.pub")), now()).unwrap();
    assert_eq!(alice.key_type(), &KeyType::Ecdsa);
    let alpha = PublicKey::from_pem(&read(&folder().join("alpha.pem")), now()).unwrap();
    let id = "585ad6ab67991e363967f527ee6e27535ff1725758105b098fb6ce5d0ca5b65a";
    assert_eq!(alpha.id().as_str(), id);
    let rsa = PublicKey::from_pem(&read(&folder().join("rsa.crt")), now()).unwrap();
    assert_eq!(rsa.key_type(), &KeyType::RsaX509);
    assert!(rsa.id().as_str().starts_with("c1912f3d") && rsa.id().as_str().ends_with("d148"));
    let bare = rsa.canonical_id().unwrap();
    assert!(bare.as_str().starts_with("8153a59a") && bare.as_str().ends_with("72d1"));
}

#[test]
fn root_certificates_are_of_the_form_we_write() {
    let mut count = 0;
    for (path, bytes) in files("/root.json") {
        let name = path.to_str().unwrap();
        let gun = name.split_once("/tuf/").unwrap().1.strip_suffix("/metadata/root.json").unwrap();
        let root = Value::parse(&bytes).unwrap();
        for key in root.get("signed").unwrap().get("keys").unwrap().as_object().unwrap().values() {
            let key = PublicKey::from_json(key).unwrap();
            if !key.key_type().is_x509() {
                continue;
            }
            let bundle = Certificate::parse_bundle(key.public()).unwrap();
            assert_eq!(bundle[0].to_pem(), key.public());
            assert_eq!(PublicKey::from_certificates(&bundle).unwrap(), key);
            assert!(bundle[0].covers(gun) && !bundle[0].covers("other") && !bundle[0].is_ca);
            assert_eq!(bundle[0].check_algorithms(), Ok(()));
            assert_eq!(bundle[0].check_dates(now()), Ok(()));
            assert_eq!(bundle[0].chains_to(&[], &bundle, now()), Ok(()));
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}

/// The time of reading is linear in the size: a quadratic reader would need minutes here.
#[test]
fn twenty_thousand_targets_are_read_and_written() {
    let hash = "E9OWOPzVKbYfR4zFmKmAz3HQOmCWUPwZVQyoB4pMzps=";
    let target = |n| format!("\"{n:06}\":{{\"hashes\":{{\"sha256\":\"{hash}\"}},\"length\":{n}}}");
    let targets: Vec<String> = (10..20_010).map(target).collect();
    let text = format!("{{\"targets\":{{{}}}}}", targets.join(","));
    let value = Value::parse(text.as_bytes()).unwrap();
    assert_eq!(value.get("targets").unwrap().as_object().unwrap().len(), 20_000);
    assert_eq!(value.to_wire(), text.as_bytes());
}
