//! Bytes sealed under a passphrase, in the format `age-encryption.org/v1` with its one recipient
//! for passphrases (`spec/key-backup.md` §2): `age -d` and `rage -d` open them, too.

use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::Passphrase;
use crate::limits::MAX_SCRYPT_BYTES;

/// Why sealed bytes cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The first line is not that of the format.
    #[error("it is not an age file")]
    Foreign,
    /// Sealed for keys instead of a passphrase.
    #[error("it is not sealed under a passphrase")]
    OtherRecipient,
    /// The head ends too early or breaks the format's rules.
    #[error("its head is malformed")]
    MalformedHead,
    /// Opening it would take minutes, or all the memory: no honest file does that.
    #[error("its scrypt parameters are too expensive")]
    TooExpensive,
    /// The passphrase does not open it, or the salt was altered.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The passphrase is right, and something was altered or cut off.
    #[error("it was altered or cut off")]
    Damaged,
    /// The operating system gave no random numbers, or the primitives refused.
    #[error("cannot {what}")]
    Failed {
        /// What was attempted.
        what: &'static str,
    },
}

/// Seals bytes under a passphrase.
pub fn seal(contents: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, SealedError> {
    seal_with(contents, passphrase, WORK_FACTOR)
}

fn seal_with(contents: &[u8], passphrase: &Passphrase, log_n: u8) -> Result<Vec<u8>, SealedError> {
    let (mut file, payload) = begin(passphrase, log_n)?;
    let pieces: Vec<&[u8]> = contents.chunks(CHUNK_BYTES).collect();
    let count = pieces.len().max(1);
    for number in 0..count {
        let mut piece = pieces.get(number).copied().unwrap_or_default().to_vec();
        encrypt(&payload, piece_nonce(number, number + 1 == count), &mut piece)?;
        file.extend(piece);
    }
    Ok(file)
}

/// Makes a file key; returns the beginning of the file, and the key of its contents.
fn begin(passphrase: &Passphrase, log_n: u8) -> Result<(Vec<u8>, LessSafeKey), SealedError> {
    let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
    let (mut salt, mut nonce) = ([0; 16], [0; 16]);
    for random in [&mut file_key[..], &mut salt, &mut nonce] {
        aws_lc_rs::rand::fill(random)
            .map_err(|_| SealedError::Failed { what: "get random numbers" })?;
    }
    let wrapping = wrapping_key(passphrase, &salt, log_n)?;
    let mut body = file_key.to_vec();
    encrypt(&cipher(&wrapping)?, [0; 12], &mut body)?;
    let mut file = format!(
        "{FIRST_LINE}\n-> scrypt {} {log_n}\n{}\n---",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(&body),
    )
    .into_bytes();
    let mac = hmac::sign(&header_key(&file_key[..])?, &file);
    file.extend(format!(" {}\n", STANDARD_NO_PAD.encode(mac)).into_bytes());
    file.extend(nonce);
    let payload = cipher(&*derive(&nonce, &file_key[..], b"payload")?)?;
    Ok((file, payload))
}

/// Seals what is written to it, piece by piece, as [`seal`] does at once.
#[derive(Debug)]
pub struct Sealer<W: Write> {
    inner: W,
    payload: LessSafeKey,
    number: usize,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    /// Begins to seal under a passphrase.
    pub fn new(mut inner: W, passphrase: &Passphrase) -> io::Result<Self> {
        let (head, payload) = begin(passphrase, WORK_FACTOR).map_err(io::Error::other)?;
        inner.write_all(&head)?;
        let piece = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        Ok(Self { inner, payload, number: 0, piece })
    }

    /// Seals the last piece. Without it, what was written does not open.
    pub fn finish(mut self) -> io::Result<W> {
        self.pass_on(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn pass_on(&mut self, is_last: bool) -> io::Result<()> {
        let mut piece = std::mem::take(&mut *self.piece);
        let nonce = piece_nonce(self.number, is_last);
        encrypt(&self.payload, nonce, &mut piece).map_err(io::Error::other)?;
        self.inner.write_all(&piece)?;
        piece.clear();
        *self.piece = piece;
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits: the last one says so, and must not be empty.
        if self.piece.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.pass_on(false)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.piece.len());
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what was sealed, piece by piece: nothing comes out of it that was altered, and the end only
/// if nothing was cut off. Such an error has a [`SealedError`] inside.
#[derive(Debug)]
pub struct Opener<R: BufRead> {
    inner: R,
    payload: LessSafeKey,
    number: usize,
    piece: Zeroizing<Vec<u8>>,
    read: usize,
    ended: bool,
}

impl<R: BufRead> Opener<R> {
    /// Reads the head, and tries the passphrase.
    pub fn new(mut inner: R, passphrase: &Passphrase) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_LINES * MAX_LINE_BYTES);
        for _ in 0..HEAD_LINES {
            (&mut inner).take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut head)?;
        }
        let opened = (|| {
            let parsed = Head::parse(&head)?;
            let wrapping = wrapping_key(passphrase, &parsed.salt, parsed.log_n)?;
            file_key(&parsed, &wrapping)
        })();
        let file_key = opened.map_err(io::Error::other)?;
        let mut nonce = [0; 16];
        inner.read_exact(&mut nonce).map_err(|_| io::Error::other(SealedError::Damaged))?;
        let payload = derive(&nonce, &file_key, b"payload").and_then(|key| cipher(&key));
        let payload = payload.map_err(io::Error::other)?;
        Ok(Self { inner, payload, number: 0, piece: Zeroizing::default(), read: 0, ended: false })
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let damaged = || io::Error::other(SealedError::Damaged);
        let mut piece = std::mem::take(&mut *self.piece);
        piece.clear();
        let size = CHUNK_BYTES + TAG_BYTES;
        (&mut self.inner).take(size as u64).read_to_end(&mut piece)?;
        let is_last = piece.len() < size || self.inner.fill_buf()?.is_empty();
        let nonce = piece_nonce(self.number, is_last);
        let length = decrypt(&self.payload, nonce, &mut piece).map(|plain| plain.len());
        let length = length.filter(|length| *length > 0 || self.number == 0);
        piece.truncate(length.ok_or_else(damaged)?);
        *self.piece = piece;
        self.number += 1;
        self.read = 0;
        self.ended = is_last;
        Ok(())
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() && !self.ended {
            self.next_piece()?;
        }
        let left = self.piece.get(self.read..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(left) {
            *to = *from;
        }
        self.read += count;
        Ok(count)
    }
}

/// Opens what [`seal`] or `age` sealed.
pub fn open(file: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let head = Head::parse(file)?;
    let wrapping = wrapping_key(passphrase, &head.salt, head.log_n)?;
    let file_key = file_key(&head, &wrapping)?;
    let (nonce, sealed) = head.rest.split_first_chunk::<16>().ok_or(SealedError::Damaged)?;
    let payload = cipher(&*derive(nonce, &file_key, b"payload")?)?;
    let pieces: Vec<&[u8]> = sealed.chunks(CHUNK_BYTES + TAG_BYTES).collect();
    let mut contents = Zeroizing::new(Vec::with_capacity(sealed.len()));
    for (number, piece) in pieces.iter().enumerate() {
        let is_last = number + 1 == pieces.len();
        let mut piece = Zeroizing::new(piece.to_vec());
        let plain = decrypt(&payload, piece_nonce(number, is_last), &mut piece)
            .ok_or(SealedError::Damaged)?;
        // Only a file of nothing may end with an empty piece.
        if plain.is_empty() && number > 0 {
            return Err(SealedError::Damaged);
        }
        contents.extend_from_slice(plain);
    }
    if pieces.is_empty() { Err(SealedError::Damaged) } else { Ok(contents) }
}

/// Opens the file key, which must be that of the rest of the head.
fn file_key(head: &Head<'_>, wrapping: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let mut body = Zeroizing::new(head.body.clone());
    let file_key =
        decrypt(&cipher(wrapping)?, [0; 12], &mut body).ok_or(SealedError::WrongPassphrase)?;
    let file_key = Zeroizing::new(file_key.to_vec());
    hmac::verify(&header_key(&file_key)?, head.authenticated, &head.mac)
        .map_err(|_| SealedError::Damaged)?;
    Ok(file_key)
}

/// Checks what can be checked without a passphrase: format, recipient, cost.
pub fn check(file: &[u8]) -> Result<(), SealedError> {
    let head = Head::parse(file)?;
    check_cost(head.log_n)
}

struct Head<'a> {
    salt: Vec<u8>,
    log_n: u8,
    body: Vec<u8>,
    /// What the code authenticates: all up to the three dashes.
    authenticated: &'a [u8],
    mac: Vec<u8>,
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    fn parse(file: &'a [u8]) -> Result<Self, SealedError> {
        let mut left = file;
        let mut line = || -> Option<&'a str> {
            let end = left.iter().take(MAX_LINE_BYTES).position(|byte| *byte == b'\n')?;
            let (line, rest) = left.split_at_checked(end)?;
            left = rest.get(1..)?;
            std::str::from_utf8(line).ok()
        };
        if line() != Some(FIRST_LINE) {
            return Err(SealedError::Foreign);
        }
        let stanza = line().and_then(|line| line.strip_prefix("-> "));
        let words: Vec<&str> = stanza.ok_or(SealedError::MalformedHead)?.split(' ').collect();
        let [kind, salt, log_n] = words.as_slice() else {
            return Err(match words.first() {
                Some(&"scrypt") | None => SealedError::MalformedHead,
                Some(_) => SealedError::OtherRecipient,
            });
        };
        if *kind != "scrypt" {
            return Err(SealedError::OtherRecipient);
        }
        let bytes = |text: &str| STANDARD_NO_PAD.decode(text).ok();
        let salt = bytes(salt).filter(|salt| salt.len() == 16);
        let log_n = log_n.parse().ok().filter(|number: &u8| number.to_string() == *log_n);
        let body = line().and_then(bytes).filter(|body| body.len() == FILE_KEY_BYTES + TAG_BYTES);
        let mac = line().and_then(|line| line.strip_prefix("--- ")).and_then(bytes);
        let (Some(salt), Some(log_n), Some(body), Some(mac)) = (salt, log_n, body, mac) else {
            return Err(SealedError::MalformedHead);
        };
        let head = file.len().saturating_sub(left.len());
        let code = STANDARD_NO_PAD.encode(&mac).len().saturating_add(2);
        let authenticated = file.get(..head.saturating_sub(code)).unwrap_or_default();
        Ok(Self { salt, log_n, body, authenticated, mac, rest: left })
    }
}

fn wrapping_key(
    passphrase: &Passphrase,
    salt: &[u8],
    log_n: u8,
) -> Result<Zeroizing<[u8; 32]>, SealedError> {
    check_cost(log_n)?;
    let failed = SealedError::MalformedHead;
    let block_size = u32::try_from(BLOCK_SIZE).map_err(|_| failed.clone())?;
    let parameters = scrypt::Params::new(log_n, block_size, 1).map_err(|_| failed.clone())?;
    let mut key = Zeroizing::new([0; 32]);
    let salt = [SALT_PREFIX, salt].concat();
    scrypt::scrypt(passphrase.expose().as_bytes(), &salt, &parameters, &mut key[..])
        .map_err(|_| failed)?;
    Ok(key)
}

fn check_cost(log_n: u8) -> Result<(), SealedError> {
    let memory = 1_u64.checked_shl(log_n.into()).and_then(|n| n.checked_mul(128 * BLOCK_SIZE));
    match memory {
        // A cost of one is none, and scrypt does not know it (RFC 7914 §2).
        _ if log_n == 0 => Err(SealedError::MalformedHead),
        Some(memory) if memory <= MAX_SCRYPT_BYTES => Ok(()),
        _ => Err(SealedError::TooExpensive),
    }
}

fn derive(salt: &[u8], secret: &[u8], purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealedError> {
    let failed = |_| SealedError::Failed { what: "derive a key" };
    let mut key = Zeroizing::new([0; 32]);
    let info = [purpose];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    prk.expand(&info, hkdf::HKDF_SHA256).map_err(failed)?.fill(&mut key[..]).map_err(failed)?;
    Ok(key)
}

fn header_key(file_key: &[u8]) -> Result<hmac::Key, SealedError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(&[], file_key, b"header")?[..]))
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, SealedError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key);
    key.map(LessSafeKey::new).map_err(|_| SealedError::Failed { what: "use a key" })
}

fn encrypt(key: &LessSafeKey, nonce: [u8; 12], bytes: &mut Vec<u8>) -> Result<(), SealedError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), bytes)
        .map_err(|_| SealedError::Failed { what: "encrypt" })
}

fn decrypt<'a>(key: &LessSafeKey, nonce: [u8; 12], bytes: &'a mut [u8]) -> Option<&'a mut [u8]> {
    key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), bytes).ok()
}

/// The number of a piece in eleven bytes, and whether it is the last.
fn piece_nonce(number: usize, is_last: bool) -> [u8; 12] {
    let counter = (number as u128) << 8 | u128::from(is_last);
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().rev().zip(counter.to_le_bytes()) {
        *to = from;
    }
    nonce
}

const FIRST_LINE: &str = "age-encryption.org/v1";
const SALT_PREFIX: &[u8] = b"age-encryption.org/v1/scrypt";
const FILE_KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const CHUNK_BYTES: usize = 64 << 10;
const BLOCK_SIZE: u64 = 8;
/// Lines of a head for a passphrase.
const HEAD_LINES: usize = 4;
/// No line of a head for a passphrase is longer.
const MAX_LINE_BYTES: usize = 128;
/// Two to this is scrypt's cost: 128 MiB, and some half a second.
const WORK_FACTOR: u8 = 17;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn pass(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn sealed(contents: &[u8]) -> Vec<u8> {
        seal_with(contents, &pass("long enough"), 2).unwrap()
    }

    #[test_case(0; "nothing")]
    #[test_case(1)]
    #[test_case(CHUNK_BYTES - 1)]
    #[test_case(CHUNK_BYTES; "one whole piece")]
    #[test_case(CHUNK_BYTES + 1)]
    #[test_case(3 * CHUNK_BYTES + 7)]
    fn what_is_sealed_is_opened(length: usize) {
        let contents: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let file = sealed(&contents);
        assert_eq!(&open(&file, &pass("long enough")).unwrap()[..], &contents[..]);
        assert_eq!(open(&file, &pass("long enoug")), Err(SealedError::WrongPassphrase));
        // Cut at the border of two pieces, too.
        for cut in [1, 16, 17, CHUNK_BYTES + TAG_BYTES, file.len() - 20] {
            if cut < file.len() {
                let cut = &file[..file.len() - cut];
                assert!(open(cut, &pass("long enough")).is_err(), "{}", cut.len());
            }
        }
        let longer = [&file[..], b"x"].concat();
        assert_eq!(open(&longer, &pass("long enough")), Err(SealedError::Damaged));
        // Piece by piece, whoever sealed it.
        let read = |file: &[u8]| {
            let mut contents = Vec::new();
            Opener::new(file, &pass("long enough"))?.read_to_end(&mut contents).map(|_| contents)
        };
        assert_eq!(read(&file).unwrap(), contents);
        for cut in (1..file.len()).step_by(1009) {
            assert!(read(&file[..file.len() - cut]).is_err(), "{cut}");
        }
        assert!(read(&longer).is_err());
        let (head, payload) = begin(&pass("long enough"), 2).unwrap();
        let mut sealer = Sealer { inner: head, payload, number: 0, piece: Zeroizing::default() };
        for part in contents.chunks(1000) {
            sealer.write_all(part).unwrap();
        }
        let file = sealer.finish().unwrap();
        assert_eq!(&open(&file, &pass("long enough")).unwrap()[..], &contents[..]);
        assert_eq!(read(&file).unwrap(), contents);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let file = sealed(b"secret");
        for byte in 0..file.len() {
            for bit in 0..8 {
                let mut altered = file.clone();
                altered[byte] ^= 1 << bit;
                assert!(open(&altered, &pass("long enough")).is_err(), "byte {byte}, bit {bit}");
            }
        }
        for length in 0..file.len() {
            assert!(open(&file[..length], &pass("long enough")).is_err(), "{length} bytes");
        }
    }

    #[test_case("", &SealedError::Foreign; "nothing")]
    #[test_case("-----BEGIN PRIVATE KEY-----\n", &SealedError::Foreign; "a key")]
    #[test_case("age-encryption.org/v2\n", &SealedError::Foreign; "another version")]
    #[test_case("age-encryption.org/v1\n", &SealedError::MalformedHead; "no more")]
    #[test_case("age-encryption.org/v1\n-> X25519 abc\n", &SealedError::OtherRecipient; "a key's")]
    #[test_case("age-encryption.org/v1\n-> scrypt abc\n", &SealedError::MalformedHead; "no factor")]
    fn what_is_not_ours_is_told_apart(text: &str, expected: &SealedError) {
        assert_eq!(open(text.as_bytes(), &pass("x")).as_ref().err(), Some(expected));
    }

    #[test_case("19", &SealedError::TooExpensive)]
    #[test_case("63", &SealedError::TooExpensive)]
    #[test_case("64", &SealedError::TooExpensive)]
    #[test_case("255", &SealedError::TooExpensive)]
    #[test_case("256", &SealedError::MalformedHead)]
    #[test_case("02", &SealedError::MalformedHead)]
    #[test_case("+2", &SealedError::MalformedHead)]
    #[test_case("-1", &SealedError::MalformedHead)]
    #[test_case("0", &SealedError::MalformedHead)]
    fn other_work_factors_cost_nothing(factor: &str, expected: &SealedError) {
        let file = sealed(b"secret");
        let text: Vec<u8> = file.iter().take(200).copied().collect();
        let at = text.windows(3).position(|window| window == b" 2\n").unwrap();
        let file = [&file[..=at], factor.as_bytes(), &file[at + 2..]].concat();
        assert_eq!(open(&file, &pass("long enough")).as_ref().err(), Some(expected));
    }

    /// Sealed by `age` 1.1.1 (`age -p`), passphrase `throw-away`.
    #[test]
    fn a_file_of_age_is_opened() {
        let file = include_bytes!("../../tests/data/sealed.age");
        let contents = open(file, &pass("throw-away")).unwrap();
        assert_eq!(&contents[..], b"sealed by age\n");
    }
}
