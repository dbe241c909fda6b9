//! Forms: bodies of `multipart/form-data` (RFC 7578), as uploads of trust data are.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;

use crate::tuf::RoleName;

/// The name of the parts that are trust files, each with its role as the name of its file.
pub const FILES: &str = "files";

/// Why a body is no form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// Not `multipart/form-data` with a boundary, or not well formed.
    #[error("the body is not well-formed multipart/form-data")]
    Malformed(#[from] multer::Error),
    /// More parts than are taken.
    #[error("there are more than {most} parts")]
    TooManyParts {
        /// How many are.
        most: usize,
    },
}

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name; empty if it has none.
    pub name: String,
    /// The name of the file that it is; empty if it has none.
    pub file_name: String,
    /// Its media type; empty if it does not say.
    pub media_type: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// Takes a form apart, part by part.
#[derive(Debug)]
pub struct FormReader {
    parts: Multipart<'static>,
    count: usize,
    most: usize,
}

impl FormReader {
    /// Begins to read a body of at most `most` parts, whose header `Content-Type` is given.
    pub fn new(content_type: &str, body: Bytes, most: usize) -> Result<Self, FormError> {
        let boundary = multer::parse_boundary(content_type)?;
        if boundary.is_empty() {
            return Err(multer::Error::NoBoundary.into());
        }
        let body = stream::once(async move { Ok::<_, Infallible>(body) });
        Ok(Self { parts: Multipart::new(body, boundary), count: 0, most })
    }

    /// Returns the next part; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Part>, FormError> {
        let Some(part) = self.parts.next_field().await? else { return Ok(None) };
        self.count += 1;
        if self.count > self.most {
            return Err(FormError::TooManyParts { most: self.most });
        }
        Ok(Some(Part {
            name: part.name().unwrap_or_default().to_owned(),
            file_name: part.file_name().unwrap_or_default().to_owned(),
            media_type: part.content_type().map(ToString::to_string).unwrap_or_default(),
            bytes: part.bytes().await?,
        }))
    }
}

/// Writes a form. Nothing is quoted: names, media types and names of files must need none.
#[derive(Debug)]
pub struct FormWriter<'a> {
    boundary: &'a str,
    body: Vec<u8>,
}

impl<'a> FormWriter<'a> {
    /// A form without parts; `boundary` must be nowhere in what comes into it.
    pub const fn new(boundary: &'a str) -> Self {
        Self { boundary, body: Vec::new() }
    }

    /// Adds a part that is a line of text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.part(&format!("name=\"{name}\""), "text/plain; charset=utf-8", text.as_bytes());
    }

    /// Adds a part that is a file.
    pub fn file(&mut self, name: &str, file_name: &str, media_type: &str, bytes: &[u8]) {
        self.part(&format!("name=\"{name}\"; filename=\"{file_name}\""), media_type, bytes);
    }

    /// Adds trust files, each under the name of its role.
    pub fn trust_files(&mut self, files: &[(RoleName, Vec<u8>)]) {
        for (role, bytes) in files {
            self.file(FILES, role.as_str(), ANY_BYTES, bytes);
        }
    }

    /// Ends the form, and returns it.
    pub fn finish(mut self) -> Bytes {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        self.body.into()
    }

    fn part(&mut self, disposition: &str, media_type: &str, bytes: &[u8]) {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; {disposition}\r\n\
             Content-Type: {media_type}\r\n\r\n",
            self.boundary
        );
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }
}

/// The header `Content-Type` of a form with this boundary.
pub fn content_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary={boundary}")
}

/// The media type of what has none of its own.
pub const ANY_BYTES: &str = "application/octet-stream";

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Bytes {
        let mut form = FormWriter::new("B");
        form.text("tag", "v1");
        form.trust_files(&[(RoleName::Root, b"r\r\n".to_vec()), (RoleName::releases(), vec![])]);
        form.finish()
    }

    #[tokio::test]
    async fn what_was_written_is_read() {
        let mut form = FormReader::new(&content_type("B"), written(), 3).unwrap();
        let part = |name: &str, file_name: &str, media_type: &str, bytes: &'static [u8]| Part {
            name: name.to_owned(),
            file_name: file_name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: Bytes::from_static(bytes),
        };
        let text = part("tag", "", "text/plain; charset=utf-8", b"v1");
        assert_eq!(form.next().await.unwrap(), Some(text));
        assert_eq!(form.next().await.unwrap(), Some(part(FILES, "root", ANY_BYTES, b"r\r\n")));
        let releases = part(FILES, "targets/releases", ANY_BYTES, b"");
        assert_eq!(form.next().await.unwrap(), Some(releases));
        assert_eq!(form.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn one_part_too_many() {
        let mut form = FormReader::new(&content_type("B"), written(), 2).unwrap();
        form.next().await.unwrap();
        form.next().await.unwrap();
        let error = form.next().await.unwrap_err();
        assert!(matches!(error, FormError::TooManyParts { most: 2 }), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_form() {
        for content_type in
            ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary="]
        {
            let error = FormReader::new(content_type, written(), 9).unwrap_err();
            assert!(matches!(error, FormError::Malformed(_)), "{content_type}: {error}");
        }
        for body in
            ["", "B", "--B\r\n", "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx"]
        {
            let mut form = FormReader::new(&content_type("B"), body.into(), 9).unwrap();
            let error = form.next().await.unwrap_err();
            assert!(matches!(error, FormError::Malformed(_)), "{body}: {error}");
        }
    }
}
