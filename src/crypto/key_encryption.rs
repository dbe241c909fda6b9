//! The two encryptions of private key files: PBES2 (RFC 8018) and, read only, that of RFC 1423.

use aes::Aes128;
use aes::Aes192;
use aes::Aes256;
use cbc::Decryptor;
use cbc::cipher::BlockCipherDecrypt;
use cbc::cipher::BlockModeDecrypt as _;
use cbc::cipher::KeyInit;
use cbc::cipher::KeyIvInit as _;
use cbc::cipher::block_padding::Pkcs7;
use der::Decode as _;
use der::Encode as _;
use der::asn1::AnyRef;
use der::asn1::OctetString;
use md5::Digest as _;
use pkcs8::AlgorithmIdentifierRef;
use pkcs8::EncryptedPrivateKeyInfoOwned;
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5;
use pkcs8::pkcs5::pbes2;
use pkcs8::pkcs5::pbes2::Kdf;
use zeroize::Zeroizing;

use crate::codec::pem::Pem;
use crate::codec::text::from_hex;
use crate::crypto::KeyFileError;
use crate::crypto::Passphrase;
use crate::limits::MAX_PBKDF2_ITERATIONS;
use crate::limits::MAX_SCRYPT_BYTES;
use crate::limits::MAX_SCRYPT_WORK;

/// Decrypts an `EncryptedPrivateKeyInfo`: PBES2 with PBKDF2 or scrypt, and AES in CBC or GCM mode.
///
/// A wrong passphrase shows in the padding, but not always: the caller looks at what came out.
pub(super) fn decrypt_pbes2(
    der: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let info =
        EncryptedPrivateKeyInfoRef::from_der(der).map_err(|error| decode_error(der, &error))?;
    let pkcs5::EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(KeyFileError::Unsupported { what: "PBES1".into() });
    };
    check_cost(&parameters.kdf)?;
    let data = info.encrypted_data.as_bytes();
    check_length(&parameters.encryption, data)?;
    let mut buffer = Zeroizing::new(data.to_vec());
    let length = parameters
        .decrypt_in_place(passphrase.expose(), &mut buffer)
        .map_err(|error| match error {
            pkcs5::Error::DecryptFailed => KeyFileError::WrongPassphrase,
            _ => KeyFileError::Malformed { what: "encryption parameters" },
        })?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Encrypts a PKCS#8 key exactly as the reference does: PBKDF2 with HMAC-SHA-1, 2048 rounds and
/// 8 bytes of salt, AES-256-CBC (notary.md §2.2).
pub(super) fn encrypt_pbes2(
    pkcs8: &[u8],
    passphrase: &Passphrase,
    salt: [u8; 8],
    iv: [u8; 16],
) -> Result<Vec<u8>, KeyFileError> {
    let failed = || KeyFileError::Malformed { what: "private key" };
    let kdf = pbes2::Pbkdf2Params {
        salt: pbes2::Salt::new(salt).map_err(|_| failed())?,
        iteration_count: 2048,
        key_length: None,
        prf: pbes2::Pbkdf2Prf::HmacWithSha1,
    };
    let encryption = pbes2::EncryptionScheme::Aes256Cbc { iv };
    let parameters = pbes2::Parameters { kdf: kdf.into(), encryption };
    let data = parameters.encrypt(passphrase.expose(), pkcs8).map_err(|_| failed())?;
    let info = EncryptedPrivateKeyInfoOwned {
        encryption_algorithm: parameters.into(),
        encrypted_data: OctetString::new(data).map_err(|_| failed())?,
    };
    info.to_der().map_err(|_| failed())
}

/// Refuses key derivations that would keep us busy for minutes or eat the memory.
fn check_cost(kdf: &Kdf) -> Result<(), KeyFileError> {
    match kdf {
        Kdf::Pbkdf2(parameters) if parameters.iteration_count == 0 => {
            Err(KeyFileError::Malformed { what: "encryption parameters" })
        }
        Kdf::Pbkdf2(parameters) if parameters.iteration_count > MAX_PBKDF2_ITERATIONS => {
            Err(KeyFileError::TooExpensive { what: "PBKDF2 iterations" })
        }
        Kdf::Pbkdf2(_) => Ok(()),
        Kdf::Scrypt(parameters) => {
            let (n, p) = (parameters.cost_parameter, u64::from(parameters.parallelization));
            let memory = n.saturating_mul(128).saturating_mul(parameters.block_size.into());
            if !n.is_power_of_two() || n < 2 || memory == 0 || p == 0 {
                return Err(KeyFileError::Malformed { what: "encryption parameters" });
            }
            if memory > MAX_SCRYPT_BYTES || memory.saturating_mul(p) > MAX_SCRYPT_WORK {
                return Err(KeyFileError::TooExpensive { what: "scrypt parameters" });
            }
            Ok(())
        }
        _ => Err(KeyFileError::Unsupported { what: "key derivation".into() }),
    }
}

/// Tells a truncated file from a wrong passphrase.
fn check_length(scheme: &pbes2::EncryptionScheme, data: &[u8]) -> Result<(), KeyFileError> {
    use pbes2::EncryptionScheme::Aes128Gcm;
    use pbes2::EncryptionScheme::Aes256Gcm;
    let whole = match scheme {
        Aes128Gcm { .. } | Aes256Gcm { .. } => data.len() > 16,
        _ => !data.is_empty() && data.len().is_multiple_of(16),
    };
    if whole { Ok(()) } else { Err(KeyFileError::Malformed { what: "encrypted data" }) }
}

/// Tells an encryption not known here from bytes that are no encrypted key.
fn decode_error(der: &[u8], error: &der::Error) -> KeyFileError {
    let scheme = AnyRef::from_der(der).and_then(|outer| {
        outer.sequence(|reader| {
            let scheme = AlgorithmIdentifierRef::decode(reader)?.oid;
            AnyRef::decode(reader)?;
            Ok::<_, der::Error>(scheme)
        })
    });
    let oid = match (error.kind(), scheme) {
        (der::ErrorKind::OidUnknown { oid }, _) => oid,
        (_, Ok(scheme)) if scheme != pbes2::PBES2_OID => scheme,
        _ => return KeyFileError::Malformed { what: "encrypted private key" },
    };
    KeyFileError::Unsupported { what: format!("encryption algorithm {oid}") }
}

/// Decrypts a block whose `DEK-Info` header names AES in CBC mode and the initial vector.
pub(super) fn decrypt_dek_info(
    pem: &Pem,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let malformed = KeyFileError::Malformed { what: "DEK-Info header" };
    let header = pem.headers.get("DEK-Info").ok_or(malformed.clone())?;
    let (algorithm, iv) = header.split_once(',').ok_or(malformed.clone())?;
    let iv = from_hex(&iv.trim().to_lowercase()).map_err(|_| malformed.clone())?;
    let iv = <[u8; 16]>::try_from(iv).map_err(|_| malformed.clone());
    match algorithm.trim() {
        "AES-128-CBC" => decrypt_cbc::<Aes128>(&pem.contents, passphrase, iv?, 16),
        "AES-192-CBC" => decrypt_cbc::<Aes192>(&pem.contents, passphrase, iv?, 24),
        "AES-256-CBC" => decrypt_cbc::<Aes256>(&pem.contents, passphrase, iv?, 32),
        other => {
            let shown: String = other.chars().take(40).flat_map(char::escape_debug).collect();
            Err(KeyFileError::Unsupported { what: format!("encryption algorithm {shown}") })
        }
    }
}

fn decrypt_cbc<C: BlockCipherDecrypt + KeyInit>(
    data: &[u8],
    passphrase: &Passphrase,
    iv: [u8; 16],
    key_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let malformed = KeyFileError::Malformed { what: "encrypted data" };
    if data.is_empty() || !data.len().is_multiple_of(16) {
        return Err(malformed);
    }
    let mut key = md5_key(passphrase, iv);
    key.truncate(key_bytes);
    let cipher = Decryptor::<C>::new_from_slices(&key, &iv).map_err(|_| malformed)?;
    let mut buffer = Zeroizing::new(data.to_vec());
    let length = cipher
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map_err(|_| KeyFileError::WrongPassphrase)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Derives 32 bytes as OpenSSL's old PEM encryption does: chained MD5 over passphrase and salt, the
/// salt being the first half of the initial vector.
fn md5_key(passphrase: &Passphrase, iv: [u8; 16]) -> Zeroizing<Vec<u8>> {
    let [s0, s1, s2, s3, s4, s5, s6, s7, ..] = iv;
    let salt = [s0, s1, s2, s3, s4, s5, s6, s7];
    let mut key = Zeroizing::new(Vec::with_capacity(32));
    let mut last: Option<Zeroizing<[u8; 16]>> = None;
    while key.len() < 32 {
        let mut hash = md5::Md5::new();
        if let Some(last) = &last {
            hash.update(last.as_slice());
        }
        hash.update(passphrase.expose());
        hash.update(salt);
        let digest = Zeroizing::new(<[u8; 16]>::from(hash.finalize()));
        key.extend_from_slice(digest.as_slice());
        last = Some(digest);
    }
    key
}
