//! Removing names of images, images, and the content that nothing else needs.
//!
//! As docker does, with one more thing to say of bases: docker knows an image's parent, we see that
//! one image has all the layers of another and more.

use std::collections::BTreeSet;

use crate::actions::image::find::{Catalog, FindError, Resolved, short_id, shown};
use crate::actions::image::inventory::{Item, inventory};
use crate::oci::{Digest, Entry, ImageName, LayoutIndex, Reference};
use crate::store::images::layout::Locked;
use crate::store::{ImageLayout, ImageLayoutError, StoreError};

/// How images are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Also what has several names, and what others are based on.
    pub force: bool,
    /// Leave the images without a name that a removed one was based on.
    pub keep_parents: bool,
}

/// What was done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A name was taken away, in its short form.
    Untagged(String),
    /// An image, or layers that no other image has, by their chain id.
    Deleted(Digest),
}

/// What became of one that was to be removed: the changes, or why there are none.
pub type Outcome = Result<Vec<Change>, RemoveError>;

/// Why an image was not removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// There is no such image.
    #[error(transparent)]
    Find(#[from] FindError),
    /// It has names that were not meant.
    #[error(
        "conflict: unable to delete {id} (must be forced) - image is referenced in multiple repositories"
    )]
    Named {
        /// The beginning of the image's id.
        id: String,
    },
    /// Others are based on it.
    #[error("conflict: unable to delete {id} (must be forced) - image has dependent child images")]
    HasChildren {
        /// The beginning of the image's id.
        id: String,
    },
    /// It is one of several in an index.
    #[error("{typed} is a part of {image}, which is removed as a whole")]
    Part {
        /// What was typed.
        typed: String,
        /// How the whole is called.
        image: String,
    },
    /// The layout cannot be read or written.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

/// Removes what was typed, one after the other; goes on after one that fails. Returns what became
/// of each.
///
/// All of it is decided first, then written to the layout in one step, and then content is removed
/// that nothing needs any more: a crash in between leaves some of that behind.
pub fn remove(
    layout: &ImageLayout,
    typed: &[String],
    options: Options,
) -> Result<Vec<Outcome>, RemoveError> {
    let not_found = |typed: &String| Err(FindError::NotFound { typed: typed.clone() }.into());
    if layout.index()?.entries().count() == 0 {
        return Ok(typed.iter().map(not_found).collect());
    }
    let locked = layout.lock()?;
    let before = layout.index()?;
    let mut work = Work::new(layout, before.clone());
    let outcomes = typed.iter().map(|typed| work.remove(typed, options)).collect();
    work.write(&locked, &before)?;
    Ok(outcomes)
}

/// The images of a locked layout while some are taken away.
#[derive(Debug)]
pub(super) struct Work<'a> {
    catalog: Catalog<'a>,
    items: Vec<Item>,
}

impl<'a> Work<'a> {
    pub(super) fn new(layout: &'a ImageLayout, index: LayoutIndex) -> Self {
        let catalog = Catalog::of(layout, index);
        let items = inventory(&catalog);
        Self { catalog, items }
    }

    /// The images, as the index has them that was given.
    pub(super) fn catalog(&self) -> &Catalog<'a> {
        &self.catalog
    }

    /// The entries that are left.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Decides on one that was typed.
    fn remove(&mut self, typed: &str, options: Options) -> Outcome {
        let found = self.catalog.resolve(typed)?;
        let (Resolved::Name(_)
        | Resolved::NameAtDigest { part: None, .. }
        | Resolved::Id { part: None, .. }) = &found
        else {
            let image = found.entries().first().map(shown).unwrap_or_default();
            return Err(RemoveError::Part { typed: typed.to_owned(), image });
        };
        match &found {
            Resolved::Name(entry) => Ok(self.remove_name(entry, options)),
            Resolved::NameAtDigest { reference, entry, .. } => {
                self.remove_digest(reference, entry, options)
            }
            Resolved::Id { id, .. } => self.remove_id(id, options),
        }
    }

    fn remove_name(&mut self, entry: &Entry, options: Options) -> Vec<Change> {
        let Some(image) = self.items.iter().find(|item| item.entry == *entry).cloned() else {
            return Vec::new();
        };
        let (id, name) = (&image.id, &image.name);
        let before = self.repo_digests(id);
        let its = || self.items.iter().filter(|item| item.id == *id);
        // With the last tag of a repository its digests go.
        let tagged = |item: &Item| item.tagged_repository();
        let repository = tagged(&image);
        let is_last_tag = repository.is_some()
            && !its().any(|item| item.name != *name && tagged(item) == repository);
        let goes_along = |item: &Item| {
            item.id == *id
                && (item.name == *name || (is_last_tag && item.digest_repository() == repository))
        };
        let is_last = !its().any(|item| item.name.is_some() && !goes_along(item));
        let goes = is_last && (options.force || !self.has_children(&image));
        let mut changes: Vec<Change> = name.iter().map(Change::untagged).collect();
        let names: Vec<ImageName> = (self.items.iter())
            .filter(|item| goes_along(item))
            .filter_map(|item| item.name.clone())
            .collect();
        if goes || !is_last {
            self.drop_items(goes_along);
        }
        // Else it stays without a name. Others may have written the name for another image before.
        for name in &names {
            self.unname(name);
        }
        let left = self.repo_digests(id);
        let gone = before.into_iter().filter(|digest| !left.contains(digest));
        changes.extend(gone.map(|digest| Change::Untagged(digest.familiar())));
        if goes {
            self.delete(&image, options, &mut changes);
        }
        changes
    }

    fn remove_digest(&mut self, reference: &Reference, entry: &Entry, options: Options) -> Outcome {
        let Some(image) = self.items.iter().find(|item| item.entry == *entry).cloned() else {
            return Ok(Vec::new());
        };
        let id = &image.id;
        let its = |item: &&Item| item.id == *id && item.repo_digest().as_ref() == Some(reference);
        let holders: Vec<Item> = self.items.iter().filter(its).cloned().collect();
        if holders.is_empty() {
            // Its tags mean the image as well, and were not typed.
            let has_name = self.items.iter().any(|item| item.id == *id && item.name.is_some());
            if has_name && !options.force {
                return Err(RemoveError::Named { id: short_id(id).to_owned() });
            }
            return self.remove_id(id, options);
        }
        let mut changes = vec![Change::Untagged(reference.familiar())];
        let (by_digest, others): (Vec<Item>, Vec<Item>) =
            holders.into_iter().partition(|item| item.digest_repository().is_some());
        for name in by_digest.iter().filter_map(|item| item.name.as_ref()) {
            self.unname(name);
        }
        let others: Vec<Entry> = others.into_iter().map(|item| item.entry).collect();
        self.change(|index| index.remove_source(&others));
        let has_name = self.items.iter().any(|item| item.id == *id && item.name.is_some());
        if options.force || (!has_name && !self.has_children(&image)) {
            self.delete(&image, options, &mut changes);
        }
        Ok(changes)
    }

    fn remove_id(&mut self, id: &Digest, options: Options) -> Outcome {
        let its = || self.items.iter().filter(|item| item.id == *id);
        let Some(image) = its().next().cloned() else {
            return Err(FindError::NotFound { typed: id.to_string() }.into());
        };
        let names: BTreeSet<String> =
            its().filter_map(|item| item.name.as_ref()).map(ToString::to_string).collect();
        if names.len() > 1 && !options.force {
            return Err(RemoveError::Named { id: short_id(id).to_owned() });
        }
        if self.has_children(&image) && !options.force {
            return Err(RemoveError::HasChildren { id: short_id(id).to_owned() });
        }
        let mut changes = Vec::new();
        self.delete(&image, options, &mut changes);
        Ok(changes)
    }

    /// Takes what is left of an image away, and the images without a name that it was based on.
    pub(super) fn delete(&mut self, image: &Item, options: Options, changes: &mut Vec<Change>) {
        let digests = self.repo_digests(&image.id);
        let its = self.items.iter().filter(|item| item.id == image.id);
        let named = its.filter_map(|item| item.name.as_ref()).map(Change::untagged);
        let digests = digests.iter().map(|digest| Change::Untagged(digest.familiar()));
        for untagged in named.chain(digests).collect::<Vec<_>>() {
            if !changes.contains(&untagged) {
                changes.push(untagged);
            }
        }
        self.drop_items(|item| item.id == image.id);
        changes.push(Change::Deleted(image.id.clone()));
        let Ok(facts) = &image.facts else { return };
        for (place, layer) in facts.chain_ids.iter().enumerate().rev() {
            let has_it =
                |item: &Item| item.facts.as_ref().is_ok_and(|facts| facts.has_layer(place, layer));
            if !self.items.iter().any(has_it) {
                changes.push(Change::Deleted(layer.clone()));
            }
        }
        if options.keep_parents {
            return;
        }
        // The nearest one alone: what that was based on is its matter.
        let is_parent =
            |item: &&Item| item.facts.as_ref().is_ok_and(|base| facts.is_based_on(base));
        let layers = |item: &&Item| item.facts.as_ref().map_or(0, |facts| facts.chain_ids.len());
        let parent = self.items.iter().filter(is_parent).max_by_key(layers).cloned();
        let Some(parent) = parent else { return };
        let named = self.items.iter().any(|item| item.id == parent.id && item.name.is_some());
        if !named && !self.has_children(&parent) {
            self.delete(&parent, options, changes);
        }
    }

    /// Takes entries away without a word.
    fn drop_items(&mut self, is_gone: impl Fn(&Item) -> bool) {
        let (gone, left): (Vec<Item>, Vec<Item>) =
            std::mem::take(&mut self.items).into_iter().partition(is_gone);
        self.items = left;
        let gone: Vec<Entry> = gone.into_iter().map(|item| item.entry).collect();
        self.catalog.forget(&gone);
    }

    fn unname(&mut self, name: &ImageName) {
        if self.items.iter().any(|item| item.name.as_ref() == Some(name)) {
            self.change(|index| index.unname(name));
        }
    }

    fn change(&mut self, edit: impl FnOnce(&mut LayoutIndex)) {
        self.catalog.change(edit);
        self.items = inventory(&self.catalog);
    }

    /// Whether another image has all layers of this one, and more.
    pub(super) fn has_children(&self, image: &Item) -> bool {
        let Ok(base) = &image.facts else { return false };
        self.items.iter().any(|item| {
            item.id != image.id && item.facts.as_ref().is_ok_and(|facts| facts.is_based_on(base))
        })
    }

    /// The names with digests that the entries of an image have.
    fn repo_digests(&self, id: &Digest) -> Vec<Reference> {
        let its = self.items.iter().filter(|item| item.id == *id);
        let mut found: Vec<Reference> = its.filter_map(Item::repo_digest).collect();
        found.sort_by_key(ToString::to_string);
        found.dedup();
        found
    }

    /// Writes the index, and removes the content that only what was taken away needed; returns how
    /// many bytes that had.
    pub(super) fn write(
        self,
        locked: &Locked<'_>,
        before: &LayoutIndex,
    ) -> Result<u64, ImageLayoutError> {
        let (layout, after) = (self.catalog.layout(), self.catalog.index());
        if after == before {
            return Ok(0);
        }
        // All is read before anything is written: what cannot be read stops it.
        let left: BTreeSet<&Digest> =
            after.entries().map(|entry| &entry.descriptor.digest).collect();
        let gone = before.entries().map(|entry| &entry.descriptor);
        let candidates = layout.kept_by(gone.filter(|gone| !left.contains(&gone.digest)))?;
        let mut kept = layout.kept(after)?;
        kept.extend(layout.build_steps()?.layers());
        kept.extend(locked.leased()?);
        locked.write(after)?;
        let mut reclaimed = 0_u64;
        for digest in candidates.difference(&kept) {
            let size = layout.blob_size(digest).unwrap_or_default();
            match locked.remove_blob(digest) {
                Ok(true) => reclaimed = reclaimed.saturating_add(size),
                // Content in a folder that others have too is not ours to remove.
                Ok(false) | Err(ImageLayoutError::Store(StoreError::Escape { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        locked.sweep();
        Ok(reclaimed)
    }
}

impl Change {
    fn untagged(name: &ImageName) -> Self {
        Self::Untagged(name.familiar())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::image::find::find;
    use crate::actions::image::testing::World;
    use crate::oci::Descriptor;
    use crate::oci::image_config::chain_ids;

    fn run(world: &World, typed: &[&str], options: Options) -> Vec<Result<Vec<String>, String>> {
        let typed: Vec<String> = typed.iter().map(|&text| text.to_owned()).collect();
        let outcomes = remove(&world.layout, &typed, options).unwrap();
        let words = |change: Change| match change {
            Change::Untagged(name) => format!("U {name}"),
            Change::Deleted(digest) => format!("D {digest}"),
        };
        let said = |outcome: Outcome| match outcome {
            Ok(changes) => Ok(changes.into_iter().map(words).collect()),
            Err(error) => Err(error.to_string()),
        };
        outcomes.into_iter().map(said).collect()
    }

    fn rm(world: &World, typed: &str) -> Result<Vec<String>, String> {
        run(world, &[typed], Options::default()).remove(0)
    }

    fn rm_forced(world: &World, typed: &str) -> Result<Vec<String>, String> {
        run(world, &[typed], Options { force: true, ..Options::default() }).remove(0)
    }

    /// A base of one layer and an image of two, in the same layout.
    fn family() -> (World, Descriptor, Descriptor) {
        let world = World::new();
        let base = world.image(&["base"], "linux/amd64");
        world.name("base", &base);
        let app = world.image(&["base", "app"], "linux/amd64");
        world.name("app", &app);
        (world, base, app)
    }

    fn deleted(world: &World, image: &Descriptor) -> String {
        format!("D {}", world.id(image))
    }

    fn layer(texts: &[&str]) -> String {
        let diff_ids: Vec<Digest> =
            texts.iter().map(|text| Digest::sha256_of(text.as_bytes())).collect();
        format!("D {}", chain_ids(&diff_ids).last().unwrap())
    }

    #[test]
    fn the_last_name_takes_the_image_and_what_nothing_else_has() {
        let (world, base, app) = family();
        world.name_from("h.example/app:2", &app, Some(&format!("h.example/app@{}", app.digest)));
        let gone = [deleted(&world, &app), layer(&["base", "app"])];
        assert_eq!(rm(&world, "app").unwrap(), ["U app:latest"]);
        let digest = format!("U h.example/app@{}", app.digest);
        let expected = [&["U h.example/app:2".to_owned(), digest], &gone[..]].concat();
        assert_eq!(rm(&world, "h.example/app:2").unwrap(), expected);
        let left: BTreeSet<Digest> =
            world.layout.blobs().unwrap().into_iter().map(|(digest, ..)| digest).collect();
        assert_eq!(left, world.layout.kept_by([&base]).unwrap());
        assert_eq!(rm(&world, "app").unwrap_err(), "No such image: app");
    }

    #[test]
    fn digests_go_with_the_last_tag_of_their_repository() {
        let (world, _, app) = family();
        let source = format!("h.example/app@{}", app.digest);
        world.name_from("h.example/app:1", &app, Some(&source));
        world.name_from("h.example/app:2", &app, Some(&source));
        assert_eq!(rm(&world, "h.example/app:1").unwrap(), ["U h.example/app:1"]);
        let both = ["U h.example/app:2".to_owned(), format!("U {source}")];
        assert_eq!(rm(&world, "h.example/app:2").unwrap(), both);
        assert!(find(&world.layout, "app").is_ok());
        // By itself a digest leaves the tag.
        world.name_from("h.example/app:1", &app, Some(&source));
        assert_eq!(rm(&world, &source).unwrap(), [format!("U {source}")]);
        assert!(find(&world.layout, "h.example/app:1").unwrap().entry.source().is_none());
        let error = rm(&world, &source).unwrap_err();
        assert!(error.contains("(must be forced)"), "{error}");
    }

    #[test]
    fn a_name_that_is_a_digest_goes_with_the_last_tag_or_by_itself() {
        let (world, _, app) = family();
        let by_digest = format!("h.example/app@{}", app.digest);
        world.name(&by_digest, &app);
        world.name("h.example/app:1", &app);
        world.name("h.example/app:2", &app);
        assert_eq!(rm(&world, "h.example/app:1").unwrap(), ["U h.example/app:1"]);
        let both = ["U h.example/app:2".to_owned(), format!("U {by_digest}")];
        assert_eq!(rm(&world, "h.example/app:2").unwrap(), both);
        assert_eq!(find(&world.layout, "app").unwrap().names.len(), 1);
        world.name(&by_digest, &app);
        rm(&world, "app").unwrap();
        let gone = [deleted(&world, &app), layer(&["base", "app"])];
        let expected = [&[format!("U {by_digest}")], &gone[..]].concat();
        assert_eq!(rm(&world, &by_digest).unwrap(), expected);
    }

    #[test]
    fn a_name_that_is_there_twice_is_gone_altogether() {
        let (world, _, app) = family();
        let third = world.image(&["third"], "linux/amd64");
        world.name("third", &third);
        world.name("app", &app);
        let locked = world.layout.lock().unwrap();
        let index = String::from_utf8(world.layout.index().unwrap().to_bytes()).unwrap();
        let index = index.replace("library/third:", "library/app:");
        locked.write(&LayoutIndex::parse(index.as_bytes()).unwrap()).unwrap();
        drop(locked);
        assert_eq!(find(&world.layout, "app").unwrap().descriptor.digest, app.digest);
        rm(&world, "app").unwrap();
        assert!(find(&world.layout, "app").is_err());
        let dangling = find(&world.layout, world.id(&third).as_str()).unwrap();
        assert_eq!(dangling.names, []);
    }

    #[test]
    fn an_id_with_several_names_needs_force() {
        let (world, _, app) = family();
        world.name("other:1", &app);
        let id = world.id(&app);
        let expected = format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple \
             repositories",
            short_id(&id)
        );
        assert_eq!(rm(&world, id.as_str()).unwrap_err(), expected);
        let gone = [deleted(&world, &app), layer(&["base", "app"])];
        let names = ["U app:latest", "U other:1"].map(str::to_owned);
        assert_eq!(rm_forced(&world, short_id(&id)).unwrap(), [names, gone].concat());
    }

    #[test]
    fn a_base_is_untagged_and_goes_with_its_last_child() {
        let (world, base, app) = family();
        let id = world.id(&base);
        let error = rm(&world, id.as_str()).unwrap_err();
        assert!(error.ends_with("image has dependent child images"), "{error}");
        assert_eq!(rm(&world, "base").unwrap(), ["U base:latest"]);
        assert_eq!(find(&world.layout, id.as_str()).unwrap().names, []);
        let app = [deleted(&world, &app), layer(&["base", "app"])];
        let base = [deleted(&world, &base), layer(&["base"])];
        let all = [&["U app:latest".to_owned()], &app[..], &base[..]].concat();
        assert_eq!(rm(&world, "app").unwrap(), all);
        assert_eq!(world.layout.blobs().unwrap(), []);

        let (world, base, _) = family();
        rm(&world, "base").unwrap();
        let keep = Options { keep_parents: true, ..Options::default() };
        run(&world, &["app"], keep).remove(0).unwrap();
        assert!(find(&world.layout, world.id(&base).as_str()).is_ok());
    }

    #[test]
    fn a_forced_base_leaves_its_child_whole() {
        let (world, base, app) = family();
        let expected = ["U base:latest".to_owned(), deleted(&world, &base)];
        assert_eq!(rm_forced(&world, "base").unwrap(), expected);
        for layer in find(&world.layout, "app").unwrap().manifest.layers {
            world.layout.verify_blob(&layer).unwrap();
        }
        assert_eq!(find(&world.layout, "app").unwrap().descriptor.digest, app.digest);
    }

    #[test]
    fn several_go_on_after_one_that_fails() {
        let (world, ..) = family();
        let outcomes = run(&world, &["app", "nope", "app", "base"], Options::default());
        let good: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, false, true]);
        assert_eq!(world.layout.blobs().unwrap(), []);
    }

    #[test]
    fn what_somebody_is_about_to_use_stays() {
        let (world, _, app) = family();
        let lease = world.layout.lease().unwrap();
        let layer = Digest::sha256_of(b"app");
        lease.protect([&layer]).unwrap();
        assert_eq!(rm(&world, "app").unwrap().len(), 3);
        assert_eq!(world.layout.blob_size(&layer), Some(3));
        assert_eq!(world.layout.blob_size(&app.digest), None);
    }

    #[test]
    fn an_index_goes_as_a_whole_and_damaged_images_go() {
        let world = World::new();
        let parts = ["linux/amd64", "linux/arm64"].map(|name| world.image(&[name], name));
        let index = world.index(&parts);
        world.name("multi", &index);
        let error = run(&world, &[parts[1].digest.as_str()], Options::default()).remove(0);
        assert!(error.unwrap_err().contains("is a part of multi:latest"));
        rm(&world, "multi").unwrap();
        assert_eq!(world.layout.blobs().unwrap(), []);
        let gone = Descriptor::new(parts[0].media_type.clone(), Digest::sha256_of(b"gone"), 4);
        world.name("gone", &gone);
        let expected = ["U gone:latest".to_owned(), format!("D {}", gone.digest)];
        assert_eq!(rm(&world, "gone").unwrap(), expected);
        assert_eq!(world.layout.index().unwrap().entries().count(), 0);
    }

    #[test]
    fn names_of_others_are_taken_away() {
        let (world, _, app) = family();
        world.bare("v1", &app);
        assert_eq!(rm(&world, "v1").unwrap(), ["U v1"]);
        assert!(find(&world.layout, "app").is_ok());
    }

    #[test]
    fn nothing_is_made_for_nothing() {
        let world = World::new();
        assert_eq!(rm(&world, "x").unwrap_err(), "No such image: x");
        assert!(!world.layout.folder().exists());
    }
}
