//! Removing what builds kept to be faster the next time.

use std::path::Path;

use crate::build::runner::RunError;
use crate::clock::Timestamp;
use crate::limits::MIN_UNUSED_SECONDS;
use crate::store::files::exists;
use crate::store::streams::{remove_kept, size_below};
use crate::store::{ImageLayout, ImageLayoutError, StoreError};

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many steps.
    pub steps: usize,
    /// How much room there is now that there was not, in bytes.
    pub reclaimed: u64,
}

/// Why not all was removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files that belong to others could not be removed.
    #[error("files of other users are left in {folder}")]
    OfOthers {
        /// The folder that builds keep things in.
        folder: String,
        /// Why they could not be removed.
        #[source]
        cause: RunError,
    },
}

/// Removes steps that were made before a time, or all of them; their layers, unless an image has
/// them; and, if all go, what is in the folder that builds keep things in. Files there may belong
/// to the subordinate users of whoever built: `forget` removes those, and is called if they are in
/// the way.
pub fn prune(
    layout: &ImageLayout,
    work: &Path,
    before: Option<Timestamp>,
    forget: impl FnOnce() -> Result<(), RunError>,
) -> Result<Pruned, PruneError> {
    let mut pruned = Pruned::default();
    if layout.is_there()? {
        let locked = layout.lock()?;
        let mut steps = layout.build_steps()?;
        let count = steps.len();
        let old = steps.layers();
        steps.retain(|_, step| before.is_some_and(|before| step.made >= before.as_second()));
        pruned.steps = count - steps.len();
        if pruned.steps > 0 {
            locked.write_build_steps(&steps)?;
        }
        let mut kept = layout.kept(&layout.index()?)?;
        kept.extend(locked.leased()?);
        kept.extend(steps.layers());
        for digest in old.iter().filter(|digest| !kept.contains(digest)) {
            let size = layout.blob_size(digest).unwrap_or_default();
            if locked.remove_blob(digest)? {
                pruned.reclaimed = pruned.reclaimed.saturating_add(size);
            }
        }
        let (_, bytes) = locked.remove_unused(MIN_UNUSED_SECONDS)?;
        pruned.reclaimed = pruned.reclaimed.saturating_add(bytes);
    }
    if before.is_none() && exists(work) {
        pruned.reclaimed = pruned.reclaimed.saturating_add(size_below(work));
        if remove_kept(work).is_err() {
            let folder = work.display().to_string();
            forget().map_err(|cause| PruneError::OfOthers { folder, cause })?;
            remove_kept(work)?;
        }
    }
    Ok(pruned)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests {
    use super::*;
    use crate::actions::image::find::find;
    use crate::actions::image::testing::World;
    use crate::oci::media_type::OCI_LAYER;
    use crate::oci::{Descriptor, Digest};
    use crate::store::faults::{Mode, with_fault};
    use crate::store::images::StepRecord;
    use crate::store::images::layer_archive::StoredLayer;

    fn step(world: &World, text: &str, made: i64) -> (Digest, StepRecord) {
        let descriptor: Descriptor = world.put(OCI_LAYER, text.as_bytes());
        let diff_id = descriptor.digest.clone();
        let layer = StoredLayer { diff_id, descriptor };
        (Digest::sha256_of(text.as_bytes()), StepRecord::new(Some(&layer), text.to_owned(), made))
    }

    fn nothing() -> Result<(), RunError> {
        unreachable!("nothing belongs to others")
    }

    #[test]
    fn what_belongs_to_others_is_removed_by_a_sandbox_or_said_to_stay() {
        let world = World::new();
        let work = world.layout.folder().parent().unwrap().join("work");
        let fill = || {
            std::fs::create_dir_all(work.join("layers-1/b")).unwrap();
            std::fs::write(work.join("layers-1/b/f"), b"12345").unwrap();
        };
        fill();
        let refused =
            || with_fault(0, Mode::FullOnce, || prune(&world.layout, &work, None, || Ok(())));
        let (pruned, hit) = refused();
        assert!(hit, "the first removal fails");
        assert_eq!(pruned.unwrap(), Pruned { steps: 0, reclaimed: 5 });
        assert!(!work.join("layers-1").exists());

        fill();
        let unable = || Err(RunError::Unable { what: "no namespaces".to_owned(), cause: None });
        let (pruned, _) =
            with_fault(0, Mode::FullOnce, || prune(&world.layout, &work, None, unable));
        assert!(matches!(pruned, Err(PruneError::OfOthers { .. })), "{pruned:?}");
    }

    #[test]
    fn steps_go_and_images_stay() {
        let world = World::new();
        world.name("app", &world.image(&["shared"], "linux/amd64"));
        let steps = [step(&world, "old", 10), step(&world, "new", 20), step(&world, "shared", 10)];
        world.layout.lease().unwrap().keep_steps(steps).unwrap();
        let work = world.layout.folder().parent().unwrap().join("work");
        std::fs::create_dir_all(work.join("a/b")).unwrap();
        std::fs::write(work.join("a/b/f"), b"12345").unwrap();

        let before = Timestamp::from_second(15).unwrap();
        let pruned = prune(&world.layout, &work, Some(before), nothing).unwrap();
        assert_eq!(pruned, Pruned { steps: 2, reclaimed: 3 });
        assert_eq!(world.layout.build_steps().unwrap().len(), 1);
        assert!(work.join("a/b/f").exists(), "what is kept in common stays");

        let pruned = prune(&world.layout, &work, None, nothing).unwrap();
        assert_eq!(pruned, Pruned { steps: 1, reclaimed: 8 });
        assert!(!work.exists() || std::fs::read_dir(&work).unwrap().next().is_none());
        find(&world.layout, "app").unwrap();
    }
}
