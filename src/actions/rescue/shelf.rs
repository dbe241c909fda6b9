//! A collection out of a rescue folder, which answers as a trust server would.

use crate::actions::context::Archive;
use crate::client::notary::NotFoundBody;
use crate::client::{FileVersion, NotaryError};
use crate::store::rescue::RescueFolderError;
use crate::tuf::history::{Finding, History, KeptFile, examine};
use crate::tuf::{Gun, RoleName};

/// The files of one collection, judged, to be asked for as from a server.
#[derive(Debug)]
pub struct Shelf {
    place: String,
    gun: Gun,
    files: Vec<KeptFile>,
    history: History,
}

impl Shelf {
    /// Reads a collection; `anchor` is the cached root, if there is one. A folder that has nothing
    /// of the collection gives a shelf that has nothing.
    pub fn read(
        archive: &Archive,
        gun: &Gun,
        anchor: Option<&[u8]>,
    ) -> Result<Self, RescueFolderError> {
        let files = match archive.folder.collection(gun)?.read() {
            Ok(kept) => kept.files,
            Err(RescueFolderError::NoCollection { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let history = examine(gun, &files, anchor);
        let place = archive.folder.path().display().to_string();
        Ok(Self { place, gun: gun.clone(), files, history })
    }

    /// A file, as [`crate::client::NotaryClient::file`] gives it.
    pub(in crate::actions) fn file(
        &self,
        role: &RoleName,
        version: FileVersion,
    ) -> Result<Vec<u8>, NotaryError> {
        let place = match version {
            FileVersion::Hash(sha256) => self.first(role, |finding| finding.sha256 == sha256),
            FileVersion::Number(number) => {
                self.first(role, |finding| finding.version == Some(number))
            }
            FileVersion::Current => self.current(role),
        };
        let file = place.and_then(|place| self.files.get(place));
        file.map(|file| file.bytes.clone()).ok_or_else(|| NotaryError::NotFound {
            server: self.place.clone(),
            gun: self.gun.to_string(),
            file: crate::wire::notary::file_name(role, version),
            seen: NotFoundBody::Notary,
        })
    }

    /// The newest that counts. That the rest of its set is not all there is no reason to answer
    /// with an older one: something was taken away then. Where none counts it is the newest, so
    /// that it can be said what is wrong with it.
    fn current(&self, role: &RoleName) -> Option<usize> {
        let is_current = |place: usize| self.history.current.get(role) == Some(&place);
        let newest = self.own(role).max_by_key(|(place, finding)| {
            (finding.refused.is_none(), finding.version, is_current(*place))
        });
        newest.map(|(place, _)| place)
    }

    /// One that is right, if there is one.
    fn first(&self, role: &RoleName, is_meant: impl Fn(&Finding) -> bool) -> Option<usize> {
        let meant = self.own(role).filter(|(_, finding)| is_meant(finding));
        meant.min_by_key(|(_, finding)| finding.refused.is_some()).map(|(place, _)| place)
    }

    fn own(&self, role: &RoleName) -> impl Iterator<Item = (usize, &Finding)> {
        let findings = self.history.findings.iter().enumerate();
        findings.filter(move |(_, finding)| finding.role == *role)
    }
}
