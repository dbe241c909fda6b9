//! Removing images that nobody asked to keep, and content that no image has.

use std::collections::BTreeSet;

use crate::actions::image::filter::{FilterError, Filters};
use crate::actions::image::find::FindError;
use crate::actions::image::inventory::Item;
use crate::actions::image::rm::{Change, Options, Work};
use crate::limits::MIN_UNUSED_SECONDS;
use crate::oci::Digest;
use crate::store::{ImageLayout, ImageLayoutError};

/// What was removed.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Names and images, in order.
    pub changes: Vec<Change>,
    /// Content of no image, left behind by something that did not come to its end.
    pub leftovers: usize,
    /// How much room there is now that there was not, in bytes.
    pub reclaimed: u64,
}

/// Removes images without a name, with `all` those with one too, as far as they pass the filters;
/// and content that no image has, that nobody is about to use, and that is old enough.
pub fn prune(layout: &ImageLayout, all: bool, filters: &Filters) -> Result<Pruned, FilterError> {
    if !layout.is_there().map_err(FindError::from)? {
        return Ok(Pruned::default());
    }
    let locked = layout.lock().map_err(FindError::from)?;
    let before = layout.index().map_err(FindError::from)?;
    let mut work = Work::new(layout, before.clone());
    let mut items = work.items().to_vec();
    filters.apply(work.catalog(), &mut items)?;
    let named: BTreeSet<Digest> = (work.items().iter())
        .filter(|item| item.name.is_some())
        .map(|item| item.id.clone())
        .collect();
    // What others are based on goes after them.
    let layers = |item: &Item| item.facts.as_ref().map_or(0, |facts| facts.chain_ids.len());
    items.sort_by_key(|item| std::cmp::Reverse(layers(item)));
    let options = Options { force: all, keep_parents: true };
    let mut pruned = Pruned::default();
    for item in items {
        let is_there = work.items().iter().any(|left| left.id == item.id);
        let may_go = all || (!named.contains(&item.id) && !work.has_children(&item));
        if is_there && may_go {
            work.delete(&item, options, &mut pruned.changes);
        }
    }
    let reclaimed = work.write(&locked, &before).and_then(|reclaimed| {
        let (leftovers, more) = locked.remove_unused(MIN_UNUSED_SECONDS)?;
        Ok((leftovers, reclaimed.saturating_add(more)))
    });
    (pruned.leftovers, pruned.reclaimed) =
        reclaimed.map_err(|error: ImageLayoutError| FindError::from(error))?;
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::actions::image::filter::Known;
    use crate::actions::image::find::find;
    use crate::actions::image::testing::World;
    use crate::clock::Timestamp;

    fn run(world: &World, all: bool, filters: &[&str]) -> Pruned {
        let filters: Vec<String> = filters.iter().map(|&text| text.to_owned()).collect();
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let filters = Filters::parse(&filters, Known::Pruning, now).unwrap();
        prune(&world.layout, all, &filters).unwrap()
    }

    /// Which of these names are left.
    fn left<'a>(world: &World, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| find(&world.layout, name).is_ok()).collect()
    }

    #[test]
    fn what_has_no_name_goes_and_what_others_are_based_on_stays() {
        let world = World::new();
        let [base, old, app] = [&["base"][..], &["old"], &["base", "app"]]
            .map(|layers| world.image(layers, "linux/amd64"));
        for image in [&base, &old, &app] {
            world.name("app", image);
        }
        let (base, old) = (world.id(&base), world.id(&old));
        let size: u64 = world.layout.blobs().unwrap().iter().map(|(_, size, _)| size).sum();
        let pruned = run(&world, false, &[]);
        assert_eq!(left(&world, &["app", base.as_str(), old.as_str()]), ["app", base.as_str()]);
        let after: u64 = world.layout.blobs().unwrap().iter().map(|(_, size, _)| size).sum();
        assert_eq!((pruned.reclaimed, pruned.leftovers), (size - after, 0));
        let words: Vec<bool> =
            pruned.changes.iter().map(|change| matches!(change, Change::Deleted(_))).collect();
        assert_eq!(words, [true, true]);
        assert_eq!(run(&world, true, &[]).changes.len(), 5);
        assert_eq!(world.layout.blobs().unwrap(), []);
    }

    #[test]
    fn filters_spare() {
        let world = World::new();
        for (name, created, labels) in [
            ("old:1", "2025-01-01T00:00:00Z", json!({"keep": "no"})),
            ("old:2", "2025-01-01T00:00:00Z", json!({"keep": "yes"})),
            ("new:1", "2026-01-01T12:00:00Z", json!({})),
        ] {
            let members = json!({"created": created, "config": {"Labels": labels}});
            world.name(name, &world.image_with(&[name], "linux/amd64", &members));
        }
        let all = ["old:1", "old:2", "new:1"];
        run(&world, true, &["label=keep", "label=other"]);
        assert_eq!(left(&world, &all), all, "every filter must let it through");
        run(&world, true, &["until=24h", "label!=keep=yes"]);
        assert_eq!(left(&world, &all), ["old:2", "new:1"]);
        run(&world, true, &["label!=keep"]);
        assert_eq!(left(&world, &all), ["old:2"]);
    }

    #[test]
    fn content_of_no_image_goes_when_it_is_old() {
        let world = World::new();
        world.name("app", &world.image(&["app"], "linux/amd64"));
        let stray = world.put("a/b", b"stray");
        assert_eq!(run(&world, false, &[]).leftovers, 0, "somebody may be about to use it");
        let locked = world.layout.lock().unwrap();
        assert_eq!(locked.remove_unused(0).unwrap(), (1, 5));
        drop(locked);
        assert_eq!(world.layout.blob_size(&stray.digest), None);
        assert_eq!(left(&world, &["app"]), ["app"]);
    }

    #[test]
    fn nothing_is_made_for_nothing() {
        let world = World::new();
        assert_eq!(run(&world, true, &[]).reclaimed, 0);
        assert!(!world.layout.folder().exists());
    }
}
