//! The errors of images on this machine, as kinds and hints: what [`crate::cli::error`] is for the
//! layers below.

use crate::actions::image::filter::FilterError;
use crate::actions::image::find::FindError;
use crate::actions::image::rm::RemoveError;
use crate::actions::image::tag::TagError;
use crate::cli::error::{Classified, ErrorKind, classified_by, classify_image_layout};
use crate::oci::PlatformError;

classified_by! {
    FindError => classify_find,
    FilterError => classify_filter,
    RemoveError => classify_remove,
    TagError => classify_tag,
    PlatformError => classify_platform,
}

fn classify_find(error: &FindError) -> Classified {
    match error {
        FindError::NotFound { .. } => {
            (ErrorKind::NotFound, Some("`trust images` lists the images"))
        }
        FindError::Ambiguous { .. } => (ErrorKind::Usage, Some("give more of the id, or a name")),
        FindError::NoPlatform { .. } | FindError::EmptyIndex { .. } => (ErrorKind::NotFound, None),
        FindError::Layout(cause) => classify_image_layout(cause),
        _ => {
            (ErrorKind::Storage, Some("remove it with `trust image rm`, and pull or load it again"))
        }
    }
}

fn classify_filter(error: &FilterError) -> Classified {
    match error {
        FilterError::Find(cause) => classify_find(cause),
        _ => (ErrorKind::Usage, None),
    }
}

fn classify_remove(error: &RemoveError) -> Classified {
    match error {
        RemoveError::Find(cause) => classify_find(cause),
        RemoveError::Named { .. } => {
            (ErrorKind::Policy, Some("`--force` removes all of its names, too"))
        }
        RemoveError::HasChildren { .. } => {
            (ErrorKind::Policy, Some("`--force` removes it; what is based on it keeps its layers"))
        }
        RemoveError::Part { .. } => (ErrorKind::Usage, None),
        RemoveError::Layout(cause) => classify_image_layout(cause),
    }
}

fn classify_tag(error: &TagError) -> Classified {
    match error {
        TagError::Find(cause) => classify_find(cause),
        TagError::Layout(cause) => classify_image_layout(cause),
        _ => (ErrorKind::Usage, None),
    }
}

fn classify_platform(_: &PlatformError) -> Classified {
    (ErrorKind::Usage, None)
}
