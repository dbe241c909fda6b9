//! PEM as Go's `encoding/pem` reads and writes it: RFC 7468 with the headers of RFC 1421.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::limits::MAX_KEY_FILE_BYTES;

/// One PEM block, headers included.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// What stands after `BEGIN`: `ENCRYPTED PRIVATE KEY`, `CERTIFICATE`, …
    pub label: String,
    /// `name: value` lines before the data; names and values without outer white space.
    pub headers: BTreeMap<String, String>,
    /// The decoded data; wiped on drop, for it may be a private key.
    pub contents: Zeroizing<Vec<u8>>,
}

/// Why a text has no PEM block to offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// No `BEGIN` line.
    #[error("no PEM block found")]
    Missing,
    /// Larger than [`MAX_KEY_FILE_BYTES`].
    #[error("PEM text has {bytes} bytes, more than {MAX_KEY_FILE_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A block without its `END` line.
    #[error("PEM block that begins on line {line} has no end")]
    Unterminated {
        /// Its `BEGIN` line, from 1.
        line: usize,
    },
    /// A block whose `END` line names something else, whose headers are not text, or whose data
    /// are not base64.
    #[error("PEM block that begins on line {line} is damaged")]
    Damaged {
        /// Its `BEGIN` line, from 1.
        line: usize,
    },
}

impl Pem {
    /// Makes a block without headers.
    pub fn new(label: &str, contents: Vec<u8>) -> Self {
        let contents = Zeroizing::new(contents);
        Self { label: label.to_owned(), headers: BTreeMap::new(), contents }
    }

    /// Reads every block of a text.
    ///
    /// Text between blocks is skipped, and so are damaged blocks next to sound ones, as Go does;
    /// when there is no sound block the error tells what was wrong with the first.
    pub fn parse_all(text: &[u8]) -> Result<Vec<Self>, PemError> {
        if u64::try_from(text.len()).is_ok_and(|bytes| bytes > MAX_KEY_FILE_BYTES) {
            return Err(PemError::TooLarge { bytes: text.len() });
        }
        let mut found = Vec::new();
        let mut first_fault = None;
        let mut open: Option<OpenBlock<'_>> = None;
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            if let Some(label) = boundary(line, b"-----BEGIN ") {
                if let Some(abandoned) = open.replace(OpenBlock::new(label, index + 1)) {
                    first_fault.get_or_insert(PemError::Unterminated { line: abandoned.line });
                }
            } else if let Some(label) = boundary(line, b"-----END ") {
                let Some(block) = open.take() else { continue };
                let begin = block.line;
                match block.close(label) {
                    Some(pem) => found.push(pem),
                    None => {
                        first_fault.get_or_insert(PemError::Damaged { line: begin });
                    }
                }
            } else if let Some(block) = &mut open {
                block.add(line);
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let unterminated = open.map(|block| PemError::Unterminated { line: block.line });
        Err(first_fault.or(unterminated).unwrap_or(PemError::Missing))
    }

    /// Writes the block: headers sorted (`Proc-Type` first), a blank line after them, 64 columns.
    ///
    /// Control characters in headers are dropped: a header cannot break out of its line.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Sized in advance: a growing buffer leaves copies of the secret behind.
        let header_bytes: usize = self.headers.iter().map(|(n, v)| n.len() + v.len() + 3).sum();
        let size = self.contents.len() * 3 / 2 + header_bytes + 2 * self.label.len() + 64;
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        let mut put = |part: &str| out.extend_from_slice(part.as_bytes());
        put(&format!("-----BEGIN {}-----\n", self.label));
        let (first, others): (Vec<_>, Vec<_>) =
            self.headers.iter().partition(|(name, _)| *name == "Proc-Type");
        for (name, value) in first.into_iter().chain(others) {
            put(&header_line(name, value));
        }
        if !self.headers.is_empty() {
            put("\n");
        }
        // 48 bytes are 64 columns.
        for chunk in self.contents.chunks(48) {
            let line = Zeroizing::new(STANDARD.encode(chunk));
            put(&line);
            put("\n");
        }
        put(&format!("-----END {}-----\n", self.label));
        out
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem")
            .field("label", &self.label)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// A block whose `END` line is still to come.
struct OpenBlock<'a> {
    label: &'a [u8],
    line: usize,
    headers: BTreeMap<String, String>,
    in_headers: bool,
    base64: Zeroizing<Vec<u8>>,
    damaged: bool,
}

impl<'a> OpenBlock<'a> {
    fn new(label: &'a [u8], line: usize) -> Self {
        Self {
            label,
            line,
            headers: BTreeMap::new(),
            in_headers: true,
            base64: Zeroizing::new(Vec::new()),
            damaged: false,
        }
    }

    /// Takes one line. Headers end at the first line without a colon, blank or not.
    fn add(&mut self, line: &[u8]) {
        let colon = line.iter().position(|&byte| byte == b':').filter(|_| self.in_headers);
        let Some((name, [_, value @ ..])) = colon.and_then(|at| line.split_at_checked(at)) else {
            self.in_headers = false;
            self.base64.extend(line.iter().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r')));
            return;
        };
        match (std::str::from_utf8(name), std::str::from_utf8(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.insert(name.trim().to_owned(), value.trim().to_owned());
            }
            _ => self.damaged = true,
        }
    }

    fn close(self, label: &[u8]) -> Option<Pem> {
        if self.damaged || label != self.label {
            return None;
        }
        Some(Pem {
            label: std::str::from_utf8(label).ok()?.to_owned(),
            headers: self.headers,
            contents: Zeroizing::new(STANDARD.decode(&*self.base64).ok()?),
        })
    }
}

/// Returns the label of a `-----BEGIN LABEL-----` or `-----END LABEL-----` line.
fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.trim_ascii_end().strip_suffix(b"-----")
}

fn header_line(name: &str, value: &str) -> String {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    format!("{}: {}\n", clean(name).replace(':', ""), clean(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    const TWO: &str = "before\n-----BEGIN A B-----\nrole: x: y\ngun :  z \n\nAAEC\n-----END A B-----\n\
        between\r\n-----BEGIN C-----\r\nAA EC\r\nAw==\r\n-----END C-----  \r\n";

    #[test]
    fn reads_headers_text_between_and_carriage_returns() {
        let blocks = Pem::parse_all(TWO.as_bytes()).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].label, "A B");
        assert_eq!(blocks[0].headers["role"], "x: y");
        assert_eq!(blocks[0].headers["gun"], "z");
        assert_eq!(*blocks[0].contents, [0, 1, 2]);
        assert_eq!((blocks[1].label.as_str(), blocks[1].headers.len()), ("C", 0));
        assert_eq!(*blocks[1].contents, [0, 1, 2, 3]);
    }

    #[test]
    fn headers_need_no_blank_line_after_them() {
        let text = b"-----BEGIN K-----\nrole: x\nAAEC\n-----END K-----";
        assert_eq!(*Pem::parse_all(text).unwrap()[0].contents, [0, 1, 2]);
    }

    #[test_case("", PemError::Missing; "empty")]
    #[test_case("just text\n", PemError::Missing; "text")]
    #[test_case("x -----BEGIN K-----\nAAEC\n-----END K-----\n", PemError::Missing; "not at line start")]
    #[test_case("-----BEGIN K-----\nAAEC\n", PemError::Unterminated { line: 1 }; "no end")]
    #[test_case("\n-----BEGIN K-----\nAAEC\n-----END L-----\n", PemError::Damaged { line: 2 }; "other end")]
    #[test_case("-----BEGIN K-----\nAAE\n-----END K-----\n", PemError::Damaged { line: 1 }; "cut base64")]
    #[test_case("-----BEGIN K-----\nA*EC\n-----END K-----\n", PemError::Damaged { line: 1 }; "not base64")]
    #[test_case("-----BEGIN K-----\nAAEC\na: b\n-----END K-----\n", PemError::Damaged { line: 1 }; "late header")]
    fn refuses(text: &str, error: PemError) {
        assert_eq!(Pem::parse_all(text.as_bytes()), Err(error));
    }

    #[test]
    fn sound_blocks_survive_damaged_neighbours() {
        let text = "-----BEGIN K-----\n-----BEGIN K-----\n*\n-----END K-----\n".repeat(3) + TWO;
        assert_eq!(Pem::parse_all(text.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn size_is_bounded() {
        let text = b"-----BEGIN K-----\n".repeat(60_000);
        assert_eq!(Pem::parse_all(&text), Err(PemError::TooLarge { bytes: text.len() }));
    }

    #[test]
    fn writes_what_go_writes() {
        let mut pem = Pem::new("K", vec![0xff; 50]);
        for (name, value) in [("role", "r"), ("DEK-Info", "d"), ("Proc-Type", "4,ENCRYPTED")] {
            pem.headers.insert(name.into(), value.into());
        }
        let data = "/".repeat(64);
        let text = format!(
            "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: d\nrole: r\n\n{data}\n//8=\n-----END K-----\n"
        );
        assert_eq!(std::str::from_utf8(&pem.encode()).unwrap(), text);
        assert_eq!(*Pem::new("K", vec![]).encode(), *b"-----BEGIN K-----\n-----END K-----\n");
    }

    #[test]
    fn a_header_cannot_add_lines() {
        let mut pem = Pem::new("K", vec![1]);
        pem.headers.insert("gun".into(), "a\r\nrole: root".into());
        let read = Pem::parse_all(&pem.encode()).unwrap();
        assert_eq!(read[0].headers.get("role"), None);
    }

    #[test]
    fn debug_shows_no_contents() {
        let pem = Pem::new("K", vec![200, 201]);
        assert_eq!(format!("{pem:?}"), r#"Pem { label: "K", headers: {}, .. }"#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            contents in prop::collection::vec(any::<u8>(), 0..200),
            headers in prop::collection::btree_map("[a-zA-Z-]{1,9}", "[!-~]([ -~]{0,20}[!-~])?", 0..4),
        ) {
            let pem = Pem { label: "X Y".into(), headers, contents: Zeroizing::new(contents) };
            prop_assert_eq!(Pem::parse_all(&pem.encode()).unwrap(), vec![pem]);
        }
    }
}
