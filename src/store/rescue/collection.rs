//! What is there of one collection.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::crypto::Sha256Hash;
use crate::limits::{
    MAX_CONFIGURED_BYTES, MAX_RESCUE_RECORD_BYTES, MAX_RESCUED_BYTES, MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
};
use crate::store::StoreError;
use crate::store::files::{Base, PUBLIC_MODE, Unsynced, is_temporary, names_in};
use crate::store::rescue::record::{RECORD_FORMAT, RECORD_VERSION};
use crate::store::rescue::{FolderFinding, Record, RescueFolderError};
use crate::tuf::history::KeptFile;
use crate::tuf::{Gun, RoleName};
use crate::wire::notary::{FileVersion, file_name};

/// A collection in a rescue folder.
#[derive(Debug, Clone)]
pub struct RescuedCollection {
    base: Base,
    folder: PathBuf,
    gun: Gun,
}

/// What was read of a collection.
#[derive(Debug)]
pub struct Kept {
    /// Its files: each has the hash that its name says. Of signatures nothing is checked here
    /// ([`crate::tuf::history::examine`] does).
    pub files: Vec<KeptFile>,
    /// Its record, if there is one.
    pub record: Option<Record>,
    /// What is not as it should be.
    pub findings: Vec<FolderFinding>,
}

impl RescuedCollection {
    pub(super) fn new(base: Base, folder: PathBuf, gun: Gun) -> Self {
        Self { base, folder, gun }
    }

    /// Its name.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Reads all there is: the files whose content is what their name says, and the record.
    pub fn read(&self) -> Result<Kept, RescueFolderError> {
        if !self.base.has_folder(&self.folder) {
            return Err(RescueFolderError::NoCollection { gun: self.gun.clone() });
        }
        let mut findings = Vec::new();
        let record = self.checked_record(&mut findings)?;
        let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
        for file in record.iter().flat_map(|record| &record.files) {
            let name = file_name(&file.role, FileVersion::Hash(file.sha256));
            recorded.insert(format!("{FILES}/{name}"), file.length);
        }
        let mut files = Vec::new();
        let mut bytes = 0_u64;
        let mut seen = BTreeSet::new();
        for path in self.base.list(&self.folder)? {
            let name = self.name_of(&path);
            if name == RECORD || is_temporary(name.rsplit('/').next().unwrap_or_default()) {
                continue;
            }
            let Some((role, hash)) = parse_name(&name) else {
                findings.push(FolderFinding::Foreign { name });
                continue;
            };
            let content = match self.base.read(&path, limit_of(&role)) {
                Ok(Some(content)) => content.bytes,
                Ok(None) => continue,
                Err(StoreError::TooLarge { .. }) => {
                    seen.insert(name.clone());
                    findings.push(FolderFinding::TooLarge { name });
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            seen.insert(name.clone());
            let (found, length) = (Sha256Hash::of(&content), length_of(&content));
            if found != hash {
                findings.push(FolderFinding::Tampered { name, found });
                continue;
            }
            match recorded.get(&name) {
                Some(listed) if *listed != length => {
                    let (recorded, found) = (*listed, length);
                    findings.push(FolderFinding::Length { name, recorded, found });
                    continue;
                }
                None if record.is_some() => findings.push(FolderFinding::Unrecorded { name }),
                _ => {}
            }
            bytes = bytes.saturating_add(length);
            if bytes > MAX_RESCUED_BYTES {
                let (gun, limit) = (self.gun.clone(), MAX_RESCUED_BYTES);
                return Err(RescueFolderError::TooLarge { gun, limit });
            }
            files.push(KeptFile { role, bytes: content });
        }
        let missing = recorded.into_keys().filter(|name| !seen.contains(name));
        findings.extend(missing.map(|name| FolderFinding::Missing { name }));
        Ok(Kept { files, record, findings })
    }

    /// How many bytes its files have together, as the disk tells.
    pub fn size(&self) -> Result<u64, RescueFolderError> {
        if !self.exists() {
            return Ok(0);
        }
        let files = self.base.list(&self.folder)?;
        Ok(files.iter().map(|path| self.base.length(path)).fold(0, u64::saturating_add))
    }

    /// Reads the record alone; nothing if there is none.
    pub fn record(&self) -> Result<Option<Record>, RescueFolderError> {
        let path = self.folder.join(RECORD);
        let Some(content) = self.base.read(&path, MAX_RESCUE_RECORD_BYTES)? else {
            return Ok(None);
        };
        let record = Record::parse(&content.bytes)
            .map_err(|cause| RescueFolderError::Damaged { path: path.clone(), cause })?;
        if record.format != RECORD_FORMAT || record.version > RECORD_VERSION {
            return Err(RescueFolderError::Newer { path, version: record.version });
        }
        Ok(Some(record))
    }

    fn checked_record(
        &self,
        findings: &mut Vec<FolderFinding>,
    ) -> Result<Option<Record>, RescueFolderError> {
        match self.record()? {
            Some(record) if record.gun == self.gun => Ok(Some(record)),
            Some(record) => {
                findings.push(FolderFinding::OtherRecord { of: record.gun });
                Ok(None)
            }
            None => {
                findings.push(FolderFinding::NoRecord);
                Ok(None)
            }
        }
    }

    /// Whether files of a role can have the names that they are kept under.
    pub fn can_keep(&self, role: &RoleName) -> bool {
        let last = role.segments().last().unwrap_or_default();
        last.len() + file_name(&RoleName::Root, FileVersion::Hash(Sha256Hash([0; 32]))).len()
            <= MAX_FILE_NAME_BYTES
    }

    /// Keeps a file, under the name of its content. It is the caller's to sync.
    pub fn put(&self, role: &RoleName, bytes: &[u8]) -> Result<Vec<Unsynced>, RescueFolderError> {
        let name = file_name(role, FileVersion::Hash(Sha256Hash::of(bytes)));
        let segments = name.split('/');
        let path = segments.fold(self.folder.join(FILES), |path, segment| path.join(segment));
        Ok(self.base.put(&path, bytes, PUBLIC_MODE)?)
    }

    /// Waits until what was kept is safe from a power cut.
    pub fn sync(&self, unsynced: Vec<Unsynced>) -> Result<(), RescueFolderError> {
        Ok(self.base.sync_all(unsynced)?)
    }

    /// Replaces the record, and removes what processes left that were killed while they wrote.
    pub fn write_record(&self, record: &Record) -> Result<(), RescueFolderError> {
        for folder in self.base.list_folders(&self.folder)? {
            self.base.sweep(&folder);
        }
        let path = self.folder.join(RECORD);
        let bytes = record
            .to_json()
            .map_err(|cause| RescueFolderError::Damaged { path: path.clone(), cause })?;
        Ok(self.base.write(&path, &bytes, PUBLIC_MODE)?)
    }

    /// The path below the collection's folder.
    fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Whether there is anything of it.
    pub fn exists(&self) -> bool {
        names_in(&self.folder).is_ok_and(|names| !names.is_empty())
    }
}

fn parse_name(name: &str) -> Option<(RoleName, Sha256Hash)> {
    match FileVersion::parse_name(name.strip_prefix(FILES)?.strip_prefix('/')?)? {
        (role, FileVersion::Hash(hash)) => Some((role, hash)),
        _ => None,
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn limit_of(role: &RoleName) -> u64 {
    match role {
        RoleName::Root | RoleName::Timestamp => MAX_CONFIGURED_BYTES,
        RoleName::Snapshot => MAX_SNAPSHOT_BYTES,
        RoleName::Targets | RoleName::Delegation(_) => MAX_TARGETS_BYTES,
    }
}

/// Longest name of a file that the usual file systems take, in bytes.
const MAX_FILE_NAME_BYTES: usize = 255;
const FILES: &str = "tuf";
const RECORD: &str = "rescue.json";
