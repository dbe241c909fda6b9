//! Comparing builds: the first path that differs, and which step made it.

use crate::actions::build::run::Outcome;
use crate::actions::image::diff::{Archives, DiffError, Parts, diff};
use crate::actions::image::find::{Catalog, LocalImage};
use crate::oci::archive::Expansion;
use crate::oci::{self, Descriptor, Platform};
use crate::store::ImageLayout;

/// What is different between two builds of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// For which platform.
    pub platform: Platform,
    /// The first path that is different, if files are.
    pub path: Option<String>,
    /// What of it: `content`, `mode`, `mtime` and others; that it is not there is `missing`.
    pub changed: Vec<&'static str>,
    /// The first member of the configuration that is different, if no layer is.
    pub member: Option<String>,
    /// The step that made the first layer that is different.
    pub step: Option<String>,
}

/// Compares two builds; `None` if they gave the same.
pub fn compare(
    layout: &ImageLayout,
    first: &Outcome,
    second: &Outcome,
) -> Result<Option<Mismatch>, DiffError> {
    for (first, second) in first.images.iter().zip(&second.images) {
        if first.descriptor.digest != second.descriptor.digest {
            return mismatch(layout, &first.descriptor, &second.descriptor).map(Some);
        }
    }
    Ok(None)
}

/// What is different between two images that are not the same.
pub fn mismatch(
    layout: &ImageLayout,
    first: &Descriptor,
    second: &Descriptor,
) -> Result<Mismatch, DiffError> {
    let catalog = Catalog::read(layout)?;
    let load = |descriptor: &Descriptor| {
        catalog.load_entry(&oci::Entry { descriptor: descriptor.clone() }, None)
    };
    let (first, second) = (load(first)?, load(second)?);
    let archives = Archives::Left;
    let parts = Parts { layers: false, config: true, manifest: false, files: true, archives };
    let difference = diff(layout, &first, &second, parts, Expansion::default())?;
    let file = difference.files.unwrap_or_default().into_iter().next();
    let config = difference.config.unwrap_or_default();
    let member = config.iter().find(|change| !change.path.starts_with("rootfs"));
    let (path, changed) = match file {
        Some(file) => {
            let both = file.before.is_some() && file.after.is_some();
            let changed = if both { file.changed } else { vec!["missing"] };
            (Some(format!("/{}", file.path)), changed)
        }
        None => (None, Vec::new()),
    };
    Ok(Mismatch {
        platform: first.config.platform.clone(),
        path,
        changed,
        member: member.map(|change| change.path.clone()),
        step: step_of_difference(&first, &second),
    })
}

/// The text of the step whose layer is the first that is different.
fn step_of_difference(first: &LocalImage, second: &LocalImage) -> Option<String> {
    let (ones, others) = (&first.config.diff_ids, &second.config.diff_ids);
    let same = ones.iter().zip(others).take_while(|(one, other)| one == other).count();
    if same == ones.len() && same == others.len() {
        return None;
    }
    let mut steps = first.config.history.iter().filter(|step| !step.empty_layer);
    steps.nth(same).map(|step| step.created_by.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::actions::image::testing::World;

    #[test]
    fn a_member_of_the_configuration_is_named_if_no_layer_differs() {
        let world = World::new();
        let image = |value: &str| {
            world.image_with(
                &[],
                "linux/amd64",
                &json!({"config": {"Env": [format!("A={value}")]}}),
            )
        };
        let found = mismatch(&world.layout, &image("1"), &image("2")).unwrap();
        assert_eq!((found.path, found.step), (None, None));
        assert!(found.member.unwrap().contains("Env"));
    }
}
