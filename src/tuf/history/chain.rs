//! Which of the roots that are kept led to one another.

use std::collections::BTreeMap;

use crate::crypto::Sha256Hash;
use crate::limits::MAX_FIRST_ROOTS;
use crate::tuf::history::{Fault, KeptFile};
use crate::tuf::metadata::{FileMeta, MetadataError, Root, Signed};
use crate::tuf::root_trust::{Dates, certified_keys};
use crate::tuf::trusted::{UpdateError, check_listing, self_signed_root};
use crate::tuf::verify::{Verified, valid_signers, verify, verify_successor};
use crate::tuf::{Gun, RoleName};

/// The roots among a collection's files, parsed.
pub(super) struct KeptRoots {
    /// By place.
    read: BTreeMap<usize, Result<Signed<Root>, MetadataError>>,
    /// Places by version, each version's in the order of their hashes.
    versions: BTreeMap<u64, Vec<usize>>,
}

impl KeptRoots {
    /// Reads them.
    pub(super) fn read(files: &[KeptFile]) -> Self {
        let mut read = BTreeMap::new();
        let mut by_version: BTreeMap<u64, Vec<(Sha256Hash, usize)>> = BTreeMap::new();
        let roots = files.iter().enumerate().filter(|(_, file)| file.role == RoleName::Root);
        for (place, file) in roots {
            let signed = Signed::<Root>::parse(&RoleName::Root, &file.bytes);
            if let Ok(signed) = &signed {
                let version = signed.unverified().header.version;
                by_version.entry(version).or_default().push((Sha256Hash::of(&file.bytes), place));
            }
            read.insert(place, signed);
        }
        let sorted = |(version, mut places): (u64, Vec<(Sha256Hash, usize)>)| {
            places.sort_unstable();
            (version, places.into_iter().map(|(_, place)| place).collect())
        };
        Self { read, versions: by_version.into_iter().map(sorted).collect() }
    }

    /// Each with its place.
    pub(super) fn iter(
        &self,
    ) -> impl Iterator<Item = (usize, &Result<Signed<Root>, MetadataError>)> {
        self.read.iter().map(|(place, read)| (*place, read))
    }

    fn at(&self, place: usize) -> Option<&Signed<Root>> {
        self.read.get(&place)?.as_ref().ok()
    }

    fn candidates<'a>(
        &'a self,
        places: &'a [usize],
    ) -> impl Iterator<Item = (usize, &'a Signed<Root>)> {
        places.iter().filter_map(|place| Some((*place, self.at(*place)?)))
    }
}

/// The roots that count, and what is wrong with the others.
#[derive(Default)]
pub(super) struct Chain {
    accepted: BTreeMap<u64, Vec<Link>>,
    refused: BTreeMap<usize, UpdateError>,
    versions: BTreeMap<usize, u64>,
}

struct Link {
    root: Verified<Root>,
    /// Where it is among the files; nowhere for an anchor that was not kept.
    place: Option<usize>,
}

impl Chain {
    /// The chain around a root that is trusted.
    pub(super) fn anchored(gun: &Gun, roots: &KeptRoots, raw: &[u8]) -> Self {
        let mut chain = Self::default();
        match self_signed_root(gun, raw) {
            Ok(root) => chain.grow(gun, roots, root),
            Err(error) => {
                for (place, read) in roots.iter() {
                    if let Ok(signed) = read {
                        chain.refuse(place, signed, error.clone());
                    }
                }
            }
        }
        chain
    }

    /// The chains that begin with the oldest version of which a root is valid by its own keys:
    /// one, unless there are several such roots of that version.
    pub(super) fn from_oldest(gun: &Gun, roots: &KeptRoots) -> Vec<Self> {
        let starts = |places: &Vec<usize>| {
            let valid = roots.candidates(places).filter_map(|(_, signed)| {
                // Copies of a file are one root.
                self_signed_root(gun, signed.raw()).ok()
            });
            let mut valid: Vec<_> = valid.collect();
            valid.dedup_by(|one, other| one.raw() == other.raw());
            (!valid.is_empty()).then_some(valid)
        };
        let starts = roots.versions.values().find_map(starts).unwrap_or_default();
        let grown = starts.into_iter().take(MAX_FIRST_ROOTS).map(|root| {
            let mut chain = Self::default();
            chain.grow(gun, roots, root);
            chain
        });
        grown.collect()
    }

    fn grow(&mut self, gun: &Gun, roots: &KeptRoots, start: Verified<Root>) {
        let version = start.body().header.version;
        let kept = roots.versions.get(&version).map(Vec::as_slice).unwrap_or_default();
        let mut links = Vec::new();
        for (place, signed) in roots.candidates(kept) {
            if signed.raw() == start.raw() {
                links.push(Link { root: start.clone(), place: Some(place) });
            } else {
                let (trusted, offered) = (version, version);
                self.refuse(place, signed, UpdateError::NotTheNextRoot { trusted, offered });
            }
        }
        if links.is_empty() {
            links.push(Link { root: start, place: None });
        }
        self.accepted.insert(version, links);
        for (next, places) in roots.versions.range(version + 1..) {
            self.extend(roots, *next, places, |chain, signed| chain.follows(gun, signed));
        }
        for (before, places) in roots.versions.range(..version).rev() {
            self.extend(roots, *before, places, |chain, signed| chain.led_on(gun, signed));
        }
    }

    fn extend(
        &mut self,
        roots: &KeptRoots,
        version: u64,
        places: &[usize],
        check: impl Fn(&Self, &Signed<Root>) -> Result<Verified<Root>, UpdateError>,
    ) {
        let mut links = Vec::new();
        for (place, signed) in roots.candidates(places) {
            match check(self, signed) {
                Ok(root) => links.push(Link { root, place: Some(place) }),
                Err(error) => self.refuse(place, signed, error),
            }
        }
        if !links.is_empty() {
            self.accepted.insert(version, links);
        }
    }

    /// Whether the newest root so far vouches for this one. Versions between may be missing: what
    /// the owners signed they signed, and some clients follow it.
    fn follows(&self, gun: &Gun, signed: &Signed<Root>) -> Result<Verified<Root>, UpdateError> {
        let version = signed.unverified().header.version;
        let own_keys = certified_keys(signed.unverified(), gun, Dates::Ignored)?;
        let mut error = UpdateError::OutOfOrder;
        for link in self.accepted.last_key_value().into_iter().flat_map(|(_, links)| links).rev() {
            let trusted_keys = certified_keys(link.root.body(), gun, Dates::Ignored)?;
            match verify_successor(signed.clone(), &trusted_keys, &own_keys) {
                Ok(root) => return Ok(root),
                Err(cause) => error = UpdateError::RootNotVouchedFor { version, cause },
            }
        }
        Err(error)
    }

    /// Whether this root came before the oldest so far: those of its keys that signed it must
    /// have signed that one, too. It is not enough that it lists keys that did, for anybody can
    /// list keys.
    fn led_on(&self, gun: &Gun, signed: &Signed<Root>) -> Result<Verified<Root>, UpdateError> {
        let version = signed.unverified().header.version;
        let own_keys = certified_keys(signed.unverified(), gun, Dates::Ignored)?;
        let mut error = UpdateError::OutOfOrder;
        for link in self.accepted.first_key_value().into_iter().flat_map(|(_, links)| links).rev() {
            let next = link.root.signed();
            let mut keys = own_keys.clone();
            let signers = valid_signers(next.signatures(), next.message(), &own_keys)
                .map_err(|cause| UpdateError::RootNotVouchedFor { version, cause })?;
            keys.keys.retain(|id, _| signers.contains(id));
            match verify(signed.clone(), &keys) {
                Ok(root) => return Ok(root),
                Err(cause) => error = UpdateError::RootNotVouchedFor { version, cause },
            }
        }
        Err(error)
    }

    fn refuse(&mut self, place: usize, signed: &Signed<Root>, error: UpdateError) {
        self.versions.insert(place, signed.unverified().header.version);
        self.refused.insert(place, error);
    }

    /// What is wrong with the root at this place, if anything.
    pub(super) fn fault(&self, place: usize) -> Option<Fault> {
        let (version, cause) = (*self.versions.get(&place)?, self.refused.get(&place)?.clone());
        Some(Fault::Root { version, cause })
    }

    /// All that count, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Verified<Root>> {
        self.accepted.values().rev().flatten().map(|link| &link.root)
    }

    /// Where the newest is among the files; of several of one version the one that another file
    /// means, if it means one of them.
    pub(super) fn newest_place(&self, meant: &FileMeta) -> Option<usize> {
        let (_, links) = self.accepted.last_key_value()?;
        let is_meant =
            |link: &&Link| check_listing(&RoleName::Root, meant, link.root.raw()).is_ok();
        links.iter().find(is_meant).or_else(|| links.first())?.place
    }

    /// Whether the root that another file describes counts.
    pub(super) fn holds(&self, meta: &FileMeta) -> bool {
        self.newest_first().any(|root| check_listing(&RoleName::Root, meta, root.raw()).is_ok())
    }
}
