//! Giving an image on this machine one more name.

use crate::actions::image::find::{Catalog, FindError, Resolved};
use crate::oci::{Entry, ImageName, Reference, ReferenceError};
use crate::store::{ImageLayout, ImageLayoutError};

/// Why an image did not get a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// There is no such image.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The new name is none.
    #[error("error parsing reference: \"{}\" is not a valid repository/tag", text.escape_debug())]
    Name {
        /// The name.
        text: String,
        /// What is wrong with it.
        #[source]
        cause: ReferenceError,
    },
    /// A digest is no name that one can give.
    #[error("refusing to create a tag with a digest reference")]
    Digest,
    /// Nobody could tell the name from a digest.
    #[error("refusing to create an ambiguous tag using digest algorithm as name")]
    Algorithm,
    /// The layout cannot be read or written.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
}

/// Gives the image called `source` the name `target`. An image that had the name keeps what other
/// names it has, or stays without one.
pub fn tag(layout: &ImageLayout, source: &str, target: &str) -> Result<(), TagError> {
    let name = parse_target(target)?;
    // Not to make a layout for nothing.
    Catalog::read(layout)?.resolve(source)?;
    layout.lock()?.change(|index| {
        let catalog = Catalog::of(layout, index.clone());
        let found = catalog.resolve(source)?;
        let Some(entry) = found.entries().first() else {
            return Err(FindError::NotFound { typed: source.to_owned() }.into());
        };
        let part = match &found {
            Resolved::NameAtDigest { part, .. } | Resolved::Id { part, .. } => part.as_ref(),
            Resolved::Name(_) => None,
        };
        let image = part.unwrap_or(&entry.descriptor);
        index.set(&ImageName::Reference(name.clone()), image, source_for(entry, &name).as_ref());
        Ok(())
    })
}

/// From where an image came is known of its repository alone.
fn source_for(entry: &Entry, name: &Reference) -> Option<Reference> {
    entry.source().filter(|source| source.name() == name.name())
}

fn parse_target(text: &str) -> Result<Reference, TagError> {
    let wrong = |cause| TagError::Name { text: text.to_owned(), cause };
    let reference = Reference::parse(text).map_err(wrong)?;
    if reference.digest().is_some() {
        return Err(TagError::Digest);
    }
    if matches!(reference.familiar_name().as_str(), "sha256" | "sha512") {
        return Err(TagError::Algorithm);
    }
    match reference.tag() {
        Some(_) => Ok(reference),
        None => reference.with_tag("latest").map_err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::actions::image::find::{find, short_id};
    use crate::actions::image::testing::World;

    #[test]
    fn a_name_is_given_and_its_former_image_dangles() {
        let world = World::new();
        let [one, two] = ["one", "two"].map(|text| world.image(&[text], "linux/amd64"));
        world.name_from("app:1", &one, Some(&format!("app@{}", one.digest)));
        world.name("app:2", &two);
        tag(&world.layout, short_id(&world.id(&one)), "app:2").unwrap();
        let found = find(&world.layout, "app:2").unwrap();
        assert_eq!(found.id, world.id(&one));
        assert!(found.entry.source().is_some(), "it is the same repository");
        assert_eq!(find(&world.layout, world.id(&two).as_str()).unwrap().names, []);
        tag(&world.layout, "app:1", "other").unwrap();
        assert_eq!(find(&world.layout, "other:latest").unwrap().entry.source(), None);
    }

    #[test_case("app:1", "A", "error parsing reference: \"A\" is not a valid repository/tag")]
    #[test_case("app:1", "", "error parsing reference: \"\" is not a valid repository/tag")]
    #[test_case(
        "app:1",
        "sha256:1",
        "refusing to create an ambiguous tag using digest algorithm as name"
    )]
    #[test_case("nope", "x", "No such image: nope")]
    fn refused(source: &str, target: &str, expected: &str) {
        let world = World::new();
        world.name("app:1", &world.image(&["one"], "linux/amd64"));
        assert_eq!(tag(&world.layout, source, target).unwrap_err().to_string(), expected);
        let digest = world.image(&["one"], "linux/amd64").digest;
        let error = tag(&world.layout, "app:1", &format!("app@{digest}")).unwrap_err();
        assert!(matches!(error, TagError::Digest), "{error}");
    }

    #[test]
    fn nothing_is_made_for_nothing() {
        let world = World::new();
        assert!(tag(&world.layout, "nope", "x").is_err());
        assert!(!world.layout.folder().exists());
    }
}
