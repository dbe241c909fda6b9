//! Where a context is: a folder, an archive that comes in, a repository, or a download.

use std::path::{Path, PathBuf};

use url::Url;

use crate::client::git::{GitAddress, GitAddressError};
use crate::oci::{Reference, ReferenceError};
use crate::store::streams::is_folder;

/// Where a context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder here.
    Folder(PathBuf),
    /// The standard input: an archive, or a Dockerfile alone.
    Stdin,
    /// A repository.
    Git(GitAddress),
    /// A URL: an archive, or a Dockerfile alone.
    Url(String),
}

/// Where a context besides the first one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedPlace {
    /// Files.
    Files(Place),
    /// An image of this name.
    Image(Reference),
    /// An image in an OCI layout: the folder, and the name or digest if there are several.
    Layout(PathBuf, Option<String>),
}

/// Why something is no place of a context.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A repository whose address is wrong.
    #[error(transparent)]
    Git(#[from] GitAddressError),
    /// There is no such folder.
    #[error("there is no folder `{}`", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// It begins as a URL, but is none that is read.
    #[error("`{scheme}` addresses are not read")]
    Scheme {
        /// What it begins with.
        scheme: String,
    },
    /// The name of an image that is none.
    #[error("`{}` is not the name of an image", text.escape_debug())]
    Image {
        /// What was given.
        text: String,
        /// What is wrong with it.
        #[source]
        cause: ReferenceError,
    },
}

impl Place {
    /// Understands what a person typed. A folder that is there is one, whatever it is called.
    pub fn of(text: &str) -> Result<Self, PlaceError> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        let path = Path::new(text);
        if is_folder(path) {
            return Ok(Self::Folder(path.to_owned()));
        }
        if let Some(address) = GitAddress::parse_context(text) {
            return Ok(Self::Git(address?));
        }
        match text.split_once("://") {
            Some(("http" | "https", _)) if Url::parse(text).is_ok() => {
                Ok(Self::Url(text.to_owned()))
            }
            Some((scheme, _)) if is_scheme(scheme) => {
                Err(PlaceError::Scheme { scheme: scheme.to_owned() })
            }
            _ => Err(PlaceError::NoFolder { path: path.to_owned() }),
        }
    }
}

impl NamedPlace {
    /// Understands what a person typed after the name.
    pub fn of(text: &str) -> Result<Self, PlaceError> {
        if let Some(name) = text.strip_prefix("docker-image://") {
            let wrong = |cause| PlaceError::Image { text: name.to_owned(), cause };
            return Ok(Self::Image(Reference::parse(name).map_err(wrong)?));
        }
        if let Some(rest) = text.strip_prefix("oci-layout://") {
            // What follows the last `@`, or the last `:` behind the last `/`, is which image.
            let cut = rest
                .rsplit_once('@')
                .or_else(|| rest.rsplit_once(':').filter(|(_, name)| !name.contains('/')));
            let (folder, name) = match cut {
                Some((folder, name)) => (folder, Some(name.to_owned())),
                None => (rest, None),
            };
            let path = PathBuf::from(folder);
            return if is_folder(&path) {
                Ok(Self::Layout(path, name))
            } else {
                Err(PlaceError::NoFolder { path })
            };
        }
        Place::of(text).map(Self::Files)
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        assert_eq!(Place::of(text).unwrap(), Place::Folder(folder.path().to_owned()));
        assert_eq!(Place::of("-").unwrap(), Place::Stdin);
        assert!(matches!(Place::of("https://x.example/a.git#v1").unwrap(), Place::Git(_)));
        assert!(matches!(Place::of("https://x.example/a.tgz").unwrap(), Place::Url(_)));
        let error = Place::of("s3://bucket/x").unwrap_err();
        assert!(matches!(error, PlaceError::Scheme { .. }), "{error}");
        let error = Place::of("no/such/folder").unwrap_err();
        assert!(matches!(error, PlaceError::NoFolder { .. }), "{error}");
        let layout = NamedPlace::of(&format!("oci-layout://{text}:v1")).unwrap();
        assert_eq!(layout, NamedPlace::Layout(folder.path().to_owned(), Some("v1".to_owned())));
        let digest = format!("sha256:{}", "a".repeat(64));
        let layout = NamedPlace::of(&format!("oci-layout://{text}@{digest}")).unwrap();
        assert_eq!(layout, NamedPlace::Layout(folder.path().to_owned(), Some(digest)));
        let image = NamedPlace::of("docker-image://alpine:3").unwrap();
        assert_eq!(image, NamedPlace::Image(Reference::parse("alpine:3").unwrap()));
    }
}
